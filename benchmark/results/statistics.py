"""How sure a difference between two arms is: one bootstrap over groups, and second opinions.

The unit is the group (scans of one scene or patient), drawn with replacement inside its fold; one draw serves
every arm, model and seed, so differences are paired. All resampled numbers come from weights: a draw gives
each group its multiplicity, and a metric is a function of weighted counts or weighted ranks. See
docs/statistics.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...classify.metrics import SPECIFICITY, answers, brier_terms
from ..arms import Arm
from .model import LEVEL, Interval, Measured

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS = 2000
DETECTABLE = 2.8  # z(0.975) + z(0.8): a two-sided test at 5 % finds this many standard errors with 80 % power


@dataclass(frozen=True)
class Sample:
    """Test scans, pooled out of fold, with the draws of groups that all arms, models and seeds share."""

    labels: Ints  # N
    units: Ints  # N: number of the scan's group within its fold, 0 … U−1
    folds: Ints  # N
    target: int
    fold_names: tuple[int, ...]
    weights: Array  # (1 + folds + draws)×U: everything once; each fold alone; multiplicities of the draws


def sample(
    labels: Ints, groups: Sequence[str], folds: Ints, target: int, *, draws: int = DRAWS, seed: int = 0
) -> Sample:
    """Draw groups with replacement inside every fold, `draws` times.

    A fold's draws depend only on `seed`, the fold's number and its groups in order of appearance, so that the
    same fold is drawn alike whatever other folds are there.
    """
    keys = list(zip(folds.tolist(), groups, strict=True))
    number = {key: i for i, key in enumerate(sorted(dict.fromkeys(keys), key=lambda key: key[0]))}
    units = np.array([number[key] for key in keys], dtype=np.int64)
    unit_folds = np.array([fold for fold, _ in number], dtype=np.int64)
    names = tuple(sorted(set(folds.tolist())))
    alone = [(unit_folds == fold).astype(float) for fold in names]
    sizes = [int(part.sum()) for part in alone]
    chances = [np.random.default_rng([seed, fold]) for fold in names]
    drawn = [draw_groups(n, draws, rng) for n, rng in zip(sizes, chances, strict=True)]
    weights = np.vstack([np.ones(len(number)), *alone, np.hstack(drawn)])
    return Sample(labels, units, folds, target, names, weights)


def only_fold(sample: Sample, fold: int) -> Sample:
    """The part of a sample in one fold, with the same draws."""
    rows = sample.folds == fold
    units, inside = np.unique(sample.units[rows], return_inverse=True)
    own = 1 + sample.fold_names.index(fold)
    kept = np.r_[0, own, 1 + len(sample.fold_names) : len(sample.weights)]
    weights = sample.weights[np.ix_(kept, units)]
    return Sample(sample.labels[rows], inside, sample.folds[rows], sample.target, (fold,), weights)


def draw_groups(groups: int, draws: int, rng: np.random.Generator) -> Array:
    """Multiplicities when `groups` groups are drawn with replacement: draws×groups, rows sum to `groups`."""
    picked = rng.integers(groups, size=(draws, groups)) + groups * np.arange(draws)[:, None]
    return np.bincount(picked.ravel(), minlength=draws * groups).reshape(draws, groups).astype(float)


def evaluate(sample: Sample, probabilities: Array) -> dict[str, Array]:
    """All metrics of one model's answers (N×C) under every row of `sample.weights`; NaN where undefined.

    AUC and sensitivity at 90 % specificity are taken per fold, then averaged: scores of different models
    don't compare.
    """
    scores = probabilities[:, sample.target]
    ranks = np.array([rank_metrics(sample, scores, sample.folds == fold) for fold in sample.fold_names])
    defined = np.isfinite(ranks).sum(axis=0)
    means = divide(np.nansum(ranks, axis=0), defined)
    terms = np.bincount(sample.units, brier_terms(sample.labels, probabilities), sample.weights.shape[1])
    sizes = np.bincount(sample.units, minlength=sample.weights.shape[1])
    return {
        **count_metrics(sample, answers(probabilities), probabilities.shape[1]),
        "target_auc": means[0],
        "sensitivity_at_90_specificity": means[1],
        "brier": divide(sample.weights @ terms, sample.weights @ sizes),
    }


def confusion_counts(sample: Sample, given: Ints, classes: int) -> Array:
    """Weighted confusion tables of the answers `given` (int N), one a row of weights: rows×C×C."""
    cells = (sample.units * classes + sample.labels) * classes + given
    counts = np.bincount(cells, minlength=sample.weights.shape[1] * classes**2).astype(float)
    return np.reshape(sample.weights @ counts.reshape(-1, classes**2), (-1, classes, classes))


def count_metrics(sample: Sample, given: Ints, classes: int) -> dict[str, Array]:
    """The metrics that only need answers, under every row of weights; a class without scans doesn't count."""
    table = confusion_counts(sample, given, classes)
    right, true, said = np.einsum("dcc->dc", table), table.sum(axis=2), table.sum(axis=1)
    present = (true > 0).sum(axis=1)
    f1 = np.where(true > 0, divide(2 * right, true + said), 0.0)
    recall = divide(right, true)
    return {
        "macro_f1": divide(f1.sum(axis=1), present),
        "target_recall": recall[:, sample.target],
        "balanced_accuracy": divide(np.nansum(recall, axis=1), present),
        "accuracy": divide(right.sum(axis=1), true.sum(axis=1)),
    }


