"""The external test in the report."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from bus.benchmark import external
from bus.benchmark.arms import Arm
from bus.benchmark.cells import cells_of
from bus.benchmark.report.external import collapse_flag
from bus.benchmark.request import Request
from bus.benchmark.results.external_test import external_result
from bus.data.study import Study


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


def short_cells(study, *kinds):
    wish = Request((0,), tuple(map(Arm, kinds)), ("simplecnn",), preset="demo")
    return [replace(cell, recipe=replace(cell.recipe, steps=1)) for cell in cells_of(study, wish)]


@pytest.mark.parametrize(
    ("shares", "words"),
    [((0.1, 0.8, 0.1), "answers malignant"), ((0.8, 0.1, 0.1), "answers another kind of lesion"), (None, "")],
)
def test_a_model_that_collapses_on_scans_from_elsewhere_is_flagged(study, elsewhere, shares, words):
    found = external.read(str(elsewhere), study)
    (cell,) = short_cells(study, "original")
    chances = (
        np.random.default_rng(0).dirichlet([1, 1, 1], len(found.rows))
        if shares is None
        else np.tile(shares, (len(found.rows), 1))
    )
    cell.write_external(found.answered(study.classes, chances))
    (row,) = external_result(found, study, [cell]).rows
    flag = collapse_flag(row, "malignant")
    assert flag.startswith(f"collapsed in 1 of 1: {words}") if words else not flag
