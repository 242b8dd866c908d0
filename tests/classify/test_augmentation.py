"""What happens to a scan before a classifier sees it: decided by the scan, its turn and the seed alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bus.classify.augmentation import Examples, augment, on_device
from bus.classify.recipe import Recipe
from bus.core.compute import Compute

CPU = Compute("cpu", "float32", 1)
PLAIN = Recipe("simplecnn", 100)


def noise(count: int, seed: int = 0) -> Examples:
    """Scans of noise: what happens to them says nothing of what they show."""
    pixels = np.random.default_rng(seed).integers(0, 210, (count, 32, 32)).astype(np.uint8)
    return Examples(pixels, np.zeros(count, np.int64), list(range(100, 100 + count)))


def test_a_scan_is_augmented_alike_whatever_arm_and_batch_it_is_in():
    base = noise(10)
    more = Examples(
        np.concatenate([base.pixels, noise(4, 5).pixels]),
        np.concatenate([base.labels, base.labels[:4]]),
        [*base.keys, 1, 2, 3, 4],
    )
    alone = augment(base, np.array([3]), [2], 0, PLAIN)
    among = augment(more, np.array([12, 3, 0]), [0, 2, 1], 0, PLAIN)
    assert torch.equal(alone[0], among[1])
    assert not torch.equal(alone[0], augment(base, np.array([3]), [3], 0, PLAIN)[0])
    assert alone.min() >= 0
    assert alone.max() <= 1


def test_augmentation_never_turns_a_scan_upside_down():
    scan = np.zeros((1, 32, 32), np.uint8)
    scan[0, :8] = 200
    examples = Examples(scan, np.zeros(1, np.int64), [5])
    for turn in range(50):
        out = augment(examples, np.array([0]), [turn], 0, PLAIN)[0, 0]
        assert out[:16].sum() > 5 * out[16:].sum()


def test_speckle_multiplies_and_is_a_scans_own():
    base = noise(10)
    rough = replace(PLAIN, speckle=0.2)
    alone, among = (
        augment(base, np.array([3]), [2], 0, rough),
        augment(base, np.array([1, 3]), [0, 2], 0, rough),
    )
    assert torch.equal(alone[0], among[1])
    smooth = augment(base, np.array([3]), [2], 0, PLAIN)
    bars = smooth == 0
    assert bars.any() and (alone[bars] == 0).all(), "black bars stay black"
    grey = (smooth > 0.05) & (smooth < 0.6)
    ratio = (alone / smooth.clamp_min(1e-6))[grey]
    assert ratio.std().item() == pytest.approx(0.2, rel=0.15)
    assert ratio.mean().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("speckle", [0.0, 0.3])
def test_scans_kept_on_a_device_are_augmented_like_those_sent_there(speckle):
    sent, recipe = noise(8), replace(PLAIN, speckle=speckle)
    kept = replace(sent, kept=torch.from_numpy(sent.pixels))
    place = (np.array([5, 0, 5]), [0, 1, 2], 0, recipe)
    assert torch.equal(augment(sent, *place), augment(kept, *place))
    assert on_device(sent, CPU) is sent


def moments(scan: torch.Tensor) -> tuple[float, float, float]:
    """Where the middle of the brightness of a scan 1×S×S lies (down, right), and its angle, degrees."""
    grey = scan[0].double()
    sides = [torch.arange(side, dtype=torch.float64) for side in grey.shape]
    y, x = torch.meshgrid(*sides, indexing="ij")
    down, right = ((grey * axis).sum() / grey.sum() for axis in (y, x))
    y, x = y - down, x - right
    angle = 0.5 * torch.atan2(2 * (grey * x * y).sum(), (grey * (x.square() - y.square())).sum())
    return float(down), float(right), float(angle.rad2deg())


def bar() -> Examples:
    """One scan: a bright bar across its middle."""
    scan = np.zeros((1, 64, 64), np.uint8)
    scan[0, 29:35, 12:52] = 200
    return Examples(scan, np.zeros(1, np.int64), [7])


def seen(recipe: Recipe, turns: int = 200) -> np.ndarray:
    """Middle and angle of the bar in many turns (turns×3)."""
    examples = bar()
    scans = augment(examples, np.zeros(turns, np.int64), list(range(turns)), 0, recipe)
    return np.array([moments(scan) for scan in scans])


STILL = replace(PLAIN, rotation=0.0, zoom=0.0, shift=0.0)


def test_nothing_moves_where_all_movements_are_off():
    assert np.ptp(seen(STILL, 20), axis=0).max() < 1e-3


@pytest.mark.parametrize("degrees", [10.0, 30.0])
def test_scans_turn_as_far_as_a_recipe_says(degrees):
    angles = np.abs(seen(replace(STILL, rotation=degrees))[:, 2])
    assert 0.95 * degrees < angles.max() < degrees + 0.2
    assert angles.mean() == pytest.approx(degrees / 2, rel=0.15), "evenly"


@pytest.mark.parametrize("share", [0.04, 0.1])
def test_scans_move_as_far_as_a_recipe_says(share):
    places = seen(replace(STILL, shift=share))[:, :2] - 31.5
    assert (0.93 * share * 64 < np.abs(places).max(axis=0)).all()
    assert (np.abs(places).max(axis=0) < share * 64 + 0.1).all()


def test_scans_slant_and_grow_as_far_as_a_recipe_says():
    examples, many = bar(), 200
    rows, turns = np.zeros(many, np.int64), list(range(many))
    grown = augment(examples, rows, turns, 0, replace(STILL, zoom=0.2))
    lengths = grown.gt(0.3).any(2).sum(2).float() / 40
    assert 0.8 <= lengths.min() < 0.85 and 1.15 < lengths.max() <= 1.2
    upright = Examples(examples.pixels.transpose(0, 2, 1).copy(), examples.labels, examples.keys)
    slanted = augment(upright, rows, turns, 0, replace(STILL, shear=0.3))
    slants = np.array([moments(scan)[2] for scan in slanted])
    steepest = np.abs(90 - np.abs(slants)).max()
    assert np.degrees(np.arctan(0.27)) < steepest < np.degrees(np.arctan(0.3)) + 0.5


def test_operations_are_a_scans_own_and_change_it():
    base, recipe = noise(10), replace(PLAIN, operations=2)
    alone = augment(base, np.array([3]), [2], 0, recipe)
    among = augment(base, np.array([1, 3, 3]), [0, 2, 4], 0, recipe)
    assert torch.equal(alone[0], among[1]) and not torch.equal(among[1], among[2])
    assert among.min() >= 0 and among.max() <= 1
    plain = augment(base, np.arange(10), [0] * 10, 0, PLAIN)
    operated = augment(base, np.arange(10), [0] * 10, 0, recipe)
    changed = sum(not torch.equal(one, other) for one, other in zip(plain, operated, strict=True))
    assert changed >= 7, "only identity and a strength of 0 leave a scan alone"