def rank_metrics(sample: Sample, scores: Array, chosen: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Weighted AUC and sensitivity at 90 % specificity of the `chosen` scans under every row of weights.

    The scores are sorted once; equal scores move together along the ROC curve (half a win each).
    """
    scans = np.flatnonzero(chosen)
    scans = scans[np.argsort(-scores[scans], kind="stable")]
    weights = sample.weights.T[sample.units[scans]]  # n×rows
    positive = (sample.labels[scans] == sample.target)[:, None]
    ends = np.flatnonzero(np.append(np.diff(scores[scans]) != 0, True))  # last of each run of equal scores
    true = np.cumsum(weights * positive, axis=0)[ends]
    false = np.cumsum(weights * ~positive, axis=0)[ends]
    steps = np.diff(false, axis=0, prepend=0.0)
    heights = true - np.diff(true, axis=0, prepend=0.0) / 2
    area = divide((steps * heights).sum(axis=0), true[-1] * false[-1])
    reached = np.where(false <= (1 - SPECIFICITY) * false[-1] + 1e-9, true, 0.0).max(axis=0)
    return area, np.where(np.isfinite(area), divide(reached, true[-1]), np.nan)


def divide(numerator: Array, denominator: Array) -> Array:
    """Numerator / denominator; NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), denominator)
    quotient = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def interval(sample: Sample, values: Array, test_share: float | None = None) -> Interval | None:
    """The 95 % interval of a number known under every row of `sample.weights`: expanded percentiles.

    The draws are widened about the estimate, then their 2.5 % ends are read off. Widened by √(n/(n−folds)),
    since a draw from n groups spreads too little, and by t/z at n−folds degrees of freedom (Hesterberg, The
    American Statistician 69 (2015): "expanded percentile interval"). Draws where the number is undefined are
    dropped; None where the number is undefined for the sample itself, or for nearly all draws, or where each
    fold holds a single group. `test_share` (scans of one fold among all) asks for the second opinion of a
    paired difference.
    """
    estimate, folds = float(values[0]), len(sample.fold_names)
    units, draws = sample.weights.shape[1], values[1 + folds :]
    draws, freedom = draws[np.isfinite(draws)], units - folds
    if not np.isfinite(estimate) or freedom < 1 or len(draws) < 2 / (1 - LEVEL):
        return None
    shrunk, tail = np.sqrt(units / freedom), (1 + LEVEL) / 2
    wider = shrunk * stats.t.ppf(tail, freedom) / stats.norm.ppf(tail)
    widened = np.sort(estimate + wider * (draws - estimate))
    end = int((1 - tail) * (len(draws) + 1) + 1e-9)  # with 2,000 draws the 50th from either end
    outside = 1 + min((widened <= 0).sum(), (widened >= 0).sum())
    error = float(draws.std() * shrunk)
    fold_values = values[1 : 1 + folds]
    fold_values = fold_values[np.isfinite(fold_values)]
    return Interval(
        estimate=estimate,
        low=float(widened[end - 1]),
        high=float(widened[-end]),
        p=float(min(1.0, 2 * outside / (len(draws) + 1))),
        p_holm=None,
        standard_error=error,
        detectable=DETECTABLE * error,
        second_opinion_p=None if test_share is None else nadeau_bengio(fold_values, test_share),
    )


