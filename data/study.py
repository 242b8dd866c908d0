"""A study: the folder of one data set, cohort and split, and of all that was made from them."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import lock
from ..core.errors import BusError, UsageError, did_you_mean
from ..core.files import read_csv, read_json, require_space, sha256_bytes, write_csv, write_json
from . import cohort, splits
from .cohort import Scan
from .store import Box, Pixels, Squares, load_pixels

FORMAT = 1
DEFAULTS: dict[str, Any] = {
    "data": "phantom",
    "cohort": "clean",
    "size": 64,
    "k": 5,
    "seed": 0,
    "target": "malignant",
    "inner": None,
    "frames": "middle",
}
PHANTOMS = 780  # as many as BUSI has scans
CHUNK = 4 << 20  # bytes of pixels read at once
UNKNOWN = 255  # fills the mask of a scan that came without one; else 1 is inside a lesion, 0 outside
COLUMNS = (
    "file",
    "sha256",
    "label",
    "group",
    "fold",
    "left_out",
    "width",
    "height",
    "top",
    "left",
    "inner_height",
    "inner_width",
)
OWN = {"pixels.npy", "cohort.csv"}  # what lies in a study whose creation was cut short
LOCKBOX = "test scans of outer fold {} are locked away (--inner)"


@dataclass(frozen=True)
class DataInfo:
    """Which data a study was made from; `sha256` identifies them by content, `path` is only a hint."""

    name: str
    path: str
    sha256: str
    listing: str  # hash of names, sizes and times of the files, to recognise unchanged data without decoding
    groups: str  # sources of the groups, keys of cohort.GROUP_SOURCES joined by "+"
    ignored: int  # files that were not taken for scans


@dataclass(frozen=True)
class Settings:
    """What defines a study and is frozen in `study.json`."""

    format: int
    data: DataInfo
    cohort: str
    size: int  # side of the letterboxed scans, px
    k: int
    seed: int
    target: str
    inner: int | None
    classes: tuple[str, ...]
    banners: tuple[str, ...] = ()  # sentences that every reader must see
    frames: str = "middle"  # of DICOM loops: middle | all


class Study:
    """An opened study. Row numbers index `scans`, `pixels` (N×S×S uint8, read-only) and `labels` alike."""

    def __init__(self, path: Path, settings: Settings, scans: list[Scan]) -> None:
        self.path = path
        self.settings = settings
        self.scans = scans
        self.classes = list(settings.classes)
        self.target = settings.target
        self.labels: NDArray[np.int64] = np.array([self.classes.index(scan.label) for scan in scans])
        self.groups = [scan.group for scan in scans]

    @property
    def pixels(self) -> Pixels:
        """The letterboxed scans, memory-mapped."""
        return load_pixels(self.path / "pixels.npy", len(self.scans), self.settings.size)

    @property
    def masks(self) -> Pixels | None:
        """The letterboxed lesion masks (N×S×S: 1 inside, 0 outside, UNKNOWN), memory-mapped; None where no scan has one."""
        path = self.path / "masks.npy"
        return load_pixels(path, len(self.scans), self.settings.size) if path.exists() else None

    @property
    def folds(self) -> list[int]:
        """The numbers of this study's folds."""
        return list(range(self.settings.k))

    def used(self) -> list[int]:
        """Rows that belong to the study's cohort, in any fold."""
        return [row for row, scan in enumerate(self.scans) if scan.fold is not None]

    def train(self, fold: int | None) -> list[int]:
        """Rows of the training part of `fold`; with None every used row (nothing is held out)."""
        return [row for row in self.used() if self.scans[row].fold != fold]

    def test(self, fold: int) -> list[int]:
        """Rows of the test part of `fold`."""
        return [row for row in self.used() if self.scans[row].fold == fold]

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
        """Every fold that something was made from, with its folder, by name; None where no scan was held out."""
        for folder in sorted(self.path.glob("fold-*")):
            name = folder.name.removeprefix("fold-")
            if name == "none" or name.isdecimal():
                yield (None if name == "none" else int(name)), folder

    def cells_path(self, fold: int) -> Path:
        """Folder of the classifiers trained on one fold."""
        return self.fold_path(fold) / "cells"

    def require(self) -> None:
        """Raise BusError if the study's folder has vanished: writing would make a part of it anew."""
        if not (self.path / "study.json").is_file():
            raise BusError(
                f"The study {self.path} has vanished or lost its study.json. Nothing more was written there."
            )

    @classmethod
    def open(cls, path: Path) -> "Study":
        """Open an existing study; BusError if its files are missing, damaged or of another format."""
        found = read_json(path / "study.json")
        try:
            if found["format"] != FORMAT:
                raise BusError(
                    f"{path} has study format {found['format']}; this version reads {FORMAT}. Make a new study."
                )
            data = DataInfo(**found.pop("data"))
            found.update(data=data, classes=tuple(found["classes"]), banners=tuple(found["banners"]))
            settings = Settings(**found)
            rows = [_scan(row) for row in read_csv(path / "cohort.csv", COLUMNS)]
            _check(settings, rows)
            return cls(path, settings, rows)
        except (KeyError, TypeError, ValueError) as error:
            raise BusError(
                f"{path} is damaged: study.json or cohort.csv does not hold what this version wrote ({error!r}). "
                "Restore the file, or make a new study."
            ) from error


