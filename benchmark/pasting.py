"""The arm `pasted`: real lesions of the training part on its other scans, a control that is no network.

As Ghiasi et al., CVPR 2021 (Simple Copy-Paste), do with objects; here a lesion takes its shadow along, and
the grey level of its surroundings is matched.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..data.store import UNKNOWN, Box, Pixels
from ..data.study import Study
from ..gan.synth import ordered_sources

VERSION = 1  # of how scans are pasted; another one makes other trainings
RIM = 0.05  # of the side: how far around a lesion its scan comes along, and over what it fades out
SIZES = (0.8, 1.25)  # of a pasted lesion, against the one it comes from, where nothing is to be covered
LARGEST = 1.8  # to which it is enlarged to cover a lesion that is there
GAINS = (0.5, 2.0)  # by which its grey levels are matched
SHADOWS = (0.1, 2.0)  # what it leaves of the brightness below it

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pasted:
    """A scan with another one's lesion: rows of the study, and the letterboxed result (S×S uint8)."""

    background: int
    lesion: int
    square: Pixels


@dataclass(frozen=True)
class Patch:
    """A lesion to paste: its scan and mask (S×S), where its middle is (down, right), and its area in px."""

    square: Pixels
    mask: Pixels
    box: Box
    middle: tuple[float, float]
    area: int


def check(study: Study, labels: Sequence[str]) -> None:
    """UsageError where a class has no lesion masks, without which nothing can be pasted."""
    for label in labels:
        if not _lesions(study, study.used(), label):
            raise UsageError(
                f"--arms pasted: no {label} scan of {study.settings.data.name} has a mask of its lesion, "
                "which says what to paste. Leave this arm out, or give masks with the data (docs/data.md)."
            )


