"""Every answer of every training as one tidy table."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...core.files import write_csv
from ...data.study import Study
from ..cell import Cell

KEYS = ("fold", "arm", "model", "seed", "file", "sha256", "label", "group", "predicted")


def write_predictions(path: Path, study: Study, cells: Sequence[Cell]) -> None:
    """Write a row an answer: which training, which scan, its class and group, the answer, a share a class."""
    write_csv(path, (*KEYS, *(f"p_{name}" for name in study.classes)), _rows(study, cells))


def _rows(study: Study, cells: Sequence[Cell]) -> Iterator[tuple[object, ...]]:
    for cell in cells:
        answers = cell.answers(study.classes)
        parts = zip(answers.scans, answers.given, answers.probabilities, strict=True)
        for scan, given, shares in parts:
            head = (cell.fold, cell.arm, cell.model, cell.seed, *scan)
            yield (*head, study.classes[given], *(f"{share:.6f}" for share in shares))
