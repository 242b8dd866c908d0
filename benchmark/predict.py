"""What `bus predict` does: find a trained classifier, answer scans with it, show them as table or JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ..classify import metrics, predict
from ..classify.catalogue import title
from ..classify.metrics import COLLAPSED
from ..core.compute import Compute, resolve
from ..core.errors import BusError, visible
from ..core.files import Json
from ..core.progress import note
from ..data.reading import look
from ..data.scans import ScanFile
from ..data.store import Box, Pixels
from ..data.study import Study
from ..data.unlabelled import Loose
from ..gan.translator import Translator
from .arms import parse
from .cell import WEIGHTS, Cell, cells_with_weights, finished_cells, kept_weights, lost_weights
from .cells import FIRST, SCANS, WEIGHTS_INIT, asked_by, training_rows
from .request import Request

SCHEMA = "bus.predict/1"  # of the JSON; the number changes if a key changes its meaning or goes
NOTICE = "Research use only: these answers come from an experiment and must not inform a diagnosis."
ARM, MODEL = "cyclegan", "resnet18"  # answer where others are there too
Rank = tuple[int, bool, bool, str, str, int]
PARTS = {
    "training": "seen in training",
    "validation": "validation part: watched, not trained on",
    "test": "held out: test part of the fold",
    "left out": "left out of the study",
}


@dataclass(frozen=True)
class Trained:
    """A finished cell whose weights were kept."""

    study: Study
    cell: Cell
    collapsed: str | None  # the class that got 90 % or more of its answers there
    others: int  # cells that fitted the wish as well, and are older

    @property
    def name(self) -> str:
        """The classifier in words."""
        cell = self.cell
        model = title(cell.model)
        return f"{model}, arm {cell.arm}, fold {cell.fold}, seed {cell.seed}, preset {cell.preset}"

    @property
    def remarks(self) -> list[str]:
        """Sentences that belong beside every answer of it."""
        remarks = [NOTICE, *self.study.settings.banners]
        if self.cell.preset == "demo":
            remarks.append("Preset demo: it shows the way, its numbers mean nothing.")
        if self.collapsed:
            share = f"{COLLAPSED:.0%} or more of its test scans"
            remarks.append(f"This classifier collapsed: it answers {self.collapsed} to {share}.")
        if self.others:
            remarks.append(
                f"{self.others + 1} trainings fit these options; the newest answers ({self.cell.path.name})."
            )
        return remarks


@dataclass(frozen=True)
class AnsweredScan:
    """One answered scan."""

    file: str
    sha256: str  # of its pixels as 8-bit RGB
    part: str | None  # of the study, a key of PARTS; None for pixels that the study does not hold
    square: Pixels
    box: Box
    answer: str
    probabilities: dict[str, float]
    heat: Pixels | None  # g×g uint8, Grad-CAM of the answer

    @property
    def seen(self) -> bool:
        """Whether these very pixels were among the classifier's training scans."""
        return self.part == "training"


@dataclass(frozen=True)
class AnsweredScans:
    """All that was asked of a classifier: answered scans, and the files that could not be read, and why."""

    trained: Trained
    scans: list[AnsweredScan]
    unreadable: list[tuple[str, str]]


@dataclass(frozen=True)
class Wanted:
    """Which classifier shall answer; what is None may be any, the preferred one first."""

    fold: int | None = None
    model: str | None = None
    arm: str | None = None
    seed: int | None = None

    def rank(self, fold: int, model: str, arm: str, seed: int) -> Rank | None:
        """How well a training fits, the smallest first; None if it does not."""
        folder = None if self.arm is None else parse(self.arm).folder
        asked = ((self.fold, fold), (self.model, model), (folder, arm), (self.seed, seed))
        if any(wish is not None and wish != there for wish, there in asked):
            return None
        return fold, arm != ARM, model != MODEL, arm, model, seed


def find_trained(study: Study, wanted: Wanted) -> Trained:
    """The finished cell with its weights that fits best, the newest of several.

    BusError with the command that makes one where there is none.
    """
    if wanted.arm is not None and not parse(wanted.arm).trains:
        raise BusError(
            f"The arm {wanted.arm} has no networks of its own: it corrects answers of original. Ask that."
        )
    ranked: dict[Rank, list[Path]] = {}
    for fold in study.folds:
        for arm, model, seed, path in cells_with_weights(study.cells_path(fold)):
            if (rank := wanted.rank(fold, model, arm, seed)) is not None:
                ranked.setdefault(rank, []).append(path)
    if not ranked:
        raise BusError(_no_weights(study, wanted))
    for fold in study.folds:
        for arm, model, seed, path in lost_weights(study.cells_path(fold)):
            if (rank := wanted.rank(fold, model, arm, seed)) is not None and rank <= min(ranked):
                note(f"{path / WEIGHTS} is missing, although it was kept; another answers.", warning=True)
    alike = ranked[min(ranked)]
    cell = Cell.open(alike[-1])
    if cell.training_pixels != study.pixels_sha256(training_rows(study, cell.fold, cell.recipe)[0]):
        raise BusError(
            f"{cell.path} was trained on other scans than fold {cell.fold} of {study.path} trains on. Delete "
            f"{cell.path}."
        )
    collapsed = metrics.collapsed(cell.answers(study.classes).probabilities)
    return Trained(study, cell, None if collapsed is None else study.classes[collapsed], len(alike) - 1)


def _last_effort(study: Study) -> str:
    """The preset of the study's last benchmark; "" before there was one."""
    try:
        last = Request.recall(study)
    except BusError:
        return ""
    return last.preset if last else ""


