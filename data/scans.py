"""Scans of a data set: which files they are, their classes, masks, groups and folds, and their pixels."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from threading import Lock

import cv2
import numpy as np

from ..core.compute import cores
from ..core.errors import BusError, UsageError
from . import dicom, masks, pictures
from .archive import Source, open_source
from .caution import Caution, caution
from .layout import Files, Layout, find_layout
from .pictures import Mask
from .stock import UNREAD, Stock, peak, take_stock
from .store import Pixels
from .table import PUBLIC, Names, is_table, read_table

MEASURING = Lock()
MANY = 10  # files from which a share of them says something
CROWD = 0.3  # share of the scans that no one patient has
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
class Grey:
    """One scale for the grey levels of a data set's 16-bit files."""

    bits: int = 16  # the highest level is 2^bits − 1
    deep: tuple[str, ...] = ()  # scans in such files

    @property
    def used(self) -> int:
        """The bits, or 0 where no file has 16."""
        return self.bits if self.deep else 0


@dataclass(frozen=True)
class Listing:
    """A data set as it lies on the disk, nothing decoded yet."""

    name: str
    root: Path  # below which files are named; inside a zip where the data are one
    layout: str  # "class folders", "train and test folders" or the name of a table
    scans: tuple[ScanFile, ...]  # sorted by file
    ignored: tuple[tuple[str, str], ...]  # file, why it was not taken for a scan
    cautions: tuple[Caution, ...] = ()  # what a user must know, as values
    damaged: Mapping[str, BusError] = field(default_factory=dict, repr=False, compare=False, kw_only=True)
    source: Source = field(repr=False, compare=False, kw_only=True)
    places: Mapping[str, str] = field(repr=False, compare=False, kw_only=True)  # file -> its name in `source`

    @cached_property
    def grey(self) -> "Grey":
        """How the grey levels of its 16-bit files are read; looks into every such file the first time."""
        return _measure(self)

    @cached_property
    def by_name(self) -> dict[str, ScanFile]:
        """The scans by their names."""
        return {scan.file: scan for scan in self.scans}

    @cached_property
    def twins(self) -> dict[str, tuple[str, ...]]:
        """Pictures that share their name without suffix with others elsewhere, and these."""
        return masks.same_stems(scan.file for scan in self.scans if scan.frame is None)

    def where(self, file: str) -> str:
        """The place of a file as a message shows it."""
        return f"{self.root}/{file}"

    def read(self, file: str) -> bytes:
        """The bytes of a scan's file or mask."""
        return self.source.read(self.places[file])


def list_scans(path: Path, *, frames: str = "middle", collect: bool = False) -> Listing:
    """List the scans of a folder, a zip or a labels.csv, with their classes, masks, groups and folds.

    Nothing but scans is taken for scans: masks, hidden files and what is no picture stand in `ignored`.
    `frames` says what to take of a DICOM loop: its `middle` frame or `all`. Raises BusError where the layout
    is unclear, a class is empty, a table is wrong or a DICOM file that is used is damaged (with `collect`,
    reading that scan raises it); UsageError for a path that is no data.
    """
    if frames not in ("middle", "all"):
        raise UsageError(f"--frames {frames} is unknown; choose middle or all.")
    # the files, and which of them are scans
    by_table = path.is_file() and path.suffix.casefold() == ".csv"
    source = open_source(path.parent if by_table else path)
    stock = take_stock(source)
    # the layout, and what it makes of them
    if by_table:
        layout = Layout("", path.name)
    else:
        tables = [  # a labels.csv, or the table of a public set
            name
            for name in source.names
            if PurePosixPath(name).name.casefold() in PUBLIC and is_table(name, source.head(name, 4096))
        ]
        others = [name for name, why in stock.ignored if PurePosixPath(name).suffix.casefold() in SAYING]
        try:
            layout = find_layout(Files(stock.candidates, stock.folders(source), tables, others), str(path))
        except BusError:
            if stock.damaged:  # which may be what makes it unclear
                raise next(iter(stock.damaged.values())) from None
            raise
    rows, cautions = _rows(source, layout, stock)
    rows = [replace(row, masks=row.masks or stock.pairing.masks.get(row.file, ())) for row in rows]
    damaged = {row.file: stock.damaged[row.file] for row in rows if row.file in stock.damaged}
    if damaged and not collect:
        raise next(iter(damaged.values()))
    used = {row.file for row in rows}.union([layout.table or ""], *(row.masks for row in rows))
    ignored, left = stock.left_over(used, "not in the table" if layout.table else "not in a class folder")
    # groups and names that DICOM brings
    scans, told = _with_headers(rows, stock.headers, every=frames == "all")
    scans, places = _below_root(scans, layout.root, stock)
    _refuse_crowded(scans)
    # in words
    called = "train and test folders" if layout.splits else "class folders"
    called = PurePosixPath(layout.table).name if layout.table else called
    # names of a zip that are not marked as UTF-8, and are none
    odd = [] if source.decoded in ("", "UTF-8") else [source.decoded]
    zipped = [Caution("names of a zip", detail=f"read as {code}") for code in odd]
    return Listing(
        name=path.resolve().stem if path.is_file() else path.resolve().name,
        root=path.parent if by_table else path / layout.root,
        layout=called,
        scans=tuple(sorted(scans, key=lambda scan: scan.file)),
        ignored=tuple(sorted((name.removeprefix(layout.root), why) for name, why in ignored)),
        cautions=(*cautions, *told, *caution("merged", layout.splits), *zipped, *left),
        damaged={file: damaged[place] for file, place in places.items() if place in damaged},
        source=source,
        places=places,
    )


