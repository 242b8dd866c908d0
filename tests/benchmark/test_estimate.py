"""How long trainings will take."""

from dataclasses import replace

import pytest
from bus.benchmark import estimate
from bus.benchmark.arms import Arm
from bus.benchmark.cells import cells_of
from bus.benchmark.request import Request


def test_an_estimate_counts_every_part_of_a_cell(study):
    pace = estimate.Pace(10.0, step=1.0, recalibration=0.5, predict=0.01, heat=0.02, range=(0.5, 2.0))
    tested, watched = len(study.test(0)), len(study.test(1))
    wish = Request((0,), (Arm("original"),), ("simplecnn", "resnet18"), preset="demo")
    cells = cells_of(study, wish)
    one = 10 + 60 + 4 * 0.5 + tested * (2 * 0.01 + 0.02)
    paces = {(model, 16, 0): pace for model in wish.models}
    time = estimate.outlook(study, cells, paces, jobs=1)
    assert [cell.recipe.steps for cell in cells] == [60, 150]
    assert time.usual == pytest.approx(2 * one + 90 + estimate.START)
    assert (time.usual - time.quick, time.slow - time.usual) == pytest.approx((210 * 0.5, 210 * 1.0))
    assert estimate.outlook(study, [], paces, jobs=1) == estimate.Outlook()
    watching = replace(
        cells[0], recipe=replace(cells[0].recipe, schedule="plateau", validation=True, epoch=20)
    )
    assert pace.seconds(study, watching) == pytest.approx(one + 3 * watched * 0.01)
    assert (
        estimate.wall_seconds([one, one], 2)
        == pytest.approx(one + estimate.START)
        == estimate.wall_seconds([one], 4)
    )
    assert estimate.wall_seconds([], 2) == 0
    assert estimate.wall_seconds([1, 1, 8], 2) == pytest.approx(8 + estimate.START)
    measured = estimate.measure(study, cells[0])
    parts = (measured.build, measured.recalibration, measured.heat)
    assert all(seconds >= 0 for seconds in parts) and measured.step > 0 < measured.predict
    assert 0 < measured.range[0] <= measured.step <= measured.range[1]