def _check(settings: Settings, rows: Sequence[Scan]) -> None:
    """Raise ValueError for values that no study has, before they lead somewhere."""
    numbers = (settings.k, settings.size, settings.seed)
    texts = (*settings.classes, *settings.banners, settings.target, settings.data.name, settings.data.path)
    if not all(isinstance(number, int) for number in numbers) or not all(
        isinstance(text, str) for text in texts
    ):
        raise ValueError("a value of another type")
    if settings.target not in settings.classes or not (
        2 <= settings.k <= 1000 and 32 <= settings.size <= 8192
    ):
        raise ValueError("target, k or size")
    for scan in rows:
        top, left, height, width = scan.box
        inside = min(top, left) >= 0 < min(height, width) and max(top + height, left + width) <= settings.size
        if not inside or (scan.fold is not None and not 0 <= scan.fold < settings.k):
            raise ValueError(f"the scan {scan.file} has a box or fold that cannot be")


def class_folder(label: str) -> str:
    """A class's name as that of one folder, wherever the label came from."""
    plain = re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", label).strip(". ") or "_"
    return (
        plain
        if plain == label and len(plain.encode()) < 200
        else f"{plain[:40]}-{sha256_bytes(label.encode())[:8]}"
    )


def _scan(row: dict[str, str]) -> Scan:
    box = Box(*(int(row[name]) for name in COLUMNS[-4:]))
    fold = int(row["fold"]) if row["fold"] else None
    return Scan(
        row["file"],
        row["sha256"],
        row["label"],
        row["group"],
        fold,
        row["left_out"],
        int(row["width"]),
        int(row["height"]),
        box,
    )


def open_or_create(
    path: Path,
    asked: dict[str, Any],
    *,
    phantoms: int = PHANTOMS,
    say: Callable[[str], None] = lambda text: None,
    reading: Callable[[int], Callable[[], None]] = lambda total: lambda: None,
) -> Study:
    """Open the study at `path`, or create it from `asked` (keys of DEFAULTS; None means not asked).

    `reading(total)` returns a function to call after each scan that was decoded. Raises UsageError if `asked`
    contradicts what the study froze, with the differences.
    """
    asked = {key: value for key, value in asked.items() if value is not None}
    if not (path / "study.json").exists():
        made = _create_alone(path, asked, phantoms, say, reading)
        if made:
            return made
    study = Study.open(path)
    differences = [
        f"--{key} {value} (the study has {getattr(study.settings, key)})"
        for key, value in asked.items()
        if key != "data" and value != getattr(study.settings, key)
    ]
    if "data" in asked and not _same_data(study, str(asked["data"]), say):
        differences.append(
            f"--data {asked['data']} (the study was made from other scans: {study.settings.data.path})"
        )
    if differences:
        raise UsageError(
            f"The study {path} is frozen and contradicts {'; '.join(differences)}. "
            "Leave these options out to go on with it, or give another --study for a new one."
        )
    return study


