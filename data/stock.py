"""What lies below a path: scans, their masks, DICOM headers, and why everything else was passed over.

One rule for all readers: studies, external sets, `bus predict`, `bus gan score`, another generator's scans.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from ..core.errors import BusError
from . import dicom, masks, pictures
from .archive import Source
from .caution import Caution, caution
from .masks import Pairing

NOT_A_PICTURE = "not a picture"
WITHOUT_IMAGE = "DICOM without an image"
UNREAD = {  # what may hold scans or say something of them, but is not read → its kind of caution, and why
    **dict.fromkeys((".zip", ".rar", ".7z", ".tar", ".gz", ".tgz"), ("packed", "an archive; unpack it")),
    **dict.fromkeys(
        (".npz", ".npy", ".mat", ".h5", ".hdf5", ".nii", ".nrrd", ".mha", ".mhd", ".pt", ".pkl"),
        ("arrays", "an array file; save its pictures as PNG"),
    ),
    **dict.fromkeys(
        (".avi", ".mp4", ".mov", ".mkv", ".wmv", ".mpg", ".mpeg", ".webm"),
        ("videos", "a video; save its frames as PNG"),
    ),
    **dict.fromkeys(
        (".jp2", ".j2k", ".jxl", ".avif", ".heic", ".heif", ".psd", ".svg", ".pdf", ".fig", ".tga"),
        ("other pictures", "a picture of a kind that is not read; save it as PNG"),
    ),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), ("spreadsheets", "a spreadsheet; save it as CSV")),
}


@dataclass(frozen=True)
class Stock:
    """Files by what they are; names are those of the source."""

    pairing: Pairing
    headers: dict[str, dicom.Header]  # of DICOM files with an image
    ignored: tuple[tuple[str, str], ...]  # what is neither scan nor mask, and why
    damaged: dict[str, BusError]  # DICOM files whose header cannot be read, and why
    telling: dict[str, int]  # DICOM files whose path tells a patient: up to which of its parts

    @property
    def scans(self) -> tuple[str, ...]:
        """Pictures and DICOM images that are no masks."""
        return self.pairing.scans

    @property
    def candidates(self) -> tuple[str, ...]:
        """Scans, and damaged DICOM files, which would be scans."""
        return tuple(sorted((*self.scans, *self.damaged)))

    @cached_property
    def _private(self) -> tuple[set[PurePosixPath], set[PurePosixPath]]:
        """Folders that identify a patient, and folders with a DICOM file that does."""
        named = [(PurePosixPath(name), depth) for name, depth in self.telling.items()]
        folders = {PurePosixPath(*path.parts[:depth]) for path, depth in named if depth < len(path.parts)}
        beside = {path.parent for path, depth in named if depth == len(path.parts)}
        return folders, beside

    def is_private(self, name: str) -> bool:
        """Whether a file's name may identify a patient.

        That is so below every folder whose name does, beside every DICOM file whose name does, and for the
        masks of such scans.
        """
        folders, beside = self._private
        paths = [PurePosixPath(name), PurePosixPath(self.pairing.of.get(name, name))]
        return any(path.parent in beside or not folders.isdisjoint(path.parents) for path in paths)

    def discreet(self, name: str) -> str:
        """The name, or a hash of it where it may identify a patient."""
        if not self.is_private(name):
            return name
        suffix = PurePosixPath(name).suffix.casefold()
        known = suffix in pictures.SUFFIXES or suffix in UNREAD  # any other may be a part of a name
        if name in self.headers or name in self.telling:
            suffix, known = ".dcm", True
        return f"{dicom.pseudonym(name)}{suffix if known else ''}"

    def folders(self, source: Source) -> list[str]:
        """The folders that may be classes: all but those that hold masks of scans elsewhere alone."""
        of_masks, of_scans = (
            {str(folder) for name in names for folder in PurePosixPath(name).parents}
            for names in (self.pairing.of, (*self.candidates, *self.pairing.unused))
        )
        return [name for name in source.folders if name not in of_masks or name in of_scans]

    def left_over(self, used: set[str], why: str) -> tuple[list[tuple[str, str]], tuple[Caution, ...]]:
        """What is not among the `used` files: each with a reason, and what a user must know of them.

        `why` is said of scans and of masks of scans that are not used.
        """
        others = [name for several in (self.candidates, *self.pairing.masks.values()) for name in several]
        left = [
            *((name, reason) for name, reason in self.ignored if name not in used),
            *((name, reason) for name, reason in self.pairing.unused.items() if name not in used),
            *((name, why) for name in sorted(set(others) - used)),
        ]
        scans = [name for name in self.candidates if name not in used]
        return [(self.discreet(name), reason) for name, reason in left], self._cautions(left, scans, why)

    def _cautions(
        self, left: Sequence[tuple[str, str]], scans: Sequence[str], why: str
    ) -> tuple[Caution, ...]:
        kinds: dict[str, list[str]] = defaultdict(list)
        for name, reason in left:
            kind = UNREAD.get(PurePosixPath(name).suffix.casefold(), ("", ""))
            if reason == kind[1]:
                kinds[kind[0]].append(name)
            elif self.pairing.unused.get(name, "another").startswith("a mask"):
                kinds["lone masks"].append(name)
            elif reason.endswith(("; rename it", " instead")):
                kinds["strange names"].append(name)
        kinds["outside"] = list(scans)
        return tuple(
            item
            for kind, names in kinds.items()
            for item in caution(kind, map(self.discreet, names), detail=why if kind == "outside" else "")
        )


def take_stock(source: Source) -> Stock:
    """Sort the files of a source."""
    ignored = list(source.ignored)
    headers: dict[str, dicom.Header] = {}
    damaged: dict[str, BusError] = {}
    telling: dict[str, int] = {}
    images: list[str] = []
    for name in source.names:
        path = PurePosixPath(name)
        suffix = path.suffix.casefold()
        if suffix in pictures.SUFFIXES:
            images.append(name)
        elif suffix in UNREAD:
            ignored.append((name, UNREAD[suffix][1]))
        # DICOM by its suffix or its first bytes; damaged files are for the reader to tell
        elif dicom.is_dicom(name, source.head(name, dicom.HEAD)):
            try:
                with source.open(name) as handle:
                    header = dicom.read_header(handle, name, source.where(name))
            except BusError as error:
                damaged[name] = error
                continue
            if header.named:
                telling[name] = header.named
            if header.frames:
                headers[name] = header
                images.append(name)
            else:
                ignored.append((name, WITHOUT_IMAGE))
        else:
            ignored.append((name, NOT_A_PICTURE))
    return Stock(masks.pair(images), headers, tuple(ignored), damaged, telling)


def peak(source: Source, name: str) -> int | None:
    """The highest grey level of a picture of 16 bits; None for any other, and for one that cannot be read."""
    suffix = PurePosixPath(name).suffix.casefold()
    if suffix not in pictures.DEEP_SUFFIXES:
        return None
    try:
        if suffix == ".png" and source.head(name, 25)[24:] != b"\x10":  # the depth in its header
            return None
        return pictures.peak(source.read(name), source.where(name))
    except BusError:
        return None  # whoever decodes it says so