def pasted(study: Study, fold: int, label: str, number: int, draw: int, source: str = "") -> list[Pasted]:
    """`number` scans of a fold's training part, not of class `label`, each with a lesion of that class.

    The backgrounds hold their classes in proportion, as a translator's sources do, or are of class `source`
    alone; lesions take turns. On a scan with a lesion of its own the pasted one lies over it, about as large;
    on others at the depth that it has. Decided by `draw` alone. UsageError where the training part lacks
    lesions or backgrounds.
    """
    if not number:
        return []
    train = study.train(fold)
    lesions = _lesions(study, train, label)
    others = study.rows_of(train, [source] if source else [name for name in study.classes if name != label])
    if not lesions or not others:
        lacking = f"no {label} scan with a mask" if not lesions else f"no {source or 'other'} scan"
        raise UsageError(f"--arms pasted: the training part of fold {fold} has {lacking}. Leave it out.")
    rng = np.random.default_rng((draw, 16, study.classes.index(label)))
    order = ordered_sources([study.scans[row].label for row in others], draw)
    turns = np.concatenate([rng.permutation(lesions) for _ in range(-(-number // len(lesions)))])
    found = []
    for place, lesion in enumerate(turns[:number].tolist()):
        background = others[order[place % len(others)]]
        square, box = study.pixels[background], study.scans[background].box
        made = paste(square, _mask(study, background), box, _patch(study, lesion), rng)
        found.append(Pasted(background, lesion, made))
    return found


def sha256(study: Study, fold: int) -> str:
    """Hash of what decides the pasted scans of a fold beside scans, labels and the draw."""
    digest = hashlib.sha256(f"pasting {VERSION}".encode())
    for row in study.train(fold):
        mask = _mask(study, row)
        digest.update(f"{study.scans[row].box}".encode() + (b"" if mask is None else mask.tobytes()))
    return digest.hexdigest()


def paste(square: Pixels, mask: Pixels | None, box: Box, patch: Patch, rng: np.random.Generator) -> Pixels:
    """A scan (S×S uint8) with a lesion of another; `mask`: of its own lesion, None where it has none."""
    # where to, how large, which way round
    side = len(square)
    flip = bool(rng.integers(2))
    size = float(np.exp(rng.uniform(*np.log(SIZES))))
    down, right = patch.middle
    reach = np.sqrt(patch.area / np.pi)
    free = max(0.0, box.width / 2 - reach)
    to = (
        box.top + (down - patch.box.top) / patch.box.height * box.height,
        box.left + box.width / 2 + float(rng.uniform(-1, 1)) * free,
    )
    if mask is not None:
        to = _middle(mask)
        size = float(np.clip(1.2 * np.sqrt(mask.sum() / patch.area), SIZES[0], LARGEST))

    # the lesion there, with its rim and what lies behind it
    across = -size if flip else size
    move = np.array([[across, 0, to[1] - across * right], [0, size, to[0] - size * down]], np.float32)

    def moved(image: Pixels | Floats, nearest: bool = False) -> Floats:
        method = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        return np.asarray(cv2.warpAffine(image.astype(np.float32), move, (side, side), flags=method))

    rim = max(1, round(RIM * side))
    inside = np.zeros((side, side), np.float32)
    inside[box.inside] = 1
    shown = np.zeros((side, side), np.float32)
    shown[patch.box.inside] = 1
    known = (moved(shown) > 0.99) * inside
    lesion = (moved(patch.mask, nearest=True) > 0.5).astype(np.uint8)
    around = cv2.dilate(lesion, _disc(rim))
    alpha = cv2.GaussianBlur(around * known, (0, 0), rim / 2) * known

    # its surroundings' grey level, its shadow on what lies below
    brought, there = moved(patch.square), square.astype(np.float32)
    column = np.maximum.accumulate(around, axis=0) * known  # with what lies below, which its shadow darkens
    ring = (cv2.dilate(around, _disc(rim)) > column) & (known > 0)
    gain = 1.0
    if ring.any():
        gain = float(np.clip((there[ring].mean() + 1) / (brought[ring].mean() + 1), *GAINS))
    out = alpha * brought * gain + (1 - alpha) * there * _shadow(brought, lesion, known, rim)
    return np.asarray(out.round().clip(0, 255).astype(np.uint8))


def _shadow(brought: Floats, lesion: Pixels, known: Floats, rim: int) -> Floats:
    """What a lesion leaves of the brightness below it (S×S), row by row as in its own scan; 1 elsewhere.

    More than 1 where it lets more through than its surroundings, as fluid does.
    """
    column = np.maximum.accumulate(lesion, axis=0) * known
    below = np.where(lesion > 0, 0, column)
    beside = np.where(column > 0, 0, known)
    means = [(brought * part).sum(axis=1) + part.sum(axis=1) for part in (below, beside)]
    counts = [part.sum(axis=1) for part in (below, beside)]
    enough = (counts[0] > 0) & (counts[1] > 0)
    share = np.ones(len(brought), np.float32)
    share[enough] = (means[0][enough] / counts[0][enough]) / (means[1][enough] / counts[1][enough])
    smooth = cv2.GaussianBlur(share.clip(*SHADOWS)[:, None], (1, 2 * rim + 1), 0)
    return np.asarray(1 + cv2.GaussianBlur(below.astype(np.float32), (0, 0), rim) * (smooth - 1))


def _disc(rim: int) -> Pixels:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1)), np.uint8)


def _lesions(study: Study, rows: Sequence[int], label: str) -> list[int]:
    """Those of `rows` whose scans are of class `label` and have a mask that holds a lesion."""
    return [row for row in study.rows_of(rows, [label]) if _mask(study, row) is not None]


def _mask(study: Study, row: int) -> Pixels | None:
    """The lesion of a scan (S×S: 1 inside); None where it has none, or no mask."""
    masks = study.masks
    if masks is None or masks[row].flat[0] == UNKNOWN or not masks[row].any():
        return None
    return np.array(masks[row])


def _patch(study: Study, row: int) -> Patch:
    mask = _mask(study, row)
    assert mask is not None
    return Patch(np.array(study.pixels[row]), mask, study.scans[row].box, _middle(mask), int(mask.sum()))


def _middle(mask: Pixels) -> tuple[float, float]:
    down, right = np.nonzero(mask)
    return float(down.mean()), float(right.mean())
