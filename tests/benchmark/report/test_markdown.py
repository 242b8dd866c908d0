"""Markdown: every value stands for itself, every block is there, tables keep their columns."""

import re

from bus.benchmark.report import markdown as md
from bus.benchmark.report import model
from bus.benchmark.report.model import Column, Link, Page, Row, RowGroup, Section, Strong, Table, TableCell
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=40))
def test_markdown_values_stand_for_themselves(value: str) -> None:
    text = md.literal(value)
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_\[\]~$#>!]", text) and "<" not in text
    plain = re.sub(r"\\(.)", r"\1", text).replace("&lt;", "<").replace("&amp;", "&")
    assert plain == " ".join(value.split())


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_table_keeps_its_columns_whatever_its_cells_hold(title: str, value: str) -> None:
    cells = [
        TableCell(value, "1–2", "remark", "why", strong=True),
        TableCell([value, Strong(value), Link(value, "#x")]),
    ]
    groups = [RowGroup([Row(cells)], title), RowGroup([Row(cells)])]
    table = Table("a table", [Column("a"), Column("b", "number")], groups, "group", foot=Row(cells))
    lines = md.markdown(Page("t", "k", "h", [Section("s", "S", [table])])).split("\n\n")[2].split("\n")
    assert len(lines) == 5
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {4}
    assert lines[1] == "|---|---|--:|"


def test_every_kind_of_block_is_rendered() -> None:
    picture = model.Picture(b"png", "alt text")
    blocks: list[model.Block] = [
        model.Paragraph("first", "lead"),
        model.Paragraph(["see ", Link("data", "a.csv"), " and ", model.Code("bus `x`")], "banner"),
        model.Heading("heading", 4),
        model.Bullets(["one", "two"], numbered=True),
        model.Definitions([("term", "meaning")], "settings"),
        model.Cards([model.Card("name", "care", "headline", "Text.", [("original", "collapsed")])]),
        model.Side([model.Figure("f", "<svg/>", "drawn", "Title", "caption")]),
        model.Gallery([model.Exhibit([picture])], picture, "sheet"),
        model.Fold("more", [model.Paragraph("inside")]),
        model.Fold("hidden", [model.Paragraph("for the page alone")], instead="said instead"),
        model.Listing(["bus benchmark"]),
    ]
    text = md.markdown(Page("t", "k", "h", [Section("s", "S", blocks)]))
    for words in (
        "**first**", "> see [data](a.csv) and `` bus `x` ``", "#### heading", "1. one\n1. two",
        "term meaning.",
        "- **name**: headline. Text. († original collapsed.)", "![drawn](figures/f.svg)",
        "![alt text](figures/sheet.png)", "**more**\n\ninside", "said instead", "```\nbus benchmark\n```",
    ):  # fmt: skip
        assert words in text, words
    assert "for the page alone" not in text
