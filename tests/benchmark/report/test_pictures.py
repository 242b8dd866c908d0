"""Pictures of scans, and heat above them."""

import numpy as np
import pytest
from bus.benchmark.report import pictures


def test_the_overlay_leaves_cold_places_as_they_are() -> None:
    square = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    warm = np.zeros((64, 64), np.float32)
    warm[40:50, 10:20] = 1
    lesion = np.zeros((64, 64), bool)
    lesion[5:15, 40:60] = True
    picture = pictures.overlay(square, warm)
    assert picture.shape == (128, 128, 3)
    cold = picture[:64]
    assert (cold == square.repeat(2, 0).repeat(2, 1)[:64, :, None]).all()
    blue, _, red = picture[84:96, 24:36].reshape(-1, 3).T.astype(int)
    assert (red > blue).all(), "hot is yellow"
    outlined = pictures.overlay(square, warm, lesion)
    changed = (outlined != picture).any(2)
    assert changed[10:30, 80:120].any()
    assert not changed[32:].any()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((slice(0, 8), slice(0, 8)), "upper left"),
        ((slice(24, 32), slice(12, 20)), "lower"),
        ((slice(12, 20), slice(24, 32)), "right"),
        ((slice(0, 32), slice(0, 32)), "middle"),
        ((slice(0, 0), slice(0, 0)), "nowhere"),
    ],
)
def test_places_have_names(place: tuple[slice, slice], words: str) -> None:
    warm = np.zeros((32, 32), np.float32)
    warm[place] = 0.5
    assert pictures.in_words(warm) == words
