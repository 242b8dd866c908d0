"""Synthetic scans: order of sources, provenance, reproducible beginnings, edits noticed."""

import shutil
from collections import Counter

import cv2
import numpy as np
import pytest
from bus.core.compute import Compute
from bus.core.errors import BusError
from bus.core.progress import Interrupted
from bus.data.study import Study
from bus.data.unlabelled import find
from bus.gan import synth, train, translate
from bus.gan.config import configure
from bus.gan.pixels import to_pixels, to_tensor
from bus.gan.request import Judge
from bus.gan.translate import translate_scans
from bus.gan.translator import Translator
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

CPU = Compute("cpu", "float32", 1)


def make(study, count):
    translator = Translator(study, 0, "malignant", 0)
    new = synth.synthesise(translator, CPU, count=count)
    return translator.scans, new


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=60), st.integers(0, 5))
def test_every_source_once_and_every_beginning_in_proportion(labels, seed):
    order = synth.ordered_sources(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    share = labels.count("a") / len(labels)
    for count in range(1, len(labels) + 1):
        assert abs(sum(labels[row] == "a" for row in order[:count]) - share * count) <= 1


def test_more_scans_begin_with_the_same_ones_and_say_where_they_come_from(study):
    scans, new = make(study, 10)
    assert new == 10
    first = [(row, (scans.folder / row.file).read_bytes()) for row in scans.rows]
    sources = study.rows_of(study.train(0), ["benign", "normal"])
    count = 3 * len(sources) + 2
    assert make(study, count)[1] == count - 10
    assert make(study, 5)[1] == 0
    rows = scans.rows
    assert [(row, (scans.folder / row.file).read_bytes()) for row in rows[:10]] == first
    used = Counter(row.source_sha256 for row in rows[: len(sources)])
    assert used == Counter(study.scans[row].sha256 for row in sources)
    assert [row.variant for row in rows] == (
        ["plain"] * len(sources) + ["flipped"] * len(sources) + ["cropped"] * (len(sources) + 2)
    )
    assert not {row.source_group for row in rows} & {study.groups[row] for row in study.test(0)}
    shutil.rmtree(scans.folder)
    make(study, count)
    assert scans.rows == rows


def test_a_synthetic_scan_says_that_it_is_one(study):
    scans, _ = make(study, 4)
    with Image.open(scans.folder / "synthetic-0001.png") as picture:
        assert "SYNTHETIC" in picture.text["Description"]
        assert picture.mode == "L"
    assert "SYNTHETIC" in (scans.folder / "manifest.csv").read_text()


def test_bars_stay_black(tmp_path):
    inside = (slice(8, 24), slice(0, 32))
    square = np.zeros((32, 32), np.uint8)
    square[inside] = np.arange(16 * 32).reshape(16, 32) % 251
    for turn, name in enumerate(["plain", "flipped", "cropped"]):
        variant, out = synth.vary(square, inside, turn, 0, 7)
        assert variant == name
        assert not out[:8].any()
        assert not out[24:].any()
        assert out.any()


def test_scans_are_black_where_their_source_has_bars(barred, tmp_path):
    """In a study, and translated outside of one; the generator itself paints there."""
    translator = Translator(barred, 0, "malignant", 0)
    scans, _ = make(barred, 4)
    rows = scans.rows
    files = [barred.path.parent / "data" / row.source_file for row in rows]
    loose = find(files).scans
    made, _ = translate_scans(translator, loose, tmp_path / "made", CPU)
    outside = [cv2.imread(str(tmp_path / "made" / row.file), cv2.IMREAD_GRAYSCALE) for row in made]
    boxes = {scan.file: scan.box.inside for scan in barred.scans}
    square = np.full((1, 32, 32), 90, np.uint8)
    painted = to_pixels(translator.load("cpu")(to_tensor(square)).detach())[0]
    for scan, row in [*zip(scans.pixels(rows), rows, strict=True), *zip(outside, rows, strict=True)]:
        bars = np.ones((32, 32), bool)
        bars[boxes[row.source_file]] = False
        assert bars[:4].all() and bars[28:].all() and not scan[bars].any() and scan[~bars].any()
        assert painted[bars].any()


def test_edited_and_missing_scans_are_refused_by_name(study):
    scans, _ = make(study, 4)
    rows = scans.rows[:4]
    assert scans.pixels(rows).shape == (4, 32, 32)
    path = scans.folder / rows[2].file
    kept = path.read_bytes()
    cv2.imwrite(str(path), np.zeros((32, 32), np.uint8))
    with pytest.raises(BusError, match=r"synthetic-0003\.png"):
        scans.pixels(rows)
    path.unlink()
    with pytest.raises(BusError, match=r"synthetic-0003\.png"):
        scans.pixels(rows)
    path.write_bytes(kept)


def test_an_unfinished_translator_makes_nothing(tiny_study):
    with pytest.raises(BusError, match="bus gan train"):
        make(Study.open(tiny_study), 3)


def test_a_source_shown_again_takes_another_noise(tiny_study, tmp_path, monkeypatch):
    """Beside the flip, which alone changes what asymmetric convolutions make of it."""
    shutil.copytree(tiny_study, tmp_path / "study")
    study = Study.open(tmp_path / "study")
    config = configure(
        study,
        CPU,
        fold=0,
        target="malignant",
        seed=0,
        preset="demo",
        pairs=8,
        sources=["normal"],
        method="projected",
        changes={"noise": "8", "channels": "4", "blocks": "1", "discriminator": "patch"},
    )
    train.train(study, config, CPU)
    count = len(study.rows_of(study.train(0), ["normal"]))
    scans, _ = make(study, 2 * count)
    rows = scans.rows
    own = scans.pixels(rows).astype(int)
    assert [row.source_sha256 for row in rows[:count]] == [row.source_sha256 for row in rows[count:]]
    shutil.rmtree(scans.folder)
    noise = synth.noise_of
    monkeypatch.setattr(synth, "noise_of", lambda generator, seed, at: noise(generator, seed, at % count))
    make(study, 2 * count)
    same = scans.pixels(scans.rows).astype(int)
    assert (own[:count] == same[:count]).all()
    assert (abs(own[count:] - same[count:]).mean((1, 2)) > 1).all()


def test_a_confidence_that_no_scan_reached_does_not_stay(study):
    """It is frozen with the first scan, and there was none."""
    scans = Translator(study, 0, "malignant", 0).scans
    shutil.rmtree(scans.folder, ignore_errors=True)
    scans.write_confidence(0.99)
    assert synth._threshold(scans, None) == 0 == scans.confidence
    assert synth._threshold(scans, 0.5) == 0.5 == scans.confidence
    shutil.rmtree(scans.folder)


def test_an_interrupted_redo_says_how_to_go_on(study, monkeypatch):
    def stopped(*_, **__):
        raise Interrupted("Run the same command again to go on.")

    monkeypatch.setattr(synth, "synthesise", stopped)
    for redo, words in ((True, "Leave --redo out then"), (False, r"go on\.$")):
        with pytest.raises(Interrupted, match=words):
            synth.make_scans(Translator(study, 0, "malignant", 0), CPU, Judge(), count=3, redo=redo)


def test_a_translation_that_is_cut_short_leaves_nothing_half_made(study, tmp_path, monkeypatch):
    translator, place = Translator(study, 0, "malignant", 0), tmp_path / "made"
    Image.fromarray(study.pixels[0]).save(tmp_path / "1.png")
    Image.fromarray(study.pixels[1]).save(tmp_path / "2.png")
    loose = find([tmp_path / "1.png", tmp_path / "2.png"]).scans

    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(translate, "write_translated", cut)
        translate_scans(translator, loose, place, CPU)
    assert not place.exists()
    made, _ = translate_scans(translator, loose, place, CPU)
    assert len(made) == 2 and {path.name for path in place.iterdir()} >= {"README.txt", made[0].file}
