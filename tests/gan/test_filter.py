"""The filter by the cross-fitted reader: what it keeps, what it says of it, and that it gives up."""

import shutil

import numpy as np
import pytest
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.gan import filter as rejection
from bus.gan import reader, synth
from bus.gan.workflow import Judge, make_scans

CPU, JUDGE = Compute("cpu", "float32", 1), Judge("efficientnet-lite0", splits=4)
PLACE = {"fold": 0, "target": "malignant", "gan_seed": 0}
EVERY = 24  # scans of the unfiltered set


@pytest.fixture(scope="module")
def every(study):
    """Every scan of the translator (name → bytes) and the probability that the reader gives it."""
    folder, _ = synth.synthesise(study, CPU, **PLACE, count=EVERY)
    rows = synth.read_manifest(folder)
    said = reader.CrossFitted(study, 0, "malignant").synthetic(rows, synth.load(folder, rows, 32))
    found = {row.file: (folder / row.file).read_bytes() for row in rows}
    shutil.rmtree(folder)
    return found, [reading.probability for reading in said]


def bytes_of(folder):
    return {row.file: (folder / row.file).read_bytes() for row in synth.read_manifest(folder)}


def test_kept_are_those_that_reach_the_confidence_in_the_same_order_however_often_it_was_started(
    study, every
):
    found, chances = every
    confidence = float(np.median(chances))
    expected = [name for name, chance in zip(found, chances, strict=True) if chance >= confidence]
    assert 0 < len(expected) < EVERY
    for count in (len(expected) // 2, len(expected)):  # begun, then gone on with
        folder, _ = synth.synthesise(study, CPU, **PLACE, count=count, confidence=confidence)
    kept = bytes_of(folder)
    assert list(kept) == expected and all(kept[name] == found[name] for name in expected)
    assert sorted(path.name for path in folder.glob("*.png")) == sorted(expected)
    said = reader.Readings.open(folder / reader.NAME)
    assert [reading.file for reading in said.readings] == expected
    assert all(reading.probability >= confidence for reading in said.readings)
    assert all(reading.group not in said.trained_on[reading.reader] for reading in said.readings)
    rows = synth.read_manifest(folder)
    assert rejection.acceptance(rows) == len(expected) / (rows[-1].index + 1)
    shutil.rmtree(folder)


def test_a_set_keeps_its_filter_and_says_so(study, every, run_bus):
    confidence = float(np.median(every[1]))
    options = ("--study", study.path, "--extractor", "efficientnet-lite0")
    code, said = run_bus("synth", "--n", 4, "--confidence", confidence, *options)
    folder = study.synth_path(0, "malignant", 0)
    assert code == 0 and "only these were kept" in said and "judged by its filter" in said
    assert f"--confidence {confidence:g}" in (folder / "DATASHEET.md").read_text()
    begun = bytes_of(folder)
    assert run_bus("synth", "--n", 6, *options)[0] == 0  # the filter is remembered
    assert dict(list(bytes_of(folder).items())[:4]) == begun
    assert min(row.probability for row in reader.Readings.open(folder / reader.NAME).readings) >= confidence
    code, said = run_bus("synth", "--n", 6, "--confidence", 0.01, *options)
    assert code == 2 and "--redo" in said and bytes_of(folder).keys() > begun.keys()
    assert run_bus("synth", "--n", 3, "--confidence", 0, "--redo", *options)[0] == 0
    assert list(bytes_of(folder)) == list(every[0])[:3] and rejection.filtered(folder) == 0
    assert files.read_json(folder / "scores.json")["filter"] is None
    shutil.rmtree(folder)


def test_a_filter_that_lets_nothing_pass_gives_up(study, monkeypatch):
    monkeypatch.setattr(rejection, "TRIED", 20)
    with pytest.raises(BusError, match=r"Only 0 of .* reached --confidence 1"):
        synth.synthesise(study, CPU, **PLACE, count=10, confidence=1)
    make_scans(study, CPU, **PLACE, count=2, judge=JUDGE)
    with pytest.raises(UsageError, match="--redo"):  # these were made without a filter
        make_scans(study, CPU, **PLACE, count=2, judge=JUDGE, confidence=0.5)