def read_scan(listing: Listing, scan: ScanFile) -> Pixels:
    """The pixels of a scan as 8-bit RGB (H×W×3) at native size.

    Raises BusError, naming the file, if it cannot be read or holds what only a lesion mask holds.
    """
    pixels = _decode(listing, scan)
    masks.refuse(pixels, listing.where(scan.file), _twins(listing, scan))
    return pixels


def _decode(listing: Listing, scan: ScanFile) -> Pixels:
    if scan.file in listing.damaged:
        raise listing.damaged[scan.file]
    content = listing.read(scan.file)
    where = listing.where(scan.file)
    if dicom.is_dicom(listing.places[scan.file], content):
        return dicom.decode_rgb(content, scan.frame, where)
    return pictures.decode_rgb(content, where, listing.grey.bits)


def _twins(listing: Listing, scan: ScanFile) -> Iterator[tuple[str, Pixels]]:
    """The scans that share a scan's name without suffix, and their pixels, one by one; what is damaged is
    passed over."""
    for other in listing.twins.get(scan.file, ()):
        with suppress(BusError):
            yield other, _decode(listing, listing.by_name[other])


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


def _measure(listing: Listing) -> Grey:
    """Find the scale of the 16-bit files: that of the scanner, by the highest level in any of them."""
    files = [scan.file for scan in listing.scans if scan.frame is None]
    places = [listing.places[file] for file in files]
    with MEASURING, ThreadPoolExecutor(cores()) as pool:
        if known := listing.__dict__.get("grey"):  # another thread was faster
            return known
        peaks = dict(zip(files, pool.map(partial(peak, listing.source), places), strict=True))
    deep = {file: highest for file, highest in peaks.items() if highest is not None}
    return Grey(pictures.bits_of(max(deep.values())), tuple(deep)) if deep else Grey()


