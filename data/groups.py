"""Near-duplicates in any data set: scans of one scene, though cropped, shifted, resized, re-gained or marked.

A descriptor is a thumbnail with its brightness and contrast evened out locally, so that gain, calipers and
text weigh little. Coarse crops of all scans are compared by matrix products; the likeliest partners of each
are then aligned and correlated at full detail. What that can't see: one patient's scans from different places
or angles.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float32]
Descriptors = NDArray[np.int8]

SIDE = 64  # px of the thumbnail's longer side
THRESHOLD = 0.70  # correlation that joins two scans; tuned on phantoms with planted duplicates alone
LIKELY = 0.35  # coarse correlation below which no pair is looked at closely
PARTNERS = 8  # a scan's likeliest partners that are looked at closely
CELLS = 12  # px of a coarse crop
SEARCH = 8  # px by which an alignment may be off
SCALES = (0.93, 1.0, 1.075)  # tried around a coarse alignment
DARK = 4  # grey level up to which a pixel says nothing: bars, borders, the dark below


class Crop(NamedTuple):
    """A square part of a thumbnail; all as shares of SIDE."""

    side: float
    top: float
    left: float


CROPS = (
    Crop(1, 0, 0),
    *(
        Crop(side, top * (1 - side), left * (1 - side))
        for side in (0.88, 0.76)
        for top in (0, 0.5, 1)
        for left in (0, 0.5, 1)
    ),
)
# Which crop of one scan is compared with which of another (and the other way round): all with the whole, for
# crops; opposite corners with each other, for shifts.
COMPARED = (
    (0, 0),
    *((0, crop) for crop in range(1, len(CROPS))),
    *((crop, 10 - crop) for crop in (1, 2, 3, 4)),
)


def describe(grey: NDArray[np.uint8]) -> Descriptors:
    """Describe a grey scan (height × width, uint8, any size) by SIDE² numbers, one a pixel of a thumbnail."""
    height, width = grey.shape
    factor = SIDE / max(height, width)
    shape = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(grey, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
    seen = np.clip(2 * _blur((small > DARK).astype(np.float32), 1) - 1, 0, 1)
    detail = seen * (small - _blur(small * seen, 4) / (_blur(seen, 4) + 1e-3))
    contrast = np.sqrt(_blur(detail**2, 6) / (_blur(seen, 6) + 1e-3)) + 4
    even = _blur(np.clip(detail / contrast, -2.5, 2.5), 0.9)
    square = np.zeros((SIDE, SIDE), np.int8)
    square[: shape[1], : shape[0]] = np.clip(np.round(even * 50), -127, 127)
    return square.ravel()


def _blur(image: Floats, deviation: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation, borderType=cv2.BORDER_CONSTANT), np.float32)


def near_duplicates(descriptors: Descriptors, *, block: int = 512) -> list[int]:
    """Group scans (N × SIDE² descriptors) that show one scene: a number each, from 0 by first appearance.

    The partition does not depend on the order of the scans. `block` scans at a time are compared with all
    others, which bounds memory: about 15 kB a scan and 10 kB a scan and 1,000 of `block`.
    """
    # sorted: the same work whatever the order
    unique, place = np.unique(descriptors, axis=0, return_inverse=True)
    place = place.ravel()
    pairs = _likely_pairs(_coarse(unique), block)
    thumbnails = unique.reshape(-1, SIDE, SIDE)
    joined = [
        (first, second)
        for first, second, compared in pairs
        if _correlation(
            thumbnails[first].astype(np.float32), thumbnails[second].astype(np.float32), *compared
        )
        >= THRESHOLD
    ]
    rows, columns = np.array(joined, int).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(len(unique),) * 2)
    component = connected_components(graph, directed=False)[1][place]
    blank = ~descriptors.any(axis=1)  # scans that show nothing resemble nothing
    component = np.where(blank, len(unique) + np.arange(len(descriptors)), component)
    order: dict[int, int] = {}
    return [order.setdefault(int(number), len(order)) for number in component]


def _coarse(descriptors: Descriptors) -> Floats:
    """Every crop of every scan, small, with mean 0 and length 1: crops × N × CELLS²."""
    crops = np.empty((len(CROPS), len(descriptors), CELLS**2), np.float32)
    maps = [_shrink(crop) for crop in CROPS]
    for row, descriptor in enumerate(descriptors):
        soft = _blur(descriptor.reshape(SIDE, SIDE).astype(np.float32), 1.5)
        for number, matrix in enumerate(maps):
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            crops[number, row] = cv2.warpAffine(soft, matrix, (CELLS, CELLS), flags=flags).ravel()
    crops -= crops.mean(axis=2, keepdims=True)
    crops /= np.maximum(np.linalg.norm(crops, axis=2, keepdims=True), 1e-6)
    return crops


def _shrink(crop: Crop) -> Floats:
    """The affine map from a coarse crop's pixels to the thumbnail's."""
    step = crop.side * SIDE / CELLS
    middle = (step - 1) / 2
    return np.array([[step, 0, crop.left * SIDE + middle], [0, step, crop.top * SIDE + middle]], np.float32)


def _likely_pairs(crops: Floats, block: int) -> list[tuple[int, int, tuple[Crop, Crop]]]:
    """Each scan's likeliest partners among the later ones, with the crops that agreed best."""
    count = crops.shape[1]
    both_ways = [*COMPARED, *((second, first) for first, second in COMPARED if first != second)]
    found = []
    for start in range(0, count - 1, block):
        rows = slice(start, min(start + block, count))
        best = np.full((rows.stop - start, count - start), -1, np.float32)
        score = np.empty_like(best)
        for one, other in both_ways:
            np.matmul(crops[one, rows], crops[other, start:].T, out=score)
            np.maximum(best, score, out=best)
        best[np.tril_indices_from(best)] = -1  # each pair once, none with itself
        top = np.argpartition(-best, min(PARTNERS, best.shape[1] - 1), axis=1)[:, :PARTNERS]
        for row, column in zip(*np.nonzero(np.take_along_axis(best, top, axis=1) > LIKELY), strict=True):
            first, second = start + int(row), start + int(top[row, column])
            agreement = [float(crops[one, first] @ crops[other, second]) for one, other in both_ways]
            one, other = both_ways[int(np.argmax(agreement))]
            found.append((first, second, (CROPS[one], CROPS[other])))
    return found


