"""What a paper that uses the tool cites, as BibTeX."""

import re
from collections.abc import Sequence

from .pages import TEMPLATES


def bibtex(keys: Sequence[str]) -> str:
    """The entries of these keys, one below the other; KeyError for one that references.bib lacks."""
    content = (TEMPLATES / "references.bib").read_text(encoding="utf-8")
    entries = dict(re.findall(r"(?ms)^(?=@\w+\{(\w+),)(.*?^\})$", content))
    return "\n\n".join(entries[key] for key in keys) + "\n"
