"""The page that lists a study's reports."""

import shutil
from pathlib import Path

from bus.benchmark.history import Past
from bus.benchmark.report.report_list import call_newest
from bus.benchmark.report_folder import ReportFolder
from bus.data.study import Study


def test_a_report_that_was_cut_short_is_named_and_not_linked(tiny_study: Path, tmp_path: Path) -> None:
    """Else a crash would leave a link that leads nowhere, and nobody would know what mends it."""
    shutil.copytree(tiny_study, tmp_path / "study")
    study = Study.open(tmp_path / "study")
    first, second = ReportFolder(study.path, 1), ReportFolder(study.path, 2)
    for report in (first, second):
        report.begin()
    first.page.write_text("the first")
    looks = [Past(f"bus benchmark --seeds {number}", 3, {}, report=number) for number in (1, 2)]
    call_newest(study, first, looks)
    page = (first.root / "index.html").read_text()
    assert "1/index.html" in page and "2/index.html" not in page
    assert "Report 2, begun and not finished (the same command writes it): " in page
    assert "bus benchmark --seeds 2" in page
    second.page.write_text("the second")
    call_newest(study, second, looks)
    page = (first.root / "index.html").read_text()
    assert "2/index.html" in page and "not finished" not in page
