"""Burned-in marks: found where they were put, not found in tissue."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.data import phantom
from bus.data.cohort import busi_list
from bus.data.marks import DOPPLER, PRECISION, RECALL, Pixels, find_marks


def rgb(grey: Pixels) -> Pixels:
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def tissue() -> Pixels:
    """A phantom without marks, 384 px."""
    spec = next(spec for spec in phantom.specs(20, seed=3, size=384) if not spec.marked)
    return phantom.simulate(spec).pixels


def test_tissue_carries_no_marks(tissue: Pixels) -> None:
    assert not find_marks(rgb(tissue)).burned_in


@pytest.mark.parametrize("scale", [0.75, 1.0, 2.5])
def test_text_is_found_at_any_size(tissue: Pixels, scale: float) -> None:
    written = cv2.putText(
        tissue.copy(), "RT UOQ", (100, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (235,), 2, cv2.LINE_AA
    )
    scaled = cv2.resize(written, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    assert find_marks(rgb(np.asarray(scaled, np.uint8))).burned_in


def test_an_orientation_mark_is_counted_apart(tissue: Pixels) -> None:
    marked = tissue.copy()
    marked[:18, :18] = 0
    marked[3:14, 4:6] = marked[3:14, 10:12] = 220
    found = find_marks(rgb(marked))
    assert found.corner >= 1
    assert not found.burned_in


def test_flat_bright_lines_are_tissue_and_colour_is_doppler(tissue: Pixels) -> None:
    fascia = tissue.copy()
    fascia[100:103, 40:340] = 255
    assert not find_marks(rgb(fascia)).burned_in
    flow = rgb(tissue)
    flow[200:215, 200:215] = (220, 40, 10)
    found = find_marks(flow)
    assert found.coloured == 15 * 15 >= DOPPLER
    assert found.burned_in


@pytest.mark.parametrize("shape", [(16, 16), (1, 400), (400, 3)])
def test_odd_shapes_are_searched_without_error(shape: tuple[int, int]) -> None:
    assert find_marks(np.zeros((*shape, 3), np.uint8)) == find_marks(np.full((*shape, 3), 255, np.uint8))


def test_simulated_marks_are_found() -> None:
    specs = phantom.specs(300, seed=21, size=256)
    chosen = [s for s in specs if s.marked][:12] + [s for s in specs if not s.marked][:12]
    found = [find_marks(rgb(phantom.simulate(spec).pixels)).burned_in for spec in chosen]
    assert sum(found[:12]) >= 11
    assert sum(found[12:]) <= 1


@pytest.mark.slow
def test_recall_and_precision_on_busi_are_those_stated(datasets: Path) -> None:
    from bus.data.scans import list_scans, read_scan

    with (datasets / "busi" / "groups.csv").open(encoding="utf-8") as handle:
        listed = {row["file"] for row in csv.DictReader(handle) if row["annotation"]}
    assert len(listed) == sum(bool(known.annotation) for known in busi_list().values())
    listing = list_scans(datasets / "busi" / "Dataset_BUSI_with_GT")
    found = {scan.file for scan in listing.scans if find_marks(read_scan(listing, scan)).burned_in}
    right = len(found & listed)
    assert right / len(listed) == pytest.approx(RECALL, abs=0.005)
    assert right / len(found) == pytest.approx(PRECISION, abs=0.005)
