"""Plans and the leak audit: every leak is planted and refused by name."""

import csv
import json
import os
import shutil
from dataclasses import asdict, astuple, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bus.benchmark import arms, foreign, run, warm_start, yardstick
from bus.benchmark import test_reference as held_out
from bus.benchmark.arms import Arm
from bus.benchmark.audit import audit, audit_split, audit_translators
from bus.benchmark.cell import HEAT, WEIGHTS, Cell
from bus.benchmark.cells import STEPS, cells_of, needed, synthetic_needed, training_rows
from bus.benchmark.request import Request
from bus.classify import train as training
from bus.classify.recipe import Recipe
from bus.classify.train import augment, batch_rows, fit
from bus.cli import options
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.data.pictures import synthetic_png
from bus.data.study import Study
from bus.gan import synth, train
from bus.gan.config import configure
from bus.gan.manifest import COLUMNS, SyntheticSet
from bus.gan.reader import real_features
from bus.gan.scores import features
from bus.gan.scores.distances import against_reference
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)
ORIGINAL, CYCLEGAN = (Request((0,), arms=(Arm(kind),)) for kind in ("original", "cyclegan"))


@pytest.fixture
def study(translated, tmp_path):
    shutil.copytree(translated, tmp_path / "study")
    return Study.open(tmp_path / "study")


def edit_manifest(study, change):
    path = SyntheticSet(study, 0, "malignant", 0).folder / "manifest.csv"
    rows = list(csv.DictReader(path.open()))
    change(rows[0])
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)


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


def test_a_source_of_the_test_part_is_refused(study):
    leaked = study.scans[study.test(0)[0]]
    edit_manifest(study, lambda row: row.update(source_sha256=leaked.sha256, source_group=leaked.group))
    with pytest.raises(BusError, match=r"every source is a training scan.*synthetic-0001\.png"):
        audit(study, 0, CYCLEGAN)


def test_a_changed_group_is_refused(study):
    edit_manifest(study, lambda row: row.update(source_group=study.groups[study.test(0)[0]]))
    with pytest.raises(BusError, match="with its class and group"):
        audit(study, 0, Request((0,), arms=(Arm("relabelled"),)))


def test_changed_pixels_are_refused(study):
    folder = SyntheticSet(study, 0, "malignant", 0).folder
    shutil.copy(folder / "synthetic-0002.png", folder / "synthetic-0001.png")
    with pytest.raises(BusError, match=r"synthetic-0001\.png is missing or not the scan"):
        audit(study, 0, CYCLEGAN)


def test_a_source_under_another_class_is_refused(study):
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


def test_balancing_arms_reach_the_same_counts_and_share_what_they_share(study):
    wish = Request((0,), arms=tuple(map(Arm, arms.CHOSEN)), models=("resnet18",), preset="demo")
    cells = {str(cell.arm): cell for cell in cells_of(study, wish)}
    examples = {arm: run.examples(study, cell) for arm, cell in cells.items()}
    real = len(study.train(0))
    counts = {
        arm: [int((found.labels == number).sum()) for number in range(3)] for arm, found in examples.items()
    }
    assert counts["original"] == counts["weighted"]
    assert counts["oversampled"] == counts["cyclegan"] == counts["relabelled"]
    assert counts["cyclegan"][1] == counts["cyclegan"][0] == max(counts["original"])
    for found in examples.values():
        assert (found.pixels[:real] == examples["original"].pixels).all()
        assert found.keys[:real] == examples["original"].keys
    recipes = {replace(cell.recipe, weighted=False) for cell in cells.values()}
    assert len(recipes) == 1, "equal effort: one recipe for all arms"
    assert [arm for arm, cell in cells.items() if cell.recipe.weighted] == ["weighted"]
    untranslated = examples["relabelled"].pixels[real:]
    sources = {study.pixels[row].tobytes() for row in study.rows_of(study.train(0), ["benign", "normal"])}
    assert all(square.tobytes() in sources for square in untranslated)


