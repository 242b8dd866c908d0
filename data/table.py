"""`labels.csv`: the user's table of scans, labels, groups, masks and folds; and those of public data sets."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from statistics import median

from ..core.errors import BusError, printable
from .archive import refusal
from .caution import Caution
from .copies import joined
from .names import clean, is_unknown, key, may_be_unknown

COLUMNS = ("file", "label", "group", "patient", "mask", "fold")
OTHERS = {  # what public data sets call these columns
    "file": ("image_filename", "image", "filename", "image name", "img name", "id"),
    "label": ("pathology", "classification", "type", "tumor type", "class"),
    "patient": ("patient_id", "patient id", "patientid", "case", "caseid", "case_id"),
    "mask": ("mask_tumor_filename",),
}
PUBLIC = {  # tables that are recognised by their names and columns wherever they lie
    "labels.csv": frozenset[str](),
    "bus_data.csv": frozenset(("id", "case", "pathology")),  # BUS-BRA
    "info.csv": frozenset(("image", "label", "doppler")),  # BUS-UCLM: a patient's code begins the file's name
}
SEPARATORS = ",;\t"
FEW = 5  # scans of a number that may stand for "unknown", from which it is taken for that


@dataclass(frozen=True)
class Row:
    """One row, its paths relative to the table's folder."""

    file: str
    label: str
    group: str | None
    masks: tuple[str, ...]
    fold: int | None
    line: int  # in the table, counted from 1


@dataclass(frozen=True)
class Table:
    """The rows of a table, sorted by file."""

    rows: tuple[Row, ...]
    cautions: tuple[Caution, ...] = ()


@dataclass(frozen=True)
class Names:
    """The files that a table may name, relative to it: as they are, and by parts that only one file has."""

    files: Mapping[str, str]  # in Unicode's NFC form → as it is
    scans: Mapping[str, Sequence[str]] = field(repr=False)  # by path without suffix, name, stem or number
    masks: Mapping[str, Sequence[str]] = field(repr=False)  # likewise
    blanks: Mapping[str, Sequence[str]] = field(repr=False)  # by path with whatever blanks

    @classmethod
    def of(cls, names: Iterable[str], scans: Iterable[str] = (), masks: Iterable[str] = ()) -> "Names":
        """Of all files, and of the scans and masks among them, which a shortened name may mean."""
        files = {_composed(name): name for name in names}
        blanks: dict[str, list[str]] = {}
        for name in files.values():
            blanks.setdefault(clean(name), []).append(name)
        return cls(files, _shortened(scans), _shortened(masks), blanks)

    def find(self, entry: str, at: str, *, mask: bool = False) -> str:
        """The file that a cell means; BusError where there is none, or several."""
        name = _composed(str(PurePosixPath(entry.replace("\\", "/"))))
        why = refusal(name)
        if not why and name in self.files:
            return self.files[name]
        parts = self.masks if mask else self.scans
        same = (
            [] if why else parts.get(name) or parts.get(name.lstrip("0")) or self.blanks.get(clean(name), [])
        )
        if len(same) == 1:
            return same[0]
        if same:
            raise BusError(
                f"{at}: {printable(entry)} fits {len(same)} files, such as {same[0]} and {same[1]}. Write "
                "the whole path, relative to the table."
            )
        near = next((other for other in self.files.values() if key(other) == key(name)), None)
        hint = f"Did you mean {near}?" if near else "Paths are relative to the table, and stay in its folder."
        raise BusError(f"{at}: {printable(entry)}: {why or 'no such file among the data'}. {hint}")


def is_table(name: str, content: bytes) -> bool:
    """Whether a file is a table of scans: by its name, and by its columns where a public set calls it so."""
    columns = PUBLIC.get(PurePosixPath(name).name.casefold())
    if columns is None:
        return False
    line = content.decode("utf-8-sig", "replace").partition("\n")[0]
    cells = line.split(_separator(line))
    return columns <= {cell.strip().strip('"').casefold() for cell in cells}


