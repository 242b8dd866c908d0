"""A page as Markdown in which every value stands for itself, whatever characters it holds."""

import re
from collections.abc import Sequence

from .model import (
    Block,
    Bullets,
    Card,
    Cards,
    Code,
    Definitions,
    Figure,
    Flag,
    Fold,
    Gallery,
    Heading,
    Line,
    Link,
    Listing,
    Page,
    Paragraph,
    Picture,
    Side,
    Strong,
    Table,
    TableCell,
    spans,
)

CLOSING = "Research use only. Made by `bus`; not a medical device."


def markdown(page: Page) -> str:
    """The whole page; figures and sheets are linked as files in `figures/`."""
    parts = [f"# {text(page.heading)}", *(quoted(banner) for banner in page.banners)]
    for section in page.sections:
        parts += [f"## {text(section.title)}", *(part for block in section.blocks for part in _block(block))]
    return "\n\n".join([*parts, "---", CLOSING]) + "\n"


def literal(value: str) -> str:
    """A value with everything escaped that Markdown would take for more than a character."""
    words = " ".join(value.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~$#>!])", r"\\\1", words)


def text(line: Line) -> str:
    """A line with its links, code and strong words."""
    return "".join(_span(part) for part in spans(line))


def quoted(line: Line) -> str:
    """A line that stands apart, as a banner does on the page."""
    return f"> {text(line)}"


def _span(part: str | Strong | Code | Link | Flag) -> str:
    match part:
        case str():
            edges = " " * part[:1].isspace(), " " * part[-1:].isspace()
            return edges[0] + literal(part) + edges[1] if part.strip() else " " * bool(part)
        case Strong():
            return f"**{literal(part.text)}**"
        case Code():
            words = " ".join(part.text.split())
            fence = "`" * (1 + max((len(run) for run in re.findall("`+", words)), default=0))
            return f"{fence} {words} {fence}" if "`" in words else f"{fence}{words}{fence}"
        case Link() if part.target.startswith("#"):
            return literal(part.text)
        case Link():
            return f"[{literal(part.text)}]({part.target})"
        case Flag():
            return literal(part.text)


def _block(block: Block) -> list[str]:
    """A block as paragraphs of Markdown."""
    match block:
        case Paragraph() if block.tone == "lead":
            return [f"**{text(block.text)}**"]
        case Paragraph():
            return [quoted(block.text) if block.tone == "banner" else text(block.text)]
        case Heading():
            return [f"{'#' * block.level} {text(block.text)}"]
        case Bullets():
            mark = "1." if block.numbered else "-"
            return ["\n".join(f"{mark} {text(item)}" for item in block.items)]
        case Definitions():
            return [_definitions(block)]
        case Cards():
            return ["\n".join(map(_card, block.cards))]
        case Table():
            caption = [f"**{_value(block.caption)}**"] if block.caption else []
            return [*caption, _table(block)]
        case Figure():
            return [
                f"**{literal(block.title)}.** {literal(block.caption)}",
                f"![{literal(block.alt)}](figures/{block.name}.svg)",
            ]
        case Picture():
            return []  # a sheet that the page alone shows
        case Gallery():
            sheet = [f"![{literal(block.sheet.alt)}](figures/{block.name}.png)"] if block.sheet else []
            return [*sheet, *([_table(block.table)] if block.table else [])]
        case Side():
            return [part for inner in block.blocks for part in _block(inner)]
        case Fold() if block.instead is not None:
            return [literal(block.instead)] if block.instead else []
        case Fold():
            return [f"**{text(block.summary)}**", *(part for b in block.blocks for part in _block(b))]
        case Listing():
            return ["\n".join(["```", *(" ".join(line.split()) for line in block.lines), "```"])]


def _card(card: Card) -> str:
    """A card as an item of a list, with what is flagged in brackets."""
    flags = "".join(f" († {literal(name)} {literal(reason)}.)" for name, reason in card.flags)
    headline = f" {literal(card.headline)}." if card.headline else ""
    return f"- **{literal(card.name)}**:{headline} {literal(card.text)}{flags}"


def _definitions(block: Definitions) -> str:
    if block.look == "about":
        rows = [f"| {literal(term)} | {text(line)} |" for term, line in block.pairs]
        return "\n".join(["| | |", "|---|---|", *rows])
    if block.look == "settings":
        return "; ".join(f"{literal(term)} {text(line)}" for term, line in block.pairs) + "."
    return "\n".join(f"- {literal(term)}: {text(line)}" for term, line in block.pairs)


def _table(table: Table) -> str:
    """A table; the titles of its groups are its first column."""
    heads = [literal(column.name) for column in table.columns]
    rules = ["--:" if column.is_number else "---" for column in table.columns]
    grouped = bool(table.group_heading)
    if grouped:
        heads, rules = [literal(table.group_heading), *heads], ["---", *rules]
    lines = [_cells(heads), f"|{'|'.join(rules)}|"]
    for group in table.groups:
        title = [literal(group.title) or "–"] if grouped else []
        lines += [_cells([*title, *map(_value, row.cells)]) for row in group.rows]
    if table.foot:
        lines.append(_cells([*[""] * grouped, *map(_value, table.foot.cells)]))
    return "\n".join(lines)


def _cells(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _value(cell: TableCell) -> str:
    """A cell's text with what stands around it on the page."""
    shown = text(cell.text)
    shown = f"**{shown}**" if cell.strong and shown else shown
    shown += f" {cell.sign}" * bool(cell.sign) + " †" * bool(cell.collapsed)
    shown += f" ({literal(cell.interval)})" * bool(cell.interval)
    return shown + f" {literal(f'[{cell.remark}]')}" * bool(cell.remark)
