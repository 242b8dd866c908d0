"""What a page says, as data: sections of paragraphs, tables, figures and pictures, which `pages` turns into
HTML and
Markdown. Nothing here knows a study or a statistic, and no sentence about results stands in a template."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

Tone = Literal["", "lead", "note", "absent", "banner", "flagged"]
Mood = Literal["gain", "loss", "care", "none"]  # of a card: how it should strike the eye
Language = Literal["en", "ko"]
Measure = Literal["text", "number", "points"]  # of a column; points have their interval beside them


@dataclass(frozen=True)
class Strong:
    """Words that stand out."""

    text: str
    kind: ClassVar[str] = "strong"


@dataclass(frozen=True)
class Code:
    """A command, a hash, a file."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Link:
    """Words that lead to a section of the page (`#key`) or to a file beside it."""

    text: str
    target: str
    kind: ClassVar[str] = "link"


@dataclass(frozen=True)
class Flag:
    """A warning of a word or two; `reason` is shown when a pointer rests on it."""

    text: str
    reason: str = ""
    kind: ClassVar[str] = "flag"


Span = str | Strong | Code | Link | Flag
Line = Span | Sequence[Span]


def spans(line: Line) -> tuple[Span, ...]:
    """The parts of a line."""
    return (line,) if isinstance(line, str | Strong | Code | Link | Flag) else tuple(line)


@dataclass(frozen=True)
class Figure:
    """A finished drawing: `name` is its file name without ending, `alt` says in words what it shows."""

    name: str
    svg: str
    alt: str
    title: str = ""
    caption: str = ""
    kind: ClassVar[str] = "figure"

    def entitled(self, title: str, caption: str) -> "Figure":
        """The same drawing with a heading and a line below it."""
        return replace(self, title=title, caption=caption)


@dataclass(frozen=True)
class Picture:
    """A scan, or a sheet of them, as PNG; empty where only its label is shown."""

    png: bytes
    alt: str
    label: str = ""
    width: int = 128  # px of its box in the page
    height: int = 128
    kind: ClassVar[str] = "picture"

    @property
    def uri(self) -> str:
        """The picture as `data:` address; "" without one."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode() if self.png else ""


@dataclass(frozen=True)
class Paragraph:
    """A sentence or a few."""

    text: Line
    tone: Tone = ""
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    level: Literal[3, 4] = 3
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences, numbered or not."""

    items: Sequence[Line]
    numbered: bool = False
    kind: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Definitions:
    """Terms and what they mean or are; `settings` are many short ones."""

    pairs: Sequence[tuple[str, Line]]
    look: Literal["about", "facts", "settings"] = "facts"
    kind: ClassVar[str] = "definitions"


@dataclass(frozen=True)
class Card:
    """A verdict in a box: a name, a few words that stand out, a sentence, what to be careful about."""

    name: str
    mood: Mood
    headline: str
    text: str
    flags: Sequence[tuple[str, str]] = ()  # what is flagged, and why


@dataclass(frozen=True)
class Cards:
    """Verdicts side by side."""

    cards: Sequence[Card]
    kind: ClassVar[str] = "cards"


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    name: str
    measure: Measure = "text"
    whole: bool = False  # never broken into lines

    @property
    def is_number(self) -> bool:
        """Whether its cells stand right-aligned."""
        return self.measure != "text"


@dataclass(frozen=True)
class TableCell:
    """A cell of a table."""

    text: Line = ""
    interval: str = ""  # without brackets; below the text, beside it in a column of points
    remark: str = ""  # a few small words below
    sign: str = ""  # a sign beside the text that a line near the table explains
    collapsed: str = ""  # why the model behind it is marked as collapsed
    shade: int | None = None  # 0–10
    strong: bool = False


Cells = Sequence[TableCell | Line]  # a line stands for a cell of text
Heads = list[Column | str]  # a name stands for a column of text


@dataclass(frozen=True)
class Row:
    """A row; its first cell is its heading."""

    cells: Sequence[TableCell]
    look: Literal["", "always", "collapsed"] = ""


