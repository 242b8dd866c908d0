"""The filter by the cross-fitted reader: what it keeps, what it says of it, and that it gives up."""

import shutil

import numpy as np
import pytest
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.gan import filter as rejection
from bus.gan import reader, scoring, synth
from bus.gan.manifest import SyntheticSet, acceptance
from bus.gan.request import Judge
from bus.gan.synth import make_scans
from bus.gan.translator import Translator

CPU, JUDGE = Compute("cpu", "float32", 1), Judge("efficientnet-lite0", splits=4)
EVERY = 24  # scans of the unfiltered set


@pytest.fixture(scope="module")
def every(study):
    """Every scan of the translator (name → bytes) and the probability that the reader gives it."""
    translator = Translator(study, 0, "malignant", 0)
    synth.synthesise(translator, CPU, count=EVERY)
    scans, rows = translator.scans, translator.scans.rows
    said = reader.CrossFitted(study, 0, "malignant").synthetic(rows, scans.pixels(rows))
    found = bytes_of(scans)
    shutil.rmtree(scans.folder)
    return found, [reading.probability for reading in said]


def bytes_of(scans):
    return {row.file: (scans.folder / row.file).read_bytes() for row in scans.rows}


def test_kept_are_those_that_reach_the_confidence_in_the_same_order_however_often_it_was_started(
    study, every
):
    found, chances = every
    translator = Translator(study, 0, "malignant", 0)
    scans = translator.scans
    confidence = float(np.median(chances))
    expected = [name for name, chance in zip(found, chances, strict=True) if chance >= confidence]
    assert 0 < len(expected) < EVERY
    for count in (len(expected) // 2, len(expected)):  # begun, then gone on with
        synth.synthesise(translator, CPU, count=count, confidence=confidence)
    kept = bytes_of(scans)
    assert list(kept) == expected and all(kept[name] == found[name] for name in expected)
    assert sorted(path.name for path in scans.folder.glob("*.png")) == sorted(expected)
    said = reader.Readings.open(scans.readings_path)
    assert [reading.file for reading in said.readings] == expected
    assert all(reading.probability >= confidence for reading in said.readings)
    assert all(reading.group not in said.trained_on[reading.reader] for reading in said.readings)
    rows = scans.rows
    assert acceptance(rows) == len(expected) / (rows[-1].index + 1)
    shutil.rmtree(scans.folder)


@pytest.mark.long
def test_a_set_keeps_its_filter_and_says_so(study, every, run_bus, monkeypatch):
    confidence = float(np.median(every[1]))
    options = ("--study", study.path, "--extractor", "efficientnet-lite0")
    code, said = run_bus("synth", "--n", 4, "--confidence", confidence, "--verbose", *options)
    scans = SyntheticSet(study, 0, "malignant", 0)
    assert code == 0 and "only these were kept" in said and "judged by its filter" in said
    assert f"--confidence {confidence:g}" in (scans.folder / "DATASHEET.md").read_text()
    begun = bytes_of(scans)
    monkeypatch.setattr(synth, "score_set", lambda *_: True)  # it takes most of the time and was shown
    assert run_bus("synth", "--n", 6, *options)[0] == 0  # the filter is remembered
    assert dict(list(bytes_of(scans).items())[:4]) == begun
    assert min(row.probability for row in reader.Readings.open(scans.readings_path).readings) >= confidence
    code, said = run_bus("synth", "--n", 6, "--confidence", 0.01, *options)
    assert code == 2 and "--redo" in said and bytes_of(scans).keys() > begun.keys()
    assert run_bus("synth", "--n", 3, "--confidence", 0, "--redo", *options)[0] == 0
    assert list(bytes_of(scans)) == list(every[0])[:3] and scans.confidence == 0
    assert scoring.material(scans)[2].confidence == 0
    shutil.rmtree(scans.folder)


def test_a_filter_that_lets_nothing_pass_gives_up(study, monkeypatch):
    monkeypatch.setattr(rejection, "TRIED", 20)
    translator = Translator(study, 0, "malignant", 0)
    with pytest.raises(BusError, match=r"Only \d+ of .* reached --confidence 1"):
        synth.synthesise(translator, CPU, count=10, confidence=1)
    make_scans(translator, CPU, JUDGE, count=2)
    with pytest.raises(UsageError, match="--redo"):  # these were made without a filter
        make_scans(translator, CPU, JUDGE, count=2, confidence=0.5)
