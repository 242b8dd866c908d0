"""The two-sample reader cannot tell draws of one distribution, and never learns a group by heart."""

import numpy as np
import pytest
from bus.gan.scores import two_sample
from bus.gan.scores.distances import TooFewGroups
from bus.gan.scores.two_sample import auc, told_apart


def drawn(count: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, 12)).astype(np.float32)
    values[:, 0] += shift
    return values


def names(count: int, prefix: str, each: int = 2) -> list[str]:
    return [f"{prefix}{row // each}" for row in range(count)]


@pytest.fixture(autouse=True)
def as_many_draws_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_sample, "DRAWS", 4)


def test_one_distribution_cannot_be_told_and_another_can():
    target, groups = drawn(120, seed=1), names(120, "t")
    found = told_apart(
        drawn(200, 0.0, 2), names(200, "s"), drawn(200, 4.0, 3), names(200, "s"), target, groups
    )
    assert abs(found.synthetic - 0.5) < 0.12
    assert abs(found.halves - 0.5) < 0.12
    assert found.sources > 0.95
    again = told_apart(
        drawn(200, 0.0, 2), names(200, "s"), drawn(200, 4.0, 3), names(200, "s"), target, groups
    )
    assert again == found


def test_few_scans_of_one_distribution_are_not_told_worse_than_by_chance():
    """One ranking of what several readers said is at 0.27 here: groups of unequal size part unevenly."""
    uneven = [0, 0, 0, 1, 2, 2, 3, 4, 4, 4]
    first, second = ([f"{side}{group}" for group in uneven] for side in "ab")
    found = [auc(drawn(10, seed=seed), drawn(10, seed=100 + seed), first, second) for seed in range(100)]
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found) / np.sqrt(len(found)) < 0.08


def test_scans_of_one_group_are_never_on_both_sides_of_a_reader():
    """Every group has its own place far away and holds one label, so that a reader who saw it would know."""
    rng = np.random.default_rng(4)
    places = rng.normal(size=(30, 40)).astype(np.float32)
    rows = np.repeat(np.arange(30), 8)
    features = places[rows] + 0.01 * rng.normal(size=(240, 40)).astype(np.float32)
    labels = rows % 2 == 0
    groups = np.array([f"g{row}" for row in rows])
    assert auc(features[labels], features[~labels], groups[labels], groups[~labels]) < 0.8
    scattered = np.array([f"x{row}" for row in range(240)])
    assert auc(features[labels], features[~labels], scattered[labels], scattered[~labels]) > 0.95


def test_too_few_groups_are_named():
    with pytest.raises(TooFewGroups):
        auc(drawn(5), drawn(5), ["a"] * 5, names(5, "b"))
