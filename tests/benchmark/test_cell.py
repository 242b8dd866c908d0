"""A cell, the owner of its folder: when it is done, and what an older one holds."""

from dataclasses import replace

import numpy as np
import pytest
from bus.benchmark import run
from bus.benchmark.arms import Arm
from bus.benchmark.cell import HEAT, WEIGHTS, Cell, Effort, ExternalAnswers, external_file
from bus.benchmark.cells import cells_of
from bus.benchmark.request import Request
from bus.classify.recipe import Recipe
from bus.core import files

ORIGINAL, CYCLEGAN = (Request((0,), arms=(Arm(kind),)) for kind in ("original", "cyclegan"))


def test_random_numbers_depend_on_the_fold_and_older_cells_are_told_apart(study):
    """Nothing is drawn alike in two folds; fold 0 draws and is called as before."""
    zero, one = cells_of(study, Request((0, 1), (Arm("original"),), ("simplecnn",)))
    assert zero.draw == zero.seed and one.draw != zero.draw
    assert "drawn_from" not in zero.config and one.config["drawn_from"] == 1
    before = replace(one, drawn_from=0)
    assert "drawn_from" not in before.config and before.path != one.path, "not mixed up with the new one"
    for cell in (zero, one, before):
        files.write_json(cell.path / "config.json", cell.config)
        files.write_json(cell.path / "DONE", {"config": files.sha256_json(cell.config)})
        assert replace(Cell.open(cell.path), root=cell.root) == cell


def test_a_cell_is_done_only_with_its_own_configuration_and_answers(edit_manifest, study):
    wish = replace(CYCLEGAN, models=("simplecnn",), preset="demo")
    cell = replace(cells_of(study, wish)[0])
    quick = replace(cell, recipe=replace(cell.recipe, steps=1))
    assert quick.path != cell.path
    run.run_cell(study.path, quick, 1, keep_weights=False)
    assert quick.is_done
    assert not (quick.path / WEIGHTS).exists()
    assert not cell.is_done
    heat = np.load(quick.path / HEAT)
    assert heat.shape == (len(study.test(0)), 4, 4)
    assert heat.reshape(len(heat), -1).max(1).tolist().count(255) > len(heat) / 2
    first = {
        path.name: path.read_bytes() for path in quick.path.iterdir() if path.name != "metrics.json"
    }  # holds seconds
    run.run_cell(study.path, quick, 1, keep_weights=False)
    assert first == {
        path.name: path.read_bytes() for path in quick.path.iterdir() if path.name != "metrics.json"
    }
    np.save(quick.path / HEAT, heat[::-1])
    assert not quick.is_done, "heat that was changed"
    (quick.path / HEAT).unlink()
    assert not quick.is_done and quick.lost == ["heat.npy"], "DONE names heat"
    done = files.read_json(quick.path / "DONE")
    files.write_json(quick.path / "DONE", {key: done[key] for key in done if key != "heat"})
    assert quick.is_done, "as cells are that were trained before heat was kept"
    (quick.path / "predictions.csv").write_text("edited")
    assert not quick.is_done
    edit_manifest(study, lambda row: row.update(sha256="0" * 64))
    assert cells_of(study, wish)[0].path != cell.path, "other synthetic scans make another cell"


def test_a_table_on_scans_from_elsewhere_counts_as_its_training_wrote_it(study):
    """Neither another set nor another training lets one count that was changed, or that others gave."""
    cell = replace(cells_of(study, replace(ORIGINAL, models=("simplecnn",)))[0])
    shares = np.full((len(study.test(0)), 3), 1 / 3)
    first, second, third = (
        ExternalAnswers(name * 64, [("a.png", "0", "benign", "g")], study.classes, shares[:1])
        for name in "abc"
    )
    cell.write(study, shares, None, Effort(1.0, 1), external=first)
    cell.add_external(second)
    assert cell.has_external(first.sha256) and cell.has_external(second.sha256)
    path = cell.path / external_file(first.sha256)
    whole = path.read_text()
    path.write_text(whole.replace("0.3", "0.4"))
    cell.add_external(third)
    assert not cell.has_external(first.sha256), "changed since it was written"
    assert cell.has_external(second.sha256) and cell.has_external(third.sha256)
    cell.add_external(first)
    assert path.read_text() == whole and cell.has_external(first.sha256)

    path.write_text(whole.replace("0.3", "0.4"))
    cell.write(study, shares, None, Effort(1.0, 1), external=third)
    assert not path.exists() and cell.has_external(second.sha256), "the same answers: the same network"
    cell.write(study, shares[:, ::-1] * [0.9, 1, 1.1], None, Effort(1.0, 1), external=first)
    assert [path.name for path in cell.path.glob("external-*")] == [external_file(first.sha256)]
    assert cell.has_external(first.sha256) and cell.is_done


def test_a_training_from_before_switches_went_counts_unless_it_used_one(study):
    cell = cells_of(study, ORIGINAL)[0]
    recorded = cell.config["recipe"]
    assert Recipe.from_json(recorded) == cell.recipe and recorded["synthetic"] == "mixed"
    with pytest.raises(ValueError, match="synthetic = first is no longer known"):
        Recipe.from_json({**recorded, "synthetic": "first"})
