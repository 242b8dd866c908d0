"""Features that no network learned: grey values, texture, spectrum and layout of a scan."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.feature import local_binary_pattern

from ...data.store import Box, Pixels

Features = NDArray[np.float32]

GREYS = 16  # bins of the grey histogram
NEIGHBOURS, RADIUS = 8, 1  # of a local binary pattern (Ojala et al. 2002), uniform: NEIGHBOURS + 2 of them
LAYOUT = 8  # area means a side
PARTS = ("histogram", "texture", "spectrum", "layout")


def handmade(scans: Pixels, boxes: Sequence[Box]) -> Features:
    """Features of scans (uint8 N×S×S) without their bars: N×(16 + 10 + S/2 + 64), in the order of PARTS.

    Shares of 16 grey levels; shares of the uniform local binary patterns of 8 neighbours 1 px away; the
    mean of the log power spectrum at 1 to S/2 periods a side of the square, per area of the scan; the means
    of 8 × 8 areas in grey levels. Not standardised.
    """
    rows = []
    for scan, box in zip(scans, boxes, strict=True):
        inside = np.ascontiguousarray(scan[box.inside])
        greys = np.bincount(inside.ravel() // (256 // GREYS), minlength=GREYS) / inside.size
        patterns = local_binary_pattern(inside, NEIGHBOURS, RADIUS, "uniform").astype(np.int64)
        texture = np.bincount(patterns.ravel(), minlength=NEIGHBOURS + 2) / inside.size
        areas = cv2.resize(inside, (LAYOUT, LAYOUT), interpolation=cv2.INTER_AREA)
        rows.append(np.concatenate([greys, texture, _spectrum(inside, len(scan)), areas.ravel()]))
    return np.array(rows, np.float32)


def columns(part: str, size: int) -> slice:
    """Which columns of `handmade` hold one of PARTS, for scans of `size` px; KeyError for another name."""
    widths = dict(zip(PARTS, (GREYS, NEIGHBOURS + 2, size // 2, LAYOUT**2), strict=True))
    start = sum(widths[name] for name in PARTS[: PARTS.index(part)]) if part in widths else 0
    return slice(start, start + widths[part])


def _spectrum(inside: Pixels, side: int) -> NDArray[np.float64]:
    """Mean of the log power spectrum of h×w in a square at every whole distance from its middle, 1 to side/2.

    The scan fades out about its mean towards its edges (a Hann window), whose length would tell its shape:
    smooth speckle has less power at high frequencies than an edge leaks there. Power is taken for as many
    pixels as the square has.
    """
    fade = np.outer(*(np.sin(np.pi * (np.arange(count) + 0.5) / count) ** 2 for count in inside.shape))
    values = (inside - np.average(inside, weights=fade)) * fade / 255
    spectrum = np.fft.fftshift(np.fft.fft2(values, (side, side)))  # filled up with zeros
    power = np.abs(spectrum) ** 2 * (side**2 / (fade**2).sum())
    rows, across = np.indices(power.shape) - side // 2
    distance = np.hypot(rows, across).round().astype(np.int64)
    counted = np.bincount(distance.ravel())
    total = np.bincount(distance.ravel(), weights=np.log(power + 1e-8).ravel())
    means: NDArray[np.float64] = (total / counted)[1 : side // 2 + 1]
    return means
