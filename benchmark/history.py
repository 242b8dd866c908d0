"""What of a study was looked at: every benchmark and plan with its verdicts (`benchmarks.json`).

Looks that are not shown would flatter, so each report lists them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..core import files
from ..core.errors import BusError, retyped
from ..data.study import Study

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
    """Every look at a study so far, the first one first; BusError where the list is damaged."""
    path = study.path / HISTORY
    try:
        known = files.read_json(path)["benchmarks"] if path.exists() else []
        return [
            Past(
                retyped(look["command"]),
                look["cells"],
                look["verdicts"],
                look["cells_sha256"],
                look.get("partial", False),
                int(look.get("report", 0)),
            )
            for look in known
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BusError(
            f"{path} does not hold what this version wrote ({error!r}). Move it away and run the same "
            "command again."
        ) from error


def record(study: Study, look: Past) -> list[Past]:
    """Add a look to the list, unless its very cells were looked at before; returns the list."""
    path, known = study.path / HISTORY, past(study)
    before = list(known)
    for number, earlier in enumerate(known):
        if look.sha256 and earlier.sha256 == look.sha256 and earlier.report in (0, look.report):
            known[number] = replace(earlier, report=look.report)
            break
    else:
        known += [look] * bool(look.sha256)
    if known != before:
        files.write_json(path, {"benchmarks": [earlier.recorded for earlier in known]})
    return known
