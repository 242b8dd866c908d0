"""How far the same trainings lie apart on two machines: seed 0 on processors (the bank), and on the card.

    python docs/busi-study/machines.py docs/busi-study > docs/busi-study/machines.csv

Exploratory. A row a network and arm that both have in all folds: the macro-F1 of both over all test scans,
the share of scans to which they give the same answer, and, to hold it against, what another seed on the card
does.
"""

import csv
import io
import sys
import tarfile
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from statistics import mean

from bus.core.files import read_csv
from sklearn.metrics import f1_score

Row = Mapping[str, str]
Scans = dict[tuple[str, str], Row]  # (file, hash) → row
COLUMNS = ("model", "arm", "scans", "processor", "card", "same", "card_other_seeds", "same_other_seeds")


def on_processors(bank: Path) -> Iterator[tuple[str, str, Row]]:
    """Model, arm and answer to a scan, of all cells of seed 0 that the bank holds."""
    for path in sorted(bank.glob("*.tar.xz")):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith("/predictions.csv") and (content := archive.extractfile(member)):
                    _, _, arm, model, *_ = member.name.split("/")
                    for row in csv.DictReader(io.TextIOWrapper(content, encoding="utf-8")):
                        yield model, arm, row


def gathered(rows: Iterator[tuple[str, ...]]) -> dict[tuple[str, ...], Scans]:
    """Answers by whatever stands before the row, then by scan."""
    found: dict[tuple[str, ...], Scans] = {}
    for *place, row in rows:
        found.setdefault(tuple(place), {})[row["file"], row["sha256"]] = row
    return found


def macro_f1(scans: Scans) -> float:
    """Of all answers together."""
    rows = list(scans.values())
    return float(
        f1_score([row["label"] for row in rows], [row["predicted"] for row in rows], average="macro")
    )


def same(one: Scans, other: Scans) -> float:
    """The share of scans with the same answer."""
    return mean(one[scan]["predicted"] == other[scan]["predicted"] for scan in one)


def main(folder: Path) -> None:
    """Print the table."""
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    rows = read_csv(folder / "report-1" / "predictions.csv")
    card = gathered((row["model"], row["arm"], row["seed"], row) for row in rows)
    for (model, arm), there in gathered(on_processors(folder / "bank")).items():
        seeds = {seed: scans for (*place, seed), scans in card.items() if place == [model, arm]}
        if seeds and set(seeds["0"]) == set(there):
            others = mean(same(seeds[one], seeds[two]) for one, two in combinations(seeds, 2))
            told = (macro_f1(there), macro_f1(seeds["0"]), same(there, seeds["0"]))
            spread = "/".join(f"{macro_f1(scans):.4f}" for seed, scans in seeds.items() if seed != "0")
            numbers = [f"{value:.4f}" for value in told]
            table.writerow((model, arm, len(there), *numbers, spread, f"{others:.4f}"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
