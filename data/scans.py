"""Scans of a data set: which files they are, their classes, masks, groups and folds, and their pixels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from ..core.errors import BusError, UsageError
from . import dicom, masks, pictures
from .archive import Source, open_source
from .caution import Caution
from .layout import Files, Layout, find_layout
from .pictures import Mask, Pixels
from .stock import UNREAD, Stock, take_stock
from .table import read_table

TABLE = "labels.csv"
SAYING = {".csv", *UNREAD} - {".svg", ".pdf", ".tga"}  # what may say the classes, or hold the scans


@dataclass(frozen=True, slots=True)
class ScanFile:
    """One scan of a listing; paths are relative to its root, and a frame of a DICOM loop ends in #number."""

    file: str
    label: str
    masks: tuple[str, ...] = ()
    group: str | None = None
    fold: int | None = None
    frame: int | None = None  # of a DICOM loop, counted from 1; None: the middle one
    burned_in: bool | None = None  # what DICOM's BurnedInAnnotation says; None where it says nothing


@dataclass(frozen=True)
class Listing:
    """A data set as it lies on the disk, nothing decoded yet."""

    name: str
    root: Path  # below which files are named; inside a zip where the data are one
    layout: str  # "class folders", "train and test folders" or "labels.csv"
    scans: tuple[ScanFile, ...]  # sorted by file
    ignored: tuple[tuple[str, str], ...]  # file, why it was not taken for a scan
    grouped_by: str | None  # "group" or "patient" (a column), "DICOM patient", or None
    notes: tuple[str, ...] = ()  # sentences that a user must see
    cautions: tuple[Caution, ...] = ()  # what a user must know, as values
    source: Source = field(repr=False, compare=False, kw_only=True)
    places: Mapping[str, str] = field(repr=False, compare=False, kw_only=True)  # file -> its name in `source`

    def where(self, file: str) -> str:
        """The place of a file as a message shows it."""
        return f"{self.root}/{file}"

    def read(self, file: str) -> bytes:
        """The bytes of a scan's file or mask."""
        return self.source.read(self.places[file])


def list_scans(path: Path, *, frames: str = "middle") -> Listing:
    """List the scans of a folder, a zip or a labels.csv, with their classes, masks, groups and folds.

    Nothing but scans is taken for scans: masks, hidden files and what is no picture stand in `ignored`.
    `frames` says what to take of a DICOM loop: its `middle` frame or `all`. Raises BusError where the layout
    is unclear, a class is empty or a table is wrong; UsageError for a path that is no data.
    """
    if frames not in ("middle", "all"):
        raise UsageError(f"--frames {frames} is unknown; choose middle or all.")
    by_table = path.is_file() and path.suffix.casefold() == ".csv"
    source = open_source(path.parent if by_table else path)
    stock = take_stock(source, tables=(path.name.casefold() if by_table else TABLE,))
    if stock.damaged:
        raise next(iter(stock.damaged.values()))
    if by_table:
        layout = Layout("", path.name)
    else:
        tables = [name for name in source.names if PurePosixPath(name).name.casefold() == TABLE]
        others = [name for name, why in stock.ignored if PurePosixPath(name).suffix.casefold() in SAYING]
        layout = find_layout(Files(stock.scans, source.folders, tables, others), str(path))
    rows, grouped_by = _rows(source, layout, stock)
    rows = [replace(row, masks=row.masks or stock.pairing.masks.get(row.file, ())) for row in rows]
    used = {row.file for row in rows}.union(*(row.masks for row in rows))
    why = "not in the table" if layout.table else "not in a class folder"
    ignored, cautions = stock.left_over(used, why)
    scans, notes = _with_headers(rows, stock.headers, every=frames == "all")
    if grouped_by is None and any(scan.group for scan in scans):
        grouped_by = "DICOM patient"
    scans, places = _below_root(scans, layout.root, stock.headers)
    if layout.splits:
        merged = ", ".join(layout.splits)
        notes.append(f"The folders {merged} were merged: their split is not used, the study makes its own.")
    return Listing(
        name=path.resolve().stem if path.is_file() else path.resolve().name,
        root=path.parent if by_table else path / layout.root,
        layout=TABLE if layout.table else "train and test folders" if layout.splits else "class folders",
        scans=tuple(sorted(scans, key=lambda scan: scan.file)),
        ignored=tuple(sorted((name.removeprefix(layout.root), why) for name, why in ignored)),
        grouped_by=grouped_by,
        notes=tuple(notes),
        cautions=cautions,
        source=source,
        places=places,
    )


def read_scan(listing: Listing, scan: ScanFile) -> Pixels:
    """The pixels of a scan as 8-bit RGB (H×W×3) at native size.

    Raises BusError, naming the file, if it cannot be read or holds what only a lesion mask holds.
    """
    content = listing.read(scan.file)
    where = listing.where(scan.file)
    if dicom.is_dicom(listing.places[scan.file], content):
        pixels = dicom.decode_rgb(content, scan.frame, where)
    else:
        pixels = pictures.decode_rgb(content, where)
    masks.refuse(pixels, where)
    return pixels


