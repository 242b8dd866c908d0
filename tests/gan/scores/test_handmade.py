"""Hand-made features see what they are named for, and nothing of the bars."""

import cv2
import numpy as np
import pytest
from bus.data.store import Box
from bus.gan.scores.handmade import PARTS, columns, handmade
from bus.gan.scores.two_sample import auc

BOX = Box(8, 0, 48, 64)


def noise(count: int, seed: int = 0) -> np.ndarray:
    scans = np.zeros((count, 64, 64), np.uint8)
    scans[:, 8:56] = np.random.default_rng(seed).integers(0, 256, (count, 48, 64))
    return scans


def part(name: str, scans: np.ndarray) -> np.ndarray:
    return handmade(scans, [BOX] * len(scans))[:, columns(name, 64)]


def test_parts_fill_all_columns_in_their_order():
    found = handmade(noise(2), [BOX] * 2)
    edges = [columns(name, 64) for name in PARTS]
    assert [edge.start for edge in edges] == [0, *(edge.stop for edge in edges[:-1])]
    assert edges[-1].stop == found.shape[1] == 16 + 10 + 32 + 64
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", ["histogram", "texture"])
def test_shares_add_up_to_one(name):
    np.testing.assert_allclose(part(name, noise(3)).sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", PARTS)
def test_the_bars_count_for_nothing(name):
    scans = noise(3)
    painted = scans.copy()
    painted[:, :8] = 200
    np.testing.assert_array_equal(part(name, painted), part(name, scans))


def test_the_spectrum_has_its_peak_where_speckle_has_its_size():
    """Noise of which only waves of about 16 periods a side are kept, in every direction."""
    waves = np.fft.fft2(np.random.default_rng(0).normal(size=(64, 64)))
    rows, across = (np.fft.fftfreq(64) * 64 for _ in range(2))
    kept = np.abs(np.hypot(rows[:, None], across) - 16) < 2
    speckle = np.fft.ifft2(waves * kept).real
    scan = (128 + 40 * speckle / speckle.std()).clip(0, 255).astype(np.uint8)[None]
    spectrum = handmade(scan, [Box(0, 0, 64, 64)])[0, columns("spectrum", 64)]
    assert abs(spectrum.argmax() + 1 - 16) <= 1


@pytest.mark.parametrize("box", [BOX, Box(0, 12, 64, 40)])
def test_the_spectrum_does_not_tell_the_shape_of_a_scan(box):
    """Pieces of one speckle, square and not: a linear reader cannot say which; by bars it always could."""

    def speckle(box, seed):
        top, left, height, width = box
        noise = np.random.default_rng(seed).normal(size=(height + 8, width + 8))
        smooth = cv2.GaussianBlur(noise, (0, 0), 0.8)[4:-4, 4:-4]
        square = np.zeros((64, 64), np.uint8)
        square[top : top + height, left : left + width] = (120 + 100 * smooth).clip(0, 255)
        return square

    found = []
    for start, form in enumerate([Box(0, 0, 64, 64), box]):
        scans = np.stack([speckle(form, (start, number)) for number in range(120)])
        found.append(handmade(scans, [form] * 120)[:, columns("spectrum", 64)])
    groups = np.arange(240).astype(str)
    assert auc(*found, groups[:120], groups[120:]) < 0.65


def test_the_layout_is_the_mean_of_areas():
    scan = np.zeros((1, 64, 64), np.uint8)
    scan[0, :8, 8:16] = 240
    layout = handmade(scan, [Box(0, 0, 64, 64)])[0, columns("layout", 64)].reshape(8, 8)
    assert layout[0, 1] == 240
    assert layout.sum() == 240
