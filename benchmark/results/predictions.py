"""Every answer of every training as one tidy table."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...core.files import export_csv
from ...data.study import Study
from ..cell import Cell, column
from ..external import External, answers

KEYS = ("fold", "arm", "model", "seed", "file", "sha256", "label", "group", "predicted")


def columns(study: Study) -> tuple[str, ...]:
    """The columns of the table: the training, the scan, its class and group, the answer, a share a class."""
    return *KEYS, *map(column, study.classes)


def write_predictions(path: Path, study: Study, cells: Sequence[Cell]) -> None:
    """Write a row an answer, shares with the digits that cells hold: fewer would make ties among scans."""
    rows = prediction_rows(study, cells)
    keys = len(KEYS)
    export_csv(
        path, columns(study), ((*row[:keys], *(f"{share:.8f}" for share in row[keys:])) for row in rows)
    )


def write_external_predictions(path: Path, study: Study, external: External, cells: Sequence[Cell]) -> None:
    """Write a row an answer to a scan from elsewhere: the target's share among the classes asked about."""
    header = (*KEYS[:5], *KEYS[6:8], column(study.target))
    rows = (
        (*head, scan["file"], scan["label"], scan["group"], f"{share:.8f}")
        for cell in cells
        for head in [(cell.fold, str(cell.arm), cell.model, cell.seed)]
        for scan, (_, share) in zip(external.rows, answers(external, study, cell), strict=True)
    )
    export_csv(path, header, rows)


def prediction_rows(study: Study, cells: Sequence[Cell]) -> Iterator[tuple[Any, ...]]:
    """The rows of the table, one an answer, in the order of `columns`."""
    for cell in cells:
        answers = cell.answers(study.classes)
        parts = zip(answers.scans, answers.given, answers.probabilities, strict=True)
        for scan, given, shares in parts:
            head = (cell.fold, str(cell.arm), cell.model, cell.seed, *scan)
            yield (*head, study.classes[given], *map(float, shares))