def read_mask(listing: Listing, scan: ScanFile, shape: tuple[int, int] | None = None) -> Mask | None:
    """The union of a scan's masks (H×W, true inside a lesion), or None if it has none.

    `shape` is the scan's height and width, if known; else the scan is decoded for it. Raises BusError if a
    mask cannot be read or has another size than the scan.
    """
    if not scan.masks:
        return None
    shape = shape or read_scan(listing, scan).shape[:2]
    union = np.zeros(shape, bool)
    for file in scan.masks:
        mask = pictures.decode_mask(listing.read(file), listing.where(file))
        if mask.shape != shape:
            raise BusError(
                f"{listing.where(file)} has {mask.shape[1]}×{mask.shape[0]} pixels, its scan {scan.file} has "
                f"{shape[1]}×{shape[0]}. Replace the mask or remove it."
            )
        union |= mask
    return union


def to_grey(rgb: Pixels) -> Pixels:
    """Luma of an 8-bit RGB scan (H×W); where the three channels are equal, exactly their value."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _rows(source: Source, layout: Layout, stock: Stock) -> tuple[list[ScanFile], str | None]:
    """Scans named as in the source, and the column that their groups came from."""
    if layout.table is None:
        return [ScanFile(name, label) for name, label in layout.labels], None
    root = layout.root
    below = [name.removeprefix(root) for name in source.names if name.startswith(root)]
    table = read_table(source.read(layout.table), below, source.where(layout.table))
    of = {mask.removeprefix(root): scan.removeprefix(root) for mask, scan in stock.pairing.of.items()}
    of |= {mask.removeprefix(root): "" for mask in stock.pairing.unused}
    if wrong := next((row for row in table.rows if row.file in of), None):
        scan = f" of {of[wrong.file]}" if of[wrong.file] else ""
        where = f"{source.where(layout.table)}, row {wrong.line}"
        raise BusError(
            f"{where}: {wrong.file} is a lesion mask{scan} by its name. "
            "Put it into the column mask of its scan, or rename the file if it is a scan."
        )
    rows = [
        ScanFile(root + row.file, row.label, tuple(root + mask for mask in row.masks), row.group, row.fold)
        for row in table.rows
    ]
    return rows, table.grouped_by


def _with_headers(
    rows: Sequence[ScanFile], headers: Mapping[str, dicom.Header], *, every: bool
) -> tuple[list[ScanFile], list[str]]:
    """Add what DICOM headers say: groups (a table's win), burned-in marks; with `every`, one scan a frame."""
    known = [headers[row.file] for row in rows if row.file in headers]
    placeholder = len(known) > 1 and len({header.group for header in known}) == 1
    scans: list[ScanFile] = []
    for row in rows:
        header = headers.get(row.file)
        if header is None:
            scans.append(row)
            continue
        group = row.group or (None if placeholder else header.group)
        row = replace(row, group=group, burned_in=header.burned_in)
        loop = every and header.frames > 1
        scans += [replace(row, frame=number + 1) for number in range(header.frames)] if loop else [row]
    return scans, _dicom_notes(known, placeholder) if known else []


def _dicom_notes(headers: Sequence[dicom.Header], placeholder: bool) -> list[str]:
    marks = Counter(header.burned_in for header in headers)
    named = sum(header.named for header in headers)
    notes = [
        f"{len(headers)} DICOM files: BurnedInAnnotation is YES in {marks[True]}, NO in {marks[False]}, "
        f"absent in {marks[None]}. Whatever it says, names can be burned into pixels: look before sharing "
        "anything."
    ]
    if placeholder:
        notes.append("All DICOM files carry one patient id, taken for a placeholder: it gives no groups.")
    if named:
        notes.append(
            f"The paths of {named} DICOM files hold the patient's id or name. They are called by a hash "
            "here; rename them."
        )
    return notes


def _below_root(
    scans: Sequence[ScanFile], root: str, headers: Mapping[str, dicom.Header]
) -> tuple[list[ScanFile], dict[str, str]]:
    """Name scans and masks relative to the root, and where each lies in the source.

    A DICOM file whose path holds the patient's identity is called by a hash of that path.
    """
    named: list[ScanFile] = []
    places: dict[str, str] = {}
    for scan in scans:
        file = scan.file.removeprefix(root)
        if scan.file in headers and headers[scan.file].named:
            file = f"{scan.label}/{dicom.pseudonym(scan.file)}.dcm"
        file += f"#{scan.frame}" if scan.frame else ""
        if file in places:
            raise BusError(f"{file} is the name of two scans. Rename one of the files.")
        places[file] = scan.file
        masks = tuple(mask.removeprefix(root) for mask in scan.masks)
        named.append(replace(scan, file=file, masks=masks))
    for mask in {mask for scan in scans for mask in scan.masks}:
        places.setdefault(mask.removeprefix(root), mask)
    return named, places
