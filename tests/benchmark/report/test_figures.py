"""Drawings: what is a gain, which bins are drawn, and that no label is lost or struck through."""

import re
from typing import Any

import pytest
from bus.benchmark.report import figures


def test_contrast_beside_zero_is_neither_gain_nor_loss() -> None:
    around = figures.Effect("x", 2.0, -1.0, 5.0, 4.0)
    assert [around.verdict, around._replace(low=0.1).verdict, around._replace(high=-0.1).verdict] == [
        "none",
        "gain",
        "loss",
    ]


def test_sparse_bins_of_a_calibration_are_not_drawn() -> None:
    def drawn(*bins: tuple[float, float, int]) -> str:
        return figures.calibration("c", {"original": [*bins, (0.6, 0.5, 40)]}, alt="a").svg

    assert drawn((0.2, 0.5, figures.FEWEST - 1)) == drawn() != drawn((0.2, 0.5, figures.FEWEST))


def test_the_interval_for_other_scans_is_drawn_thick_on_the_one_that_decides() -> None:
    def widths(effect: figures.Effect) -> list[tuple[float, float]]:
        svg = figures.forest("forest", [effect], axis="points", alt="a").svg
        lines = re.findall(r'd="M ([\d.]+) ([\d.]+) +L ([\d.]+) \2 +"[^>]* stroke-width="([\d.]+)"', svg)
        drawn = sorted((float(width), float(end) - float(start)) for start, _, end, width in lines)
        return [line for line in drawn if line[0] > 1]  # the axis is thinner

    whole = figures.Effect("x", 2.0, -6.0, 10.0, 4.0)
    (thin,) = widths(whole)
    both = widths(whole._replace(scans=(0.0, 4.0)))
    assert both[0] == thin and both[1][0] > thin[0] and both[1][1] == pytest.approx(thin[1] / 4, rel=0.01)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_forest_of_any_size_keeps_its_labels_inside(rows: int) -> None:
    effects = [figures.Effect(f"Model {row}", 1.0, -3.0, 4.0, 5.0) for row in range(rows)]
    svg = figures.forest("forest", effects, axis="points", alt="a").svg
    height = float(re.search(r'height="(\d+)"', svg).group(1))  # type: ignore[union-attr]
    tops = [
        float(y) * 96 / 72
        for y in re.findall(r"translate\([\d.]+ ([\d.]+)\)[^>]*>(?:[^<]*)Model", svg)
        + re.findall(r'y="([\d.]+)"[^>]*>Model', svg)
    ]
    assert len(tops) == rows and all(8 < top < height for top in tops)


def test_every_figure_has_its_alternative_text(full: Any) -> None:
    drawings = re.findall(r"<svg.*?</svg>", full.html, re.S)
    assert len(drawings) == 4 + 2 * 3 + 2 * 2  # forests, ROC and calibration, score and losses of two folds
    for drawing in drawings:
        assert (
            'role="img"' in drawing and len(re.findall(r"<title id=[^>]*>([^<]{20,})</title>", drawing)) == 1
        )
