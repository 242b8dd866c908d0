"""Answers corrected for the class prior: what balance would do to a perfect classifier, and no more."""

import numpy as np
import pytest
from bus.classify import metrics
from bus.classify.prior import corrected

CLASSES = ["benign", "malignant", "normal"]
COUNTS = {"benign": 341, "malignant": 162, "normal": 105}


def test_the_answers_of_an_ideal_classifier_become_those_of_one_that_was_trained_on_balanced_scans() -> None:
    """By Bayes: the share of a class is proportional to its likelihood times its frequency in training."""
    likelihood = np.random.default_rng(0).gamma(1.0, size=(200, 3))
    before = likelihood * [341, 162, 105]
    after = likelihood * [341, 341, 105]
    found = corrected(before / before.sum(1, keepdims=True), CLASSES, COUNTS, {"malignant": 179})
    assert found == pytest.approx(after / after.sum(1, keepdims=True))
    assert found.sum(axis=1) == pytest.approx(1)


def test_the_target_is_answered_more_often_and_ranked_alike() -> None:
    shares, labels = np.random.default_rng(1).dirichlet(np.ones(3), 300), np.arange(300) % 3
    found = corrected(shares, CLASSES, COUNTS, {"malignant": 179})
    assert (metrics.answers(found) == 1).sum() > (metrics.answers(shares) == 1).sum()
    assert metrics.target_auc(labels, found, 1) == metrics.target_auc(labels, shares, 1)


def test_nothing_to_raise_and_classes_without_scans_change_nothing() -> None:
    shares = np.random.default_rng(2).dirichlet(np.ones(3), 20)
    assert corrected(shares, CLASSES, COUNTS, {}) == pytest.approx(shares)
    assert corrected(shares, CLASSES, {"benign": 5}, {"malignant": 9}) == pytest.approx(shares)