def _no_weights(study: Study, wanted: Wanted) -> str:
    """What is missing, the one command that makes it, and what becomes of the reports."""
    fold, seed = wanted.fold or 0, wanted.seed or 0
    model, arm = wanted.model or MODEL, parse(wanted.arm or ARM)
    folders = finished_cells(study.cells_path(fold), arm.folder, model, seed)
    finished = [Cell.open(folder) for folder in folders]
    asked = [(cell, request) for cell in finished if (request := asked_by(study, cell))]

    # the command, for the newest of them, or for what a translator that was begun fits
    if asked:
        cell, request = asked[-1]
    else:
        begun = next(Translator.all_of(study), None)
        effort = begun.known_config.preset if begun else _last_effort(study)
        several = 3 if arm.kind == "pooled" else 1
        request = Request(
            (fold,),
            (arm,),
            (model,),
            seeds=-(-(seed + 1) // several) * several,
            preset=effort,
            gan_seeds=several,
            compute=resolve(),
            keep_weights=True,
        )
    state = "was trained, but its weights were not kept" if finished else "was not trained yet"
    if finished and not asked:
        state += "; no bus benchmark trains it as it was, so that another training takes its place"
    files = ""
    if asked and request.init == FIRST:
        files += f"{FIRST} is the file with the hash {cell.recipe.init.removeprefix(WEIGHTS_INIT)}. "
    if asked and request.folder:
        files += f"{SCANS} is the folder of the other generator's scans. "
    kept = ["/".join(path.parts[-4:-1]) for path, _ in kept_weights(study.fold_path(fold))]
    others = f" Weights of this fold: {', '.join(kept)}." if kept else ""
    return (
        f"{title(model)} on arm {arm} of fold {fold} (seed {seed}) {state}. Make it with\n  "
        f"{request.typed(study)}\n{files}Its report gets a number of its own, the others stay.{others}"
    )


def answer(trained: Trained, wanted: Sequence[Loose], compute: Compute, *, heat: bool) -> AnsweredScans:
    """Read and answer scans; those that cannot be read are named with the reason, the others answered."""
    # who answers, and what the study knows of the scans
    study, cell = trained.study, trained.cell
    sha256 = cell.done.hashes.get("weights")
    network = predict.load(cell.path / WEIGHTS, cell.model, len(study.classes), sha256, compute.device)
    watched = training_rows(study, cell.fold, cell.recipe)[1]
    parts = study.parts(cell.fold) | {study.scans[row].sha256: "validation" for row in watched}

    # read, then answer
    read, unreadable = [], []
    for loose in wanted:
        try:
            read.append(look(ScanFile(loose.name, ""), loose.read(), study.settings.size))
        except BusError as error:
            unreadable.append((loose.name, str(error)))
    answered = predict.answer(network, [square for _, square in read], compute, heat=heat)
    scans = [
        AnsweredScan(
            entry.file,
            entry.sha256,
            parts.get(entry.sha256),
            square,
            entry.box,
            study.classes[said.number],
            dict(zip(study.classes, said.probabilities.tolist(), strict=True)),
            said.heat,
        )
        for (entry, square), said in zip(read, answered, strict=True)
    ]
    return AnsweredScans(trained, scans, unreadable)


def table(answers: AnsweredScans) -> Table:
    """The answers for a terminal: file, answer, probabilities, what the study knows of the scan."""
    shown = Table(title=answers.trained.name, caption=NOTICE, title_justify="left", caption_justify="left")
    shown.add_column("file", overflow="fold")
    shown.add_column("answer")
    for name in answers.trained.study.classes:
        shown.add_column(Text(visible(name)), justify="right")
    if noted := any(scan.part for scan in answers.scans):
        shown.add_column("in the study")
    for scan in answers.scans:
        shares = [f"{share:.3f}" for share in scan.probabilities.values()]
        note = Text(PARTS[scan.part], style="yellow" if scan.seen else "") if scan.part else ""
        shown.add_row(
            Text(visible(scan.file)), Text(visible(scan.answer), style="bold"), *shares, *[note] * noted
        )
    return shown


def as_json(answers: AnsweredScans) -> Mapping[str, Json]:
    """The answers for scripts; docs/explanations.md lists the keys."""
    # the scans
    trained, study, cell = answers.trained, answers.trained.study, answers.trained.cell
    scans: list[dict[str, Json]] = []
    for scan in answers.scans:
        scans.append(
            {
                "file": scan.file,
                "sha256": scan.sha256,
                "answer": scan.answer,
                "probabilities": scan.probabilities,
                "seen_in_training": scan.seen,
                "part": scan.part,
            }
        )
        if scan.heat is not None:
            scans[-1]["heat"] = [[round(level / 255, 3) for level in row] for row in scan.heat.tolist()]

    # with who answered
    return {
        "schema": SCHEMA,
        "research_use_only": True,
        "remarks": trained.remarks,
        "classifier": {
            **{key: getattr(cell, key) for key in ("model", "fold", "seed", "preset")},
            "arm": str(cell.arm),
            "cell": cell.path.relative_to(study.path).as_posix(),
            "weights_sha256": cell.done.hashes.get("weights"),
            "collapsed": trained.collapsed,
            "test_macro_f1": cell.scores["macro_f1"],
        },
        "study": {
            "data": study.settings.data.name,
            "data_sha256": study.settings.data.sha256,
            "size": study.settings.size,
        },
        "classes": study.classes,
        "scans": scans,
        "unreadable": [{"file": file, "reason": reason} for file, reason in answers.unreadable],
    }
