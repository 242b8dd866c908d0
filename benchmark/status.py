"""What a study holds, what is under way and what is missing: as values, and as lines of text."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from ..core.errors import BusError
from ..core.files import Json
from ..data.study import Study
from ..gan.manifest import SyntheticSet
from ..gan.translator import REPORTS, Translator
from .arms import parse
from .cell import WEIGHTS, changed, finished_folders, kept_weights
from .report_folder import ReportFolder, reports


@dataclass(frozen=True)
class TranslatorState:
    """A translator, trained or under way."""

    fold: int | None  # None: trained on every scan
    target: str
    gan_seed: int
    preset: str
    pairs: int
    done: float  # share of its training
    seconds: float | None  # that its training took; None before its end
    folder: str


@dataclass(frozen=True)
class SyntheticState:
    """A set of synthetic scans."""

    fold: int | None
    target: str
    gan_seed: int
    scans: int
    scored: bool
    folder: str


@dataclass(frozen=True)
class CellState:
    """The finished trainings of one arm of a fold."""

    fold: int | None
    arm: str
    trained: int


@dataclass(frozen=True)
class Overview:
    """All that a study holds."""

    study: Study
    translators: list[TranslatorState]
    synthetic: list[SyntheticState]
    cells: list[CellState]
    report: Path | None
    damaged: list[str]  # what is missing or not as it was written, a sentence each

    @property
    def as_json(self) -> Mapping[str, Json]:
        """What `bus status --json` prints."""
        study, used, settings = self.study, self.study.used(), self.study.settings
        frozen = ("cohort", "size", "k", "seed", "target", "inner")
        return {
            "study": str(study.path),
            **{name: getattr(settings, name) for name in frozen},
            "data": settings.data.name,
            "banners": list(settings.banners),
            "classes": {name: len(study.rows_of(used, [name])) for name in study.classes},
            "groups": len({study.groups[row] for row in used}),
            "translators": [asdict(state) for state in self.translators],
            "synthetic": [asdict(state) for state in self.synthetic],
            "cells": [asdict(state) for state in self.cells],
            "report": str(self.report) if self.report else None,
            "damaged": list(self.damaged),
        }

    def lines(self) -> Iterator[str]:
        """One line a translator, a set of synthetic scans, an arm with trainings, and one for the report."""
        for made in self.translators:
            state = f"under way, about {made.done:.0%} done"
            if made.done == 1:
                spent = "" if made.seconds is None else f" in {made.seconds / 60:.1f} min"
                state = f"trained, {made.pairs:,} pairs{spent}"
            about = f"(seed {made.gan_seed}, {made.preset})"
            yield f"{_fold_name(made.fold)} translator to {made.target} {about}: {state}"
        for scans in self.synthetic:
            scored = "scored" if scans.scored else "not scored"
            about = f"synthetic {scans.target} scans (seed {scans.gan_seed})"
            yield f"{_fold_name(scans.fold)} {about}: {scans.scans}, {scored}"
        for cells in self.cells:
            done = "trained" if parse(cells.arm).trains else "corrected"
            yield f"{_fold_name(cells.fold)} cells of {cells.arm}: {cells.trained} {done}"
        yield f"report: {self.report or 'none yet; bus benchmark writes it'}"


def overview(study: Study) -> Overview:
    """Look at all that a study holds; what is damaged is told as such and left out."""
    page = ReportFolder(study.path).page
    cells = [
        CellState(fold, arm, trained)
        for fold, folder in study.fold_folders()
        for arm, trained in sorted(Counter(arm for arm, _ in finished_folders(folder / "cells")).items())
    ]
    translators, synthetic = [], []
    for translator in Translator.all_of(study):
        with suppress(BusError):  # told among what is damaged
            translators.append(_translator_state(translator))
    for scans in SyntheticSet.all_of(study):
        with suppress(BusError):
            synthetic.append(_synthetic_state(scans))
    return Overview(
        study=study,
        translators=translators,
        synthetic=synthetic,
        cells=cells,
        report=page if page.exists() else None,
        damaged=list(damages(study)),
    )


def damages(study: Study) -> Iterator[str]:
    """What was finished in a study and is missing or changed now, a sentence each; every file is read."""
    weights = [WEIGHTS] if not any(kept_weights(study.path)) else []  # all taken out, or never kept

    def lost_of(folder: Path) -> list[str]:
        return [name for name in changed(folder) if name not in weights]

    looked = [
        *((made.folder, partial(_of, made), "bus gan train --redo") for made in Translator.all_of(study)),
        *((made.folder, partial(_of, made), "bus synth --redo") for made in SyntheticSet.all_of(study)),
        *(
            (folder, partial(lost_of, folder), "bus benchmark")
            for _, fold in study.fold_folders()
            for _, folder in finished_folders(fold / "cells")
        ),
        *((made.path, partial(_of, made), f"bus report --of {made.number}") for made in reports(study.path)),
    ]
    for folder, look, mend in looked:
        try:
            lost = look()
        except BusError as error:
            yield str(error)
            continue
        if lost:
            names = ", ".join(lost[:3]) + f" and {len(lost) - 3} more" * (len(lost) > 3)
            mend += " --keep-weights" * (WEIGHTS in lost)
            yield f"{folder}: {names} missing or not as written. {mend} makes it again."


def _of(made: Translator | SyntheticSet | ReportFolder) -> list[str]:
    return made.changed


def _translator_state(translator: Translator) -> TranslatorState:
    config, done = translator.known_config, translator.is_done
    return TranslatorState(
        fold=translator.fold,
        target=translator.target,
        gan_seed=translator.seed,
        preset=config.preset,
        pairs=config.pairs,
        done=1.0 if done else min(0.99, translator.told / REPORTS),
        seconds=translator.seconds if done else None,
        folder=str(translator.folder),
    )


def _synthetic_state(scans: SyntheticSet) -> SyntheticState:
    return SyntheticState(
        fold=scans.fold,
        target=scans.label,
        gan_seed=scans.seed,
        scans=len(scans.rows),
        scored=scans.scores is not None,
        folder=str(scans.folder),
    )


def _fold_name(fold: int | None) -> str:
    return f"fold-{'none' if fold is None else fold}"
