"""Distances between two sets of scans, from their features; and where synthetic scans lie on a scale.

The first set is always the generated one, the second the real one (precision and recall depend on it).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from .features import Features
from .model import METRICS, SEED, Distances, Measured, Metric, Scale

SPLITS = 50
KID_SUBSETS = (
    10  # enough where nearly every scan is in each; torch-fidelity's 100 are meant for 1,000 of 50,000
)
PRECISION_NEIGHBOURS = 3  # torch-fidelity's, and Kynkäänniemi et al. 2019
DENSITY_NEIGHBOURS = 5  # Naeem et al. 2020
# spreads between floor and ceiling below which nothing is normalised
CLEAR = {Metric.KID: 2.0, Metric.FRECHET: 5.0}
TITLES = {Metric.KID: "KID", Metric.FRECHET: "The Fréchet distance"}

Rows = NDArray[np.int64]
Values = dict[Metric, float | None]


class TooFewGroups(ValueError):
    """Scans of fewer groups than a calculation needs."""


def frechet(first: Features, second: Features) -> float:
    """Fréchet distance of Gaussians fitted to N×D and M×D features (Heusel et al. 2017); FID if Inception's.

    The trace of the square root of the product of two covariances AᵀA and BᵀB is the sum of the singular
    values of A Bᵀ, which is N × M: milliseconds where torch-fidelity's D × D takes a second, and the same
    value.
    """
    a, b = _root(first), _root(second)
    shift = first.mean(0, dtype=np.float64) - second.mean(0, dtype=np.float64)
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    distance = float(shift @ shift + (a * a).sum() + (b * b).sum() - 2 * shared)
    return max(0.0, distance)  # rounding may go below 0


def _root(values: Features) -> NDArray[np.float64]:
    """A with AᵀA = covariance of N×D values, with at most D rows."""
    root = (values - values.mean(0, dtype=np.float64)) / np.sqrt(len(values) - 1)
    return np.asarray(np.linalg.qr(root, mode="r")) if len(root) > root.shape[1] else root


def kid(first: Features, second: Features) -> tuple[float, float, int]:
    """Kernel distance (Bińkowski et al. 2018) by torch-fidelity: mean and deviation over subsets, size of a
    subset.

    Subsets are as large as the smaller set; where both are equally large there is only one. Unbiased, so it
    may be negative: about 0 for two samples of one distribution, below 0 for a set against itself.
    """
    size = min(len(first), len(second))
    found = kid_features_to_metric(
        torch.from_numpy(first),
        torch.from_numpy(second),
        verbose=False,
        kid_subset_size=size,
        kid_subsets=1 if len(first) == len(second) else KID_SUBSETS,
    )
    return found[KEY_METRIC_KID_MEAN], found[KEY_METRIC_KID_STD], size


def precision_recall(first: Features, second: Features) -> tuple[float, float]:
    """Share of generated scans among the real ones, and of real ones among the generated (by
    torch-fidelity)."""
    found = prc_features_to_metric(
        torch.from_numpy(first),
        torch.from_numpy(second),
        verbose=False,
        prc_neighborhood=PRECISION_NEIGHBOURS,
    )
    return found[KEY_METRIC_PRECISION], found[KEY_METRIC_RECALL]


def density_coverage(
    first: Features, second: Features, neighbours: int = DENSITY_NEIGHBOURS
) -> tuple[float, float]:
    """How densely generated scans lie around real ones (1 is like real), and the share of real ones they
    reach.

    Naeem et al. 2020, equations 4 and 5: a real scan's ball reaches to its `neighbours`-th nearest real scan.
    """
    radius = np.sort(cdist(second, second), axis=1)[:, neighbours]  # place 0 is the scan itself
    inside = cdist(second, first) < radius[:, None]
    return float(inside.sum() / (neighbours * len(first))), float(inside.any(1).mean())


def distances(first: Features, second: Features) -> Values:
    """All distances and shares of METRICS for generated N×D and real M×D features; None where a set is too
    small."""
    smaller = min(len(first), len(second))
    values: Values = dict.fromkeys(METRICS)
    if smaller >= 2:
        values[Metric.KID], values[Metric.FRECHET] = kid(first, second)[0], frechet(first, second)
    if smaller > PRECISION_NEIGHBOURS:
        values[Metric.PRECISION], values[Metric.RECALL] = precision_recall(first, second)
    if len(first) and len(second) > DENSITY_NEIGHBOURS:
        values[Metric.DENSITY], values[Metric.COVERAGE] = density_coverage(first, second)
    return values


def halves(groups: Sequence[str], splits: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Split scans in two as evenly as their groups allow, `splits` times; a group is never on both sides.

    Raises TooFewGroups for fewer than two. The order of the scans changes nothing.
    """
    names, number = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise TooFewGroups("a split needs at least two groups")
    sizes = np.bincount(number)
    for split in range(splits):
        order = np.random.default_rng((seed, 6, split)).permutation(len(names))
        filled = np.cumsum(sizes[order])[:-1]
        first = np.isin(number, order[: 1 + np.abs(filled - len(number) / 2).argmin()])
        yield np.flatnonzero(first), np.flatnonzero(~first)


