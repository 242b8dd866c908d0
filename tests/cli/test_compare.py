"""Several studies side by side, by what their reports hold."""

import json
from pathlib import Path
from typing import Any

import pytest
from bus.benchmark.results.export import CONTRAST_COLUMNS


def study(folder: Path, gain: float, again: bool = True) -> Path:
    """A folder with nothing but what a report leaves for scripts."""
    row: dict[str, Any] = dict.fromkeys(CONTRAST_COLUMNS)
    row |= {"contrast": "gain", "model": "resnet18", "metric": "macro_f1", "estimate": gain}
    row |= {"low": gain - 0.02, "high": gain + 0.02, "detectable": 0.03}
    if again:
        row |= {"low_retrained": gain - 0.05, "high_retrained": gain + 0.05, "detectable_retrained": 0.07}
    arms = [
        {"arm": name, "model": "resnet18", "metrics": {"macro_f1": 0.6 + add}}
        for name, add in (("original", 0.0), ("cyclegan", gain))
    ]
    content = {
        "data": {"name": "phantom"},
        "folds": [0, 1],
        "seeds": 2,
        "tested": {"scans": 40},
        "arms": arms,
        "contrasts": [row],
        "verdicts": {"resnet18": "no detectable gain"},
    }
    (folder / "report" / "1").mkdir(parents=True)
    (folder / "study.json").write_text("{}")
    (folder / "report" / "1" / "summary.json").write_text(json.dumps(content))
    return folder


def test_gains_stand_side_by_side_with_the_interval_that_decides(tmp_path, run_bus):
    folders = [study(tmp_path / "하나", 0.031), study(tmp_path / "two [b]", -0.012, again=False)]
    code, text = run_bus("compare", *folders, "--figure", tmp_path / "gains.svg")
    assert code == 0, text
    assert "60.0 % 63.1 % +3.1 (−1.9 to +8.1)" in text and "−1.2 (−3.2 to +0.8) *" in text
    assert "two [b]" in text and "40 × 2" in text
    assert (tmp_path / "gains.svg").read_text().count("ResNet18") == 2
    code, text = run_bus("compare", *folders, folders[0], "--json")
    rows = json.loads(text)["findings"]
    assert [(row["gain"]["estimate"], row["gain"]["retrained"]) for row in rows] == [
        (0.031, True),
        (-0.012, False),
    ]


@pytest.mark.parametrize("content", ["{}", '{"verdicts": {"a": 1}}', "[]", "no json"])
def test_what_is_no_report_is_refused_by_name(tmp_path, run_bus, content):
    folder = study(tmp_path / "one", 0.0)
    (folder / "report" / "1" / "summary.json").write_text(content)
    code, text = run_bus("compare", folder)
    assert code == 1 and "summary.json" in text
    code, text = run_bus("compare", tmp_path / "none")
    assert code == 1 and "There is no study in" in text and "--study" not in text, text
    (folder / "report" / "1" / "summary.json").unlink()
    assert "summary.json is missing. Run bus report" in run_bus("compare", folder)[1]
    assert run_bus("compare", folder, "--figure", "a.png")[0] == 2