def _create_alone(
    path: Path,
    asked: dict[str, Any],
    phantoms: int,
    say: Callable[[str], None],
    reading: Callable[[int], Callable[[], None]],
) -> Study | None:
    """Create a study unless another process is doing that; then wait for it and return None."""
    existed = path.exists()
    if path.is_file() or (
        existed and any(entry.name not in OWN and entry.name[0] != "." for entry in path.iterdir())
    ):
        raise UsageError(
            f"{path} is a folder with other things in it and no study.json. Choose another --study."
        )
    try:
        with lock.hold(path / "study.json", f"The study {path}"):
            if (path / "study.json").exists():
                return None
            lock.clear(path)
            return create(
                path,
                {**DEFAULTS, **asked},
                phantoms=phantoms,
                say=say,
                reading=reading,
                by_default="data" not in asked,
            )
    finally:
        if not existed:
            with suppress(OSError):  # not empty: there is a study
                path.rmdir()


def create(
    path: Path,
    options: dict[str, Any],
    *,
    phantoms: int,
    say: Callable[[str], None],
    reading: Callable[[int], Callable[[], None]],
    by_default: bool,
) -> Study:
    """Read the data, find groups, cut folds and freeze all of it in a new study folder."""
    cohort.check_kind(options["cohort"])  # before the scans are read, which may take minutes
    if options["size"] < 32 or options["size"] % 4:
        raise UsageError(f"--size {options['size']}: expected a multiple of 4, at least 32 (pixels a side).")
    place = next(parent for parent in (path, *path.absolute().parents) if parent.is_dir())
    squares, masks = Squares(place, options["size"]), Squares(place, options["size"], blank=UNKNOWN)

    def begin(count: int) -> Callable[[], None]:
        require_space(path, 4 * count * options["size"] ** 2 + 500 * count, f"A study of {count:,} scans")
        return reading(count)

    data, listing = _read(str(options["data"]), options["frames"], (squares, masks), phantoms, begin)
    names, sources = cohort.find_groups(data.entries)
    scans = cohort.build(data.entries, names, options["cohort"])
    classes = sorted({scan.label for scan in scans if not scan.left_out})
    if not classes:
        raise BusError(
            f"No scan of {options['data']} is left in cohort {options['cohort']}: every group holds contradicting labels. Run "
            "bus data check to see them, or use --cohort raw."
        )
    if options["target"] not in classes:
        raise UsageError(
            f"--target {options['target']}: these data hold the classes {', '.join(classes)}. Give one of them as --target."
            + did_you_mean(str(options["target"]), classes)
        )
    scans = cut(scans, data.entries, options)
    k = 1 + max(scan.fold for scan in scans if scan.fold is not None)
    phantom = data.name == "phantom"
    found = "phantom" if phantom else "+".join(sorted(set(sources)))
    info = DataInfo(
        data.name, str(options["data"]), _content(data.entries), listing, found, len(data.ignored)
    )
    settings = Settings(
        FORMAT,
        info,
        options["cohort"],
        options["size"],
        k,
        options["seed"],
        options["target"],
        options["inner"],
        tuple(classes),
        (*_banners(phantom, by_default, sources), *data.notes),
        options["frames"],
    )
    path.mkdir(parents=True, exist_ok=True)
    order = [entry.place for entry in data.entries]
    squares.save(path / "pixels.npy", order)
    (path / "masks.npy").unlink(missing_ok=True)  # of a study that was given up
    if masks.places:
        masks.save(path / "masks.npy", order)
    write_csv(path / "cohort.csv", COLUMNS, map(_row, scans))
    write_json(path / "study.json", asdict(settings))
    return Study.open(path)


