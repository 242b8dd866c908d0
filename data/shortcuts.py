"""What a classifier could learn without a lesion, and what a split per image would leak.

Both are measured, cross-fitted by group.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from ..core import files
from ..core.errors import BusError
from .cohort import COHORT_FILE
from .marks import Marks
from .reading import Entry
from .splits import assign_folds
from .store import Pixels

if TYPE_CHECKING:
    from .study import Study

Values = NDArray[np.float64]

LEVELS = 32  # bins of the histogram
STRIP = 2  # px of the border strip of a scan that was stretched to SIDE × SIDE
SIDE = 64
SMALL = 32  # px a side of the squares that the nearest neighbour compares
DRAWS = 20  # random splits that are averaged
TEST_SHARE = 0.2
TREES = 100
FEWEST = 10  # groups of a class below which its AUC would be noise
OF_STUDY = ("size", "bars", "border", "histogram")  # what a study still knows of its scans
DRAWN = 2000  # scans that each tree draws, at most; bounds the time for large data sets


@dataclass(frozen=True)
class Probe:
    """How well something other than the lesion tells the classes apart."""

    name: str
    sees: str
    auc: Mapping[str, float]  # class against the rest, mean over grouped folds; 0.5 is chance

    @property
    def worst(self) -> float:
        """The highest AUC of any class."""
        return max(self.auc.values())


@dataclass(frozen=True)
class Inflation:
    """Accuracy of one nearest neighbour on pixels, by how the folds were cut."""

    random: float  # per image
    grouped: float
    majority: float  # share of the largest class
    classes: list[str]  # of whose scans they speak


@dataclass(frozen=True)
class Seen:
    """One scan as the checks see it."""

    entry: Entry
    square: Pixels  # letterboxed
    marks: Marks
    histogram: Values  # share of native pixels per level, LEVELS bins


def _size(scan: Seen) -> Values:
    height, width = scan.entry.shape
    return np.array([height, width, height * width, width / height], float)


def _bars(scan: Seen) -> Values:
    return np.array(scan.entry.box, float)


def _border(scan: Seen) -> Values:
    whole = cv2.resize(scan.square[scan.entry.box.inside], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    strips = (whole[:STRIP], whole[-STRIP:], whole[:, :STRIP].T, whole[:, -STRIP:].T)
    return np.concatenate([strip.reshape(STRIP, 16, -1).mean((0, 2)) for strip in strips])


def _marks(scan: Seen) -> Values:
    return np.array([scan.marks.strokes, scan.marks.corner, scan.marks.coloured], float)


PROBES: dict[str, tuple[str, Callable[[Seen], Values]]] = {
    "size": ("native width and height", _size),
    "bars": ("where the letterbox's bars lie", _bars),
    "border": (f"the outermost {STRIP} of {SIDE} pixels of the scan, stretched to a square", _border),
    "histogram": ("how often each grey level occurs", lambda scan: scan.histogram),
    "marks": ("numbers of burned-in strokes and coloured pixels", _marks),
}


def probe(
    seen: Sequence[Seen], folds: Sequence[int], *, seed: int = 0, names: Sequence[str] = tuple(PROBES)
) -> list[Probe]:
    """Train a random forest on each shortcut of `names` alone; folds must not split groups.

    The AUC of each class against the rest is taken fold by fold and averaged, since scores of different
    models don't compare.
    """
    labels = np.array([scan.entry.label for scan in seen])
    return [
        Probe(
            name, sees, _cross_fit(np.stack([feature(scan) for scan in seen]), labels, np.array(folds), seed)
        )
        for name, (sees, feature) in PROBES.items()
        if name in names
    ]


def measurable(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """The classes with FEWEST groups or more, of (class, group) a scan; none if fewer than two have them."""
    labels = [label for label, _ in set(pairs)]
    found = {label for label in labels if labels.count(label) >= FEWEST}
    return found if len(found) > 1 else set()


def of_study(study: "Study") -> list[Probe]:
    """What size, bars, border and grey levels alone tell of a study's classes, in its own folds.

    Kept in `shortcuts.json` with the hash of what they were measured on; measured again where it is damaged
    or of something else.
    """
    path, cohort = study.path / "shortcuts.json", files.sha256_file(study.path / COHORT_FILE)
    kept = _kept(path, cohort)
    if kept is not None:
        return kept
    usable = measurable((study.scans[row].label, study.groups[row]) for row in study.used())
    rows = study.rows_of(study.used(), sorted(usable))
    seen, folds = [_seen(study, row) for row in rows], [study.scans[row].fold or 0 for row in rows]
    probes = probe(seen, folds, names=OF_STUDY) if rows else []
    files.write_json(path, {"cohort": cohort, "probes": [asdict(item) for item in probes]})
    return probes


def _kept(path: Path, cohort: str) -> list[Probe] | None:
    """The probes that were kept of the table with this hash; None where they must be measured."""
    if not path.exists():
        return None
    try:
        content = files.read_sealed(path)
        return [Probe(**item) for item in content["probes"]] if content["cohort"] == cohort else None
    except (BusError, KeyError, TypeError):
        return None


def _seen(study: "Study", row: int) -> Seen:
    """One scan of a study as the probes see it; marks and native pixels are no longer known."""
    scan, square = study.scans[row], study.pixels[row]
    entry = Entry(
        scan.file,
        scan.label,
        scan.sha256,
        (scan.height, scan.width),
        scan.box,
        row,
        np.empty(0),
        scan.group,
        scan.fold,
    )
    inside = square[scan.box.inside]
    return Seen(
        entry,
        square,
        Marks(0, 0, 0),
        np.bincount(inside.ravel() // (256 // LEVELS), minlength=LEVELS) / inside.size,
    )


def tint(area: float) -> int:
    """Shade 0–10 of an AUC in a table; 0.9 and above is the strongest."""
    return min(10, max(0, round((area - 0.5) * 25)))


def _cross_fit(
    features: Values, labels: NDArray[np.str_], folds: NDArray[np.int_], seed: int
) -> dict[str, float]:
    areas: dict[str, list[float]] = {str(label): [] for label in np.unique(labels)}
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        forest = RandomForestClassifier(
            TREES,
            min_samples_leaf=5,
            max_samples=min(DRAWN, int(train.sum())),
            class_weight="balanced",
            random_state=seed,
            n_jobs=1,
        )
        scores = forest.fit(features[train], labels[train]).predict_proba(features[test])
        for column, label in enumerate(forest.classes_):
            right = labels[test] == label
            if right.any() and not right.all():
                areas[str(label)].append(float(roc_auc_score(right, scores[:, column])))
    return {label: float(np.mean(values)) for label, values in areas.items() if values}


def leak(labels: Sequence[str], groups: Sequence[str], *, seed: int = 0) -> float:
    """Share of test scans with a scan of their group in training, had the split been per image.

    The mean of DRAWS splits, stratified by class, of which TEST_SHARE is the test part.
    """
    names = np.unique(np.array(groups), return_inverse=True)[1]
    classes = [np.flatnonzero(np.array(labels) == label) for label in sorted(set(labels))]
    shares = []
    for draw in range(DRAWS):
        rng = np.random.default_rng((seed, draw))
        test = np.zeros(len(names), bool)
        for rows in classes:
            test[rng.permutation(rows)[: round(TEST_SHARE * len(rows))]] = True
        if test.any():
            shares.append(float(np.isin(names[test], names[~test]).mean()))
    return float(np.mean(shares)) if shares else 0.0


def inflation(seen: Sequence[Seen], folds: Sequence[int], *, k: int, seed: int = 0) -> Inflation:
    """Accuracy of the nearest neighbour in folds per image and in `folds`.

    The nearest is the one of largest correlation over SMALL² pixels.
    """
    entries = [scan.entry for scan in seen]
    labels = np.array([entry.label for entry in entries])
    alone = [str(row) for row in range(len(entries))]
    random = assign_folds([entry.sha256 for entry in entries], list(labels), alone, k=k, seed=seed)
    small = np.stack(
        [cv2.resize(scan.square, (SMALL, SMALL), interpolation=cv2.INTER_AREA).ravel() for scan in seen]
    )
    points = small.astype(np.float32) - small.mean(1, keepdims=True, dtype=np.float32)
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-6)
    largest = np.unique(labels, return_counts=True)[1].max() / len(labels)
    by_image, by_group = _nearest(points, labels, random), _nearest(points, labels, folds)
    return Inflation(by_image, by_group, float(largest), sorted(set(map(str, labels))))


def _nearest(
    points: NDArray[np.float32], labels: NDArray[np.str_], folds: Sequence[int], block: int = 1024
) -> float:
    """Share of scans whose nearest neighbour in other folds has their label; `points`: N×D, of length 1."""
    of = np.array(folds)
    right = 0
    for start in range(0, len(points), block):
        rows = slice(start, start + block)
        alike = points[rows] @ points.T
        alike[of[rows, None] == of] = -np.inf
        right += int((labels[alike.argmax(1)] == labels[rows]).sum())
    return right / len(points)
