"""A page as HTML: safe, whole, and without a request."""

import base64
import hashlib
import re
from typing import Any

import pytest

HOSTILE = "<script>alert(1)</script> $x$ *a* | `b`"

ADDRESSES = {"src", "href", "srcset", "action", "data", "poster", "xlink:href"}


@pytest.mark.parametrize("name", ["full", "bare"])
def test_asks_nothing_and_runs_its_own_script_alone(
    parsed: Any, name: str, request: pytest.FixtureRequest
) -> None:
    text = request.getfixturevalue(name).html
    found = parsed(text)
    assert found.all("script") == [{}] and not found.all("iframe") and not found.all("object")
    addresses = [value for _, tag in found.tags for key, value in tag.items() if key in ADDRESSES]
    beside = {path.name for path in (request.getfixturevalue(name).study.path / "report" / "1").iterdir()}
    assert addresses and all(value.startswith(("data:", "#")) or value in beside for value in addresses)
    assert "url(" not in found.style and "@import" not in found.style
    keys = {key for _, tag in found.tags for key in tag}
    assert "style" not in keys and not any(key.startswith("on") for key in keys)
    policy = next(tag["content"] for tag in found.all("meta") if "http-equiv" in tag)
    assert policy.startswith("default-src 'none'")
    for kind, content in (("style", found.style), ("script", found.script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "http" not in found.script and "fetch" not in found.script


@pytest.mark.long
@pytest.mark.parametrize("name", ["full", "bare"])
def test_ids_are_unique_and_references_resolve(name: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(name).html
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    wanted = re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', text)
    assert wanted and set(wanted) <= set(ids)


def test_hostile_names_are_only_text(parsed: Any, bare: Any) -> None:
    before, block, after = bare.markdown.split("\n```\n")  # inside a fenced block nothing has a meaning
    assert bare.html.count("<script") == 1 and "<script" not in before + after and HOSTILE in block
    assert HOSTILE in parsed(bare.html).text
    rows = [line for line in bare.markdown.splitlines() if line.startswith("|") and "script" in line]
    table = next(line for line in rows if "always" in line)
    header = next(line for line in bare.markdown.splitlines() if line.startswith("| model | arm |"))
    assert len(re.findall(r"(?<!\\)\|", table)) == len(re.findall(r"(?<!\\)\|", header))


def test_markdown_links_to_figures_that_exist(full: Any) -> None:
    links = re.findall(r"\]\((figures/[^)]+)\)", full.markdown)
    assert links and all((full.study.path / "report" / "1" / link).is_file() for link in links)
