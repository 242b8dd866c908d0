"""Can a linear reader tell synthetic scans from real ones? A two-sample test (Lopez-Paz & Oquab 2017)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .distances import TooFewGroups, halves
from .features import Features
from .model import SEED, ToldApart

FOLDS = 5
STRENGTH = 0.01  # weight of the data against the ridge
DRAWS = 4  # of as many synthetic scans as there are real ones
Groups = Sequence[str] | NDArray[np.str_]


def auc(first: Features, second: Features, first_groups: Groups, second_groups: Groups) -> float:
    """How well a linear reader, cross-fitted by group, tells N×D from M×D features: area under its ROC curve.

    A scan is read by a reader that saw nothing of its group, on either side; a synthetic scan has its
    source's group. Each reader's scans are ranked among themselves and all such pairs counted alike: one
    ranking of all would lie below 0.5 for alike sides, since a reader that saw more of a side has fewer of it
    left to read (Airola et al. 2011). Raises TooFewGroups where a side has fewer than two groups, or so few
    that a reader would see, or read, scans of one side alone.
    """
    seen = np.concatenate([first, second]).astype(np.float64)
    truth = np.repeat([1, 0], [len(first), len(second)])
    groups = np.concatenate([np.asarray(first_groups), np.asarray(second_groups)])
    folds = min(FOLDS, *(len(set(groups[truth == side])) for side in (0, 1)))
    if folds < 2:
        raise TooFewGroups("a reader needs scans of at least two groups on either side")
    reader = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=2000))
    cut = list(StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(seen, truth, groups))
    if any(len(set(truth[fitted])) < 2 for fitted, _ in cut):
        raise TooFewGroups("a reader needs scans of more groups on either side")
    said = cross_val_predict(reader, seen, truth, cv=cut, method="decision_function")
    pairs = [int(truth[read].sum() * (1 - truth[read]).sum()) for _, read in cut]
    if not any(pairs):
        raise TooFewGroups("a reader needs scans of both sides to tell apart")
    areas = [
        roc_auc_score(truth[read], said[read]) if count else 0.0
        for (_, read), count in zip(cut, pairs, strict=True)
    ]
    return float(np.average(areas, weights=pairs))


def told_apart(
    synthetic: Features,
    synthetic_groups: Groups,
    sources: Features,
    source_groups: Groups,
    target: Features,
    target_groups: Groups,
) -> ToldApart:
    """The test for synthetic scans, for their untranslated sources and for two halves of the real ones (all
    N×D).

    The sides are equally large, the mean of a few draws is taken, and draws are always the same.
    """

    def drawn(features: Features, groups: Groups) -> float:
        names, found = np.asarray(groups), []
        for draw in range(DRAWS):
            some = np.random.default_rng((SEED, 10, draw)).permutation(len(features))[: len(target)]
            found.append(auc(features[some], target, names[some], target_groups))
        return float(np.mean(found))

    names = np.asarray(target_groups)
    parts = halves(list(names), DRAWS, SEED)
    real = [auc(target[one], target[two], names[one], names[two]) for one, two in parts]
    return ToldApart(
        drawn(synthetic, synthetic_groups), drawn(sources, source_groups), float(np.mean(real)), len(target)
    )
