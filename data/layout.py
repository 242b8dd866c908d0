"""How a data set lies on the disk: where its root is and which folders are its classes, from names alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core.errors import BusError

SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
NOT_CLASSES = {
    "images",
    "image",
    "imgs",
    "img",
    "scans",
    "masks",
    "mask",
    "gt",
    "ground_truth",
    "groundtruth",
    "annotations",
    "segmentations",
    "labels",
}
USE_TABLE = "write a labels.csv (columns file,label)"


@dataclass(frozen=True)
class Layout:
    """Where the root is, relative to the path that was given, and either a table or each scan's class."""

    root: str  # "" or ends in "/"
    table: str | None = None  # path of labels.csv, if that rules
    labels: tuple[tuple[str, str], ...] = ()  # scan, class; empty with a table
    splits: tuple[str, ...] = ()  # train, test … folders that were merged


def find_layout(scans: Sequence[str], folders: Sequence[str], tables: Sequence[str], where: str) -> Layout:
    """Find the data set below a folder, called `where` in messages.

    `scans` are the paths of pictures that are no masks, `tables` those of every labels.csv, `folders` all
    folders. The root is the first level from above with a labels.csv or more than one folder of scans. Raises
    BusError where classes are missing or empty, or where the folders can be meant in two ways.
    """
    root = ""
    while True:
        if table := _table_in(tables, root):
            return Layout(root, table)
        here = f"{where}/{root}"
        children = _children(scans, root)
        if not children:
            raise BusError(_nothing(scans, root, here))
        if all(name.casefold() in SPLITS and not _holds_files(inside) for name, inside in children.items()):
            return _merge_splits(children, folders, root, here)
        only = next(iter(children))
        tabled = _table_in(tables, f"{root}{only}/")
        if len(children) > 1 or (_holds_files(children[only]) and not tabled):
            inner = [name for name in tables if name.startswith(root)]
            _check_classes(set(children), _subfolders(folders, root), inner, here)
            _check_nesting(children, here)
            return Layout(root, labels=_labels(children, root))
        root += f"{only}/"


def _table_in(tables: Iterable[str], folder: str) -> str | None:
    return next((name for name in tables if name.rpartition("/")[0] == folder.rstrip("/")), None)


def _children(names: Iterable[str], root: str) -> dict[str, list[str]]:
    """Folders directly below `root`, each with the files below it, relative to it."""
    children: dict[str, list[str]] = {}
    for name in names:
        child, slash, rest = name[len(root) :].partition("/")
        if slash and name.startswith(root):
            children.setdefault(child, []).append(rest)
    return children


def _holds_files(inside: Iterable[str]) -> bool:
    return any("/" not in name for name in inside)


def _subfolders(folders: Iterable[str], root: str) -> set[str]:
    below = {name[len(root) :] for name in folders if name.startswith(root)}
    return {name for name in below if "/" not in name}


def _labels(children: dict[str, list[str]], root: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{root}{label}/{name}", label) for label, inside in children.items() for name in inside)


def _nothing(scans: Sequence[str], root: str, here: str) -> str:
    loose = sum(name.startswith(root) for name in scans)
    found = f"{loose} scans but no class folders" if loose else "no scans"
    return (
        f"{here} holds {found}. Expected: two or more folders, one per class, with the scans in them (BUSI's "
        f"layout). If the classes stand elsewhere, {USE_TABLE}."
    )


def _merge_splits(children: dict[str, list[str]], folders: Sequence[str], root: str, here: str) -> Layout:
    """Classes below train/, test/ …, merged: a study makes its own folds, by group."""
    labels: list[tuple[str, str]] = []
    classes: set[str] = set()
    below: set[str] = set()
    for split, names in children.items():
        inside = _children(names, "")
        labels += _labels(inside, f"{root}{split}/")
        classes |= set(inside)
        below |= _subfolders(folders, f"{root}{split}/")
    _check_classes(classes, below, [], here)
    return Layout(root, labels=tuple(labels), splits=tuple(sorted(children)))


def _check_classes(classes: set[str], folders: set[str], tables: Sequence[str], here: str) -> None:
    """Raise BusError unless `classes`, those of `folders` that hold scans, can be the classes."""
    found = ", ".join(sorted(classes))
    strange = sorted(name for name in classes if name.casefold() in NOT_CLASSES | SPLITS)
    empty = sorted(folders - classes)
    if tables:
        raise BusError(
            f"{here} holds the folders {found}, and {tables[0]} lies below. Give that file, or the folder of "
            "one data set."
        )
    if strange:
        raise BusError(
            f"{here} holds the folders {found}; {strange[0]} is no class. Put the scans into one folder per "
            f"class, masks beside them as NAME_mask.png, or {USE_TABLE}."
        )
    if empty:
        raise BusError(
            f"{here} holds the folder {empty[0]} without a single scan, beside {found}. If it is a class, "
            "put its scans there (links to folders are not followed); if not, move it away."
        )
    if len(classes) < 2:
        raise BusError(f"{here} holds one class only ({found}); two or more are expected, a folder for each.")
    if len({name.casefold() for name in classes}) < len(classes):
        raise BusError(f"{here} holds the classes {found}; two differ in upper and lower case only.")


def _check_nesting(classes: dict[str, list[str]], here: str) -> None:
    """Raise BusError where folders look like several data sets, or like a data set beside something else."""
    flat = {_holds_files(inside) for inside in classes.values()}
    shared = set.intersection(*(set(_children(inside, "")) for inside in classes.values()))
    if len(flat) > 1 or len(shared) > 1:
        raise BusError(
            f"{here} holds the folders {', '.join(sorted(classes))}, which hold folders of scans in turn: "
            "classes, or several data sets? Give the folder of one data set, put the scans directly into "
            f"class folders, or {USE_TABLE}."
        )
