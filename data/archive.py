"""Where files come from: a folder or a zip, both read file by file and never unpacked."""

import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from ..core.errors import BusError, UsageError, printable
from ..core.opener import open_file

MAX_FILES = 1_000_000
MAX_BYTES = 1 << 29  # of one file, unpacked: 512 MB
MAX_TOTAL = 1 << 30  # of a zip, unpacked, above which MAX_RATIO is looked at: 1 GB
PIECE = 1 << 20  # bytes that are read at once
MAX_RATIO = 200  # of a zip, unpacked to packed; scans are packed already and stay near 1
JUNK = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir", "#recycle", "lost+found",
    "system volume information", "@recently-snapshot", "__pycache__",
}  # fmt: skip
UTF8 = 0x800  # flag of a zip's entry: its name is UTF-8
HIDDEN = "hidden or made by the system"


@dataclass(frozen=True)
class Source:
    """Files below one place, named by their path relative to it (with `/`)."""

    path: Path
    names: tuple[str, ...]  # sorted
    folders: tuple[str, ...]  # sorted; empty ones too
    ignored: tuple[tuple[str, str], ...]  # what was passed over, and why
    opener: Callable[[str], BinaryIO]
    decoded: str = ""  # how names were read that a zip did not mark as UTF-8; empty where all were

    def where(self, name: str) -> str:
        """The file's place as a message shows it."""
        return f"{self.path}/{name}"

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open a file for reading; BusError if that, or what is done with it, fails."""
        try:
            with self.opener(name) as handle:
                yield handle
        except (BusError, MemoryError):
            raise
        except Exception as error:  # a damaged zip raises nearly anything
            raise BusError(
                f"{self.where(name)} could not be read ({_reason(error)}). Copy it again or remove it."
            ) from error

    def head(self, name: str, count: int) -> bytes:
        """The first `count` bytes of a file, or all of them if there are fewer.

        Read in pieces: a zip unpacks as much as it is asked for, whatever it declares, before it cuts.
        """
        pieces = []
        with self.open(name) as handle:
            while count > 0 and (piece := handle.read(min(count, PIECE))):
                pieces.append(piece)
                count -= len(piece)
        return b"".join(pieces)

    def read(self, name: str) -> bytes:
        """The content of a file; BusError if it cannot be read or holds more than MAX_BYTES."""
        content = self.head(name, MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise BusError(
                f"{self.where(name)} holds more than {MAX_BYTES >> 20} MB, too much for a scan. Remove it."
            )
        return content


def open_source(path: Path) -> Source:
    """Open a folder or a zip; raises UsageError if `path` is neither, BusError if it cannot be read."""
    if path.is_dir():
        return _open_folder(path)
    if path.is_file() and (path.suffix.casefold() == ".zip" or zipfile.is_zipfile(path)):
        return _open_zip(path)
    if not path.exists():
        raise UsageError(f"--data {path}: there is no such file or folder. Check the spelling.")
    raise UsageError(
        f"{path} is neither a folder nor a zip. Expected: a folder or zip of class folders, or a labels.csv."
    )


def refusal(name: str) -> str:
    """Why a relative path must not be used, or an empty string."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or re.match(r"[A-Za-z]:/", name):
        return "an absolute path"
    if ".." in parts:
        return "leads outside of the folder"
    if printable(name) != name:
        return "its name holds control characters or is not valid Unicode; rename it"
    if not parts or any(part.startswith(".") or part.casefold() in JUNK for part in parts):
        return HIDDEN
    return ""


