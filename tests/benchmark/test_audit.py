"""The leak audit: every leak is planted and refused by name."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from bus.benchmark import audit as audits
from bus.benchmark import pipeline, run
from bus.benchmark.arms import Arm
from bus.benchmark.audit import audit, audit_split, audit_translators
from bus.benchmark.cell import WEIGHTS
from bus.benchmark.cells import STEPS, cells_of, synthetic_needed
from bus.benchmark.pipeline import make_translator
from bus.benchmark.request import Request
from bus.core import files
from bus.core.errors import BusError
from bus.data.study import Study
from bus.gan import reader
from bus.gan.manifest import SyntheticSet
from bus.gan.translator import Translator

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
def with_readings(read, tmp_path):
    shutil.copytree(read, tmp_path / "study")
    return Study.open(tmp_path / "study")


def test_sound_readings_pass_the_audit(with_readings):
    checks = audit(with_readings, 0, WISH)
    assert all(check.ok and check.count for check in checks) and len(checks) == 12
    assert len({check.name for check in checks}) == 12


def test_a_reader_that_saw_the_source_is_refused(with_readings):
    """A file, whole and with its right hash, that gives a scan to a reader fitted to its source's group."""
    path = SyntheticSet(with_readings, 0, "malignant", 0).readings_path
    kept = reader.Readings.open(path)
    first = kept.readings[0]
    other = next(number for number, groups in enumerate(kept.trained_on) if first.group in groups)
    replace(kept, readings=[replace(first, reader=other), *kept.readings[1:]]).save(path)
    with pytest.raises(
        BusError, match=r"no reader of .* saw the group of the scan, or of its source"
    ) as error:
        audit(with_readings, 0, WISH)
    assert first.file in str(error.value) and f"Delete {path}" in str(error.value)


def test_readers_fitted_to_other_groups_than_they_say_are_refused(with_readings):
    """Somebody takes the source's group out of the list of a reader that saw it."""
    place = SyntheticSet(with_readings, 0, "malignant", 0).readings_path
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
        audit(with_readings, 0, WISH)


def test_readers_of_all_data_or_of_another_fold_are_refused(with_readings):
    scans = SyntheticSet(with_readings, 0, "malignant", 0)
    place, rows = scans.readings_path, scans.rows
    for fold in (None, 1):
        sources = {with_readings.scans[row].sha256 for row in with_readings.train(fold)}
        kept = [row for row in rows if row.source_sha256 in sources]
        fitted = reader.CrossFitted(with_readings, fold, "malignant")
        fitted.save(place, fitted.synthetic(kept, scans.pixels(kept)))
        with pytest.raises(BusError, match="nothing else"):
            audit(with_readings, 0, WISH)


def test_readings_of_other_pixels_and_edited_ones_are_refused(with_readings):
    place = SyntheticSet(with_readings, 0, "malignant", 0).readings_path
    kept = reader.Readings.open(place)
    replace(kept, readings=[replace(kept.readings[0], sha256="0" * 64), *kept.readings[1:]]).save(place)
    with pytest.raises(
        BusError,
        match=r"every reading of synthetic malignant scans is of the very pixels \(synthetic-0001\.png\)",
    ):
        audit(with_readings, 0, WISH)
    content = json.loads(place.read_text())
    content["readings"][0]["probability"] = 1.0
    files.write_json(place, content)
    with pytest.raises(BusError, match=r"reader\.json is not what the reader wrote"):
        audit(with_readings, 0, WISH)


def test_a_scan_that_a_filter_let_pass_without_a_reading_that_says_so_is_refused(with_readings):
    scans = SyntheticSet(with_readings, 0, "malignant", 0)
    used = scans.rows[: synthetic_needed(with_readings, WISH)[0, "malignant", 0]]
    readings = reader.Readings.open(scans.readings_path).readings
    chances = {reading.file: reading.probability for reading in readings}
    lowest = min(chances[row.file] for row in used)
    scans.write_confidence(lowest)
    assert all(check.ok for check in audit(with_readings, 0, WISH))
    scans.write_confidence(lowest + 0.001)
    with pytest.raises(BusError, match="a filter let pass has a reading that says so"):
        audit(with_readings, 0, WISH)
    scans.readings_path.unlink()
    with pytest.raises(BusError, match="a filter let pass has a reading that says so"):
        audit(with_readings, 0, WISH)


# scans, translators, first weights


ORIGINAL, CYCLEGAN = (Request((0,), arms=(Arm(kind),)) for kind in ("original", "cyclegan"))


