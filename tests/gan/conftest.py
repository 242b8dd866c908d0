"""A study with a translator, for the tests of what is made with it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from bus.core.compute import Compute
from bus.data.study import Study
from bus.gan import train
from bus.gan.config import configure


@pytest.fixture(scope="module")
def study(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study whose fold 0 has a tiny finished translator to malignant; each module has its own."""
    path, cpu = tmp_path_factory.mktemp("translator") / "study", Compute("cpu", "float32", 1)
    shutil.copytree(tiny_study, path)
    study = Study.open(path)
    config = configure(
        study, cpu, fold=0, target="malignant", seed=0, preset="demo", pairs=8, method="published"
    )
    train.train(study, replace(config, channels=4, blocks=1), cpu)
    return study