def _reason(error: Exception) -> str:
    return printable(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _open_folder(path: Path) -> Source:
    root = path.resolve()
    names: list[str] = []
    folders: list[str] = []
    ignored: list[tuple[str, str]] = []
    waiting = [root]
    while waiting:
        for entry in _entries(waiting.pop()):
            name = entry.relative_to(root).as_posix()
            why = refusal(name) or _refused_kind(entry, root)
            if why:
                ignored.append((printable(name), why))
                if why != HIDDEN and entry.is_dir():  # so that its class is missed
                    folders.append(printable(name))
            elif entry.is_dir():
                folders.append(name)
                waiting.append(entry)
            else:
                names.append(name)
        if len(names) > MAX_FILES:
            raise BusError(f"{path} holds more than {MAX_FILES:,} files. Give the data set's own folder.")

    def opener(name: str) -> BinaryIO:
        return open_file(root / name)

    return Source(path, tuple(sorted(names)), tuple(sorted(folders)), tuple(sorted(ignored)), opener)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise BusError(
            f"{printable(str(folder))} could not be read ({_reason(error)}). Make it readable or remove it."
        ) from error


def _refused_kind(entry: Path, root: Path) -> str:
    """Why a directory entry is passed over, or an empty string; links may lead to files below `root`."""
    try:
        if entry.is_symlink():
            target = entry.resolve(strict=True)
            if not target.is_relative_to(root):
                return "a link that leads outside of the folder; copy the file instead"
            return "" if target.is_file() else "a link to a folder; copy the folder instead"
        kind = entry.lstat().st_mode
    except (OSError, RuntimeError):  # RuntimeError: a loop of links, up to Python 3.12
        return "a link that leads nowhere"
    return "" if stat.S_ISREG(kind) or stat.S_ISDIR(kind) else "not an ordinary file"


def _open_zip(path: Path) -> Source:
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged zip raises nearly anything
        raise BusError(
            f"{path} could not be read as a zip ({_reason(error)}). Download or copy it again."
        ) from error
    _check_size(path, archive.infolist())
    names, decoded = _names(archive.infolist())
    members: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    ignored: list[tuple[str, str]] = []
    for entry, raw in zip(archive.infolist(), names, strict=True):
        name = str(PurePosixPath(raw))
        why = refusal(raw) or ("a link" if stat.S_ISLNK(entry.external_attr >> 16) else "")
        if why:
            ignored.append((printable(name), why))
            continue
        folders.update(str(parent) for parent in PurePosixPath(name).parents if parent.name)
        if raw.endswith("/"):
            folders.add(name)
        elif name in members:
            raise BusError(f"{path} holds {name} twice. Pack it again, with every file once.")
        elif entry.flag_bits & 1:
            raise BusError(f"{path} is encrypted ({name}). Unpack it with its password and give the folder.")
        else:
            members[name] = entry

    def opener(name: str) -> BinaryIO:
        return cast(BinaryIO, archive.open(members[name]))

    listed = (tuple(sorted(members)), tuple(sorted(folders)), tuple(sorted(ignored)))
    return Source(path, *listed, opener, decoded)


def _names(entries: Sequence[zipfile.ZipInfo]) -> tuple[list[str], str]:
    """The names in a zip, with `/`, and how those were read that are not marked as UTF-8 and not plain ASCII.

    Windows packs them in the code page of its country, macOS and others in UTF-8 without saying so; zipfile
    takes them for code page 437. Korean (CP949) is told by its bytes, nearly all of which lie above 0xA0.
    """
    unmarked = [entry for entry in entries if not entry.flag_bits & UTF8 and not entry.filename.isascii()]
    raw = {id(entry): entry.orig_filename.encode("cp437", "replace") for entry in unmarked}
    high = [byte for name in raw.values() for byte in name if byte > 0x7F]
    decoded = "code page 437" if unmarked else ""
    for encoding, likely in (("utf-8", True), ("cp949", sum(byte > 0xA0 for byte in high) > 0.8 * len(high))):
        try:
            read = {number: name.decode(encoding) for number, name in raw.items()}
        except UnicodeDecodeError:
            continue
        if unmarked and likely:
            decoded = {"utf-8": "UTF-8", "cp949": "CP949 (Korean)"}[encoding]
            break
    else:
        read = {}
    names = [read.get(id(entry), entry.filename).partition("\0")[0].replace("\\", "/") for entry in entries]
    return names, decoded


def _check_size(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Raise BusError for sizes that only a bomb declares; zipfile reads no more than is declared."""
    total, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if len(entries) > MAX_FILES:
        raise BusError(f"{path} holds more than {MAX_FILES:,} files. Pack the data set alone.")
    for entry in entries:
        if entry.file_size > MAX_BYTES:
            raise BusError(
                f"{path} holds {printable(entry.filename)} with {entry.file_size >> 20:,} MB; at most "
                f"{MAX_BYTES >> 20} MB a file are read. Pack the scans alone."
            )
    if total > MAX_TOTAL and total > MAX_RATIO * packed:
        raise BusError(
            f"{path} would grow from {packed >> 10:,} kB to {total >> 20:,} MB, which scans never do. If it "
            "is sound, unpack it and give the folder."
        )
