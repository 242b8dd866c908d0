"""What the plan shows beside the result, from published predictions: without marked scans, without collapse.

    python docs/busi-study/further.py docs/busi-study/report-1 > docs/busi-study/further.csv

A row a part of the answers, model (`mean`: of all networks) and contrast of a claim: macro-F1 and AUC, with
the interval for other scans and the one for other scans, trainings and translators. The parts:

- all: as in the report, to show that this is the same computation.
- unmarked: test scans without burned-in text, calipers or colour (`annotation` in data/busi_groups.csv).
- not collapsed: of the seeds that `all` has, those of which no network, in no arm and fold, gives 90 % of its
  answers to one class.

`scans`, `folds` and `seeds` are what a row rests on; `basis` is what showed the spread of trainings.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bus.benchmark.arms import Arm, parse
from bus.benchmark.cell import Answered, Answers
from bus.benchmark.results.contrasts import Pooled, averaged, contrasts
from bus.benchmark.results.model import GAIN, PRIMARY, TRANSLATOR, Contrast
from bus.benchmark.results.summary import alike, pool
from bus.classify.metrics import collapsed
from bus.core.files import read_csv
from bus.data.cohort import busi_list

K = 5  # folds of the study
TARGET = "malignant"
CELL, SCAN = ("fold", "arm", "model", "seed"), ("file", "sha256", "label", "group")
COLUMNS = (
    "part",
    "scans",
    "folds",
    "seeds",
    "model",
    "contrast",
    "metric",
    "estimate",
    "low_retrained",
    "high_retrained",
    "low",
    "high",
    "basis",
)


@dataclass(frozen=True)
class Read(Answered):
    """A cell of which only the answers are known."""

    fold: int
    arm: Arm
    model: str
    seed: int

    @property
    def path(self) -> Path:
        """Where it would lie: nowhere."""
        return Path(f"{self.fold}/{self.arm}/{self.model}/{self.seed}")

    @property
    def gan_seed(self) -> int:
        """As many translators as seeds, each with its own."""
        return self.seed


def read(path: Path, keep: Callable[[str, str], bool]) -> list[Answers]:
    """The answers in a report's predictions.csv to the scans that are kept, by their hash and label."""
    cells: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in read_csv(path, (*CELL, *SCAN, "predicted")):
        if keep(row["sha256"], row["label"]):
            cells.setdefault(tuple(row[name] for name in CELL), []).append(row)
    classes = classes_of(path)
    return [
        Answers(
            Read(int(fold), parse(arm), model, int(seed)),
            [(row["file"], row["sha256"], row["label"], row["group"]) for row in rows],
            np.array([classes.index(row["label"]) for row in rows]),
            np.array([classes.index(row["predicted"]) for row in rows]),
            np.array([[float(row[f"p_{name}"]) for name in classes] for row in rows]),
        )
        for (fold, arm, model, seed), rows in cells.items()
    ]


def classes_of(path: Path) -> list[str]:
    """The classes in the order of their columns."""
    return [name.removeprefix("p_") for name in read_csv(path)[0] if name.startswith("p_")]


def pools(answers: list[Answers], target: int) -> list[Pooled]:
    """What the mean of the models rests on, if there is one, then what each does.

    `target` is the number of the class.
    """
    models = dict.fromkeys(one.cell.model for one in answers)
    pooled = [pool(model, [one for one in answers if one.cell.model == model], target) for model in models]
    shared = alike(pooled, answers, target)
    return [*([averaged(shared)] if shared else []), *pooled]


def of(pooled: Pooled) -> Iterator[Contrast]:
    """The contrasts of a claim."""
    for contrast in contrasts(pooled, 1 / K):
        if contrast.kind in (GAIN, TRANSLATOR) and contrast.metric in (PRIMARY, "target_auc"):
            yield contrast


def write(folder: Path) -> None:
    """Print the table of a report's folder."""
    path = folder / "predictions.csv"
    whole, lists = read(path, lambda sha256, label: True), busi_list()
    marked = {key for key, scan in lists.items() if scan.annotation}
    target = classes_of(path).index(TARGET)
    fallen = {
        one.cell.seed for one in whole if one.cell.arm.trains and collapsed(one.probabilities) is not None
    }
    all_pools = pools(whole, target)
    left = set(all_pools[0].seeds) - fallen
    unmarked = read(path, lambda sha256, label: (sha256, label) not in marked)
    kept = [one for one in whole if one.cell.seed in left]
    parts = {
        "all": all_pools,
        "unmarked": pools(unmarked, target),
        "not collapsed": pools(kept, target) if kept else [],
    }
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    for part, found in parts.items():
        for one in found:
            rests = (len(one.sample.labels), len(one.sample.fold_names), len(one.seeds))
            for contrast in of(one):
                again, alone = contrast.retrained, contrast.interval
                ends = ("", "") if again is None else (again.low, again.high)
                values = (alone.estimate, *ends, alone.low, alone.high)
                numbers = (f"{value:.6f}" if value != "" else "" for value in values)
                basis = "" if again is None else again.basis
                names = (contrast.model, contrast.kind, contrast.metric)
                table.writerow((part, *rests, *names, *numbers, basis))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
