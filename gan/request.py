"""What a user asks of a translator and of those who judge its scans, and what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.compute import Compute, resolve
from .config import METHOD, GanConfig, configure
from .extractors import check_extractor
from .translator import Translator


@dataclass(frozen=True)
class Judge:
    """How synthetic scans are scored: by which network, its weights, how often the reference is split."""

    extractor: str = "auto"
    weights: Path | None = None
    splits: int = 50

    def __post_init__(self) -> None:
        """Refuse an unknown network before any scan is read or made."""
        check_extractor(self.extractor)


@dataclass(frozen=True)
class Ask:
    """What a user asks of a translator; what is None stays as it was begun, or is the default."""

    preset: str | None = None
    pairs: int | None = None
    sources: Sequence[str] | None = None
    method: str | None = None
    changes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked."""
        return self == Ask()


def plan_gan(
    translator: Translator,
    ask: Ask,
    compute: Compute,
    *,
    preset: str,
    redo: bool = False,
    insist: bool = False,
) -> tuple[GanConfig, Compute]:
    """Configuration and arithmetic of a translator: those it was begun with, unless others are asked for.

    `preset` is the default effort of a new one. `insist`: the user asked for device or precision, so that a
    translator begun with others is refused rather than gone on with in its own. Threads stay those it was
    begun with: no option sets them. UsageError where this machine lacks the device that an unfinished one was
    begun on.
    """
    study, fold = translator.study, translator.fold
    old = None if redo else translator.config

    # the arithmetic it was begun with; a finished one needs its device no more
    if old and insist:
        compute = replace(compute, threads=old.threads)
    elif old:
        begun = Compute if translator.is_done else resolve
        compute = begun(old.device, old.precision, old.threads)

    # all as it was begun, or what is asked
    if old and ask.is_empty:
        return replace(
            old,
            device=compute.device,
            precision=compute.precision,
            threads=compute.threads,
            training_pixels=study.pixels_sha256(study.train(fold)),
        ), compute
    config = configure(
        study,
        compute,
        fold=fold,
        target=translator.target,
        seed=translator.seed,
        preset=ask.preset or (old.preset if old else preset),
        pairs=ask.pairs or (old.pairs if old and ask.preset is None else None),
        sources=ask.sources or (old.sources if old else None),
        method=ask.method or (old.method if old and ask.preset is None else None),
        changes={**_as_begun(translator, old), **ask.changes},
    )
    if old:  # goes on drawing as it began
        config = replace(config, drawn_from=old.drawn_from)
    return config, compute


def _as_begun(translator: Translator, old: GanConfig | None) -> dict[str, str]:
    """The switch `init` where a study's translators to this class began without first weights, once usual.

    All of an arm begin alike, or its folds would be two treatments; `old` is what this one was begun with.
    """
    others = (one for one in Translator.all_of(translator.study) if one.folder != translator.folder)
    configs = [old] if old else [one.config for one in others if one.target == translator.target]
    known = [config for config in configs if config and config.method == METHOD]
    return {"init": "none"} if known and all(config.init == "none" for config in known) else {}