def test_another_translator_trains_no_arm_anew_that_it_has_no_part_in(study):
    arms = tuple(map(Arm, ("original", "weighted", "oversampled", "cyclegan", "relabelled")))
    first, other = (cells_of(study, Request((0,), arms, ("simplecnn",), gan_seed=seed)) for seed in (0, 1))
    same = {str(one.arm) for one, two in zip(first, other, strict=True) if one.path == two.path}
    assert same == {"original", "weighted", "oversampled"}


def test_seeds_take_the_translators_of_their_fold_in_turn(study):
    second = Translator(study, 0, "malignant", 1)
    asked = {"fold": 0, "target": "malignant", "seed": 1, "preset": "demo", "pairs": 4, "method": "published"}
    train.train(study, replace(configure(study, CPU, **asked), channels=4, blocks=1), CPU)
    synth.synthesise(second, CPU, count=needed(study, 0, "malignant"))
    config = files.read_json(second.folder / "config.json")

    request = Request((0,), tuple(map(Arm, ("original", "cyclegan"))), ("simplecnn",), seeds=4, gan_seeds=2)
    needs = synthetic_needed(study, request)
    assert set(needs) == {(0, "malignant", 0), (0, "malignant", 1)} and len({*needs.values()}) == 1
    cells = cells_of(study, request)
    assert [one.gan_seed for one in cells if one.arm.kind == "cyclegan"] == [0, 1, 0, 1]
    assert all(one.gan_seed == 0 for one in cells if one.arm.kind == "original")
    single = cells_of(study, replace(request, gan_seeds=1, seeds=1))
    assert [one.path for one in cells[:2]] == [one.path for one in single], "one translator trains as before"

    audited = [check for check in audit(study, 0, request) if "fold's generator" in check.name]
    assert len(audited) == 2
    assert [check.count for check in audit_translators(study, request)] == [2]
    files.write_json(second.folder / "config.json", {**config, "cycle": 3.0})
    with pytest.raises(BusError, match=r"cycle: 10\.0 in fold 0, seed 0, 3\.0 in fold 0, seed 1"):
        audit_translators(study, request)
    for wrong in (replace(request, seeds=3), replace(request, seeds=1), replace(request, gan_seeds=0)):
        with pytest.raises(UsageError, match="must be a multiple"):
            cells_of(study, wrong)


def test_random_numbers_depend_on_the_fold_and_older_cells_are_told_apart(study):
    """Nothing is drawn alike in two folds; fold 0 draws and is called as before."""
    zero, one = cells_of(study, Request((0, 1), (Arm("original"),), ("simplecnn",)))
    assert zero.draw == zero.seed and one.draw != zero.draw
    assert "drawn_from" not in zero.config and one.config["drawn_from"] == 1
    before = replace(one, drawn_from=0)
    assert "drawn_from" not in before.config and before.path != one.path, "not mixed up with the new one"
    for cell in (zero, one, before):
        files.write_json(cell.path / "config.json", cell.config)
        files.write_json(cell.path / "DONE", {"config": files.sha256_json(cell.config)})
        assert replace(Cell.open(cell.path), root=cell.root) == cell


def test_doses_add_their_share_and_the_smaller_is_the_beginning_of_the_larger(study):
    chosen = arms.with_doses(
        arms.chosen("original,oversampled,cyclegan", study.classes), arms.doses("1,0.25,0.5")
    )
    assert list(map(str, chosen)) == [
        "original",
        "oversampled@0.25",
        "oversampled@0.5",
        "oversampled",
        "cyclegan@0.25",
        "cyclegan@0.5",
        "cyclegan",
    ]
    cells = {
        str(cell.arm): cell for cell in cells_of(study, Request((0,), chosen, ("simplecnn",), preset="demo"))
    }
    whole = needed(study, 0, "malignant")
    assert cells["original"].added == {}
    for name, share in (("@0.25", 0.25), ("@0.5", 0.5), ("", 1.0)):
        assert (
            cells[f"cyclegan{name}"].added
            == cells[f"oversampled{name}"].added
            == {"malignant": round(share * whole)}
        )
    for kind in ("oversampled", "cyclegan"):
        half, full = (run.examples(study, cells[name]) for name in (f"{kind}@0.5", kind))
        assert (full.pixels[: len(half.labels)] == half.pixels).all()
        assert full.keys[: len(half.labels)] == half.keys
    assert len({cell.path for cell in cells.values()}) == len(chosen)
    assert cells["cyclegan@0.5"].path.parent.parent.name == "cyclegan@0.5"


