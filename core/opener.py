"""How files that somebody else may have made are opened: ordinary ones alone, and within bounds."""

import os
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from .errors import BusError, printable

LARGEST = 512 << 20  # bytes of a file that is read as a whole
KINDS = {  # test of `stat` → what lies at a path, in words
    "S_ISLNK": "a link",
    "S_ISDIR": "a folder",
    "S_ISFIFO": "a named pipe",
    "S_ISSOCK": "a socket",
    "S_ISCHR": "a device",
    "S_ISBLK": "a device",
}


def kind_of(mode: int) -> str:
    """What a path leads to, in words, by the mode that `stat` gives."""
    return next((name for test, name in KINDS.items() if getattr(stat, test)(mode)), "an ordinary file")


def check_tree(root: Path) -> None:
    """Raise BusError where a folder holds anything but folders and ordinary files, at any depth.

    A folder that somebody sent may hold links to any place of this machine, pipes that never answer and
    devices that never end. Nothing is opened.
    """
    folders = [os.fspath(root)]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue  # removed by another process, or not ours to look into
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif not entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # removed meanwhile
                    raise BusError(
                        f"{printable(entry.path)} is {kind_of(os.lstat(entry.path).st_mode)}. A study holds "
                        "ordinary files and folders alone, since a link may lead anywhere. Put there what "
                        "belongs there, or remove it; nothing was changed."
                    )


def require_file(path: Path) -> Path:
    """The same path, of an ordinary file or of nothing; BusError for a pipe, device or folder, unopened."""
    with suppress(OSError):
        if not stat.S_ISREG(mode := path.stat().st_mode):
            raise BusError(f"{path} is {kind_of(mode)}; an ordinary file is expected there.")
    return path


def open_file(path: Path) -> BufferedReader:
    """Open an ordinary file for reading; pipes, devices and folders are refused unopened (BusError).

    Raises OSError as `open` does where there is nothing to open.
    """
    require_file(path)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags), "rb")


def read_bytes(path: Path, limit: int = LARGEST) -> bytes:
    """The content of an ordinary file; BusError for what is none and for more than `limit` bytes.

    Raises OSError as `open` does where there is nothing to read.
    """
    with open_file(path) as handle:
        size = os.fstat(handle.fileno()).st_size  # `read` allocates what it is asked for before it reads
        content = handle.read(min(size, limit) + 1)
    if len(content) > limit:
        raise BusError(f"{path} holds more than {limit >> 20:,} MB, the most that is read of such a file.")
    return content
