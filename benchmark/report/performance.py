"""What every classifier scores in every arm: the table of results, curves, confusion matrices."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from ...data.study import Study
from ..arms import Arm
from ..results import wording
from ..results.model import PRIMARY, ArmResult, Measured, Summary, Way
from ..results.summary import below
from ..results.untouched import is_locked_away
from ..yardstick import MEANING
from . import figures
from .model import (
    Block,
    Cells,
    Column,
    Definitions,
    Figure,
    Fold,
    Heading,
    Heads,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Side,
    Table,
    TableCell,
    row,
    table,
)
from .numbers import decimal, percent
from .terms import CONTRASTS, MEANINGS, METRICS, WAYS, Flags, results_of, title, value

ZERO_METRICS = (PRIMARY, "target_auc")  # of the differences on fold 0 alone

ENOUGH = 100  # test scans, below which calibration says little
BELOW = "▽"  # beside an arm with less macro-F1 than the yardstick


def results_section(study: Study, summary: Summary, flags: Flags) -> Section:
    """The metrics of every arm of every model, on all tested folds and on fold 0 alone."""
    arms = [(str(arm), arm.meaning) for arm in summary.arms]
    if summary.yardstick:
        arms.insert(0, (BELOW, "below the yardstick in macro-F1"))
        arms.insert(0, ("yardstick", MEANING.format(study.settings.size)))
    blocks: list[Block] = [
        Paragraph(
            "On test scans only, in % (Brier score: 0 is best), with 95 % intervals. Target: "
            f"{summary.target}."
        ),
        _results(summary, flags),
        Fold("What the columns mean", [Definitions(list(MEANINGS.items()))]),
        *(Paragraph(wording.note(note), "note") for note in summary.notes),
        Definitions(arms),
    ]
    if further := _further(summary, flags):
        ways = Definitions([(way, WAYS[way]) for way in Way if any(way in r.further for r in summary.table)])
        words = "None of these enters a difference between arms, but for those named so."
        blocks.append(Fold("The same networks, asked otherwise", [ways, Paragraph(words, "note"), further]))
    if any(result.fold_zero is not None for result in summary.table):
        said = fold_zero(study)
        note = [Paragraph(said, "note")] if said else []
        blocks.append(Fold("Fold 0 alone", [*note, _fold_zero(summary, flags), *_zero_effects(summary)]))
    return Section("results", "Results", blocks)


def fold_zero(study: Study) -> str:
    """What the tested scans of fold 0 are to whoever chose the defaults of this program; "" where they are
    like
    any other."""
    settings = study.settings
    if settings.inner is not None:
        return (
            "Development data: defaults and recipes of bus were chosen on such scans, so look for a "
            "confirmation on the whole data."
        )
    tested = [study.scans[row] for row in study.test(0)] if 0 in study.folds else []
    if not is_locked_away((scan.sha256, scan.label) for scan in tested):
        return ""
    return (
        "Defaults and recipes of bus were chosen on fold 0’s training part only: none of these choices saw "
        "the test scans. What was chosen after looking at a benchmark of this study did."
    )


def _columns(*more: str) -> list[Column]:
    names = [Column(name, "number", whole=" " not in name) for name in METRICS.values()]
    return [Column("arm"), *names, *(Column(name, "number") for name in more)]


def _results(summary: Summary, flags: Flags) -> Table:
    constant, yardstick = summary.constant, summary.yardstick
    certain = [percent(1 if name == constant.label else 0) for name in summary.classes]
    first = [
        row(
            f"always “{constant.label}”",
            *(value(key, constant.metrics.get(key)) for key in METRICS),
            *certain,
            look="always",
        )
    ]
    if yardstick:
        first.append(row(TableCell("yardstick"), *_numbers(yardstick, summary), look="always"))
    low = below(summary.table, yardstick) if yardstick else []
    groups = [RowGroup(first)]
    for model in summary.models:
        rows = []
        for result in results_of(summary, model):
            flag = flags.get((result.arm, model), "")
            head = TableCell(str(result.arm), collapsed=flag, sign=BELOW * (result in low))
            rows.append(Row([head, *_numbers(result, summary)], "collapsed" if flag else ""))
        groups.append(RowGroup(rows, title(model)))
    columns = _columns(*(f"recall {name}" for name in summary.classes))
    return Table("Results per model and arm", columns, groups, "model", look="results")


def _numbers(result: ArmResult, summary: Summary) -> list[TableCell]:
    """The cells of one arm: every metric with its interval, then every class's recall."""
    cells = []
    for key in METRICS:
        ends = result.intervals.get(key)
        seeds = seed_range(result) if key == PRIMARY else ""
        cells.append(
            TableCell(
                value(key, result.metrics.get(key)),
                f"{value(key, ends[0])}–{value(key, ends[1])}" if ends else "",
                f"seeds {seeds}" if seeds else "",
            )
        )
    return [*cells, *(TableCell(percent(result.recall.get(name))) for name in summary.classes)]


