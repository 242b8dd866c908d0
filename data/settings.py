"""What defines a study: frozen when it is created, and kept in its `study.json`."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.errors import BusError
from ..core.files import read_json, read_sealed, sha256_file, write_json
from ..core.opener import kind_of
from . import caution
from .caution import Caution
from .cohort import COHORT_FILE, Scan, read_cohort, write_cohort
from .store import MASKS_FILE, PIXELS_FILE

FORMAT = 2  # 1 had no hashes and sentences instead of cautions; such studies still open
FILE = "study.json"
OWN = (PIXELS_FILE, MASKS_FILE, COHORT_FILE)  # what lies beside it, also where a creation was cut short
LOOKED_AT, SHOWN = 500, 5  # entries of a folder in which studies are looked for, studies that are named
LARGE = (PIXELS_FILE, MASKS_FILE)  # whose content is checked by commands that use it, not at every opening
Value = str | int | None  # of an option


@dataclass(frozen=True)
class DataInfo:
    """Which data a study was made from; `sha256` identifies them by content, `path` is only a hint."""

    name: str
    path: str
    sha256: str
    listing: str  # hash of names, sizes and times of the files, to recognise unchanged data without decoding
    groups: str  # sources of the groups, keys of cohort.GROUP_SOURCES joined by "+"
    ignored: int  # files that were not taken for scans
    grey: int = 0  # bits by which the grey levels of 16-bit files were read; 0 where there are none

    @property
    def group_sources(self) -> tuple[str, ...]:
        """Where its groups come from: keys of cohort.GROUP_SOURCES, or phantom."""
        return tuple(self.groups.split("+"))

    @property
    def simulated(self) -> bool:
        """Whether it is the built-in cohort: only its groups are known from the simulation."""
        return self.groups == "phantom"


@dataclass(frozen=True)
class Frozen:
    """A file of a study as it was when the study was made."""

    name: str
    sha256: str
    bytes: int
    time: int  # of its last change, ns; copying may alter it


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
    cautions: tuple[Caution, ...] = ()  # what every reader must know
    frames: str = "middle"  # of DICOM loops: middle | all
    files: tuple[Frozen, ...] = ()  # none in studies of format 1
    merge_alike: bool = False  # whether given groups that hold scans of one scene were made one
    share: float = 1.0  # of the groups with scans of the target, in every training part

    @property
    def banners(self) -> tuple[str, ...]:
        """The cautions as sentences."""
        return tuple(item.sentence for item in self.cautions)


def unfit(path: Path, option: str = "--study") -> str:
    """Why a path cannot be a study's folder, in a sentence; "" where it can.

    `option`: by which it was given, "" without one.
    """
    if path.is_symlink() and not path.exists():
        return f"{path} is a link to {path.readlink()}, which does not exist. Mend the link, or remove it."
    if path.exists() and not path.is_dir():
        inside = f"{option} {path.parent}".strip()
        slip = f" Did you mean {inside}?" if path.name in (FILE, *OWN) else ""
        kind = kind_of(path.stat().st_mode)
        return f"{path} is {kind}; a study is a folder. Choose another{' ' * bool(option)}{option}.{slip}"
    return ""


def absent(path: Path, option: str = "--study") -> str:
    """Why there is no study in `path`, with those nearby, in a sentence; "" where there is one.

    `option` as of `unfit`.
    """
    if (path / FILE).exists():
        return ""
    if why := unfit(path, option):
        return why
    if any((path / name).exists() for name in OWN) or any(path.glob("fold-*")):
        return f"{path / FILE} is missing. Restore it from a copy of the study, or make the study again."
    near = ", ".join(map(str, nearby(path)))
    return (
        f"There is no study in {path}. Run bus gan train first, or give "
        + (f"its folder with {option}." if option else "the folder of one.")
        + f" Studies nearby: {near}." * bool(near)
    )


def nearby(path: Path) -> list[Path]:
    """Up to five studies beside and below a path, and below the folder that one is in."""
    found: dict[Path, Path] = {}
    for base in (path, path.parent, Path()):
        with suppress(OSError):
            for place in (base, *sorted(islice(base.iterdir(), LOOKED_AT))):
                if len(found) < SHOWN and place.resolve() not in found and (place / FILE).is_file():
                    found[place.resolve()] = place
    return list(found.values())


def freeze(folder: Path, settings: Settings, rows: Sequence[Scan]) -> None:
    """Write the table of a study whose pixels lie there, and last its settings: now `folder` is a study."""
    write_cohort(folder, rows)
    paths = [folder / name for name in (COHORT_FILE, *LARGE) if (folder / name).exists()]
    files = tuple(
        Frozen(path.name, sha256_file(path), (about := path.stat()).st_size, about.st_mtime_ns)
        for path in paths
    )
    cautions = tuple(item.brief() for item in settings.cautions)
    write_json(folder / FILE, asdict(replace(settings, format=FORMAT, cautions=cautions, files=files)))


def read(folder: Path) -> tuple[Settings, list[Scan]]:
    """Settings and scans of the study in `folder`; BusError: missing, damaged or of another format.

    The table's content is checked, of the pixels and masks only size and time; `verify` checks all of them.
    """
    if why := absent(folder):
        raise BusError(why)
    content = read_json(folder / FILE)
    try:
        known = content["format"]
        if known not in (1, FORMAT):
            raise BusError(
                f"{folder} has study format {known}; this version reads 1 and {FORMAT}. Make a new study."
            )
        settings = _settings(content if known == 1 else read_sealed(folder / FILE))
        _check_frozen(folder, settings)
        rows = read_cohort(folder)
        _check(settings, rows)
    except (KeyError, TypeError, ValueError) as error:
        raise BusError(
            f"{folder} is damaged: {FILE} or {COHORT_FILE} holds what was not written ({error!r}). "
            "Restore the file, or make a new study."
        ) from error
    return settings, rows


def _settings(content: dict[str, Any]) -> Settings:
    """The settings in a study's file; KeyError, TypeError or ValueError where they are none."""
    if content["format"] == 1:
        banners = [Caution("said", detail=str(text)) for text in content.pop("banners")]
        content["cautions"] = [asdict(item) for item in (*banners, Caution("no hashes"))]
    data = DataInfo(**content.pop("data"))
    cautions = tuple(map(caution.from_json, content.pop("cautions")))
    files = tuple(Frozen(**item) for item in content.pop("files", ()))
    needed, names = {COHORT_FILE, PIXELS_FILE} if files else set(), {file.name for file in files}
    if not needed <= names <= {COHORT_FILE, *LARGE} or (content["format"] > 1 and not files):
        raise ValueError("the files of another study")
    return Settings(
        **{**content, "classes": tuple(content["classes"])}, data=data, cautions=cautions, files=files
    )


