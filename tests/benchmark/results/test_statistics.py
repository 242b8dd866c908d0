"""The bootstrap against an explicit resampling loop, its coverage of simulated studies, second opinions."""

from typing import Any

import numpy as np
import pytest
import scipy.stats
from bus.benchmark.arms import Arm
from bus.benchmark.results import statistics as stats
from bus.benchmark.results.model import Interval
from bus.classify import metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

Floats = NDArray[np.float64]
TARGET = 1


def null_study(
    rng: np.random.Generator,
    groups: int,
    folds: int,
    seeds: int,
    better: float = 0.0,
    shift: float = 0.0,
    by_scan: bool = False,
) -> tuple[stats.Sample, Floats]:
    """A study like BUSI: groups of 1–4 scans, 3 classes, answers alike within groups; arms×seeds×N×C scores.

    Scans and groups are easy or hard for every model alike; each training adds noise of its own. `better`
    sharpens the second arm; at 0 the arms differ by that noise only. `shift`: each training
    leans towards or away from each class as a whole. `by_scan`: every scan is taken for a group.
    """
    sizes = rng.choice([1, 2, 3, 4], p=[0.74, 0.19, 0.05, 0.02], size=groups)
    group = np.repeat(np.arange(groups), sizes)
    labels = rng.choice(3, p=[0.56, 0.27, 0.17], size=groups)[group]
    fold = (rng.permutation(groups) % folds)[group]
    shared = (
        1.6 * np.eye(3)[labels]
        + 0.8 * rng.normal(size=(groups, 3))[group]
        + 0.4 * rng.normal(size=(len(group), 3))
    )
    own = 0.7 * rng.normal(size=(2, seeds, groups, 3))[:, :, group] + 0.4 * rng.normal(
        size=(2, seeds, len(group), 3)
    )
    own[1] += better * np.eye(3)[labels]
    if shift:
        own += shift * rng.normal(size=(2, seeds, folds, 3))[:, :, fold]
    scores = np.exp(shared + own)
    order = np.argsort(fold, kind="stable")
    names = [str(unit) for unit in (np.arange(len(group)) if by_scan else group[order])]
    sample = stats.sample(labels[order], names, fold[order], TARGET, seed=int(rng.integers(2**31)))
    return sample, (scores / scores.sum(axis=-1, keepdims=True))[:, :, order]


def gain_of(sample: stats.Sample, probabilities: Floats) -> Interval:
    """The interval of the second arm's macro-F1 less the first's."""
    found = [
        [stats.count_metrics(sample, metrics.answers(one), 3)["macro_f1"] for one in arm]
        for arm in probabilities
    ]
    first, second = np.mean(found, axis=1)
    interval = stats.interval(sample, second - first)
    assert interval is not None
    return interval


def coverage(studies: int, groups: int, folds: int, seeds: int, **what: Any) -> float:
    """Share of null studies whose interval holds 0."""
    found = [
        gain_of(*null_study(np.random.default_rng([7, i]), groups, folds, seeds, **what))
        for i in range(studies)
    ]
    return float(np.mean([one.low <= 0 <= one.high for one in found]))


@pytest.mark.long
def test_null_studies_are_covered_and_scans_for_groups_would_not_do() -> None:
    """One fold of BUSI's size: intervals over groups hold 0 as promised, those over scans less often."""
    assert 0.925 <= coverage(500, 113, 1, 1) <= 0.975
    assert coverage(500, 113, 1, 1, by_scan=True) < 0.925


@pytest.mark.long
def test_null_studies_of_several_folds_and_seeds_are_covered() -> None:
    low, high = scipy.stats.binom.interval(0.999, 300, 0.95)
    assert low <= 300 * coverage(300, 240, 5, 2) <= high


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "folds", "seeds"), [(113, 1, 1), (113, 1, 2), (567, 5, 1), (567, 5, 2)])
def test_two_thousand_null_studies_are_covered(groups: int, folds: int, seeds: int) -> None:
    assert 0.925 <= coverage(2000, groups, folds, seeds) <= 0.975


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "least", "most"), [(0.2, 0.90, 0.955), (0.4, 0.85, 0.91)])
def test_trainings_that_lean_as_a_whole_are_beyond_what_the_interval_holds(
    shift: float, least: float, most: float
) -> None:
    """What docs/statistics.md says that one training a place cannot tell."""
    for groups, folds in ((113, 1), (567, 5)):
        assert least <= coverage(600, groups, folds, 1, shift=shift) <= most


