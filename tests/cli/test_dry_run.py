"""What would be done, and for how long."""

import shutil

import pytest
from bus.cli.app import main


@pytest.fixture(scope="module")
def finished(tiny_study, tmp_path_factory):
    """A study after the three commands; folder with a space and Korean letters in its name."""
    path = tmp_path_factory.mktemp("cli") / "내 study"
    shutil.copytree(tiny_study, path)
    for command in COMMANDS:
        with pytest.raises(SystemExit) as stop:
            main([*command, "--study", str(path)])
        assert stop.value.code == 0
    return path


COMMANDS = (
    ["gan", "train", "--preset", "demo", "--pairs", "8"],
    ["synth", "--n", "30"],
    [
        "benchmark",
        "--preset",
        "demo",
        "--models",
        "simplecnn",
        "--arms",
        "original,oversampled,cyclegan",
        "--jobs",
        "1",
    ],
)


def test_a_dry_run_trains_nothing(finished, tree, run_bus):
    before = tree()
    code, text = run_bus(
        "benchmark",
        "--study",
        finished,
        "--fold",
        "1",
        "--dry-run",
        "--preset",
        "demo",
        "--models",
        "simplecnn",
    )
    assert (code, tree()) == (0, before)
    assert "4 to train" in text
    assert "a translator first" in text
    code, text = run_bus("gan", "train", "--study", finished, "--dry-run")
    assert code == 0 and "Nothing to do" in text
    code, text = run_bus("gan", "train", "--study", finished, "--fold", "2", "--preset", "demo", "--dry-run")
    assert (code, tree()) == (0, before)
    assert "400 pairs in 100 steps" in text