def mixed(
    labels: Sequence[str] | NDArray[np.str_], shares: Counter[str], count: int, rng: np.random.Generator
) -> Rows:
    """Draw `count` distinct places of `labels`, the classes in the proportions of `shares`.

    Fewer only where a class has too few: the largest remainders are rounded up, so that the sum is `count`.
    """
    names, total = sorted(shares), sum(shares.values())
    wanted = {name: count * shares[name] // total for name in names}
    by_remainder = sorted(names, key=lambda name: -(count * shares[name] % total))
    for name in by_remainder[: count - sum(wanted.values())]:
        wanted[name] += 1
    places = {name: np.flatnonzero(np.asarray(labels) == name) for name in names}
    return np.concatenate([rng.permutation(places[name])[: wanted[name]] for name in names])


class SplitValues(NamedTuple):
    """All metrics of one split: from synthetic scans, real target scans and sources to its second half."""

    score: Values
    floor: Values
    ceiling: Values


@dataclass(frozen=True)
class Reference:
    """What `against_reference` found, and how many target scans were in the first half, on average."""

    distances: Distances
    half: int


def against_reference(
    synthetic: Features,
    synthetic_from: Sequence[str],
    sources: Features,
    source_labels: Sequence[str],
    target: Features,
    groups: Sequence[str],
    *,
    splits: int = SPLITS,
) -> Reference:
    """Place synthetic scans between other real target scans (floor) and their untranslated sources (ceiling).

    All features N×D. `synthetic_from` is the class of each synthetic scan's source; `sources` are distinct
    scans; `groups` belong to `target`. For each split of the target scans into H1 and H2: floor = H1 ↔ H2,
    score = as many synthetic scans ↔ H2, ceiling = as many sources, mixed alike, ↔ H2.
    """
    if len(set(groups)) < 2:
        note = "No distances: the target scans form fewer than two groups, so there is no floor."
        return Reference(Distances(notes=(note,)), 0)
    shares, values, lacking = Counter(synthetic_from), [], 0
    parts = list(halves(groups, splits, SEED))
    for split, (one, two) in enumerate(parts):
        rng = np.random.default_rng((SEED, 7, split))
        some = rng.permutation(len(synthetic))[: len(one)]
        untranslated = mixed(source_labels, shares, len(one), rng)
        lacking = max(lacking, len(one) - min(len(some), len(untranslated)))
        values.append(
            SplitValues(
                score=distances(synthetic[some], target[two]),
                floor=distances(target[one], target[two]),
                ceiling=distances(sources[untranslated], target[two]),
            )
        )
    half = round(float(np.mean([len(one) for one, _ in parts])))
    notes = []
    if lacking:
        notes.append(
            f"Half the target scans are {half}, but up to {lacking} fewer synthetic scans or sources were "
            "there to compare: their distances are noisier than the floor's, and the Fréchet distance larger."
        )
    scales = {}
    for metric in METRICS:
        scales[metric], note = _scale(metric, values)
        notes += [note] if note else []
    return Reference(Distances(**scales, notes=tuple(notes)), half)


def _scale(metric: Metric, splits: Sequence[SplitValues]) -> tuple[Scale | None, str]:
    """A metric over all splits, and why it or its normalised value is missing ("" where it is not)."""
    series = [[values[metric] for values in part] for part in zip(*splits, strict=True)]
    if any(None in values for values in series):
        return None, f"No {metric}: the halves of the target scans or the synthetic set are too small for it."
    score, floor, ceiling = (np.array(values, np.float64) for values in series)
    scale = Scale(spread(score), spread(floor), spread(ceiling))
    if metric not in CLEAR:
        return scale, ""
    clear = CLEAR[metric]
    value = normalised(score, floor, ceiling, clear=clear)
    lacking = f"{TITLES[metric]} is not normalised: floor and ceiling lie less than {clear:g} spreads apart."
    return replace(scale, normalised=value), "" if value else lacking


def spread(values: NDArray[np.float64]) -> Measured:
    """Mean and spread (deviation over the splits; not a standard error: the splits share their scans)."""
    return Measured(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0)


def normalised(
    score: NDArray[np.float64], floor: NDArray[np.float64], ceiling: NDArray[np.float64], *, clear: float
) -> Measured | None:
    """(score − floor) / (ceiling − floor) with its spread: 0 is real, 1 "did nothing", above 1 worse than
    nothing.

    The denominator is the mean over all splits, so that no single split with a small one decides. None
    where ceiling and floor lie less than `clear` spreads of their difference apart, or where a number is not
    finite.
    """
    gap = spread(ceiling - floor)
    if not (gap.mean > 0 and gap.mean >= clear * gap.spread):  # so that what is no number does not pass
        return None
    value = spread((score - floor) / gap.mean)
    return value if np.isfinite((value.mean, value.spread)).all() else None