def read_table(content: bytes, names: Names, where: str) -> Table:
    """Read `file,label[,group][,patient][,mask][,fold]`; other columns are ignored.

    Where both group and patient are given, a group is what shares either.

    Paths are relative to the table and must be among `names`, where a suffix or the folder may be missing if
    only one file is meant; several masks of a scan are separated by `;` or `&`. A word for "unknown" gives no
    group. Raises BusError, naming the row, for whatever is missing, doubled, empty or unreadable.
    """
    header, lines = _parse(content, where)
    column = _columns(header)
    grouped_by = next((name for name in ("group", "patient") if name in column), None)
    patients: dict[str, str] = {}
    rows: dict[str, Row] = {}
    for line, cells in lines:
        cell = {
            name: cells[index].strip() if name in ("file", "mask") else clean(cells[index])
            for name, index in column.items()
        }
        row = _row(cell, grouped_by, names, line, f"{where}, row {line}")
        if grouped_by is None and PUBLIC["info.csv"] <= set(header):
            row = replace(row, group=PurePosixPath(row.file).stem.partition("_")[0])
        patients[row.file] = cell.get("patient", "")
        first = rows.setdefault(row.file, row)
        if first is not row:
            raise BusError(
                f"{where}, row {line}: {row.file} stands in row {first.line} already. Delete one of the two."
            )
    _check(list(rows.values()), where)
    known, cautions = _without_unknown([rows[file] for file in sorted(rows)])
    if {"group", "patient"} <= set(column):
        of_patients, more = _without_unknown(
            [replace(row, group=patients[row.file] or None) for row in known]
        )
        united = share_either([row.group for row in known], [row.group for row in of_patients])
        known = [replace(row, group=group) for row, group in zip(known, united, strict=True)]
        cautions = (*cautions, *more)
    return Table(tuple(known), cautions)