def test_detectable_difference_is_found_four_times_in_five() -> None:
    found = [gain_of(*null_study(np.random.default_rng([8, i]), 240, 5, 1, better=0.46)) for i in range(250)]
    sizes = [one.estimate / one.standard_error for one in found]
    expected = scipy.stats.norm.cdf(np.mean(sizes) - 1.96)  # power at the effect that was planted
    assert np.mean(sizes) == pytest.approx(stats.DETECTABLE, abs=0.4)
    assert np.mean([one.p <= 0.05 for one in found]) == pytest.approx(expected, abs=0.1)


@pytest.fixture(scope="module")
def small() -> tuple[stats.Sample, Floats]:
    """60 groups in 3 folds; scores rounded so that they tie."""
    sample, probabilities = null_study(np.random.default_rng(5), 60, 3, 1)
    rough = np.round(probabilities[0, 0], 1) + 1e-9
    return sample, rough / rough.sum(axis=1, keepdims=True)


def test_vectorised_metrics_equal_a_resampling_loop(small: tuple[stats.Sample, Floats]) -> None:
    sample, probabilities = small
    probabilities = np.round(probabilities, 6)
    found = stats.evaluate(sample, probabilities)
    assert set(found) == set(metrics.METRICS)
    for row in range(0, 124, 3):
        times = sample.weights[row].astype(int)[sample.units]
        rows = np.repeat(np.arange(len(times)), times)  # the scans of this draw, one by one
        labels, drawn, folds = sample.labels[rows], probabilities[rows], sample.folds[rows]
        for name, metric in metrics.METRICS.items():
            if name in ("target_auc", "sensitivity_at_90_specificity"):
                parts = [metric(labels[folds == f], drawn[folds == f], TARGET) for f in np.unique(folds)]
                defined = [value for value in parts if value is not None]
                expected = np.mean(defined) if defined else np.nan
            else:
                expected = metric(labels, drawn, TARGET)
            assert found[name][row] == pytest.approx(expected, nan_ok=True), (name, row)


def test_auc_equals_scikit_learn_with_weights(small: tuple[stats.Sample, Floats]) -> None:
    sample, probabilities = small
    scores = probabilities[:, TARGET]
    assert len(np.unique(scores)) < len(scores)
    area, _ = stats.rank_metrics(sample, scores, np.ones(len(scores), bool))
    for row in range(4, 60):
        weights = sample.weights[row][sample.units]
        assert area[row] == pytest.approx(
            roc_auc_score(sample.labels == TARGET, scores, sample_weight=weights)
        )


def test_draws_keep_groups_whole_and_folds_full(small: tuple[stats.Sample, Floats]) -> None:
    sample, _ = small
    assert sample.weights.shape == (1 + 3 + stats.DRAWS, 60)
    fold_of = dict(zip(sample.units, sample.folds, strict=True))
    for fold in range(3):
        inside = [unit for unit in fold_of if fold_of[unit] == fold]
        assert (sample.weights[4:, inside].sum(axis=1) == len(inside)).all()
        assert (sample.weights[1 + fold].nonzero()[0] == sorted(inside)).all()
    spread = sample.weights[4:].var()
    assert spread == pytest.approx(1 - 1 / 20, abs=0.01)  # multinomial: 1 − 1/n with 20 groups a fold


def test_a_fold_is_drawn_alike_with_and_without_others() -> None:
    labels, folds = np.zeros(9, int), np.repeat([0, 2, 3], 3)
    names = list("aabcdefgg")
    whole = stats.sample(labels, names, folds, TARGET, draws=50)
    part = stats.sample(labels[3:6], names[3:6], folds[3:6], TARGET, draws=50)
    assert (whole.weights[4:, 2:5] == part.weights[2:]).all()
    again = stats.sample(labels, names, folds, TARGET, draws=50, seed=1)
    assert (whole.weights != again.weights).any()


