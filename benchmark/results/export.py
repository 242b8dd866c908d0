"""The results as files that other programs read at once: tidy CSV for pandas and R, JSON for scripts."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...classify.metrics import METRICS
from ...core.files import write_csv, write_json
from ...data.study import Study
from .summary import Summary

METRIC_COLUMNS = ("fold", "arm", "model", "seed", "metric", "class", "value")
CONTRAST_COLUMNS = (
    "contrast",
    "first",
    "second",
    "model",
    "metric",
    "estimate",
    "low",
    "high",
    "p",
    "p_holm",
    "p_nadeau_bengio",
    "detectable",
)
Row = tuple[object, ...]


def write_tables(folder: Path, study: Study, summary: Summary) -> None:
    """Write `metrics.csv` (a row a number), `contrasts.csv` (a row a difference) and `summary.json` beside a report.

    All values are shares (0.01 is one point) but Brier scores; what is undefined is an empty cell, or null.
    """
    write_csv(folder / "metrics.csv", METRIC_COLUMNS, (_blank(row) for row in metric_rows(summary)))
    write_csv(folder / "contrasts.csv", CONTRAST_COLUMNS, (_blank(row) for row in contrast_rows(summary)))
    write_json(folder / "summary.json", content(study, summary))


def metric_rows(summary: Summary) -> Iterator[Row]:
    """Every metric of every cell; `class` names the class that a metric is about, and is empty where it is about all."""
    for cell in summary.cells:
        place = (cell["fold"], cell["arm"], cell["model"], cell["seed"])
        for name in METRICS:
            about = summary.target if name.startswith(("target_", "sensitivity_")) else ""
            yield (*place, name, about, cell[name])
        for name in summary.classes:
            yield (*place, "recall", name, cell[f"recall_{name}"])


def contrast_rows(summary: Summary) -> Iterator[Row]:
    """Every difference of two arms (first − second), with its 95 % interval."""
    for one in summary.contrasts:
        found = one.interval
        yield (
            one.name,
            one.first,
            one.second,
            one.model,
            one.metric,
            found.estimate,
            found.low,
            found.high,
            found.p,
            found.p_holm,
            found.second_opinion_p,
            found.detectable,
        )


def content(study: Study, summary: Summary) -> dict[str, Any]:
    """What `bus benchmark --json` prints: verdicts, differences, and each arm's metrics with their intervals."""
    return {
        "data": {"name": study.settings.data.name, "sha256": study.settings.data.sha256},
        "cohort": study.settings.cohort,
        "banners": list(study.settings.banners),
        "classes": summary.classes,
        "target": summary.target,
        "folds": summary.folds,
        "seeds": summary.seeds,
        "tested": {"scans": summary.scans, "groups": summary.groups},
        "verdicts": summary.verdicts,
        "contrasts": [dict(zip(CONTRAST_COLUMNS, row, strict=True)) for row in contrast_rows(summary)],
        "arms": [
            {key: value for key, value in asdict(row).items() if key not in ("roc", "calibration")}
            for row in summary.table
        ],
        "notes": summary.notes,
    }


def _blank(row: Row) -> Row:
    return tuple("" if value is None else value for value in row)