@dataclass(frozen=True)
class RowGroup:
    """Rows below one another that belong together, with a title across the table where there is one."""

    rows: Sequence[Row]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `label` names it for those who cannot see it. Markdown has no title rows: there the groups'
    titles
    are a first column, called `group_heading`."""

    label: str
    columns: Sequence[Column]
    groups: Sequence[RowGroup]
    group_heading: str = ""
    foot: Row | None = None
    caption: TableCell | None = None
    look: Literal["", "narrow", "prosaic", "results", "effects", "matrix"] = ""
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Exhibit:
    """One or two pictures side by side with a line below."""

    pictures: Sequence[Picture]
    note: Line = ""


@dataclass(frozen=True)
class Gallery:
    """Exhibits; in Markdown one `sheet`, kept as file `figures/NAME.png`, and what a table says of each."""

    exhibits: Sequence[Exhibit]
    sheet: Picture | None = None
    name: str = ""
    table: Table | None = None
    look: Literal["pairs", "single"] = "pairs"
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Side:
    """Blocks side by side where there is room."""

    blocks: Sequence["Block"]
    look: Literal["grid", "matrices"] = "grid"
    kind: ClassVar[str] = "side"


@dataclass(frozen=True)
class Fold:
    """Blocks behind a line that opens them; Markdown shows them, or `instead` where that is given."""

    summary: Line
    blocks: Sequence["Block"]
    is_open: bool = False
    instead: str | None = None
    kind: ClassVar[str] = "fold"


@dataclass(frozen=True)
class Listing:
    """Lines to be typed or copied as they stand."""

    lines: Sequence[str]
    label: str = "Commands"
    kind: ClassVar[str] = "listing"


Block = (
    Paragraph
    | Heading
    | Bullets
    | Definitions
    | Cards
    | Table
    | Figure
    | Picture
    | Gallery
    | Side
    | Fold
    | Listing
)


@dataclass(frozen=True)
class Section:
    """A part of a page; `key` is its address. Those of the appendix are folded on the page."""

    key: str
    title: str
    blocks: Sequence[Block]
    appendix: bool = False


@dataclass(frozen=True)
class Page:
    """A whole page."""

    title: str  # of the window
    kicker: str  # the small line above the heading
    heading: str
    sections: Sequence[Section]
    banners: Sequence[Line] = field(default_factory=tuple)
    leads_to: str = ""  # the page that a browser goes on to by itself
    language: Language = "en"


def walk(blocks: Sequence[Block]) -> Iterator[Block]:
    """All blocks in their order, those inside others too."""
    for block in blocks:
        yield block
        if isinstance(block, Side | Fold):
            yield from walk(block.blocks)


def blocks_of(page: Page) -> Iterator[Block]:
    """All blocks of a page in their order."""
    return walk([block for section in page.sections for block in section.blocks])


def without_pictures(page: Page) -> Page:
    """The same page without a picture of a scan: of galleries their tables stay, of pictures their words."""

    def left(blocks: Sequence[Block]) -> Iterator[Block]:
        for block in blocks:
            if isinstance(block, Gallery):
                number = sum(bool(picture.png) for exhibit in block.exhibits for picture in exhibit.pictures)
                said = f"{number} picture{'s' * (number != 1)} of scans, left out of this copy."
                yield Paragraph(said, "absent")
                yield from [block.table] if block.table else []
            elif isinstance(block, Picture):
                yield Paragraph(f"A picture, left out of this copy: {block.alt}.", "absent")
            elif isinstance(block, Side | Fold):
                yield replace(block, blocks=list(left(block.blocks)))
            else:
                yield block

    return replace(
        page, sections=[replace(section, blocks=list(left(section.blocks))) for section in page.sections]
    )


def table(
    label: str,
    columns: Sequence[Column | str],
    rows: Sequence[Cells],
    look: Literal["", "narrow", "prosaic", "effects"] = "",
    foot: Cells = (),
) -> Table:
    """A table without groups; names and lines stand for columns and cells of text."""
    heads = [Column(column) if isinstance(column, str) else column for column in columns]
    body = RowGroup([row(*cells) for cells in rows])
    return Table(label, heads, [body], look=look, foot=row(*foot) if foot else None)


def row(*cells: TableCell | Line, look: Literal["", "always", "collapsed"] = "") -> Row:
    """A row of cells; a line stands for a cell."""
    return Row([cell if isinstance(cell, TableCell) else TableCell(cell) for cell in cells], look)


def number(name: str) -> Column:
    """A column of numbers."""
    return Column(name, "number")