def test_a_name_in_two_folds_is_two_units() -> None:
    sample = stats.sample(np.zeros(4, int), ["a", "b", "a", "b"], np.array([0, 0, 1, 1]), TARGET, draws=9)
    assert sample.units.tolist() == [0, 1, 2, 3]


def test_a_class_that_a_fold_lacks_gives_no_nan() -> None:
    labels = np.array([0, 1, 0, 1, 0, 2, 0, 2])
    folds = np.repeat([0, 1], 4)
    sample = stats.sample(labels, list("abcdefgh"), folds, TARGET)
    found = stats.evaluate(sample, np.eye(3)[labels])
    assert all(np.isfinite(values[0]) for values in found.values())
    assert np.isnan(found["target_auc"][2]) and found["target_auc"][0] == 1.0  # fold 1 has no target scans
    assert np.isnan(found["target_recall"][2]) and found["macro_f1"][2] == 1.0


def test_one_arm_against_itself_shows_nothing(small: tuple[stats.Sample, Floats]) -> None:
    sample, probabilities = small
    values = stats.evaluate(sample, probabilities)["macro_f1"]
    found = stats.interval(sample, values - values, 1 / 3)
    assert found is not None
    assert (found.estimate, found.low, found.high, found.p, found.second_opinion_p) == (0, 0, 0, 1, 1)


@given(st.integers(0, 10**6), st.floats(-4, 4), st.integers(0, 1900))
@settings(max_examples=200)
def test_p_is_under_a_twentieth_exactly_when_the_interval_leaves_out_zero(
    seed: int, shift: float, lost: int
) -> None:
    rng = np.random.default_rng(seed)
    sample = stats.Sample(np.zeros(9, int), np.arange(9), np.zeros(9, int), 0, (0,), np.ones((2002, 9)))
    draws = np.round(shift + rng.normal(size=2002), 2)
    draws[2 : 2 + lost] = np.nan
    draws[0] = shift
    found = stats.interval(sample, draws)
    assert found is not None and found.low <= found.high and 0 < found.p <= 1
    assert (found.p <= 0.05) == (found.low > 0 or found.high < 0)
    mirrored = stats.interval(sample, -draws)
    assert mirrored is not None
    assert (mirrored.low, mirrored.high, mirrored.p) == (-found.high, -found.low, found.p)


def test_interval_of_a_mean_equals_students() -> None:
    values = np.random.default_rng(2).normal(size=40)
    sample = stats.sample(np.zeros(40, int), [str(i) for i in range(40)], np.zeros(40, int), 0, draws=40_000)
    found = stats.interval(sample, sample.weights @ values / 40)
    assert found is not None
    low, high = scipy.stats.t.interval(0.95, 39, values.mean(), scipy.stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)
    assert found.standard_error == pytest.approx(scipy.stats.sem(values), rel=0.02)
    assert found.detectable == pytest.approx(2.8 * found.standard_error)


def test_no_interval_without_anything_to_resample() -> None:
    lonely = stats.sample(np.array([0, 1]), ["a", "b"], np.array([0, 1]), TARGET)
    assert stats.interval(lonely, np.zeros(len(lonely.weights))) is None
    pair = stats.sample(np.array([0, 1]), ["a", "b"], np.array([0, 0]), TARGET)
    assert stats.interval(pair, np.full(len(pair.weights), np.nan)) is None


@pytest.mark.parametrize("seed", range(5))
def test_holm_equals_statsmodels(seed: int) -> None:
    p_values = np.random.default_rng(seed).choice([0.001, 0.01, 0.02, 0.03, 0.3, 0.9], size=1 + seed)
    assert stats.holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1])


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_equals_stepping_down_by_hand(p_values: list[float]) -> None:
    corrected, reached = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = reached
    assert stats.holm(p_values) == pytest.approx(corrected)


