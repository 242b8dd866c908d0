"""The surest wrong answers."""

from typing import Any

from bus.benchmark.arms import Arm
from bus.benchmark.report.errors import errors_section, worst_errors
from bus.benchmark.report.model import Heading, Paragraph
from bus.core.files import read_csv


def test_the_worst_errors_are_the_surest_wrong_answers(parsed: Any, full: Any) -> None:
    study, arm = full.study, Arm("cyclegan")
    expected = sorted(
        (-max(float(row[f"p_{name}"]) for name in study.classes), row["file"])
        for cell in full.cells
        if (cell.arm, cell.model) == (arm, "resnet18")
        for row in read_csv(cell.path / "predictions.csv")
        if row["predicted"] != row["label"]
    )
    worst, total = worst_errors(study, full.cells, arm, "resnet18")
    assert total == len(expected) > 0
    assert [error.file for error in worst] == [file for _, file in expected[: len(worst)]]
    assert all(error.file in parsed(full.html).text for error in worst)


def test_an_arm_that_a_model_lacks_is_not_said_to_be_without_errors(full: Any) -> None:
    cells = [cell for cell in full.cells if (cell.arm, cell.model) != (Arm("cyclegan"), "resnet18")]
    blocks = errors_section(full.study, full.summary, cells).blocks
    at = blocks.index(Heading("ResNet18"))
    assert blocks[at + 1] == Paragraph("No training of the arm cyclegan is finished.", "absent")
    assert sum(isinstance(block, Heading) and "wrong answers" in str(block) for block in blocks) == (
        len(full.summary.models) - 1
    )
