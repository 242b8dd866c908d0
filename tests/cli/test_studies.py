"""bus status and bus report."""

import shutil


def test_status_says_what_is_there(finished, run_bus):
    code, text = run_bus("status", "--study", finished)
    assert code == 0
    assert "translator to malignant (seed 0, demo): trained, 8 pairs" in text
    assert "30, scored" in text
    assert "cells of cyclegan: 1 trained" in text


def test_the_report_is_written_again_without_training(commands, finished, tmp_path, run_bus, monkeypatch):
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
    assert "Nothing to do" in run_bus(*commands[2], "--study", path)[1]
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
