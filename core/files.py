"""Files that are whole or absent: everything is written beside its place and then renamed."""

import csv
import errno
import hashlib
import io
import json
import math
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from .errors import BusError, UsageError, printable
from .opener import open_file, read_bytes

HOST = re.sub(r"[^A-Za-z0-9]", "_", platform.node())[:40] or "host"
DAY = 86_400  # s, after which a temporary file of another machine counts as left over
SPARE = 4 << 20  # bytes that stay free beyond an estimate
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if sys.platform != "win32" else {errno.ENOSPC}
SEAL = "seal"  # key in every JSON file: the hash of the rest, so that no changed byte goes unnoticed
FORMULAS = tuple("=+-@\t\r\n")  # a cell that begins with one of these may run in a spreadsheet
Json = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None  # what a JSON file holds
DIGITS = 19  # of a whole number in JSON; no number of ours has more


@contextmanager
def present(folder: Path) -> Iterator[None]:
    """Make a folder for the time of the context; what was new and is still empty at its end goes again."""
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with suppress(OSError):  # not empty: something was written
            for place in new:
                place.rmdir()


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it takes `path`'s place, on failure it is removed.

    Raises BusError where the folder cannot be written (full disk, read-only, vanished).
    """
    temporary = path.with_name(f".{path.name}.{HOST}-{os.getpid()}.part")
    try:
        with present(path.parent), _gone_at_last(temporary):
            yield temporary
            with temporary.open("rb+") as handle:  # Windows flushes what may be written alone
                os.fsync(handle.fileno())
            temporary.replace(path)
    except OSError as error:
        raise BusError(
            f"Could not write {path}: {error.strerror or error}. {mend(error)}; what was finished before is "
            "intact."
        ) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path` to fill; on success it takes its place, on failure it is removed.

    An empty folder that one stands in stays, and takes what was made. UsageError where `path` holds
    something, BusError where the disk does not take what is written.
    """
    place = path.absolute()  # `.` has no name of its own
    try:
        if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
            raise UsageError(f"{path} is there already and holds something. Give a new folder.")
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.{HOST}-{os.getpid()}.part")
        temporary.mkdir()
    except OSError as error:
        raise BusError(f"Could not make {path}: {error.strerror or error}. {mend(error)}.") from error
    try:
        yield temporary
        if place == Path.cwd():  # another folder in its place would not be the one that the shell is in
            for made in temporary.iterdir():
                made.rename(place / made.name)
            return
        if place.exists():
            place.rmdir()  # empty
        temporary.rename(place)
    except OSError as error:
        raise BusError(f"Could not write {path}: {error.strerror or error}. {mend(error)}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _gone_at_last(temporary: Path) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def mend(error: OSError) -> str:
    """What helps where something could not be written."""
    if error.errno in FULL:
        return "Free some space, or choose a folder on another disk"
    if error.errno == errno.EROFS:
        return "The disk can only be read; choose a folder on another, a study's after copying it there"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "Make the folder writable for you, or choose another"
    if error.errno == errno.EISDIR:
        return "A folder has this name; choose another name"
    return "Choose a folder that can be written"


def is_left_over(part: Path) -> bool:
    """Whether the process that was writing this temporary file is gone, so that nobody will finish it."""
    host, _, process = part.name.removesuffix(".part").rpartition(".")[2].rpartition("-")
    if host == HOST and process.isdigit() and sys.platform != "win32":  # os.kill ends a process there
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False  # another user's, alive
        return False
    try:
        return time.time() - part.stat().st_mtime > DAY
    except OSError:
        return False


def require_space(folder: Path, needed: int, what: str) -> None:
    """BusError before the work if the disk of `folder` has fewer than `needed` bytes (and some to spare)."""
    place = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed + SPARE:
        raise BusError(
            f"{what} needs about {megabytes(needed + SPARE)} in {folder}, where {megabytes(free)} are free. "
            "Free some space, or choose a folder on another disk. Nothing was changed."
        )


def megabytes(count: int) -> str:
    """A number of bytes for a person: MB with one digit below 10."""
    return f"{count / 1e6:,.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write `content` to `path` as a whole or not at all."""
    with writing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as indented JSON, with its seal.

    Control characters in texts become escapes; NaN and infinity are refused (ValueError).
    """
    rest = _shown(json.loads(json.dumps({key: value for key, value in content.items() if key != SEAL})))
    sealed = {**rest, SEAL: sha256_json(rest)}
    write_text(path, json.dumps(sealed, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, *, sealed: bool = False) -> dict[str, Any]:
    """Read a JSON object; BusError names a file that is missing, damaged or changed since it was written.

    Numbers are finite and of at most 19 digits, texts without control characters.
    """
    try:
        content = json.loads(read_bytes(path), parse_constant=_refuse, parse_int=_whole, parse_float=_finite)
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__} where an object was expected")
        seal = content.pop(SEAL, None)
        if seal != sha256_json(content) and (sealed or seal is not None):
            raise BusError(
                f"{path} is damaged: its content is not what was written there. Restore it, or delete it and "
                "run the same command again."
            )
        if _shown(content) != content:
            raise ValueError("a text with control characters, which nobody wrote there")
        return content
    except FileNotFoundError as error:
        raise BusError(f"{path} is missing. Run the command that makes it again.") from error
    except (ValueError, OSError, RecursionError) as error:
        raise BusError(
            f"{path} could not be read as JSON ({error}). Delete it and run the same command again."
        ) from error


def read_sealed(path: Path) -> dict[str, Any]:
    """As `read_json`, for a file that must carry the hash of its content."""
    return read_json(path, sealed=True)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is beyond all numbers")
    return number


def _shown(content: Any) -> Any:
    """Plain values with every text in them fit to be printed."""
    match content:
        case str():
            return printable(content)
        case dict():
            return {printable(str(key)): _shown(value) for key, value in content.items()}
        case list():
            return [_shown(value) for value in content]
    return content


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV (UTF-8, comma, one header line)."""
    buffer = io.StringIO()
    plain = csv.writer(buffer, lineterminator="\n")
    quoted = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(header)
    for row in rows:  # a bare carriage return would end a row for those who read it
        (quoted if any("\r" in str(cell) for cell in row) else plain).writerow(row)
    write_text(path, buffer.getvalue())


def export_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table for spreadsheets, in which no text can run as a formula; not for what is read back."""
    write_csv(
        path, [str(defused(name)) for name in header], ([defused(cell) for cell in row] for row in rows)
    )


def defused(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers stay as they are."""
    if not isinstance(cell, str) or cell[:1] not in FORMULAS:
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def read_csv(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read a CSV table as one dictionary a row; BusError if it is damaged or lacks one of `columns`."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
        header = reader.fieldnames or []
    except FileNotFoundError as error:
        raise BusError(f"{path} is missing. Run the command that makes it again.") from error
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise BusError(
            f"{path} could not be read as a CSV table ({error}). Save it as CSV in UTF-8."
        ) from error
    missing = [column for column in columns if column not in header]
    if missing:
        raise BusError(f"{path} has the columns {', '.join(header)}; {', '.join(missing)} is missing.")
    if any(None in row or None in row.values() for row in rows):
        raise BusError(
            f"{path} has rows with more or fewer cells than its header. Save it again as a plain CSV table."
        )
    if any(printable(value) != value for row in rows for value in row.values()):
        raise BusError(f"{path} holds control characters, which nobody wrote there. Restore it.")
    return rows


def sha256_bytes(content: bytes | memoryview) -> str:
    """Hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def sha256_json(content: Mapping[str, Json]) -> str:
    """SHA-256 of a configuration, whatever the order of its keys."""
    return sha256_bytes(json.dumps(content, sort_keys=True, allow_nan=False).encode())


def sha256_file(path: Path) -> str:
    """SHA-256 of an ordinary file's content; BusError if it cannot be read."""
    try:
        with open_file(path) as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BusError(f"{path} could not be read: {error.strerror}.") from error
