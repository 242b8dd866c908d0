"""The arms: how a training part is balanced, how much of it, and from which sources."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..classify.catalogue import INFLATED
from ..core.errors import UsageError, did_you_mean
from ..data.names import clean

ARMS = {
    "original": "the training part as it is",
    "weighted": "the loss weighted by the inverse class frequency",
    "adjusted": "the networks of original, their answers corrected for the class prior that balance would "
    "bring; no training",
    "oversampled": "scans of the target class repeated",
    "cyclegan": "synthetic scans of the target class added",
    "pooled": "synthetic scans of all translators of the fold (--gan-seeds) added, of each alike many",
    "pasted": "real lesions of the target, with their shadow, on the training part's other scans: a control "
    "that is no network",
    "relabelled": "negative control: the translator's sources, untranslated, under the target's label",
    "unverified": "another generator's scans of the target class added; where they come from cannot be "
    "checked",
}
DEFAULT_ARMS = ("original", "weighted", "adjusted", "oversampled", "cyclegan")
ADDING = ("oversampled", "cyclegan", "pooled", "pasted", "relabelled", "unverified")  # these have a dose
TRANSLATED = ("cyclegan", "pooled", "relabelled")  # need a translator
GENERATED = (*TRANSLATED, "unverified")  # whose added scans a generator made, or was given
SOURCED = (*TRANSLATED, "pasted")  # may be limited to one source class
DERIVED = ("adjusted",)  # train nothing: the answers of `original`, corrected
CHOSEN = tuple(name for name in ARMS if name != "unverified")  # by --arms; that one comes with --synthetic


@dataclass(frozen=True)
class Arm:
    """One arm by its parts; written `kind[:source][@dose]`, such as `cyclegan:normal@0.5`."""

    kind: str
    source: str = ""  # only scans translated from this class are added; "" for all sources in proportion
    dose: float = 1.0  # share of what balance needs

    def __str__(self) -> str:
        return self.kind + f":{self.source}" * bool(self.source) + f"@{self.dose:g}" * (self.dose != 1)

    @property
    def meaning(self) -> str:
        """The arm in words."""
        parts = [ARMS.get(self.kind, self.kind)]
        parts += [f"made from {self.source} alone"] if self.source else []
        parts += [f"{self.dose:g} times what balance needs"] if self.dose != 1 else []
        return ", ".join(parts)

    @property
    def trains(self) -> bool:
        """Whether it has networks of its own."""
        return self.kind not in DERIVED

    @property
    def order(self) -> tuple[int, str, float]:
        """Sort key for tables: the arms in the order of ARMS, each before its variants."""
        return (list(ARMS).index(self.kind) if self.kind in ARMS else len(ARMS), self.source, self.dose)

    @property
    def folder(self) -> str:
        """The arm as the name of a folder on any system."""
        return re.sub(r"[^\w@.-]+", "-", str(self))


ORIGINAL = Arm("original")


def parse(name: str) -> Arm:
    """Read an arm's name back."""
    head, at, dose = name.rpartition("@")
    try:
        number = float(dose) if at else 1.0
    except ValueError:
        head, at, number = name, "", 1.0
    kind, _, source = (head if at else name).partition(":")
    return Arm(kind, source, number)


def chosen(text: str, classes: Sequence[str] | None = None) -> tuple[Arm, ...]:
    """The arms of `--arms`; UsageError names what is unknown.

    That goes for a source class too, once the `classes` are known.
    """
    names = dict.fromkeys(clean(part) for part in text.split(",") if part.strip())
    arms = tuple(Arm(kind, source) for kind, _, source in (name.partition(":") for name in names))
    unknown = [arm for arm in arms if arm.kind not in CHOSEN]
    if unknown or not arms:
        slip = did_you_mean(unknown[0].kind, CHOSEN) if unknown else ""
        raise UsageError(
            f"--arms {text}: {unknown[0] if unknown else 'nothing'} is unknown; choose among "
            f"{', '.join(CHOSEN)}.{slip}"
        )
    for arm in arms:
        if arm.source and classes is not None and (arm.kind not in SOURCED or arm.source not in classes):
            example, slip = next(iter(classes), "benign"), did_you_mean(arm.source, classes)
            raise UsageError(
                f"--arms {arm}: {', '.join(SOURCED)} can be limited to one source class, such as "
                f"cyclegan:{example}; the classes are {', '.join(classes)}.{slip}"
            )
    return arms


def doses(text: str) -> tuple[float, ...]:
    """The shares of `--dose`, in rising order; UsageError for what is no number above 0."""
    try:
        shares = sorted({float(part) for part in text.split(",")})
    except ValueError:
        shares = []
    if not shares or not all(0 < share <= 10 for share in shares):
        raise UsageError(
            f"--dose {text}: expected numbers above 0 and up to 10, such as 0.25,0.5,1,2 (1 is balance)."
        )
    return tuple(shares)


def with_doses(arms: Iterable[Arm], shares: Sequence[float]) -> tuple[Arm, ...]:
    """Each arm that adds scans once for every dose, the others once; UsageError for doses no arm takes."""
    chosen = list(arms)
    if tuple(shares) != (1.0,) and not any(arm.kind in ADDING for arm in chosen):
        raise UsageError(
            f"--dose does nothing here: none of {', '.join(map(str, chosen))} adds scans. Add one of "
            f"{', '.join(ADDING[:3])} to --arms."
        )
    return tuple(
        replace(arm, dose=share)
        for arm in chosen
        for share in (shares if arm.kind in ADDING else (arm.dose,))
    )


def check_inflation(models: Sequence[str], arms: Sequence[Arm], shares: Sequence[float]) -> None:
    """UsageError where --inflation lacks what it compares: two arms of one of two models, in full dose."""
    if 1 not in shares:
        raise UsageError(
            f"--inflation compares the full dose, which --dose {','.join(f'{share:g}' for share in shares)} "
            "leaves out. Add 1 to it, or leave --inflation out."
        )
    plain = {str(arm) for arm in arms}
    if not (set(INFLATED) & set(models) and {"original", "cyclegan"} <= plain):
        raise UsageError(
            "--inflation compares original and cyclegan of SimpleCNN and ResNet18: name both arms and one "
            "of these models, or leave it out."
        )
