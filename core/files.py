"""Files that are whole or absent: everything is written beside its place and then renamed."""

import csv
import hashlib
import io
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import BusError

HOST = re.sub(r"[^A-Za-z0-9]", "_", platform.node())[:40] or "host"
DAY = 86_400  # s, after which a temporary file of another machine counts as left over
SEAL = "seal"  # key of the hash that a JSON file carries of the rest of it
SPARE = 4 << 20  # bytes that stay free beyond an estimate


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it takes `path`'s place, on failure it is removed.

    Raises BusError where the folder cannot be written (full disk, read-only, vanished).
    """
    temporary = path.with_name(f".{path.name}.{HOST}-{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise BusError(
            f"Could not write {path}: {error.strerror or error}. Free some space or choose a folder that "
            "can be "
            "written (--study); what was finished before is intact."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
            "Free some "
            "space, or choose a folder on another disk (--study). Nothing was changed."
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


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON; NaN and infinity are refused (ValueError)."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; BusError names a file that is missing or damaged."""
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError(f"a {type(found).__name__} where an object was expected")
        return found
    except FileNotFoundError as error:
        raise BusError(f"{path} is missing. Run the command that makes it again.") from error
    except (ValueError, OSError, RecursionError) as error:
        raise BusError(
            f"{path} could not be read as JSON ({error}). Delete it and run the same command again."
        ) from error


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object that carries the hash of its own content, so that damage to it is noticed."""
    write_json(path, {**content, SEAL: sha256_json(content)})


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote; BusError if the file is missing, or anything in it has changed since."""
    content = read_json(path)
    seal = content.pop(SEAL, None)
    try:
        intact = seal == sha256_json(content)
    except (ValueError, RecursionError):  # NaN, infinity
        intact = False
    if not intact:
        raise BusError(f"{path} is damaged: its content is not what was written there.")
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


def read_csv(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read a CSV table as one dictionary a row; BusError if it is damaged or lacks one of `columns`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            rows = list(reader)
            found = reader.fieldnames or []
    except FileNotFoundError as error:
        raise BusError(f"{path} is missing. Run the command that makes it again.") from error
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise BusError(
            f"{path} could not be read as a CSV table ({error}). Save it as CSV in UTF-8."
        ) from error
    missing = [column for column in columns if column not in found]
    if missing:
        raise BusError(f"{path} has the columns {', '.join(found)}; {', '.join(missing)} is missing.")
    if any(None in row or None in row.values() for row in rows):
        raise BusError(
            f"{path} has rows with more or fewer cells than its header. Save it again as a plain CSV table."
        )
    return rows


def sha256_bytes(content: bytes | memoryview) -> str:
    """Hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def sha256_json(content: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration, whatever the order of its keys."""
    return sha256_bytes(json.dumps(content, sort_keys=True, allow_nan=False).encode())


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, read in pieces; BusError if it cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BusError(f"{path} could not be read: {error.strerror}.") from error
