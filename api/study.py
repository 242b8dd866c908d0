"""A study and what can be asked of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import pandas as pd
from torch import Tensor

from ..benchmark import pipeline
from ..benchmark.arms import DEFAULT_ARMS, ORIGINAL, check_inflation, chosen, with_doses
from ..benchmark.cells import cells_of
from ..benchmark.examples import examples
from ..benchmark.request import Request
from ..classify.augmentation import Examples
from ..classify.catalogue import MODELS, USUAL
from ..core.compute import Compute, cores, resolve
from ..core.errors import UsageError
from ..core.progress import Listener, listening
from ..data import cohort
from ..data import study as studies
from ..data.creation import PHANTOMS
from ..data.settings import Settings
from ..data.store import Pixels
from ..gan import translator
from ..gan.config import check_target
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
    sources: Sequence[str]  # classes to translate from
    method: str  # detail | projected | published
    changes: Mapping[str, str]  # switches as --set takes them


class BenchmarkOptions(TypedDict, total=False):
    """What a benchmark may be asked for beside models, arms, folds and seeds."""

    dose: Sequence[float]  # shares of what balance needs, for arms that add scans
    init: str  # first weights: usual | none | imagenet | phantom | a file
    gan_seed: int
    gan_seeds: int  # translators of a fold, which the seeds take in turn
    balance: tuple[str, ...]  # classes to raise; the study's target unless given
    synthetic: Path  # folder of another generator's scans
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
    """Open the study in `path`, or create it there; UsageError where it was made with other options.

    `phantoms`: how many to simulate where no data are given (the commands make 300 with preset demo).
    `listener` hears all that is done for this study: `bus.Terminal()` shows what the commands show; without
    one the work is silent.
    """
    told, compute = listener or Listener(), resolve(device, precision)
    with listening(told):
        opened = studies.open_or_create(Path(path), dict(options), phantoms=phantoms, say=told.note)
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
        if fold not in study.folds:
            raise UsageError(f"fold={fold}: the study's folds are 0 to {study.settings.k - 1}.")
        arms = tuple(one if one.trains else ORIGINAL for one in chosen(arm, self.classes))
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

        `target`: the class to make, the study's unless given. UsageError where a translator of other options
        is there already, unless `redo` sets it and its scans aside.
        """
        own = self.translator(fold, target=target, seed=seed)
        ask = Ask(
            options.get("preset"),
            options.get("pairs"),
            options.get("sources"),
            options.get("method"),
            options.get("changes", {}),
        )
        with listening(self._listener):
            handle = translator.Translator(self._opened, fold, own.target, seed)
            config, compute = plan_gan(handle, ask, self._compute, preset=self._usual_preset, redo=redo)
            train_gan(self._opened, config, compute, redo=redo)
        return own

    def translator(self, fold: int | None = 0, *, target: str | None = None, seed: int = 0) -> Translator:
        """The translator of a fold, class and seed, trained or not (`is_done`)."""
        label = check_target(self._opened, target or self.target)
        return Translator(self._opened, fold, label, seed, self._compute, self._listener)

    def benchmark(
        self,
        *,
        models: Sequence[str] = MODELS,
        arms: Sequence[str] = DEFAULT_ARMS,
        folds: Sequence[int] = (0,),
        seeds: int = 1,
        preset: str | None = None,
        jobs: int | None = None,
        keep_weights: bool = False,
        **options: Unpack[BenchmarkOptions],
    ) -> BenchmarkResult:
        """Train every model on every arm and write the report; `bus benchmark`.

        Makes translators and synthetic scans where they are missing and leaves alone what is done. `jobs`:
        trainings at once, as many as there are cores unless given. BusError if some failed, after the others.
        """
        # what is asked
        kinds, shares = chosen(",".join(arms), self.classes), tuple(options.get("dose", (1.0,)))
        if options.get("inflation"):
            check_inflation(models, kinds, shares)
        asked = {"models": list(models), "arms": list(arms), "folds": list(folds), "seeds": seeds}
        said = [f"{name}={value!r}" for name, value in {**asked, "preset": preset, **options}.items()]
        request = Request(
            folds=tuple(folds),
            arms=with_doses(kinds, shares),
            models=tuple(models),
            seeds=seeds,
            preset=preset or self._usual_preset,
            init=options.get("init", USUAL),
            gan_seed=options.get("gan_seed", 0),
            gan_seeds=options.get("gan_seeds", 1),
            balance=options.get("balance", ()),
            folder=options.get("synthetic"),
            external=options.get("external", ""),
            external_alike=options.get("external_alike", "refuse"),
            inflation=options.get("inflation", False),
            compute=self._compute,
            jobs=jobs or cores(),
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
        return "quick" if self._compute.device == "cpu" else "standard"

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
