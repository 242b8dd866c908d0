"""What would be done, and for how long."""

import pytest


@pytest.mark.long
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
