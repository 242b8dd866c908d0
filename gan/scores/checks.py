"""What distances between sets cannot see: translators that change nothing, copy or convince nobody."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ...data.store import Box, Pixels
from .distances import TooFewGroups
from .features import Features
from .scans import Rows

BLUR = 1 / 64  # deviation of the Gaussian as a share of the scan's side: 1 px at 64
GAINS = (1.1, 0.9)  # in turn
TRUSTED = 0.75  # of the pixels, those that changed least, to which gain is fitted for single blocks
BLOCKS = 8  # a side, in which changes are looked at one by one
COPY_PERCENTILE = 5.0  # of real scans' distances to their nearest scan of another group
COPY_SIDE = 16  # px; smaller than speckle, so that a blurred or noisy copy is still one
READER_FOLDS = 5
READER_C = 0.01  # weight of the data against the ridge; 1,280 features of 600 scans need a strong one

Floats = NDArray[np.float64]


def changed(results: Pixels, sources: Pixels, boxes: Sequence[Box]) -> Floats:
    """How far each result is from its source: mean absolute difference inside the scan, grey levels 0–255.

    The result's brightness and contrast are first fitted to the source's (least squares), so that turning
    the gain knob is no change. uint8 N×S×S twice → N.
    """
    pairs = _insides(results, sources, boxes)
    return np.array([np.abs(_regain(x, y, np.ones_like(x, bool)) - y).mean() for x, y in pairs])


def changed_blocks(results: Pixels, sources: Pixels, boxes: Sequence[Box]) -> Floats:
    """The same for each of BLOCKS × BLOCKS blocks of the scan, strongest first: N×64.

    Brightness and contrast are fitted to all but the quarter of the scan that differs most, so that what
    changes a lesion alone does not seem to change everything else.
    """
    rows = []
    for x, y in _insides(results, sources, boxes):
        first = np.abs(_regain(x, y, np.ones_like(x, bool)) - y)
        fitted = _regain(x, y, first <= np.quantile(first, TRUSTED))
        side = (BLOCKS, BLOCKS)
        rows.append(cv2.resize(np.abs(fitted - y), side, interpolation=cv2.INTER_AREA).ravel())
    return np.sort(np.array(rows, np.float64), axis=1)[:, ::-1]


def _insides(results: Pixels, sources: Pixels, boxes: Sequence[Box]) -> Iterator[tuple[Floats, Floats]]:
    """Results and sources without their bars, H×W."""
    for result, source, box in zip(results, sources, boxes, strict=True):
        yield result[box.inside].astype(np.float64), source[box.inside].astype(np.float64)


def _regain(x: Floats, y: Floats, trusted: NDArray[np.bool_]) -> Floats:
    """x with the brightness and contrast of y, fitted where `trusted`; contrast never inverts."""
    about_x, about_y = x - x[trusted].mean(), y - y[trusted].mean()
    spread = float((about_x[trusted] ** 2).sum())
    slope = max(0.0, float((about_x * about_y)[trusted].sum()) / spread) if spread else 0.0
    return np.asarray(slope * about_x + y[trusted].mean())


def blurred(scans: Pixels, boxes: Sequence[Box]) -> Pixels:
    """The scans slightly out of focus (Gaussian, 1 px at 64 px), without the bars bleeding in."""
    out = np.zeros_like(scans)
    sigma = BLUR * scans.shape[1]
    for scan, there, box in zip(scans, out, boxes, strict=True):
        inside = np.ascontiguousarray(scan[box.inside])
        there[box.inside] = cv2.GaussianBlur(inside, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return out


def regained(scans: Pixels) -> Pixels:
    """The scans with 10 % more and 10 % less gain in turn, clipped to 0–255."""
    gains = np.resize(GAINS, len(scans))[:, None, None]
    return np.asarray((scans * gains + 0.5).clip(0, 255), np.uint8)


class Copies(NamedTuple):
    """Distances to the nearest training scan; 1 is usual between unrelated real scans."""

    threshold: float
    synthetic: Floats  # of each synthetic scan to its nearest target scan
    nearest: NDArray[np.int64]  # which target scan that is
    held_out: Floats  # of each target scan to its nearest target scan of another group

    def share(self, distances: Floats) -> float:
        """Share of `distances` below the threshold."""
        return float((distances < self.threshold).mean())


def copies(
    synthetic: Pixels,
    synthetic_features: Features,
    target: Pixels,
    target_features: Features,
    groups: Sequence[str],
) -> Copies:
    """Compare each synthetic scan's nearest training target with what is usual between unrelated real scans.

    Two distances see different copies: correlation of the scans shrunk to 16 px, also mirrored (blur, noise
    and gain don't hide a copy from it), and the cosine of features (a shift doesn't). Each is divided by
    its median between a real target scan and the nearest one of another group; the smaller counts. Below
    the 5th percentile of those real-to-real distances a scan is called a copy. Raises TooFewGroups for
    fewer than two.
    """
    names = np.asarray(groups)
    if len(set(groups)) < 2:
        raise TooFewGroups("real scans of at least two groups are needed")
    related = names[:, None] == names
    of_target, of_synthetic = np.full(related.shape, np.inf), np.full((len(synthetic), len(target)), np.inf)
    pairs = (
        (_unlike(target, target), _unlike(synthetic, target)),
        (_cosine(target_features, target_features), _cosine(synthetic_features, target_features)),
    )
    for between, to_target in pairs:
        apart = np.where(related, np.inf, between)
        usual = max(float(np.median(apart.min(1))), 1e-9)
        of_target, of_synthetic = (
            np.minimum(of_target, apart / usual),
            np.minimum(of_synthetic, to_target / usual),
        )
    held_out = of_target.min(1)
    threshold = float(np.percentile(held_out, COPY_PERCENTILE))
    return Copies(threshold, of_synthetic.min(1), of_synthetic.argmin(1), held_out)


def _cosine(first: Features, second: Features) -> Floats:
    return np.asarray(cdist(first, second, "cosine"))


def _unlike(first: Pixels, second: Pixels) -> Floats:
    """1 − correlation of scans shrunk to 16 px, the smaller of plain and mirrored: N×M, 0–2."""
    plain, mirrored, others = _shrunk(first), _shrunk(first[:, :, ::-1]), _shrunk(second)
    return 1 - np.maximum(plain @ others.T, mirrored @ others.T)


def _shrunk(scans: Pixels) -> Floats:
    side = (COPY_SIDE, COPY_SIDE)
    small = [
        cv2.resize(np.ascontiguousarray(scan), side, interpolation=cv2.INTER_AREA).ravel() for scan in scans
    ]
    values = np.array(small, np.float64)
    values -= values.mean(1, keepdims=True)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9))


def reader_parts(is_target: Sequence[bool], groups: Sequence[str], most: int = READER_FOLDS) -> Rows:
    """Which of the cross-fitted readers, `most` at the most, reads each real scan: it saw all but its part.

    Parts are cut by group, stratified, the same for the same scans in the same order. Raises TooFewGroups
    where either side has fewer than two groups.
    """
    truth, names = np.asarray(is_target, bool), np.asarray(groups)
    folds = min(most, *(len(set(names[truth == side])) for side in (True, False)))
    if folds < 2:
        raise TooFewGroups("real scans of at least two groups of the target and of other classes are needed")
    parts = np.zeros(len(truth), np.int64)
    for part, (_, rows) in enumerate(StratifiedGroupKFold(folds).split(truth, truth, names)):
        parts[rows] = part
    return parts


class Readers(NamedTuple):
    """Readers of a set of real scans; each saw all groups but those of its own part."""

    parts: Rows  # of each real scan, the reader that saw nothing of its group
    models: list[Pipeline]

    def probabilities(self, features: Features, parts: Rows) -> Floats:
        """The probability of "target" for scans (N×D), each said by the reader of its part (int N)."""
        chances = np.zeros(len(features))
        seen = features.astype(np.float64)  # in float32 it would depend on the scans beside it
        for part in np.unique(parts):
            mine = parts == part
            chances[mine] = self.models[part].predict_proba(seen[mine])[:, 1]
        return chances


def fit_readers(real: Features, is_target: Sequence[bool], groups: Sequence[str]) -> Readers:
    """Fit the readers: logistic regression on standardised features (N×D), balanced classes."""
    parts, truth = reader_parts(is_target, groups), np.asarray(is_target, bool)
    models = []
    for part in range(int(parts.max()) + 1):
        reader = make_pipeline(
            StandardScaler(), LogisticRegression(C=READER_C, class_weight="balanced", max_iter=2000)
        )
        models.append(reader.fit(real[parts != part], truth[parts != part]))
    return Readers(parts, models)


def reader_probabilities(
    real: Features,
    is_target: Sequence[bool],
    groups: Sequence[str],
    synthetic: Features,
    source_rows: Sequence[int] | Rows,
) -> tuple[Floats, Floats]:
    """The reader's probability of "target" for every real and every synthetic scan.

    Cross-fitted by group: each real scan is read by the reader that saw nothing of its group, each
    synthetic scan by the one that saw nothing of its source's group (`source_rows`: row in `real`). Raises
    TooFewGroups as `reader_parts` does.
    """
    readers = fit_readers(real, is_target, groups)
    of_sources = readers.parts[np.asarray(source_rows, np.int64)]
    return readers.probabilities(real, readers.parts), readers.probabilities(synthetic, of_sources)


def vendi(values: Features, centre: Features) -> float:
    """Effective number of distinct scans: exp of the entropy of the similarity matrix (Friedman & Dieng
    2023).

    Similarity is the cosine of features about `centre` (the mean real scan): N copies of one scan give 1, N
    scans without anything in common N.
    """
    around = values.astype(np.float64) - centre
    around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-12)
    shares = np.linalg.svd(around, compute_uv=False) ** 2 / len(around)
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))
