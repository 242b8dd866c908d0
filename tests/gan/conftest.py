"""A study with a translator, for the tests of what is made with it, and one of scans with bars."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.core.compute import Compute
from bus.data.study import Study, open_or_create
from bus.gan import train
from bus.gan.config import configure
from bus.gan.manifest import SyntheticSet
from bus.gan.request import Judge
from bus.gan.scoring import score_again
from bus.gan.synth import make_scans
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)


def train_tiny(study: Study) -> None:
    """A finished translator of fold 0 to malignant, of two steps."""
    asked = {"fold": 0, "target": "malignant", "seed": 0, "preset": "demo", "method": "published"}
    train.train(study, replace(configure(study, CPU, **asked, pairs=8), channels=4, blocks=1), CPU)


@pytest.fixture(scope="session")
def trained_study(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study with a tiny finished translator; read only."""
    path = tmp_path_factory.mktemp("translator") / "study"
    shutil.copytree(tiny_study, path)
    train_tiny(Study.open(path))
    return path


@pytest.fixture(scope="module")
def study(trained_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study whose fold 0 has a tiny finished translator to malignant; each module has its own."""
    path = tmp_path_factory.mktemp("module") / "study"
    shutil.copytree(trained_study, path)
    return Study.open(path)


@pytest.fixture(scope="module")
def scans(study: Study) -> SyntheticSet:
    """Synthetic scans that were scored on two splits and then on three."""
    translator = Translator(study, 0, "malignant", 0)
    make_scans(translator, CPU, Judge("efficientnet-lite0", splits=2), count=12)
    score_again(translator.scans, CPU, Judge("efficientnet-lite0", splits=3))
    return translator.scans


@pytest.fixture(scope="session")
def barred(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of bright scans of 80×60 px, with bars above and below, and a tiny finished translator."""
    folder, rng = tmp_path_factory.mktemp("barred"), np.random.default_rng(0)
    for name in ("benign", "malignant", "normal"):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(9):
            coarse = rng.integers(60, 256, (6, 8), dtype=np.uint8)
            path = folder / "data" / name / f"{name} ({number + 1}).png"
            cv2.imwrite(str(path), cv2.resize(coarse, (80, 60)))
    study = open_or_create(folder / "study", {"data": str(folder / "data"), "size": 32, "k": 3})
    train_tiny(study)
    return study
