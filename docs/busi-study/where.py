"""Where the difference of balancing goes, class by class, from the published answers; exploratory.

    python docs/busi-study/where.py docs/busi-study

Writes `where.csv`, a row a network and arm of any report: the share of each class that is found, and the
share of all answers that is `malignant`; `flips.csv`, a row a network, arm held against `cyclegan` and true
class: how many test scans change their answer for the better, for the worse, and from one wrong class to
another; and `moved.csv`, a row an arm held against `cyclegan` and true class: how many test scans are
answered rightly in more of the trainings of all networks, by half of them or more, how many in fewer, and how
many would be by chance, either way (`benchmark/results/changes.py`). The first two are means over seeds.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from bus.benchmark.arms import Arm
from bus.benchmark.cell import Answers as Given
from bus.benchmark.results.changes import Changes, changes
from bus.core.files import read_csv, write_csv

TARGET, MADE, HELD = "malignant", "cyclegan", ("original", "oversampled")
Answers = dict[tuple[str, ...], Mapping[str, str]]  # (file, hash, seed) → row of predictions.csv
KINDS = ("better", "worse", "otherwise wrong")


def answers(folder: Path) -> dict[tuple[str, str], Answers]:
    """The answers of all published reports by network and arm; an arm of several reports is the same."""
    found: dict[tuple[str, str], Answers] = {}
    for report in sorted(folder.glob("report-*")):
        for row in read_csv(report / "predictions.csv"):
            place = row["file"], row["sha256"], row["seed"]
            found.setdefault((row["model"], row["arm"]), {})[place] = row
    return found


def recalls(answered: Answers) -> dict[str, float]:
    """The share of each class that is found, and of all answers that are the target."""
    rows = answered.values()
    classes = Counter(row["label"] for row in rows)
    right = Counter(row["label"] for row in rows if row["label"] == row["predicted"])
    says = sum(row["predicted"] == TARGET for row in rows) / len(rows)
    return {**{name: right[name] / classes[name] for name in sorted(classes)}, f"says {TARGET}": says}


def given(found: Mapping[tuple[str, str], Answers], arm: str, label: str) -> Iterator[Given]:
    """The answers of all trainings of an arm to scans of a class, or of all of them ("")."""
    for (model, other), rows in found.items():
        cells: dict[tuple[int, int], list[Mapping[str, str]]] = {}
        for row in rows.values():
            if other == arm and label in ("", row["label"]):
                cells.setdefault((int(row["fold"]), int(row["seed"])), []).append(row)
        for (fold, seed), own in cells.items():
            own.sort(key=lambda row: (row["file"], row["sha256"]))
            scans = [(row["file"], row["sha256"], row["label"], row["group"]) for row in own]
            labels, said = (np.array([row[name] for row in own]) for name in ("label", "predicted"))
            cell: Any = SimpleNamespace(arm=Arm(arm), model=model, fold=fold, seed=seed)
            yield Given(cell, scans, labels, said, np.zeros((len(own), 0)))


def compared(found: Mapping[tuple[str, str], Answers]) -> dict[tuple[str, str], Changes]:
    """What changes from an arm to `cyclegan` in the scans of a class, or in all of them ("")."""
    classes = sorted({row["label"] for rows in found.values() for row in rows.values()})
    return {
        (arm, label): changes(
            [one for name in (MADE, arm) for one in given(found, name, label)], Arm(MADE), Arm(arm)
        )
        for arm in HELD
        for label in ("", *classes)
    }


def moved(arm: str, label: str, change: Changes) -> tuple[object, ...]:
    """A row of the third table."""
    trainings = max(scan.trainings for scan in change.scans)
    better, worse = (len(change.moved(way)) for way in (1, -1))
    chance = "" if change.chance is None else f"{change.chance:.1f}"
    return arm, MADE, label or "all", len(change.scans), trainings, better, worse, chance


def main(folder: Path) -> None:
    """Write the tables."""
    found = answers(folder)
    shares = {place: recalls(answered) for place, answered in found.items()}
    header = ("model", "arm", *next(iter(shares.values())))
    rows = [(*place, *(f"{share:.4f}" for share in told.values())) for place, told in shares.items()]
    write_csv(folder / "where.csv", header, rows)
    pairs = compared(found)
    turned = [
        (model, arm, MADE, label, *(f"{count:.1f}" for count in (one.better, one.worse, one.otherwise)))
        for model in dict.fromkeys(model for model, _ in found)
        for (arm, label), change in pairs.items()
        for one in change.models
        if label and one.model == model
    ]
    write_csv(folder / "flips.csv", ("model", "from", "to", "class", *KINDS), turned)
    header = ("from", "to", "class", "scans", "trainings", "better", "worse", "by chance")
    write_csv(folder / "moved.csv", header, [moved(*place, change) for place, change in pairs.items()])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
