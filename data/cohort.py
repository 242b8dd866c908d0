"""Cohorts: which scans a study uses, their groups, why others were left out; and the table of all of them."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from ..core.errors import BusError, UsageError, did_you_mean
from ..core.files import read_csv, write_csv
from .names import key
from .reading import Entry
from .store import Box

COHORTS = {
    "raw": "every scan",
    "clean": "without groups whose scans carry contradicting labels",
    "strict": "clean, and without axilla, needle and multiclass scans (known for BUSI only)",
    "curated": "the curated subset of BUSI by Aumente-Maestro et al. 2025, without contradicting labels",
}
GROUP_SOURCES = {
    "given": "given with the data",
    "list": "published list for BUSI, matched by pixel hash",
    "detected": "found by the near-duplicate detector",
    "phantom": "known from the simulation",
}

COHORT_FILE = "cohort.csv"  # of a study: a row a scan
BOX_COLUMNS = ("top", "left", "inner_height", "inner_width")
COLUMNS = ("file", "sha256", "label", "group", "fold", "left_out", "width", "height", *BOX_COLUMNS)

Reason = Literal["contradiction", "objection", "not curated", "locked", "other"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a study does not use a scan."""

    kind: Reason
    detail: str = ""  # the labels of a contradiction, the objection, the outer fold, or all words of another

    @property
    def short(self) -> str:
        """The kind of reason in words, the same for all scans that are left out for it."""
        return {
            "contradiction": "contradicting labels",
            "objection": "objection",
            "not curated": "not in the curated subset",
            "locked": f"test scans of outer fold {self.detail} are locked away (--inner)",
            "other": self.detail,
        }[self.kind]

    def sentence(self, group: str) -> str:
        """The reason for a scan of this group, as it stands in a study's table."""
        match self.kind:
            case "contradiction":
                return f"{self.short} in group {group}: {self.detail}"
            case "objection":
                return f"{self.short}: {self.detail}"
            case _:
                return self.short

    @classmethod
    def read(cls, sentence: str, group: str) -> "LeftOut":
        """The reason behind a `sentence` about a scan of this group."""
        for kind in ("contradiction", "objection", "not curated", "locked"):
            before, after = cls(kind, "\0").sentence(group).partition("\0")[::2]
            detail = sentence.removeprefix(before).removesuffix(after)
            if (reason := cls(kind, detail)).sentence(group) == sentence:
                return reason
        return cls("other", sentence)


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of a study; `fold` is None and `left_out` says why where the study does not use it."""

    file: str
    sha256: str  # of the decoded pixels as 8-bit RGB, row by row
    label: str
    group: str
    fold: int | None
    left_out: LeftOut | None
    width: int  # native, px
    height: int
    box: Box  # of the scan inside its letterboxed square, px

    @property
    def why(self) -> str:
        """Why it is left out, as a sentence; "" where it is not."""
        return self.left_out.sentence(self.group) if self.left_out else ""


def write_cohort(folder: Path, rows: Iterable[Scan]) -> None:
    """Write the scans of the study in `folder` as its table."""
    write_csv(folder / COHORT_FILE, COLUMNS, map(cells, rows))


def cells(scan: Scan) -> list[object]:
    """A scan's row in the table, in the order of COLUMNS."""
    fold = "" if scan.fold is None else scan.fold
    return [
        scan.file,
        scan.sha256,
        scan.label,
        scan.group,
        fold,
        scan.why,
        scan.width,
        scan.height,
        *scan.box,
    ]


def read_cohort(folder: Path) -> list[Scan]:
    """The scans of the study in `folder`; BusError or ValueError where its table is damaged."""
    rows = []
    for row in read_csv(folder / COHORT_FILE, COLUMNS):
        file, sha256, label, group, fold, why, *numbers = (row[name] for name in COLUMNS)
        width, height, *box = map(int, numbers)
        reason = LeftOut.read(why, group) if why else None
        rows.append(
            Scan(file, sha256, label, group, int(fold) if fold else None, reason, width, height, Box(*box))
        )
    return rows


@dataclass(frozen=True)
class KnownScan:
    """What the published lists say of one BUSI scan."""

    group: str
    objection: str
    annotation: str
    curated: bool


def busi_list() -> dict[tuple[str, str], KnownScan]:
    """The lists for BUSI by (pixel hash, key of the label): groups, objections, marks, curated subset.

    Sources and terms stand in the first lines of `data/busi_groups.csv`.
    """
    text = (files(__package__) / "busi_groups.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        (row["rgb_sha256"], row["file"].split("/")[0]): KnownScan(
            f"busi-{row['group']}", row["objection"], row["annotation"], row["in_curated_busi"] == "1"
        )
        for row in rows
    }


def check_busi(entries: Sequence[Entry]) -> None:
    """BusError unless these scans are BUSI's, each by the hash of its pixels and its label."""
    known, found = set(busi_list()), {(entry.sha256, key(entry.label)) for entry in entries}
    if known != found:
        raise BusError(
            f"What was downloaded as BUSI is not BUSI: {len(known - found)} of its {len(known)} scans are "
            f"missing, {len(found - known)} are others, by the hashes of their pixels. Delete kagglehub's "
            "cache and run the same command again, or give a folder of your own as --data."
        )


def contradictions(entries: Sequence[Entry], names: Sequence[str]) -> dict[str, list[str]]:
    """Groups whose scans carry more than one label, with those labels in alphabetical order."""
    labels: dict[str, set[str]] = {}
    for entry, name in zip(entries, names, strict=True):
        labels.setdefault(name, set()).add(entry.label)
    return {name: sorted(found) for name, found in labels.items() if len(found) > 1}


def check_kind(kind: str) -> None:
    """UsageError unless there is a cohort called so."""
    if kind not in COHORTS:
        raise UsageError(
            f"--cohort {kind} is unknown; choose one of {', '.join(COHORTS)}.{did_you_mean(kind, COHORTS)}"
        )


def build(entries: Sequence[Entry], names: Sequence[str], kind: str) -> list[Scan]:
    """Turn entries into the scans of a cohort, each left out with a reason or still without a fold.

    Raises UsageError for an unknown cohort, or `strict` and `curated` on scans that are not BUSI's.
    """
    check_kind(kind)
    known = busi_list()
    listed = [known.get((entry.sha256, key(entry.label))) for entry in entries]
    if kind in ("strict", "curated") and not any(listed):
        raise UsageError(
            f"--cohort {kind} is defined by lists for BUSI, and none of these scans is in them. Use raw or "
            "clean."
        )
    conflicts = contradictions(entries, names)

    def reason(name: str, about: KnownScan | None) -> LeftOut | None:
        if kind != "raw" and name in conflicts:
            return LeftOut("contradiction", ", ".join(conflicts[name]))
        if kind == "strict" and about and about.objection:
            return LeftOut("objection", about.objection)
        if kind == "curated" and not (about and about.curated):
            return LeftOut("not curated")
        return None

    return [
        Scan(
            entry.file,
            entry.sha256,
            entry.label,
            name,
            None,
            reason(name, about),
            entry.shape[1],
            entry.shape[0],
            entry.box,
        )
        for entry, name, about in zip(entries, names, listed, strict=True)
    ]