def measured(sample: Sample, values: Array, most: float = 1.0) -> Measured:
    """A metric between 0 and `most`, known under every row of `sample.weights`, with its 95 % interval."""
    span, value = interval(sample, values), float(values[0]) if np.isfinite(values[0]) else None
    return Measured(value, max(span.low, 0.0) if span else None, min(span.high, most) if span else None)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number, in the given order.

    The i-th smallest of m is multiplied by m − i + 1; none may end below a smaller one. Holm, Scandinavian
    Journal of Statistics 6 (1979).
    """
    values = np.asarray(p_values, float)
    order = np.argsort(values)
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return corrected.tolist()


def nadeau_bengio(differences: Sequence[float] | Array, test_share: float) -> float | None:
    """Two-sided p value of the mean of fold differences, corrected for training parts that overlap.

    t = mean / √((1/J + test/train) · variance), J−1 degrees of freedom; `test_share` is the share of the
    scans in one test fold, 1/k. None with fewer than two folds. Nadeau and Bengio, Machine Learning 52
    (2003).
    """
    values = np.asarray(differences, float)
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        return 1.0 if values[0] == 0 else 0.0
    variance = (1 / len(values) + test_share / (1 - test_share)) * values.var(ddof=1)
    return float(2 * stats.t.sf(abs(values.mean()) / np.sqrt(variance), len(values) - 1))


FoldSeed = tuple[int, int]


def comparable(
    finished: Mapping[Arm, set[FoldSeed]], core: Sequence[Arm]
) -> tuple[list[Arm], list[int], list[int]]:
    """Arms, folds and seeds that can stand side by side: each of these arms has each fold with each seed.

    Of what the `core` arms share, a training that is missing takes its seed from all folds, while two seeds
    or more are left: a fold is other scans, and fold 0 the only untouched ones. Else keeps the largest block
    that begins with one seed's folds or one fold's seeds, among equals the one with more folds. The other
    arms join if they have all of it. While the core arms share nothing, the one with the fewest trainings
    goes (the last among equals).
    """
    arms = [arm for arm in finished if arm in core] or list(finished)
    while not (common := set.intersection(*(finished[arm] for arm in arms))):
        arms.remove(min(reversed(arms), key=lambda arm: len(finished[arm])))
    folds, seeds = ({pair[i] for pair in common} for i in (0, 1))
    whole = {seed for seed in seeds if all((fold, seed) in common for fold in folds)}
    rows = [{fold for fold in folds if (fold, seed) in common} for seed in seeds]
    columns = [{seed for seed in seeds if (fold, seed) in common} for fold in folds]
    blocks = [(row, {s for s in seeds if all((fold, s) in common for fold in row)}) for row in rows]
    blocks += [({f for f in folds if all((f, seed) in common for seed in part)}, part) for part in columns]
    largest = max(blocks, key=lambda b: (len(b[0]) * len(b[1]), len(b[0]), -sum(b[0]), -sum(b[1])))
    best = (folds, whole) if len(whole) > 1 else largest
    block = {(fold, seed) for fold in best[0] for seed in best[1]}
    return [arm for arm in finished if block <= finished[arm]], sorted(best[0]), sorted(best[1])


ANCHOR_GROUPS = 567  # BUSI `clean`, all five folds
SHARED, PER_SEED = 0.008**2, 0.0392**2  # half-width² of macro-F1 there: what seeds repeat, what they divide


def expected_half_width(folds: int, seeds: int, *, groups: int = ANCHOR_GROUPS, k: int = 5) -> float:
    """Half-width to expect of the 95 % interval of a macro-F1 difference, before any work (0.04: ± 4 points).

    √((shared + per_seed / seeds) · 567 / groups tested): the part that every seed repeats stays, the part
    that each seed draws anew averages out, and both shrink with the number of groups in the tested folds
    (`folds` of `k` parts of `groups`). Fitted to ± 4.0 points with one seed and ± 2.4 with three over BUSI's
    five folds; gives ± 8.9 on one fold.
    """
    if folds < 1 or seeds < 1 or groups < 1 or folds > k:
        raise ValueError(
            f"expected 1 to {k} folds, 1 or more seeds, groups; found {folds}, {seeds}, {groups}"
        )
    tested = groups * folds / k
    return float(np.sqrt((SHARED + PER_SEED / seeds) * ANCHOR_GROUPS / tested))
