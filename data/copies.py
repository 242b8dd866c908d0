"""Copies in any data set: scans of one scene, though cropped, shifted, resized, re-gained or mirrored.

A descriptor is a thumbnail with its brightness and contrast evened out locally, so that gain, calipers and
text weigh little. Views of all scans (coarse crops, a little turned, stretched to a square; each mirrored
too) are compared by matrix products. The likeliest partners of each scan are then aligned and correlated at
full detail; where that nearly suffices, the alignment may turn and stretch a little more. How surely which
kind of copy is found stands in docs/checks.md, measured by `make copies`. What no comparison of pixels can
see: one patient's scans from different places or angles.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..core.compute import cores
from . import neighbours

Floats = NDArray[np.float32]
Descriptors = NDArray[np.int8]
Map = NDArray[np.float64]  # 3×3, affine: (x, y, 1) of one picture to that of another, in px or as shares

SIDE = 64  # px of the thumbnail's longer side
THRESHOLD = 0.70  # correlation that joins two scans; tuned on phantoms with planted duplicates alone
# The same after an alignment that was free to turn and stretch: copies reach 0.9, strangers on BUSI 0.77.
FREE_THRESHOLD = 0.80
WORTH = 0.40  # correlation from which a free alignment is tried; nine in ten likely strangers reach 0.46
STEPS = 30  # of the free alignment
# It is tried at half the detail first, which takes a quarter of the time, and given up below a correlation
# that BUSI's strangers rarely reach (one in ten) and copies pass: the lowest of 272 reached 0.73.
HALF, HALF_STEPS, HOPE = SIDE // 2, 8, 0.65
FREEST = 1.7  # times that it may stretch or shrink along one axis
SHARED = 0.4  # least share of a scan's pixels that must lie on the other's then
LIKELY = 0.35  # coarse correlation below which no pair is looked at closely
PARTNERS = 8  # a scan's likeliest partners that are looked at closely
CELLS = 12  # px of a coarse view
TURN = 8.0  # degrees by which views are turned; copies turned by 0 to 12 agree with one of three
SEARCH = 8  # px by which an alignment may be off
SCALES = (0.93, 1.0, 1.075)  # tried around a coarse alignment
LEAST = 16  # px of overlap along each axis
DARK = 4  # grey level up to which a pixel says nothing: bars, borders, the dark below
WEAK, FAINT = 10, 2  # a descriptor's values (−127 … 127) up to which there is no echo, and nothing at all
MANY = 20_000  # scans above which each is compared with likely ones alone (`neighbours`)
TOGETHER = 2048  # scans that a block is compared with at once, so that the products stay in the cache
AHEAD = 4096  # pairs that wait to be looked at


class Pair(NamedTuple):
    """Two scans, by their numbers, that show one scene."""

    first: int
    second: int
    likeness: float  # correlation of their thumbnails, aligned


class View(NamedTuple):
    """What one coarse picture of a scan shows: a square part of its thumbnail, or all of it."""

    side: float = 1  # of the square, as a share of SIDE
    down: int = 0  # −1 at the top, 0 in the middle, 1 at the bottom
    right: int = 0
    turn: float = 0  # degrees
    fitted: bool = False  # the part that has echoes, stretched to a square

    @property
    def mirrored(self) -> "View":
        """The view that shows, once flipped, what this one shows of the mirrored scan."""
        return self._replace(right=-self.right, turn=-self.turn)


CROPS = [View(side, down, right) for side in (0.88, 0.76) for down in (-1, 0, 1) for right in (-1, 0, 1)]
WHOLE, FITTED = View(), View(fitted=True)
VIEWS = [WHOLE, *CROPS, View(turn=TURN), View(turn=-TURN), FITTED]
MIRRORED = [VIEWS.index(view.mirrored) for view in VIEWS]
# Which view of one scan is compared with which of another: all with the whole, for crops, and the other way
# round; opposite corners with each other, for shifts; turned with the whole; fitted with fitted.
_ONE_WAY = [
    *((WHOLE, crop) for crop in CROPS),
    *(
        (View(0.88, down, right), View(0.88, -down, -right))
        for down, right in ((-1, -1), (-1, 0), (-1, 1), (0, -1))
    ),
]
COMPARED = [
    (VIEWS.index(one), VIEWS.index(other))
    for one, other in (
        (WHOLE, WHOLE),
        *_ONE_WAY,
        *((other, one) for one, other in _ONE_WAY),
        (View(turn=TURN), WHOLE),
        (View(turn=-TURN), WHOLE),
        (FITTED, FITTED),
    )
]


class Likely(NamedTuple):
    """Two scans that are worth a closer look."""

    first: int
    second: int
    mirrored: bool  # the first must be flipped to resemble the second
    compared: int  # which of COMPARED agreed best


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
    # in the middle, so that a mirrored scan lies there too
    left, top = ((SIDE - side) // 2 for side in shape)
    square = np.zeros((SIDE, SIDE), np.int8)
    square[top : top + shape[1], left : left + shape[0]] = np.clip(np.round(even * 50), -127, 127)
    return square.ravel()


def _blur(image: Floats, deviation: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation, borderType=cv2.BORDER_CONSTANT), np.float32)


def joined(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The groups that `pairs` make of 0 … count − 1: a number each, from 0 by first appearance."""
    rows, columns = np.array(list(pairs), int).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(count, count))
    component = connected_components(graph, directed=False)[1].tolist() if count else []
    order: dict[int, int] = {}
    return [order.setdefault(number, len(order)) for number in component]