def test_nadeau_bengio_by_hand() -> None:
    # mean 0.02, variance 0.00025, (1/5 + 0.2/0.8) = 0.45: t = 0.02 / √0.0001125 = 1.8856 on 4 degrees
    found = stats.nadeau_bengio([0.0, 0.01, 0.02, 0.03, 0.04], 0.2)
    assert found == pytest.approx(2 * scipy.stats.t.sf(1.885618, 4), abs=1e-6)
    assert stats.nadeau_bengio([0.1], 0.2) is None
    assert stats.nadeau_bengio([0.0, 0.0], 0.2) == 1.0
    assert stats.nadeau_bengio([0.1, 0.1], 0.2) == 0.0


@given(st.lists(st.integers(-100, 100), min_size=2, max_size=10, unique=True))
def test_nadeau_bengio_without_overlap_is_students_test(values: list[int]) -> None:
    plain = scipy.stats.ttest_1samp(values, 0).pvalue
    assert stats.nadeau_bengio(values, 0.0) == pytest.approx(plain)
    corrected = stats.nadeau_bengio(values, 0.2)
    assert corrected is not None and corrected >= plain - 1e-12


def test_expected_half_width_meets_its_anchors() -> None:
    assert stats.expected_half_width(5, 1) == pytest.approx(0.040, abs=0.0005)
    assert stats.expected_half_width(5, 3) == pytest.approx(0.024, abs=0.0005)
    assert stats.expected_half_width(1, 1) == pytest.approx(0.090, abs=0.001)
    assert stats.expected_half_width(2, 1, groups=400, k=2) == stats.expected_half_width(5, 1, groups=400)
    with pytest.raises(ValueError, match="1 to 5 folds"):
        stats.expected_half_width(6, 1)


def test_expected_half_width_is_of_the_size_that_simulated_studies_have() -> None:
    found = [gain_of(*null_study(np.random.default_rng([9, i]), 567, 5, 3)) for i in range(10)]
    half = np.mean([(one.high - one.low) / 2 for one in found])
    assert stats.expected_half_width(5, 3) == pytest.approx(half, rel=0.2)


finished = st.sets(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1)
A, B, C = Arm("original"), Arm("cyclegan"), Arm("weighted")


@given(finished, finished, finished)
def test_comparable_arms_have_all_folds_with_all_seeds(
    first: set[stats.FoldSeed], second: set[stats.FoldSeed], third: set[stats.FoldSeed]
) -> None:
    trainings = {A: first, C: second, B: third}
    arms, folds, seeds = stats.comparable(trainings, [A, B])
    block = {(fold, seed) for fold in folds for seed in seeds}
    assert block and all(block <= trainings[arm] for arm in arms)
    common = first & third
    if common:
        assert {A, B} <= set(arms)
        rows = [[pair for pair in common if pair[1] == seed] for seed in range(4)]
        assert len(block) >= max(map(len, rows))
    else:
        assert block <= max(first, third, key=len)


def test_an_unfinished_control_does_not_shrink_the_comparison() -> None:
    full = {(fold, seed) for fold in range(5) for seed in range(2)}
    assert stats.comparable({A: full, B: full, C: {(0, 0)}}, [A, B]) == ([A, B], [*range(5)], [0, 1])
    failed = full - {(4, 1)}  # one seed is left to all folds: too few
    assert stats.comparable({A: full, B: failed}, [A, B])[1:] == ([0, 1, 2, 3], [0, 1])


@pytest.mark.parametrize(
    ("missing", "folds", "seeds"),
    [
        ({(1, 2), (1, 4)}, 5, [0, 1, 3, 5]),
        ({(0, 2), (0, 4)}, 5, [0, 1, 3, 5]),
        ({(0, 1), (2, 3), (3, 4)}, 5, [0, 2, 5]),
        ({(0, seed) for seed in range(1, 6)}, 4, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_training_that_failed_takes_its_seed_while_two_are_left(missing, folds, seeds) -> None:
    full = {(fold, seed) for fold in range(5) for seed in range(6)}
    _, kept, left = stats.comparable({A: full, B: full - missing}, [A, B])
    assert (len(kept), left) == (folds, seeds)
