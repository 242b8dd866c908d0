"""BUSI, read once for all tests of the data."""

from pathlib import Path

import pytest
from bus.data.study import Study, open_or_create


@pytest.fixture(scope="session")
def busi_study(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of BUSI at 32 px with the default choices; read only."""
    return open_or_create(
        tmp_path_factory.mktemp("busi") / "study", {"data": str(datasets / "busi"), "size": 32}
    )
