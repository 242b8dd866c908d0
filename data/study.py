"""A study: the folder of one data set, cohort and split, and of all that was made from them."""

import hashlib
import math
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import lock
from ..core.errors import BusError, UsageError
from ..core.files import sha256_bytes, writing
from ..core.opener import check_tree
from ..core.progress import note
from . import settings
from .cohort import Scan
from .creation import PHANTOMS, Choices, content, create
from .names import clean
from .reading import list_source, read_listing, stamp
from .settings import Settings
from .store import MASKS_FILE, PIXELS_FILE, Pixels, load_pixels

CHUNK = 4 << 20  # bytes of pixels read at once


class Study:
    """An opened study. Row numbers index `scans`, `pixels` (N×S×S uint8, read-only) and `labels` alike."""

    def __init__(self, path: Path, frozen: Settings, scans: Sequence[Scan]) -> None:
        self.path = path
        self.settings = frozen
        self.scans = scans
        self.classes = list(frozen.classes)
        self.target = frozen.target
        self.labels: NDArray[np.int64] = np.array([self.classes.index(scan.label) for scan in scans])
        self.groups = [scan.group for scan in scans]
        self._folds = np.array([-1 if scan.fold is None else scan.fold for scan in scans], int)  # −1: unused

    @property
    def pixels(self) -> Pixels:
        """The letterboxed scans, memory-mapped."""
        return load_pixels(self.path / PIXELS_FILE, len(self.scans), self.settings.size)

    @property
    def masks(self) -> Pixels | None:
        """The letterboxed lesion masks (N×S×S: 1 inside, 0 outside, or UNKNOWN); None without any."""
        path = self.path / MASKS_FILE
        return load_pixels(path, len(self.scans), self.settings.size) if path.exists() else None

    @cached_property
    def row_of(self) -> dict[tuple[str, str], int]:
        """The row of each scan, by its hash and its label."""
        return {(scan.sha256, scan.label): row for row, scan in enumerate(self.scans)}

    @property
    def folds(self) -> list[int]:
        """The numbers of this study's folds."""
        return list(range(self.settings.k))

    def used(self) -> list[int]:
        """Rows that belong to the study's cohort, in any fold."""
        return np.flatnonzero(self._folds >= 0).tolist()

    def train(self, fold: int | None) -> list[int]:
        """Rows of the training part of `fold`; with None every used row (nothing is held out).

        Where the study keeps but a share of the target's groups, without the others: the first ones by a hash
        stay, so that a smaller share is a part of a larger one.
        """
        rows: list[int] = np.flatnonzero((self._folds >= 0) & (self._folds != fold)).tolist()
        if self.settings.share == 1:
            return rows
        of_target = {self.groups[row] for row in rows if self.scans[row].label == self.target}
        order = sorted(of_target, key=lambda group: sha256_bytes(f"{self.settings.seed} {group}".encode()))
        gone = set(order[math.ceil(self.settings.share * len(order)) :])
        return [row for row in rows if self.groups[row] not in gone]

    def test(self, fold: int) -> list[int]:
        """Rows of the test part of `fold`."""
        return np.flatnonzero((self._folds >= 0) & (self._folds == fold)).tolist()

    def parts(self, fold: int | None) -> dict[str, str]:
        """What a network of this fold saw, by hash of a scan's pixels: training, test or left out."""
        known = {scan.sha256: "test" if scan.fold == fold is not None else "left out" for scan in self.scans}
        return known | {self.scans[row].sha256: "training" for row in self.train(fold)}

    def rows_of(self, rows: Sequence[int], labels: Sequence[str]) -> list[int]:
        """Those of `rows` whose class is one of `labels`."""
        return [row for row in rows if self.scans[row].label in labels]

    def pixels_sha256(self, rows: Sequence[int]) -> str:
        """Hash of the letterboxed pixels and classes of `rows`, in order: what a training saw."""
        digest, many = hashlib.sha256(), max(1, CHUNK // self.settings.size**2)
        for start in range(0, len(rows), many):
            digest.update(
                self.pixels[list(rows[start : start + many])].data
            )  # mapped anew: memory stays flat
        digest.update(",".join(self.scans[row].label for row in rows).encode())
        return digest.hexdigest()

    def fold_path(self, fold: int | None) -> Path:
        """Folder of everything made from one fold."""
        return self.path / ("fold-none" if fold is None else f"fold-{fold}")

    def fold_folders(self) -> Iterator[tuple[int | None, Path]]:
        """Every fold that something was made from, with its folder; None where no scan was held out."""
        for folder in sorted(self.path.glob("fold-*")):
            name = folder.name.removeprefix("fold-")
            if name == "none" or name.isdecimal():
                yield (None if name == "none" else int(name)), folder

    def cells_path(self, fold: int) -> Path:
        """Folder of the classifiers trained on one fold."""
        return self.fold_path(fold) / "cells"

    def require(self) -> None:
        """Raise BusError if the study's folder has vanished: writing would make a part of it anew."""
        if not (self.path / settings.FILE).is_file():
            raise BusError(
                f"The study {self.path} has vanished or lost its study.json. Nothing more was written there."
            )

    def verify(self) -> None:
        """Read all frozen files once and compare their hashes; BusError names one that is damaged.

        For whoever computes or reports; opening alone compares size and time, and the table's content.
        """
        settings.verify(self.path, self.settings)

    @classmethod
    def open(cls, path: Path) -> "Study":
        """Open an existing study; BusError if its files are missing, damaged or of another format."""
        check_tree(path)
        return cls(path, *settings.read(path))


class Preview(Study):
    """A study that was not made yet: its folder does not exist, its scans and masks are those of `whole`."""

    def __init__(self, whole: Study, path: Path, frozen: Settings, scans: Sequence[Scan]) -> None:
        super().__init__(path, frozen, scans)
        self._whole = whole

    @property
    def pixels(self) -> Pixels:
        """The letterboxed scans, memory-mapped."""
        return self._whole.pixels

    @property
    def masks(self) -> Pixels | None:
        """Their lesion masks; None without any."""
        return self._whole.masks


def derived(
    study: Study,
    path: Path,
    like: Callable[[Study], bool],
    recut: Callable[[], tuple[settings.Settings, Sequence[Scan]]],
    files: Sequence[str] = (PIXELS_FILE,),
) -> Study:
    """Open the study at `path` within another one, or make it of the same `files` with settings of its own.

    One that is not `like` what is asked is made anew. Two processes that ask at once make it once.
    """
    with lock.hold(path / settings.FILE, f"The study {path}"):
        if (path / settings.FILE).exists() and like(sub := Study.open(path)):
            return sub
        (path / settings.FILE).unlink(missing_ok=True)  # first: what is cut short here is no study
        for old in path.glob("*"):
            if old.is_dir():
                shutil.rmtree(old)
            elif old != lock.lock_path(path / settings.FILE):
                old.unlink()
        for name in files:
            if (study.path / name).exists():
                with writing(path / name) as part:
                    shutil.copyfile(study.path / name, part)
        settings.freeze(path, *recut())
        return Study.open(path)


def foreseen(
    study: Study, path: Path, recut: Callable[[], tuple[settings.Settings, Sequence[Scan]]]
) -> Study:
    """The study at `path` within another one, or one that exists in memory only; nothing is written."""
    return Study.open(path) if (path / settings.FILE).exists() else Preview(study, path, *recut())


def fold_name(fold: int | None) -> str:
    """What a translator saw the training part of, in words: a fold, or all scans where none was held out."""
    return "all scans" if fold is None else f"fold {fold}"


def class_folder(label: str) -> str:
    """A class's name as that of one folder, wherever the label came from."""
    plain = re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", label).strip(". ") or "_"
    return (
        plain
        if plain == label and len(plain.encode()) < 200
        else f"{plain[:40]}-{sha256_bytes(label.encode())[:8]}"
    )


def open_or_create(path: Path, asked: Mapping[str, Any], *, phantoms: int = PHANTOMS) -> Study:
    """Open the study at `path`, or create it from `asked` (by the names of Choices; None means not asked).

    Raises UsageError if `asked` contradicts what the study froze, with the differences.
    """
    asked = {key: value for key, value in asked.items() if value is not None}
    if "target" in asked:
        asked["target"] = clean(str(asked["target"]))  # as classes are kept, however it was composed
    if not (path / settings.FILE).exists() and _create_alone(path, asked, phantoms):
        return Study.open(path)
    study = Study.open(path)
    study.verify()
    differences = [
        f"--{key.replace('_', '-')} {value} (the study has {getattr(study.settings, key)})"
        for key, value in asked.items()
        if key != "data" and value != getattr(study.settings, key)
    ]
    if "data" in asked and not _same_data(study, str(asked["data"])):
        differences.append(
            f"--data {asked['data']} (the study was made from other scans: {study.settings.data.path})"
        )
    if differences:
        raise UsageError(
            f"The study {path} is frozen and contradicts {'; '.join(differences)}. "
            "Leave these options out to go on with it, or give another --study for a new one."
        )
    return study


def _create_alone(path: Path, asked: Mapping[str, Any], phantoms: int) -> bool:
    """Create a study; False where another process was doing that, once it has."""
    check_new(path)
    with lock.hold(path / settings.FILE, f"The study {path}"):
        if (path / settings.FILE).exists():
            return False
        lock.clear(path)
        create(path, Choices(**asked), asked, phantoms=phantoms)
        return True


def check_new(path: Path) -> None:
    """UsageError where no study can be made, since something else lies there."""
    if why := settings.unfit(path):
        raise UsageError(why)
    names = [entry.name for entry in path.iterdir()] if path.exists() else []
    if any(name not in settings.OWN and name[0] != "." for name in names):
        raise UsageError(
            f"{path} is a folder with other things in it and no {settings.FILE}. Choose another --study."
        )


def discard(study: Study) -> None:
    """Remove the files of a study from which nothing was made; its folder stays."""
    path = study.path
    with lock.hold(path / settings.FILE, f"The study {path}"):
        own = (settings.FILE, *settings.OWN)
        if all(entry.name in own or entry.name[0] == "." for entry in path.iterdir()):
            for name in own:  # what makes the folder a study first
                (path / name).unlink(missing_ok=True)


def _same_data(study: Study, source: str) -> bool:
    """Whether `source` holds the study's scans; compares file stamps first, content only if they differ."""
    if source == "phantom" or study.settings.data.simulated:
        return source == "phantom" and study.settings.data.simulated
    listing = list_source(source, study.settings.frames)
    if stamp(listing) == study.settings.data.listing:
        return True
    note(
        "The files under --data have changed names or times since the study was made; comparing their pixels."
    )
    return content(read_listing(listing, study.settings.size).entries) == study.settings.data.sha256
