"""Another generator's scans (`--synthetic FOLDER`): used as they are, and checked for what can be checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core import files
from ..core.errors import UsageError
from ..data.copies import alike_between, describe
from ..data.scans import to_grey
from ..data.store import Pixels, letterbox
from ..data.study import Study
from ..data.unlabelled import find
from ..gan.manifest import Synthetic, TranslatedScan, read_any_manifest

Row = Synthetic | TranslatedScan


@dataclass(frozen=True)
class Scans:
    """The scans of a folder by name: their files, their squares (N×S×S), and what manifests say of them."""

    files: Sequence[str]
    squares: Pixels
    said: Sequence[Row | None]
    rows: Sequence[Row]  # all of these manifests, also those of files that are not there


def _scans(folder: Path, size: int) -> Scans:
    """All scans of a folder, read once as long as its files stay the same."""
    stats = ((path, path.stat()) for path in sorted(folder.rglob("*")))
    return _read(folder, size, tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats))


@lru_cache(maxsize=2)
def _read(folder: Path, size: int, stamp: tuple[tuple[Path, int, int], ...]) -> Scans:
    found = find([folder]).scans
    if not found:
        raise UsageError(f"--synthetic {folder} holds no scans. Give a folder with pictures in it.")
    names = [scan.name for scan in found]
    parents = {Path(name).parent for name in names}
    manifests = {parent: {row.file: row for row in read_any_manifest(parent)} for parent in parents}
    return Scans(
        names,
        np.stack([letterbox(to_grey(scan.read()), size)[0] for scan in found]),
        [manifests[Path(name).parent].get(Path(name).name) for name in names],
        [row for rows in manifests.values() for row in rows.values()],
    )


def load(study: Study, folder: Path, number: int) -> Pixels:
    """The first `number` scans of a folder by name, letterboxed (N×S×S); UsageError where there are fewer."""
    found = _scans(folder, study.settings.size).squares
    if len(found) < number:
        raise UsageError(
            f"--synthetic {folder} holds {len(found)} scans; {number} are needed. Add more, or give a "
            "smaller --dose."
        )
    return found[:number]


def sha256(study: Study, folder: Path, number: int) -> str:
    """Hash of the scans that an arm uses."""
    return files.sha256_bytes(load(study, folder, number).tobytes())


def copies(study: Study, folder: Path, number: int, fold: int) -> list[tuple[str, str]]:
    """Scans used that look like a test scan of a fold, and that scan: of a generator that copied, say.

    Near-duplicates count: re-gained, moved, mirrored and the like.
    """
    test = study.test(fold)
    own = np.stack([describe(study.pixels[row]) for row in test])
    others = np.stack([describe(square) for square in load(study, folder, number)])
    names = _scans(folder, study.settings.size).files
    return [
        (Path(names[pair.second]).name, study.scans[test[pair.first]].file)
        for pair in alike_between(own, others)
    ]


@dataclass(frozen=True)
class Told:
    """What manifests tell of the scans used."""

    count: int  # scans that a manifest tells of
    leaking: Sequence[str]  # those of a generator that saw test scans
    elsewhere: int  # those made from scans that this study does not hold: what these show is unknown


def told(study: Study, folder: Path, number: int, fold: int) -> Told:
    """What manifests tell of the scans used, and which of them leak into a fold.

    A generator saw test scans if it is of another fold of this study's scans, or if any row of the manifest,
    used or not, says that it translated one: so does a fold of the same number of another split.
    """
    found = _scans(folder, study.settings.size)
    own = {scan.sha256 for scan in study.scans}
    tested = {study.scans[row].sha256 for row in study.test(fold)}
    seeing = {
        row.generator_sha256
        for row in found.rows
        if row.source_sha256 in tested
        or (isinstance(row, Synthetic) and row.source_sha256 in own and row.fold != fold)
    }
    said = [row for row in found.said[:number] if row]
    return Told(
        len(said),
        [row.file for row in said if row.generator_sha256 in seeing],
        sum(row.source_sha256 not in own for row in said),
    )
