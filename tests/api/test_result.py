"""The result of a benchmark as tables."""

from pathlib import Path

import bus
import numpy as np
import pytest
from bus.core.files import read_csv


def test_the_result_says_what_the_commands_wrote(finished_study: Path, few_steps: None) -> None:
    result = bus.study(finished_study).result()
    kept = read_csv(finished_study / "report" / "1" / "contrasts.csv")
    assert [f"{value:.9f}" for value in result.contrasts["estimate"]] == [
        f"{float(row['estimate']):.9f}" for row in kept
    ]
    assert result.report.exists() and list(result.verdicts) == ["simplecnn"]
    share = result.predictions.filter(regex="^p_").sum(axis=1)
    assert np.allclose(share, 1, atol=1e-6) and set(result.predictions["arm"]) == {"original", "cyclegan"}
    assert set(result.metrics["metric"]) >= {"macro_f1", "target_auc", "recall"}
    assert "SimpleCNN" in result._repr_html_() and "SimpleCNN: " in repr(result)


def test_a_study_without_a_benchmark_has_no_result(tiny_study: Path) -> None:
    with pytest.raises(bus.BusError, match="no benchmark"):
        bus.study(tiny_study).result()
