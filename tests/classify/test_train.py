"""Training a classifier: equal effort across arms, determinism, augmentation that depends on the scan alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bus.classify import models
from bus.classify.train import (
    Examples,
    Recipe,
    augment,
    batch_rows,
    class_weights,
    fit,
    move_average,
    predict,
    recalibrate,
    schedule,
)
from bus.compute import Compute

CPU = Compute("cpu", "float32", 1)


def spots(count, seed=0):
    """Scans of two classes: a bright spot left of or right of the middle … up and down, so that flips change nothing."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels = rng.integers(0, 60, (count, 32, 32)).astype(np.uint8)
    for row, label in enumerate(labels):
        top = 2 if label else 20
        pixels[row, top : top + 10, 8:24] += 150
    return Examples(pixels, labels.astype(np.int64), list(range(100, 100 + count)))


def test_a_classifier_learns_what_can_be_learnt_and_twice_the_same():
    recipe = Recipe("simplecnn", 60, batch=16)
    first, second = (fit(spots(64), 2, recipe, CPU, seed=0) for _ in range(2))
    test = spots(40, seed=1)
    answers = predict(first.network, test.pixels, CPU)
    assert np.allclose(answers.sum(1), 1)
    assert (answers.argmax(1) == test.labels).mean() > 0.9
    assert (answers == predict(second.network, test.pixels, CPU)).all()
    assert first.losses == second.losses


def test_the_batch_of_an_evaluation_changes_nothing():
    network = fit(spots(32), 2, Recipe("simplecnn", 2), CPU, seed=0).network
    pixels = spots(70).pixels
    whole = predict(network, pixels, CPU)
    single = np.concatenate([predict(network, pixels[row : row + 1], CPU) for row in range(70)])
    assert whole == pytest.approx(single, abs=1e-5)


def test_a_scan_is_augmented_alike_whatever_arm_and_batch_it_is_in():
    base = spots(10)
    more = Examples(np.concatenate([base.pixels, spots(4, 5).pixels]), np.concatenate([base.labels, base.labels[:4]]), [*base.keys, 1, 2, 3, 4])
    alone = augment(base, np.array([3]), [2], seed=0)
    among = augment(more, np.array([12, 3, 0]), [0, 2, 1], seed=0)
    assert torch.equal(alone[0], among[1])
    assert not torch.equal(alone[0], augment(base, np.array([3]), [3], seed=0)[0])
    assert alone.min() >= 0
    assert alone.max() <= 1


def test_augmentation_never_turns_a_scan_upside_down():
    scan = np.zeros((1, 32, 32), np.uint8)
    scan[0, :8] = 200
    examples = Examples(scan, np.zeros(1, np.int64), [5])
    for turn in range(50):
        out = augment(examples, np.array([0]), [turn], seed=0)[0, 0]
        assert out[:16].sum() > 5 * out[16:].sum()


def test_batches_show_every_scan_once_an_epoch():
    rows = np.concatenate([batch_rows(50, 8, step, 0)[0] for step in range(25)])
    assert np.bincount(rows).tolist() == [4] * 50
    assert len(set(rows[:50].tolist())) == 50


def test_weights_balance_the_classes():
    weights = class_weights(np.array([0, 0, 0, 1]), 3)
    assert weights.tolist() == pytest.approx([4 / 9, 4 / 3, 0])


def test_the_rate_rises_and_falls():
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates[9] == 1
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.01
    assert max(rates) == 1


def test_averaged_weights_get_their_own_batch_statistics():
    """After recalibration the first layer's statistics are those of the scans it will see, in a network that lags behind."""
    recipe, scans = Recipe("resnet18", 3, batch=8, recalibration=4), spots(32)
    network = models.build("resnet18", 2, "none", 1)
    averaged = models.build("resnet18", 2, "none", 0)
    move_average(averaged, network, 0.5)
    recalibrate(averaged, scans, recipe, CPU, seed=0)
    images = torch.cat([augment(scans, *batch_rows(32, 8, step, 0), seed=0) for step in range(4)])
    seen = averaged.conv1(images)
    assert torch.allclose(averaged.bn1.running_mean, seen.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(averaged.bn1.running_var, seen.var((0, 2, 3)), rtol=0.05)
    assert all(module.momentum == 0.1 for module in averaged.modules() if isinstance(module, torch.nn.BatchNorm2d))


def test_recalibration_sees_the_own_scans_alone():
    own, more = spots(24), spots(40, seed=3)
    joined = Examples(np.concatenate([own.pixels, more.pixels[:16]]), np.concatenate([own.labels, more.labels[:16]]),
                      [*own.keys, *range(900, 916)], 24)  # fmt: skip
    found = []
    for examples in (own, joined):
        averaged = models.build("resnet18", 2, "none", 0)
        recalibrate(averaged, examples, Recipe("resnet18", 1, batch=8), CPU, seed=0)
        found.append(averaged.bn1.running_mean)
    assert torch.equal(*found)


def test_without_recalibration_the_statistics_are_the_averaged_ones():
    recipe = Recipe("resnet18", 2, batch=8)
    with_it, without = (fit(spots(32), 2, replace(recipe, recalibration=count), CPU, seed=0) for count in (4, 0))
    first, second = with_it.network.state_dict(), without.network.state_dict()
    assert torch.equal(first["conv1.weight"], second["conv1.weight"])
    assert not torch.equal(first["bn1.running_mean"], second["bn1.running_mean"])
    assert with_it.losses == without.losses
