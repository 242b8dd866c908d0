"""Reading: one scale of grey a data set, and what reading brings to light, kept in the study that is made."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bus.cli.options import names
from bus.data import unlabelled
from bus.data.pictures import bits_of
from bus.data.reading import Data, read_listing
from bus.data.scans import list_scans, read_scan
from bus.data.study import Study, open_or_create
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

CHANCE = np.random.default_rng(0)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pgm":  # which Pillow did not write with 16 bits before its version 11
        depth = int(pixels.dtype.itemsize)
        header = f"P5 {pixels.shape[1]} {pixels.shape[0]} {256**depth - 1}\n".encode()
        path.write_bytes(header + pixels.astype(f">u{depth}").tobytes())
    else:
        Image.fromarray(pixels).save(path)
    return path


def noise(bits: int, highest: int | None = None) -> np.ndarray:
    """Grey of `bits` bits (in 16 where they are more than 8) that reaches its highest level."""
    full = 2**bits - 1 if highest is None else highest
    pixels = CHANCE.integers(0, full + 1, (20, 24)).astype(np.uint16 if bits > 8 or highest else np.uint8)
    pixels[0, :2] = 0, full
    return pixels


def read(folder: Path) -> Data:
    return read_listing(list_scans(folder), 32)


def said(data: Data) -> dict[str, str]:
    return {item.kind: item.sentence for item in data.cautions}


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_bits_in_files_of_16_fill_the_range(tmp_path: Path, bits: int, suffix: str) -> None:
    levels = {}
    for name, highest in (
        ("a/1", 2**bits - 1),
        ("a/2", 2 ** (bits - 1)),
        ("b/1", 2 ** (bits - 2)),
        ("b/2", 2 ** (bits - 1)),
    ):
        levels[f"{name}.{suffix}"] = noise(16, highest)
        write(tmp_path / f"{name}.{suffix}", levels[f"{name}.{suffix}"])
    listing = list_scans(tmp_path)
    for scan in listing.scans:
        expected = np.floor(levels[scan.file] * (255 / (2**bits - 1)) + 0.5)
        assert (abs(read_scan(listing, scan)[..., 0] - expected) <= 1).all(), "one scale for all"
    data = read(tmp_path)
    assert data.grey == bits
    assert said(data)["16 bits"].startswith(
        f"Scans in files of 16 bits: 4 (read as {bits} bits of 16). One scale"
    )


def test_depths_that_are_mixed_are_named(tmp_path: Path) -> None:
    for label, bits in (("a", (8, 8, 8)), ("b", (8, 12, 12))):
        for number, depth in enumerate(bits):
            write(tmp_path / label / f"{number}.png", noise(depth))
    assert (
        "scans of 16 bits beside scans of 8 bits: 2 of 6 (a 0 of 3, b 2 of 3)"
        in said(read(tmp_path))["mixed depths"].casefold()
    )


def test_scans_that_use_little_of_their_depth_are_named(tmp_path: Path) -> None:
    for name, pixels in (("a/1", noise(8)), ("a/dim", noise(8) // 16), ("b/1", noise(8)), ("b/2", noise(8))):
        write(tmp_path / f"{name}.png", pixels)
    assert "1 of 4, namely a/dim.png" in said(read(tmp_path))["dim"]
    deep = tmp_path / "deep"
    for name, highest in (("a/1", 4000), ("a/2", 65535), ("b/1", 4000), ("b/2", 4000)):
        write(deep / f"{name}.png", noise(16, highest))
    assert "3 of 4" in said(read(deep))["dim"], "one burned-in mark sets the scale: the others are named"


def test_scans_of_8_bits_are_as_they_were(tmp_path: Path) -> None:
    pixels = noise(8)
    for name in ("a/1.png", "a/2.tif", "b/1.bmp", "b/2.pgm"):
        write(tmp_path / name, pixels)
    data = read(tmp_path)
    assert len({entry.sha256 for entry in data.entries}) == 1
    assert (data.grey, data.cautions) == (0, ())


def test_scans_to_answer_are_read_by_one_scale(tmp_path: Path) -> None:
    high, low = noise(16, 4095), noise(16, 2000)
    paths = [write(tmp_path / "high.png", high), write(tmp_path / "low.png", low)]
    for named in (paths, [tmp_path]):
        found = [scan.read()[..., 0].astype(int) for scan in unlabelled.find(named).scans]
        for pixels, levels in zip(found, (high, low), strict=True):
            assert (abs(pixels - levels * (255 / 4095)) <= 1).all()
    (alone,) = unlabelled.find([tmp_path / "low.png"], 12).scans
    assert (abs(alone.read()[..., 0].astype(int) - low * (255 / 4095)) <= 1).all(), "by the study's scale"


def many(folder: Path, write_one: Callable[[Path], object], count: int = 8) -> Path:
    for label in ("benign", "malignant"):
        for number in range(count):
            write_one(folder / label / f"{number}.png")
    return folder


def test_a_study_keeps_what_was_left_out_and_how_grey_was_read(tmp_path: Path) -> None:
    folder = many(tmp_path / "data", lambda path: write(path, noise(12)))
    (folder / "malignant" / "more.npz").write_bytes(b"x")
    write(folder / "malignant" / "9_mask.png", np.zeros((20, 24), np.uint8))
    study = open_or_create(tmp_path / "study", {"data": str(folder), "size": 32, "k": 2})
    about = json.loads((tmp_path / "study" / "study.json").read_text())
    assert about["data"]["grey"] == 12
    told = " ".join(Study.open(study.path).settings.banners)
    for words in ("Array files", "malignant/more.npz", "PNG", "Lesion masks without a scan", "9_mask.png"):
        assert words in told


def test_a_target_may_be_typed_however_it_is_composed(tmp_path: Path) -> None:
    folder = many(tmp_path / "data", lambda path: write(path, noise(8)))
    (folder / "malignant").rename(folder / unicodedata.normalize("NFD", "악성 "))
    for typed in ("악성", unicodedata.normalize("NFD", "악성")):
        asked = {"data": str(folder), "size": 32, "k": 2, "target": typed}
        study = open_or_create(tmp_path / "study", asked)
        assert (study.target, study.classes) == ("악성", ["benign", "악성"])
        assert study.rows_of(
            study.used(), names(unicodedata.normalize("NFD", "악성"), study.classes, "--from")
        )


@given(st.integers(0, 65535))
def test_no_highest_level_is_too_high(highest: int) -> None:
    assert highest < 2 ** bits_of(highest)
    assert bits_of(highest) == 8 or highest >= 2 ** (bits_of(highest) - 2)
