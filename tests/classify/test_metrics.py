"""Metrics against scikit-learn, slow counting and their own invariants."""

import itertools
import math

import numpy as np
import pytest
from bus.classify import metrics
from bus.core.errors import BusError
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as oracle

Case = tuple[NDArray[np.int64], NDArray[np.float64]]


def case(seed: int, scans: int, classes: int = 3, grain: int = 20) -> Case:
    """Random labels and probabilities on a coarse grid, so that scores tie."""
    rng = np.random.default_rng(seed)
    return rng.integers(classes, size=scans), rng.multinomial(
        grain, [1 / classes] * classes, size=scans
    ) / grain


cases = st.builds(case, st.integers(0, 10**6), st.integers(0, 40), st.integers(2, 5))


@pytest.mark.parametrize("seed", range(20))
def test_equals_scikit_learn_where_all_classes_occur(seed: int) -> None:
    labels, probabilities = case(seed, 90)
    given = probabilities.argmax(axis=1)
    found = metrics.scores(labels, probabilities, 1)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(labels, given))
    assert found["macro_f1"] == pytest.approx(oracle.f1_score(labels, given, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(labels, given))
    assert found["target_recall"] == pytest.approx(oracle.recall_score(labels == 1, given == 1))
    assert found["target_auc"] == pytest.approx(oracle.roc_auc_score(labels == 1, probabilities[:, 1]))
    assert (
        metrics.confusion(labels, probabilities).tolist() == oracle.confusion_matrix(labels, given).tolist()
    )
    halves = [oracle.brier_score_loss(labels == c, probabilities[:, c]) for c in range(3)]
    assert found["brier"] == pytest.approx(sum(halves))


@given(cases)
def test_no_number_is_nan_or_out_of_range(drawn: Case) -> None:
    labels, probabilities = drawn
    found = metrics.scores(labels, probabilities, 1)
    assert list(found) == list(metrics.METRICS)
    for name, value in found.items():
        assert value is None or 0 <= value <= metrics.HIGHEST[name]
    needs_target = ("target_recall", "target_auc", "sensitivity_at_90_specificity")
    if len(labels) == 0:
        assert set(found.values()) == {None}
    elif 1 not in labels:
        assert all(found[name] is None for name in needs_target) and found["macro_f1"] is not None


@given(cases)
def test_sensitivity_equals_trying_every_threshold(drawn: Case) -> None:
    labels, probabilities = drawn
    scores, positive = probabilities[:, 1], labels == 1
    if positive.all() or not positive.any():
        return
    best = 0.0
    for threshold in {*scores.tolist(), math.inf}:
        called = scores >= threshold
        if 10 * (called & ~positive).sum() <= (~positive).sum():
            best = max(best, called[positive].mean())
    assert metrics.sensitivity_at_specificity(labels, probabilities, 1) == pytest.approx(best)


@given(cases, st.randoms(use_true_random=False))
def test_order_of_scans_changes_nothing(drawn: Case, random: object) -> None:
    labels, probabilities = drawn
    order = np.arange(len(labels))
    random.shuffle(order)  # type: ignore[attr-defined]
    before = metrics.scores(labels, probabilities, 1)
    after = metrics.scores(labels[order], probabilities[order], 1)
    assert after == {name: value if value is None else pytest.approx(value) for name, value in before.items()}


def test_the_right_answers_score_best() -> None:
    labels = np.array([0, 1, 2, 1, 0])
    found = metrics.scores(labels, np.eye(3)[labels], 1)
    assert found == {name: 0.0 if name == "brier" else 1.0 for name in metrics.METRICS}
    worst = metrics.scores(labels, np.eye(3)[(labels + 1) % 3], 1)
    assert worst["brier"] == 2.0 and worst["accuracy"] == 0.0


def test_means_run_over_the_classes_that_occur() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.eye(3)[[0, 0, 1, 2]]  # one answer names a class that no scan has
    assert metrics.macro_f1(labels, probabilities, 1) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.balanced_accuracy(labels, probabilities, 1) == pytest.approx(0.75)
    assert metrics.class_recall(labels, probabilities) == [1.0, 0.5, None]


@pytest.mark.parametrize(("same", "flag"), [(89, None), (90, 2), (100, 2)])
def test_collapsed_from_ninety_percent(same: int, flag: int | None) -> None:
    given = np.array([2] * same + [0] * (100 - same))
    assert metrics.collapsed(np.eye(3)[given]) == flag


def test_collapsed_without_scans() -> None:
    assert metrics.collapsed(np.empty((0, 3))) is None


def test_constant_answer_scores_its_share() -> None:
    labels = np.repeat([0, 1, 2], [426, 203, 131])
    most, found = metrics.constant_answer(labels, 3, 1)
    assert most == 0
    assert found["accuracy"] == pytest.approx(
        0.5605, abs=5e-5
    )  # what the seed's models scored, on BUSI `clean`
    assert found["macro_f1"] == pytest.approx(2 * 426 / (426 + 760) / 3)
    assert found["target_auc"] == 0.5 and found["sensitivity_at_90_specificity"] == 0.0


def test_roc_is_the_mean_of_the_curves_and_rises() -> None:
    parts = [case(seed, 60) for seed in range(3)]
    curve = metrics.roc_curve(parts, 1)
    single = [dict(metrics.roc_curve([part], 1)) for part in parts]
    assert curve[0][0] == 0.0 and curve[-1] == (1.0, 1.0)
    assert all(low <= high for (_, low), (_, high) in itertools.pairwise(curve))
    assert curve[30][1] == pytest.approx(np.mean([one[curve[30][0]] for one in single]))
    assert metrics.roc_curve([(np.zeros(4, int), np.full((4, 3), 1 / 3))], 1) == []


def test_area_under_the_drawn_curve_is_the_auc() -> None:
    labels, probabilities = case(3, 4000, grain=10**6)
    x, y = np.array(metrics.roc_curve([(labels, probabilities)], 1, points=2001)).T
    assert oracle.auc(x, y) == pytest.approx(metrics.target_auc(labels, probabilities, 1), abs=2e-3)


@given(cases)
def test_calibration_bins_hold_every_scan(drawn: Case) -> None:
    labels, probabilities = drawn
    bins = metrics.calibration(labels, probabilities, 1)
    assert sum(scans for *_, scans in bins) == len(labels)
    assert sum(share * scans for _, share, scans in bins) == pytest.approx((labels == 1).sum())
    assert [mean for mean, *_ in bins] == sorted(mean for mean, *_ in bins)


def test_a_diverged_training_is_named() -> None:
    with pytest.raises(BusError, match="no number for 1 of 2 scans"):
        metrics.scores(np.array([0, 1]), np.array([[np.nan, 0.5], [0.5, 0.5]]), 1)
