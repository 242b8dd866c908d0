"""The commands as a user runs them: the whole way on a tiny study, again, and with wrong options."""

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from bus.cli.app import main


def test_the_three_commands_end_with_a_report(finished):
    report = finished / "report" / "1"
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


@pytest.mark.parametrize("number", range(3))
def test_the_same_again_does_nothing_and_says_so(finished, commands, tree, run_bus, number):
    before = tree()
    code, text = run_bus(*commands[number], "--study", finished)
    assert (code, tree()) == (0, before)
    assert "Nothing to do" in text


def test_predictions_are_those_of_the_test_part(finished):
    from bus.data.study import Study

    study = Study.open(finished)
    for place in finished.glob("fold-0/cells/*/*/*/predictions.csv"):
        with place.open() as handle:
            rows = list(csv.DictReader(handle))
        assert [row["sha256"] for row in rows] == [study.scans[row].sha256 for row in study.test(0)]
        assert all(
            sum(float(row[f"p_{name}"]) for name in study.classes) == pytest.approx(1, abs=1e-6)
            for row in rows
        )


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
        (["gan", "train", "--from-size", "16", "--set", "from_size=8"], 2, "from_size"),
        (["benchmark", "--fold", "none"], 2, "needs test scans"),
        (["benchmark", "--arms", "smote"], 2, "smote is unknown; choose among original"),
        (["benchmark", "--models", "vit"], 2, "choose among simplecnn, vgg19, resnet18"),
        (["benchmark", "--models", "resnet43"], 2, "Did you mean resnet"),
        (["benchmark", "--models", "help"], 0, "resnet34 21.8"),
        (["benchmark", "--init", "imagenet"], 2, "SimpleCNN has no ImageNet weights"),
        (["benchmark", "--seeds", "0"], 2, "--seeds"),
        (["benchmark", "--dose", "0"], 2, "expected numbers above 0"),
        (["benchmark", "--balance", "cyst"], 2, "cyst is unknown; choose among benign"),
        (["benchmark", "--set", "lerning_rate=1"], 2, "Did you mean learning_rate?"),
        (["benchmark", "--plan", "ablation-3"], 2, "Did you mean ablation-"),
        (["benchmark", "--arms", "cyclegan:cyst"], 2, "the classes are benign, malignant, normal"),
        (
            ["benchmark", "--plan", "ablation-1", "--models", "resnet18", "--dose", "1"],
            2,
            "--dose, --models does not go with --plan",
        ),
        (
            ["benchmark", "--plan", "ablation-1", "--executor", "slurm"],
            2,
            "--executor does not go with --plan: each run of a plan is a benchmark of its own",
        ),
        (["benchmark", "--plan", "ablation-1", "--preset", "demo"], 2, "--preset does not go with --plan"),
        (["benchmark", "--inflation", "--models", "vgg19"], 2, "--inflation compares original and cyclegan"),
        (
            ["benchmark", "--inflation", "--arms", "original,weighted"],
            2,
            "--inflation compares original and cyclegan",
        ),
        (["benchmark", "--arms", "cyclegan:malignant"], 2, "adds nothing"),
        (
            ["benchmark", "--plan", "ablation-1", "--set", "batch=4", "--json"],
            2,
            "--set, --json does not go with --plan",
        ),
        (
            ["benchmark", "--plan", "ablation-1", "--keep-weights", "--inflation"],
            2,
            "--keep-weights, --inflation does not go",
        ),
        (["benchmark", "--dry-run", "--json"], 2, "--json does not go with --dry-run"),
        (["benchmark", "--arms", "original", "--dose", "0.5"], 2, "--dose does nothing here"),
        (
            ["benchmark", "--arms", "original,weighted", "--balance", "normal"],
            2,
            "--balance does nothing here",
        ),
        (
            ["benchmark", "--set", "schedule=step", "--set", "warm_up=0.2"],
            2,
            "does nothing: only the schedule cosine warms up. Add --set schedule=cosine",
        ),
        (["synth", "--n", "none"], 2, "--n"),
        (["synth", "--fold", "1"], 1, "Run bus gan train"),
        (
            ["synth", "--n", "31", "--fid-weights", "nowhere.pth", "--extractor", "inception"],
            2,
            "nowhere.pth",
        ),
        (["fly"], 2, "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_get_a_sentence(finished, tree, run_bus, arguments, code, words):
    before = tree()
    study = [] if arguments == ["fly"] else ["--study", finished]
    found, text = run_bus(*arguments, *study)
    assert found == code
    assert words in text
    assert "Traceback" not in text
    assert tree() == before


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [[], ["gan", "train"], ["synth"], ["benchmark"], ["predict"], ["status"], ["demo"], ["data", "phantom"]],
    ids=lambda value: " ".join(value) or "bus",
)
def test_help_answers_without_torch(arguments):
    code = (
        "import sys; from bus.cli import main\ntry: main(sys.argv[1:])\nfinally: assert 'torch' not in "
        "sys.modules"
    )
    environment = {**os.environ, "COLUMNS": "120", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--help"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: bus" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("gan train --preset quik", "Did you mean quick?"),
        ("gan train --method detial", "Did you mean detail?"),
        ("gan train --set cylce=3", "Did you mean cycle?"),
        ("synth --extractor incption", "Did you mean inception?"),
        ("gan score --extractor incption", "Did you mean inception?"),
        ("benchmark --arms cyclgan", "Did you mean cyclegan?"),
        ("benchmark --models resnet81", "Did you mean resnet18?"),
        ("benchmark --device cdua", "Did you mean cuda?"),
        ("benchmark --set lerning_rate=1", "Did you mean learning_rate?"),
        ("benchmark --plan ablation-3", "Did you mean ablation-"),
        ("predict scans --model vgg91", "Did you mean vgg19?"),
        ("report", "There is no study in"),
    ],
)
def test_a_slip_is_answered_before_torch_is_imported_and_before_a_study_is_made(arguments, words, tmp_path):
    """Torch takes seconds to import and a study to read; nobody should wait for either to learn of a typo."""
    code = (
        "import sys; from bus.cli import main\ntry: main(sys.argv[1:])\nfinally: "
        "assert not {'torch', 'cv2', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments.split()], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode in (1, 2) and words in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_commands_end_with_the_one_that_comes_next(finished, run_bus, commands):
    where = f"--study '{finished}'"
    said = {
        " ".join(command): run_bus(*command, "--study", finished)[1].rpartition("Next: ")[2]
        for command in (*commands, ["status"], ["report"])
    }
    assert list(said.values()) == [
        f"bus synth {where}",
        f"bus benchmark {where} --preset demo",
        *[f"bus report {where} --open"] * 3,
    ]
    assert "Next" not in run_bus("status", "--quiet", "--study", finished)[1]


@pytest.mark.long
def test_commands_about_other_things_end_with_one_too(finished, run_bus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", lambda address: True)
    where, own, scans = f"--study '{finished}'", ["--study", finished], "내 scans/benign"
    demo = [*own, "--preset", "demo", "--dry-run"]
    for command, following in (
        (["data", "phantom", "내 scans", "--n", 80, "--size", 32], "bus data check '내 scans'"),
        (["data", "check", "내 scans"], "bus gan train --data '내 scans'"),
        (["predict", scans, *own], f"bus status {where}"),
        (["translate", scans, *own, "--to", "new"], f"bus status {where}"),
        (["report", "--open", *own], f"bus status {where}"),
        (["compare", finished], f"bus report {where} --open"),
        (["doctor"], "bus demo"),
        (["gan", "train", *demo, "--pairs", 8], "bus gan train"),
        (["benchmark", *demo, "--set", "batch=8"], "bus benchmark"),
    ):
        code, text = run_bus(*command)
        assert code == 0, text
        said = text.rpartition("Next: ")[2]
        if "--dry-run" in command:
            assert said.startswith(following) and "--dry-run" not in said
            given = {str(word) for word in command} - {"--dry-run"}
            assert set(shlex.split(said)) == {"bus", *given}
        else:
            assert said.startswith(following), text


def test_python_m_bus_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "bus", "--version"], capture_output=True, text=True, cwd=Path.home()
    )
    assert done.stdout.startswith("bus-balance ")


