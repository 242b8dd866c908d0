"""The folder of a study's reports."""

from pathlib import Path

from bus.benchmark.report_folder import HOLDS, ReportFolder


def test_a_report_is_whole_only_for_the_trainings_it_was_finished_with(tmp_path: Path) -> None:
    report = ReportFolder(tmp_path)
    assert not report.is_whole("a")
    report.path.mkdir()
    report.finish("a")
    assert not report.is_whole("a"), "there is no page yet"
    report.page.write_text("page")
    assert report.is_whole("a") and not report.is_whole("b")
    report.begin()
    assert not report.is_whole("a")
    report.begin()  # twice does no harm


def test_every_file_of_a_report_is_explained_in_its_folder(finished_study: Path) -> None:
    """The README beside the page names what lies there, and nothing else."""
    folder = ReportFolder(finished_study).path
    lying = {path.name for path in folder.iterdir() if path.is_file()} - {"README.md", "DONE"}
    assert set(HOLDS) == lying
    assert {"README.md", "DONE"} < {path.name for path in folder.iterdir()}
    assert all(f"`{name}`" in (folder / "README.md").read_text(encoding="utf-8") for name in lying)