def alike(descriptors: Descriptors, *, block: int = 512) -> list[Pair]:
    """The pairs among N scans (N × SIDE² descriptors) that the detector takes for one scene, first < second.

    Of several identical scans each is paired with the next. `block` scans at a time are compared with all
    others, which bounds memory; beyond MANY scans each is compared with those alone that an index finds.
    Scans that show nothing resemble nothing.
    """
    seen = np.flatnonzero(descriptors.any(axis=1))
    # sorted: the same work whatever the order
    unique, first, number = np.unique(descriptors[seen], axis=0, return_index=True, return_inverse=True)
    rows, number = seen[first], number.ravel()
    order = np.argsort(number, kind="stable")
    same = np.flatnonzero(np.diff(number[order]) == 0)
    pairs = [Pair(int(seen[order[at]]), int(seen[order[at + 1]]), 1.0) for at in same]
    views = _coarse(unique)
    likely = _likely_of_many(views) if len(unique) > MANY else _likely(views, views, block, among=True)
    for one, other, likeness in _looked_at(unique, unique, likely):
        low, high = sorted((int(rows[one]), int(rows[other])))
        pairs.append(Pair(low, high, likeness))
    return sorted(pairs)


def alike_between(ours: Descriptors, theirs: Descriptors, *, block: int = 512) -> list[Pair]:
    """The pairs of one of our N scans (first) and one of their M (second) that show one scene."""
    own, others = (np.flatnonzero(side.any(axis=1)) for side in (ours, theirs))
    likely = _likely(_coarse(theirs[others]), _coarse(ours[own]), block, among=False)
    found = _looked_at(theirs[others], ours[own], likely)
    return sorted(Pair(int(own[mine]), int(others[other]), likeness) for other, mine, likeness in found)


# coarse: every scan with every other


def _coarse(descriptors: Descriptors) -> Floats:
    """Every view of every scan, small, with mean 0 and length 1: views × N × CELLS²."""
    views = np.empty((len(VIEWS), len(descriptors), CELLS**2), np.float32)
    fixed = [_cells(_map(view, descriptors[:0])) for view in VIEWS if not view.fitted]
    for row, descriptor in enumerate(descriptors):
        thumbnail = descriptor.reshape(SIDE, SIDE)
        soft = _blur(thumbnail.astype(np.float32), 1.5)
        for number, matrix in enumerate((*fixed, _cells(_map(FITTED, thumbnail)))):
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            views[number, row] = cv2.warpAffine(soft, matrix, (CELLS, CELLS), flags=flags).ravel()
    for view in views:  # one at a time: memory
        view -= view.mean(axis=1, keepdims=True)
        view /= np.maximum(np.linalg.norm(view, axis=1, keepdims=True), 1e-6)
    return views


def _mirrored(views: Floats) -> Floats:
    """The views of mirrored scans: views × scans × CELLS²."""
    return views.reshape(len(VIEWS), -1, CELLS, CELLS)[MIRRORED, :, :, ::-1].reshape(views.shape)