def answer(capsys, *arguments):
    """Run a command with --json: what stdout holds, JSON and nothing else, and what stderr says."""
    code = 0
    try:
        main([str(argument) for argument in (*arguments, "--json")])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out = capsys.readouterr()
    return code, json.loads(out.out) if out.out else None, out.err


JSON_KEYS = {  # a script relies on them: taking one away breaks it
    "status": {
        "study",
        "data",
        "cohort",
        "size",
        "k",
        "seed",
        "target",
        "inner",
        "banners",
        "classes",
        "groups",
        "translators",
        "synthetic",
        "cells",
        "report",
        "damaged",
    },
    "synth": {"study", "sets"},
    "benchmark": {
        "study",
        "report",
        "data",
        "cohort",
        "banners",
        "classes",
        "target",
        "folds",
        "seeds",
        "tested",
        "outcome",
        "verdicts",
        "contrasts",
        "arms",
        "notes",
    },
    "doctor": {
        "versions",
        "optional",
        "processor",
        "compute",
        "probe",
        "memory",
        "disk",
        "weights",
        "advice",
    },
}


def test_scripts_get_json_on_stdout_and_nothing_else(finished, tree, capsys, commands):
    before = tree()
    code, status, _ = answer(capsys, "status", "--study", finished)
    assert (code, set(status)) == (0, JSON_KEYS["status"])
    assert status["study"] == str(finished)
    assert [one["done"] for one in status["translators"]] == [1.0]
    assert [(one["scans"], one["scored"], one["fold"]) for one in status["synthetic"]] == [(30, True, 0)]
    assert {one["arm"]: one["trained"] for one in status["cells"]} == {
        "original": 1,
        "oversampled": 1,
        "cyclegan": 1,
    }
    code, synth, said = answer(capsys, *commands[1], "--study", finished)
    assert (code, set(synth)) == (0, JSON_KEYS["synth"])
    assert "Nothing to do" in said
    assert [(one["fold"], one["scans"], one["scores"]["n"]["synthetic"]) for one in synth["sets"]] == [
        (0, 30, 30)
    ]
    code, benchmark, said = answer(capsys, *commands[2], "--study", finished)
    assert (code, set(benchmark)) == (0, JSON_KEYS["benchmark"])
    assert "Nothing to do" in said
    assert Path(benchmark["report"]) == finished / "report/1/index.html"
    assert list(benchmark["verdicts"]) == ["simplecnn"]
    assert tree() == before


