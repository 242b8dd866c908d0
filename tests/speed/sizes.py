"""What the side of the squares is worth to the yardstick, on all folds of the development data.

    python tests/speed/sizes.py --data Dataset_BUSI_with_GT [--sizes 64,96,128,224] [--out build/speed/sizes]

Prints a row a side: macro-F1 and AUC of logistic regression on frozen features, pooled out of fold, and their
paired difference from the first side, with intervals for other scans (groups drawn anew). No network is
trained: what larger squares are worth to one that is must be measured by `bus benchmark`.
"""

import argparse
from pathlib import Path

import numpy as np
from bus.benchmark.results import statistics
from bus.benchmark.yardstick import yardsticks
from bus.core.compute import resolve
from bus.data.study import open_or_create
from frozen import difference, sampled

METRICS = ("macro_f1", "target_auc")


def main() -> None:
    """Make a study a side, ask its yardstick, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True, help="scans, as for bus benchmark")
    parser.add_argument("--sizes", default="64,96,128,224", help="sides in px; the first is compared with")
    parser.add_argument("--out", type=Path, default=Path("build/speed/sizes"), help="folder of the studies")
    asked = parser.parse_args()
    compute = resolve()
    compute.start()
    print("| px | macro-F1 | AUC | − the first: macro-F1, points (95 %) | AUC |\n|---|---|---|---|---|")
    first: dict[str, np.ndarray] | None = None
    for size in map(int, asked.sizes.split(",")):
        study = open_or_create(asked.out / f"{size}", {"data": asked.data, "inner": 0, "size": size})
        folds = tuple(range(study.settings.k))
        marks = [mark.answers(study.classes) for mark in yardsticks(study, folds, compute)]
        sample = sampled(study, folds)
        values = statistics.evaluate(sample, np.concatenate([mark.probabilities for mark in marks]))
        first = first or values
        told = [difference(sample, values[name] - first[name]) for name in METRICS]
        scores = [f"{100 * values[name][0]:.1f}" for name in METRICS]
        print(f"| {size} | {' | '.join(scores)} | {' | '.join(told if values is not first else ['', ''])} |")


if __name__ == "__main__":
    main()
