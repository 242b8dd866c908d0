"""The references are whole BibTeX entries, and a key that is none is an error, not a gap."""

import re

import pytest
from bus.benchmark.report.pages import TEMPLATES
from bus.benchmark.report.references import bibtex

KEYS = re.findall(r"(?m)^@\w+\{(\w+),", (TEMPLATES / "references.bib").read_text(encoding="utf-8"))


@pytest.mark.parametrize("key", KEYS)
def test_every_entry_is_given_whole_and_alone(key: str) -> None:
    entry = bibtex([key])
    assert re.match(rf"@\w+\{{{key},", entry) and entry.count("@") == 1
    assert entry.count("{") == entry.count("}") and entry.endswith("}\n")
    assert re.search(r"\btitle\s*=", entry) and re.search(r"\byear\s*=", entry)


def test_entries_come_in_the_order_asked_for() -> None:
    first, last = KEYS[0], KEYS[-1]
    assert bibtex([last, first]) == f"{bibtex([last])}\n{bibtex([first])}"
    with pytest.raises(KeyError):
        bibtex(["nobody2026"])