def test_an_arm_of_one_source_class_adds_its_scans_alone_and_as_many(study):
    """The translator's order is fixed, so it is known beforehand how many scans hold enough of one source."""
    chosen = arms.chosen("cyclegan,cyclegan:normal,relabelled:normal", study.classes)
    wish = Request((0,), chosen, ("simplecnn",), preset="demo")
    count = synthetic_needed(study, wish)[0, "malignant", 0]
    whole = needed(study, 0, "malignant")
    synth.synthesise(Translator(study, 0, "malignant", 0), CPU, count=count)
    made = SyntheticSet(study, 0, "malignant", 0).rows
    assert sum(row.source_label == "normal" for row in made) == whole
    assert made[-1].source_label == "normal", "not one more than needed"
    cells = {str(cell.arm): cell for cell in cells_of(study, wish)}
    added = {arm: run.examples(study, cell).pixels[len(study.train(0)) :] for arm, cell in cells.items()}
    assert {len(squares) for squares in added.values()} == {whole}
    normal = [row for row in made if row.source_label == "normal"]
    assert (added["cyclegan:normal"] == SyntheticSet(study, 0, "malignant", 0).pixels(normal)).all()
    squares = {study.pixels[row].tobytes() for row in study.rows_of(study.train(0), ["normal"])}
    assert all(square.tobytes() in squares for square in added["relabelled:normal"])


def test_several_classes_are_raised_by_translators_of_their_own(study):
    wish = Request(
        (0,),
        tuple(map(Arm, ("original", "oversampled", "cyclegan"))),
        ("simplecnn",),
        preset="demo",
        balance=("malignant", "normal"),
    )
    wanted = {label: needed(study, 0, label) for label in ("malignant", "normal")}
    assert synthetic_needed(study, wish) == {(0, label, 0): number for label, number in wanted.items()}
    config = configure(
        study, CPU, fold=0, target="normal", seed=0, preset="demo", pairs=4, method="published"
    )
    train.train(study, replace(config, channels=4, blocks=1), CPU)
    synth.synthesise(Translator(study, 0, "normal", 0), CPU, count=wanted["normal"])
    assert len([check for check in audit(study, 0, wish) if "normal" in check.name]) == 4
    cells = {str(cell.arm): cell for cell in cells_of(study, wish)}
    for arm in ("oversampled", "cyclegan"):
        assert cells[arm].added == wanted
        labels = run.examples(study, cells[arm]).labels
        assert len(set(np.bincount(labels).tolist())) == 1, "all classes are equally large"
    path = SyntheticSet(study, 0, "normal", 0).folder / "synthetic-0001.png"
    shutil.copy(path.with_name("synthetic-0002.png"), path)
    with pytest.raises(BusError, match="not the scan its manifest names"):
        audit(study, 0, wish)


@pytest.mark.parametrize("name", ["cyclegan", "cyclegan@0.5", "cyclegan:a b@2", "relabelled:x@y", "weighted"])
def test_an_arm_is_read_back_from_its_name(name):
    assert str(arms.parse(name)) == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smote", "smote is unknown; choose among original"),
        ("", "nothing is unknown"),
        ("unverified", "is unknown"),
        ("cyclegan:cyst", "the classes are benign"),
        ("oversampled:normal", "cyclegan and relabelled can be limited"),
    ],
)
def test_an_unknown_arm_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        arms.chosen(text, ["benign", "malignant", "normal"])


@pytest.mark.parametrize("text", ["", "0", "-1", "half", "1,nan", "inf", "11"])
def test_a_dose_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="expected numbers above 0"):
        arms.doses(text)


