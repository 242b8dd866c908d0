"""The results as files that other programs read at once: tidy CSV for pandas and R, JSON for scripts."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from ...classify.metrics import METRICS
from ...core.files import Json, export_csv, write_json
from ...data.study import Study
from ..arms import Arm
from ..report_folder import CONTRASTS, NUMBERS, RESULTS, SUMMARY
from . import wording
from .external_test import ExternalResult
from .model import Summary
from .outcome import outcome

METRIC_COLUMNS = ("fold", "arm", "model", "seed", "metric", "class", "value")
CONTRAST_COLUMNS = (
    "contrast", "first", "second", "model", "metric",
    "estimate", "low", "high", "p", "p_holm", "p_nadeau_bengio", "detectable",
    "low_retrained", "high_retrained", "p_retrained", "p_holm_retrained", "detectable_retrained", "basis",
    "estimate_fold_zero", "low_fold_zero", "high_fold_zero",
)  # fmt: skip
EXTERNAL_COLUMNS = ("model", "first", "second", "metric", "estimate", "low", "high", "cells", "collapsed")
Row = tuple[Arm | Json, ...]


def result_columns(classes: list[str]) -> tuple[str, ...]:
    """The columns of results.csv in a study of these classes."""
    recall = (f"recall_{name}" for name in classes)
    return ("fold", "arm", "model", "seed", *METRICS, *recall, "collapsed", "test_scans", "seconds")


def write_tables(folder: Path, study: Study, summary: Summary) -> None:
    """Write `results.csv`, `metrics.csv`, `contrasts.csv` and `summary.json` into a report's folder.

    A row a cell, a row a number, a row a difference. All values are shares (0.01 is one point) but Brier
    scores; what is undefined is an empty cell, or null.
    """
    tables = {
        RESULTS: (result_columns(summary.classes), result_rows(summary)),
        NUMBERS: (METRIC_COLUMNS, metric_rows(summary)),
        CONTRASTS: (CONTRAST_COLUMNS, contrast_rows(summary)),
    }
    for name, (columns, rows) in tables.items():
        export_csv(folder / name, columns, (tuple("" if x is None else x for x in row) for row in rows))
    write_json(folder / SUMMARY, content(study, summary))


def result_rows(summary: Summary) -> Iterator[Row]:
    """Every cell with all its metrics."""
    for cell in summary.cells:
        head = (cell.fold, cell.arm, cell.model, cell.seed)
        tail = (cell.collapsed_class, cell.test_scans, cell.seconds)
        yield (*head, *cell.metrics.values(), *cell.recall.values(), *tail)


def metric_rows(summary: Summary) -> Iterator[Row]:
    """Every metric of every cell; `class` names the class that a metric is about, if it is about one."""
    for cell in summary.cells:
        head = (cell.fold, cell.arm, cell.model, cell.seed)
        for name, value in cell.metrics.items():
            about = summary.target if name.startswith(("target_", "sensitivity_")) else ""
            yield (*head, name, about, value)
        for label, value in cell.recall.items():
            yield (*head, "recall", label, value)


def contrast_rows(summary: Summary) -> Iterator[tuple[Json, ...]]:
    """Every difference of two arms (first − second), with both its 95 % intervals.

    `low` and `high` are for other scans, `low_retrained` and `high_retrained` for other scans, trainings and
    translators; `basis` says what showed the latter. The last three are of fold 0 alone, for other scans.
    """
    for contrast in summary.contrasts:
        interval, again, zero = contrast.interval, contrast.retrained, contrast.fold_zero
        yield (
            contrast.kind,
            str(contrast.first),
            str(contrast.second),
            contrast.model,
            contrast.metric,
            interval.estimate,
            interval.low,
            interval.high,
            interval.p,
            interval.p_holm,
            interval.second_opinion_p,
            interval.detectable,
            *(
                (None,) * 6
                if again is None
                else (again.low, again.high, again.p, again.p_holm, again.detectable, again.basis)
            ),
            *((None,) * 3 if zero is None else (zero.estimate, zero.low, zero.high)),
        )


def write_external(path: Path, result: ExternalResult) -> None:
    """Write the numbers of an external test: of each arm, then of two arms' difference (first − second).

    Intervals are for other groups, with these very trainings.
    """
    rows: list[tuple[object, ...]] = [
        (row.model, str(row.arm), "", name, one.value, one.low, one.high, row.cells, row.collapsed)
        for row in result.rows
        for name, one in row.metrics.items()
    ]
    for contrast in result.contrasts:
        span = contrast.interval
        names = (contrast.model, str(contrast.first), str(contrast.second), contrast.metric)
        rows.append((*names, span.estimate, span.low, span.high, "", ""))
    export_csv(path, EXTERNAL_COLUMNS, (tuple("" if x is None else x for x in row) for row in rows))


def content(study: Study, summary: Summary) -> Mapping[str, Json]:
    """What `bus benchmark --json` prints: verdicts, differences, and each arm's metrics with intervals."""
    data = study.settings.data
    return {
        "data": {"name": data.name, "sha256": data.sha256},
        "cohort": study.settings.cohort,
        "banners": list(study.settings.banners),
        "classes": summary.classes,
        "target": summary.target,
        "folds": summary.folds,
        "seeds": summary.seeds,
        "tested": {"scans": summary.scans, "groups": summary.groups},
        "outcome": outcome(summary),
        "verdicts": {model: wording.sentence(verdict) for model, verdict in summary.judged.items()},
        "contrasts": [dict(zip(CONTRAST_COLUMNS, row, strict=True)) for row in contrast_rows(summary)],
        "arms": [
            {key: value for key, value in asdict(row).items() if key not in ("roc", "calibration")}
            | {"arm": str(row.arm)}
            for row in summary.table
        ],
        "notes": [wording.note(remark) for remark in summary.notes],
    }