def test_a_sound_fold_passes(study):
    checks = audit(study, 0, Request((0,)))
    assert all(check.ok and check.count for check in checks)
    assert len(checks) == 9


def test_a_group_on_both_sides_is_refused(study):
    row = study.test(0)[0]
    other = study.train(0)[0]
    study.groups[other] = study.groups[row]
    for check in (lambda: audit(study, 0, ORIGINAL), lambda: audit_split(study, 0)):
        with pytest.raises(BusError, match="no group is in both"):
            check()


def test_equal_pixels_on_both_sides_are_refused(study):
    row, other = study.test(0)[0], study.train(0)[0]
    study.scans[other] = replace(study.scans[other], sha256=study.scans[row].sha256)
    with pytest.raises(BusError, match="no test scan has the pixels"):
        audit(study, 0, ORIGINAL)


def test_a_test_scans_square_that_trains_is_refused(study):
    """What trains are the squares in pixels.npy, which may have been changed when the table was not."""
    pixels = np.lib.format.open_memmap(study.path / "pixels.npy", mode="r+")
    pixels[study.train(0)[3]] = pixels[study.test(0)[0]]
    pixels.flush()
    with pytest.raises(BusError, match="no square that trains is that of a test scan"):
        audit_split(study, 0)


def test_a_generator_of_another_fold_is_refused(study):
    shutil.rmtree(Translator(study, 0, "malignant", 0).folder)
    shutil.copytree(Translator(study, 1, "malignant", 0).folder, Translator(study, 0, "malignant", 0).folder)
    with pytest.raises(BusError, match="scan comes from this fold's generator"):
        audit(study, 0, CYCLEGAN)
    shutil.rmtree(SyntheticSet(study, 0, "malignant", 0).folder)
    shutil.copytree(
        SyntheticSet(study, 1, "malignant", 0).folder, SyntheticSet(study, 0, "malignant", 0).folder
    )
    with pytest.raises(BusError, match="was made for this fold"):
        audit(study, 0, CYCLEGAN)


def test_a_generator_that_saw_other_scans_is_refused(study):
    path = Translator(study, 0, "malignant", 0).folder / "config.json"
    config = json.loads(path.read_text())
    files.write_json(path, {**config, "training_pixels": study.pixels_sha256(study.used())})
    with pytest.raises(BusError, match="nothing else"):
        audit(study, 0, CYCLEGAN)


def test_a_source_of_the_test_part_is_refused(edit_manifest, study):
    leaked = study.scans[study.test(0)[0]]
    edit_manifest(study, lambda row: row.update(source_sha256=leaked.sha256, source_group=leaked.group))
    with pytest.raises(BusError, match=r"every source is a training scan.*synthetic-0001\.png"):
        audit(study, 0, CYCLEGAN)


def test_every_fold_is_audited_whatever_their_order(edit_manifest, study):
    request = replace(CYCLEGAN, folds=(1, 0))
    assert pipeline.check(study, request)
    edit_manifest(study, lambda row: row.update(source_group=study.groups[study.test(0)[0]]))
    with pytest.raises(BusError, match="Leak in fold 0"):
        pipeline.check(study, request)


def test_a_changed_group_is_refused(edit_manifest, study):
    edit_manifest(study, lambda row: row.update(source_group=study.groups[study.test(0)[0]]))
    with pytest.raises(BusError, match="with its class and group"):
        audit(study, 0, Request((0,), arms=(Arm("relabelled"),)))


def test_changed_pixels_are_refused(study):
    folder = SyntheticSet(study, 0, "malignant", 0).folder
    shutil.copy(folder / "synthetic-0002.png", folder / "synthetic-0001.png")
    with pytest.raises(BusError, match=r"synthetic-0001\.png is missing or not the scan"):
        audit(study, 0, CYCLEGAN)


def test_a_source_under_another_class_is_refused(edit_manifest, study):
    edit_manifest(study, lambda row: row.update(source_label="malignant"))
    with pytest.raises(BusError, match="with its class and group"):
        audit(study, 0, CYCLEGAN)


def test_a_synthetic_scan_in_the_test_part_is_refused(study):
    """A data set into which somebody copied the tool's own output."""
    scans = SyntheticSet(study, 0, "malignant", 0)
    scan = scans.pixels(scans.rows[:1])
    pixels = study.pixels.copy()
    pixels[study.test(0)[0]] = scan[0]
    np.save(study.path / "pixels.npy", pixels)
    with pytest.raises(BusError, match=r"no test scan is a synthetic scan \(synthetic-0001\.png\)"):
        audit(study, 0, CYCLEGAN)


