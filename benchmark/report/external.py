"""The section on an external test: what every arm scores on scans from elsewhere."""

from ..results import wording
from ..results.external_test import ExternalResult, ExternalRow
from ..results.model import Measured
from .model import (
    Block,
    Cells,
    Column,
    Heads,
    Paragraph,
    RowGroup,
    Section,
    Table,
    TableCell,
    number,
    row,
    table,
)
from .numbers import percent
from .terms import title

SHOWN = {  # key → heading
    "target_auc": "AUC",
    "target_recall": "sensitivity",
    "specificity": "specificity",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "sensitivity_at_90_specificity": "sensitivity at 90 % specificity",
}


def external_section(result: ExternalResult, target: str) -> Section:
    """What was tested, the differences of the arms, and each arm's numbers."""
    words = [
        f"{result.scans} scans of {result.name} ({result.targets} {target}, the others "
        f"{', '.join(result.others)}) in {result.groups} groups ({result.group_source}), none of "
        f"which looks like a scan of this study. Question: {target} or {' or '.join(result.others)}? A "
        "model’s probabilities of these classes are scaled to add up to 1; what it gives to other classes is "
        "left aside."
    ]
    if result.left_out:
        said = ", ".join(f"{count} {name}" for name, count in result.left_out.items())
        words.append(f"Left out, since the question is not about them: {said}.")
    if result.alike:
        words.append(
            f"Left out, since they or others of their groups look like scans of this study: {result.alike}."
        )
    words.append(
        "Averaged over cells; 95 % intervals by a bootstrap over groups: for other patients, with these very "
        "trainings."
    )
    if result.unused:
        words.append(f"{result.unused} cells are left out, where not all arms have the same folds and seeds.")
    blocks: list[Block] = [Paragraph(" ".join(words))]
    if result.contrasts:
        columns: Heads = ["model", "difference", "in", Column("points (95 % interval)", "points")]
        rows: list[Cells] = [
            [
                title(contrast.model),
                f"{contrast.first} −\u00a0{contrast.second}",
                SHOWN[contrast.metric],
                TableCell(wording.points(contrast.interval.estimate), wording.ends(contrast.interval)),
            ]
            for contrast in result.contrasts
        ]
        blocks.append(table("Differences in the external test", columns, rows))
    return Section("external", "External test", [*blocks, _rows(result, target)])


def _rows(result: ExternalResult, target: str) -> Table:
    groups = []
    for model in dict.fromkeys(shown.model for shown in result.rows):
        rows = [
            row(
                TableCell(str(shown.arm), collapsed=collapse_flag(shown, target)),
                *(_cell(shown.metrics[key]) for key in SHOWN),
            )
            for shown in result.rows
            if shown.model == model
        ]
        groups.append(RowGroup(rows, title(model)))
    return Table("External test", [Column("arm"), *map(number, SHOWN.values())], groups, "model")


def collapse_flag(shown: ExternalRow, target: str) -> str:
    """A warning where cells gave 90 % or more of their answers on the external scans to one class; else
    ""."""
    if not shown.collapsed:
        return ""
    name = target if shown.collapsed_to_target else "another kind of lesion"
    return f"collapsed in {shown.collapsed} of {shown.cells}: answers {name} nearly always"


def _cell(measured: Measured) -> TableCell:
    known = measured.low is not None
    return TableCell(
        percent(measured.value), f"{percent(measured.low)}–{percent(measured.high)}" if known else ""
    )
