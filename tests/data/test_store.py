"""Letterboxing: nothing is cut off, bars are black, the box says where the scan is."""

import numpy as np
import pytest
from bus.core.errors import BusError
from bus.data.store import Box, Squares, letterbox, letterbox_mask, load_pixels, restore_bars
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from([32, 64]))
def test_the_whole_scan_lies_in_its_box(height, width, size):
    square, box = letterbox(np.full((height, width), 200, np.uint8), size)
    assert square.shape == (size, size)
    assert (square[box.inside] == 200).all()
    assert restore_bars(square, box).sum() == square.sum()
    assert max(box.height, box.width) == size
    if min(box.height, box.width) > 4:
        assert box.height / box.width == pytest.approx(height / width, rel=0.15)


def test_bars_are_pasted_back():
    out = restore_bars(np.full((8, 8), 9, np.uint8), Box(2, 0, 4, 8))
    assert out.sum() == 9 * 4 * 8
    assert not out[:2].any()
    assert not out[6:].any()


@given(st.integers(2, 150), st.integers(2, 150))
def test_a_mask_covers_the_box_of_its_scan_and_no_bar(height, width):
    _, box = letterbox(np.zeros((height, width), np.uint8), 32)
    whole = letterbox_mask(np.ones((height, width), bool), 32)
    assert whole[box.inside].all()
    assert whole.sum() == box.height * box.width
    assert not letterbox_mask(np.zeros((height, width), bool), 32).any()


def test_squares_that_were_never_put_are_blank(tmp_path):
    squares = Squares(tmp_path, 32, blank=255)
    squares.put(1, np.ones((32, 32), np.uint8))
    squares.save(tmp_path / "masks.npy", [0, 1, 2])
    assert [set(np.unique(square)) for square in load_pixels(tmp_path / "masks.npy", 3, 32)] == [
        {255},
        {1},
        {255},
    ]


def test_other_pixels_than_the_study_expects_are_refused(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32)).astype(np.uint8)
    squares = Squares(tmp_path, 32)
    for place in (2, 0, 1):
        squares.put(place, pixels[place])
    squares.save(tmp_path / "pixels.npy", [1, 0, 2])
    pixels = pixels[[1, 0, 2]]
    assert (load_pixels(tmp_path / "pixels.npy", 3, 32) == pixels).all()
    with pytest.raises(BusError, match="expects uint8 of shape"):
        load_pixels(tmp_path / "pixels.npy", 4, 32)
    (tmp_path / "pixels.npy").write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(BusError, match="could not be read"):
        load_pixels(tmp_path / "pixels.npy", 3, 32)
