"""The scans whose answers change, in the report."""

from typing import Any

from bus.benchmark.arms import Arm
from bus.benchmark.report.changes import changes_section
from bus.benchmark.report.model import Gallery, Table, walk
from bus.benchmark.results.changes import changes


def test_the_report_shows_the_scans_that_change_most(parsed: Any, full: Any) -> None:
    section = changes_section(full.study, full.summary, full.cells, {})
    answers = [cell.answers(full.study.classes) for cell in full.cells]
    found = changes(answers, Arm("cyclegan"), Arm("oversampled"))
    counts, *_ = (block for block in section.blocks if isinstance(block, Table))
    assert len(counts.groups[0].rows) == 2 * len(full.summary.models)  # against `oversampled` and `original`
    galleries = [block for block in walk(section.blocks) if isinstance(block, Gallery)]
    shown = [[str(exhibit.note).split("; ", 1)[1] for exhibit in one.exhibits] for one in galleries]
    expected = [[scan.file for scan in found.moved(way)[:6]] for way in (1, -1)]
    assert shown == [files for files in expected if files]
    assert any(expected)
    assert "Which scans change" in parsed(full.html).text


def test_one_arm_alone_changes_nothing(bare: Any) -> None:
    section = changes_section(bare.study, bare.summary, bare.cells, {})
    (said,) = section.blocks
    assert "nothing to compare" in str(said)
