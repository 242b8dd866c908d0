"""A study after the three commands, for the tests of what comes after them."""

import shutil

import pytest
from bus.cli.app import main

COMMANDS = [
    command.split()
    for command in (
        "gan train --preset demo --pairs 8",
        "synth --n 30 --extractor efficientnet-lite0",
        "benchmark --preset demo --models simplecnn --arms original,oversampled,cyclegan --jobs 1 "
        "--extractor efficientnet-lite0",
    )
]


@pytest.fixture(scope="session")
def commands():
    """What was typed to make it, without the study."""
    return COMMANDS


@pytest.fixture(scope="session")
def finished(tiny_study, tiny_trainings, tmp_path_factory):
    """A study after the three commands; folder with a space and Korean letters in its name."""
    path = tmp_path_factory.mktemp("cli") / "내 study"
    shutil.copytree(tiny_study, path)
    with pytest.MonkeyPatch.context() as patch:
        tiny_trainings(patch)
        for command in COMMANDS:
            with pytest.raises(SystemExit) as stop:
                main([*command, "--study", str(path)])
            assert stop.value.code == 0
    return path


@pytest.fixture(autouse=True)
def as_finished(few_steps):
    """Commands train as long as those of `finished`, so that they find its cells."""


@pytest.fixture
def tree(finished):
    def snapshot():
        return {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}

    return snapshot
