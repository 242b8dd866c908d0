"""What MkDocs needs beside the pages of this folder: those of the root, and every option of every command."""

import posixpath
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {  # of the root → its name in the site
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
MARKER = "<!-- every option -->"
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root."""
    for file, name in PAGES.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=_relinked(text, ROOT)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let links lead to where the site has what they name, and list every option."""
    if page.file.generated_by is None:
        markdown = _relinked(markdown, ROOT / "docs", posixpath.dirname(page.file.src_uri))
    if MARKER in markdown:
        options = subprocess.run(
            [sys.executable, "-m", "typer", "bus.cli.app", "utils", "docs", "--name", "bus"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        markdown = markdown.replace(MARKER, re.sub(r"^#", "###", options, flags=re.MULTILINE))
    return markdown


def _relinked(text: str, root: Path, folder: str = "") -> str:
    """A page whose links fit the site; what only the repository holds is named without one.

    The page lies in `folder` of `root`, and at the same place in the site.
    """

    def one(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in target or target.startswith("mailto:"):
            return match.group()
        place = posixpath.relpath(posixpath.normpath((root / folder / path).as_posix()), ROOT.as_posix())
        name = PAGES.get(place) or place.removeprefix("docs/")
        known = place in PAGES or (place.startswith("docs/") and not place.endswith((".py", ".ipynb")))
        anchored = posixpath.relpath(name, folder or ".") + f"#{anchor}" * bool(anchor)
        return f"{picture}[{words}]({anchored})" if known else words

    return LINK.sub(one, text)
