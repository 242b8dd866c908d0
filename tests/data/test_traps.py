"""One set with every trap at once: the check names each by its files, counts them, and shows them."""

import sys
from pathlib import Path

import pytest
from bus.benchmark.report.check_page import write_page
from bus.data.check import Findings, check
from bus.data.check_text import lines

sys.path.insert(0, str(Path(__file__).parent))
from traps import Traps, write_traps


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Traps:
    return write_traps(tmp_path_factory.mktemp("traps") / "set")


@pytest.fixture(scope="module")
def found(traps: Traps) -> Findings:
    return check(traps.folder)


def cases(found: Findings, kind: str) -> set[tuple[str, ...]]:
    return {case for item in found.cautions if item.kind == kind for case in item.cases}


@pytest.mark.long
def test_what_makes_a_study_wrong_is_a_reason(traps: Traps, found: Findings) -> None:
    assert {item.kind for item in found.unsound} == {"unreadable", "torn"}
    assert cases(found, "unreadable") == {(traps.unreadable,)}
    assert traps.identical in cases(found, "torn")
    assert found.verdict.startswith("Unsound, for 2 reasons: ")


@pytest.mark.long
def test_what_needs_care_is_a_caution_with_its_files(traps: Traps, found: Findings) -> None:
    assert any(set(traps.alike) <= set(case) for case in cases(found, "alike"))
    assert any(set(traps.contradicting) <= set(case) for case in cases(found, "several findings"))
    assert {(file,) for file in traps.dim} <= cases(found, "dim")
    assert {(file,) for file in traps.unknown} <= cases(found, "unknown patients")
    assert set(traps.left_out) <= {file for file, _ in found.ignored}
    (shortcuts,) = (item for item in found.cautions if item.kind == "shortcuts")
    assert "size" in shortcuts.detail and {probe.name for probe in found.telling} >= {"size", "bars"}
    careful = [item for item in found.cautions if item.weight == "caution"]
    assert f"with {len(careful)} cautions: " in found.verdict


@pytest.mark.long
def test_the_screen_gives_reasons_before_the_last_line(found: Findings) -> None:
    screen = list(lines(found))
    heads = [line.split()[0] for line in screen if line.split()[0] in ("Note", "Unsound", "Caution")]
    assert heads == sorted(heads, key=["Note", "Unsound", "Caution"].index) and len(heads) >= 12
    assert screen[-1] == found.verdict


@pytest.mark.long
def test_the_page_shows_what_it_talks_about(traps: Traps, found: Findings, tmp_path: Path) -> None:
    page = write_page(found, tmp_path / "page.html").read_text(encoding="utf-8")
    shown = {
        *traps.alike,
        *traps.identical,
        *traps.contradicting,
        *traps.dim,
        *traps.unknown,
        traps.left_out[0],
    }
    assert shown <= set(found.pictures)
    for file in (*shown, traps.unreadable, *traps.left_out):
        assert file in page
    assert page.count("data:image/png") > 60
    for counts in found.folds:
        assert all(f"{groups} group" in page for groups in counts.groups)
