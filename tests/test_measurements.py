"""The measurements of tests/speed run and mean what they say; here they are tiny, so no time is looked at."""

import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from bus.benchmark.arms import TRANSLATED, Arm, chosen
from bus.benchmark.cell import Cell
from bus.benchmark.cells import cells_of
from bus.benchmark.request import Request
from bus.benchmark.yardstick import yardsticks
from bus.core import files
from bus.core.compute import resolve
from bus.core.errors import BusError
from bus.data.phantom import write_cohort
from bus.data.study import Study
from bus.gan.scores.features import choose_extractor
from bus.gan.scores.handmade import handmade
from bus.gan.scores.model import Counts, Kin, Looker, Measured, Opinion, Scores, ToldApart

SPEED = Path(__file__).parent / "speed"


def measure(script: str, folder: Path, rows: str) -> str:
    command = [sys.executable, str(SPEED / script), "--tiny", "--rows", rows, "--out", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_row_is_measured_written_and_shown(tmp_path: Path) -> None:
    text = measure("run.py", tmp_path, "distances")
    row = json.loads((tmp_path / "speed.json").read_text())["rows"]["distances"]
    assert row["ours"] > 0 and row["machine"]["tiny"] and row["ratio"] == row["other"] / row["ours"]
    assert "TINY" in text and (tmp_path / "speed.svg").read_text().count("<svg") == 1


@pytest.mark.slow
def test_rows_of_the_table_are_kept(tmp_path: Path) -> None:
    measure("run.py", tmp_path, "gan,classify-simplecnn")
    text = measure("run.py", tmp_path, "distances")
    found = json.loads((tmp_path / "speed.json").read_text())["rows"]
    assert list(found) == ["gan", "gan-default", "classify-simplecnn", "distances"]
    for row in found.values():
        assert row["ours"] > 0 and row["machine"]["tiny"]
        assert row["ratio"] == (row["other"] / row["ours"] if row["other"] else None)
        assert (row["flops"] > 0) == (row["limit"] is not None) == (row["name"] != "distances")
    assert set(found["gan-default"]["parts"]) == {"generators", "frozen network", "discriminators", "updates"}
    table = (tmp_path / "speed.md").read_text()
    assert table.count("TINY, means nothing") == len(found) and "TINY" in text
    assert (tmp_path / "speed.svg").read_text().count("<svg") == 1


@pytest.mark.slow
def test_every_row_is_measured(tmp_path: Path) -> None:
    measure("run.py", tmp_path, "all")
    found = json.loads((tmp_path / "speed.json").read_text())["rows"]
    assert len(found) == 14 and all(row["ours"] > 0 for row in found.values())
    measure("growth.py", tmp_path, "cells")


@pytest.mark.slow
def test_a_step_counts_the_same_operations_with_one_thread_and_two(tmp_path: Path) -> None:
    counted = []
    for threads in ("1", "2"):
        command = [
            sys.executable,
            str(SPEED / "run.py"),
            "--tiny",
            "--rows",
            "gan",
            "--threads",
            threads,
            "--out",
            str(tmp_path / threads),
        ]
        subprocess.run(command, capture_output=True, check=True)
        counted.append(
            [
                row["flops"]
                for row in json.loads((tmp_path / threads / "speed.json").read_text())["rows"].values()
            ]
        )
    assert counted[0] == counted[1]


@pytest.mark.slow
@pytest.mark.parametrize("row", ["scans", "detected", "check", "side"])
def test_growth_is_measured_point_by_point(tmp_path: Path, row: str) -> None:
    measure("growth.py", tmp_path, row)
    points = json.loads((tmp_path / "growth.json").read_text())[row]
    assert len(points) == 2 and all(
        point["seconds"] > 0 and point["parent"] > 50 for point in points.values()
    )
    assert (tmp_path / "growth.svg").exists()


@pytest.mark.slow
def test_very_many_scans_are_made_a_study_whose_copies_are_found(tmp_path: Path) -> None:
    command = [sys.executable, str(SPEED / "many.py"), "--scans", "150", "--copies", "3", "--size", "32"]
    subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, check=True)
    found = files.read_json(tmp_path / "many.json")
    assert all(found[part]["seconds"] > 0 and found[part]["MB"] > 30 for part in ("create", "open", "status"))
    assert found["create"]["steps"]["groups"]["seconds"] > 0
    recall = found["copies"]["recall"]
    assert recall["identical"] == recall["mirrored"] == recall["JPEG 92"] == 1
    assert found["copies"]["false pairs"] <= 1