def _map(view: View, thumbnail: Descriptors) -> Map:
    """From a view, whose sides have length 1, to its thumbnail in px; pixel 0 reaches from 0 to 1."""
    if view.fitted:
        rows, columns = (np.flatnonzero((np.abs(thumbnail) > WEAK).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return _map(WHOLE, thumbnail)
        (top, bottom), (left, right) = ((along[0], along[-1] + 1) for along in (rows, columns))
        return np.array([[right - left, 0, left], [0, bottom - top, top], [0, 0, 1]], float)
    left, top = ((1 + shift) / 2 * (1 - view.side) for shift in (view.right, view.down))
    crop = SIDE * np.array([[view.side, 0, left], [0, view.side, top], [0, 0, 1 / SIDE]])
    return _about_middle(np.cos(np.deg2rad(view.turn)), np.sin(np.deg2rad(view.turn))) @ crop


def _about_middle(along: float, across: float) -> Map:
    """A turn about a thumbnail's middle (cosine, sine of the angle), or a change of size (factor, 0)."""
    middle = SIDE / 2
    shift = middle - middle * np.array([along - across, along + across])
    return np.array([[along, -across, shift[0]], [across, along, shift[1]], [0, 0, 1]])


def _cells(view: Map) -> Floats:
    """The affine map from a coarse view's pixels to the thumbnail's, middles to middles."""
    to_view = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, CELLS]]) / CELLS
    return (np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]]) @ view @ to_view)[:2].astype(np.float32)


def _likely(views: Floats, others: Floats, block: int, *, among: bool) -> list[Likely]:
    """Each scan's likeliest partners among `others`; both are views × scans × CELLS².

    With `among`, views and others are the same scans, and each looks among the later ones only.
    """
    likely = []
    for start in range(0, views.shape[1], block):
        begin = start if among else 0
        plain = views[:, start : start + block]
        flipped = _mirrored(plain)
        best = np.empty((plain.shape[1], others.shape[1] - begin), np.float32)
        for left in range(0, best.shape[1], TOGETHER):
            part = best[:, left : left + TOGETHER]
            columns, score = slice(begin + left, begin + left + part.shape[1]), np.empty_like(part)
            part[:] = -1
            for side in (plain, flipped):
                for one, other in COMPARED:
                    np.matmul(side[one], others[other, columns].T, out=score)
                    np.maximum(part, score, out=part)
        if among:
            best[np.tril_indices_from(best)] = -1  # each pair once, none with itself
        if not best.size:
            continue
        top = np.argpartition(-best, min(PARTNERS, best.shape[1] - 1), axis=1)[:, :PARTNERS]
        for row, column in zip(*np.nonzero(np.take_along_axis(best, top, axis=1) > LIKELY), strict=True):
            partner = begin + int(top[row, column])
            seen = _compared(plain[:, row], flipped[:, row], others[:, partner])
            likely.append(Likely(start + int(row), partner, *seen))
    return likely


_ONE_OF, _OTHER_OF = np.array(COMPARED).T


def _compared(plain: Floats, flipped: Floats, other: Floats) -> tuple[bool, int]:
    """Whether a scan (its views, and those of it mirrored) must be flipped to resemble another, and which of
    COMPARED agrees best then."""
    against = other[_OTHER_OF]
    agreement = [np.einsum("vc,vc->v", side[_ONE_OF], against) for side in (plain, flipped)]
    mirrored, compared = divmod(int(np.argmax(agreement)), len(COMPARED))
    return bool(mirrored), compared


def _likely_of_many(views: Floats) -> list[Likely]:
    """Each scan's likeliest partners among all, as far as an index finds them; views × scans × CELLS²."""

    def mirrored(view: int) -> Floats:
        of = views[MIRRORED[view]].reshape(-1, CELLS, CELLS)
        return np.ascontiguousarray(of[:, :, ::-1]).reshape(views.shape[1:])

    partners, likeness = neighbours.likeliest(views, mirrored, COMPARED, PARTNERS)
    rows, columns = np.nonzero(likeness > LIKELY)
    pairs = np.unique(np.sort(np.stack([rows, partners[rows, columns]], 1), axis=1), axis=0)
    likely = []
    for first, second in pairs.tolist():
        plain = views[:, first]
        likely.append(
            Likely(first, second, *_compared(plain, _mirrored(plain[:, None])[:, 0], views[:, second]))
        )
    return likely


# fine: the likely pairs alone

_RESIZES = [_about_middle(scale, 0) for scale in SCALES]
_CORNERS = np.array([[0, SIDE, 0, SIDE], [0, 0, SIDE, SIDE], [1, 1, 1, 1]], float)  # of a thumbnail
# px of a thumbnail to those of one at half the detail, middles to middles
_TO_HALF = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
_FROM_HALF = np.linalg.inv(_TO_HALF)


def _looked_at(ours: Descriptors, theirs: Descriptors, likely: Sequence[Likely]) -> list[Pair]:
    """Those of the likely pairs that show one scene."""

    def look(pair: Likely) -> Pair:
        first, second = ours[pair.first].reshape(SIDE, SIDE), theirs[pair.second].reshape(SIDE, SIDE)
        if pair.mirrored:
            first = np.ascontiguousarray(first[:, ::-1])
        return Pair(pair.first, pair.second, _likeness(first, second, pair.compared))

    with ThreadPoolExecutor(cores()) as pool:
        return [
            pair
            for start in range(0, len(likely), AHEAD)
            for pair in pool.map(look, likely[start : start + AHEAD])
            if pair.likeness
        ]


