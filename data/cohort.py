"""Cohorts: every scan hashed and letterboxed, its group found, and why it was left out if it was."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from ..core.errors import BusError, UsageError, did_you_mean
from ..core.files import sha256_bytes
from . import groups, kaggle, phantom, scans
from .scans import Listing
from .store import Box, Pixels, letterbox, letterbox_mask

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

AHEAD = 1024  # scans that wait to be read at once: each waiting one takes 2 kB


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of a study; `fold` is None and `left_out` says why where the study does not use it."""

    file: str
    sha256: str  # of the decoded pixels as 8-bit RGB, row by row
    label: str
    group: str
    fold: int | None
    left_out: str
    width: int  # native, px
    height: int
    box: Box  # of the scan inside its letterboxed square, px

    @property
    def reason(self) -> str:
        """What kind of reason `left_out` gives, without the group or the objection that it goes on to name."""
        return re.split(r" in group |:", self.left_out)[0]  # the texts of `build`


Keep = Callable[[int, Pixels], None]  # takes the place of a scan in the order of reading, and its square


def _forget(place: int, square: Pixels) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Entry:
    """What one decoding of a scan yields."""

    file: str
    label: str
    sha256: str
    shape: tuple[int, int]  # native height and width, px
    box: Box
    place: int  # in the order of reading, under which its square is kept
    descriptor: np.ndarray  # for the near-duplicate detector; empty where the group is known and nobody asks
    group: str | None  # as the user or the simulation gave it
    fold: int | None


@dataclass(frozen=True)
class Data:
    """A data set as read: where it came from and its scans in an order that depends on content only."""

    name: str
    entries: list[Entry]
    ignored: list[tuple[str, str]]  # file, why it was not taken for a scan
    notes: tuple[str, ...] = ()  # sentences that a user must see


def list_source(source: str, frames: str = "middle") -> Listing:
    """List the scans that `--data` names: a folder, a zip, a labels.csv, or `busi`, which is downloaded if need be."""
    if source == "busi" and not Path(source).exists():
        return replace(scans.list_scans(kaggle.fetch_busi(), frames=frames), name="busi")
    return scans.list_scans(Path(source).expanduser(), frames=frames)


def stamp(listing: Listing) -> str:
    """Hash of the files' names, sizes and times, by which unchanged data are recognised without decoding them."""
    origin = listing.source.path
    paths = [origin] if origin.is_file() else [origin / listing.places[scan.file] for scan in listing.scans]
    stats = [path.stat() for path in paths if path.exists()]
    lines = [f"{info.st_size} {info.st_mtime_ns}" for info in stats]
    lines += [f"{scan.file} {scan.label} {scan.group} {scan.fold}" for scan in listing.scans]
    return sha256_bytes("\n".join(lines).encode())


def read_listing(
    listing: Listing,
    size: int,
    *,
    keep: Keep = _forget,
    keep_mask: Keep | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Data:
    """Decode every listed scan once; its square of `size` px goes to `keep`, its lesion's to `keep_mask` if it has masks.

    Raises BusError for unreadable scans. Unusable masks are noted and passed over: nothing is trained on them.
    """
    refused: list[str] = []

    def read(place: int) -> Entry:
        scan = listing.scans[place]
        entry, square = look(scan, scans.read_scan(listing, scan), size, place, describe=scan.group is None)
        keep(place, square)
        try:
            mask = scans.read_mask(listing, scan, entry.shape) if keep_mask else None
            if keep_mask and mask is not None:
                keep_mask(place, letterbox_mask(mask, size))
        except BusError:
            refused.append(scan.file)
        advance()
        return entry

    entries: list[Entry] = []
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(listing.scans), AHEAD):
            entries += pool.map(read, range(len(listing.scans))[start : start + AHEAD])
    notes = (*listing.notes, *(item.sentence for item in listing.cautions), *_mask_notes(sorted(refused)))
    return Data(listing.name, by_content(entries), list(listing.ignored), notes)


def _mask_notes(refused: Sequence[str]) -> list[str]:
    if not refused:
        return []
    return [
        f"The masks of {len(refused)} scans are damaged or of another size than the scan, such as that of {refused[0]}. "
        "These scans count as scans without a mask."
    ]


