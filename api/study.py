"""A study and what can be asked of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import pandas as pd
from torch import Tensor

from ..benchmark import pipeline
from ..benchmark.arms import DEFAULT_ARMS, ORIGINAL, Arm, check_inflation, chosen, doses, with_doses
from ..benchmark.cells import cells_of
from ..benchmark.examples import examples
from ..benchmark.external import check_alike
from ..benchmark.request import Request
from ..classify.augmentation import Examples
from ..classify.catalogue import INITS, MODELS, USUAL, check_init
from ..classify.torchvision_names import check_model
from ..core.compute import Compute, resolve, usual_jobs
from ..core.errors import UsageError, did_you_mean
from ..core.progress import Listener, listening
from ..data import cohort
from ..data import study as studies
from ..data.creation import PHANTOMS
from ..data.names import clean
from ..data.settings import Settings
from ..data.store import Pixels
from ..gan import translator
from ..gan.config import check_options, check_preset, check_target, usual_preset
from ..gan.request import Ask, Judge, plan_gan
from ..gan.train import train_gan
from . import show
from .dataset import ScanDataset
from .result import BenchmarkResult
from .translator import Translator


class StudyOptions(TypedDict, total=False):
    """What defines a study, by the names of the commands' options; what is left out keeps its default."""

    data: str  # folder, zip, labels.csv, "busi", or "phantom" (the default)
    cohort: str  # raw | clean | strict | curated
    size: int  # side of the letterboxed scans, px
    k: int  # folds
    seed: int  # of the split
    target: str  # the class to balance
    inner: int  # make a study of this outer fold's training part alone
    frames: str  # of DICOM loops: middle | all
    merge_alike: bool  # make one group of given groups that hold scans of one scene


class TranslatorOptions(TypedDict, total=False):
    """What decides a translator beside its fold, class and seed; what is left out is the preset's."""

    preset: str  # effort: demo | quick | standard | paper
    pairs: int  # pairs of scans to show
    sources: Sequence[str]  # classes to translate from; a text names them with commas, as everywhere here
    method: str  # detail | projected | published
    changes: Mapping[str, str]  # switches as --set takes them


class BenchmarkOptions(TypedDict, total=False):
    """What a benchmark may be asked for beside models, arms, folds and seeds."""

    dose: float | Sequence[float]  # shares of what balance needs, for arms that add scans
    init: str  # first weights: usual | none | imagenet | phantom | a file
    gan_seed: int
    gan_seeds: int  # translators of a fold, which the seeds take in turn
    balance: Sequence[str]  # classes to raise; the study's target unless given
    synthetic: str | Path  # folder of another generator's scans, as the arm unverified
    external: str  # scans from elsewhere, on which every network is tested too
    external_alike: str  # what to do with those that look like the study's own: refuse | drop
    inflation: bool  # show what a split per image would have claimed
    extractor: str  # network that judges synthetic scans


def study(
    path: str | Path = "study",
    *,
    phantoms: int = PHANTOMS,
    device: str = "auto",
    precision: str = "auto",
    listener: Listener | None = None,
    **options: Unpack[StudyOptions],
) -> "Study":
    """Open the study in `path`, or create it there.

    UsageError where it was made with other options, and for an option that there is not.

    `phantoms`: how many to simulate where no data are given (the commands make 300 with preset demo).
    `listener` hears all that is done for this study: `bus.Terminal()` shows what the commands show; without
    one the work is silent.
    """
    _refuse_unknown("bus.study", options, StudyOptions)
    told, compute = listener or Listener(), resolve(device, precision)
    with listening(told):
        opened = studies.open_or_create(Path(path), dict(options), phantoms=phantoms)
    return Study(opened, compute, told)


