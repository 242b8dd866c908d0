"""Added scans weighted by a reader's confidence: whose word counts, equal effort, who saw too much."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from bus.benchmark import arms, confidence, pipeline, run
from bus.benchmark import cells as plan
from bus.benchmark.arms import Arm
from bus.benchmark.audit import audit
from bus.classify.train import batch_rows, importance, shown
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.data.study import Study
from bus.gan import reader, synth
from bus.gan.manifest import SyntheticSet

CPU = Compute("cpu", "float32", 1)
WISH = plan.Wish(
    (0,), tuple(map(Arm, arms.CHOSEN)), ("simplecnn",), preset="demo", recipe=(("synthetic", "confidence"),)
)


@pytest.fixture(scope="module")
def read(translated, tmp_path_factory):
    """The translated study after its scans were read for fold 0."""
    path = tmp_path_factory.mktemp("read") / "study"
    shutil.copytree(translated, path)
    confidence.make_missing(Study.open(path), 0, "malignant", 0, ["cyclegan"], "cpu")
    return path


@pytest.fixture
def study(read, tmp_path):
    shutil.copytree(read, tmp_path / "study")
    return Study.open(tmp_path / "study")


def said(place):
    return {one.file: one.probability for one in reader.Readings.open(place).readings}


def test_an_added_scan_counts_what_its_reader_said_and_an_own_scan_1(study):
    cells = {str(cell.arm): cell for cell in plan.cells(study, WISH, CPU)}
    parts = {arm: run.examples(study, cell) for arm, cell in cells.items()}
    own = len(study.train(0))
    assert parts["original"].confidence is None and parts["weighted"].confidence is None
    made = said(SyntheticSet(study, 0, "malignant", 0).readings_path)
    real = said(reader.originals_path(study, 0, "malignant"))
    rows = plan.picked(study, 0, "malignant", 0, "", cells["cyclegan"].added["malignant"])
    expected = {
        "cyclegan": [made[row.file] for row in rows],
        "relabelled": [real[row.source_file] for row in rows],
    }
    square_of = {study.pixels[row].tobytes(): study.scans[row].file for row in study.train(0)}
    expected["oversampled"] = [
        real[square_of[square.tobytes()]] for square in parts["oversampled"].pixels[own:]
    ]
    for arm, values in expected.items():
        assert (parts[arm].confidence[:own] == 1).all()
        assert parts[arm].confidence[own:] == pytest.approx(values, abs=1e-6), arm
        assert parts[arm].confidence.dtype == np.float32
    assert len({cell.recipe.steps for cell in cells.values()}) == 1
    for step in range(3):
        drawn = [batch_rows(shown(parts[arm], cells[arm].recipe, step), 32, step, 0) for arm in expected]
        assert all((one[0] == drawn[0][0]).all() for one in drawn), "arms share their batches"
        rows = drawn[0][0]
        assert (importance(parts["original"], rows[rows < own], cells["original"].recipe) == 1).all()
        assert (
            importance(parts["cyclegan"], rows, cells["cyclegan"].recipe).tolist()
            == parts["cyclegan"].confidence[rows].tolist()
        )


def test_readings_are_part_of_the_cell_and_other_recipes_keep_theirs(study):
    cells = {str(cell.arm): cell.path for cell in plan.cells(study, WISH, CPU)}
    mixed = {str(cell.arm): cell for cell in plan.cells(study, replace(WISH, recipe=()), CPU)}
    assert mixed["oversampled"].synthetic == ""
    place = SyntheticSet(study, 0, "malignant", 0).readings_path
    kept = reader.Readings.open(place)
    replace(kept, readings=[replace(one, probability=0.5) for one in kept.readings]).save(place)
    changed = {str(cell.arm): cell.path for cell in plan.cells(study, WISH, CPU)}
    assert [arm for arm in cells if cells[arm] != changed[arm]] == ["cyclegan"]
    assert {str(cell.arm): cell for cell in plan.cells(study, replace(WISH, recipe=()), CPU)} == mixed


def test_only_what_nobody_has_read_is_read(study, monkeypatch):
    place = SyntheticSet(study, 0, "malignant", 0).readings_path
    before, cell = (
        place.read_bytes(),
        next(cell for cell in plan.cells(study, WISH, CPU) if cell.arm.kind == "cyclegan"),
    )
    fitted = reader.CrossFitted
    monkeypatch.setattr(reader, "CrossFitted", None)  # would fail if it were called
    confidence.make_missing(study, 0, "malignant", 0, ["cyclegan"], "cpu")
    confidence.make_missing(study, 1, "malignant", 0, ["original"], "cpu")
    monkeypatch.setattr(reader, "CrossFitted", fitted)
    kept = reader.Readings.open(place)
    replace(kept, readings=kept.readings[:3]).save(place)
    with pytest.raises(BusError, match=r"no reading of synthetic \(4\)\.png"):
        run.examples(study, cell)
    confidence.make_missing(study, 0, "malignant", 0, ["cyclegan"], "cpu")
    assert place.read_bytes() == before


def test_sound_readings_pass_the_audit(study):
    checks = audit(study, 0, WISH)
    assert all(check.ok and check.count for check in checks) and len(checks) == 14
    assert len({check.name for check in checks}) == 14


@pytest.mark.parametrize("kind", ["cyclegan", "oversampled"])
def test_a_reader_that_saw_the_source_is_refused(study, kind):
    """A whole file, its hash right, that gives a scan to a reader that saw its source's (or own) group."""
    place = confidence.path(study, Arm(kind), 0, "malignant", 0)
    kept = reader.Readings.open(place)
    first = kept.readings[0]
    other = next(number for number, groups in enumerate(kept.trained_on) if first.group in groups)
    replace(kept, readings=[replace(first, reader=other), *kept.readings[1:]]).save(place)
    with pytest.raises(
        BusError, match=r"no reader of .* saw the group of the scan, or of its source"
    ) as error:
        audit(study, 0, WISH)
    assert first.file in str(error.value) and f"Delete {place}" in str(error.value)


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
        match=r"every reading of synthetic malignant scans is of the very pixels \(synthetic \(1\)\.png\)",
    ):
        audit(study, 0, WISH)
    content = json.loads(place.read_text())
    content["readings"][0]["probability"] = 1.0
    files.write_json(place, content)
    with pytest.raises(BusError, match=r"reader\.json is not what the reader wrote"):
        audit(study, 0, WISH)


