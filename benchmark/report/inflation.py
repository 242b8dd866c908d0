"""The section on what a split per image would have claimed."""

from ..results import wording
from ..results.model import GAIN, PRIMARY, Contrast, Interval, Summary
from .model import (
    Block,
    Cells,
    Column,
    Paragraph,
    RowGroup,
    Section,
    Strong,
    Table,
    TableCell,
    number,
    row,
    table,
)
from .numbers import percent
from .terms import METRICS, results_of, title

SHOWN = ("accuracy", PRIMARY, "target_auc")


def inflation_section(true: Summary, claimed: Summary) -> Section:
    """Accuracy, macro-F1 and AUC under a split per image beside the study's own, and the gain under both."""
    warning = (
        " The columns “per image” come from a split in which scans of one patient or scene stand on both "
        f"sides, and from a translator that saw them ({claimed.scans} test scans, one fold, one seed). They "
        "only show what such a split would have claimed here. The true figures "
        f"({true.scans} test scans, by group) stand beside them."
    )
    rows: list[Cells] = [
        [title(model), _claimed(claimed.contrast(GAIN, model)), _true(true.contrast(GAIN, model))]
        for model in claimed.models
    ]
    gains = table(
        "Gain under both splits",
        [
            "model",
            Column("gain per image, points of macro-F1 (95 %, other scans)", "points"),
            Column("true gain (95 %, as in the verdict)", "points"),
        ],
        rows,
        "narrow",
    )
    blocks: list[Block] = [
        Paragraph([Strong("Not a result."), warning], "banner"),
        _table(true, claimed),
        gains,
    ]
    return Section("inflation", "What a split per image would have claimed", blocks)


def _claimed(contrast: Contrast | None) -> TableCell:
    return _interval(contrast.interval) if contrast else TableCell("–")


def _true(contrast: Contrast | None) -> TableCell:
    """With the interval that decides, where it can be known."""
    return _interval(contrast.deciding) if contrast else TableCell("–")


def _interval(interval: Interval) -> TableCell:
    return TableCell(wording.points(interval.estimate), wording.ends(interval))


def _table(true: Summary, claimed: Summary) -> Table:
    own = {(result.model, result.arm): result.metrics for result in true.table}
    groups = []
    for model in claimed.models:
        rows = []
        for result in results_of(claimed, model):
            actual = own.get((model, result.arm), {})
            flag = "answers one class nearly always" if result.collapsed else ""
            shares = (percent(metrics.get(key)) for key in SHOWN for metrics in (result.metrics, actual))
            rows.append(row(TableCell(str(result.arm), collapsed=flag), *shares))
        groups.append(RowGroup(rows, title(model)))
    names = [f"{METRICS[key]}, {split}" for key in SHOWN for split in ("per image", "true")]
    label = "What a split per image would have claimed"
    return Table(label, [Column("arm"), *map(number, names)], groups, "model")
