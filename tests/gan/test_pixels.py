"""Grey bytes as the networks take them, and back."""

import numpy as np
import torch
from bus.gan.pixels import to_pixels, to_tensor


def test_every_grey_level_comes_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    numbers = to_tensor(levels)
    assert numbers.shape == (1, 1, 16, 16) and (numbers.min(), numbers.max()) == (-1, 1)
    assert (to_pixels(numbers) == levels).all()


def test_what_is_beyond_black_and_white_is_clipped() -> None:
    assert to_pixels(torch.tensor([[[[-3.0, -1.0], [1.0, 1.5]]]])).tolist() == [[[0, 0], [255, 255]]]
