"""Pages from templates: HTML without requests and scripts, Markdown that means what it says."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from . import figures, gallery, sections

TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, content: dict[str, Any]) -> str:
    """Render a page based on `page.html.j2`: everything escaped, one style sheet, allowed by hash."""
    environment = _environment(autoescape=True)
    environment.filters["svg"] = lambda figure: Markup(figure.svg)  # our own drawing, escaped by ElementTree
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(template).render(content, style=Markup(style), style_hash=digest)


def render_markdown(template: str, content: dict[str, Any]) -> str:
    """Render Markdown in which every value stands for itself, whatever characters it holds."""
    environment = _environment(autoescape=False, finalize=_literal)
    environment.filters["code"] = lambda value: Markup(" ".join(str(value).split()))  # inside a fenced block
    text = environment.get_template(template).render(content)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _environment(**options: Any) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    environment.filters |= {
        "percent": sections.percent,
        "decimal": sections.decimal,
        "signed": figures.signed,
        "interval": figures.interval,
        "score": gallery.mean_spread,
    }
    return environment


def _literal(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    text = " ".join(str(value).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~$#>!])", r"\\\1", text)