def seed_range(result: ArmResult | None, metric: str = PRIMARY) -> str:
    """The lowest and the highest of its seeds in a metric, in %; "" for a single one, or none."""
    shares = [share for seed in result.per_seed if (share := seed[metric]) is not None] if result else []
    return f"{percent(min(shares))}–{percent(max(shares))}" if len(shares) > 1 else ""


def _further(summary: Summary, flags: Flags) -> Table | None:
    """A row for every other way to ask an arm's networks; None where there is none."""
    groups = []
    for model in summary.models:
        rows = [
            row(
                TableCell(str(result.arm), way, collapsed=flags.get((result.arm, model), "")),
                *(_measured(key, numbers.get(key)) for key in (*METRICS, "specificity")),
            )
            for result in results_of(summary, model)
            for way, numbers in result.further.items()
        ]
        groups += [RowGroup(rows, title(model))] if rows else []
    label = "Results of the same networks, asked otherwise"
    return Table(label, _columns("specificity"), groups, "model", look="results") if groups else None


def _measured(key: str, number: Measured | None) -> TableCell:
    if number is None or number.value is None:
        return TableCell("–")
    known = number.low is not None and number.high is not None
    return TableCell(value(key, number.value), f"{value(key, number.low)}–{value(key, number.high)}" * known)


def _fold_zero(summary: Summary, flags: Flags) -> Table:
    groups = []
    for model in summary.models:
        shown = [result for result in results_of(summary, model) if result.fold_zero is not None]
        rows = [
            row(
                TableCell(str(result.arm), collapsed=flags.get((result.arm, model), "")),
                *(value(key, (result.fold_zero or {}).get(key)) for key in METRICS),
            )
            for result in shown
        ]
        groups.append(RowGroup(rows, title(model)))
    return Table("Results on fold 0 alone", _columns(), groups, "model", look="results")


def _zero_effects(summary: Summary) -> list[Table]:
    """The differences of a claim on fold 0 alone, with their intervals for other scans."""
    rows: list[Cells] = []
    for contrast in summary.contrasts:
        zero = contrast.fold_zero
        if zero is not None and contrast.kind in CONTRASTS and contrast.metric in ZERO_METRICS:
            rows.append(
                [
                    title(contrast.model),
                    f"{contrast.first} −\u00a0{contrast.second}",
                    METRICS[contrast.metric],
                    TableCell(wording.points(zero.estimate), wording.ends(zero)),
                ]
            )
    columns: Heads = [
        "model",
        "contrast",
        "metric",
        Column("points (95 % interval for other scans)", "points"),
    ]
    return [table("Effects on fold 0 alone", columns, rows, "effects")] if rows else []


