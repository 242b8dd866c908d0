"""The report of a study: the only owner of its folder, `report/`.

It holds the page and its Markdown twin, the results as tables, drawings and, once the report shows every
training that was asked for, `DONE`, which says which these are.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from ..core import files, lock

PAGE, TEXT, README, DONE = "index.html", "report.md", "README.md", "DONE"
RESULTS, NUMBERS, CONTRASTS = "results.csv", "metrics.csv", "contrasts.csv"
PREDICTIONS, SUMMARY, REFERENCES = "predictions.csv", "summary.json", "methods.bib"
FIGURES = "figures"  # folder within
HOLDS = {  # file → what is in it
    PAGE: "the report as one page that works offline",
    TEXT: "the same as text",
    RESULTS: "a row a training: metrics, recalls, seconds",
    NUMBERS: "a row a number: every metric of every training",
    CONTRASTS: "a row a difference of two arms, with interval and p",
    PREDICTIONS: "a row an answer: every training’s probabilities for every test scan",
    SUMMARY: "verdicts, differences and each arm’s metrics, for scripts",
    REFERENCES: "the references of the paragraph on methods",
}


class ReportFolder:
    """The folder of the reports of a study, which lies in `study`; it need not exist yet."""

    def __init__(self, study: Path) -> None:
        self.path = study / "report"
        self.page, self.summary = self.path / PAGE, self.path / SUMMARY

    def held(self) -> AbstractContextManager[None]:
        """Keep other processes from writing reports; BusError where one is at it."""
        return lock.hold(self.path, "The report")

    def is_whole(self, key: str) -> bool:
        """Whether the report is of just the trainings with this hash, none of them missing."""
        done = self.path / DONE
        return self.page.exists() and done.exists() and files.read_json(done).get("cells") == key

    def begin(self) -> None:
        """Call no report whole until `finish`, or one that is cut short would count."""
        (self.path / DONE).unlink(missing_ok=True)

    def finish(self, key: str) -> None:
        """Say that the report shows all trainings with this hash."""
        files.write_json(self.path / DONE, {"cells": key})