def test_the_doctor_answers_scripts(capsys, run_bus):
    code, found, _ = answer(capsys, "doctor")
    assert (code, set(found)) == (0, JSON_KEYS["doctor"])
    code, text = run_bus("doctor")
    assert code == 0
    assert all(name in text for name in ("Processor", "Precision", "Memory", "Disk", "Weights", "Versions"))


def test_a_failure_leaves_stdout_empty(tmp_path, capsys):
    code, found, said = answer(capsys, "status", "--study", tmp_path / "없음")
    assert (code, found) == (1, None)
    assert "없음" in said


@pytest.mark.long
def test_two_folders_and_a_data_set_answer_scripts(finished, tmp_path, capsys, run_bus):
    folder = finished / "fold-0/synth/seed-0/malignant"
    code, found, _ = answer(
        capsys, "gan", "score", folder, folder, "--size", 32, "--extractor", "efficientnet-lite0"
    )
    assert code == 0
    assert set(found) == {
        "extractor",
        "n",
        "kid",
        "frechet",
        "precision",
        "recall",
        "density",
        "coverage",
        "notes",
    }
    run_bus("data", "phantom", tmp_path / "my 자료", "--n", 60, "--size", 64)
    code, found, said = answer(
        capsys, "data", "check", tmp_path / "my 자료", "--k", 3, "--page", tmp_path / "쪽.html"
    )
    assert (code, found["scans"], found["sound"]) == (0, 60, True)
    assert found["page"] == str(tmp_path / "쪽.html")
    assert {"classes", "probes", "leak", "inflation", "duplicates", "contradictions", "cautions"} <= set(
        found
    )
    assert "Page:" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["benchmark", "--arms", "cycelgan"],
        ["benchmark", "--models", "vgg"],
        ["benchmark", "--cohort", "cleen"],
        ["benchmark", "--preset", "quik"],
        ["benchmark", "--extractor", "lite0"],
        ["gan", "train", "--preset", "quik"],
        ["gan", "train", "--cohort", "cleen"],
    ],
    ids=" ".join,
)
def test_a_wrong_name_is_refused_before_scans_are_read(arguments, tmp_path, run_bus, monkeypatch):
    monkeypatch.setattr(
        "bus.data.creation.read_phantoms", lambda *given, **named: pytest.fail("scans were read")
    )
    code, text = run_bus(*arguments, "--study", tmp_path / "new")
    assert (code, "choose" in text) == (2, True)
    assert not (tmp_path / "new").exists()


