"""The commands as a user runs them: the whole way on a tiny study, again, and with every kind of wrong option."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bus.cli import main


def run(capsys, *arguments):
    """Run a command in this process; returns exit code and everything it printed."""
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out = capsys.readouterr()
    return code, " ".join((out.out + out.err).split())


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
    ["benchmark", "--preset", "demo", "--models", "simplecnn", "--arms", "original,oversampled,cyclegan", "--jobs", "1"],
)


@pytest.fixture
def tree(finished):
    def snapshot():
        return {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}

    return snapshot


def test_the_three_commands_end_with_a_report(finished):
    report = finished / "report"
    page = (report / "index.html").read_text()
    assert "phantom" in page
    assert "SimpleCNN" in page
    assert (report / "report.md").exists()
    with (report / "results.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["arm"] for row in rows] == ["original", "oversampled", "cyclegan"]
    scores = json.loads((finished / "fold-0/synth/seed-0/malignant/scores.json").read_text())
    assert scores["n"]["synthetic"] == 30
    assert scores["extractor"]["name"] in ("efficientnet-lite0", "inception")
    assert not list(finished.rglob("*.part"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_the_same_again_does_nothing_and_says_so(finished, tree, capsys, command):
    before = tree()
    code, text = run(capsys, *command, "--study", finished)
    assert (code, tree()) == (0, before)
    assert "Nothing to do" in text


def test_status_says_what_is_there(finished, capsys):
    code, text = run(capsys, "status", "--study", finished)
    assert code == 0
    assert "translator to malignant (seed 0, demo): trained, 8 pairs" in text
    assert "30, scored" in text
    assert "cells of cyclegan: 1 trained" in text


def test_predictions_are_those_of_the_test_part(finished):
    from bus.data.study import Study

    study = Study.open(finished)
    for place in finished.glob("fold-0/cells/*/*/*/predictions.csv"):
        with place.open() as handle:
            rows = list(csv.DictReader(handle))
        assert [row["sha256"] for row in rows] == [study.scans[row].sha256 for row in study.test(0)]
        assert all(sum(float(row[f"p_{name}"]) for name in study.classes) == pytest.approx(1, abs=1e-6) for row in rows)


def test_a_dry_run_trains_nothing(finished, tree, capsys):
    before = tree()
    code, text = run(capsys, "benchmark", "--study", finished, "--fold", "1", "--dry-run", "--preset", "demo", "--models", "simplecnn")
    assert (code, tree()) == (0, before)
    assert "4 to train" in text
    assert "a translator first" in text
    code, text = run(capsys, "gan", "train", "--study", finished, "--fold", "2", "--preset", "demo", "--dry-run")
    assert (code, tree()) == (0, before)
    assert "400 pairs in 100 steps" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gan", "train", "--data", "nowhere"], 2, "made from other scans"),
        (["gan", "train", "--preset", "fast"], 2, "demo, quick, standard, paper"),
        (["gan", "train", "--fold", "9"], 2, "choose among 0, 1, 2"),
        (["gan", "train", "--size", "64"], 2, "the study has 32"),
        (["gan", "train", "--precision", "float8"], 2, "auto, float32, bfloat16"),
        (["gan", "train", "--device", "tpu"], 2, "auto, cpu, cuda, mps"),
        (["gan", "train", "--preset", "demo", "--pairs", "12"], 2, "pairs 8 there, 12 asked"),
        (["benchmark", "--fold", "none"], 2, "needs test scans"),
        (["benchmark", "--arms", "smote"], 2, "smote is unknown; choose among original"),
        (["benchmark", "--models", "vit"], 2, "choose among simplecnn, vgg19, resnet18"),
        (["benchmark", "--init", "imagenet"], 2, "SimpleCNN has no ImageNet weights"),
        (["benchmark", "--seeds", "0"], 2, "--seeds"),
        (["synth", "--n", "none"], 2, "--n"),
        (["synth", "--fold", "1"], 1, "Run bus gan train"),
        (["synth", "--n", "31", "--fid-weights", "nowhere.pth", "--extractor", "inception"], 2, "nowhere.pth"),
        (["fly"], 2, "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_get_a_sentence(finished, tree, capsys, arguments, code, words):
    before = tree()
    study = [] if arguments == ["fly"] else ["--study", finished]
    found, text = run(capsys, *arguments, *study)
    assert found == code
    assert words in text
    assert "Traceback" not in text
    assert tree() == before


def test_synth_without_a_study_says_what_to_run_first(tmp_path, capsys):
    code, text = run(capsys, "synth", "--study", tmp_path / "none")
    assert code == 1
    assert "Run bus gan train first" in text


@pytest.mark.parametrize("arguments", [[], ["gan", "train"], ["synth"], ["benchmark"], ["predict"], ["status"], ["demo"], ["data", "phantom"]], ids=lambda value: " ".join(value) or "bus")
def test_help_answers_without_torch(arguments):
    code = "import sys; from bus.cli import main\ntry: main(sys.argv[1:])\nfinally: assert 'torch' not in sys.modules"
    environment = {**os.environ, "COLUMNS": "120", "TERM": "dumb"}
    done = subprocess.run([sys.executable, "-c", code, *arguments, "--help"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Usage: bus" in done.stdout


def test_python_m_bus_is_the_command():
    done = subprocess.run([sys.executable, "-m", "bus", "--version"], capture_output=True, text=True, cwd=Path.home())
    assert done.stdout.startswith("bus-balance ")


def test_a_data_set_is_checked_before_a_study(tmp_path, capsys):
    code, text = run(capsys, "data", "phantom", tmp_path / "cohort", "--n", 60, "--size", 64)
    assert code == 0
    assert "60 phantoms" in text
    page = tmp_path / "page.html"
    code, text = run(capsys, "data", "check", tmp_path / "cohort", "--k", 3, "--page", page)
    assert code == 0, text
    assert "60 scans" in text
    assert "Content-Security-Policy" in page.read_text()
    (tmp_path / "cohort" / "benign" / "benign (1).png").write_bytes(b"no picture")
    code, text = run(capsys, "data", "check", tmp_path / "cohort", "--k", 3, "--page", page)
    assert code == 1
    assert "benign (1).png" in text


def test_two_folders_are_compared(finished, capsys):
    folder = finished / "fold-0/synth/seed-0/malignant"
    code, text = run(capsys, "gan", "score", folder, folder, "--size", 32, "--extractor", "efficientnet-lite0")
    assert code == 0
    assert "30 against 30 scans, judged by efficientnet-lite0" in text
    assert "FD (EfficientNet-Lite0): 0.00" in text
    assert "precision: 1.000" in text
    empty = finished.parent / "empty"
    empty.mkdir()
    code, text = run(capsys, "gan", "score", empty, folder, "--extractor", "efficientnet-lite0")
    assert code == 1
    assert "holds no pictures" in text
