"""Pictures of scans in pages: set side by side, under their heat."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.store import Pixels

if TYPE_CHECKING:
    from ...classify.explain import Heat  # late: a page without heat needs no torch

SIDE = 128  # px of a picture with heat, at least
OPACITY = 0.65  # where the heat is most


def stack(rows: Sequence[Sequence[Pixels]]) -> Pixels:
    """Pictures of one size in rows, as one picture."""
    return np.vstack([np.hstack(list(row)) for row in rows])


def overlay(square: Pixels, heat: "Heat", lesion: NDArray[np.bool_] | None = None) -> Pixels:
    """A scan (S×S) under its heat, as colour picture (BGR): no heat leaves the scan as it is, the most is
    yellow.

    A lesion is outlined in white.
    """
    scale = max(1, -(-SIDE // len(square)))
    side = scale * len(square)
    grey = cv2.cvtColor(square.repeat(scale, 0).repeat(scale, 1), cv2.COLOR_GRAY2BGR).astype(np.float32)
    level = cv2.resize(heat, (side, side), interpolation=cv2.INTER_LINEAR)
    colour = cv2.applyColorMap((255 * level).round().astype(np.uint8), cv2.COLORMAP_INFERNO).astype(
        np.float32
    )
    alpha = OPACITY * level[..., None]
    out = np.ascontiguousarray(((1 - alpha) * grey + alpha * colour).round().astype(np.uint8))
    if lesion is not None and lesion.any():
        region = lesion.astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
        outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, outlines, -1, (255, 255, 255), 1)
    return np.asarray(out, np.uint8)


def in_words(heat: "Heat") -> str:
    """Where the middle of a scan's heat lies, for those who cannot see it: `upper left`, `middle` …"""
    total = float(heat.sum())
    if not total:
        return "nowhere"
    middles = (np.arange(len(heat)) + 0.5) / len(heat)
    down, right = float(heat.sum(1) @ middles) / total, float(heat.sum(0) @ middles) / total
    names = [("upper", "", "lower")[min(2, int(3 * down))], ("left", "", "right")[min(2, int(3 * right))]]
    return " ".join(name for name in names if name) or "middle"
