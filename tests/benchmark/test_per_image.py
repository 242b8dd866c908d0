"""The sub-study with a split per image."""

import shutil
from collections import Counter
from dataclasses import replace

import pytest
from bus.benchmark.arms import Arm
from bus.benchmark.per_image import per_image, per_image_request, per_image_training, split
from bus.benchmark.request import Request
from bus.core.compute import Compute
from bus.data.cohort import LeftOut
from bus.data.study import Study
from bus.gan.config import configure
from bus.gan.request import plan_gan
from bus.gan.train import train
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


def test_a_split_per_image_has_the_seeds_sizes():
    labels = ["benign"] * 437 + ["malignant"] * 210 + ["normal"] * 133
    folds = split(labels, 0)
    assert Counter(folds) == {0: 159, 1: 127, 2: 494}
    for fold, expected in ((0, (88, 43, 28)), (1, (71, 34, 22)), (2, (278, 133, 83))):
        counts = Counter(label for label, place in zip(labels, folds, strict=True) if place == fold)
        assert [counts[name] for name in ("benign", "malignant", "normal")] == pytest.approx(
            expected, abs=1.01
        )
    assert split(labels, 0) == folds != split(labels, 1)


def test_the_sub_study_holds_the_same_scans_and_nothing_locked_away(study):
    out = study.used()[0]
    scans = list(study.scans)
    scans[out] = replace(scans[out], fold=None, left_out=LeftOut("locked", "0"))
    study = Study(study.path, study.settings, scans)
    sub = per_image(study)
    assert sub.used() == study.used() and out not in sub.used()
    assert sub.pixels_sha256(sub.used()) == study.pixels_sha256(study.used())
    assert len({sub.groups[row] for row in sub.used()}) == len(sub.used())
    shared = {study.groups[row] for row in sub.test(0)} & {study.groups[row] for row in sub.train(0)}
    assert shared, "patients stand on both sides: that is its point"
    before = (sub.path / "study.json").stat().st_mtime_ns
    assert per_image(study).path == sub.path and (sub.path / "study.json").stat().st_mtime_ns == before
    assert any("too good" in banner for banner in sub.settings.banners)


def test_its_translator_is_begun_as_the_studys_own(study):
    """Or the split and the effort would both differ; one that is begun goes on as it was."""
    asked, sub = Request((1, 2), (Arm("cyclegan"),), ("simplecnn",), preset="quick"), per_image(study)
    assert per_image_training(study, sub, asked) == per_image_request(asked), "none to be like"

    config = configure(study, CPU, fold=1, target="malignant", seed=0, preset="demo", method="published")
    train(study, replace(config, pairs=4, channels=4, blocks=1, sources=("normal",)), CPU)
    alike = per_image_training(study, sub, asked)
    own = Translator(study, 1, "malignant", 0).config
    planned, _ = plan_gan(Translator(sub, 0, "malignant", 0), alike.ask, CPU, preset=alike.preset)
    pixels = sub.pixels_sha256(sub.train(0))
    assert planned == replace(own, fold=0, training_pixels=pixels, drawn_from=0)
    assert (planned.pairs, planned.preset, planned.channels) == (4, "demo", 4)

    train(sub, replace(planned, pairs=8), CPU)
    assert per_image_training(study, sub, asked).ask.is_empty
