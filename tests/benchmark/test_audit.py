"""Readings that a filter went by: who may have read what, and what is refused."""

import json
import shutil
from dataclasses import replace

import pytest
from bus.benchmark.audit import audit
from bus.benchmark.cells import synthetic_needed
from bus.benchmark.request import Request
from bus.core import files
from bus.core.errors import BusError
from bus.data.study import Study
from bus.gan import reader
from bus.gan.manifest import SyntheticSet

WISH = Request((0,), models=("simplecnn",), preset="demo")


@pytest.fixture(scope="module")
def read(translated, tmp_path_factory):
    """The translated study after the synthetic scans of fold 0 were read."""
    path = tmp_path_factory.mktemp("read") / "study"
    shutil.copytree(translated, path)
    study = Study.open(path)
    scans, fitted = SyntheticSet(study, 0, "malignant", 0), reader.CrossFitted(study, 0, "malignant")
    fitted.save(scans.readings_path, fitted.synthetic(scans.rows, scans.pixels(scans.rows)))
    return path


@pytest.fixture
def study(read, tmp_path):
    shutil.copytree(read, tmp_path / "study")
    return Study.open(tmp_path / "study")


def test_sound_readings_pass_the_audit(study):
    checks = audit(study, 0, WISH)
    assert all(check.ok and check.count for check in checks) and len(checks) == 12
    assert len({check.name for check in checks}) == 12


def test_a_reader_that_saw_the_source_is_refused(study):
    """A file, whole and with its right hash, that gives a scan to a reader fitted to its source's group."""
    path = SyntheticSet(study, 0, "malignant", 0).readings_path
    kept = reader.Readings.open(path)
    first = kept.readings[0]
    other = next(number for number, groups in enumerate(kept.trained_on) if first.group in groups)
    replace(kept, readings=[replace(first, reader=other), *kept.readings[1:]]).save(path)
    with pytest.raises(
        BusError, match=r"no reader of .* saw the group of the scan, or of its source"
    ) as error:
        audit(study, 0, WISH)
    assert first.file in str(error.value) and f"Delete {path}" in str(error.value)


def test_readers_fitted_to_other_groups_than_they_say_are_refused(study):
    """Somebody takes the source's group out of the list of a reader that saw it."""
    place = SyntheticSet(study, 0, "malignant", 0).readings_path
    kept = reader.Readings.open(place)
    first = kept.readings[0]
    other = next(number for number, groups in enumerate(kept.trained_on) if first.group in groups)
    lists = [
        [name for name in groups if number != other or name != first.group]
        for number, groups in enumerate(kept.trained_on)
    ]
    replace(kept, readings=[replace(first, reader=other), *kept.readings[1:]], trained_on=lists).save(place)
    with pytest.raises(
        BusError,
        match="the readers of synthetic malignant scans saw the training part of this fold and nothing else",
    ):
        audit(study, 0, WISH)


def test_readers_of_all_data_or_of_another_fold_are_refused(study):
    scans = SyntheticSet(study, 0, "malignant", 0)
    place, rows = scans.readings_path, scans.rows
    for fold in (None, 1):
        sources = {study.scans[row].sha256 for row in study.train(fold)}
        kept = [row for row in rows if row.source_sha256 in sources]
        fitted = reader.CrossFitted(study, fold, "malignant")
        fitted.save(place, fitted.synthetic(kept, scans.pixels(kept)))
        with pytest.raises(BusError, match="nothing else"):
            audit(study, 0, WISH)


def test_readings_of_other_pixels_and_edited_ones_are_refused(study):
    place = SyntheticSet(study, 0, "malignant", 0).readings_path
    kept = reader.Readings.open(place)
    replace(kept, readings=[replace(kept.readings[0], sha256="0" * 64), *kept.readings[1:]]).save(place)
    with pytest.raises(
        BusError,
        match=r"every reading of synthetic malignant scans is of the very pixels \(synthetic-0001\.png\)",
    ):
        audit(study, 0, WISH)
    content = json.loads(place.read_text())
    content["readings"][0]["probability"] = 1.0
    files.write_json(place, content)
    with pytest.raises(BusError, match=r"reader\.json is not what the reader wrote"):
        audit(study, 0, WISH)


def test_a_scan_that_a_filter_let_pass_without_a_reading_that_says_so_is_refused(study):
    scans = SyntheticSet(study, 0, "malignant", 0)
    used = scans.rows[: synthetic_needed(study, WISH)[0, "malignant", 0]]
    readings = reader.Readings.open(scans.readings_path).readings
    chances = {reading.file: reading.probability for reading in readings}
    lowest = min(chances[row.file] for row in used)
    scans.write_confidence(lowest)
    assert all(check.ok for check in audit(study, 0, WISH))
    scans.write_confidence(lowest + 0.001)
    with pytest.raises(BusError, match="a filter let pass has a reading that says so"):
        audit(study, 0, WISH)
    scans.readings_path.unlink()
    with pytest.raises(BusError, match="a filter let pass has a reading that says so"):
        audit(study, 0, WISH)