def curves_section(summary: Summary, flags: Flags) -> Section:
    """ROC and calibration of every model, all arms in one drawing."""
    drawings = [drawn for model in summary.models if any(drawn := curves(summary, model, flags))]
    if not drawings:
        return Section("curves", "ROC and calibration", [Paragraph("No curves could be drawn.", "absent")])
    target = summary.target[:1].upper() + summary.target[1:]
    note = (
        f"{target} against the rest, averaged over cells (trainings). ROC: how many target scans are found "
        "for how many false alarms; the more a curve bends to the upper left, the better."
    )
    first = Paragraph(note + " † collapsed." * bool(flags))
    if summary.scans >= ENOUGH:
        sides = [Side([figure for figure in drawn if figure]) for drawn in drawings]
        return Section("curves", "ROC and calibration", [first, *sides])
    rocs = [drawn.roc for drawn in drawings if drawn.roc]
    others = [drawn.calibration for drawn in drawings if drawn.calibration]
    words = f"Calibration of {summary.scans} test scans, too few to read much from"
    blocks: list[Block] = [first, Side(rocs), *([Fold(words, [Side(others)])] if others else [])]
    return Section("curves", "ROC and calibration", blocks)


class Curves(NamedTuple):
    """The drawings of one model; None where there is nothing to draw."""

    roc: Figure | None
    calibration: Figure | None


def curves(summary: Summary, model: str, flags: Flags) -> Curves:
    """A model's ROC and calibration, without arms that differ from another in dose or source only."""
    name, slug = title(model), re.sub(r"\W+", "-", model)
    results = results_of(summary, model)
    results = [result for result in results if result.arm == Arm(result.arm.kind)] or results
    drawn = Curves(None, None)
    if roc := {str(result.arm): result.roc for result in results if result.roc}:
        areas = {str(result.arm): percent(result.metrics.get("target_auc")) for result in results}
        marked = {str(result.arm) for result in results if (result.arm, model) in flags}
        notes = {arm: area + " †" * (arm in marked) for arm, area in areas.items()}
        alt = f"ROC curves of {name}, target against rest. Area under the curve in %: {_list(areas)}."
        figure = figures.roc(f"roc-{slug}", roc, notes, alt=alt)
        entitled = figure.entitled(f"{name}: ROC", "arm, then area under its curve in %")
        drawn = drawn._replace(roc=entitled)
    if bins := {str(result.arm): result.calibration for result in results if result.calibration}:
        brier = {str(result.arm): decimal(result.metrics.get("brier")) for result in results}
        alt = f"Calibration of {name} for the target. Brier score: {_list(brier)}."
        figure = figures.calibration(f"calibration-{slug}", bins, alt=alt)
        caption = (
            "on the diagonal, probabilities mean what they say; bins of fewer than "
            f"{figures.FEWEST} answers are left out"
        )
        drawn = drawn._replace(calibration=figure.entitled(f"{name}: calibration", caption))
    return drawn


def _list(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def confusion_section(summary: Summary, flags: Flags) -> Section:
    """Confusion matrices, a row of them a model."""
    note = "Rows: true class; columns: answer. Scans, averaged over seeds; the shade is the share of the row."
    blocks: list[Block] = [Paragraph(note)]
    for model in summary.models:
        matrices = []
        for result in results_of(summary, model):
            rows = []
            for at, (name, counts) in enumerate(zip(summary.classes, result.confusion, strict=True)):
                total = max(sum(counts), 1e-9)
                cells = [
                    TableCell(
                        f"{count:.{int(count != int(count))}f}",
                        shade=round(10 * count / total),
                        strong=column == at,
                    )
                    for column, count in enumerate(counts)
                ]
                rows.append(row(name, *cells))
            columns = [Column(""), *(Column(name, "number") for name in summary.classes)]
            caption = TableCell(str(result.arm), collapsed=flags.get((result.arm, model), ""))
            label = f"Confusion matrix of {title(model)}, {result.arm}"
            matrices.append(Table(label, columns, [RowGroup(rows)], caption=caption, look="matrix"))
        blocks += [Heading(title(model)), Side(matrices, "matrices")]
    return Section("confusion", "Confusion matrices", blocks)
