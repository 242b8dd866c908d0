"""The cohort's section: counts are the study's, everybody left out is named, a violated check stands out."""

from typing import Any

import pytest
from bus.benchmark.audit import Check
from bus.benchmark.report.cohort import audit_section, cohort_section
from bus.benchmark.report.model import Flag, Paragraph, Table, walk


@pytest.fixture(scope="module")
def made(answers_alone: Any) -> Any:
    return answers_alone


def tables(section: Any) -> dict[str, Table]:
    return {block.label: block for block in walk(section.blocks) if isinstance(block, Table)}


def test_counts_of_folds_and_classes_add_up_to_the_study(made: Any) -> None:
    counted = tables(cohort_section(made.study, []))["Scans and groups per class and fold"]
    rows = [[int(cell.text) for cell in line.cells[1:]] for line in counted.groups[0].rows]
    foot = [int(cell.text) for cell in counted.foot.cells[1:]]
    assert [sum(column) for column in zip(*rows, strict=True)] == foot
    assert all(sum(line[:-1]) == line[-1] for line in [*rows, foot])
    assert foot == [*(len(made.study.test(fold)) for fold in made.study.folds), len(made.study.used())]


def test_every_scan_left_out_is_named(made: Any) -> None:
    out = sorted(scan.file for scan in made.study.scans if scan.fold is None)
    named = tables(cohort_section(made.study, []))["Scans left out"].groups[0].rows
    assert sorted(line.cells[0].text for line in named) == out and len(out) == 3


def test_shortcuts_that_were_not_measured_are_said_so(made: Any) -> None:
    said = [b.text for b in walk(cohort_section(made.study, []).blocks) if isinstance(b, Paragraph)]
    assert any(str(text).startswith("Not measured") for text in said)


def test_a_violated_check_is_flagged_and_a_missing_audit_is_said_to_be_missing() -> None:
    shown = tables(audit_section([Check("holds", 5, True), Check("leaks", 2, False)]))["Leak audit"]
    outcomes = [line.cells[-1].text for line in shown.groups[0].rows]
    assert outcomes == ["holds", Flag("violated")]
    assert not tables(audit_section(None)) and not tables(audit_section([]))


def test_a_check_of_all_folds_and_translators_is_one_row_that_names_them() -> None:
    """Fifteen translators' worth of the same sentence would hide the one that is violated."""
    same = [Check("same", 10, True, fold=fold, gan_seed=seed, exact=9) for seed in (1, 0) for fold in (0, 1)]
    split = [Check("split", 7, True, fold=fold) for fold in (0, 1)]
    odd = Check("same", 10, False, fold=2, gan_seed=0)
    shown = tables(audit_section([*split, *same, odd, Check("alike", 2, True)]))["Leak audit"]
    assert [[cell.text for cell in line.cells] for line in shown.groups[0].rows] == [
        ["split", "0, 1", "", "14", "holds"],
        ["same", "0, 1", "0, 1", "40", "holds, 36 bit for bit"],
        ["same", "2", "0", "10", Flag("violated")],
        ["alike", "", "", "2", "holds"],
    ]