def test_a_generator_of_another_class_is_refused(study):
    path = Translator(study, 0, "malignant", 0).folder / "config.json"
    files.write_json(path, {**json.loads(path.read_text()), "target": "normal"})
    with pytest.raises(BusError, match="nothing else"):
        audit(study, 0, CYCLEGAN)


def test_first_weights_that_saw_test_scans_are_refused(study, monkeypatch):
    monkeypatch.setitem(STEPS, "demo", (1, 1))
    wish = replace(ORIGINAL, models=("simplecnn",), preset="demo", recipe=(("batch", 4),))
    other = cells_of(study, replace(wish, folds=(1,)))[0]
    run.run_cell(study.path, other, 1, keep_weights=True)
    given = study.path / "given.safetensors"
    shutil.copy(other.path / WEIGHTS, given)
    started = replace(wish, init=str(given))
    with pytest.raises(
        BusError, match=r"first weights of given\.safetensors are of no cell with other test scans"
    ):
        audit(study, 0, started)
    assert audit(study, 1, started)[3].count == 1
    cell = cells_of(study, started)[0]
    assert cell.recipe.init == f"weights {files.sha256_file(given)}" and "first" not in cell.config
    run.run_cell(study.path, cell, 1, keep_weights=False)
    assert cell.is_done
    given.write_bytes(b"others")
    assert cells_of(study, started)[0].path != cell.path, "other weights make another cell"
    with pytest.raises(BusError, match="was changed while the benchmark ran"):
        run._first(study, cell)


def test_translators_of_an_arm_are_alike_on_all_folds(study, monkeypatch):
    both = replace(CYCLEGAN, folds=(0, 1))
    assert [check.count for check in audit_translators(study, both)] == [2]
    with monkeypatch.context() as filtered:
        filtered.setattr(SyntheticSet, "confidence", property(lambda scans: 0.5 * (scans.fold == 1)))
        with pytest.raises(BusError, match=r"confidence: 0\.0 in fold 0, 0\.5 in fold 1"):
            audit_translators(study, both)
    path = Translator(study, 1, "malignant", 0).folder / "config.json"
    files.write_json(path, {**files.read_json(path), "cycle": 3.0})
    with pytest.raises(BusError, match=r"same options on all folds \(cycle: 10.0 in fold 0, 3.0 in fold 1\)"):
        audit_translators(study, both)
    assert audit_translators(study, CYCLEGAN) == []


def test_a_forged_manifest_with_fitting_pictures_is_refused(study):
    """Pictures of somebody's own, each with its right hash, passed off as what the generator made."""
    scans = SyntheticSet(study, 0, "malignant", 0)
    rows, forged = scans.rows, []
    for row in rows:
        blurred = cv2.GaussianBlur(scans.pixels([row])[0], (0, 0), 1.5)
        forged.append(replace(row, sha256=files.sha256_bytes(blurred.tobytes())))
        scans.write_scan(forged[-1], blurred)
    scans.write_rows(forged)
    with pytest.raises(BusError, match=f"is what the generator makes of its source .*{rows[0].file}"):
        audit(study, 0, CYCLEGAN)


def test_another_source_than_the_recorded_one_is_refused(edit_manifest, study):
    scans = SyntheticSet(study, 0, "malignant", 0)
    rows = scans.rows
    other = next(row for row in rows if row.source_file != rows[0].source_file)
    names = ("source_file", "source_sha256", "source_label", "source_group")
    edit_manifest(study, lambda row: row.update({name: getattr(other, name) for name in names}))
    with pytest.raises(BusError, match=r"is what the generator makes of its source"):
        audit(study, 0, CYCLEGAN)


def test_a_rounding_of_another_processor_is_no_forgery(edit_manifest, study):
    scans = SyntheticSet(study, 0, "malignant", 0)
    row = scans.rows[0]
    rounded = scans.pixels([row])[0].copy()
    rounded[::7, ::5] = np.minimum(rounded[::7, ::5], 254) + 1
    edit_manifest(study, lambda cells: cells.update(sha256=files.sha256_bytes(rounded.tobytes())))
    scans.write_scan(row, rounded)
    (check,) = [check for check in audit(study, 0, CYCLEGAN) if "generator makes of" in check.name]
    assert check.exact == check.count - 1