def _correlation(first: Floats, second: Floats, of_first: Crop, of_second: Crop) -> float:
    """The best correlation of two thumbnails near an alignment: a crop of the first on one of the second."""
    best = -1.0
    for scale in SCALES:
        factor = of_second.side / of_first.side * scale
        left, top = (
            SIDE * (there + of_second.side / 2 - factor * (here + of_first.side / 2))
            for here, there in ((of_first.left, of_second.left), (of_first.top, of_second.top))
        )
        moved = cv2.warpAffine(
            first, np.array([[factor, 0, left], [0, factor, top]], np.float32), (SIDE, SIDE)
        )
        (x0, x1), (y0, y1) = (_inner(corner, factor) for corner in (left, top))
        template = moved[y0:y1, x0:x1]
        found = cv2.matchTemplate(second[_wide(y0, y1), _wide(x0, x1)], template, cv2.TM_CCOEFF_NORMED)
        best = max(best, float(found.max()))
    return best


def _inner(corner: float, factor: float) -> tuple[int, int]:
    """Where the moved thumbnail and the other overlap, without a rim: first and last px along one axis."""
    return int(max(0.0, corner)) + SEARCH - 2, int(min(SIDE, corner + factor * SIDE)) - SEARCH + 2


def _wide(start: int, stop: int) -> slice:
    return slice(max(0, start - SEARCH), stop + SEARCH)
