"""The folder of a study's reports."""

from pathlib import Path

import pytest
from bus.benchmark.report_folder import (
    EXTERNAL,
    EXTERNAL_ANSWERS,
    HOLDS,
    ReportFolder,
    held,
    numbered,
    report_of,
    reports,
)
from bus.core.errors import UsageError


def test_a_report_is_whole_only_for_the_trainings_it_was_finished_with(tmp_path: Path) -> None:
    report = ReportFolder(tmp_path)
    assert not report.is_whole("a")
    report.begin("inputs")
    report.finish("a")
    assert not report.is_whole("a"), "there is no page yet"
    report.page.write_text("page")
    report.finish("a")
    assert report.is_whole("a") and not report.is_whole("b")
    report.page.write_text("pagf")
    assert not report.is_whole("a"), "one byte is another"
    report.begin("inputs")
    assert not report.is_whole("a")
    report.begin("inputs")  # twice does no harm


def test_other_inputs_are_another_report(tmp_path: Path) -> None:
    """And the newest is the one that was made last, of a benchmark where one is asked for."""
    for number, (inputs, asked) in enumerate([("a", {"x": 1}), ("b", {"x": 2}), ("plan", None)], 1):
        report = report_of(tmp_path, inputs)
        assert report.number == number and not report.path.exists()
        report.begin(inputs, asked)
        report.page.write_text(inputs)
        report.lead("page")
        assert report_of(tmp_path, inputs).number == number, "the same in its own place"
    assert [report.number for report in reports(tmp_path)] == [1, 2, 3]
    assert ReportFolder(tmp_path).number == 2, "a plan's has no table to compare"
    first = numbered(tmp_path, 1)
    first.lead("page")
    assert ReportFolder(tmp_path).page.read_text() == "a" and first.about["asked"] == {"x": 1}
    (tmp_path / "report" / "latest.json").unlink()
    assert ReportFolder(tmp_path).number == 3, "the last one, where nothing is said"
    with pytest.raises(UsageError, match=r"no such report\. There are: 1, 2, 3"):
        numbered(tmp_path, 4)


@pytest.mark.parametrize("cut_short", [False, True])
def test_the_report_of_an_earlier_version_becomes_the_first(tmp_path: Path, cut_short: bool) -> None:
    old = tmp_path / "report"
    (old / "figures").mkdir(parents=True)
    for name in ("index.html", "report.md", "summary.json", "figures/roc.svg"):
        (old / name).write_text(name)
    assert ReportFolder(tmp_path).page == old / "index.html", "read where it lies"
    if cut_short:
        old.rename(tmp_path / ".report")
    with held(tmp_path):
        assert report_of(tmp_path, "new").number == 2
    assert {path.name for path in tmp_path.iterdir()} == {"report"}
    assert (old / "1" / "figures" / "roc.svg").read_text() == "figures/roc.svg"
    assert ReportFolder(tmp_path).page == old / "1" / "index.html" and ReportFolder(tmp_path).about == {}


def test_every_file_of_a_report_is_explained_in_its_folder(finished_study: Path) -> None:
    """The README beside the page names what lies there, and nothing else."""
    folder = ReportFolder(finished_study).path
    lying = {path.name for path in folder.iterdir() if path.is_file()} - {"README.md", "DONE", "about.json"}
    assert set(HOLDS) - {EXTERNAL, EXTERNAL_ANSWERS} == lying, "no scans from elsewhere were asked about"
    assert {"README.md", "DONE", "about.json"} < {path.name for path in folder.iterdir()}
    assert all(f"`{name}`" in (folder / "README.md").read_text(encoding="utf-8") for name in lying)
