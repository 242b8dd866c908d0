"""A page as HTML without requests, readable without its one small script, and where it is kept."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...core.errors import visible
from ...core.files import write_bytes, write_text
from ..report_folder import FIGURES
from .markdown import markdown
from .model import Figure, Gallery, Page, blocks_of, spans

TEMPLATES = Path(__file__).parent / "templates"


def html(page: Page) -> str:
    """The whole page in one file: everything escaped, one style sheet and one script, allowed by hash."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters["spans"] = spans
    environment.filters["svg"] = lambda figure: Markup(figure.svg)  # our own drawing, escaped by ElementTree
    parts: dict[str, str] = {}
    for part, name in (("style", "style.css"), ("script", "page.js")):
        content = (TEMPLATES / name).read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        parts |= {part: Markup(content), f"{part}_hash": digest}
    return visible(environment.get_template("page.html.j2").render(page=page, **parts))


def write(page: Page, folder: Path, name: str, *, markdown_name: str = "") -> Path:
    """Write `NAME.html`, its Markdown twin and, in `figures/`, its drawings and sheets; returns the page's
    path."""
    for block in blocks_of(page):
        match block:
            case Figure():
                write_text(folder / FIGURES / f"{block.name}.svg", visible(block.svg) + "\n")
            case Gallery() if block.sheet:
                write_bytes(folder / FIGURES / f"{block.name}.png", block.sheet.png)
    write_text(folder / f"{markdown_name or name}.md", visible(markdown(page)))
    write_text(folder / f"{name}.html", html(page))
    return folder / f"{name}.html"
