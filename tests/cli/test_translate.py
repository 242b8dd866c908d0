"""A translator on any scans: what is written, what is said of the study's own, what is refused."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bus.core.compute import Compute
from bus.core.files import sha256_bytes
from bus.data import phantom
from bus.data.study import Study
from bus.data.unlabelled import Found
from bus.gan import train
from bus.gan.config import configure
from bus.gan.translator import Translator
from PIL import Image

CPU = Compute("cpu", "float32", 1)


@pytest.fixture(scope="module")
def translated(tiny_study, tmp_path_factory) -> Path:
    """A study with a tiny translator of fold 0."""
    path = tmp_path_factory.mktemp("translate") / "내 study"
    shutil.copytree(tiny_study, path)
    study = Study.open(path)
    config = configure(
        study, CPU, fold=0, target="malignant", seed=0, preset="demo", pairs=4, method="published"
    )
    train.train(study, replace(config, channels=4, blocks=1), CPU)
    return path


def test_16_bit_scans_are_read_by_the_grey_scale_of_the_study(translated, tmp_path, run_bus, monkeypatch):
    """Else a test scan of the study would be another picture, and nobody be warned."""
    asked = []
    monkeypatch.setattr("bus.data.unlabelled.find", lambda *given: asked.append(given) or Found([], []))
    study = Study.open(translated)
    study.settings = replace(study.settings, data=replace(study.settings.data, grey=14))
    monkeypatch.setattr("bus.cli.translate.open_study", lambda path: study)
    code, text = run_bus("translate", tmp_path, "--to", tmp_path / "out", "--study", translated)
    assert (code, [bits for _, bits in asked]) == (2, [14]), text


@pytest.mark.long
def test_scans_are_translated_marked_and_traced(translated, tmp_path, run_bus):
    source = phantom.write_cohort(tmp_path / "scans", 60)
    study = Study.open(translated)
    code, text = run_bus("translate", source / "benign", "--to", tmp_path / "out", "--study", translated)
    assert code == 0, text
    with (tmp_path / "out" / "manifest.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == len(list((tmp_path / "out").glob("synthetic-*.png"))) > 3
    tested = {study.scans[row].sha256 for row in study.test(0)}
    for row in rows:
        with Image.open(tmp_path / "out" / row["file"]) as picture:
            assert "SYNTHETIC" in str(picture.info)
            assert sha256_bytes(np.asarray(picture).tobytes()) == row["sha256"]
        assert (row["in_study"] == "test") == (row["source_sha256"] in tested)
        assert row["generator_sha256"] == Translator(study, 0, "malignant", 0).generator_sha256
    count = sum(row["in_study"] == "test" for row in rows)
    assert count and f"Warning: {count} of these are test scans of the study" in text
    assert "SYNTHETIC, not patients" in (tmp_path / "out" / "README.txt").read_text()
    again = run_bus("translate", source / "benign", "--to", tmp_path / "again", "--study", translated)
    assert again[0] == 0
    names = [path.name for path in (tmp_path / "out").glob("*.png")]
    assert all((tmp_path / "out" / n).read_bytes() == (tmp_path / "again" / n).read_bytes() for n in names)
    code, text = run_bus("translate", source / "benign", "--to", tmp_path / "out", "--study", translated)
    assert code == 2 and "the folder holds something" in text


def test_what_cannot_be_translated_is_refused_or_named(translated, tiny_study, tmp_path, run_bus):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    where = ("--to", tmp_path / "out")
    code, text = run_bus("translate", tmp_path / "broken.png", *where, "--study", tiny_study)
    assert code == 1 and "Run bus gan train with the same --study" in text
    code, text = run_bus("translate", tmp_path / "broken.png", *where, "--study", translated)
    assert code == 1 and "unreadable: " in text and "broken.png" in text
    code, text = run_bus(
        "translate", tmp_path / "broken.png", "--to", tmp_path / "b", "--fold", "all", "--study", translated
    )
    assert code == 2 and "name one fold" in text
