"""Which test scans synthetic scans change: how many, beside what training again changes, and which ones."""

from collections.abc import Sequence

from ...data.pictures import png
from ...data.study import Study
from ..cell import Cell
from ..results.changes import Changes, Moved, changes
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
from .terms import Flags, title

SHOWN = 6  # scans either way
WAYS = {1: "More often right with {}", -1: "More often wrong with {}"}


def changes_section(study: Study, summary: Summary, cells: Sequence[Cell], flags: Flags) -> Section:
    """How many answers change with synthetic scans, and the test scans that change in most trainings."""
    key, name = "changes", "Which scans change"
    lead = leading_arms(summary.arms)  # which alone decide what the tables compare
    against = [arm for arm in (lead.oversampled, lead.original) if arm in summary.arms]
    answers = [cell.answers(study.classes) for cell in cells if cell.arm in lead]
    found = [pair for arm in against if (pair := changes(answers, lead.cyclegan, arm)).models]
    if not found:
        words = "No arm with a translator’s scans stands beside one without: nothing to compare."
        return Section(key, name, [Paragraph(words, "absent")])
    words = (
        "How many test scans get another answer from one arm to another, means over seeds. The last column "
        "is what training again changes: how many scans two seeds of one and the same arm answer differently."
    )
    return Section(key, name, [Paragraph(words), _counts(found, flags), *_furthest(study, found[0])])


def _counts(found: Sequence[Changes], flags: Flags) -> Block:
    """A row a model and pair of arms."""
    columns: Heads = [
        "model",
        "from",
        "to",
        number("test scans"),
        number("right instead of wrong"),
        number("wrong instead of right"),
        number("wrong in another way"),
        number("between two seeds"),
    ]
    rows: list[Cells] = [
        [
            title(changed.model),
            *(
                TableCell(str(arm), collapsed=flags.get((arm, changed.model), ""))
                for arm in (pair.second, pair.first)
            ),
            str(changed.scans),
            *(TableCell(f"{count:.0f}") for count in (changed.better, changed.worse, changed.otherwise)),
            TableCell("–" if changed.again is None else f"{changed.again:.0f}"),
        ]
        for pair in found
        for changed in pair.models
    ]
    return table("Answers that change", columns, rows)


def _furthest(study: Study, found: Changes) -> list[Block]:
    """The scans whose answers change in most trainings, either way."""
    more, fewer = map(found.moved, WAYS)
    chance = (
        "too few trainings were made to say how many would be by chance"
        if found.chance is None
        else f"were it chance which arm gave which answer, {found.chance:.0f} would be, either way"
    )
    words = (
        f"From {found.second} to {found.first}, all models and seeds together, {_scans(more)} answered "
        f"rightly in more trainings, by half of them or more, and {_scans(fewer)} in fewer; {chance}."
    )
    if more or fewer:
        words += (
            " Those that change most are shown; as they were picked for it, new trainings would change them "
            "less."
        )
    blocks: list[Block] = [Paragraph(words)]
    for name, scans in zip(WAYS.values(), (more, fewer), strict=True):
        if scans:
            said = name.format(found.first)
            blocks += [Heading(said), _gallery(study, scans[:SHOWN], found, said)]
    return blocks


def _scans(found: Sequence[Moved]) -> str:
    return f"{len(found)} scan{'s are' if len(found) != 1 else ' is'}"


def _gallery(study: Study, scans: Sequence[Moved], found: Changes, name: str) -> Gallery:
    """The scans side by side, with how often either arm is right."""
    exhibits = [
        Exhibit(
            [
                Picture(
                    png(study.pixels[study.row_of[scan.sha256, scan.label]]),
                    f"scan {scan.file}, truth {scan.label}",
                    f"{scan.label}: right in {scan.second}, then {scan.first} of {scan.trainings}",
                )
            ],
            f"fold {scan.fold}; {scan.file}",
        )
        for scan in scans
    ]
    columns: Heads = [
        "scan",
        "truth",
        number(f"right with {found.second}"),
        number(f"right with {found.first}"),
        number("of trainings"),
        number("fold"),
    ]
    rows: list[Cells] = [
        [scan.file, scan.label, *map(str, (scan.second, scan.first, scan.trainings, scan.fold))]
        for scan in scans
    ]
    return Gallery(exhibits, table=table(name, columns, rows), look="single")
