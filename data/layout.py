"""How a data set lies on the disk: where its root is and which folders are its classes, from names alone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..core.errors import BusError
from .masks import is_mask_folder, is_scan_folder
from .names import clean, key

SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
DOMAINS = re.compile(
    r"(train(?:ing)?|test(?:ing)?|val(?:id|idation)?)[ _-]?([AB])"
)  # of CycleGAN's own readers
WHOLE = {"all", "whole", "all_images", "full"}  # a folder that repeats what lies in the class folders
OWN_TABLE = "labels.csv"
USE_TABLE = "write a labels.csv (columns file,label)"


@dataclass(frozen=True)
class Layout:
    """Where the root is, relative to the path that was given, and either a table or each scan's class."""

    root: str  # "" or ends in "/"
    table: str | None = None  # path of labels.csv, if that rules
    labels: tuple[tuple[str, str], ...] = ()  # scan, class; empty with a table
    splits: tuple[str, ...] = ()  # train, test … folders that were merged


@dataclass(frozen=True)
class Files:
    """The names of a source's files, as far as a layout depends on them; all are paths with `/`."""

    scans: Sequence[str]  # pictures that are no masks
    folders: Sequence[str]  # all, empty ones too
    tables: Sequence[str]  # every labels.csv, or table of a public set
    others: Sequence[str] = ()  # what may say or hold more: spreadsheets, tables, archives, arrays


def find_layout(files: Files, where: str) -> Layout:
    """Find the data set below a folder, called `where` in messages.

    The root is the first level from above with a table or more than one folder of scans. Raises BusError
    where classes are missing or empty, or where the folders can be meant in two ways.
    """
    root = ""
    while True:
        if table := _table_in(files.tables, root, where):
            return Layout(root, table)
        children = _children(files.scans, root)
        if not children:
            raise BusError(_nothing(files, root, where))
        if all(name.casefold() in SPLITS and not _holds_files(inside) for name, inside in children.items()):
            return _merge_splits(children, files, root, where)
        if domains := _domains(children, root):
            return domains
        only = next(iter(children))
        tabled = any(name.rpartition("/")[0] == f"{root}{only}" for name in files.tables)
        if len(children) > 1 or (_holds_files(children[only]) and not tabled):
            children = _without_whole(children)
            classes = {_label(name) for name in children}
            _check_classes(
                classes, {_label(name) for name in _subfolders(files.folders, root)}, files, root, where
            )
            _check_nesting(children, f"{where}/{root}")
            return Layout(root, labels=_labels(children, root))
        root += f"{only}/"


def _table_in(tables: Iterable[str], folder: str, where: str) -> str | None:
    """The table in a folder: the user's own before that of a public set; BusError where several rule."""
    inside = [name for name in tables if name.rpartition("/")[0] == folder.rstrip("/")]
    own = [name for name in inside if name.rpartition("/")[2].casefold() == OWN_TABLE]
    ruling = own or inside
    if len(ruling) > 1:
        names = " and ".join(name.rpartition("/")[2] for name in ruling)
        raise BusError(
            f"{where}/{folder} holds several tables, {names}. Give the one that rules as --data, or remove "
            "the other."
        )
    return ruling[0] if ruling else None


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
    """Folders directly below `root` that may be classes: those that only say "all" or "masks" are none."""
    below = {name[len(root) :] for name in folders if name.startswith(root)}
    return {
        name
        for name in below
        if "/" not in name and not is_mask_folder(name) and name.casefold() not in WHOLE
    }


def _label(folder: str) -> str:
    """The class that a folder stands for: however its name was composed, and without blanks at its ends."""
    return clean(folder) or folder


def _labels(children: dict[str, list[str]], root: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"{root}{name}/{rest}", _label(name)) for name, inside in children.items() for rest in inside
    )


def _without_whole(children: dict[str, list[str]]) -> dict[str, list[str]]:
    """The folders without one called All beside two or more, which repeats their scans (as in BUS_UC)."""
    rest = {name: inside for name, inside in children.items() if name.casefold() not in WHOLE}
    return rest if len(rest) > 1 else children


def _nothing(files: Files, root: str, where: str) -> str:
    loose = sum(name.startswith(root) for name in files.scans)
    found = f"{loose} scans but no class folders" if loose else "no scans"
    return (
        f"{where}/{root} holds {found}. Expected: two or more folders, one per class, with the scans in them "
        f"(BUSI's layout). If the classes stand elsewhere, {USE_TABLE}.{_hint(files, root, where)}"
    )