def _parse(content: bytes, where: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header (lower case) and the rows that are not blank, each with its line number."""
    try:
        text = content.decode("utf-8-sig")
        separator = _separator(text.partition("\n")[0])
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except UnicodeDecodeError as error:
        raise BusError(f"{where} is not UTF-8 (byte {error.start}). Save it as “CSV UTF-8”.") from error
    except csv.Error as error:
        raise BusError(f"{where} could not be read as CSV ({error}). Save it as “CSV UTF-8”.") from error
    header = [clean(cell).casefold() for cell in lines[0][1]] if lines else []
    doubled = [name for name in COLUMNS if header.count(name) > 1]
    if doubled or not {"file", "label"} <= set(_columns(header)):
        problem = f"{doubled[0]} stands there twice" if doubled else "file and label are needed"
        raise BusError(
            f"{where} has the columns {printable(', '.join(header)[:200]) or '(none)'}; {problem}. Expected "
            "file,label[,group][,patient][,mask][,fold], separated by commas."
        )
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise BusError(
                f"{where}, row {line} has {len(cells)} cells; the header has {len(header)}. Put cells that "
                "hold a comma into quotes."
            )
    return header, lines[1:]


def _separator(line: str) -> str:
    """What separates the cells of a header: a comma, or what spreadsheets of other countries write."""
    return max(SEPARATORS, key=lambda separator: (line.count(separator), separator == ","))


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Where each column stands; in a table without file or label, names of public sets count too."""
    column = {name: header.index(name) for name in COLUMNS if name in header}
    if {"file", "label"} <= column.keys():
        return column
    for name, others in OTHERS.items():
        same = [other for other in others if other in header]
        if name not in column and same and not (name == "patient" and "group" in column):
            column[name] = header.index(same[0])
    return column


def _row(cell: Mapping[str, str], grouped_by: str | None, names: Names, line: int, at: str) -> Row:
    if not cell["file"]:
        raise BusError(f"{at}: the cell file is empty. Fill it in or delete the row.")
    if not cell["label"] or printable(cell["label"]) != cell["label"]:
        raise BusError(f"{at}: the label is empty or holds control characters. Correct it or delete the row.")
    group = cell[grouped_by] if grouped_by else ""
    if printable(group) != group:
        raise BusError(f"{at}: the {grouped_by} holds control characters. Correct it.")
    if printable(patient := cell.get("patient", "")) != patient:
        raise BusError(f"{at}: the patient holds control characters. Correct it.")
    masks = (mask.strip() for mask in cell.get("mask", "").replace("&", ";").split(";"))
    return Row(
        file=names.find(cell["file"], at),
        label=cell["label"],
        group=group or None,
        masks=tuple(names.find(mask, at, mask=True) for mask in masks if not is_unknown(mask)),
        fold=_fold(cell.get("fold", ""), at),
        line=line,
    )


def _shortened(names: Iterable[str]) -> dict[str, list[str]]:
    """Files by every part of their paths that may stand for them."""
    parts: dict[str, list[str]] = {}
    for name in names:
        path = PurePosixPath(_composed(name))
        shorter = {str(path.with_suffix("")), path.name, path.stem}
        for part in shorter | ({str(int(path.stem))} if path.stem.isdecimal() else set()):
            parts.setdefault(part, []).append(name)
    return parts


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _fold(cell: str, at: str) -> int | None:
    if not cell:
        return None
    if not (cell.isascii() and cell.isdigit() and len(cell) < 4):
        raise BusError(f"{at}: fold {printable(cell)} is not a whole number from 0 to 999. Use 0, 1, 2 …")
    return int(cell)


def _check(rows: list[Row], where: str) -> None:
    if not rows:
        raise BusError(f"{where} has no rows. List the scans in it, one row each.")
    labels = sorted({row.label for row in rows})
    if len(labels) < 2:
        raise BusError(f"{where} has one label only ({labels[0]}); two or more are expected.")
    if len({key(label) for label in labels}) < len(labels):
        raise BusError(f"{where}: of the labels {', '.join(labels)}, two differ in case only. Correct them.")
    unfolded = next((row for row in rows if row.fold is None), None)
    if unfolded and any(row.fold is not None for row in rows):
        raise BusError(
            f"{where}, row {unfolded.line}: {unfolded.file} has no fold, others have one. Fill it in, or "
            "remove the column."
        )


def _without_unknown(rows: Sequence[Row]) -> tuple[list[Row], tuple[Caution, ...]]:
    """The rows without groups that mean "unknown": by a word, or a number that far too many scans share."""
    counts = Counter(row.group for row in rows if row.group is not None)
    words = {group for group in counts if is_unknown(group)}
    others = [count for group, count in counts.items() if group not in words and not may_be_unknown(group)]
    usual = median(others) if others else 0
    words |= {
        group for group, count in counts.items() if may_be_unknown(group) and count >= max(FEW, FEW * usual)
    }
    files = tuple((row.file,) for row in rows if row.group in words)
    if not files:
        return list(rows), ()
    said = ", ".join(sorted(words))
    known = [replace(row, group=None) if row.group in words else row for row in rows]
    return known, (Caution("unknown patients", len(files), files, len(rows), said),)


def share_either(first: Sequence[str | None], second: Sequence[str | None]) -> list[str | None]:
    """One group a scan where two columns, group and patient, name it: what shares either name is one.

    None where both are None. A group is called by the first of its patients, or `group NAME` without any.
    """
    keys = [
        [(column, key(name)) for column, name in enumerate(both) if name is not None]
        for both in zip(first, second, strict=True)
    ]
    rows: dict[tuple[int, str], int] = {}
    links = [(rows.setdefault(key, row), row) for row, own in enumerate(keys) for key in own]
    component = joined(len(keys), links)
    called: dict[int, tuple[bool, str]] = {}
    for part, group, patient in zip(component, first, second, strict=True):
        if group is not None or patient is not None:
            name = (True, f"group {group}") if patient is None else (False, patient)
            called[part] = min(called.get(part, name), name)
    return [called[part][1] if part in called else None for part in component]