def read_phantoms(
    count: int,
    size: int,
    *,
    seed: int = 0,
    keep: Keep = _forget,
    keep_mask: Keep = _forget,
    advance: Callable[[], None] = lambda: None,
) -> Data:
    """Simulate the built-in cohort of `count` phantoms (128 px); scans and lesions as squares of `size` px are kept."""
    entries = []
    for place, spec in enumerate(phantom.specs(count, seed=seed)):
        made = phantom.simulate(spec)
        scan = scans.ScanFile(made.file, made.label, group=made.group)
        entry, square = look(scan, np.stack([made.pixels] * 3, -1), size, place, describe=False)
        keep(place, square)
        keep_mask(place, letterbox_mask(made.mask > 0, size))
        entries.append(entry)
        advance()
    return Data("phantom", by_content(entries), [])


def look(
    scan: scans.ScanFile, rgb: Pixels, size: int, place: int = 0, *, describe: bool = True
) -> tuple[Entry, Pixels]:
    """What a study keeps of one decoded scan (H×W×3 uint8), and its letterboxed square of `size` px."""
    grey = scans.to_grey(rgb)
    square, box = letterbox(grey, size)
    digest = sha256_bytes(np.ascontiguousarray(rgb).data)
    shape = (grey.shape[0], grey.shape[1])
    descriptor = groups.describe(grey) if describe else np.zeros(0, np.int8)
    return Entry(scan.file, scan.label, digest, shape, box, place, descriptor, scan.group, scan.fold), square


def by_content(entries: Iterable[Entry]) -> list[Entry]:
    """The entries in an order that file names and folders do not change."""
    return sorted(entries, key=lambda entry: (entry.sha256, entry.label, entry.file))


@dataclass(frozen=True)
class KnownScan:
    """What the published lists say of one BUSI scan."""

    group: str
    objection: str
    annotation: str
    curated: bool


def busi_list() -> dict[tuple[str, str], KnownScan]:
    """The lists for BUSI by (pixel hash, label): groups, objections, burned-in marks, curated subset.

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


def find_groups(entries: Sequence[Entry]) -> tuple[list[str], list[str]]:
    """Give every scan a group name and say how it was found (keys of GROUP_SOURCES), best source first.

    What the user gives wins; then the list for BUSI; the near-duplicate detector joins the remaining scans.
    """
    known = busi_list()
    names: list[str] = []
    sources: list[str] = []
    for entry in entries:
        listed = known.get((entry.sha256, entry.label))
        if entry.group is not None:
            names.append(entry.group)
            sources.append("given")
        elif listed is not None:
            names.append(listed.group)
            sources.append("list")
        else:
            names.append("")
            sources.append("detected")
    unknown = [row for row, source in enumerate(sources) if source == "detected"]
    if unknown:
        found = groups.near_duplicates(np.stack([entries[row].descriptor for row in unknown]))
        first: dict[int, str] = {}
        for row, number in zip(unknown, found, strict=True):
            names[row] = first.setdefault(number, f"scan-{entries[row].sha256[:12]}")
    return names, sources


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
    listed = [known.get((entry.sha256, entry.label)) for entry in entries]
    if kind in ("strict", "curated") and not any(listed):
        raise UsageError(
            f"--cohort {kind} is defined by lists for BUSI, and none of these scans is in them. Use raw or clean."
        )
    conflicts = contradictions(entries, names)

    def reason(entry: Entry, name: str, about: KnownScan | None) -> str:
        if kind != "raw" and name in conflicts:
            return f"contradicting labels in group {name}: {', '.join(conflicts[name])}"
        if kind == "strict" and about and about.objection:
            return f"objection: {about.objection}"
        if kind == "curated" and not (about and about.curated):
            return "not in the curated subset"
        return ""

    return [
        Scan(
            entry.file,
            entry.sha256,
            entry.label,
            name,
            None,
            reason(entry, name, about),
            entry.shape[1],
            entry.shape[0],
            entry.box,
        )
        for entry, name, about in zip(entries, names, listed, strict=True)
    ]


def leave_out(rows: Sequence[Scan], drop: Callable[[Scan], bool], why: str) -> Iterator[Scan]:
    """The same scans, those for which `drop` is true left out for the reason `why`."""
    for scan in rows:
        yield replace(scan, fold=None, left_out=why) if not scan.left_out and drop(scan) else scan
