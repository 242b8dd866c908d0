"""Where the difference of balancing goes, class by class, from the published answers; exploratory.

    python docs/busi-study/where.py docs/busi-study

Writes `where.csv`, a row a network and arm of any report: the share of each class that is found, and the
share of all answers that is `malignant`; and `flips.csv`, a row a network, arm held against `cyclegan` and
true class: how many test scans change their answer for the better, for the worse, and from one wrong class to
another. Means over seeds.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

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


def recalls(given: Answers) -> dict[str, float]:
    """The share of each class that is found, and of all answers that are the target."""
    rows = given.values()
    classes = Counter(row["label"] for row in rows)
    right = Counter(row["label"] for row in rows if row["label"] == row["predicted"])
    says = sum(row["predicted"] == TARGET for row in rows) / len(rows)
    return {**{name: right[name] / classes[name] for name in sorted(classes)}, f"says {TARGET}": says}


def flips(before: Answers, after: Answers) -> Iterator[tuple[str, list[float]]]:
    """For each true class how many scans change, a seed: better, worse, otherwise wrong."""
    counts: Counter[tuple[str, str]] = Counter()
    for place, row in before.items():
        one, two, label = row["predicted"], after[place]["predicted"], row["label"]
        if one != two:
            kind = "better" if two == label else "worse" if one == label else "otherwise wrong"
            counts[label, kind] += 1
    seeds = len({seed for *_, seed in before})
    for label in sorted({row["label"] for row in before.values()}):
        yield label, [counts[label, kind] / seeds for kind in KINDS]


def main(folder: Path) -> None:
    """Write both tables."""
    found = answers(folder)
    shares = {place: recalls(given) for place, given in found.items()}
    header = ("model", "arm", *next(iter(shares.values())))
    rows = [(*place, *(f"{share:.4f}" for share in told.values())) for place, told in shares.items()]
    write_csv(folder / "where.csv", header, rows)
    changes = [
        (model, arm, MADE, label, *(f"{count:.1f}" for count in counted))
        for model in dict.fromkeys(model for model, _ in found)
        for arm in HELD
        for label, counted in flips(found[model, arm], found[model, MADE])
    ]
    write_csv(folder / "flips.csv", ("model", "from", "to", "class", *KINDS), changes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
