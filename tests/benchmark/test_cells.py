"""Plans and the leak audit: every leak is planted and refused by name."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from bus.benchmark import arms, warm_start
from bus.benchmark.arms import Arm
from bus.benchmark.audit import audit, audit_translators
from bus.benchmark.cells import STEPS, cells_of, needed, synthetic_needed, training_rows
from bus.benchmark.examples import examples, key
from bus.benchmark.request import Request
from bus.classify.recipe import Recipe
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.gan import synth, train
from bus.gan.config import configure
from bus.gan.manifest import SyntheticSet
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)
ORIGINAL, CYCLEGAN = (Request((0,), arms=(Arm(kind),)) for kind in ("original", "cyclegan"))


def test_another_translator_trains_no_arm_anew_that_it_has_no_part_in(study):
    arms = tuple(map(Arm, ("original", "weighted", "oversampled", "cyclegan", "relabelled")))
    first, other = (cells_of(study, Request((0,), arms, ("simplecnn",), gan_seed=seed)) for seed in (0, 1))
    same = {str(one.arm) for one, two in zip(first, other, strict=True) if one.path == two.path}
    assert same == {"original", "weighted", "oversampled"}


def test_resnet18_sees_small_squares_enlarged_in_half_the_steps(study, tmp_path):
    def recipe(model="resnet18", **asked):
        [cell] = cells_of(study, Request((0,), (Arm("original"),), (model,), **asked))
        return cell.recipe

    usual = recipe(preset="quick")
    assert (usual.enlarge, usual.steps) == (128, STEPS["quick"][0] // 2)
    plain = recipe(preset="quick", recipe=(("enlarge", 0),))
    assert (plain.enlarge, plain.steps) == (0, STEPS["quick"][0]) and "enlarge" not in plain.json
    assert (recipe("simplecnn", preset="quick").enlarge, recipe(preset="demo").enlarge) == (0, 0)
    assert recipe(preset="quick", epochs=3).steps == 3 * -(-len(study.train(0)) // usual.batch)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"")
    assert recipe(preset="quick", init=str(weights)).enlarge == 0, "weights say so themselves"
    large = recipe(preset="quick", recipe=(("enlarge", study.settings.size),))
    assert large.steps == STEPS["quick"][0], "nothing is enlarged"


def test_how_scans_of_another_class_enter_is_nothing_to_arms_without_such(study):
    arms = tuple(
        map(Arm, ("original", "weighted", "adjusted", "oversampled", "pasted", "cyclegan", "relabelled"))
    )
    wish = Request((0,), arms, ("simplecnn",), init="phantom")
    plain, entering = cells_of(study, wish), cells_of(study, replace(wish, recipe=(("soft", 0.2),)))
    other = {str(one.arm) for one, two in zip(plain, entering, strict=True) if one.path != two.path}
    assert other == {"pasted", "cyclegan", "relabelled"}
    assert len({warm_start.path(study, one) for one in (*plain, *entering)}) == 1
    with pytest.raises(UsageError, match="--set pairs does nothing here: none of original, oversampled adds"):
        cells_of(study, replace(wish, arms=(arms[0], arms[3]), recipe=(("pairs", True),)))


def test_a_network_without_a_last_layer_of_its_own_is_refused_before_the_work(study):
    wish = Request((0,), (Arm("original"),), ("simplecnn", "squeezenet1_1"))
    assert len(cells_of(study, replace(wish, recipe=(("head_rate", 1.0), ("refit", 0))))) == 2
    for recipe in ((("refit", 5),), (("head_rate", 2.0),), (("pairs", True), ("consistency", 1.0))):
        with pytest.raises(
            UsageError, match="--models squeezenet1_1: head_rate, refit and consistency are about the last"
        ):
            cells_of(study, replace(wish, recipe=recipe))


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

    pooled = replace(request, arms=(*request.arms, Arm("pooled")))
    both = synthetic_needed(study, replace(request, arms=(Arm("pooled"),)))
    assert sum(both.values()) == needed(study, 0, "malignant") and max(both.values()) - min(both.values()) < 2
    mixed = [one for one in cells_of(study, pooled) if one.arm.kind == "pooled"]
    assert {(one.gan_seed, one.pooled) for one in mixed} == {(0, 2)}
    assert len({one.synthetic for one in mixed}) == 1
    alone = next(one for one in cells if one.arm.kind == "cyclegan")
    for place in (0, 1):  # of each translator its first scans, as many as of the other
        theirs = SyntheticSet(study, 0, "malignant", place).rows
        taken = [key(row.sha256) for row in theirs[: both[0, "malignant", place]]]
        start = len(study.train(0)) + place * both[0, "malignant", 0]
        assert examples(study, mixed[0]).keys[start : start + len(taken)] == taken
    assert examples(study, mixed[0]).labels.tolist() == examples(study, alone).labels.tolist()
    with pytest.raises(UsageError, match="--gan-seeds 3"):
        cells_of(study, replace(pooled, gan_seeds=1))

    audited = [check for check in audit(study, 0, pooled) if "fold's generator" in check.name]
    assert len(audited) == 2
    assert [check.count for check in audit_translators(study, request)] == [2]
    files.write_json(second.folder / "config.json", {**config, "cycle": 3.0})
    with pytest.raises(BusError, match=r"cycle: 10\.0 in fold 0, seed 0, 3\.0 in fold 0, seed 1"):
        audit_translators(study, request)
    for wrong in (replace(request, seeds=3), replace(request, seeds=1), replace(request, gan_seeds=0)):
        with pytest.raises(UsageError, match="must be a multiple"):
            cells_of(study, wrong)


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
        half, full = (examples(study, cells[name]) for name in (f"{kind}@0.5", kind))
        assert (full.pixels[: len(half.labels)] == half.pixels).all()
        assert full.keys[: len(half.labels)] == half.keys
    assert len({cell.path for cell in cells.values()}) == len(chosen)
    assert cells["cyclegan@0.5"].path.parent.parent.name == "cyclegan@0.5"


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
        labels = examples(study, cells[arm]).labels
        assert len(set(np.bincount(labels).tolist())) == 1, "all classes are equally large"
    path = SyntheticSet(study, 0, "normal", 0).folder / "synthetic-0001.png"
    shutil.copy(path.with_name("synthetic-0002.png"), path)
    with pytest.raises(BusError, match="not the scan its manifest names"):
        audit(study, 0, wish)


def test_a_validation_part_is_cut_by_group_and_trains_nobody(study):
    recipe = Recipe("simplecnn", 1, validation=True)
    rows, watched = training_rows(study, 0, recipe)
    assert sorted(rows + watched) == study.train(0) and watched and not set(watched) & set(study.test(0))
    assert not {study.groups[row] for row in rows} & {study.groups[row] for row in watched}
    wish = replace(
        ORIGINAL, models=("simplecnn",), recipe=(("validation", True), ("schedule", "plateau"), ("batch", 16))
    )
    cell = cells_of(study, wish)[0]
    assert len(examples(study, cell).labels) == len(rows)
    assert cell.recipe.epoch == -(-len(rows) // 16)
    with pytest.raises(UsageError, match="watches a validation part"):
        cells_of(study, replace(ORIGINAL, recipe=(("schedule", "plateau"),)))
    both = replace(wish, arms=(Arm("original"), Arm("adjusted")))
    counts = np.bincount(study.labels[rows])
    assert cells_of(study, both)[1].added == {"malignant": max(counts) - counts[1]}, "of what original saw"
    with pytest.raises(UsageError, match="original and weighted"):
        cells_of(study, replace(CYCLEGAN, recipe=(("validation", True),)))
