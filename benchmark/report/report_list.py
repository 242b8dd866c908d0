"""The page that lists the reports of a study and leads to the newest."""

from collections.abc import Sequence

from ...data.study import Study
from ..history import Past
from ..report_folder import PAGE, ReportFolder, reports
from . import pages
from .model import Bullets, Code, Line, Link, Page, Paragraph, Section


def call_newest(study: Study, report: ReportFolder, history: Sequence[Past]) -> None:
    """Call a report the newest, and write the page that leads there."""
    said: list[Line] = []
    for known in reversed(reports(study.path)):
        looks = [look for look in history if look.report == known.number]
        newest = " (the newest)" * (known.number == report.number)
        link = Link(f"Report {known.number}", f"{known.number}/{PAGE}")
        if looks:
            words = " ".join(f"{name}: {sentence}" for name, sentence in looks[-1].verdicts.items())
            said.append([link, f"{newest}: ", Code(looks[-1].command), f", {looks[-1].cells} cells. {words}"])
        else:
            said.append([link, f"{newest}: by an earlier version"])
    words = (
        "A number a benchmark or plan; none is overwritten by another. This page leads to the newest by "
        "itself where the browser allows it."
    )
    sections = [Section("reports", "Reports", [Paragraph(words, "note"), Bullets(said)])]
    title = f"Reports on {study.settings.data.name}"
    page = Page(title, "bus · reports", title, sections, leads_to=f"{report.number}/{PAGE}")
    report.lead(pages.html(page))
