"""What the report says of heat: shares against a slow computation, disagreements in a fixed order,
absences."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bus.benchmark.arms import Arm
from bus.benchmark.cell import HEAT, Cell
from bus.benchmark.report import heat
from bus.benchmark.report.model import Gallery, Paragraph
from bus.benchmark.report.study_report import write_report
from bus.classify.explain import enlarge
from bus.core.errors import BusError
from bus.core.files import read_csv


def share_inside(heat, region):
    """The share of a scan's heat that lies in a region."""
    return heat[region].sum() / heat.sum()


@pytest.fixture(scope="module")
def made(made_up: Callable[..., Any]) -> Any:
    made = made_up(folds=(0, 1))
    write_report(made.study, made.summary, cells=made.cells)
    return made


def page(made: Any, name: str = "index.html") -> str:
    return re.sub(r"\s+", " ", (made.study.path / "report" / "1" / name).read_text(encoding="utf-8"))


def trained(made: Any) -> list[Cell]:
    """The cells that trained a network, so that they have heat."""
    return [cell for cell in made.cells if cell.arm.trains]


def test_shares_equal_a_slow_computation(made: Any) -> None:
    study = made.study
    cell = next(
        cell for cell in made.cells if (str(cell.arm), cell.model, cell.fold) == ("original", "resnet18", 1)
    )
    found = heat.inside(study, heat.read_heat(study, cell))
    maps, rows = enlarge(np.load(cell.path / HEAT), study.settings.size), study.test(1)
    lesions = {n: study.masks[row] == 1 for n, row in enumerate(rows) if (study.masks[row] == 1).any()}
    assert 5 < len(lesions) < len(rows), "some scans have no mask, some no lesion"
    for column, (n, lesion) in enumerate(lesions.items()):
        others = [share_inside(maps[n], other) for m, other in lesions.items() if m != n]
        assert found[:, column] == pytest.approx(
            [share_inside(maps[n], lesion), np.mean(others), lesion.mean()]
        )


def test_the_table_tells_who_looks_at_the_lesion(made: Any) -> None:
    seen = [heat.read_heat(made.study, cell) for cell in trained(made)]
    rows = heat.lesion_shares(made.study, seen)
    arms = ("original", "weighted", "oversampled", "cyclegan")
    assert [(row.model, str(row.arm)) for row in rows][:4] == [("simplecnn", arm) for arm in arms]
    for row in rows:
        assert abs(row.own - row.others) < 1e-9, "all discs lie in the same place: habit explains everything"
        assert (row.own > 2 * row.area) == (row.arm.kind == "cyclegan")
        assert f"{100 * row.own:.1f}" in page(made)
        assert f"{100 * row.own:.1f}" in page(made, "report.md")


def test_disagreements_are_the_first_ones_of_the_answers(made: Any) -> None:
    seen = [heat.read_heat(made.study, cell) for cell in trained(made)]
    for model in ("simplecnn", "vgg19", "resnet18"):
        part = heat.disagreements(made.study, seen, model)
        expected, total = [], 0
        for fold in (0, 1):
            cells = [cell for cell in made.cells if cell.fold == fold and cell.model == model]
            tables = [
                read_csv(cell.path / "predictions.csv")
                for arm in heat.ARMS
                for cell in cells
                if cell.arm == arm
            ]
            total += len(tables[0])
            expected += [
                (a["file"], a["label"], a["predicted"], b["predicted"])
                for a, b in zip(*tables, strict=True)
                if a["predicted"] != b["predicted"]
            ]
        assert (part.count, part.total) == (len(expected), total)
        shown = [(s.file, s.truth, *(side.answer for side in s.sides)) for s in part.shown]
        assert shown == expected[: heat.SHOWN]
        assert len(shown) == heat.SHOWN
        assert (made.study.path / "report" / "1" / "figures" / f"looks-{model}.png").is_file()
    lost = [one for one in seen if not (one.cell.seed == 0 and one.arm == heat.ARMS[1])]
    later = [replace(one, cell=replace(one.cell, seed=1)) for one in seen]
    part, again = (heat.disagreements(made.study, some, "resnet18") for some in ([*lost, *later], seen))
    assert part and again and (part.count, part.total) == (again.count, again.total), "of the next seed"
    section = heat.heat_section(made.study, made.cells, {})
    galleries = [block for block in section.blocks if isinstance(block, Gallery)]
    shown = [picture for gallery in galleries for exhibit in gallery.exhibits for picture in exhibit.pictures]
    assert len(shown) == 3 * 2 * heat.SHOWN and all(picture.uri in page(made) for picture in shown)


@pytest.mark.long
def test_cells_without_heat_are_counted_and_none_is_said(made_up: Callable[..., Any]) -> None:
    old = made_up(folds=(0,))
    (old.study.path / "masks.npy").unlink()
    for cell in trained(old)[:3]:
        (cell.path / HEAT).unlink()
    write_report(old.study, old.summary, cells=old.cells)
    for name in ("index.html", "report.md"):
        assert "3 of 12 cells have no heat maps" in page(old, name)
        assert "These data came without lesion masks" in page(old, name)
    for cell in trained(old)[3:]:
        (cell.path / HEAT).unlink()
    write_report(old.study, old.summary, cells=old.cells)
    for name in ("index.html", "report.md"):
        assert "No heat maps: these cells were trained by a version that did not keep them" in page(old, name)


def test_damaged_heat_is_named(made_up: Callable[..., Any]) -> None:
    made = made_up(folds=(0,), arms=("original",), translator=False)
    path = made.cells[0].path / HEAT
    for content in (b"\x80\x04cos\nsystem\n", path.read_bytes()[:-7]):
        path.write_bytes(content)
        with pytest.raises(BusError, match=r"heat\.npy does not fit its predictions\.csv"):
            heat.read_heat(made.study, made.cells[0])


def test_a_collapsed_arm_is_flagged_where_its_answers_are_shown(made: Any) -> None:
    section = heat.heat_section(made.study, made.cells, {(Arm("original"), "vgg19"): "collapsed in 2 of 2"})
    flagged = [
        block.text for block in section.blocks if isinstance(block, Paragraph) and block.tone == "flagged"
    ]
    assert flagged == ["† original collapsed in 2 of 2"]
    shown = page(made).split('<section id="looks">')[1].split("</section>")[0]
    assert shown.count('<p class="flagged">† original') == 1
