"""The worst errors of every model: the test scans on which it was surest of a wrong answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...data.pictures import png
from ...data.study import Study
from ..arms import Arm
from ..cell import Cell
from ..results.contrasts import leading_arms
from ..results.model import Summary
from .model import (
    Block,
    Cells,
    Exhibit,
    Gallery,
    Heading,
    Heads,
    Paragraph,
    Picture,
    Section,
    TableCell,
    number,
    table,
)
from .numbers import percent
from .terms import title

SHOWN = 8  # scans a model


@dataclass(frozen=True)
class WorstError:
    """A test scan with the probability of the wrong class that it was given."""

    row: int  # of the study
    file: str
    truth: str
    answer: str
    share: float
    fold: int


def worst_errors(study: Study, cells: Sequence[Cell], arm: Arm, model: str) -> tuple[list[WorstError], int]:
    """The surest wrong answers of a model in one arm (lowest seed, all folds), and how many are wrong."""
    own = [cell for cell in cells if (cell.arm, cell.model) == (arm, model)]
    seed = min((cell.seed for cell in own), default=0)
    wrong = []
    for cell in (cell for cell in own if cell.seed == seed):
        answers = cell.answers(study.classes)
        for at, (file, sha256, label, _) in enumerate(answers.scans):
            given = study.classes[answers.given[at]]
            row = study.row_of.get((sha256, label))
            if given != label and row is not None:
                share = float(answers.probabilities[at].max())
                wrong.append(WorstError(row, file, label, given, share, cell.fold))
    wrong.sort(key=lambda error: (-error.share, error.file))
    return wrong[:SHOWN], len(wrong)


def errors_section(study: Study, summary: Summary, cells: Sequence[Cell]) -> Section:
    """The scans of which every model was surest and wrong, in the arm with synthetic scans if it was run."""
    lead = leading_arms(summary.arms)
    arm = next((arm for arm in (lead.cyclegan, lead.original) if arm in summary.arms), summary.arms[0])
    words = (
        f"Arm {arm}, first seed: the test scans that got the highest probability of a wrong class. All "
        "answers are in predictions.csv."
    )
    blocks: list[Block] = [Paragraph(words)]
    for model in summary.models:
        if not any((cell.arm, cell.model) == (arm, model) for cell in cells):
            blocks.append(Heading(title(model)))
            blocks.append(Paragraph(f"No training of the arm {arm} is finished.", "absent"))
            continue
        worst, total = worst_errors(study, cells, arm, model)
        blocks.append(Heading(f"{title(model)}: {total} wrong answers"))
        if worst:
            blocks.append(_gallery(study, worst, model))
        else:
            blocks.append(Paragraph("No test scan was answered wrongly.", "absent"))
    return Section("errors", "The worst errors", blocks)


def _gallery(study: Study, worst: Sequence[WorstError], model: str) -> Gallery:
    exhibits = [
        Exhibit(
            [
                Picture(
                    png(study.pixels[error.row]),
                    f"scan {error.file}, truth {error.truth}, answered {error.answer}",
                    f"{error.truth}, called {error.answer} ({percent(error.share, 0)} %)",
                )
            ],
            f"fold {error.fold}; {error.file}",
        )
        for error in worst
    ]
    columns: Heads = ["scan", "truth", "answer", number("probability, %"), number("fold")]
    rows: list[Cells] = [
        [error.file, error.truth, error.answer, TableCell(percent(error.share, 0)), str(error.fold)]
        for error in worst
    ]
    return Gallery(exhibits, table=table(f"Worst errors of {title(model)}", columns, rows), look="single")
