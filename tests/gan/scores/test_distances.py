"""Distances: equal to torch-fidelity's, to slow computations by the book, and 0 where nothing differs."""

from collections import Counter

import numpy as np
import pytest
import torch
import torch_fidelity
from bus.gan.extractors import LITE0
from bus.gan.scores.distances import (
    TooFewGroups,
    against_reference,
    density_coverage,
    distances,
    frechet,
    halves,
    kid,
    mixed,
    normalised,
)
from bus.gan.scores.features import lite0
from bus.gan.scores.model import METRICS, Distances, Measured, Pair
from bus.gan.scores.score import compare
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric


def sample(count: int, width: int = 24, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, width)).astype(np.float32)


class Rgb(Dataset):  # type: ignore[type-arg]
    """Grey scans as torch-fidelity wants a data set: uint8 3×H×W."""

    def __init__(self, scans: np.ndarray) -> None:
        self.scans = torch.from_numpy(scans)[:, None].repeat(1, 3, 1, 1)

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, row: int) -> torch.Tensor:
        return self.scans[row]


@pytest.mark.long
@pytest.mark.parametrize("counts", [(12, 12), (9, 12)])
def test_figures_equal_torch_fidelitys_own_interface(counts: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    first, second = (
        rng.integers(0, top, (n, 48, 48), dtype=np.uint8) for n, top in zip(counts, (200, 256), strict=True)
    )
    ours = compare(first, second, lite0())
    theirs = torch_fidelity.calculate_metrics(
        input1=Rgb(first),
        input2=Rgb(second),
        cuda=False,
        verbose=False,
        cache=False,
        save_cpu_ram=True,
        feature_extractor=LITE0,
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=min(counts),
        kid_subsets=10,
    )
    assert ours.n == Pair(*counts) and ours.kid
    assert ours.frechet == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert ours.kid.mean == pytest.approx(theirs["kernel_inception_distance_mean"], abs=1e-5, rel=1e-4)
    assert (ours.precision, ours.recall) == (theirs["precision"], theirs["recall"])


@pytest.mark.parametrize(
    ("n", "m"), [(8, 11), (40, 60), (8, 60)]
)  # fewer and more scans than the 24 features
def test_frechet_equals_torch_fidelitys_square_root(n: int, m: int) -> None:
    first, second = sample(n), sample(m, seed=1, shift=0.3)
    statistics = [fid_features_to_statistics(torch.from_numpy(values).double()) for values in (first, second)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet(first, second) == pytest.approx(theirs, rel=1e-4)


def test_frechet_of_a_moved_set_is_the_square_of_the_way() -> None:
    values = sample(30)
    way = np.linspace(-1, 1, 24, dtype=np.float32)
    assert frechet(values + way, values) == pytest.approx(float(way @ way), rel=1e-4)
    assert frechet(values, sample(20, seed=1)) == pytest.approx(frechet(sample(20, seed=1), values))


def test_a_set_against_itself() -> None:
    values = sample(20)
    found = distances(values, values)
    assert found["frechet"] == pytest.approx(0, abs=1e-6)
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)
    # KID is unbiased: it leaves the pairs of a scan with itself out within a set, but not between the sets.
    # So a set against itself lies below 0 by 2/N times what those pairs have more than others.
    kernel = (values.astype(np.float64) @ values.T / 24 + 1) ** 3
    n = len(values)
    others = (kernel.sum() - np.trace(kernel)) / (n * (n - 1))
    assert found["kid"] == pytest.approx(-2 / n * (np.trace(kernel) / n - others), rel=1e-4)
    assert found["kid"] < 0


def test_kid_is_about_zero_for_two_samples_of_one_distribution() -> None:
    values = [kid(sample(30, seed=2 * seed), sample(30, seed=2 * seed + 1))[0] for seed in range(40)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(40)
    assert min(values) < 0 < kid(sample(30), sample(30, seed=1, shift=1.0))[0]


def test_kid_of_unequal_sets_is_torch_fidelitys_mean_over_many_subsets() -> None:
    first, second = sample(18), sample(24, seed=1, shift=0.2)
    mean, deviation, size = kid(first, second)
    many = kid_features_to_metric(
        torch.from_numpy(first), torch.from_numpy(second), kid_subset_size=18, kid_subsets=2000, verbose=False
    )["kernel_inception_distance_mean"]
    assert size == 18 and deviation > 0
    assert mean == pytest.approx(many, abs=4 * deviation / np.sqrt(10))


@given(st.integers(7, 14), st.integers(7, 14), st.integers(1, 5), st.integers(0, 1000))
def test_density_and_coverage_by_the_book(n: int, m: int, k: int, seed: int) -> None:
    made, real = sample(n, 3, seed), sample(m, 3, seed + 1)
    hits, reached = 0, 0
    for i in range(m):
        radius = sorted(
            float(np.linalg.norm(real[i].astype(float) - other)) for other in np.delete(real, i, 0)
        )[k - 1]
        inside = [float(np.linalg.norm(real[i].astype(float) - scan)) < radius for scan in made]
        hits, reached = hits + sum(inside), reached + any(inside)
    assert density_coverage(made, real, k) == pytest.approx((hits / (k * n), reached / m))


def test_too_small_sets_give_none_instead_of_a_number() -> None:
    assert distances(sample(1), sample(9)) == dict.fromkeys(METRICS) | {
        name: pytest.approx(value)
        for name, value in zip(("density", "coverage"), density_coverage(sample(1), sample(9)), strict=True)
    }
    assert distances(sample(3), sample(3))["precision"] is None
    assert distances(sample(4), sample(4))["precision"] is not None
    assert distances(sample(9), sample(5))["density"] is None


@given(
    st.lists(st.integers(0, 9).map(str), min_size=2, max_size=40).filter(lambda names: len(set(names)) > 1),
    st.integers(0, 99),
)
def test_halves_never_split_a_group_and_are_as_even_as_groups_allow(groups: list[str], seed: int) -> None:
    largest = max(Counter(groups).values())
    for one, two in halves(groups, 4, seed):
        assert not {groups[row] for row in one} & {groups[row] for row in two}
        assert sorted([*one, *two]) == list(range(len(groups)))
        assert len(one) and len(two) and abs(len(one) - len(groups) / 2) <= largest / 2


def test_halves_do_not_depend_on_the_order_of_the_scans() -> None:
    groups = [str(row // 2) for row in range(20)]
    turned = list(reversed(groups))
    for (one, _), (other, _) in zip(halves(groups, 5, 0), halves(turned, 5, 0), strict=True):
        assert {groups[row] for row in one} == {turned[row] for row in other}
    assert len({tuple(one) for one, _ in halves(groups, 20, 0)}) > 10
    with pytest.raises(TooFewGroups):
        next(halves(["a", "a"], 1, 0))


def test_the_ceiling_is_mixed_as_the_synthetic_set() -> None:
    labels = ["benign"] * 60 + ["normal"] * 30
    drawn = mixed(labels, Counter(benign=30, normal=10), 20, np.random.default_rng(0))
    assert Counter(labels[row] for row in drawn) == {"benign": 15, "normal": 5}
    assert len(set(drawn)) == 20


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 20))
def test_a_mixture_has_as_many_scans_as_were_asked_for(parts: list[int], count: int) -> None:
    names = [f"class {number}" for number in range(len(parts))]
    drawn = mixed(names * 20, Counter(dict(zip(names, parts, strict=True))), count, np.random.default_rng(0))
    found = Counter((names * 20)[row] for row in drawn)
    assert len(set(drawn)) == len(drawn) == count
    for name, part in zip(names, parts, strict=True):
        assert abs(found[name] - count * part / sum(parts)) < 1


def test_normalised_is_zero_at_the_floor_and_one_at_the_ceiling() -> None:
    floor, ceiling = np.array([0.0, 0.1, 0.2]), np.array([1.0, 1.1, 1.3])
    assert normalised(floor, floor, ceiling, clear=2) == Measured(0, 0)
    for score, expected in ((ceiling, 1), (2 * ceiling - floor, 2)):
        found = normalised(score, floor, ceiling, clear=2)
        assert found is not None and found.mean == pytest.approx(expected)
    assert normalised(floor, ceiling, floor, clear=2) is None
    assert normalised(floor, floor, ceiling, clear=100) is None
    assert normalised(floor, floor, np.append(ceiling[:2], np.nan), clear=2) is None
    assert normalised(np.append(floor[:2], np.nan), floor, ceiling, clear=2) is None


@pytest.mark.long
def test_the_scale_places_real_at_zero_and_sources_at_one() -> None:
    target, groups = sample(60, seed=1, shift=0.5), [str(row // 2) for row in range(60)]
    sources, labels = sample(80, seed=2), ["benign"] * 50 + ["normal"] * 30
    places = {}
    for name, made in {
        "real": sample(80, seed=3, shift=0.5),
        "sources": sources,
        "worse": sample(80, seed=4, shift=-0.5),
    }.items():
        found = against_reference(made, labels, sources, labels, target, groups, splits=20)
        kernel = found.distances.kid
        assert found.half == 30 and kernel is not None and kernel.normalised is not None
        assert all("The Fréchet distance" in note for note in found.distances.notes)
        places[name] = kernel.normalised.mean
        again = against_reference(made, labels, sources, labels, target, groups, splits=20)
        assert again == found
    assert abs(places["real"]) < 0.15
    assert places["sources"] == pytest.approx(1, abs=0.15)
    assert places["worse"] > 1.5


def test_a_small_synthetic_set_is_scored_with_a_note() -> None:
    target, groups, labels = sample(40, seed=1), [str(row) for row in range(40)], ["benign"] * 30
    found = against_reference(sample(8), labels[:8], sample(30, seed=2), labels, target, groups, splits=3)
    assert found.distances.kid is not None
    assert any("up to 12 fewer" in note for note in found.distances.notes)
    alone = against_reference(
        sample(8), labels[:8], sample(30, seed=2), labels, target, ["one"] * 40, splits=3
    )
    assert alone.distances == Distances(notes=alone.distances.notes)
    assert "no floor" in alone.distances.notes[0]