def test_a_cell_is_done_only_with_its_own_configuration_and_answers(study):
    wish = replace(CYCLEGAN, models=("simplecnn",), preset="demo")
    cell = replace(cells_of(study, wish)[0])
    quick = replace(cell, recipe=replace(cell.recipe, steps=1))
    assert quick.path != cell.path
    run.run_cell(study.path, quick, 1, keep_weights=False)
    assert quick.is_done
    assert not (quick.path / WEIGHTS).exists()
    assert not cell.is_done
    heat = np.load(quick.path / HEAT)
    assert heat.shape == (len(study.test(0)), 4, 4)
    assert heat.reshape(len(heat), -1).max(1).tolist().count(255) > len(heat) / 2
    first = {
        path.name: path.read_bytes() for path in quick.path.iterdir() if path.name != "metrics.json"
    }  # holds seconds
    run.run_cell(study.path, quick, 1, keep_weights=False)
    assert first == {
        path.name: path.read_bytes() for path in quick.path.iterdir() if path.name != "metrics.json"
    }
    np.save(quick.path / HEAT, heat[::-1])
    assert not quick.is_done, "heat that was changed"
    (quick.path / HEAT).unlink()
    assert quick.is_done, "as cells are that were trained before heat was kept"
    (quick.path / "predictions.csv").write_text("edited")
    assert not quick.is_done
    edit_manifest(study, lambda row: row.update(sha256="0" * 64))
    assert cells_of(study, wish)[0].path != cell.path, "other synthetic scans make another cell"


