"""Scans without classes: what a user names one by one, by folder or by zip, to have it answered."""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from ..core.errors import BusError, UsageError, printable
from ..core.opener import open_file, require_file
from . import dicom, masks, pictures
from .archive import Source, open_source
from .masks import Pairing
from .stock import peak, take_stock
from .store import Pixels


@dataclass(frozen=True)
class Loose:
    """A scan that was found; `read` decodes it into 8-bit RGB (H×W×3) or raises a BusError that names it."""

    name: str  # as the user wrote it; a hash where a DICOM file's path holds the patient's identity
    read: Callable[[], Pixels] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Found:
    """Scans in the order of the arguments, by name within each; and what was passed over, with the reason."""

    scans: list[Loose]
    passed: list[tuple[str, str]]


def find(paths: Sequence[Path], bits: int = 0) -> Found:
    """List the scans below `paths` (files, folders with all that is in them, zips); nothing is decoded yet.

    Masks, hidden files and what is no picture are passed over, by the rules that hold for `--data`; of a file
    that was named itself its neighbours are looked at. 16-bit files are read by one scale, of at least `bits`
    bits: those of the study that answers. UsageError for a path that does not exist.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"{printable(str(path))}: there is no such file or folder. Check the spelling.")
    scans: list[Loose] = []
    passed: list[tuple[str, str]] = []
    pairings: dict[Path, Pairing] = {}  # of the folders of files that were named themselves
    scale = _Scale(bits)
    for path in paths:
        try:
            packed = not path.is_dir() and zipfile.is_zipfile(require_file(path))
        except BusError as error:  # a pipe or a device, which is not opened
            scans.append(_unreadable(str(path), error))
            continue
        if packed or path.is_dir():
            listed = _below(path, scale)
        else:
            folder = path.absolute().parent
            if folder not in pairings:
                pairings[folder] = _pair_folder(folder)
            listed = _alone(path, pairings[folder], scale)
        scans += listed.scans
        passed += listed.passed
    return Found(scans, passed)


class _Scale:
    """One scale for the grey levels of all 16-bit files that were found."""

    def __init__(self, least: int) -> None:
        self.least = least
        self.pictures: list[tuple[Source, str]] = []

    @cached_property
    def bits(self) -> int:
        """Bits of the scanner that gave them, by the highest level in any."""
        peaks = [highest for picture in self.pictures if (highest := peak(*picture)) is not None]
        return max(self.least, pictures.bits_of(max(peaks, default=65535)))


def _below(path: Path, scale: _Scale) -> Found:
    """The scans in a folder or a zip."""
    try:
        source = open_source(path)
    except BusError as error:
        return Found([_unreadable(str(path), error)], [])
    stock = take_stock(source)
    same = masks.same_stems(stock.scans)
    scans = {
        name: _scan(
            source,
            name,
            f"{path}/{name}",
            stock.headers.get(name),
            scale,
            partial(_twins, source, same.get(name), stock.discreet),
            private=stock.is_private(name),
        )
        for name in stock.scans
    }
    scans |= {name: _unreadable(f"{path}/{name}", error) for name, error in stock.damaged.items()}
    why = {
        **dict(stock.ignored),
        **stock.pairing.unused,
        **{mask: f"a lesion mask of {stock.discreet(scan)}" for mask, scan in stock.pairing.of.items()},
    }
    return Found(
        [scans[name] for name in sorted(scans)],
        [(printable(f"{path}/{stock.discreet(name)}"), reason) for name, reason in sorted(why.items())],
    )


def _alone(path: Path, pairing: Pairing, scale: _Scale) -> Found:
    """The scan in a file that was named itself, which is taken for a picture unless it is DICOM."""
    source = Source(path.parent, (path.name,), (), (), lambda name: open_file(path))
    near = f"{path.absolute().parent.name}/{path.name}"
    if reason := pairing.unused.get(near) or (near in pairing.of and f"a lesion mask of {pairing.of[near]}"):
        return Found([], [(printable(str(path)), reason)])
    try:
        header = None
        if path.suffix.casefold() not in pictures.SUFFIXES:
            header = _header(source, path)
    except BusError as error:
        return Found([_unreadable(str(path), error)], [])
    private = header is not None and header.named > 0
    return Found([_scan(source, path.name, str(path), header, scale, private=private)], [])


def _header(source: Source, path: Path) -> dicom.Header | None:
    """The header of a file if it is DICOM; BusError if it holds no image."""
    if not dicom.is_dicom(path.name, source.head(path.name, dicom.HEAD)):
        return None
    with source.open(path.name) as handle:
        header = dicom.read_header(handle, str(path), printable(str(path)))
    if header.frames:
        return header
    shown = f"{dicom.pseudonym(str(path))}.dcm" if header.named else printable(str(path))
    raise BusError(f"{shown} is DICOM without an image (a report or a directory). Give a file with an image.")


def _twins(
    source: Source, others: Iterable[str] | None, called: Callable[[str], str]
) -> Iterator[tuple[str, Pixels]]:
    """Pictures that share a scan's name without suffix, one by one; what cannot be read is passed over."""
    for other in others or ():
        with suppress(BusError):
            yield called(other), pictures.decode_rgb(source.read(other), other)


def _scan(
    source: Source,
    name: str,
    where: str,
    header: dicom.Header | None,
    scale: _Scale,
    twins: Callable[[], Iterable[tuple[str, Pixels]]] = tuple,
    *,
    private: bool,
) -> Loose:
    """One scan of a source; `twins` gives the pictures of the same name elsewhere.

    With `private` the name may identify a patient, and a hash stands for it.
    """
    suffix = ".dcm" if header else PurePosixPath(name).suffix
    shown = f"{dicom.pseudonym(where)}{suffix}" if private else printable(where)
    if not header:
        scale.pictures.append((source, name))

    def read() -> Pixels:
        content = source.read(name)
        if header:
            pixels = dicom.decode_rgb(content, None, shown)
        else:
            pixels = pictures.decode_rgb(content, shown, scale.bits)
        masks.refuse(pixels, shown, twins())
        return pixels

    return Loose(shown, read)


def _pair_folder(folder: Path) -> Pairing:
    """Which pictures of a folder are masks, named `folder/file`; of one of masks by what lies beside it."""
    pictured = [folder, *([folder.parent, *_subfolders(folder)] if masks.is_mask_folder(folder.name) else [])]
    names = {
        str(PurePosixPath(*file.relative_to(folder.parent).parts))
        for place in pictured
        for file in place.iterdir()
        if file.suffix.casefold() in pictures.SUFFIXES and not file.name.startswith(".")
    }
    return masks.pair(sorted(names))


def _subfolders(folder: Path) -> list[Path]:
    """The folders beside this one."""
    return [other for other in folder.parent.iterdir() if other.is_dir() and other != folder]


def _unreadable(name: str, error: BusError) -> Loose:
    return Loose(printable(name), partial(_fail, error))


def _fail(error: BusError) -> Pixels:
    raise error
