"""What a classifier's probabilities are worth: pure functions of labels and probabilities.

Shapes everywhere: `labels` int N (0 … C−1), `probabilities` float N×C (rows sum to 1), `target` the index of
the class that the study raises. A number that needs a class which the labels don't hold is None, never NaN;
means over classes run over the classes that occur among the labels, so that two arms on the same scans
average the same classes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BusError

Labels = NDArray[np.integer]
Floats = NDArray[np.floating]

SPECIFICITY = 0.9
COLLAPSED = 0.9  # share of the answers on one class from which a model has given up telling classes apart


def _sklearn() -> Any:
    """scikit-learn's metrics, imported when used: a finished study answers without them, a second earlier."""
    from sklearn import metrics

    return metrics


def answers(probabilities: Floats) -> NDArray[np.intp]:
    """The class with the highest probability, one a scan (int N); the first one where several are equal."""
    return np.asarray(probabilities.argmax(axis=1), dtype=np.intp)


def collapsed(probabilities: Floats) -> int | None:
    """The class that gets 90 % or more of the answers, or None; such a model has not learnt the classes."""
    if not len(probabilities):
        return None
    counts = np.bincount(answers(probabilities), minlength=probabilities.shape[1])
    return int(counts.argmax()) if counts.max() >= COLLAPSED * len(probabilities) else None


def confusion(labels: Labels, probabilities: Floats) -> NDArray[np.int64]:
    """How often each class (row) was answered with each class (column): int C×C."""
    classes = probabilities.shape[1]
    places = labels * classes + answers(probabilities)
    return np.bincount(places, minlength=classes**2).reshape(classes, classes)


def class_recall(labels: Labels, probabilities: Floats) -> list[float | None]:
    """Share of each class's scans that were answered with it, in class order; None without such scans."""
    table = confusion(labels, probabilities)
    return [float(row[i] / row.sum()) if row.sum() else None for i, row in enumerate(table)]


def accuracy(labels: Labels, probabilities: Floats, target: int) -> float | None:
    """Share of the scans answered rightly (0–1)."""
    return float((labels == answers(probabilities)).mean()) if len(labels) else None


def macro_f1(labels: Labels, probabilities: Floats, target: int) -> float | None:
    """F1 score of each class that occurs, then their plain mean (0–1): every class counts the same."""
    if not len(labels):
        return None
    given, present = answers(probabilities), np.unique(labels)
    return float(_sklearn().f1_score(labels, given, labels=present, average="macro", zero_division=0.0))


def balanced_accuracy(labels: Labels, probabilities: Floats, target: int) -> float | None:
    """Mean recall of the classes that occur (0–1)."""
    found = [value for value in class_recall(labels, probabilities) if value is not None]
    return float(np.mean(found)) if found else None


def target_recall(labels: Labels, probabilities: Floats, target: int) -> float | None:
    """Share of the target class's scans that were found (0–1): sensitivity at the model's own answers."""
    return class_recall(labels, probabilities)[target]


def target_auc(labels: Labels, probabilities: Floats, target: int) -> float | None:
    """Area under the ROC curve, target class against all others (0–1, 0.5 is chance)."""
    positive = labels == target
    if positive.all() or not positive.any():
        return None
    return float(_sklearn().roc_auc_score(positive, probabilities[:, target]))


def sensitivity_at_specificity(labels: Labels, probabilities: Floats, target: int) -> float | None:
    """Highest share of target scans found by a threshold that clears at least 90 % of the others (0–1).

    A step of the empirical ROC curve, not interpolated: a threshold with this result exists.
    """
    positive = labels == target
    if positive.all() or not positive.any():
        return None
    false, true, _ = _sklearn().roc_curve(positive, probabilities[:, target], drop_intermediate=False)
    return float(true[false <= 1 - SPECIFICITY + 1e-9].max())


def brier(labels: Labels, probabilities: Floats, target: int) -> float | None:
    """Brier score of all classes: mean squared distance of the probabilities to the truth (0 best – 2 worst).

    Brier, Monthly Weather Review 78 (1950), equation 2.
    """
    return float(brier_terms(labels, probabilities).mean()) if len(labels) else None


def brier_terms(labels: Labels, probabilities: Floats) -> NDArray[np.float64]:
    """Every scan's part of the Brier score (float N, 0–2)."""
    truth = np.eye(probabilities.shape[1])[labels]
    return np.asarray(((probabilities - truth) ** 2).sum(axis=1), dtype=np.float64)


def roc_curve(
    parts: Sequence[tuple[Labels, Floats]], target: int, points: int = 101
) -> list[tuple[float, float]]:
    """Mean ROC curve of several (labels, probabilities), target class against others: (false, true) rates.

    The curves are averaged at `points` evenly spaced false positive rates (Fawcett, Pattern Recognition
    Letters 27 (2006), section 8), since scores of different models don't compare. Parts that lack target or
    others don't count; empty when none is left.
    """
    grid = np.linspace(0, 1, points)
    curves = []
    for labels, probabilities in parts:
        positive = labels == target
        if positive.any() and not positive.all():
            false, true, _ = _sklearn().roc_curve(positive, probabilities[:, target])
            curves.append(np.interp(grid, false, true))
    return list(zip(grid.tolist(), np.mean(curves, axis=0).tolist(), strict=True)) if curves else []


def calibration(
    labels: Labels, probabilities: Floats, target: int, bins: int = 10
) -> list[tuple[float, float, int]]:
    """Mean predicted probability of the target class, its observed share and the scans, for every filled bin.

    The bins are equally wide, from 0 to 1.
    """
    given = probabilities[:, target]
    place = np.minimum((given * bins).astype(int), bins - 1)
    parts = [place == i for i in range(bins) if (place == i).any()]
    hit = labels == target
    return [(float(given[part].mean()), float(hit[part].mean()), int(part.sum())) for part in parts]


Metric = Callable[[Labels, Floats, int], float | None]
METRICS: dict[str, Metric] = {  # in the order of reports; the first decides, as declared in advance
    "macro_f1": macro_f1,
    "target_recall": target_recall,
    "target_auc": target_auc,
    "balanced_accuracy": balanced_accuracy,
    "accuracy": accuracy,
    "sensitivity_at_90_specificity": sensitivity_at_specificity,
    "brier": brier,
}

HIGHEST = dict.fromkeys(METRICS, 1.0) | {"brier": 2.0}  # the lowest is 0 for all


def check(probabilities: Floats) -> None:
    """BusError where probabilities are no numbers: the training diverged."""
    if not np.isfinite(probabilities).all():
        wrong = int((~np.isfinite(probabilities)).any(axis=1).sum())
        raise BusError(
            f"The classifier gave no number for {wrong} of {len(probabilities)} scans, where probabilities "
            "were expected: its training diverged. Train it again with --precision float32."
        )


def scores(labels: Labels, probabilities: Floats, target: int) -> dict[str, float | None]:
    """All metrics of one set of answers, by name; higher is better, but for `brier`. BusError as `check`."""
    check(probabilities)
    return {name: metric(labels, probabilities, target) for name, metric in METRICS.items()}


def constant_answer(labels: Labels, classes: int, target: int) -> tuple[int, dict[str, float | None]]:
    """The most frequent class and what a model scores that answers nothing else: what others must beat."""
    most = int(np.bincount(labels, minlength=classes).argmax())
    return most, scores(labels, np.tile(np.eye(classes)[most], (len(labels), 1)), target)
