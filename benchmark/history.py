"""What of a study was looked at: every benchmark and plan with its verdicts (`benchmarks.json`).

Looks that are not shown would flatter, so each report lists them all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core import files
from ..core.errors import BusError, retyped
from ..data.study import Study
from .report_folder import reports

HISTORY = "benchmarks.json"  # in the study


@dataclass(frozen=True)
class Past:
    """A benchmark or plan of the study whose report was written."""

    command: str
    cells: int
    verdicts: Mapping[str, str]  # model or plan → what was said
    sha256: str = ""  # of the cells that the report shows
    partial: bool = False  # cells were missing: an early look
    report: int = 0  # its number; 0 where an earlier version gave none

    @property
    def recorded(self) -> Mapping[str, files.Json]:
        """As it stands in the file."""
        partial = {"partial": True} if self.partial else {}
        number = {"report": self.report} if self.report else {}
        return {
            "command": self.command,
            "cells": self.cells,
            "cells_sha256": self.sha256,
            "verdicts": dict(self.verdicts),
            **partial,
            **number,
        }


def past(study: Study) -> list[Past]:
    """Every look at a study so far, the first one first; BusError where the list is damaged.

    Looks that the list has lost are taken from the reports that were written of them.
    """
    known = _listed(study)
    numbers = {look.report for look in known}
    for report in reports(study.path):
        look = report.about.get("look")
        if report.number not in numbers and isinstance(look, Mapping):
            known.append(_read(look))
    return known


def _listed(study: Study) -> list[Past]:
    path = study.path / HISTORY
    try:
        return [_read(look) for look in files.read_json(path)["benchmarks"]] if path.exists() else []
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BusError(
            f"{path} does not hold what this version wrote ({error!r}). Move it away and run the same "
            "command again."
        ) from error


def _read(look: Mapping[str, Any]) -> Past:
    return Past(
        retyped(look["command"]),
        look["cells"],
        look["verdicts"],
        look["cells_sha256"],
        look.get("partial", False),
        int(look.get("report", 0)),
    )


def record(study: Study, look: Past) -> list[Past]:
    """Add a look to the list; returns the list.

    Where its very cells were looked at before, the verdicts of now take the place of those of then: they
    are corrected over every model that was tried, and so are those of the report that is written anew.
    """
    known = past(study)
    for number, earlier in enumerate(known):
        if look.sha256 and earlier.sha256 == look.sha256 and earlier.report in (0, look.report):
            known[number] = replace(earlier, verdicts=look.verdicts, report=look.report)
            break
    else:
        known += [look] * bool(look.sha256)
    if known != _listed(study):
        files.write_json(study.path / HISTORY, {"benchmarks": [earlier.recorded for earlier in known]})
    return known


def told_of(looks: Sequence[Past], look: Past) -> Past:
    """A look as it stands in the list, where other words may have asked for it before; else itself."""
    same = [one for one in looks if (one.sha256, one.report) == (look.sha256, look.report)]
    return same[0] if same else look
