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
        title, written = f"Report {known.number}", known.page.exists()
        link = Link(title, f"{known.number}/{PAGE}") if written else title
        state = " (the newest)" * (known.number == report.number)
        state += ", begun and not finished (the same command writes it)" * (not written)
        if looks:
            words = " ".join(f"{name}: {sentence}" for name, sentence in looks[-1].verdicts.items())
            said.append([link, f"{state}: ", Code(looks[-1].command), f", {looks[-1].cells} cells. {words}"])
        else:
            said.append([link, f"{state}: by an earlier version"])
    words = (
        "A number a benchmark or plan; none is overwritten by another. This page leads to the newest by "
        "itself where the browser allows it."
    )
    sections = [Section("reports", "Reports", [Paragraph(words, "note"), Bullets(said)])]
    heading = f"Reports on {study.settings.data.name}"
    page = Page(heading, "bus · reports", heading, sections, leads_to=f"{report.number}/{PAGE}")
    report.lead(pages.html(page))
