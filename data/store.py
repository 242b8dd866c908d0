"""Decoded pixels: every scan letterboxed once into a square of grey bytes, then read through a memory map."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import BusError
from ..files import writing

Pixels = NDArray[np.uint8]


class Box(NamedTuple):
    """Where the scan lies inside its letterboxed square, in pixels; the rest are black bars."""

    top: int
    left: int
    height: int
    width: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the scan, for indexing a square."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def letterbox(grey: Pixels, size: int) -> tuple[Pixels, Box]:
    """Fit a grey scan (H×W, uint8) into a square of `size` pixels a side without changing its aspect ratio.

    Shrinks by area averaging, enlarges bilinearly, centres, fills with black. A centre crop would cut lesions off.
    """
    scale = size / max(grey.shape)
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    box = Box((size - height) // 2, (size - width) // 2, height, width)
    square = np.zeros((size, size), np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square[box.inside] = cv2.resize(grey, (width, height), interpolation=method)
    return square, box


def restore_bars(square: Pixels, box: Box) -> Pixels:
    """A copy of `square` (S×S, uint8) with everything outside `box` black, as the source's letterbox had it."""
    out = np.zeros_like(square)
    out[box.inside] = square[box.inside]
    return out


def save_pixels(path: Path, pixels: Pixels) -> None:
    """Write squares (N×S×S, uint8) as a `.npy` file, whole or not at all."""
    with writing(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, pixels)


def load_pixels(path: Path, count: int, size: int) -> Pixels:
    """Memory-map the squares of a study (N×S×S, uint8, read-only); BusError if they are not what the study says."""
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BusError(
            f"{path} could not be read ({error}). Delete the study's study.json and give --data again to rebuild it."
        ) from error
    if pixels.shape != (count, size, size) or pixels.dtype != np.uint8:
        raise BusError(
            f"{path} holds {pixels.dtype} of shape {pixels.shape}; the study expects uint8 of shape {(count, size, size)}. "
            "Delete the study's study.json and give --data again to rebuild it."
        )
    return pixels
