"""What `bus predict` does: find a trained classifier of a study, answer scans with it, show them as table or JSON."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from ..classify import predict as answering
from ..classify.metrics import COLLAPSED
from ..classify.models import TITLES
from ..core.compute import Compute
from ..core.errors import BusError
from ..core.files import read_csv, read_json, sha256_json
from ..data.cohort import look
from ..data.scans import ScanFile
from ..data.store import Box, Pixels
from ..data.study import Study
from ..data.unlabelled import Loose
from .cells import WEIGHTS

SCHEMA = "bus.predict/1"  # of the JSON; the number changes if a key changes its meaning or goes
NOTICE = "Research use only: these answers come from an experiment and must not inform a diagnosis."
PARTS = {
    "training": "seen in training",
    "test": "held out: test part of the fold",
    "left out": "left out of the study",
}


@dataclass(frozen=True)
class Trained:
    """A finished cell whose weights were kept."""

    study: Study
    path: Path
    config: dict[str, Any]
    done: dict[str, str]
    scores: dict[str, Any]  # on its own test scans
    collapsed: str | None  # the class that got 90 % or more of its answers there
    others: int  # cells that fitted the wish as well, and are older

    @property
    def name(self) -> str:
        """The classifier in words."""
        found = self.config
        model = TITLES.get(found["model"], found["model"])
        return f"{model}, arm {found['arm']}, fold {found['fold']}, seed {found['seed']}, preset {found['preset']}"

    @property
    def remarks(self) -> list[str]:
        """Sentences that belong beside every answer of it."""
        found = [NOTICE, *self.study.settings.banners]
        if self.config["preset"] == "demo":
            found.append("Preset demo: it shows the way, its numbers mean nothing.")
        if self.collapsed:
            share = f"{COLLAPSED:.0%} or more of its test scans"
            found.append(f"This classifier collapsed: it answers {self.collapsed} to {share}.")
        if self.others:
            found.append(
                f"{self.others + 1} trainings fit these options; the newest answers ({self.path.name})."
            )
        return found


@dataclass(frozen=True)
class Scan:
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
class Answers:
    """All that was asked of a classifier: answered scans, and files that could not be read with the reason."""

    trained: Trained
    scans: list[Scan]
    unreadable: list[tuple[str, str]]


def find_trained(study: Study, *, fold: int, model: str, arm: str, seed: int) -> Trained:
    """The newest finished cell of this kind with its weights; BusError with the command that makes it if there is none."""
    kind = study.cells_path(fold) / arm / model
    done = [place.parent for place in kind.glob(f"seed-{seed}-*/DONE")]
    kept = [cell for cell in done if (cell / WEIGHTS).exists()]
    if not kept:
        raise BusError(_no_weights(study, fold, model, arm, seed, done))
    path = max(kept, key=lambda cell: ((cell / "DONE").stat().st_mtime_ns, cell.name))
    config, mark = read_json(path / "config.json"), read_json(path / "DONE")
    if mark.get("config") != sha256_json(config):
        raise BusError(
            f"{path}/config.json is not what the training wrote. Delete {path} and run bus benchmark again."
        )
    if config.get("training_pixels") != study.pixels_sha256(study.train(fold)):
        raise BusError(
            f"{path} was trained on other scans than fold {fold} of {study.path} trains on. Delete {path}."
        )
    predicted = Counter(row["predicted"] for row in read_csv(path / "predictions.csv", ["predicted"]))
    most, count = predicted.most_common(1)[0] if predicted else ("", 0)
    collapsed = most if count and count >= COLLAPSED * predicted.total() else None
    return Trained(study, path, config, mark, read_json(path / "metrics.json"), collapsed, len(kept) - 1)


def _no_weights(study: Study, fold: int, model: str, arm: str, seed: int, done: Sequence[Path]) -> str:
    """What is missing, the one command that makes it, and what that command does to the report."""
    words = [
        "bus",
        "benchmark",
        "--study",
        str(study.path),
        "--fold",
        str(fold),
        "--models",
        model,
        "--arms",
        arm,
    ]
    if done:  # the same cell again, this time with its weights
        config = read_json(max(done, key=lambda cell: cell.name) / "config.json")
        words += ["--preset", config["preset"]]
        words += ["--gan-seed", str(config["gan_seed"])] if config["gan_seed"] else []
        words += ["--init", config["recipe"]["init"]] if config["recipe"]["init"] != "none" else []
    words += ["--seeds", str(seed + 1)] if seed else []
    state = "was trained, but its weights were not kept" if done else "was not trained yet"
    found = sorted(
        "/".join(file.parent.parts[-3:]) for file in study.path.glob(f"fold-{fold}/cells/*/*/*/{WEIGHTS}")
    )
    others = f" Weights of this fold: {', '.join(found)}." if found else ""
    return (
        f"{TITLES.get(model, model)} on arm {arm} of fold {fold} (seed {seed}) {state}. Make it with\n"
        f"  {shlex.join([*words, '--keep-weights'])}\n"
        f"That writes the report anew with these cells alone; the bus benchmark command you used before brings it back.{others}"
    )


def answer(trained: Trained, wanted: Sequence[Loose], compute: Compute, *, heat: bool) -> Answers:
    """Read and answer scans; those that cannot be read are named with the reason, the others answered."""
    study, fold = trained.study, trained.config["fold"]
    model, sha256 = trained.config["model"], trained.done.get("weights")
    network = answering.load(trained.path / WEIGHTS, model, len(study.classes), sha256, compute.device)
    parts = {scan.sha256: "left out" if scan.fold is None else "test" for scan in study.scans}
    parts |= {study.scans[row].sha256: "training" for row in study.train(fold)}
    read, unreadable = [], []
    for loose in wanted:
        try:
            read.append(look(ScanFile(loose.name, ""), loose.read(), study.settings.size))
        except BusError as error:
            unreadable.append((loose.name, str(error)))
    answered = answering.answer(network, [square for _, square in read], compute, heat=heat)
    scans = [
        Scan(
            entry.file,
            entry.sha256,
            parts.get(entry.sha256),
            square,
            entry.box,
            study.classes[one.number],
            dict(zip(study.classes, one.probabilities.tolist(), strict=True)),
            one.heat,
        )
        for (entry, square), one in zip(read, answered, strict=True)
    ]
    return Answers(trained, scans, unreadable)


def table(answers: Answers) -> Table:
    """The answers as a table for a terminal: file, answer, probabilities, what the study knows of the scan."""
    found = Table(title=answers.trained.name, caption=NOTICE, title_justify="left", caption_justify="left")
    found.add_column("file", overflow="fold")
    found.add_column("answer")
    for name in answers.trained.study.classes:
        found.add_column(Text(name), justify="right")
    if noted := any(scan.part for scan in answers.scans):
        found.add_column("in the study")
    for scan in answers.scans:
        shares = [f"{share:.3f}" for share in scan.probabilities.values()]
        note = Text(PARTS[scan.part], style="yellow" if scan.seen else "") if scan.part else ""
        found.add_row(Text(scan.file), Text(scan.answer, style="bold"), *shares, *[note] * noted)
    return found


def as_json(answers: Answers) -> dict[str, Any]:
    """The answers for scripts; docs/explanations.md lists the keys."""
    trained, study = answers.trained, answers.trained.study
    keys = ("model", "arm", "fold", "seed", "preset")
    return {
        "schema": SCHEMA,
        "research_use_only": True,
        "remarks": trained.remarks,
        "classifier": {
            **{key: trained.config[key] for key in keys},
            "cell": trained.path.relative_to(study.path).as_posix(),
            "weights_sha256": trained.done.get("weights"),
            "collapsed": trained.collapsed,
            "test_macro_f1": trained.scores.get("macro_f1"),
        },
        "study": {
            "data": study.settings.data.name,
            "data_sha256": study.settings.data.sha256,
            "size": study.settings.size,
        },
        "classes": study.classes,
        "scans": [_scan_json(scan) for scan in answers.scans],
        "unreadable": [{"file": file, "reason": reason} for file, reason in answers.unreadable],
    }


def _scan_json(scan: Scan) -> dict[str, Any]:
    found: dict[str, Any] = {
        "file": scan.file,
        "sha256": scan.sha256,
        "answer": scan.answer,
        "probabilities": scan.probabilities,
        "seen_in_training": scan.seen,
        "part": scan.part,
    }
    if scan.heat is not None:
        found["heat"] = [[round(level / 255, 3) for level in row] for row in scan.heat.tolist()]
    return found
