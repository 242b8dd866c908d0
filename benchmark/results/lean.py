"""How much of the spread between cells is the training as a whole, the translator, or single scans."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .model import LEVEL

Row = tuple[
    int, int, int, float, float
]  # fold, translator, seed, metric, its standard error over other scans


@dataclass(frozen=True)
class Lean:
    """Standard deviations of a metric (0.023 is 2.3 points); 0 where the estimate is not above it."""

    training: float  # of one training, beyond the scans of its fold
    translator: float  # of one translator, beyond its trainings
    scans: float  # of a cell over other scans of the same kind
    trainings: int  # degrees of freedom of `training`
    translators: int  # degrees of freedom of `translator`
    training_range: tuple[float, float]  # 95 % interval of `training`
    translator_range: tuple[float, float]  # of `translator`; not a number where there is one a fold


def components(rows: Sequence[Row], own: float = 1.0) -> Lean:
    """Take the spread of cells of one model and arm apart, from a table with a row a cell.

    Every fold needs the same translators, and each of them the same number of seeds, two or more. Analysis of
    variance, nested: seeds in translators in folds (Searle, Casella and McCulloch, Variance Components,
    1992). Trainings also differ scan by scan; `own` is the share of a cell's variance over scans that each
    training draws anew (1: all), and is taken off. Ranges are those of a variance of normal numbers (chi
    squared), less what is taken off as if it were known. ValueError for a table with holes.
    """
    folds, translators = (sorted({row[i] for row in rows}) for i in (0, 1))
    cells = {(f, t): [row[3] for row in rows if row[:2] == (f, t)] for f in folds for t in translators}
    sizes = {len(values) for values in cells.values()}
    if len(sizes) != 1 or not min(sizes) > 1:
        raise ValueError(
            "expected the same two or more seeds of every translator on every fold; found "
            f"{sorted(sizes)} cells of a translator"
        )
    table = np.array([[cells[f, t] for t in translators] for f in folds])  # folds×translators×seeds
    scans = float(np.mean([row[4] ** 2 for row in rows]))
    between_seeds = float(table.var(axis=2, ddof=1).mean())
    means = table.mean(axis=2)
    between_translators = float(means.var(axis=1, ddof=1).mean()) if len(translators) > 1 else np.nan
    trainings = len(folds) * len(translators) * (table.shape[2] - 1)
    makers = len(folds) * (len(translators) - 1)
    of_seeds = between_seeds / table.shape[2]
    return Lean(
        beyond(between_seeds, own * scans),
        beyond(between_translators, of_seeds),
        float(np.sqrt(scans)),
        trainings,
        makers,
        reach(between_seeds, trainings, own * scans),
        reach(between_translators, makers, of_seeds),
    )


def beyond(variance: float, known: float) -> float:
    """The standard deviation that is left of a variance beyond a part that is known; 0 where none is."""
    return float(np.sqrt(np.maximum(variance - known, 0.0)))


def reach(variance: float, freedom: int, known: float) -> tuple[float, float]:
    """The 95 % interval of `beyond`, where the variance was seen with so many degrees of freedom."""
    ends = [stats.chi2.ppf(end, max(freedom, 1)) for end in ((1 + LEVEL) / 2, (1 - LEVEL) / 2)]
    low, high = (beyond(variance * freedom / end, known) for end in ends)
    return low, high