def test_of_very_many_scans_some_are_made_again_and_the_check_says_so(monkeypatch, study):
    monkeypatch.setattr(audits, "REMADE", 3)
    (check,) = [check for check in audit(study, 0, CYCLEGAN) if "generator makes of" in check.name]
    assert check.ok and check.count == 3 and check.name.startswith("each of 3 synthetic malignant scans, of ")
    assert check.exact == 3


def test_scans_of_before_files_were_called_otherwise_are_what_they_were(study):
    scans = SyntheticSet(study, 0, "malignant", 0)
    older = [replace(row, file=f"synthetic ({row.index + 1}).png") for row in scans.rows]
    for row, named in zip(scans.rows, older, strict=True):
        (scans.folder / row.file).rename(scans.folder / named.file)
    scans.write_rows(older)
    checks = [check for check in audit(study, 0, CYCLEGAN) if "generator makes of" in check.name]
    assert [check.ok for check in checks] == [True]


def _strip(study):
    """Take all weights and pictures out of a study, as one does who hands on the rest."""
    for pattern in ("fold-*/synth/**/*.png", "fold-*/gan/**/*.png", "fold-*/**/*.safetensors"):
        for path in study.path.glob(pattern):
            path.unlink()


def test_what_was_audited_is_known_after_weights_and_scans_are_taken_out(study):
    before = audit(study, 0, WISH)
    _strip(study)
    translator = Translator(study, 0, "malignant", 0)
    after = audit(study, 0, WISH)
    assert [check.count for check in after] == [check.count for check in before]
    changed = [check.name for check, old in zip(after, before, strict=True) if check.name != old.name]
    assert len(changed) == 1 and "before both were taken out of this study" in changed[0]
    assert [check.exact for check in after] == [check.exact for check in before]
    assert translator.is_done and translator.changed == [] and translator.scans.changed == []


def test_nothing_is_made_with_what_was_taken_out(study):
    audit(study, 0, WISH)
    _strip(study)
    translator = Translator(study, 0, "malignant", 0)
    with pytest.raises(BusError, match=r"weights of .* were taken out of this study"):
        translator.load("cpu")
    with pytest.raises(BusError, match=r"scans of .* were taken out of this study"):
        translator.scans.pixels(translator.scans.rows)


def test_scans_taken_out_before_any_audit_are_missing(study):
    _strip(study)
    assert not Translator(study, 0, "malignant", 0).is_done
    with pytest.raises(BusError, match=r"generator\.safetensors"):
        audit(study, 0, WISH)


def test_a_single_scan_or_the_weights_alone_are_missing_not_taken_out(study):
    audit(study, 0, WISH)
    translator = Translator(study, 0, "malignant", 0)
    first = translator.scans.rows[0].file
    (translator.scans.folder / first).unlink()
    with pytest.raises(BusError, match=f"{first} is missing or not the scan its manifest names"):
        audit(study, 0, WISH)
    (translator.folder / "generator.safetensors").unlink()
    assert not translator.is_done and "generator.safetensors" in translator.changed


def test_no_translator_takes_the_place_of_one_whose_weights_are_gone(study):
    """Scans were copied back without their generator: what they made would be lost with another one."""
    audit(study, 0, WISH)
    (Translator(study, 0, "malignant", 0).folder / "generator.safetensors").unlink()
    with pytest.raises(BusError, match=r"Copy generator and scans back"):
        make_translator(study, WISH, (0, "malignant", 0))


def test_scans_alone_taken_out_can_be_made_again(study):
    audit(study, 0, WISH)
    scans = SyntheticSet(study, 0, "malignant", 0)
    for row in scans.rows:
        (scans.folder / row.file).unlink()
    with pytest.raises(BusError, match="Where their generator is still there") as error:
        audit(study, 0, WISH)
    assert "not the scan its manifest names" not in str(error.value)


def test_a_manifest_that_changed_after_the_audit_is_not_believed(study, edit_manifest):
    audit(study, 0, WISH)
    edit_manifest(study, lambda row: row.update(source_group="another"))
    _strip(study)
    with pytest.raises(BusError):
        audit(study, 0, WISH)


def test_scans_that_no_audit_saw_are_refused_without_their_pictures(study):
    """The audit saw as many as dose 0.5 takes; dose 1 takes more."""
    audit(study, 0, replace(WISH, arms=(Arm("cyclegan", dose=0.5),)))
    _strip(study)
    with pytest.raises(BusError, match="was what the generator made of its source") as error:
        audit(study, 0, WISH)
    assert "Copy scans and generator back" in str(error.value)