class Study:
    """One data set, cohort and split, frozen in a folder, and all that was made from them."""

    def __init__(self, opened: studies.Study, compute: Compute, listener: Listener) -> None:
        self._opened, self._compute, self._listener = opened, compute, listener

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._opened.path

    @property
    def settings(self) -> Settings:
        """What defines it, and the sentences that every reader must see (`banners`)."""
        return self._opened.settings

    @property
    def classes(self) -> list[str]:
        """The names of its classes; class numbers index this list."""
        return self._opened.classes

    @property
    def target(self) -> str:
        """The class that is balanced."""
        return self._opened.target

    @property
    def pixels(self) -> Pixels:
        """The letterboxed scans (N×S×S uint8, grey, memory-mapped, read-only), in the order of `scans()`."""
        return self._opened.pixels

    def scans(self) -> pd.DataFrame:
        """Every scan, a row each; `fold` is missing where the cohort leaves it out, and `left_out` says why.

        `sha256` is of the decoded pixels as 8-bit RGB, `width` and `height` are native, in px.
        """
        rows = self._opened.scans
        table = pd.DataFrame([cohort.cells(scan) for scan in rows], columns=list(cohort.COLUMNS))
        table["fold"] = table["fold"].replace("", pd.NA).astype("Int64")
        return table.drop(columns=list(cohort.BOX_COLUMNS)).rename_axis("row")

    def dataset(
        self,
        fold: int = 0,
        part: Literal["train", "test"] = "train",
        arm: str = "original",
        *,
        gan_seed: int = 0,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> ScanDataset:
        """A fold's training part as an arm balances it, or its test part, as a data set of torch.

        The test part is real whatever the arm. BusError where an arm needs synthetic scans that are not made,
        UsageError for an unknown part, fold or arm.
        """
        study = self._opened
        if part not in ("train", "test"):
            raise UsageError(f"part={part!r}: expected train or test.")
        self._check_fold(fold)
        arms = tuple(one if one.trains else ORIGINAL for one in chosen(arm, self.classes))
        if len(arms) > 1:
            raise UsageError(f"arm={arm!r}: a data set is of one arm. Name one.")
        if arms[0].kind == "pooled":
            raise UsageError(
                f"arm={arm!r} takes several translators, and a data set has one. Ask for cyclegan with "
                "gan_seed."
            )
        if part == "test":
            rows = study.test(fold)
            held = Examples(study.pixels[rows], study.labels[rows], [])
        else:
            request = Request((fold,), arms, MODELS[:1], gan_seed=gan_seed, compute=self._compute)
            held = examples(study, cells_of(study, request)[0])
        return ScanDataset(held.pixels, held.labels, self.classes, real=held.own, transform=transform)

    def train_translator(
        self,
        fold: int | None = 0,
        *,
        target: str | None = None,
        seed: int = 0,
        redo: bool = False,
        **options: Unpack[TranslatorOptions],
    ) -> Translator:
        """Train a CycleGAN on a fold's training part (None: on all scans), or go on with it; `bus gan train`.

        `target`: the class to make, the study's unless given. UsageError for an option that there is not, and
        where a translator of other options is there already, unless `redo` sets it and its scans aside.
        """
        _refuse_unknown("train_translator", options, TranslatorOptions, ("fold", "target", "seed", "redo"))
        own = self.translator(fold, target=target, seed=seed)
        ask = Ask(
            options.get("preset"),
            _positive("pairs", options.get("pairs")),
            _listed("sources", options["sources"]) if "sources" in options else None,
            options.get("method"),
            options.get("changes", {}),
        )
        check_options(ask.preset, ask.method, ask.changes)
        with listening(self._listener):
            handle = translator.Translator(self._opened, fold, own.target, seed)
            config, compute = plan_gan(handle, ask, self._compute, preset=self._usual_preset, redo=redo)
            train_gan(self._opened, config, compute, redo=redo)
        return own

    def translator(self, fold: int | None = 0, *, target: str | None = None, seed: int = 0) -> Translator:
        """The translator of a fold (None: of all scans), class and seed, trained or not (`is_done`).

        UsageError for a fold or class that the study has not.
        """
        if fold is not None:
            self._check_fold(fold)
        label = check_target(self._opened, target or self.target, "target")
        return Translator(self._opened, fold, label, seed, self._compute, self._listener)

    def benchmark(
        self,
        *,
        models: Sequence[str] = MODELS,
        arms: Sequence[str] = DEFAULT_ARMS,
        folds: int | Sequence[int] | Literal["all"] = (0,),
        seeds: int = 1,
        preset: str | None = None,
        jobs: int | None = None,
        keep_weights: bool = False,
        **options: Unpack[BenchmarkOptions],
    ) -> BenchmarkResult:
        """Train every model on every arm and write the report; `bus benchmark`.

        Makes translators and synthetic scans where they are missing and leaves alone what is done. `jobs`:
        trainings at once; the cores, or 1 on a GPU, unless given. UsageError for an option that there is not,
        BusError if some trainings failed, after the others.
        """
        # what is asked
        named = ("models", "arms", "folds", "seeds", "preset", "jobs", "keep_weights")
        _refuse_unknown("benchmark", options, BenchmarkOptions, named)
        check_preset(preset or self._usual_preset)
        wanted, init = _listed("models", models), str(options.get("init", USUAL))
        for model in wanted:
            check_model(model)
        check_init(wanted, init)
        kinds, shares = chosen(",".join(_listed("arms", arms)), self.classes), _shares(options.get("dose", 1))
        if options.get("inflation"):
            check_inflation(wanted, kinds, shares)
        alike = options.get("external_alike", "refuse")
        check_alike(alike)
        if "external_alike" in options and not options.get("external"):
            raise UsageError(f"external_alike={alike!r} does nothing without external. Leave it out.")
        folder = self._folder(options["synthetic"]) if "synthetic" in options else None
        numbers, names = self._folds(folds), list(_listed("arms", arms))
        asked = {"models": list(wanted), "arms": names, "folds": numbers, "seeds": seeds, "preset": preset}
        asked |= {**options, **({"synthetic": str(folder)} if folder else {})}
        said = [f"{name}={value!r}" for name, value in asked.items()]
        request = Request(
            folds=tuple(numbers),
            arms=with_doses((*kinds, *[Arm("unverified")] * bool(folder)), shares),
            models=wanted,
            seeds=seeds,
            preset=preset or self._usual_preset,
            init=init if init in INITS else str(Path(init).resolve()),
            gan_seed=options.get("gan_seed", 0),
            gan_seeds=options.get("gan_seeds", 1),
            balance=self._labels("balance", options["balance"]) if "balance" in options else (),
            folder=folder,
            external=str(options.get("external", "")),
            external_alike=alike,
            inflation=options.get("inflation", False),
            compute=self._compute,
            jobs=_positive("jobs", jobs) or usual_jobs(self._compute.device),
            keep_weights=keep_weights,
            judge=Judge(options.get("extractor", "auto")),
            command=f"bus.study({str(self.path)!r}).benchmark({', '.join(said)})",
        )

        # done
        with listening(self._listener):
            pipeline.benchmark(self._opened, request)
        return self.result()

    def result(self) -> BenchmarkResult:
        """What the last benchmark of this study found; BusError where there was none."""
        request = Request.recall(self._opened)
        finished = [cell for cell in cells_of(self._opened, request) if cell.is_done]
        others = pipeline.looked_at(self._opened, request)
        return BenchmarkResult(self._opened, finished, request.compute, others)

    @property
    def _usual_preset(self) -> str:
        return usual_preset(self._compute.device)

    def _check_fold(self, fold: object) -> None:
        if fold not in self._opened.folds:
            raise UsageError(f"fold={fold!r}: the study's folds are 0 to {self.settings.k - 1}.")

    def _folds(self, folds: int | Sequence[int] | str) -> list[int]:
        """The numbers of folds, each once, of which one, several or "all" were named."""
        if isinstance(folds, str) and folds == "all":
            return self._opened.folds
        if isinstance(folds, str) or (isinstance(folds, Iterable) and not len(folds)):
            raise UsageError(f'folds={folds!r}: expected numbers, such as [0, 2], or "all".')
        asked = list(folds) if isinstance(folds, Iterable) else [folds]
        for fold in asked:
            self._check_fold(fold)
        return sorted({int(fold) for fold in asked})

    def _labels(self, option: str, given: Sequence[str]) -> tuple[str, ...]:
        """Names of the study's classes."""
        labels = _listed(option, given)
        for label in labels:
            if label not in self.classes:
                raise UsageError(
                    f"{option}={label!r}: the study's classes are {', '.join(self.classes)}."
                    f"{did_you_mean(label, self.classes)}"
                )
        return labels

    @staticmethod
    def _folder(given: str | Path) -> Path:
        """The folder of another generator's scans."""
        if not Path(given).is_dir():
            raise UsageError(f"synthetic={str(given)!r}: there is no such folder. Check the spelling.")
        return Path(given).resolve()

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {name}" for name, number in self._counts().items())
        return f"Study {self.path}: {self.settings.data.name}, {counts}, {self.settings.k} folds"

    def _repr_html_(self) -> str:
        frozen = self.settings
        facts = {
            "data": f"{frozen.data.name}, cohort {frozen.cohort}",
            "scans": ", ".join(f"{number} {name}" for name, number in self._counts().items()),
            "folds": f"{frozen.k}, cut by group with seed {frozen.seed}",
            "target": self.target,
        }
        used = self._opened.used()
        return show.card(
            f"Study {self.path}",
            facts,
            notes=frozen.banners,
            below=show.sheet(self.pixels[used[:: max(1, len(used) // show.SHOWN)]], "scans of the study"),
        )

    def _counts(self) -> dict[str, int]:
        used = self._opened.used()
        return {name: len(self._opened.rows_of(used, [name])) for name in self.classes}


def _refuse_unknown(call: str, given: Mapping[str, object], known: type, named: Iterable[str] = ()) -> None:
    """UsageError for an option that is none of `known`, nor of the `named` ones: it would do nothing."""
    names = [*named, *known.__annotations__]
    for name in given:
        if name not in names:
            raise UsageError(
                f"{name}={given[name]!r}: {call} has no such option. It takes {', '.join(names)}."
                f"{did_you_mean(name, names)}"
            )


def _listed(option: str, given: Sequence[str]) -> tuple[str, ...]:
    """Names in a sequence, or in a text with commas as the commands take them; each once, one at least."""
    parts = given.split(",") if isinstance(given, str) else given
    names = tuple(dict.fromkeys(name for part in parts if (name := clean(part))))
    if not names:
        raise UsageError(f"{option}={given!r}: expected one name or several.")
    return names


def _shares(dose: float | Sequence[float]) -> tuple[float, ...]:
    """The shares of `dose`; UsageError for what is no number above 0."""
    several = isinstance(dose, Iterable) and not isinstance(dose, str)
    return doses(",".join(map(str, dose)) if several else str(dose))  # type: ignore[arg-type]


def _positive(option: str, number: int | None) -> int | None:
    """UsageError for a number that is given and below 1."""
    if number is not None and number < 1:
        raise UsageError(f"{option}={number}: expected 1 or more.")
    return number