def _check_frozen(folder: Path, settings: Settings) -> None:
    """BusError unless the files are as they were frozen, as far as size and time tell; read small ones."""
    for file in settings.files:
        try:
            about = (folder / file.name).stat()
        except OSError as error:
            raise BusError(f"{folder / file.name} is missing. {MEND}") from error
        unchanged = (about.st_size, about.st_mtime_ns) == (file.bytes, file.time)
        if file.name not in LARGE or not unchanged:
            _check_content(folder, file)


def verify(folder: Path, settings: Settings) -> None:
    """BusError naming the file if the table, the pixels or the masks of a study are not what was frozen."""
    for file in settings.files:
        _check_content(folder, file)


MEND = "Restore it from a copy of the study, or make a new study from the same --data."
_intact: set[tuple[Path, Frozen, int, int]] = set()  # read once by this process


def _check_content(folder: Path, file: Frozen) -> None:
    path = folder / file.name
    about = path.stat()
    key = (path.absolute(), file, about.st_size, about.st_mtime_ns)
    if key in _intact:
        return
    if about.st_size != file.bytes or sha256_file(path) != file.sha256:
        raise BusError(
            f"{path} is damaged: it is not what the study was made with (its SHA-256 differs). {MEND}"
        )
    _intact.add(key)


def _check(settings: Settings, rows: Sequence[Scan]) -> None:
    """Raise ValueError for values that no study has, before they lead somewhere."""
    numbers = (settings.k, settings.size, settings.seed)
    texts = (*settings.classes, settings.target, settings.data.name, settings.data.path)
    if not all(isinstance(number, int) for number in numbers) or not all(
        isinstance(text, str) for text in texts
    ):
        raise ValueError("a value of another type")
    if settings.target not in settings.classes or not (
        2 <= settings.k <= 1000 and 32 <= settings.size <= 8192
    ):
        raise ValueError("target, k or size")
    if not isinstance(settings.share, int | float) or not 0 < settings.share <= 1:
        raise ValueError("share")
    for scan in rows:
        top, left, height, width = scan.box
        inside = min(top, left) >= 0 < min(height, width) and max(top + height, left + width) <= settings.size
        if not inside or (scan.fold is not None and not 0 <= scan.fold < settings.k):
            raise ValueError(f"the scan {scan.file} has a box or fold that cannot be")
        if scan.label not in settings.classes:
            raise ValueError(f"the scan {scan.file} is of no class of the study")
