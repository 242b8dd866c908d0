"""What of a study was looked at: every benchmark and plan with its verdicts (`benchmarks.json`).

Looks that are not shown would flatter, so each report lists them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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

    @property
    def recorded(self) -> Mapping[str, files.Json]:
        """As it stands in the file."""
        partial = {"partial": True} if self.partial else {}
        return {
            "command": self.command,
            "cells": self.cells,
            "cells_sha256": self.sha256,
            "verdicts": dict(self.verdicts),
            **partial,
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
            )
            for look in known
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise BusError(
            f"{path} does not hold what this version wrote ({error!r}). Move it away and run the same "
            "command again."
        ) from error


def record(study: Study, look: Past) -> list[Past]:
    """Add a look to the list, unless its very cells were looked at before; returns the list."""
    known = past(study)
    if look.sha256 and look.sha256 not in {earlier.sha256 for earlier in known}:
        known.append(look)
        files.write_json(study.path / HISTORY, {"benchmarks": [earlier.recorded for earlier in known]})
    return known