def test_quiet_says_results_and_errors_only(finished, run_bus, commands):
    code, text = run_bus("--quiet", *commands[0], "--study", finished)
    assert code == 0
    assert text.startswith("Nothing to do: the translator in") and "Note:" not in text
    after = run_bus(*commands[0], "--quiet", "--study", finished)
    assert after == (code, text)  # before or after the command
    said = json.loads(run_bus("status", "-q", "--json", "--study", finished)[1])
    assert said == json.loads(run_bus("status", "--json", "--quiet", "--study", finished)[1])
    code, text = run_bus("-q", "benchmark", "--arms", "smote", "--study", finished)
    assert (code, "smote is unknown" in text) == (2, True)
    assert "Note:" in run_bus(*commands[0], "--study", finished)[1]  # the next command speaks again


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["benchmark", "--arms", "original,cyclgan"], "Did you mean cyclegan?"),
        (["benchmark", "--models", "resnet-18"], "Did you mean resnet18?"),
        (["benchmark", "--preset", "standart"], "Did you mean standard?"),
        (["gan", "train", "--preset", "quik"], "Did you mean quick?"),
        (["gan", "train", "--set", "cycel=3"], "Did you mean cycle?"),
        (["gan", "train", "--method", "publisched"], "Did you mean published?"),
        (["benchmrk"], "Did you mean 'benchmark'?"),
        (["gan", "trian"], "Did you mean 'train'?"),
        (["benchmark", "--sedes", "3"], "--seeds"),
        (["synth", "--fidweights", "x"], "--fid-weights"),
        (["synth", "--extractor", "incepton"], "Did you mean inception?"),
        (["synth", "--to", "malignent"], "Did you mean malignant?"),
        (["gan", "train", "--to", "malignent"], "Did you mean malignant?"),
        (["gan", "train", "--from", "normal,begnin"], "Did you mean benign?"),
        (["benchmark", "--arms", "cyclegan:nromal"], "Did you mean normal?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_slips_are_met_with_what_was_meant(finished, tree, run_bus, arguments, words):
    before = tree()
    study = ["--study", finished] if len(arguments) > 2 else []
    code, text = run_bus(*arguments, *study)
    assert (code, tree()) == (2, before)
    assert words in text


def test_a_class_that_does_not_exist_is_met_with_the_nearest(tmp_path, run_bus):
    run_bus("data", "phantom", tmp_path / "cohort", "--n", 30, "--size", 32)
    code, text = run_bus(
        "gan", "train", "--study", tmp_path / "s", "--data", tmp_path / "cohort", "--target", "malignent"
    )
    assert code == 2
    assert "Did you mean malignant?" in text


def test_finished_studies_are_compared(finished, run_bus):
    code, text = run_bus("compare", finished)
    assert code == 0, text
    assert "SimpleCNN" in text and "%" in text


@pytest.mark.long
def test_what_a_finished_study_does_not_need_is_not_imported():
    """Torchvision and scikit-learn together take longer to import than torch."""
    code = (
        "import sys, bus.benchmark.pipeline, bus.gan.scoring\n"
        "print({'torchvision', 'sklearn', 'matplotlib', 'torch_fidelity'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_help_is_grouped_and_every_command_shows_an_example(run_bus):
    from bus.cli.app import app
    from typer.main import get_command

    commands = get_command(app).commands
    assert {command.rich_help_panel for command in commands.values()} == {"The main job", "Data", "Look"}
    for name, command in commands.items():
        for leaf in getattr(command, "commands", {name: command}).values():
            assert leaf.epilog and leaf.epilog.startswith("Example: bus "), leaf.name
            assert any("--quiet" in option.opts for option in leaf.params), leaf.name
            flags = [option for option in leaf.params if getattr(option, "is_flag", False)]
            assert not [flag.name for flag in flags if flag.metavar != "" and flag.name != "help"], leaf.name
    text = run_bus("--help")[1]
    assert text.index("The main job") < text.index(" Data ") < text.index(" Look ")
    assert text.index(" gan ") < text.index(" synth ") < text.index(" benchmark ")
    assert "0 done" in text and "130 stopped" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(shell):
    def complete(line):
        words = {
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split()) - 1),
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "_BUS_COMPLETE": f"complete_{shell}",
        }
        return subprocess.run(
            [sys.executable, "-m", "bus"], capture_output=True, text=True, env={**os.environ, **words}
        ).stdout

    assert "benchmark" in complete("bus bench")
    assert "--gan-seed" in complete("bus gan train --gan")
