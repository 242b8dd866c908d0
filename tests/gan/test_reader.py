"""The kept word of the reader: who read a scan, and what that reader had seen."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from bus.core import files
from bus.core.errors import BusError
from bus.data.study import Study
from bus.gan import reader
from bus.gan.manifest import Synthetic
from bus.gan.scores.checks import reader_probabilities
from bus.gan.scores.features import features, lite0

pytestmark = pytest.mark.usefixtures("seen_anew")


@pytest.fixture(scope="module")
def study(tiny_study, tmp_path_factory):
    path = tmp_path_factory.mktemp("reader") / "study"
    shutil.copytree(tiny_study, path)
    return Study.open(path)


@pytest.fixture(scope="module")
def fitted(study):
    return reader.CrossFitted(study, 0, "malignant")


@pytest.fixture(scope="module")
def made(study):
    """Mirrored benign and normal scans of fold 0, as a translator's results."""
    sources = study.rows_of(study.train(0), ["benign", "normal"])[:12]
    squares = study.pixels[sources][:, :, ::-1].copy()
    rows = [
        Synthetic(
            f"synthetic ({place + 1}).png",
            files.sha256_bytes(square.tobytes()),
            scan.file,
            scan.sha256,
            scan.label,
            scan.group,
            0,
            "plain",
            "",
            0,
            place,
        )
        for place, (square, scan) in enumerate(
            zip(squares, (study.scans[row] for row in sources), strict=True)
        )
    ]
    return rows, squares


def test_readings_are_those_of_the_scores_and_of_readers_that_did_not_see_the_source(study, fitted, made):
    rows, squares = made
    found = fitted.synthetic(rows, squares)
    train = study.train(0)
    place = {study.scans[row].sha256: at for at, row in enumerate(train)}
    sources = [place[row.source_sha256] for row in rows]
    truth, groups = (
        [study.scans[row].label == "malignant" for row in train],
        [study.groups[row] for row in train],
    )
    eyes = features(study.pixels[train], lite0())
    _, of_synthetic = reader_probabilities(eyes, truth, groups, features(squares, lite0()), sources)
    assert [one.probability for one in found] == pytest.approx(of_synthetic, abs=1e-4)
    seen = reader.trained_on(study, 0, "malignant")
    everybody = set(groups)
    for row, one in zip(rows, found, strict=True):
        assert row.source_group not in seen[one.reader] and set(seen[one.reader]) < everybody
    assert set.union(*map(set, seen)) == everybody and len(seen) > 1


def test_a_scan_is_read_alike_whoever_is_beside_it(fitted, made):
    rows, squares = made
    alone = [fitted.synthetic([row], square[None])[0] for row, square in zip(rows, squares, strict=True)]
    assert alone == fitted.synthetic(rows, squares)


def test_kept_readings_come_back_and_a_changed_number_is_noticed(study, fitted, made, tmp_path):
    path = tmp_path / "reader.json"
    kept = fitted.save(path, fitted.synthetic(*made))
    assert reader.Readings.open(path) == kept
    assert kept.training_pixels == study.pixels_sha256(study.train(0))
    content = json.loads(path.read_text())
    content["readings"][0]["probability"] = 0.99
    for text in (json.dumps(content), "{}", "[]"):
        path.write_text(text)
        with pytest.raises(BusError, match=r"reader\.json"):
            reader.Readings.open(path)


def test_a_scan_whose_source_is_no_training_scan_is_read_by_nobody(study, fitted, made):
    tested = study.scans[study.test(0)[0]]
    row = replace(made[0][0], source_sha256=tested.sha256, source_label=tested.label)
    with pytest.raises(BusError, match=r"synthetic \(1\)\.png is no training scan of fold 0"):
        fitted.synthetic([row], made[1][:1])
    with pytest.raises(BusError, match="No reader of cyst scans in fold 0"):
        reader.CrossFitted(study, 0, "cyst")


def test_features_are_computed_once(study, fitted, monkeypatch):
    monkeypatch.setattr("bus.gan.scores.features.features", None)
    assert np.array_equal(reader.real_features(study, "cpu")[study.train(0)], fitted.real)
    assert not reader.real_features(study, "cpu")[
        [row for row, scan in enumerate(study.scans) if scan.fold is None]
    ].any()


@pytest.mark.long
def test_features_that_are_damaged_are_computed_again(study, fitted):
    path = study.path / "yardstick" / "features.npy"
    path.unlink()  # perhaps of a process with other threads: last digits depend on their number
    real = reader.real_features(study, "cpu")
    whole = path.read_bytes()
    for place in (20, len(whole) // 2, len(whole) - 1):  # in the header, in a number, at the end
        damaged = bytearray(whole)
        damaged[place] ^= 64
        path.write_bytes(damaged)
        assert np.array_equal(reader.real_features(study, "cpu"), real)
        assert path.read_bytes() == whole
    about = path.with_suffix(".json")
    about.write_text(about.read_text().replace('"pixels": "', '"pixels": "0'))
    assert np.array_equal(reader.real_features(study, "cpu"), real)
