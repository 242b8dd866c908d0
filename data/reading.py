"""Reading a data set: every scan decoded once, hashed, described and letterboxed."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.compute import cores
from ..core.errors import BusError
from ..core.files import sha256_bytes
from ..core.progress import progress
from . import copies, kaggle, phantom, scans
from .caution import Caution, caution
from .scans import Listing
from .store import Box, Pixels, letterbox, letterbox_mask

DIM = 32  # of 256 grey levels: a scan that stays below is nearly black
READING = "Reading scans"  # what its progress is called
AHEAD = 1024  # scans that wait to be read at once: each waiting one takes 2 kB
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
    descriptor: np.ndarray  # for the near-duplicate detector; empty for phantoms, whose groups are certain
    group: str | None  # as the user or the simulation gave it
    fold: int | None
    peak: int = 255  # the highest grey level
    loop: str = ""  # the DICOM file of which it is one of several frames


@dataclass(frozen=True)
class Data:
    """A data set as read: where it came from and its scans in an order that depends on content only."""

    name: str
    entries: list[Entry]
    ignored: list[tuple[str, str]]  # file, why it was not taken for a scan
    cautions: tuple[Caution, ...] = ()  # what a user must know
    grey: int = 0  # bits by which the grey levels of 16-bit files were read; 0 where there are none


def is_download(source: str) -> bool:
    """Whether `--data` names BUSI as it is downloaded, not a folder of that name."""
    return source == "busi" and not Path(source).exists()


def list_source(source: str, frames: str = "middle", *, collect: bool = False) -> Listing:
    """List the scans that `--data` names: a folder, zip or labels.csv, or `busi`, downloaded if need be.

    `collect` as of list_scans.
    """
    if is_download(source):
        return replace(scans.list_scans(kaggle.fetch_busi(), frames=frames, collect=collect), name="busi")
    return scans.list_scans(Path(source).expanduser(), frames=frames, collect=collect)


def stamp(listing: Listing) -> str:
    """Hash of the files' names, sizes and times, by which unchanged data are known again undecoded."""
    origin = listing.source.path
    paths = [origin] if origin.is_file() else [origin / listing.places[scan.file] for scan in listing.scans]
    stats = [path.stat() for path in paths if path.exists()]
    lines = [f"{info.st_size} {info.st_mtime_ns}" for info in stats]
    lines += [f"{scan.file} {scan.label} {scan.group} {scan.fold}" for scan in listing.scans]
    return sha256_bytes("\n".join(lines).encode())


def read_listing(listing: Listing, size: int, *, keep: Keep = _forget, keep_mask: Keep | None = None) -> Data:
    """Decode every listed scan once; its square of `size` px goes to `keep`, its lesion's to `keep_mask`.

    Raises BusError for unreadable scans. Unusable masks are noted and passed over.
    """
    refused: list[str] = []

    def read(place: int) -> Entry:
        scan = listing.scans[place]
        entry, square = look(scan, scans.read_scan(listing, scan), size, place)
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
    with progress(READING, len(listing.scans)) as advance, ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(listing.scans), AHEAD):
            entries += pool.map(read, range(len(listing.scans))[start : start + AHEAD])
    cautions = (*known(listing, entries), *caution("unusable masks", refused))
    return Data(listing.name, by_content(entries), list(listing.ignored), cautions, listing.grey.used)


def known(listing: Listing, entries: Sequence[Entry]) -> tuple[Caution, ...]:
    """What listing and decoding the files alone brought to light."""
    grey = listing.grey
    labels = {scan.file: scan.label for scan in listing.scans}
    deep, all_of = Counter(labels[file] for file in grey.deep), Counter(labels.values())
    shares = ", ".join(f"{label} {deep[label]} of {all_of[label]}" for label in sorted(all_of))
    mixed = grey.deep if 0 < len(grey.deep) < len(listing.scans) else ()
    return (
        *listing.cautions,
        *(
            (Caution("16 bits", len(grey.deep), detail=f"read as {grey.bits} bits of 16"),)
            if grey.deep
            else ()
        ),
        *caution("mixed depths", mixed, total=len(listing.scans), detail=shares),
        *caution("dim", [entry.file for entry in entries if entry.peak < DIM], total=len(entries)),
    )


def read_phantoms(
    count: int, size: int, *, seed: int = 0, keep: Keep = _forget, keep_mask: Keep = _forget
) -> Data:
    """Simulate `count` phantoms (128 px) of the built-in cohort; keep squares of `size` px, lesions too."""
    entries = []
    with progress(f"Simulating {count} phantoms", count) as advance:
        for number, spec in enumerate(phantom.specs(count, seed=seed)):
            made = phantom.simulate(spec)
            scan = scans.ScanFile(made.file, made.label, group=made.group)
            entry, square = look(scan, np.stack([made.pixels] * 3, -1), size, number, describe=False)
            keep(number, square)
            keep_mask(number, letterbox_mask(made.mask > 0, size))
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
    descriptor = copies.describe(grey) if describe else np.zeros(0, np.int8)
    loop = scan.file.rpartition("#")[0] if scan.frame is not None else ""
    known = (scan.group, scan.fold, int(grey.max()), loop)
    return Entry(scan.file, scan.label, digest, shape, box, place, descriptor, *known), square


def by_content(entries: Iterable[Entry]) -> list[Entry]:
    """The entries in an order that file names and folders do not change."""
    return sorted(entries, key=lambda entry: (entry.sha256, entry.label, entry.file))
