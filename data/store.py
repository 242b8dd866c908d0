"""Decoded pixels: every scan letterboxed once into a square of grey bytes, then read through a memory map."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import BusError
from ..core.files import writing
from ..core.opener import require_file

Pixels = NDArray[np.uint8]

PIXELS_FILE = "pixels.npy"  # of a study: its letterboxed scans
MASKS_FILE = "masks.npy"  # of a study: their lesions, where a scan has a mask
UNKNOWN = 255  # fills the mask of a scan that came without one; else 1 is inside a lesion, 0 outside


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

    Shrinks by area averaging, enlarges bilinearly, centres, fills with black. A centre crop would cut lesions
    off.
    """
    scale = size / max(grey.shape)
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    box = Box((size - height) // 2, (size - width) // 2, height, width)
    square = np.zeros((size, size), np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square[box.inside] = cv2.resize(grey, (width, height), interpolation=method)
    return square, box


def letterbox_mask(mask: NDArray[np.bool_], size: int) -> Pixels:
    """Fit a mask (H×W, true inside) into its scan's square: 1 where half a pixel is inside, else 0."""
    return (letterbox(np.where(mask, 255, 0).astype(np.uint8), size)[0] > 127).astype(np.uint8)


def restore_bars(square: Pixels, box: Box) -> Pixels:
    """A copy of `square` (S×S, uint8), black outside `box`, as the source's letterbox had it."""
    out = np.zeros_like(square)
    out[box.inside] = square[box.inside]
    return out


class Squares:
    """Letterboxed scans (S×S uint8) on their way into a study: kept on the disk in any order, saved in one.

    Memory stays flat however many there are. `folder` must have room for them; the file there has no name and
    vanishes with the process. Places that were never put hold `blank` in every pixel.
    """

    def __init__(self, folder: Path, size: int, blank: int = 0) -> None:
        self.size, self._blank, self._lock = size, bytes([blank]) * size**2, Lock()
        self.places: set[int] = set()
        try:
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - closed by save, or with the object
        except OSError as error:
            raise BusError(
                f"Could not write in {folder}: {error.strerror}. Choose another --study."
            ) from error

    def put(self, number: int, square: Pixels) -> None:
        """Keep `square` as that `number`; may be called from many threads. BusError on a full disk."""
        try:
            with self._lock:
                self._file.seek(number * self.size**2)
                self._file.write(square.tobytes())
                self._file.flush()
                self.places.add(number)
        except OSError as error:
            raise BusError(
                f"The scans could not be kept: {error.strerror}. Free some space or choose another --study."
            ) from error

    def save(self, path: Path, order: Sequence[int]) -> None:
        """Write squares number `order` as `.npy` file (N×S×S uint8), whole or not at all; ends this."""
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(order), self.size, self.size)}
        with writing(path) as temporary, temporary.open("wb") as handle, self._file:
            np.lib.format.write_array_header_1_0(handle, header)
            for place in order:
                self._file.seek(place * self.size**2)
                handle.write(self._file.read(self.size**2) if place in self.places else self._blank)


def load_pixels(path: Path, count: int, size: int) -> Pixels:
    """Map a study's squares into memory (N×S×S, uint8, read-only); BusError unless they are what it says."""
    try:
        pixels = np.lib.format.open_memmap(
            require_file(path), mode="r"
        )  # refuses Python objects, which could run code
    except Exception as error:  # a damaged header raises nearly anything
        raise BusError(
            f"{path} could not be read ({error}). Delete the study's study.json and give --data again to "
            "rebuild it."
        ) from error
    if pixels.shape != (count, size, size) or pixels.dtype != np.uint8:
        raise BusError(
            f"{path} holds {pixels.dtype} of shape {pixels.shape}; the study expects uint8 of shape "
            f"{(count, size, size)}. Delete the study's study.json and give --data again to rebuild it."
        )
    return pixels
