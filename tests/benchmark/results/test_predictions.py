"""Every answer as one table."""

from typing import Any

import pytest
from bus.core.files import read_csv


def test_predictions_hold_every_answer_of_every_cell(full: Any) -> None:
    table = full.study.path / "report" / "1" / "predictions.csv"
    rows = read_csv(table, ["arm", "model", "sha256", "predicted"])
    assert len(rows) == sum(len(full.study.test(cell.fold)) for cell in full.cells)
    cell = full.cells[-1]
    key = (str(cell.fold), str(cell.arm), cell.model, str(cell.seed))
    own = [row for row in rows if (row["fold"], row["arm"], row["model"], row["seed"]) == key]
    kept = read_csv(cell.path / "predictions.csv")
    for row, answer in zip(own, kept, strict=True):
        assert (row["sha256"], row["predicted"]) == (answer["sha256"], answer["predicted"])
        assert float(row["p_malignant"]) == pytest.approx(float(answer["p_malignant"]), abs=1e-6)
