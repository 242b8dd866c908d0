"""The external test: what all networks say of scans from elsewhere."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from bus.benchmark import external
from bus.benchmark.arms import Arm
from bus.benchmark.cells import cells_of
from bus.benchmark.request import Request
from bus.benchmark.results.external_test import external_result
from bus.benchmark.results.model import MEAN
from bus.classify import metrics
from bus.data.study import Study


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


def short_cells(study, *kinds, models=("simplecnn",)):
    wish = Request((0,), tuple(map(Arm, kinds)), models, preset="demo")
    return [replace(cell, recipe=replace(cell.recipe, steps=1)) for cell in cells_of(study, wish)]


def test_numbers_are_those_of_the_plain_metrics(study, elsewhere):
    """Sensitivity, specificity and AUC of the table against the answers by hand; gain is the paired
    difference."""
    found = external.read(str(elsewhere), study)
    cells = short_cells(study, "original", "oversampled")
    cells[1] = replace(cells[1], arm=Arm("cyclegan"))
    labels = np.array([row["label"] == "malignant" for row in found.rows]).astype(int)
    rng = np.random.default_rng(0)
    for cell in cells:
        chances = rng.dirichlet([1, 1, 1], len(labels))
        cell.write_external(found.answered(study.classes, chances))
    result = external_result(found, study, cells)
    for cell, row in zip(cells, result.rows, strict=True):
        two = external.answers(found, study, cell)
        assert np.allclose(two.sum(axis=1), 1)
        said = two[:, 1] > two[:, 0]
        assert row.metrics["target_recall"].value == pytest.approx(said[labels == 1].mean())
        assert row.metrics["specificity"].value == pytest.approx(1 - said[labels == 0].mean())
        assert row.metrics["target_auc"].value == pytest.approx(metrics.target_auc(labels, two, 1))
        assert (
            row.metrics["target_auc"].low <= row.metrics["target_auc"].value <= row.metrics["target_auc"].high
        )
    assert [f"{row.first} − {row.second}" for row in result.contrasts] == ["cyclegan − original"] * 2


def test_an_unfinished_arm_takes_no_place_from_the_others(study, elsewhere):
    found = external.read(str(elsewhere), study)
    cells = [
        replace(cell, seed=seed) for cell in short_cells(study, "original", "relabelled") for seed in (0, 1)
    ][:3]
    for cell in cells:
        cell.write_external(found.answered(study.classes, np.full((len(found.rows), 3), 1 / 3)))
    assert [str(row.arm) for row in external_result(found, study, cells).rows] == ["original"]


def test_the_mean_is_of_seeds_that_all_networks_have(study, elsewhere):
    """As where a training failed: other seeds of each network would be compared with each other."""
    found = external.read(str(elsewhere), study)
    once = short_cells(study, "original", "oversampled", models=("simplecnn", "resnet18"))
    once = [replace(cell, arm=Arm("cyclegan")) if cell.arm.kind == "oversampled" else cell for cell in once]
    twice = [replace(cell, seed=1) for cell in once]
    rng = np.random.default_rng(0)
    for cell in [*once, *twice]:
        chances = rng.dirichlet([1, 1, 1], len(found.rows))
        cell.write_external(found.answered(study.classes, chances))

    def of_mean(cells):
        made = external_result(found, study, cells).contrasts
        return [(row.first, row.metric, row.interval) for row in made if row.model == MEAN]

    alone, whole = of_mean(once), of_mean([*once, *twice])
    assert len(alone) == 2 and alone != whole
    assert of_mean([*once, *(cell for cell in twice if cell.model == "resnet18")]) == alone
    apart = [cell for cell in once if cell.model == "simplecnn"]
    assert of_mean([*apart, *(cell for cell in twice if cell.model == "resnet18")]) == []
