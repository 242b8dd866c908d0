"""Making a study: read the data, find groups, choose the cohort, cut folds, freeze all of it in a folder."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..core.errors import BusError, UsageError, did_you_mean
from ..core.files import require_space, sha256_bytes
from . import cohort, settings, splits
from .caution import Caution
from .cohort import LeftOut, Scan
from .grouping import find_groups
from .reading import Data, Entry, is_download, list_source, read_listing, read_phantoms, stamp
from .settings import DataInfo, Settings, Value
from .store import MASKS_FILE, PIXELS_FILE, UNKNOWN, Squares

PHANTOMS = 780  # as many as BUSI has scans


@dataclass(frozen=True)
class Choices:
    """What a user chooses of a study when it is created."""

    data: str = "phantom"
    cohort: str = "clean"
    size: int = 64  # px a side
    k: int = 5
    seed: int = 0
    target: str = "malignant"
    inner: int | None = None
    frames: str = "middle"
    merge_alike: bool = False  # make one group of given groups that hold scans of one scene


DEFAULTS: dict[str, Value] = asdict(Choices())


def create(path: Path, chosen: Choices, asked: Collection[str], *, phantoms: int) -> None:
    """Read the data, find groups, cut folds and freeze all of it in a new study folder.

    `asked` names those of the choices that are no defaults' but the user's.
    """
    cohort.check_kind(chosen.cohort)  # before the scans are read, which may take minutes
    if chosen.size < 32 or chosen.size % 4:
        raise UsageError(f"--size {chosen.size}: expected a multiple of 4, at least 32 (pixels a side).")
    if chosen.seed < 0:
        raise UsageError(f"--seed {chosen.seed}: expected 0 or more.")
    beside = next(parent for parent in (path, *path.absolute().parents) if parent.is_dir())
    squares, masks = Squares(beside, chosen.size), Squares(beside, chosen.size, blank=UNKNOWN)

    # read every scan once; choose those of the cohort
    data, listing = _read(path, chosen, asked, squares, masks, phantoms)
    grouping = find_groups(data.entries, merge_alike=chosen.merge_alike)
    scans = cohort.build(data.entries, grouping.names, chosen.cohort)
    classes = sorted({scan.label for scan in scans if not scan.left_out})
    _check_classes(classes, {scan.label for scan in scans}, chosen)

    # cut them into folds
    scans = cut(scans, [entry.fold for entry in data.entries], chosen.k, chosen.seed, chosen.inner)
    k = 1 + max(scan.fold for scan in scans if scan.fold is not None)

    # freeze: the pixels first, what makes the folder a study last
    simulated = chosen.data == "phantom"  # a folder of that name is written with a path, as ./phantom
    groups = "phantom" if simulated else "+".join(sorted(set(grouping.sources)))
    left = len(data.ignored)
    info = DataInfo(data.name, chosen.data, content(data.entries), listing, groups, left, data.grey)
    origin = [Caution("phantoms", len(scans), detail="" if "data" in asked else "no --data was given")]
    told = origin if simulated else grouping.cautions(data.entries)
    cautions = (*told, *data.cautions)
    path.mkdir(parents=True, exist_ok=True)
    order = [entry.place for entry in data.entries]
    squares.save(path / PIXELS_FILE, order)
    (path / MASKS_FILE).unlink(missing_ok=True)  # of a study that was given up
    if masks.places:
        masks.save(path / MASKS_FILE, order)
    frozen = Settings(
        format=settings.FORMAT,
        data=info,
        cohort=chosen.cohort,
        size=chosen.size,
        k=k,
        seed=chosen.seed,
        target=chosen.target,
        inner=chosen.inner,
        classes=tuple(classes),
        cautions=cautions,
        frames=chosen.frames,
        merge_alike=chosen.merge_alike,
    )
    settings.freeze(path, frozen, scans)


def _read(
    path: Path, chosen: Choices, asked: Collection[str], squares: Squares, masks: Squares, phantoms: int
) -> tuple[Data, str]:
    """Read the data into squares of scans and masks; and a hash that knows the same files again undecoded."""
    if chosen.data == "phantom":
        _require_room(path, phantoms, chosen.size)
        data = read_phantoms(phantoms, chosen.size, keep=squares.put, keep_mask=masks.put)
        return data, f"phantom {phantoms}"
    listing = list_source(chosen.data, chosen.frames)
    given = {scan.fold for scan in listing.scans if scan.fold is not None}
    if given and "k" in asked and chosen.inner is None and len(given) != chosen.k:
        raise UsageError(
            f"--k {chosen.k}: the column fold of {chosen.data} holds {len(given)} folds, and the study takes "
            "these. Leave --k out, or remove the column to have folds cut."
        )
    _require_room(path, len(listing.scans), chosen.size)
    data = read_listing(listing, chosen.size, keep=squares.put, keep_mask=masks.put)
    if is_download(chosen.data):
        cohort.check_busi(data.entries)
    return data, stamp(listing)


def _require_room(path: Path, count: int, size: int) -> None:
    require_space(path, 4 * count * size**2 + 500 * count, f"A study of {count:,} scans")


def _check_classes(classes: Sequence[str], given: Collection[str], chosen: Choices) -> None:
    """Raise an error unless all classes that are `given` are left in the cohort, and the target is one."""
    lost = ", ".join(sorted(set(given) - set(classes)))
    if lost and chosen.cohort == "clean":
        raise BusError(
            f"No scan of {lost} in {chosen.data} is left in cohort clean: every group holds contradicting "
            "labels. Run bus data check to see them; correct the labels, or use --cohort raw."
        )
    if lost:
        raise BusError(
            f"No scan of {lost} in {chosen.data} is left in cohort {chosen.cohort}. Leave that class out of "
            "the data, or use --cohort raw."
        )
    if chosen.target not in classes:
        raise UsageError(
            f"--target {chosen.target}: these data hold the classes {', '.join(classes)}. Give one of them "
            f"as --target.{did_you_mean(chosen.target, classes)}"
        )


def content(entries: Sequence[Entry]) -> str:
    """Hash of what a data set holds: pixels, labels, groups and folds, whatever the files are called."""
    lines = (f"{entry.sha256} {entry.label} {entry.group} {entry.fold}" for entry in entries)
    return sha256_bytes("\n".join(lines).encode())


def cut(
    scans: list[Scan], given: Sequence[int | None], k: int, seed: int, inner: int | None = None
) -> list[Scan]:
    """Assign folds, those `given` with the data where there are any.

    With `inner` cut once, lock that fold's test scans away and cut the rest again.
    """
    outer = _fold(scans, k, seed, given)
    if inner is None:
        return outer
    if not any(scan.fold == inner for scan in outer):
        last = max(scan.fold for scan in outer if scan.fold is not None)
        raise UsageError(f"--inner {inner}: the study's folds are 0 to {last}.")
    locked = LeftOut("locked", str(inner))
    rest = [
        replace(scan, fold=None, left_out=locked if scan.fold == inner else scan.left_out) for scan in outer
    ]
    return _fold(rest, k, seed, [None] * len(rest))


def _fold(scans: list[Scan], k: int, seed: int, given: Sequence[int | None]) -> list[Scan]:
    rows = [row for row, scan in enumerate(scans) if not scan.left_out]
    inside = [scans[row] for row in rows]
    folds = splits.folds_of(
        [given[row] for row in rows],
        [scan.file for scan in inside],
        [scan.sha256 for scan in inside],
        [scan.label for scan in inside],
        [scan.group for scan in inside],
        k=k,
        seed=seed,
    )
    numbers = dict(zip(rows, folds, strict=True))
    return [replace(scan, fold=numbers.get(row)) for row, scan in enumerate(scans)]
