"""Scans as the networks take them, grey bytes to numbers in [-1, 1] and back, and the noise beside them."""

import numpy as np
import torch
from torch import Tensor

from ..data.store import Pixels
from .networks import AnyGenerator


def to_tensor(pixels: Pixels, device: str = "cpu") -> Tensor:
    """Grey bytes N×S×S to float N×1×S×S in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).to(device).float().div_(127.5).sub_(1).unsqueeze(1)


def to_pixels(scans: Tensor) -> Pixels:
    """Float N×1×S×S in [-1, 1] to grey bytes N×S×S."""
    pixels: Pixels = scans.float().add(1).mul(127.5).round().clamp(0, 255).byte().squeeze(1).cpu().numpy()
    return pixels


def translated(generator: AnyGenerator, square: Pixels, device: str, noise: Tensor | None = None) -> Pixels:
    """What a generator makes of one square (S×S uint8); alone, so that no scan beside it can change it."""
    return to_pixels(generator(to_tensor(square[None], device), noise))[0]


def noise_of(generator: AnyGenerator, seed: int, index: int) -> Tensor | None:
    """The noise of translation `index` by the translator with this seed (1×noise), or None."""
    if not generator.noise:
        return None
    draws = np.random.default_rng((seed, 9, index)).standard_normal((1, generator.noise), dtype=np.float32)
    return torch.from_numpy(draws).to(next(generator.parameters()).device)