def _likeness(first: Descriptors, second: Descriptors, compared: int) -> float:
    """The correlation of two thumbnails, aligned, if it is one of a copy; else 0."""
    of_first, of_second = (VIEWS[number] for number in COMPARED[compared])
    start = _map(of_second, second) @ np.linalg.inv(_map(of_first, first))
    one, other = first.astype(np.float32), second.astype(np.float32)
    best, alignment = _aligned(one, other, start)
    if best >= THRESHOLD:
        return best
    if best < WORTH or not _is_hopeful(one, other, alignment):
        return 0.0
    free = _freely_aligned(one, other, alignment)
    return free if free >= FREE_THRESHOLD else 0.0


def _aligned(first: Floats, second: Floats, start: Map) -> tuple[float, Map]:
    """The best correlation of two thumbnails near an alignment of the first with the second, and where."""
    best, where = -1.0, start
    for resize in _RESIZES:
        alignment = resize @ start
        moved = cv2.warpAffine(first, alignment[:2].astype(np.float32), (SIDE, SIDE))
        (x0, x1), (y0, y1) = (_inner(along) for along in alignment[:2] @ _CORNERS)
        template = moved[y0:y1, x0:x1]
        if min(x1 - x0, y1 - y0) < LEAST or cv2.meanStdDev(template)[1].item() < 1:
            continue
        found = cv2.matchTemplate(second[_wide(y0, y1), _wide(x0, x1)], template, cv2.TM_CCOEFF_NORMED)
        _, highest, _, (right, down) = cv2.minMaxLoc(found)
        if highest > best:
            shift = np.eye(3)
            shift[:2, 2] = right - min(x0, SEARCH), down - min(y0, SEARCH)
            best, where = float(highest), shift @ alignment
    return best, where


def _inner(along: NDArray[np.float64]) -> tuple[int, int]:
    """Where the moved thumbnail and the other overlap, without a rim: first and last px along one axis."""
    return int(max(0.0, along.min())) + SEARCH - 2, int(min(SIDE, along.max())) - SEARCH + 2


def _wide(start: int, stop: int) -> slice:
    return slice(max(0, start - SEARCH), stop + SEARCH)


def _is_hopeful(first: Floats, second: Floats, start: Map) -> bool:
    """Whether a free alignment of two thumbnails at half the detail comes near that of a copy."""
    one, other = (
        np.asarray(cv2.resize(side, (HALF, HALF), interpolation=cv2.INTER_AREA), np.float32)
        for side in (first, second)
    )
    return _climb(one, other, _TO_HALF @ _inverse(start) @ _FROM_HALF, HALF_STEPS)[0] >= HOPE


def _inverse(alignment: Map) -> Map:
    return np.asarray(np.linalg.inv(alignment), float)


def _climb(first: Floats, second: Floats, back: Map, steps: int) -> tuple[float, Floats]:
    """Raise the correlation of two pictures step by step (Evangelidis and Psarakis, 2008): its height, and
    the affine map from the second to the first that reaches it, which begins as `back`.
    """
    begin, everywhere = back[:2].astype(np.float32), np.ones(second.shape, np.uint8)
    enough = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, 1e-3)
    try:
        height, found = cv2.findTransformECC(second, first, begin, cv2.MOTION_AFFINE, enough, everywhere, 3)
    except cv2.error:  # they have nothing in common
        return -1.0, begin
    return float(height), np.asarray(found, np.float32)


def _freely_aligned(first: Floats, second: Floats, start: Map) -> float:
    """The correlation of two thumbnails where they overlap, after a small affine change of an alignment.

    0 where the change ends up no small one, or too little overlaps.
    """
    height, back = _climb(first, second, _inverse(start), STEPS)
    if height < 0:
        return 0.0
    longest, shortest = np.linalg.svd(back[:, :2], compute_uv=False)
    if not 1 / FREEST < shortest <= longest < FREEST:
        return 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(first, back, (SIDE, SIDE), flags=flags)
    one, other = np.abs(first) > FAINT, np.abs(second) > FAINT
    shared = (cv2.warpAffine(one.astype(np.float32), back, (SIDE, SIDE), flags=flags) > 0.5) & other
    if shared.sum() < SHARED * max(one.sum(), other.sum(), LEAST**2):
        return 0.0
    pixels, against = moved[shared], second[shared]
    return float(np.corrcoef(pixels, against)[0, 1]) if pixels.std() and against.std() else 0.0
