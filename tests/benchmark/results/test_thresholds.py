"""Thresholds of matched specificity: read off the other folds, and right by hand."""

import numpy as np
import pytest
from bus.benchmark.results import statistics as stats
from bus.benchmark.results import thresholds
from bus.classify import metrics

FOLDS, TARGET = np.repeat([0, 2, 3], 40), 1


def drawn(seed: int = 0) -> tuple[stats.Sample, np.ndarray]:
    """Three folds of 40 scans in groups of two, and answers that favour the truth."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=120, p=[0.5, 0.3, 0.2])
    groups = [f"g{i // 2}" for i in range(120)]
    scores = np.exp(1.2 * np.eye(3)[labels] + rng.normal(size=(120, 3)))
    return stats.sample(labels, groups, FOLDS, TARGET, draws=50), scores / scores.sum(axis=1, keepdims=True)


def test_a_threshold_comes_from_the_other_folds_alone() -> None:
    sample, shares = drawn()
    cuts = thresholds.thresholds(sample, shares[:, TARGET])
    for fold in (0, 2, 3):
        others = shares[(fold != FOLDS) & (sample.labels != TARGET), TARGET]
        assert (others > cuts[fold]).mean() <= 0.1 < (others >= cuts[fold]).mean()
        changed = shares.copy()
        changed[fold == FOLDS] = np.random.default_rng(1).dirichlet(np.ones(3), 40)
        assert thresholds.thresholds(sample, changed[:, TARGET])[fold] == cuts[fold]


def test_metrics_at_the_thresholds_are_those_of_its_answers() -> None:
    sample, shares = drawn()
    given = thresholds.answers_at(sample, shares)
    found = thresholds.evaluate(sample, shares)
    assert given is not None and set(given.tolist()) == {0, 1, 2}
    as_shares = np.eye(3)[given]
    assert found["matched_macro_f1"][0] == pytest.approx(metrics.macro_f1(sample.labels, as_shares, TARGET))
    assert found["matched_target_recall"][0] == np.mean(given[sample.labels == TARGET] == TARGET)
    assert found["matched_specificity"][0] == np.mean(given[sample.labels != TARGET] != TARGET)
    assert found["matched_specificity"].shape == (1 + 3 + 50,)


def test_what_moves_the_threshold_alone_changes_nothing() -> None:
    """Any rising function of the target's share, for all scans alike, keeps the order and so the answers."""
    sample, shares = drawn(2)
    prior = np.array([1.0, 6.0, 1.0])
    moved = shares * prior / (shares * prior).sum(axis=1, keepdims=True)
    assert (metrics.answers(moved) == TARGET).sum() > (metrics.answers(shares) == TARGET).sum()
    assert np.array_equal(thresholds.answers_at(sample, moved), thresholds.answers_at(sample, shares))


def test_specificity_is_matched_on_new_scans_in_the_mean() -> None:
    reached = [thresholds.evaluate(*drawn(seed))["matched_specificity"][0] for seed in range(60)]
    assert np.mean(reached) == pytest.approx(0.9, abs=0.02)


def test_one_fold_alone_has_no_threshold() -> None:
    sample, shares = drawn()
    first = stats.only_fold(sample, 0)
    assert thresholds.answers_at(first, shares[:40]) is None and thresholds.evaluate(first, shares[:40]) == {}