def test_a_validation_part_is_cut_by_group_and_trains_nobody(study):
    recipe = Recipe("simplecnn", 1, validation=True)
    rows, watched = training_rows(study, 0, recipe)
    assert sorted(rows + watched) == study.train(0) and watched and not set(watched) & set(study.test(0))
    assert not {study.groups[row] for row in rows} & {study.groups[row] for row in watched}
    wish = replace(
        ORIGINAL, models=("simplecnn",), recipe=(("validation", True), ("schedule", "plateau"), ("batch", 16))
    )
    cell = cells_of(study, wish)[0]
    assert len(run.examples(study, cell).labels) == len(rows)
    assert cell.recipe.epoch == -(-len(rows) // 16)
    with pytest.raises(UsageError, match="watches a validation part"):
        cells_of(study, replace(ORIGINAL, recipe=(("schedule", "plateau"),)))
    with pytest.raises(UsageError, match="original and weighted"):
        cells_of(study, replace(CYCLEGAN, recipe=(("validation", True),)))


def test_arms_share_everything_but_what_they_add(study, monkeypatch):
    """Equal effort: steps, batches, schedule, first weights and the augmentation of every shared scan."""
    wish = Request((0,), tuple(map(Arm, arms.CHOSEN)), ("simplecnn",), preset="demo")
    cells = cells_of(study, wish)
    assert len({json.dumps(asdict(replace(cell.recipe, weighted=False))) for cell in cells}) == 1
    parts = [run.examples(study, cell) for cell in cells]
    firsts = [
        fit(part, 3, replace(cell.recipe, steps=0, recalibration=0), CPU, cell.seed).network.state_dict()
        for part, cell in zip(parts, cells, strict=True)
    ]
    assert all(torch.equal(one[name], firsts[0][name]) for one in firsts for name in firsts[0])
    rates: list[list[float]] = []
    monkeypatch.setattr(training, "set_rate", lambda optimiser, value: rates[-1].append(value))
    for part, cell in zip(parts, cells, strict=True):
        rates.append([])
        fit(part, 3, replace(cell.recipe, steps=3, batch=2, recalibration=0), CPU, cell.seed)
    assert len(rates[0]) == 3 and all(one == rates[0] for one in rates)
    rows = np.arange(8)
    seen = [
        augment(part, rows, [3] * 8, cell.seed, cell.recipe) for part, cell in zip(parts, cells, strict=True)
    ]
    assert all(torch.equal(one, seen[0]) for one in seen)
    adding = [part for part in parts if len(part.labels) > part.own]
    drawn = [batch_rows(len(part.labels), 32, 5, 0) for part in adding]
    assert len(drawn) > 1 and all((batch[0] == drawn[0][0]).all() for batch in drawn), "batches are shared"


def test_the_yardstick_reads_the_training_part_alone_and_is_cached(study, monkeypatch):
    """Features of all scans are kept; other labels on the test part change no answer."""
    places = yardstick.yardsticks(study, [0, 1], CPU)
    first = [(place.path / "predictions.csv").read_text() for place in places]
    monkeypatch.setattr(features, "features", None)  # would fail if it were called again
    kept = study.labels.copy()
    study.labels[study.test(0)] = (kept[study.test(0)] + 1) % 3
    yardstick.yardsticks(study, [0], CPU)
    assert (places[0].path / "predictions.csv").read_text() == first[0]
    study.labels[study.train(0)] = (kept[study.train(0)] + 1) % 3
    yardstick.yardsticks(study, [0], CPU)
    assert (places[0].path / "predictions.csv").read_text() != first[0]


def test_first_weights_from_phantoms_are_shared_by_arms_and_part_of_the_cell(study, monkeypatch):
    monkeypatch.setattr(warm_start, "PHANTOMS", 12)
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    wish = Request(
        (0,),
        tuple(map(Arm, ("original", "weighted"))),
        ("simplecnn",),
        2,
        "demo",
        "phantom",
        recipe=(("batch", 4),),
    )
    cells = cells_of(study, wish)
    assert len({warm_start.path(study, cell) for cell in cells}) == 2, "one a seed, for all arms"
    plain = cells_of(study, replace(wish, init="none"))
    assert not {cell.path for cell in cells} & {cell.path for cell in plain}
    warm_start.make(study.path, cells[0])
    weights = warm_start.path(study, cells[0])
    first = weights.read_bytes()
    weights.unlink()
    warm_start.make(study.path, cells[0])
    assert weights.read_bytes() == first
    seen = {}
    monkeypatch.setattr(
        run,
        "fit",
        lambda *given, first, **options: seen.update(first=first) or fit(*given, first=first, **options),
    )
    run.run_cell(study.path, cells[0], 1, keep_weights=False)
    assert seen["first"] == str(weights) and cells[0].is_done
    warm_start.make_missing(study, cells[:1], 1)  # nothing to do
    study.classes = ["a", "b", "c"]
    with pytest.raises(UsageError, match="phantoms are benign, malignant, normal"):
        warm_start.check(study, "phantom")


def test_adjusted_corrects_the_answers_of_original_and_trains_nothing(study, monkeypatch, in_process):
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    both = (Arm("original"), Arm("adjusted"))
    with pytest.raises(UsageError, match="adjusted corrects the answers of original"):
        cells_of(study, Request((0,), both[1:]))
    request = Request((0,), both, ("simplecnn",), preset="demo", recipe=(("batch", 4),))
    base, cell = cells_of(study, request)
    assert run.to_train([base, cell]) == [base] and cell.original == base
    assert run.run(study, [base, cell], jobs=1, threads=1, keep_weights=False) == []
    assert base.is_done and cell.is_done and run.missing([base, cell], keep_weights=False) == []
    assert run.missing([cell], keep_weights=True) == [], "no weights of its own to keep"
    assert cell.heat() is None and cell.effort.seconds is None

    # by hand: malignant becomes as frequent as benign, as the arms that add scans make it
    before, after = (one.answers(study.classes).probabilities for one in (base, cell))
    counts = np.bincount(study.labels[study.train(0)])
    wanted = before * [1, counts[0] / counts[1], 1]
    assert after == pytest.approx(wanted / wanted.sum(axis=1, keepdims=True), abs=1e-7)
    assert cell.added == {"malignant": counts[0] - counts[1]}

    turned = [one.answers(study.classes).flipped for one in (base, cell)]
    wanted = turned[0] * [1, counts[0] / counts[1], 1]
    assert turned[1] == pytest.approx(wanted / wanted.sum(axis=1, keepdims=True), abs=1e-7)
    assert not np.array_equal(turned[0], before)

    # another training of the original makes it stale; the next run mends that
    done = files.read_json(base.path / "DONE")
    (base.path / "DONE").unlink()
    assert not cell.is_done
    files.write_json(base.path / "DONE", {**done, "predictions": "ab" * 32})
    assert not cell.is_done
    files.write_json(base.path / "DONE", done)
    assert cell.is_done


def test_results_do_not_depend_on_the_jobs_and_a_failure_stops_nobody(study, monkeypatch):
    """Two at once in processes of their own, a bad one among them, against one after the other here."""
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    wish = Request(
        (0,), tuple(map(Arm, ("original", "weighted"))), ("simplecnn",), preset="demo", recipe=(("batch", 4),)
    )
    cells = cells_of(study, wish)
    for cell in cells:
        run.run_cell(study.path, cell, 1, keep_weights=False)
    expected = [(cell.path / "predictions.csv").read_bytes() for cell in cells]
    shutil.rmtree(study.cells_path(0))
    bad = replace(cells[0], recipe=replace(cells[0].recipe, init=str(study.path / "nothing.safetensors")))
    failures = run.run(study, [bad, *cells], jobs=2, threads=1, keep_weights=False)
    assert len(failures) == 1 and failures[0].startswith("fold 0 · original · simplecnn · seed 0: --init")
    assert [(cell.path / "predictions.csv").read_bytes() for cell in cells] == expected
    assert all(cell.is_done for cell in cells) and not bad.is_done


class Deadly(type(Path())):
    """A path that ends the process which unpickles it, as a system does that runs out of memory."""

    def __reduce__(self):
        return os._exit, (1,)

    def __deepcopy__(self, memo):
        return self


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_process_costs_no_other_cell(study, monkeypatch, jobs):
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    cells = cells_of(
        study, replace(ORIGINAL, models=("simplecnn",), preset="demo", seeds=3, recipe=(("batch", 4),))
    )
    bad = replace(cells[1], folder=Deadly("nowhere"))
    failures = run.run(study, [cells[0], bad, cells[2]], jobs=jobs, threads=1, keep_weights=False)
    assert len(failures) == 1 and failures[0].startswith(
        f"{bad.title}: a process that trained was ended from outside"
    )
    assert [cell.is_done for cell in cells] == [True, False, True]


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


def test_an_estimate_counts_every_part_of_a_cell(study):
    pace = run.Pace(10.0, step=1.0, recalibration=0.5, predict=0.01, heat=0.02, range=(0.5, 2.0))
    tested, watched = len(study.test(0)), len(study.test(1))
    wish = Request((0,), (Arm("original"),), ("simplecnn", "resnet18"), preset="demo")
    cells = cells_of(study, wish)
    one = 10 + 60 + 4 * 0.5 + tested * (2 * 0.01 + 0.02)
    paces = {(model, 16): pace for model in wish.models}
    time = run.outlook(study, cells, paces, jobs=1)
    assert time.usual == pytest.approx(2 * one + run.START)
    assert (time.usual - time.quick, time.slow - time.usual) == pytest.approx((2 * 60 * 0.5, 2 * 60 * 1.0))
    assert run.outlook(study, [], paces, jobs=1) == run.Outlook()
    watching = replace(
        cells[0], recipe=replace(cells[0].recipe, schedule="plateau", validation=True, epoch=20)
    )
    assert pace.seconds(study, watching) == pytest.approx(one + 3 * watched * 0.01)
    assert run.wall_seconds([one, one], 2) == pytest.approx(one + run.START) == run.wall_seconds([one], 4)
    assert run.wall_seconds([], 2) == 0
    assert run.wall_seconds([1, 1, 8], 2) == pytest.approx(8 + run.START)
    measured = run.measure(study, cells[0])
    parts = (measured.build, measured.recalibration, measured.heat)
    assert all(seconds >= 0 for seconds in parts) and measured.step > 0 < measured.predict
    assert 0 < measured.range[0] <= measured.step <= measured.range[1]


def test_another_generators_scans_are_used_unverified_but_never_test_scans(study, tmp_path):
    folder = tmp_path / "others"
    number = needed(study, 0, "malignant")
    rng = np.random.default_rng(0)
    made = rng.integers(0, 255, (number, 32, 32), dtype=np.uint8)
    for place, square in enumerate(made):
        files.write_bytes(folder / f"{place:03}.png", synthetic_png(square))
    wish = Request((0,), (Arm("original"), Arm("unverified")), ("simplecnn",), preset="demo", folder=folder)
    checks = audit(study, 0, wish)
    assert "unverified" in checks[-1].name and checks[-1].count == number
    cell = cells_of(study, wish)[1]
    found = run.examples(study, cell)
    assert (found.pixels[len(study.train(0)) :] == made).all() and "folder" not in cell.config
    assert (found.labels[len(study.train(0)) :] == study.classes.index("malignant")).all()
    files.write_bytes(folder / "000.png", synthetic_png(study.pixels[study.test(0)[0]]))
    assert cells_of(study, wish)[1].path != cell.path
    with pytest.raises(BusError, match=r"no scan of others looks like a test scan .*000.png like"):
        audit(study, 0, wish)
    (folder / "001.png").unlink()
    with pytest.raises(UsageError, match=f"holds {number - 1} scans; {number} are needed"):
        cells_of(study, wish)


@pytest.mark.parametrize("change", ["gamma", "mirrored", "moved"])
def test_copies_of_test_scans_are_no_synthetic_ones(study, tmp_path, change):
    """A folder that holds the fold's own test scans, changed a little; each of them is found."""
    for row in study.test(0):
        square = study.pixels[row]
        changed = {
            "gamma": np.round(255 * (square / 255) ** 0.98).astype(np.uint8),
            "mirrored": np.ascontiguousarray(square[:, ::-1]),
            "moved": np.roll(square, 1, axis=1),
        }[change]
        files.write_bytes(tmp_path / "others" / f"{row}.png", synthetic_png(changed))
    found = foreign.copies(study, tmp_path / "others", len(study.test(0)), 0)
    own = {(f"{row}.png", study.scans[row].file) for row in study.test(0)}
    assert own <= set(found)
    request = Request((0,), (Arm("unverified"),), ("simplecnn",), folder=tmp_path / "others")
    if needed(study, 0, "malignant") <= len(own):
        with pytest.raises(BusError, match="looks like a test scan"):
            audit(study, 0, request)


def test_a_manifest_among_another_generators_scans_is_believed(study, tmp_path):
    """The scans of fold 1's generator, given by hand to fold 0: it saw fold 0's test scans."""
    folder = SyntheticSet(study, 1, "malignant", 0).folder
    number = len(SyntheticSet(study, 1, "malignant", 0).rows)
    told = foreign.told(study, folder, number, 0)
    assert told.count == len(told.leaking) == number and told.elsewhere == 0
    own = foreign.told(study, SyntheticSet(study, 0, "malignant", 0).folder, 3, 0)
    assert (own.count, own.leaking, own.elsewhere) == (3, [], 0)
    request = Request((0,), (Arm("unverified"),), ("simplecnn",), folder=folder)
    with pytest.raises(BusError, match=r"a generator that translated a test scan|looks like"):
        audit(study, 0, request)


@pytest.mark.parametrize("source", ["tested", "other data"])
def test_a_fold_of_the_same_number_of_another_split_is_told_by_any_of_its_rows(study, tmp_path, source):
    """A manifest that says fold 0 as this one's does; only its last row, whose scan is not used, tells."""
    made = SyntheticSet(study, 0, "malignant", 0)
    rows, folder, number = made.rows, tmp_path / "others", needed(study, 0, "malignant")
    for row in rows[:number]:
        files.write_bytes(folder / row.file, synthetic_png(made.pixels([row])[0]))
    hidden = {"tested": study.scans[study.test(0)[0]].sha256, "other data": "f" * 64}[source]
    last = replace(rows[-1], file="not copied.png", source_sha256=hidden)
    listed = [
        replace(row, source_sha256="f" * 64) if source == "other data" else row for row in rows[:number]
    ]
    files.write_csv(folder / "manifest.csv", COLUMNS, (astuple(row) for row in (*listed, last)))
    request = Request((0,), (Arm("unverified"),), ("simplecnn",), folder=folder)
    if source == "tested":
        with pytest.raises(BusError, match=f"translated a test scan.*{rows[0].file}"):
            audit(study, 0, request)
    else:
        (check,) = [check for check in audit(study, 0, request) if "of another fold" in check.name]
        assert f"({number} of the scans come from other data" in check.name and check.ok


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


def test_another_source_than_the_recorded_one_is_refused(study):
    scans = SyntheticSet(study, 0, "malignant", 0)
    rows = scans.rows
    other = next(row for row in rows if row.source_file != rows[0].source_file)
    names = ("source_file", "source_sha256", "source_label", "source_group")
    edit_manifest(study, lambda row: row.update({name: getattr(other, name) for name in names}))
    with pytest.raises(BusError, match=r"is what the generator makes of its source"):
        audit(study, 0, CYCLEGAN)


def test_a_rounding_of_another_processor_is_no_forgery(study):
    scans = SyntheticSet(study, 0, "malignant", 0)
    row = scans.rows[0]
    rounded = scans.pixels([row])[0].copy()
    rounded[::7, ::5] = np.minimum(rounded[::7, ::5], 254) + 1
    edit_manifest(study, lambda cells: cells.update(sha256=files.sha256_bytes(rounded.tobytes())))
    scans.write_scan(row, rounded)
    (check,) = [check for check in audit(study, 0, CYCLEGAN) if "generator makes of" in check.name]
    assert f"({check.count - 1} bit for bit" in check.name


def test_unknown_names_are_refused_with_the_known_ones(study):
    with pytest.raises(UsageError, match="vgg is unknown; choose among simplecnn"):
        options.names("vgg,resnet18", ("simplecnn", "vgg19", "resnet18"), "--models")
    with pytest.raises(UsageError, match="0, 1, 2"):
        options.fold_numbers("7", study)
    assert options.fold_numbers("all", study) == [0, 1, 2]
    assert options.fold_numbers("2,0", study) == [0, 2]


def test_synthetic_scans_are_held_against_the_test_scans_once_and_late(study, monkeypatch):
    found = held_out.score(study, 0, "malignant", 0, "cpu")
    tested, sources = (
        study.rows_of(study.test(0), ["malignant"]),
        study.rows_of(study.train(0), ["benign", "normal"]),
    )
    scans = SyntheticSet(study, 0, "malignant", 0)
    rows = scans.rows
    made = features.features(scans.pixels(rows), features.lite0("cpu"))
    seen = real_features(study, "cpu")
    labels = [study.scans[row].label for row in sources]
    expected = against_reference(
        made,
        [row.source_label for row in rows],
        seen[sources],
        labels,
        seen[tested],
        [study.groups[row] for row in tested],
    )
    assert found.tests == len(tested) and found.kid == expected.distances.kid and found.kid is not None
    monkeypatch.setattr(held_out, "real_features", None)  # would fail if it were called again
    assert held_out.score(study, 0, "malignant", 0, "cpu") == found
    edit_manifest(study, lambda row: row.update(variant="flipped"))
    with pytest.raises(TypeError):
        held_out.score(study, 0, "malignant", 0, "cpu")


def test_a_training_from_before_switches_went_counts_unless_it_used_one(study):
    cell = cells_of(study, ORIGINAL)[0]
    recorded = cell.config["recipe"]
    assert Recipe.from_json(recorded) == cell.recipe and recorded["synthetic"] == "mixed"
    with pytest.raises(ValueError, match="synthetic = first is no longer known"):
        Recipe.from_json({**recorded, "synthetic": "first"})
