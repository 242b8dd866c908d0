"""The yardstick: logistic regression on what a frozen ImageNet network sees, which a retrained network should beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .. import files
from ..classify import metrics
from ..compute import Compute
from ..data.study import Study
from ..errors import BusError
from ..gan.checks import READER_C
from ..gan.features import features, lite0
from .run import write_answers

NAME = "yardstick"
MEANING = (
    "logistic regression on frozen EfficientNet-Lite0 features (ImageNet), fitted to the fold’s own training part; its "
    "224 px input is enlarged or reduced from the study’s squares of {} px"
)


@dataclass(frozen=True)
class Place:
    """Answers on disk that stand in tables like a cell's."""

    arm: str
    model: str
    fold: int
    seed: int
    path: Path


def yardsticks(study: Study, folds: Sequence[int], compute: Compute) -> list[Place]:
    """Fit the yardstick on every fold's training part and write its answers on the test part; fast once features exist."""
    seen = _features(study, compute)
    found = []
    for fold in folds:
        place = Place("original", NAME, fold, 0, study.fold_path(fold) / NAME)
        train, test = study.train(fold), study.test(fold)
        reader = make_pipeline(StandardScaler(), LogisticRegression(C=READER_C, class_weight="balanced", max_iter=2000))
        reader.fit(seen[train], study.labels[train])
        chances = np.zeros((len(test), len(study.classes)))
        chances[:, reader.classes_] = reader.predict_proba(seen[test])
        write_answers(place.path / "predictions.csv", study, fold, chances)
        files.write_json(place.path / "metrics.json", metrics.scores(study.labels[test], chances, study.classes.index(study.target)))
        found.append(place)
    return found


def _features(study: Study, compute: Compute) -> NDArray[np.float32]:
    """Features of all scans of the study (N×1280), computed once and kept in it; those outside the cohort stay 0."""
    place, used = study.path / NAME / "features.npy", study.used()
    key = {"pixels": study.pixels_sha256(used)}
    about = place.with_suffix(".json")
    found = np.zeros((len(study.scans), 1280), np.float32)
    if place.exists() and about.exists() and files.read_json(about) == key:
        try:
            return np.asarray(np.load(place, allow_pickle=False).reshape(found.shape), np.float32)
        except (ValueError, OSError) as error:
            raise BusError(f"{place} is damaged ({error}). Delete it and run the same command again.") from error
    found[used] = features(study.pixels[used], lite0(compute.device))
    with files.writing(place) as temporary, temporary.open("wb") as handle:
        np.save(handle, found)
    files.write_json(about, key)
    return found
