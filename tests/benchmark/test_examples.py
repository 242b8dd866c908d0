"""What a cell trains on: the same counts and scans whatever the arm."""

import json
from dataclasses import asdict, replace

import numpy as np
import torch
from bus.benchmark import arms
from bus.benchmark.arms import Arm
from bus.benchmark.cells import cells_of, needed, synthetic_needed
from bus.benchmark.examples import examples
from bus.benchmark.request import Request
from bus.classify import train as training
from bus.classify.augmentation import augment
from bus.classify.train import batch_rows, fit
from bus.core.compute import Compute
from bus.data.store import restore_bars
from bus.gan import synth
from bus.gan.manifest import SyntheticSet
from bus.gan.pixels import noise_of, to_pixels, to_tensor
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)
ALONE = [name for name in arms.CHOSEN if name != "pooled"]  # of one translator; that one: test_cells.py


def test_balancing_arms_reach_the_same_counts_and_share_what_they_share(study):
    wish = Request((0,), arms=tuple(map(Arm, ALONE)), models=("resnet18",), preset="demo")
    cells = {str(cell.arm): cell for cell in cells_of(study, wish)}
    parts = {arm: examples(study, cell) for arm, cell in cells.items()}
    real = len(study.train(0))
    counts = {
        arm: [int((found.labels == number).sum()) for number in range(3)] for arm, found in parts.items()
    }
    assert counts["original"] == counts["weighted"]
    assert counts["oversampled"] == counts["cyclegan"] == counts["relabelled"]
    assert counts["cyclegan"][1] == counts["cyclegan"][0] == max(counts["original"])
    for found in parts.values():
        assert (found.pixels[:real] == parts["original"].pixels).all()
        assert found.keys[:real] == parts["original"].keys
    recipes = {replace(cell.recipe, weighted=False) for cell in cells.values()}
    assert len(recipes) == 1, "equal effort: one recipe for all arms"
    assert [arm for arm, cell in cells.items() if cell.recipe.weighted] == ["weighted"]
    untranslated = parts["relabelled"].pixels[real:]
    sources = {study.pixels[row].tobytes() for row in study.rows_of(study.train(0), ["benign", "normal"])}
    assert all(square.tobytes() in sources for square in untranslated)


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
    added = {arm: examples(study, cell).pixels[len(study.train(0)) :] for arm, cell in cells.items()}
    assert {len(squares) for squares in added.values()} == {whole}
    normal = [row for row in made if row.source_label == "normal"]
    assert (added["cyclegan:normal"] == SyntheticSet(study, 0, "malignant", 0).pixels(normal)).all()
    squares = {study.pixels[row].tobytes() for row in study.rows_of(study.train(0), ["normal"])}
    plain = [square.tobytes() in squares for square in added["relabelled:normal"]]
    assert plain == [row.variant == "plain" for row in normal], "what comes again was flipped or cropped"


def test_added_scans_know_the_scan_they_were_made_from(study):
    wish = Request((0,), tuple(map(Arm, ALONE)), ("simplecnn",), preset="demo")
    own = study.train(0)
    for cell in cells_of(study, wish):
        part = examples(study, cell)
        partners = part.partners[part.own :]
        assert (part.partners[: part.own] == -1).all() and len(part.partners) == len(part.labels)
        if cell.arm.kind in ("original", "weighted", "adjusted", "oversampled"):
            assert (partners == -1).all()
            continue
        assert (partners >= 0).all()
        assert list(part.labels[partners]) == list(part.sources[part.own :])
        if cell.arm.kind == "relabelled":
            assert (part.pixels[partners] == part.pixels[part.own :]).all()
        if cell.arm.kind == "cyclegan":
            made = SyntheticSet(study, 0, "malignant", 0).rows[: len(partners)]
            assert [study.scans[own[row]].sha256 for row in partners] == [row.source_sha256 for row in made]


def test_what_stands_for_a_source_is_what_the_translator_read(study):
    """Sources that come again are flipped, then cropped: translated once more they give the very scans."""
    arms_asked = tuple(Arm(kind, dose=dose) for kind in ("cyclegan", "relabelled") for dose in (1.0, 10.0))
    wish = Request((0,), arms_asked, ("simplecnn",), preset="demo")
    before = {str(cell.arm): cell.path for cell in cells_of(study, replace(wish, recipe=(("pairs", True),)))}
    translator = Translator(study, 0, "malignant", 0)
    synth.synthesise(translator, CPU, count=synthetic_needed(study, wish)[0, "malignant", 0])
    cells = {str(cell.arm): cell for cell in cells_of(study, replace(wish, recipe=(("pairs", True),)))}
    made = translator.scans.rows[: cells["cyclegan@10"].added["malignant"]]
    assert {row.variant for row in made} == set(synth.VARIANTS)
    generator, own = translator.load("cpu"), len(study.train(0))
    relabelled, paired = (examples(study, cells[name]) for name in ("relabelled@10", "cyclegan@10"))
    for place, row in enumerate(made):
        square = relabelled.pixels[own + place]
        assert (paired.given[place] == square).all()
        source = next(scan for scan in study.scans if scan.sha256 == row.source_sha256)
        again = to_pixels(generator(to_tensor(square[None], "cpu"), noise_of(generator, row.seed, row.index)))
        assert (restore_bars(again[0], source.box) == paired.pixels[own + place]).all()

    # cells whose sources were shown plain before are others; the plain ones stay what they were
    plain = [replace(row, variant="plain") for row in translator.scans.rows]
    translator.scans.write_rows(plain)
    as_before = cells_of(study, replace(wish, recipe=(("pairs", True),)))
    changed = {str(cell.arm) for cell in as_before if cell.path != cells[str(cell.arm)].path}
    assert changed == {"cyclegan@10", "relabelled@10"} and before["cyclegan"] == cells["cyclegan"].path


def test_arms_share_everything_but_what_they_add(study, monkeypatch):
    """Equal effort: steps, batches, schedule, first weights and the augmentation of every shared scan."""
    wish = Request((0,), tuple(map(Arm, ALONE)), ("simplecnn",), preset="demo")
    cells = cells_of(study, wish)
    assert len({json.dumps(asdict(replace(cell.recipe, weighted=False))) for cell in cells}) == 1
    parts = [examples(study, cell) for cell in cells]
    firsts = [
        fit(part, 3, replace(cell.recipe, steps=0, recalibration=0), CPU, cell.seed).network.state_dict()
        for part, cell in zip(parts, cells, strict=True)
    ]
    assert all(torch.equal(one[name], firsts[0][name]) for one in firsts for name in firsts[0])
    rates: list[list[float]] = []
    monkeypatch.setattr(training, "set_rates", lambda optimiser, value: rates[-1].append(value))
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
