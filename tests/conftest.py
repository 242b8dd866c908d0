"""Shared fixtures: hypothesis without chance, the real scans where they lie beside the checkout."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("bus", derandomize=True, database=None, deadline=None)
settings.load_profile("bus")


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder with the real scans of development (`../shared/datasets`); the test is skipped without it."""
    for parent in Path(__file__).resolve().parents:
        folder = parent.parent / "shared" / "datasets"
        if (folder / "busi").is_dir():
            return folder
    pytest.skip("no real scans beside the checkout (../shared/datasets)")


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 60 phantoms at 32 px in three folds; read only, copy it to change it."""
    from bus.data.study import open_or_create

    path = tmp_path_factory.mktemp("tiny") / "study"
    open_or_create(path, {"size": 32, "k": 3}, phantoms=60)
    return path
