"""`labels.csv`: the user's own table of scans, labels, groups, masks and folds."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..core.errors import BusError, printable
from .archive import refusal

COLUMNS = ("file", "label", "group", "patient", "mask", "fold")


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
    """The rows of a labels.csv, sorted by file, and which column its groups came from."""

    rows: tuple[Row, ...]
    grouped_by: str | None  # "group", "patient" or None


def read_table(content: bytes, names: Iterable[str], where: str) -> Table:
    """Read `file,label[,group or patient][,mask][,fold]`; other columns are ignored.

    Paths are relative to the table and must be among `names`; several masks of a scan are separated by `;`.
    Raises BusError, naming the row, for whatever is missing, doubled, empty or unreadable.
    """
    header, lines = _parse(content, where)
    column = {name: header.index(name) for name in COLUMNS if name in header}
    grouped_by = next((name for name in ("group", "patient") if name in column), None)
    known = {unicodedata.normalize("NFC", name): name for name in names}
    rows: dict[str, Row] = {}
    for line, cells in lines:
        cell = {name: cells[index].strip() for name, index in column.items()}
        row = _row(cell, grouped_by, known, line, f"{where}, row {line}")
        first = rows.setdefault(row.file, row)
        if first is not row:
            raise BusError(
                f"{where}, row {line}: {row.file} stands in row {first.line} already. Delete one of the two."
            )
    _check(list(rows.values()), where)
    return Table(tuple(rows[file] for file in sorted(rows)), grouped_by)


def _parse(content: bytes, where: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header (lower case) and the rows that are not blank, each with its line number."""
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except UnicodeDecodeError as error:
        raise BusError(f"{where} is not UTF-8 (byte {error.start}). Save it as “CSV UTF-8”.") from error
    except csv.Error as error:
        raise BusError(f"{where} could not be read as CSV ({error}). Save it as “CSV UTF-8”.") from error
    header = [cell.strip().casefold() for cell in lines[0][1]] if lines else []
    doubled = [name for name in COLUMNS if header.count(name) > 1]
    if doubled or not {"file", "label"} <= set(header):
        problem = f"{doubled[0]} stands there twice" if doubled else "file and label are needed"
        raise BusError(
            f"{where} has the columns {printable(', '.join(header)[:200]) or '(none)'}; {problem}. Expected "
            "file,label[,group or patient][,mask][,fold], separated by commas."
        )
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise BusError(
                f"{where}, row {line} has {len(cells)} cells; the header has {len(header)}. Put cells that "
                "hold a comma into quotes."
            )
    return header, lines[1:]


def _row(
    cell: Mapping[str, str], grouped_by: str | None, known: Mapping[str, str], line: int, at: str
) -> Row:
    if not cell["file"]:
        raise BusError(f"{at}: the cell file is empty. Fill it in or delete the row.")
    if not cell["label"] or printable(cell["label"]) != cell["label"]:
        raise BusError(f"{at}: the label is empty or holds control characters. Correct it or delete the row.")
    group = cell[grouped_by] if grouped_by else ""
    if printable(group) != group:
        raise BusError(f"{at}: the {grouped_by} holds control characters. Correct it.")
    masks = (mask.strip() for mask in cell.get("mask", "").split(";"))
    return Row(
        file=_find(cell["file"], known, at),
        label=cell["label"],
        group=group or None,
        masks=tuple(_find(mask, known, at) for mask in masks if mask),
        fold=_fold(cell.get("fold", ""), at),
        line=line,
    )


def _find(entry: str, known: Mapping[str, str], at: str) -> str:
    """The name among `known` (whose keys are in Unicode's NFC form) that a cell means."""
    name = str(PurePosixPath(entry.replace("\\", "/")))
    found = known.get(unicodedata.normalize("NFC", name))
    if found is None:
        near = next((other for other in known.values() if other.casefold() == name.casefold()), None)
        hint = f"Did you mean {near}?" if near else "Paths are relative to the table, and stay in its folder."
        raise BusError(f"{at}: {printable(entry)}: {refusal(name) or 'no such file among the data'}. {hint}")
    return found


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
    if len({label.casefold() for label in labels}) < len(labels):
        raise BusError(f"{where}: of the labels {', '.join(labels)}, two differ in case only. Correct them.")
    unfolded = next((row for row in rows if row.fold is None), None)
    if unfolded and any(row.fold is not None for row in rows):
        raise BusError(
            f"{where}, row {unfolded.line}: {unfolded.file} has no fold, others have one. Fill it in, or "
            "remove the column."
        )
