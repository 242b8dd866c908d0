"""The yardstick: logistic regression on what a frozen ImageNet network sees, for retrained ones to beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..classify import metrics
from ..core.compute import Compute, at_hand
from ..data.study import Study
from ..gan.reader import real_features
from ..gan.scores.checks import READER_C
from .arms import ORIGINAL, Arm
from .cell import Answered

NAME = "yardstick"
MEANING = (
    "logistic regression on frozen EfficientNet-Lite0 features (ImageNet), fitted to the fold’s own training "
    "part; its 224 px input is enlarged or reduced from the study’s squares of {} px"
)


@dataclass(frozen=True)
class Yardstick(Answered):
    """The yardstick's answers in one fold; they stand in tables like a cell's."""

    fold: int
    root: Path  # the study's folder of this fold
    arm: Arm = ORIGINAL
    model: str = NAME
    seed: int = 0

    @property
    def path(self) -> Path:
        """The folder of its answers."""
        return self.root / NAME


def yardsticks(study: Study, folds: Sequence[int], compute: Compute) -> list[Yardstick]:
    """Fit the yardstick on every fold's training part and write its answers on the test part.

    Fast once the features exist.
    """
    seen = real_features(study, at_hand(compute.device))
    fitted = []
    for fold in folds:
        yardstick = Yardstick(fold, study.fold_path(fold))
        train, test = study.train(fold), study.test(fold)
        reader = make_pipeline(
            StandardScaler(), LogisticRegression(C=READER_C, class_weight="balanced", max_iter=2000)
        )
        reader.fit(seen[train], study.labels[train])
        chances = np.zeros((len(test), len(study.classes)))
        chances[:, reader.classes_] = reader.predict_proba(seen[test])
        yardstick.write_answers(study, chances)
        target = study.classes.index(study.target)
        yardstick.write_scores(metrics.scores(study.labels[test], chances, target))
        fitted.append(yardstick)
    return fitted
