"""The tables say what the summary says, a value a row, and read back without loss."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bus.benchmark.results import wording
from bus.benchmark.results.export import CONTRAST_COLUMNS, METRIC_COLUMNS, write_tables
from bus.classify.metrics import METRICS

HOSTILE = 'a, "quoted" class; of 두 words'


@pytest.fixture(scope="module", params=["benign", HOSTILE])
def written(
    request: pytest.FixtureRequest, made_up: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    made = made_up(folds=(0, 1), translator=False, benign=request.param)
    folder = tmp_path_factory.mktemp("tables") / "결과 report"
    write_tables(folder, made.study, made.summary)
    return made, folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, strict=True))


def test_metrics_hold_every_number_of_every_cell(written: Any) -> None:
    made, folder = written
    found = rows(folder / "metrics.csv")
    assert tuple(found[0]) == METRIC_COLUMNS
    classes = made.summary.classes
    assert len(found) == len(made.cells) * (len(METRICS) + len(classes))
    keys = [tuple(row[name] for name in METRIC_COLUMNS[:-1]) for row in found]
    assert len(set(keys)) == len(keys)  # tidy: one value a key
    value = dict(zip(keys, (row["value"] for row in found), strict=True))
    for cell in made.summary.cells:
        head = (str(cell.fold), str(cell.arm), cell.model, str(cell.seed))
        assert float(value[*head, "macro_f1", ""]) == cell.metrics["macro_f1"]
        assert float(value[*head, "target_auc", "malignant"]) == cell.metrics["target_auc"]
        for name in classes:
            assert float(value[*head, "recall", name]) == cell.recall[name]


def test_an_undefined_number_is_an_empty_cell(made_up: Callable[..., Any], tmp_path: Path) -> None:
    made = made_up(folds=(0,), translator=False)
    made.summary.cells[0].metrics["target_auc"] = None
    write_tables(tmp_path, made.study, made.summary)
    assert next(row for row in rows(tmp_path / "metrics.csv") if row["metric"] == "target_auc")["value"] == ""


def test_contrasts_hold_every_difference_with_its_interval(written: Any) -> None:
    made, folder = written
    found = rows(folder / "contrasts.csv")
    assert tuple(found[0]) == CONTRAST_COLUMNS
    assert len(found) == len(made.summary.contrasts) > 0
    for row, one in zip(found, made.summary.contrasts, strict=True):
        assert (row["contrast"], row["first"], row["second"], row["model"], row["metric"]) == (
            one.kind,
            str(one.first),
            str(one.second),
            one.model,
            one.metric,
        )
        for name in ("estimate", "low", "high", "p", "p_holm", "detectable"):
            assert float(row[name]) == getattr(one.interval, name)
        assert float(row["low"]) <= float(row["estimate"]) <= float(row["high"])


def test_the_summary_for_scripts_says_what_the_report_says(written: Any) -> None:
    made, folder = written
    found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert found["verdicts"] == {m: wording.sentence(v) for m, v in made.summary.judged.items()}
    assert found["tested"] == {"scans": made.summary.scans, "groups": made.summary.groups}
    assert len(found["contrasts"]) == len(made.summary.contrasts)
    assert [(row["arm"], row["model"]) for row in found["arms"]] == [
        (str(row.arm), row.model) for row in made.summary.table
    ]
    assert found["arms"][0]["metrics"] == made.summary.table[0].metrics
