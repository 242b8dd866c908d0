"""The reports of a study: the only owner of its folder, `report/`.

A number a report: one of other arms, models, folds or scans gets another, so that none is ever overwritten;
the same one is written anew in its place. `report/index.html` lists them and leads to the newest, which
`latest.json` names for scripts. A numbered folder holds the page and its Markdown twin, the results as
tables, drawings, `about.json` (what was asked) and, once the report shows every training that was asked for,
`DONE`, which says which these are and what the files hold.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..core import files, lock
from ..core.errors import BusError, UsageError

PAGE, TEXT, README, DONE = "index.html", "report.md", "README.md", "DONE"
KOREAN = "index.ko.html"  # where it was asked for
ABOUT, LATEST = "about.json", "latest.json"
ROOT = "report"  # of a study: the folder of its reports
RESULTS, NUMBERS, CONTRASTS = "results.csv", "metrics.csv", "contrasts.csv"
EXTERNAL, EXTERNAL_ANSWERS = "external.csv", "external_predictions.csv"  # with scans from elsewhere alone
PREDICTIONS, SUMMARY, REFERENCES = "predictions.csv", "summary.json", "methods.bib"
FIGURES = "figures"  # folder within
HOLDS = {  # file → what is in it
    PAGE: "the report as one page that works offline",
    TEXT: "the same as text",
    RESULTS: "a row a training: metrics, recalls, seconds",
    NUMBERS: "a row a number: every metric of every training",
    CONTRASTS: "a row a difference of two arms, with interval and p",
    PREDICTIONS: "a row an answer: every training’s probabilities for every test scan",
    EXTERNAL: "of scans from elsewhere: a row a number of an arm, or of a difference of two, with interval",
    EXTERNAL_ANSWERS: "of scans from elsewhere: every training’s probability of the target for every scan",
    SUMMARY: "verdicts, differences and each arm’s metrics, for scripts",
    REFERENCES: "the references of the paragraph on methods",
}


class ReportFolder:
    """A report of the study in `study`, that of the newest benchmark unless a number is given.

    It need not exist yet.
    """

    def __init__(self, study: Path, number: int | None = None) -> None:
        self.root = study / ROOT
        self.number = _benchmark(self.root) if number is None else number
        unnumbered = number is None and (self.root / TEXT).exists() and not _numbers(self.root)
        self.path = self.root if unnumbered else self.root / str(self.number)  # that of an earlier version
        self.page, self.summary = self.path / PAGE, self.path / SUMMARY

    @property
    def about(self) -> Mapping[str, files.Json]:
        """What was asked of it, as `begin` was told; nothing where it was written by an earlier version."""
        path, done = self.path / ABOUT, self.path / DONE
        digest = files.read_json(done).get("files", {}).get(ABOUT) if done.exists() else None
        if digest and not (path.exists() and files.sha256_file(path) == digest):
            raise BusError(
                f"{path} is missing or not what was written there. Restore it, or move {self.path} away and "
                "run the same command again."
            )
        return files.read_sealed(path) if path.exists() else {}

    def is_whole(self, key: str) -> bool:
        """Whether it is of just the trainings with this hash, none missing, and lies there unchanged."""
        path = self.path / DONE
        if not (self.page.exists() and path.exists()):
            return False
        done = files.read_json(path)
        return done.get("cells") == key and done.get("files") == self._hashes()

    @property
    def changed(self) -> list[str]:
        """Files of a finished report that are missing, or not what was written; BusError for damaged JSON."""
        path = self.path / DONE
        known = files.read_json(path).get("files", {}) if path.exists() else {}
        now = self._hashes() if known else {}
        return [name for name, digest in known.items() if now.get(name) != digest]

    def begin(
        self,
        inputs: str = "",
        asked: Mapping[str, files.Json] | None = None,
        look: Mapping[str, files.Json] | None = None,
    ) -> None:
        """Call no report whole until `finish`, or one that is cut short would count.

        `inputs`: hash of all that makes it another report; `asked`: what `bus report --of` asks again;
        `look`: what it says, for the list of all looks.
        """
        (self.path / DONE).unlink(missing_ok=True)
        about = {"inputs": inputs, "asked": asked, "look": look}
        if not (self.path / ABOUT).exists() or self.about != about:
            files.write_json(self.path / ABOUT, about)

    def finish(self, key: str) -> None:
        """Say that the report shows all trainings with this hash."""
        files.write_json(self.path / DONE, {"cells": key, "files": self._hashes()})

    @property
    def is_newest(self) -> bool:
        """Whether it is called the newest, on the page of all reports too, which lies there unchanged."""
        page, known = self.root / PAGE, _newest(self.root)
        return page.exists() and known == {**known, "report": self.number, "page": files.sha256_file(page)}

    def lead(self, page: str) -> None:
        """Write the page of all reports; call this the newest, and the newest of a benchmark if it is one."""
        known, benchmark = _newest(self.root), isinstance(self.about.get("asked"), Mapping)
        files.write_text(self.root / PAGE, page)
        content = {
            "report": self.number,
            "benchmark": self.number if benchmark else known.get("benchmark"),
            "page": files.sha256_file(self.root / PAGE),
        }
        if content != known:
            files.write_json(self.root / LATEST, content)

    def _hashes(self) -> dict[str, str]:
        paths = [path for path in sorted(self.path.rglob("*")) if path.is_file() and path.name != DONE]
        return {path.relative_to(self.path).as_posix(): files.sha256_file(path) for path in paths}


@contextmanager
def held(study: Path) -> Iterator[None]:
    """Keep other processes from writing reports of the study there; waits for one that is at it.

    The report that an earlier version wrote, which had no number, gets the first one.
    """
    root, aside = study / ROOT, study / f".{ROOT}"
    with lock.hold(root, "The report"):
        if (root / TEXT).exists() and not _numbers(root):
            root.rename(aside)
        if aside.exists():  # also where that was cut short
            root.mkdir(exist_ok=True)
            aside.rename(root / "1")
        yield


def reports(study: Path) -> list[ReportFolder]:
    """All reports of the study in `study`, the first one first."""
    return [ReportFolder(study, number) for number in _numbers(study / ROOT)]


def numbered(study: Path, number: int) -> ReportFolder:
    """The report with this number; UsageError names those that there are."""
    known = _numbers(study / ROOT)
    if number not in known:
        there = ", ".join(map(str, known)) or "none"
        raise UsageError(f"--of {number}: {study} has no such report. There are: {there}.")
    return ReportFolder(study, number)


def report_of(study: Path, inputs: str) -> ReportFolder:
    """The report made from the same inputs, given by their hash, or a new one with another number."""
    known = reports(study)
    for report in known:
        if report.about.get("inputs") == inputs:
            return report
    return ReportFolder(study, 1 + max((report.number for report in known), default=0))


def _numbers(root: Path) -> list[int]:
    return sorted(int(path.name) for path in root.glob("*") if path.name.isdecimal() and path.is_dir())


def _newest(root: Path) -> Mapping[str, files.Json]:
    """The number of the newest report and of the newest `benchmark`, as far as they are said."""
    path = root / LATEST
    return files.read_sealed(path) if path.exists() else {}


def _benchmark(root: Path) -> int:
    """The number of the newest benchmark's report; the highest where nothing says so, 1 without any."""
    number, known = _newest(root).get("benchmark"), _numbers(root)
    return number if isinstance(number, int) and number in known else max(known, default=1)
