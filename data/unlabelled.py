"""Scans without classes: what a user names one by one, by folder or by zip, to have it answered."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from ..core.errors import BusError, UsageError, printable
from . import dicom, pictures
from .archive import Source, open_source
from .pictures import Pixels
from .scans import MASK_NAME


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


def find(paths: Sequence[Path]) -> Found:
    """List the scans below `paths` (files, folders with all that is in them, zips); nothing is decoded yet.

    Lesion masks, hidden files and what is no picture are passed over. UsageError for a path that does not
    exist.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"{printable(str(path))}: there is no such file or folder. Check the spelling.")
    scans: list[Loose] = []
    passed: list[tuple[str, str]] = []
    for path in paths:
        try:
            source, within = _open(path)
        except BusError as error:
            scans.append(Loose(printable(str(path)), partial(_fail, error)))
            continue
        passed += [(printable(f"{path}/{name}"), why) for name, why in source.ignored]
        for name in source.names:
            where = f"{path}/{name}" if within else str(path)
            found = _look(source, name, where, alone=not within)
            if isinstance(found, Loose):
                scans.append(found)
            else:
                passed.append((printable(where), found))
    return Found(scans, passed)


def _open(path: Path) -> tuple[Source, bool]:
    """The files that an argument stands for, and whether they lie within it."""
    if path.is_dir() or zipfile.is_zipfile(path):
        return open_source(path), True
    return Source(path.parent, (path.name,), (), (), lambda name: path.open("rb")), False


def _look(source: Source, name: str, where: str, *, alone: bool) -> Loose | str:
    """The scan in a file, or why it is none.

    A file that was named itself (`alone`) is taken for a picture unless it is DICOM.
    """
    shown, path = printable(where), PurePosixPath(name)
    if MASK_NAME.fullmatch(path.stem):
        return "a lesion mask by its name"
    picture = path.suffix.casefold() in pictures.SUFFIXES
    try:
        if not picture and dicom.is_dicom(name, source.head(name, 132)):
            return _look_at_dicom(source, name, where, alone=alone)
    except BusError as error:
        return Loose(shown, partial(_fail, error))
    if not (picture or alone):
        return "not a picture"
    return Loose(shown, lambda: pictures.decode_rgb(source.read(name), shown))


def _look_at_dicom(source: Source, name: str, where: str, *, alone: bool) -> Loose | str:
    with source.open(name) as handle:
        header = dicom.read_header(handle, where, printable(where))
    shown = f"{dicom.pseudonym(where)}.dcm" if header.named else printable(where)
    if not header.frames and alone:
        raise BusError(
            f"{shown} is DICOM without an image (a report or a directory). Give a file with an image."
        )
    if not header.frames:
        return "DICOM without an image"
    return Loose(shown, lambda: dicom.decode_rgb(source.read(name), None, shown))


def _fail(error: BusError) -> Pixels:
    raise error
