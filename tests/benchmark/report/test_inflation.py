"""A split per image beside the true one: each number in its own column, none of them called a result."""

from dataclasses import replace
from typing import Any

from bus.benchmark.report.inflation import inflation_section
from bus.benchmark.report.model import Paragraph, Table
from bus.benchmark.report.numbers import percent


def test_both_splits_stand_side_by_side(answers_alone: Any) -> None:
    true = answers_alone.summary
    flattered = [
        replace(result, metrics=dict.fromkeys(result.metrics, 0.99), collapsed=0) for result in true.table
    ]
    section = inflation_section(true, replace(true, table=flattered, scans=7))
    warning, scores, gains = section.blocks
    assert isinstance(warning, Paragraph) and warning.tone == "banner" and "7 test scans" in str(warning.text)
    assert isinstance(scores, Table) and isinstance(gains, Table)
    names = [column.name for column in scores.columns]
    accuracy = {(result.model, str(result.arm)): result.metrics["accuracy"] for result in true.table}
    for model, group in zip(true.models, scores.groups, strict=True):
        for line in group.rows:
            cells = dict(zip(names, (cell.text for cell in line.cells), strict=True))
            assert cells["accuracy, per image"] == "99.0"
            assert cells["accuracy, true"] == percent(accuracy[model, cells["arm"]])
    assert len(gains.groups[0].rows) == len(true.models)


def test_a_gain_that_could_not_be_measured_is_a_dash(answers_alone: Any) -> None:
    true = answers_alone.summary
    gains = inflation_section(true, replace(true, contrasts=[])).blocks[-1]
    assert isinstance(gains, Table)
    assert all(line.cells[1].text == "–" and line.cells[2].text != "–" for line in gains.groups[0].rows)