def _hint(files: Files, root: str, where: str) -> str:
    """A sentence on files that lie there and may say the classes, or hold the scans."""
    below = [name for name in files.others if name.startswith(root)]
    packed = next((name for name in below if name.casefold().endswith(".zip")), "")
    sheet = next((name for name in below if name.casefold().endswith((".csv", ".xlsx", ".xls", ".ods"))), "")
    array = next((name for name in below if not name.casefold().endswith((".zip", ".csv", ".xlsx"))), "")
    if packed and not any(name.startswith(root) for name in files.scans):
        return f" There is {packed}: give it as it is, --data {where}/{packed}."
    if sheet:
        return (
            f" There is {sheet}: if it says the classes, save it as CSV with the columns file,label"
            f"[,patient] and give that, --data {where}/{sheet.rpartition('.')[0]}.csv."
        )
    return f" There is {array}, which is not read: save its pictures as PNG." if array else ""


def _merge_splits(children: dict[str, list[str]], files: Files, root: str, where: str) -> Layout:
    """Classes below train/, test/ …, merged: a study makes its own folds, by group."""
    labels: list[tuple[str, str]] = []
    classes: set[str] = set()
    below: set[str] = set()
    for split, names in children.items():
        inside = _without_whole(_children(names, ""))
        labels += _labels(inside, f"{root}{split}/")
        classes |= {_label(name) for name in inside}
        below |= {_label(name) for name in _subfolders(files.folders, f"{root}{split}/")}
    _check_classes(classes, below, replace(files, tables=()), root, where)
    return Layout(root, labels=tuple(labels), splits=tuple(sorted(children)))


def _domains(children: dict[str, list[str]], root: str) -> Layout | None:
    """trainA, trainB, testA, testB as CycleGAN's readers want them: the classes A and B, merged."""
    named = {name: DOMAINS.fullmatch(name) for name in children}
    letters = {match[2] for match in named.values() if match}
    if not all(named.values()) or len(letters) < 2:
        return None
    labels = tuple(
        (f"{root}{name}/{rest}", match[2])
        for name, match in named.items()
        if match
        for rest in children[name]
    )
    return Layout(root, labels=labels, splits=tuple(sorted(children)))


def _check_classes(classes: set[str], folders: set[str], files: Files, root: str, where: str) -> None:
    """Raise BusError unless `classes`, those of `folders` that hold scans, can be the classes."""
    folder, names = f"{where}/{root}", ", ".join(sorted(classes))
    tables = [name for name in files.tables if name.startswith(root)]
    strange = sorted(
        name for name in classes if name.casefold() in SPLITS or is_mask_folder(name) or is_scan_folder(name)
    )
    empty = sorted(folders - classes)
    if tables:
        raise BusError(
            f"{folder} holds the folders {names}, and {tables[0]} lies below. Give that file, or the folder "
            "of one data set."
        )
    if strange:
        raise BusError(
            f"{folder} holds the folders {names}; {strange[0]} is no class. Put the scans into one folder "
            f"per class, masks beside them as NAME_mask.png, or {USE_TABLE}.{_hint(files, root, where)}"
        )
    if empty:
        raise BusError(
            f"{folder} holds the folder {empty[0]} without a single scan, beside {names}. If it is a class, "
            "put its scans there (links to folders are not followed); if not, move it away."
        )
    if len(classes) < 2:
        raise BusError(
            f"{folder} holds one class only ({names}); two or more are expected, a folder for each."
            f"{_hint(files, root, where)}"
        )
    if len({key(name) for name in classes}) < len(classes):
        raise BusError(f"{folder} holds the classes {names}; two differ in upper and lower case only.")


def _check_nesting(classes: dict[str, list[str]], folder: str) -> None:
    """Raise BusError where folders look like several data sets, or like a data set beside something else."""
    flat = {_holds_files(inside) for inside in classes.values()}
    shared = set.intersection(*(set(_children(inside, "")) for inside in classes.values()))
    if len(flat) > 1 or len(shared) > 1:
        raise BusError(
            f"{folder} holds the folders {', '.join(sorted(classes))}, which hold folders of scans in turn: "
            "classes, or several data sets? Give the folder of one data set, put the scans directly into "
            f"class folders, or {USE_TABLE}."
        )
