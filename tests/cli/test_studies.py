"""bus status and bus report."""

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


def test_status_says_what_is_there(finished, run_bus):
    code, text = run_bus("status", "--study", finished)
    assert code == 0
    assert "translator to malignant (seed 0, demo): trained, 8 pairs" in text
    assert "30, scored" in text
    assert "cells of cyclegan: 1 trained" in text


def test_the_report_is_written_again_without_training(finished, tmp_path, run_bus, monkeypatch):
    path = tmp_path / "moved 연구"
    shutil.copytree(finished, path)
    report = path / "report"
    before = {file.name: file.read_bytes() for file in report.iterdir() if file.suffix == ".csv"}
    shutil.rmtree(report)
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)) or True)
    code, text = run_bus("report", "--open", "--study", path)
    assert code == 0, text
    assert "SimpleCNN: " in text
    assert opened == [(report / "index.html").resolve().as_uri()]
    assert {file.name: file.read_bytes() for file in report.iterdir() if file.suffix == ".csv"} == before
    assert "Nothing to do" in run_bus(*COMMANDS[2], "--study", path)[1]
    for done in path.glob("fold-0/cells/cyclegan/*/*/DONE"):
        done.unlink()
    code, text = run_bus("report", "--study", path)
    assert code == 0
    assert "2 of 3 cells are trained" in text
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    code, text = run_bus("report", "--open", "--study", path)
    assert code == 0 and "No browser could be started here" in " ".join(text.split())
    for done in path.glob("fold-0/cells/*/*/*/DONE"):
        done.unlink()
    code, text = run_bus("report", "--study", path)
    assert code == 1
    assert "None of the 3 cells" in text


def test_a_study_without_a_benchmark_has_no_report(tiny_study, run_bus):
    code, text = run_bus("report", "--study", tiny_study)
    assert code == 1
    assert "Run bus benchmark first" in text
