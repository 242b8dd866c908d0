"""What defines a study: frozen when it is created, and kept in its `study.json`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.errors import BusError
from ..core.files import read_json, write_json
from .cohort import COHORT_FILE, Scan, read_cohort, write_cohort

FORMAT = 1
FILE = "study.json"
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


def freeze(folder: Path, settings: Settings, rows: Sequence[Scan]) -> None:
    """Write a study's table, and last its settings: from then on there is a study in `folder`."""
    write_cohort(folder, rows)
    write_json(folder / FILE, asdict(settings))


def read(folder: Path) -> tuple[Settings, list[Scan]]:
    """Settings and scans of the study in `folder`; BusError: missing, damaged or of another format."""
    found = read_json(folder / FILE)
    try:
        if found["format"] != FORMAT:
            raise BusError(
                f"{folder} has study format {found['format']}; this version reads {FORMAT}. Make a new study."
            )
        data = DataInfo(**found.pop("data"))
        found.update(data=data, classes=tuple(found["classes"]), banners=tuple(found["banners"]))
        settings, rows = Settings(**found), read_cohort(folder)
        _check(settings, rows)
    except (KeyError, TypeError, ValueError) as error:
        raise BusError(
            f"{folder} is damaged: {FILE} or {COHORT_FILE} holds what was not written ({error!r}). "
            "Restore the file, or make a new study."
        ) from error
    return settings, rows


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
