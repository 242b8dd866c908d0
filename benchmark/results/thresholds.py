"""Every arm at a threshold of the same specificity: arms then differ in how they rank scans, not in how often
they answer with the target.

The threshold of a fold's networks is read off the answers on the other tested folds, given by networks of the
same arm, model and seed. All those scans lie in the fold's training part. As in any cross-validation, the
networks that answered them had this fold's scans in their own training parts, so that the threshold is not
wholly independent of these; it is one number a fold, found by the same rule for every arm. The fold's own
answers on its training part would not do: a network is surer of scans that it has learnt.
"""

import numpy as np

from ...classify.metrics import SPECIFICITY, answers
from .statistics import Array, Ints, Sample, confusion_counts, count_metrics, divide

MATCHED = "matched_"  # before the name of a metric: the same at thresholds of matched specificity
COMPARED = ("matched_macro_f1", "matched_target_recall")  # of these, the ones whose differences are told


def thresholds(sample: Sample, scores: Array) -> dict[int, float]:
    """Fold → the score above which at most one in ten of the other folds' scans without the target lies."""
    cuts = {}
    for fold in sample.fold_names:
        others = np.sort(scores[(sample.folds != fold) & (sample.labels != sample.target)])[::-1]
        if len(others):
            cuts[fold] = float(others[int((1 - SPECIFICITY) * len(others) + 1e-9)])
    return cuts


def answers_at(sample: Sample, probabilities: Array) -> Ints | None:
    """The answers (N) of N×C probabilities: the target above its fold's threshold, else the likeliest other.

    None with a single fold, or where the others hold scans of the target alone.
    """
    cuts = thresholds(sample, probabilities[:, sample.target])
    if set(cuts) != set(sample.fold_names):
        return None
    others = probabilities.copy()
    others[:, sample.target] = -1
    above = probabilities[:, sample.target] > np.array([cuts[fold] for fold in sample.folds.tolist()])
    return np.where(above, sample.target, answers(others))


def evaluate(sample: Sample, probabilities: Array) -> dict[str, Array]:
    """The metrics that need answers alone, and the specificity, at the thresholds, under all rows of weights.

    Their names begin with MATCHED; empty where there are no thresholds.
    """
    given = answers_at(sample, probabilities)
    if given is None:
        return {}
    found = count_metrics(sample, given, probabilities.shape[1])
    table = np.delete(confusion_counts(sample, given, probabilities.shape[1]), sample.target, axis=1)
    passed = table.sum(axis=(1, 2)) - table[:, :, sample.target].sum(axis=1)
    found["specificity"] = divide(passed, table.sum(axis=(1, 2)))
    return {MATCHED + name: values for name, values in found.items()}
