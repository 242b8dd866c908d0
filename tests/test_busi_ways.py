"""The table of every network and way: from the published reports, an arm pair from the first that has it."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "busi-study"
METRICS = ("macro_f1", "target_auc", "sensitivity_at_90_specificity", "brier")


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    return import_module("ways")


def report(folder: Path, rows: dict[tuple[str, str, str], tuple[float, float, float]]) -> None:
    folder.mkdir(parents=True)
    lines = ["model,first,second,metric,estimate,low_retrained,high_retrained"]
    for place, numbers in rows.items():
        lines += [",".join((*place, metric, *map(str, numbers))) for metric in METRICS]
    (folder / "contrasts.csv").write_text("\n".join(lines) + "\n")
    (folder / "results.csv").write_text("fold,seed\n0,0\n0,1\n1,0\n1,1\n")


def test_each_pair_stands_once_and_those_that_leave_out_0_are_bold(ways: Any, tmp_path: Path) -> None:
    report(
        tmp_path / "report-1",
        {
            ("vgg19", "cyclegan", "original"): (0.01, -0.02, 0.04),
            ("vgg19", "cyclegan", "oversampled"): (-0.02, -0.03, -0.01),
        },
    )
    report(
        tmp_path / "report-2",
        {
            ("vgg19", "cyclegan", "original"): (0.5, 0.4, 0.6),  # the same trainings again
            ("vgg19", "adjusted", "original"): (0.0, 0.0, 0.0),
            ("vgg19", "cyclegan:normal", "oversampled"): (0.01, -0.02, 0.04),
        },
    )
    page = ways.page(tmp_path)
    table = [line for line in page.splitlines() if line.startswith("| VGG19")]
    wide, narrow = "+1.0 (−2.0 to +4.0)", "**−2.0 (−3.0 to −1.0)**"
    assert table == [
        f"| VGG19 | `cyclegan` | {wide} | {wide} | {wide} |",
        "| VGG19 | `adjusted` | the same | the same | the same |",
        f"| VGG19 | `cyclegan` | {narrow} | {narrow} | {narrow} |",
        f"| VGG19 | `cyclegan`, *normal* | {wide} | {wide} | {wide} |",
    ]
    assert "2 seeds in each of 2\nfolds" in page and "of 9, which" in page


def test_the_published_page_is_that_of_the_published_reports(ways: Any) -> None:
    assert (FOLDER / "ways.md").read_text(encoding="utf-8") == ways.page(FOLDER)
