"""Blocks of a page: none is lost inside another, and short forms mean what they stand for."""

import base64

from bus.benchmark.report.model import (
    Column,
    Fold,
    Heading,
    Page,
    Paragraph,
    Picture,
    Section,
    Side,
    TableCell,
    blocks_of,
    number,
    row,
    table,
    walk,
)


def test_blocks_inside_others_are_walked_in_their_order() -> None:
    first, second, third = Heading("1"), Paragraph("2"), Paragraph("3")
    fold = Fold("more", [second, Side([third])])
    assert [block for block in walk([first, fold]) if not isinstance(block, Fold | Side)] == [
        first,
        second,
        third,
    ]
    page = Page("", "", "", [Section("a", "A", [fold]), Section("b", "B", [first])])
    assert list(blocks_of(page)) == [*walk([fold]), first]


def test_words_stand_for_cells_and_columns_of_text() -> None:
    made = table("label", ["name", number("value")], [["a", TableCell("1", strong=True)]], foot=["all", "1"])
    assert made.columns == [Column("name"), Column("value", "number")]
    assert [column.is_number for column in made.columns] == [False, True]
    assert made.groups[0].rows == [row(TableCell("a"), TableCell("1", strong=True))]
    assert made.foot == row("all", "1") and table("label", ["name"], []).foot is None


def test_a_picture_travels_inside_the_page() -> None:
    kind, _, content = Picture(b"\x89PNG", "a scan").uri.partition(",")
    assert (kind, base64.b64decode(content)) == ("data:image/png;base64", b"\x89PNG")
    assert Picture(b"", "only its label").uri == ""
