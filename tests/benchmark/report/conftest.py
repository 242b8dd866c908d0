"""Reports of made-up answers, and a reader of their pages."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from bus.benchmark.report.study_report import write_report

HOSTILE = "<script>alert(1)</script> $x$ *a* | `b`"


class Page(HTMLParser):
    """All start tags of a page with their attributes, its text, its style sheet and its script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text, self.style, self.script, self.inside = "", "", "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.inside == "style":
            self.style += data
            self.inside = ""
        elif self.inside == "script":
            self.script += data
            self.inside = ""
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="session")
def bare(made_up: Callable[..., Any]) -> Any:
    """No translator, no contrasts, and a class whose name is meant to break things."""
    made = made_up(
        folds=(0,), arms=("original", "weighted"), translator=False, benign=HOSTILE, preset="demo", heat=False
    )
    write_report(
        made.study, made.summary, cells=made.cells, commands=[f"bus benchmark --data '{HOSTILE}'\n```"]
    )
    return made


@pytest.fixture(scope="session")
def parsed() -> type[Page]:
    """What reads a page."""
    return Page
