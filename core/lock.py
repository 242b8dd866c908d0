"""Locks: two commands never write one thing at once, and a dead process holds nothing.

The operating system holds the lock (flock, msvcrt) on a small file beside what is being made, and lets go of
it when the process ends, however that happens. The file says who works there; it is removed with the lock.
Machines that share a folder exclude each other where its file system passes locks on (docs/cluster.md).
"""

import errno
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from .errors import BusError, printable
from .files import HOST, is_left_over, mend, present
from .opener import read_bytes
from .progress import Interrupted, note, stoppable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

POLL = 0.5  # s between two looks at a lock that another process holds
DENIED = {errno.EACCES, errno.EPERM}  # by a folder that is not ours to write, or by another user's lock
STALE = getattr(errno, "ESTALE", None)  # an open file that is no more on the server
UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}  # file systems without locks
BEYOND = 1 << 30  # byte that is locked on Windows, where locked bytes cannot be read


def lock_path(guarded: Path) -> Path:
    """The lock file of a folder or file: hidden, beside it."""
    return guarded.with_name(f".{guarded.name}.lock")


@contextmanager
def attempt(guarded: Path) -> Iterator[bool]:
    """Take the lock of `guarded` if it is free; yields whether it was.

    Where nothing can be written there is nothing to guard; another user's lock counts as anybody's, and
    BusError says where it cannot be read. A file system without locks is used all the same, and the user is
    told. Folders that were made for the lock alone go with it, but where another process took
    the lock at that very moment: an empty one may then stay, which nobody reads.
    """
    path, handle = lock_path(guarded), None
    with ExitStack() as folders:
        try:
            folders.enter_context(present(path.parent))
            handle = _take(path)
            ours = handle is not None
        except OSError as error:
            unguarded = error.errno in {errno.EROFS, *UNKNOWN} or (
                error.errno in DENIED and not os.access(path.parent, os.W_OK)
            )
            if not unguarded and error.errno in DENIED and path.exists():
                raise BusError(
                    f"{path} is the lock of another user and cannot be read. Ask for the right to read it, "
                    "or to have it deleted where none of that user's commands runs."
                ) from error
            if not unguarded:
                raise BusError(f"Could not write {path}: {error.strerror}. {mend(error)}.") from error
            if error.errno in UNKNOWN:
                note(
                    f"Note: the disk of {guarded} knows no locks; don't run two commands on it at once.",
                    warning=True,
                )
            ours = True
        try:
            if handle is not None:
                clear(guarded)
            yield ours
        finally:
            if handle is not None:
                with suppress(OSError):  # Windows does not remove open files
                    path.unlink()
                os.close(handle)


@contextmanager
def hold(guarded: Path, what: str) -> Iterator[None]:
    """Hold the lock of `guarded`, called `what` in messages; waits for another process and says who it is."""
    waiting = False
    while True:
        with attempt(guarded) as ours:
            if ours:
                yield
                return
        if not waiting:
            by = holder(guarded)
            note(f"{what} is being made by {by}. Waiting for that to end; Ctrl-C stops the waiting.")
        waiting = True
        with stoppable() as stop:
            time.sleep(POLL)
            if stop():
                raise Interrupted(f"Stopped waiting for {what[:1].lower()}{what[1:]}.")


def holder(guarded: Path) -> str:
    """Who holds the lock of `guarded`, in words."""
    try:
        found = json.loads(read_bytes(lock_path(guarded), 1 << 16))
        text = f"process {found['process']} on {found['host']} ({found['command']}), since {found['since']}"
    except (OSError, ValueError, TypeError, KeyError, RecursionError, BusError):
        return "another process"
    return printable(text)[:500]


def clear(guarded: Path) -> None:
    """Remove temporary files in a folder whose lock is ours: whoever began them has lost it."""
    for path in guarded.rglob(".*.part"):
        with suppress(OSError):
            path.unlink()


def sweep(root: Path) -> None:
    """Remove what killed processes left: locks that nobody holds, temporary files without a writer."""
    for path in root.rglob(".*"):
        if path.suffix == ".lock":
            guarded = path.with_name(path.name[1:].removesuffix(".lock"))
            with suppress(BusError), attempt(guarded):  # another user's that cannot be read stays
                pass
        elif path.suffix == ".part" and is_left_over(path):
            with suppress(OSError):
                path.unlink()


def _take(path: Path) -> int | None:
    """An open file whose lock is ours, or None where another process has it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = _open(path)
        except FileNotFoundError:
            continue  # its folder was removed between the two lines
        try:
            free = _lock(handle)
            if free and _is_at(handle, path):
                _sign(handle)
                return handle
        except OSError as error:
            os.close(handle)
            if error.errno == STALE:
                continue  # another machine removed the file while we opened it
            raise
        os.close(handle)
        if not free:
            return None  # else its holder removed the file while we opened it


def _open(path: Path) -> int:
    """Open a lock file, made where it is missing; another user's, which we may not write, for reading."""
    plain = getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | plain, 0o666)
    except PermissionError:
        if not os.access(path.parent, os.W_OK):
            raise
    try:
        return os.open(path, os.O_RDONLY | plain)
    except FileNotFoundError:  # the other user let go between the two lines
        return os.open(path, os.O_RDWR | os.O_CREAT | plain, 0o666)


def _lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(handle, BEYOND, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`.

    That is opened once more: a network file system asks its server then, but answers `stat` from memory.
    """
    try:
        other = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return False
    try:
        return os.path.samestat(os.fstat(handle), os.fstat(other))
    finally:
        os.close(other)


def _sign(handle: int) -> None:
    """Write down who holds the lock; on a full disk, or in another user's file, it holds without a name."""
    about = {
        "process": os.getpid(),
        "host": HOST,
        "command": shlex.join(["bus", *sys.argv[1:]]),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
    }
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps(about, ensure_ascii=False).encode("utf-8", "replace"))
