"""Scans as the networks take them: grey bytes to numbers in [-1, 1], and back."""

import numpy as np
import torch
from torch import Tensor

from ..data.store import Pixels


def to_tensor(pixels: Pixels, device: str = "cpu") -> Tensor:
    """Grey bytes N×S×S to float N×1×S×S in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).to(device).float().div_(127.5).sub_(1).unsqueeze(1)


def to_pixels(scans: Tensor) -> Pixels:
    """Float N×1×S×S in [-1, 1] to grey bytes N×S×S."""
    pixels: Pixels = scans.float().add(1).mul(127.5).round().clamp(0, 255).byte().squeeze(1).cpu().numpy()
    return pixels