@pytest.mark.slow
def test_bytes_and_files_of_a_study_are_foreseen(tmp_path: Path) -> None:
    command = [sys.executable, str(SPEED / "scale.py"), "--tiny", "--size", "32", "--pairs", "40"]
    subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, check=True)
    found = files.read_json(tmp_path / "scale.json")
    for kind in ("bytes", "files"):
        foreseen, measured = found["check"]["all"][kind]
        assert 0.8 <= foreseen / measured <= 1.25, found["check"]
    far = found["far"]
    pieces = {name: part["pieces"] for name, part in far["parts"].items()}
    assert far["scans"] == 1_000 and pieces["trainings"] == 4 * pieces["translators"] == 60


@pytest.mark.slow
def test_copies_are_counted_by_kind_for_simulated_scans_and_for_listed_ones(tmp_path: Path) -> None:
    from bus.data import phantom

    phantom.write_cohort(tmp_path / "cohort", 12, size=96)
    command = [sys.executable, str(SPEED / "copies.py"), "--phantoms", "12", "--copies", "4"]
    command += ["--kinds", "identical;mirrored;rotated 5°", "--out", str(tmp_path)]
    command += ["--data", str(tmp_path / "cohort"), "--groups", str(tmp_path / "cohort" / "labels.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = files.read_json(tmp_path / "copies.json")
    assert list(found) == ["phantoms", "BUSI"]
    for rows in found.values():
        assert list(rows) == ["no copies", "identical", "mirrored", "rotated 5°"]
        assert rows["identical"]["recall"] == 1 and 0 <= rows["mirrored"]["recall"] <= 1
        assert rows["identical"]["pairs"] >= 4


def test_every_name_that_a_measurement_takes_from_the_package_is_there() -> None:
    """They are run by hand and not typed, so that what moves would leave them behind."""
    missing = []
    for script in sorted(SPEED.glob("*.py")):
        tree = ast.parse(script.read_text())
        modules = {}
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("bus."):
                continue
            for name in node.names:
                origin = importlib.import_module(str(node.module))
                if not hasattr(origin, name.name) and not find_spec(f"{node.module}.{name.name}"):
                    missing.append(f"{script.name}: {node.module}.{name.name}")
                    continue
                value = getattr(origin, name.name, None)
                if value is None or isinstance(value, ModuleType):
                    modules[name.asname or name.name] = importlib.import_module(f"{node.module}.{name.name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = modules.get(node.value.id)
                if module is not None and not hasattr(module, node.attr):
                    missing.append(f"{script.name}, line {node.lineno}: {node.value.id}.{node.attr}")
    assert missing == []


def test_without_a_card_its_table_says_so(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    done = subprocess.run(
        [sys.executable, str(SPEED / "gpu.py"), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Not run" in done.stdout and files.read_json(tmp_path / "gpu.json") == {"run": False}


@pytest.mark.slow
def test_all_rows_of_a_card_run_on_a_processor(tmp_path: Path) -> None:
    """As far as that goes: no graphs; the numbers mean nothing, but what must be equal is."""
    command = [sys.executable, str(SPEED / "gpu.py"), "--device", "cpu", "--tiny", "--minutes", "60"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False)
    found = {row["name"]: row for row in json.loads((tmp_path / "gpu.json").read_text())["rows"]}
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [row for row in found.values() if row["value"].startswith("failed")]
    assert all(found[name]["met"] for name in ("translator step", "resnet18 step", "resume", "jobs"))
    assert "pairs in" in found["quality, 256 px, 180 s"]["value"]


@pytest.mark.slow
def test_a_classifier_is_held_against_the_yardstick_in_our_way_and_a_users(tmp_path: Path) -> None:
    """A second each: that it runs and what it writes; the numbers mean nothing."""
    scans = write_cohort(tmp_path / "scans", 90, size=64)
    command = [sys.executable, str(SPEED / "quality.py"), "--data", str(scans), "--model", "simplecnn"]
    rest = ["--size", "32", "--minutes", "0.01,0.02", "--folds", "0", "--out", str(tmp_path)]
    done = subprocess.run([*command, *rest], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "quality-classifier.json").read_text())
    aim, _ = found.pop("yardstick"), found.pop("seal")
    assert {name.split(", ")[2] for name in found} == {"ours", "usual loop"}
    for way in ("ours", "usual loop"):  # rising minutes, to the first that reaches the yardstick
        rows = [row for name, row in found.items() if way in name]
        assert all(row["macro_f1"] < aim for row in rows[:-1]) and (
            len(rows) == 2 or rows[-1]["macro_f1"] >= aim
        )


def test_strict_scores_are_strict_by_every_judge_but_the_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SPEED))
    quality = importlib.import_module("quality")

    def scores(kin: Kin, kid: float, auc: float) -> Scores:
        opinion = Opinion("a judge", kin, Measured(kid), ToldApart(auc, 0.86, 0.5))
        return Scores(extractor=Looker("a judge", "FD"), n=Counts(500, 300, 150), judges=(opinion,))

    assert quality.falls_short(scores(Kin.UNLEARNED, 0.14, 0.64), 64) == []
    assert quality.falls_short(scores(Kin.TEACHER, 2.0, 1.0), 64) == []
    assert quality.falls_short(scores(Kin.FAMILY, 0.2, 0.66), 64) == [
        "KID 0.20 by a judge",
        "two-sample AUC 0.66 by a judge",
    ]
    assert quality.falls_short(scores(Kin.FAMILY, 0.2, 0.66), 128) == []
    assert quality.falls_short(scores(Kin.FAMILY, 0.0, 0.5), 32)


def test_arms_are_held_against_each_other_by_a_model_without_chance(
    tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_study, tmp_path / "study")
    monkeypatch.syspath_prepend(str(SPEED))
    frozen = importlib.import_module("frozen")
    study, eyes = Study.open(tmp_path / "study"), frozen.Eyes(choose_extractor("efficientnet-lite0"))
    cells = cells_of(study, Request(folds=(0,), arms=chosen(frozen.ARMS), models=("simplecnn",)))
    said = {
        cell.arm.kind: frozen.answers(study, cell, eyes, 0.0, frozen.READER_C)
        for cell in cells
        if cell.arm.kind not in TRANSLATED
    }
    mark = yardsticks(study, [0], resolve())[0].answers(study.classes).probabilities
    assert np.abs(said["weighted"] - mark).max() < 1e-3  # the yardstick is fitted so
    target = study.classes.index(study.target)
    assert (np.argsort(said["adjusted"][:, target]) == np.argsort(said["original"][:, target])).all()
    assert said["oversampled"][:, target].mean() > said["original"][:, target].mean()

    # an added scan's label may be shared with the class that it was made from
    pasted = next(cell for cell in cells if cell.arm.kind == "pasted")
    shared = frozen.answers(study, pasted, eyes, 0.5, frozen.READER_C)
    assert shared[:, target].mean() < said["pasted"][:, target].mean()

    # features that no network learned, of a scan without its bars
    unlearned, row = frozen.Eyes(None), study.train(0)[0]
    box = frozen.lit(study.pixels[row])
    assert box == study.scans[row].box
    assert (unlearned.see(study.pixels[[row]]) == handmade(study.pixels[[row]], [box])).all()

    # the table, and what it needs
    command = ["frozen.py", "--study", str(tmp_path / "study"), "--fold", "0,1", "--arms"]
    monkeypatch.setattr(sys, "argv", [*command, "original,oversampled"])
    frozen.main()
    rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| `original`", "| `oversampled`"]
    assert rows[2].count("(") == 3 and "(" not in rows[3]
    monkeypatch.setattr(sys, "argv", [*command, "original"])
    with pytest.raises(SystemExit):
        frozen.main()
    assert "--against oversampled is none of the arms: original" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*command, "oversampled,cyclegan"])
    with pytest.raises(BusError, match="Run bus gan train and bus synth"):
        frozen.main()


def test_a_network_is_held_against_another_study_and_the_yardstick(
    finished_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(SPEED))
    versus = importlib.import_module("versus")
    other = tmp_path / "other"
    shutil.copytree(finished_study, other)
    (mark,) = yardsticks(Study.open(other), [0], resolve())
    score = f"{100 * mark.scores['macro_f1']:.1f}"

    def said(*command: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["versus.py", str(finished_study), *command, "--model", "simplecnn"])
        versus.main()
        return capsys.readouterr().out.splitlines()

    counted, _, *_, own, same, again, scans = said(str(other))
    assert counted.startswith("Folds: 1; seeds: 1;") and own.split(" | ")[1:] == same.split(" | ")[1:]
    assert "–" in again and scans.count("0.0 (0.0 to 0.0)") == 3  # one training tells nothing of others
    *_, own, linear, _, scans = said()
    assert linear.split(" | ")[1] == score and scans.split(" | ")[1] != "0.0 (0.0 to 0.0)"
    with pytest.raises(SystemExit, match="share no finished fold"):
        said(str(other), "--arm", "oversampled")

    # what cannot be paired is refused
    given = versus.finished(Study.open(other), Arm("original"), "simplecnn")
    (own,) = given.values()
    with monkeypatch.context() as patch:
        sides = [given, {place: replace(own, scans=own.scans[::-1]) for place in given}]
        patch.setattr(versus, "finished", lambda *_: sides.pop())
        with pytest.raises(SystemExit, match="test different scans in fold 0"):
            said(str(other))
    again = replace(own.cell, seed=1, recipe=replace(own.cell.recipe, batch=1))
    monkeypatch.setattr(
        versus, "finished_folders", lambda _: [("original", own.cell.path), ("original", again.path)]
    )
    shutil.copytree(own.cell.path, again.path)
    monkeypatch.setattr(Cell, "open", lambda path: again if path == again.path else own.cell)
    with pytest.raises(SystemExit, match="have 2 recipes, where one is needed"):
        said(str(other))