def test_scans_of_unknown_source_cannot_be_weighted(study, tmp_path):
    wish = replace(WISH, arms=(Arm("original"), Arm("unverified")), folder=tmp_path)
    with pytest.raises(UsageError, match="nobody knows the sources"):
        plan.cells(study, wish, CPU)


def test_a_benchmark_reads_before_it_trains_and_says_so(study, monkeypatch, in_process):
    monkeypatch.setitem(plan.STEPS, "demo", (2, 1))
    monkeypatch.setattr(
        pipeline,
        "make_scans",
        lambda translator, compute, judge, **options: synth.synthesise(translator, compute, **options),
    )
    wish = replace(
        WISH,
        folds=(1,),
        arms=(Arm("original"), Arm("cyclegan")),
        recipe=(("synthetic", "confidence"), ("batch", 8)),
    )
    page = pipeline.benchmark(
        study, wish, CPU, jobs=1, keep_weights=False, judge=pipeline.Judge(), command="bus benchmark"
    )
    assert (SyntheticSet(study, 1, "malignant", 0).readings_path).exists()
    assert "no reader of synthetic malignant scans saw the group" in page.read_text()


def test_a_scan_that_a_filter_let_pass_without_a_reading_that_says_so_is_refused(study):
    scans = SyntheticSet(study, 0, "malignant", 0)
    used = scans.rows[: WISH.synthetic(study)[0, "malignant"]]
    chances = said(scans.readings_path)
    lowest = min(chances[row.file] for row in used)
    scans.write_confidence(lowest)
    assert all(check.ok for check in audit(study, 0, WISH))
    scans.write_confidence(lowest + 0.001)
    with pytest.raises(BusError, match="a filter let pass has a reading that says so"):
        audit(study, 0, WISH)
    scans.readings_path.unlink()
    with pytest.raises(BusError, match="a filter let pass has a reading that says so"):
        audit(study, 0, WISH)
