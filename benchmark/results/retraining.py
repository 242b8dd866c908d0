"""How sure a difference between two arms is when not only other scans come, but everything is trained again.

The variance of a difference is that of what the trainings answer on average, over scans, and that of one
training about this average, divided by the number of trainings (law of total variance). Where there are
several translators in a fold, the second part is seen between their seeds; else the means of the folds show
both parts at once. Which of several such intervals keeps its promise was found out by simulation:
`make coverage`, docs/statistics.md.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from . import statistics
from .model import LEVEL, Basis, Retrained
from .statistics import Array, Sample

POWER = 0.8
FEWEST = 2  # degrees of freedom: with fewer, an interval would be too wide to say anything
TYPICAL_LEAN = 0.023  # spread of one training's macro-F1, and of one translator's, expected before any work


def retrained(sample: Sample, values: Array, translators: Sequence[int] | None = None) -> Retrained | None:
    """The 95 % interval of a difference over other scans, trainings and translators.

    `values` holds the difference of every seed (S rows) under every row of `sample.weights` (1 + folds +
    draws). `translators` names the translator whose synthetic scans each seed took (S); None where none were
    taken. Seeds of one translator cannot show what another would change: their mean counts once. Student's t;
    degrees of freedom by Satterthwaite (Biometrics Bulletin 2 (1946)). None where too few trainings were
    made to know: one seed, or one translator for all seeds, on fewer than three folds, or two on one fold.
    """
    parts = apart(translators or range(len(values)))
    if parts and len(parts) < len(values):
        values = np.array([values[part].mean(axis=0) for part in parts])
    folds = len(sample.fold_names)
    estimate = float(np.mean(values[:, 0]))
    by_fold = values[:, 1 : 1 + folds]
    by_fold = by_fold[:, np.isfinite(by_fold).all(axis=0)]
    draws = values[:, 1 + folds :]
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    if not np.isfinite(estimate) or draws.shape[1] < 2 / (1 - LEVEL) or sample.weights.shape[1] <= folds:
        return None
    seeds, folds = by_fold.shape
    if parts and seeds > 1 and folds * (seeds - 1) >= FEWEST:
        variance, freedom = between_seeds(by_fold, draws, sample.weights.shape[1])
        return student(estimate, variance, freedom, "seeds")
    if folds - 1 >= FEWEST:
        return student(estimate, float(by_fold.mean(axis=0).var(ddof=1)) / folds, folds - 1, "folds")
    return None


def apart(translators: Sequence[int]) -> list[list[int]]:
    """The places of seeds by their translator; none where one serves all, or some more seeds than others."""
    parts: dict[int, list[int]] = {}
    for place, translator in enumerate(translators):
        parts.setdefault(translator, []).append(place)
    one_for_all = len(parts) == 1 < len(translators)
    return [] if one_for_all or len({*map(len, parts.values())}) != 1 else [*parts.values()]


def between_seeds(by_fold: Array, draws: Array, units: int) -> tuple[float, float]:
    """Variance of a mean over seeds and folds, and its degrees of freedom, from seeds that share nothing.

    `by_fold` (S×F) holds each training's difference on its fold, `draws` (S×D) the resampled differences of
    each seed, `units` the number of groups. What all seeds have in common comes from the bootstrap: the
    variance of the mean of the draws, less the part that each seed adds for itself.
    """
    seeds, folds = by_fold.shape
    shrunk = units / (units - folds)  # a draw from n groups spreads too little
    mean = draws.mean(axis=0)
    own = float((draws - mean).var(axis=1).mean()) * seeds / (seeds - 1) * shrunk
    common = max(float(mean.var()) * shrunk - own / seeds, 0.0)
    trainings = float(by_fold.var(axis=0, ddof=1).mean()) / (folds * seeds)
    return added(common, float(units - folds), trainings, folds * (seeds - 1))


def student(estimate: float, variance: float, freedom: float, basis: Basis) -> Retrained:
    """Student's interval and two-sided p value, where `variance` has `freedom` degrees of freedom."""
    error = float(np.sqrt(variance))
    half = half_width(variance, freedom)
    p = float(2 * stats.t.sf(abs(estimate) / error, freedom)) if error else float(estimate == 0)
    found = half + float(stats.t.ppf(POWER, freedom)) * error
    return Retrained(estimate, estimate - half, estimate + half, p, None, error, found, None, freedom, basis)


def expected_half_width(
    folds: int,
    seeds: int,
    *,
    groups: int = statistics.ANCHOR_GROUPS,
    k: int = 5,
    lean: float = TYPICAL_LEAN,
    translators: int | None = None,
) -> float | None:
    """Half-width to expect of the gain's interval in macro-F1, were all trained again (0.04: ± 4 points).

    It is the median over studies: every second one gets a wider interval. `lean` is the spread of one
    training's macro-F1 as a whole, and of one translator's; `translators` are those of a fold, as many as
    seeds unless given. None where one could not know, as in `retrained`.
    """
    translators = min(translators or seeds, seeds)
    repeated = translators if seeds % translators == 0 else 1
    by_seeds = repeated > 1 and folds * (repeated - 1) >= FEWEST
    freedom = folds * (repeated - 1) if by_seeds else folds - 1  # of what is seen between seeds, or folds
    if freedom < FEWEST:
        return None
    usual = float(stats.chi2.median(freedom)) / freedom  # a variance seen so, by its true value

    # what all trainings have in common, over scans, and what each adds
    every, units = statistics.expected_half_width(folds, seeds, groups=groups, k=k) / 1.96, groups * folds / k
    common = statistics.SHARED / 1.96**2 * statistics.ANCHOR_GROUPS / units
    trainings = every**2 - common + 2 * lean**2 / (folds * seeds) + lean**2 / (folds * translators)
    if not by_seeds:
        return half_width((common + trainings) * usual, freedom)
    return half_width(*added(common, units - folds, trainings * usual, freedom))


def half_width(variance: float, freedom: float) -> float:
    """Half of Student's 95 % interval of a number whose `variance` has `freedom` degrees of freedom."""
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(variance))


def added(common: float, common_freedom: float, trainings: float, freedom: float) -> tuple[float, float]:
    """The sum of two variances with Satterthwaite's degrees of freedom."""
    total = common + trainings
    spread = common**2 / common_freedom + trainings**2 / freedom
    return total, total**2 / spread if spread else common_freedom
