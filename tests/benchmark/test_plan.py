"""Plans and the leak audit: every leak is planted and refused by name."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from bus.benchmark import plan, run
from bus.compute import Compute
from bus.data.study import Study
from bus.errors import BusError, UsageError
from bus.gan import synth, train

CPU = Compute("cpu", "float32", 1)


@pytest.fixture(scope="module")
def prepared(tiny_study, tmp_path_factory):
    """A study with a tiny translator for folds 0 and 1 and enough synthetic scans."""
    path = tmp_path_factory.mktemp("plan") / "study"
    shutil.copytree(tiny_study, path)
    study = Study.open(path)
    for fold in (0, 1):
        config = train.configure(study, CPU, fold=fold, target="malignant", seed=0, preset="demo", pairs=4, method="published")
        train.train(study, replace(config, channels=4, blocks=1), CPU)
        count = plan.needed(study, fold, "malignant")
        synth.synthesise(study, CPU, fold=fold, target="malignant", gan_seed=0, count=count)
    return path


@pytest.fixture
def study(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "study")
    return Study.open(tmp_path / "study")


def edit_manifest(study, change):
    path = study.synth_path(0, "malignant", 0) / "manifest.csv"
    rows = list(csv.DictReader(path.open()))
    change(rows[0])
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_sound_fold_passes(study):
    checks = plan.audit(study, 0, 0, plan.DEFAULT_ARMS)
    assert all(check.ok and check.count for check in checks)
    assert len(checks) == 7


def test_a_group_on_both_sides_is_refused(study):
    row = study.test(0)[0]
    other = study.train(0)[0]
    study.groups[other] = study.groups[row]
    with pytest.raises(BusError, match="no group is in both"):
        plan.audit(study, 0, 0, ["original"])


def test_equal_pixels_on_both_sides_are_refused(study):
    row, other = study.test(0)[0], study.train(0)[0]
    study.scans[other] = replace(study.scans[other], sha256=study.scans[row].sha256)
    with pytest.raises(BusError, match="no test scan has the pixels"):
        plan.audit(study, 0, 0, ["original"])


def test_a_generator_of_another_fold_is_refused(study):
    shutil.rmtree(study.gan_path(0, "malignant", 0))
    shutil.copytree(study.gan_path(1, "malignant", 0), study.gan_path(0, "malignant", 0))
    with pytest.raises(BusError, match="comes from this fold's generator"):
        plan.audit(study, 0, 0, ["cyclegan"])
    shutil.rmtree(study.synth_path(0, "malignant", 0))
    shutil.copytree(study.synth_path(1, "malignant", 0), study.synth_path(0, "malignant", 0))
    with pytest.raises(BusError, match="was made for this fold"):
        plan.audit(study, 0, 0, ["cyclegan"])


def test_a_generator_that_saw_other_scans_is_refused(study):
    path = study.gan_path(0, "malignant", 0) / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "training_pixels": study.pixels_sha256(study.used())}))
    with pytest.raises(BusError, match="nothing else"):
        plan.audit(study, 0, 0, ["cyclegan"])


def test_a_source_of_the_test_part_is_refused(study):
    leaked = study.scans[study.test(0)[0]]
    edit_manifest(study, lambda row: row.update(source_sha256=leaked.sha256, source_group=leaked.group))
    with pytest.raises(BusError, match=r"every source is a training scan.*synthetic \(1\)\.png"):
        plan.audit(study, 0, 0, ["cyclegan"])


def test_a_changed_group_is_refused(study):
    edit_manifest(study, lambda row: row.update(source_group=study.groups[study.test(0)[0]]))
    with pytest.raises(BusError, match="with its group"):
        plan.audit(study, 0, 0, ["relabelled"])


def test_changed_pixels_are_refused(study):
    folder = study.synth_path(0, "malignant", 0)
    shutil.copy(folder / "synthetic (2).png", folder / "synthetic (1).png")
    with pytest.raises(BusError, match=r"synthetic \(1\)\.png is missing or not the scan"):
        plan.audit(study, 0, 0, ["cyclegan"])


def test_balancing_arms_reach_the_same_counts_and_share_what_they_share(study):
    wish = plan.Wish((0,), arms=tuple(plan.ARMS), models=("resnet18",), preset="demo")
    cells = {cell.arm: cell for cell in plan.cells(study, wish, CPU)}
    examples = {arm: run.examples(study, cell) for arm, cell in cells.items()}
    real = len(study.train(0))
    counts = {arm: [int((found.labels == number).sum()) for number in range(3)] for arm, found in examples.items()}
    assert counts["original"] == counts["weighted"]
    assert counts["oversampled"] == counts["cyclegan"] == counts["relabelled"]
    assert counts["cyclegan"][1] == counts["cyclegan"][0] == max(counts["original"])
    for found in examples.values():
        assert (found.pixels[:real] == examples["original"].pixels).all()
        assert found.keys[:real] == examples["original"].keys
    recipes = {replace(cell.recipe, weighted=False) for cell in cells.values()}
    assert len(recipes) == 1, "equal effort: one recipe for all arms"
    assert [arm for arm, cell in cells.items() if cell.recipe.weighted] == ["weighted"]
    untranslated = examples["relabelled"].pixels[real:]
    sources = {study.pixels[row].tobytes() for row in study.rows_of(study.train(0), ["benign", "normal"])}
    assert all(square.tobytes() in sources for square in untranslated)


def test_a_cell_is_done_only_with_its_own_configuration_and_answers(study):
    wish = plan.Wish((0,), arms=("cyclegan",), models=("simplecnn",), preset="demo")
    cell = replace(plan.cells(study, wish, CPU)[0])
    quick = replace(cell, recipe=replace(cell.recipe, steps=1))
    assert quick.path != cell.path
    run.run_cell(study.path, quick, 1, keep_weights=False)
    assert quick.is_done
    assert not (quick.path / run.WEIGHTS).exists()
    assert not cell.is_done
    heat = np.load(quick.path / plan.HEAT)
    assert heat.shape == (len(study.test(0)), 4, 4)
    assert heat.reshape(len(heat), -1).max(1).tolist().count(255) > len(heat) / 2
    first = {path.name: path.read_bytes() for path in quick.path.iterdir() if path.name != "metrics.json"}  # holds seconds
    run.run_cell(study.path, quick, 1, keep_weights=False)
    assert first == {path.name: path.read_bytes() for path in quick.path.iterdir() if path.name != "metrics.json"}
    np.save(quick.path / plan.HEAT, heat[::-1])
    assert not quick.is_done, "heat that was changed"
    (quick.path / plan.HEAT).unlink()
    assert quick.is_done, "as cells are that were trained before heat was kept"
    (quick.path / "predictions.csv").write_text("edited")
    assert not quick.is_done
    edit_manifest(study, lambda row: row.update(sha256="0" * 64))
    assert plan.cells(study, wish, CPU)[0].path != cell.path, "other synthetic scans make another cell"


def test_unknown_names_are_refused_with_the_known_ones(study):
    with pytest.raises(UsageError, match="vgg is unknown; choose among simplecnn"):
        plan.names("vgg,resnet18", ("simplecnn", "vgg19", "resnet18"), "--models")
    with pytest.raises(UsageError, match="0, 1, 2"):
        plan.fold_numbers("7", study)
    assert plan.fold_numbers("all", study) == [0, 1, 2]
    assert plan.fold_numbers("2,0", study) == [0, 2]