def to_grey(rgb: Pixels) -> Pixels:
    """Luma of an 8-bit RGB scan (H×W); where the three channels are equal, exactly their value."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _rows(source: Source, layout: Layout, stock: Stock) -> tuple[list[ScanFile], tuple[Caution, ...]]:
    """Scans named as in the source, and what the table lacks."""
    if layout.table is None:
        return [ScanFile(name, label) for name, label in layout.labels], ()
    root = layout.root

    def below(names: Iterable[str]) -> list[str]:
        return [name.removeprefix(root) for name in names if name.startswith(root)]

    masks = {*stock.pairing.of, *stock.pairing.unused}
    names = Names.of(below(source.names), below(stock.candidates), below(masks))
    table = read_table(source.read(layout.table), names, source.where(layout.table))
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
    return rows, table.cautions


def _with_headers(
    rows: Sequence[ScanFile], headers: Mapping[str, dicom.Header], *, every: bool
) -> tuple[list[ScanFile], list[Caution]]:
    """Add what DICOM headers say: groups (a table's win), burned-in marks; with `every`, one scan a frame.

    A scan without a group in the table joins that of the same patient's others.
    """
    known = {row.file: headers[row.file] for row in rows if row.file in headers}
    patients = _shared_by_most([header.group for header in known.values()])
    studies = _shared_by_most([header.study for header in known.values()])
    said: dict[str, str | None] = {}  # file → patient, else study
    for file, about in known.items():
        patient = about.group if about.group not in patients else None
        said[file] = patient or (about.study if about.study not in studies else None)
    named: dict[str | None, set[str]] = {}  # patient → groups of a table
    for row in rows:
        if row.group and (one := said.get(row.file)):
            named.setdefault(one, set()).add(row.group)
    scans: list[ScanFile] = []
    for row in rows:
        header = known.get(row.file)
        if header is None:
            scans.append(row)
            continue
        one = said[row.file]
        row = replace(
            row, group=row.group or (min(named[one]) if one in named else one), burned_in=header.burned_in
        )
        loop = every and header.frames > 1
        scans += [replace(row, frame=number + 1) for number in range(header.frames)] if loop else [row]
    placeholders = [
        file for file, header in known.items() if header.unknown or (header.group or "") in patients
    ]
    return scans, _dicom_cautions(known, placeholders)


def _shared_by_most(values: Sequence[str | None]) -> set[str]:
    """Values that all of several files share, or most of many: placeholders that an export wrote."""
    counts = Counter(value for value in values if value)
    return {
        value
        for value, count in counts.items()
        if count > 1 and (count == len(values) or (count >= MANY and count > len(values) / 2))
    }


def _dicom_cautions(headers: Mapping[str, dicom.Header], placeholders: Sequence[str]) -> list[Caution]:
    if not headers:
        return []
    marks = Counter(header.burned_in for header in headers.values())
    said = f"BurnedInAnnotation is YES in {marks[True]}, NO in {marks[False]}, absent in {marks[None]}"
    told = [Caution("DICOM", len(headers), detail=said)]
    if placeholders:
        told.append(Caution("placeholder patients", len(placeholders), total=len(headers)))
    if named := sum(header.named > 0 for header in headers.values()):
        told.append(Caution("named paths", named))
    return told


def _refuse_crowded(scans: Sequence[ScanFile]) -> None:
    """Raise BusError where one group holds a large share of the scans, and several classes."""
    labels: dict[str, set[str]] = {}
    counts = Counter(scan.group for scan in scans if scan.group)
    for scan in scans:
        labels.setdefault(scan.group or "", set()).add(scan.label)
    group, count = counts.most_common(1)[0] if counts else ("", 0)
    if count >= MANY and count > CROWD * len(scans) and len(labels[group]) > 1:
        raise BusError(
            f"One patient or group, {group}, holds {count} of the {len(scans)} scans, and several classes "
            f"({', '.join(sorted(labels[group]))}). If that stands for an unknown patient, leave its cells "
            "empty in a labels.csv (file,label,patient); if it is one patient, these data are too few."
        )


def _below_root(scans: Sequence[ScanFile], root: str, stock: Stock) -> tuple[list[ScanFile], dict[str, str]]:
    """Name scans and masks relative to the root, and where each lies in the source.

    What may identify a patient by its name is called by a hash of its path.
    """
    named: list[ScanFile] = []
    places: dict[str, str] = {}

    def called(name: str, scan: ScanFile) -> str:
        if stock.is_private(name):
            return f"{scan.label}/{stock.discreet(name)}"
        return name.removeprefix(root)

    for scan in scans:
        file = called(scan.file, scan) + (f"#{scan.frame}" if scan.frame else "")
        if file in places:
            raise BusError(f"{file} is the name of two scans. Rename one of the files.")
        places[file] = scan.file
        named.append(replace(scan, file=file, masks=tuple(called(mask, scan) for mask in scan.masks)))
    for scan, known in zip(named, scans, strict=True):
        for mask, place in zip(scan.masks, known.masks, strict=True):
            places.setdefault(mask, place)
    return named, places