def _read(
    source: str,
    frames: str,
    kept: tuple[Squares, Squares],
    phantoms: int,
    reading: Callable[[int], Callable[[], None]],
) -> tuple[cohort.Data, str]:
    """Read the data into squares of scans and of masks, and a hash by which the same files are known again undecoded."""
    keep, keep_mask, size = kept[0].put, kept[1].put, kept[0].size
    if source == "phantom":
        data = cohort.read_phantoms(phantoms, size, keep=keep, keep_mask=keep_mask, advance=reading(phantoms))
        return data, f"phantom {phantoms}"
    listing = cohort.list_source(source, frames)
    advance = reading(len(listing.scans))
    data = cohort.read_listing(listing, size, keep=keep, keep_mask=keep_mask, advance=advance)
    return data, cohort.stamp(listing)


def _same_data(study: Study, source: str, say: Callable[[str], None]) -> bool:
    """Whether `source` holds the study's scans; compares file stamps first, content only if they differ."""
    if source == "phantom" or study.settings.data.name == "phantom":
        return source == "phantom" and study.settings.data.name == "phantom"
    listing = cohort.list_source(source, study.settings.frames)
    if cohort.stamp(listing) == study.settings.data.listing:
        return True
    say(
        "The files under --data have changed names or times since the study was made; comparing their pixels."
    )
    return _content(cohort.read_listing(listing, study.settings.size).entries) == study.settings.data.sha256


def _content(entries: Sequence[cohort.Entry]) -> str:
    lines = (f"{entry.sha256} {entry.label} {entry.group} {entry.fold}" for entry in entries)
    return sha256_bytes("\n".join(lines).encode())


def cut(scans: list[Scan], entries: Sequence[cohort.Entry], options: dict[str, Any]) -> list[Scan]:
    """Assign folds; with `inner` cut once, lock that fold's test scans away and cut the rest again."""
    own = any(entry.fold is not None for entry in entries)
    given = [entry.fold for entry in entries] if own else None
    outer = _fold(scans, options["k"], options["seed"], given)
    inner = options["inner"]
    if inner is None:
        return outer
    if not any(scan.fold == inner for scan in outer):
        raise UsageError(f"--inner {inner}: the study's folds are 0 to {options['k'] - 1}.")
    rest = list(cohort.leave_out(outer, lambda scan: scan.fold == inner, LOCKBOX.format(inner)))
    return _fold([replace(scan, fold=None) for scan in rest], options["k"], options["seed"], None)


def _fold(scans: list[Scan], k: int, seed: int, given: Sequence[int | None] | None) -> list[Scan]:
    rows = [row for row, scan in enumerate(scans) if not scan.left_out]
    inside = [scans[row] for row in rows]
    group_names = [scan.group for scan in inside]
    if given is not None:
        own = [given[row] for row in rows]
        splits.check_given_folds(own, group_names, [scan.file for scan in inside])
        folds = [fold for fold in own if fold is not None]
    else:
        folds = splits.assign_folds(
            [scan.sha256 for scan in inside], [scan.label for scan in inside], group_names, k=k, seed=seed
        )
    numbers = dict(zip(rows, folds, strict=True))
    return [replace(scan, fold=numbers.get(row)) for row, scan in enumerate(scans)]


def _banners(phantom: bool, by_default: bool, sources: Sequence[str]) -> list[str]:
    banners = []
    if phantom:
        chosen = "No --data was given, so these" if by_default else "These"
        banners.append(
            f"{chosen} are simulated phantoms, not patients: the numbers show how the tool works and mean nothing medical."
        )
    elif "detected" in sources:
        count = sources.count("detected")
        banners.append(
            f"No groups are known for {count} of {len(sources)} scans. A detector joined near-duplicates; it cannot see "
            "two different views of one patient. If a patient is on both sides of a split, every result here is too good. "
            "Give groups or patients in a labels.csv (file,label,patient)."
        )
    return banners


def _row(scan: Scan) -> list[object]:
    fold = "" if scan.fold is None else scan.fold
    return [
        scan.file,
        scan.sha256,
        scan.label,
        scan.group,
        fold,
        scan.left_out,
        scan.width,
        scan.height,
        *scan.box,
    ]
