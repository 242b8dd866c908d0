"""Plans from TOML, the seed project's two as shipped, and the split per image: what it would have claimed."""

import shutil
from dataclasses import replace

import pytest
from bus.benchmark import plan, run_plan
from bus.benchmark.arms import Arm
from bus.benchmark.cells import cells_of, training_rows
from bus.benchmark.request import Request
from bus.benchmark.results import plan_result
from bus.classify.catalogue import TITLES
from bus.core.errors import UsageError
from bus.data.study import Study
from bus.gan.request import Ask

WISH = Request((0,), preset="demo", command="bus benchmark --plan mine.toml")
# model, optimiser, rate, batch, epochs, schedule, accuracy: the tables of the seed project, typed in again
SEED = {
    "ablation-1": [
        ("simplecnn", "adam", 1e-3, 16, 10, "multistep", 64.15),
        ("vgg16", "adam", 1e-3, 16, 10, "multistep", 55.35),
        ("resnet18", "adam", 1e-3, 16, 10, "multistep", 52.20),
        ("simplecnn", "adam", 1e-3, 8, 10, "multistep", 63.52),
        ("simplecnn", "adam", 1e-3, 16, 10, "step", 64.78),
        ("simplecnn", "adam", 1e-4, 16, 10, "step", 62.26),
        ("simplecnn", "sgd", 1e-3, 16, 10, "multistep", 55.35),
    ],
    "ablation-2": [
        ("resnet18", "adam", 1e-3, 16, 17, "step", 55.35),
        ("resnet18", "adam", 1e-3, 16, 10, "plateau", 30.8),
        ("resnet18", "adam", 1e-3, 32, 23, "step", 55.35),
        ("resnet18", "adam", 1e-3, 8, 12, "step", 55.35),
        ("resnet18", "adam", 1e-3, 8, 12, "step", 55.35),
        ("resnet18", "adam", 1e-3, 64, 50, "step", 49.69),
    ],
}


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


@pytest.mark.parametrize("name", SEED)
def test_the_shipped_plans_are_the_seeds_tables(name, study):
    found = plan.read(name)
    pairs = list(run_plan.cells(study, found, WISH))
    rows = [
        (
            cell.model,
            cell.recipe.optimiser,
            cell.recipe.learning_rate,
            cell.recipe.batch,
            round(cell.recipe.steps / cell.recipe.epoch),
            cell.recipe.schedule,
            one.accuracy,
        )
        for one, cell in pairs
    ]
    assert rows == SEED[name]
    assert {cell.recipe.weighted for _, cell in pairs} == {name == "ablation-2"}
    for _, cell in pairs:
        own = len(training_rows(study, 0, cell.recipe)[0])
        assert cell.recipe.epoch == -(-own // cell.recipe.batch), (
            "an epoch shows every scan of the training part"
        )
        assert not cell.recipe.augment and cell.recipe.smoothing == cell.recipe.weight_decay == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\nlerning_rate=1",
            r"lerning_rate is unknown; .*Did you mean learning_rate\?",
        ),
        ("[[run]]\nname='a'", r"run is unknown; .*Did you mean runs\?"),
        ("[[runs]]\nname='a'\nmodel='resnet'\nepochs=1", "Did you mean"),
        ("[[runs]]\nname='a'\nepochs=1", "model is missing"),
        ("[[runs]]\nname='a'\nmodel='resnet18'\narm='pooled'", "say how many, such as gan_seeds = 3"),
        ("[[runs]]\nname='a'\nmodel='resnet18'\ngan_seeds=2", "gan_seed and gan_seeds do nothing"),
        ("[[runs]]\nname='a'\nmodel='resnet18'\ngan_seed=7", "gan_seed and gan_seeds do nothing"),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs='ten'",
            "epochs = ten: expected a whole number above 0",
        ),
        ("[[runs]]\nname='a'\nmodel='resnet18'\nepochs=0", "epochs = 0: expected a whole number above 0"),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegam'",
            r"expected one of original, .*Did you mean cyclegan\?",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='oversampled:normal'",
            "perhaps a source class",
        ),
        ("[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='weighted@0.5'", "perhaps a dose"),
        ("[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegan@-1'", "a dose up to 10"),
        (
            "[[runs]]\nname='a'\nmodel='simplecnn'\nepochs=1\ninit='imagenet'",
            "SimpleCNN has no ImageNet weights",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\nschedule='linear'",
            "expected cosine, multistep, step or plateau",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\nmethod='published'",
            "original takes no translator, so that method, switches, gan_seed and gan_seeds do nothing",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegan'\nmethod='publised'",
            "Did you mean published",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegan'\nswitches={phantom=0}",
            "run 1: .*phantom is unknown; .*Did you mean phantoms",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegan'\nswitches=0",
            "switches = 0: expected a table such as",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\nprior='arm'\nrecalibration=0",
            "prior = arm does nothing: nothing is measured anew",
        ),
        ("per_image=0\n[[runs]]\nname='a'", "per_image = 0: expected true or false"),
        ("per_image=false\nshares=[0.5, 2]\n[[runs]]\nname='a'", r"shares = \[0.5, 2\]: expected shares"),
        ("shares=[0.5]\n[[runs]]\nname='a'", "shares are for folds by group"),
        ("title='empty'", r"one or more tables \[\[runs\]\]"),
        ("runs=[1]", r"one or more tables"),
        ("[[runs]", "could not be read as TOML"),
        ("[all]\nmodel='resnet18'\nepochs=1\n[[runs]]\nname='a'\n[[runs]]\nname='a'", "the same name"),
        (
            "[all]\nmodel='resnet18'\nepochs=1\n[[runs]]\nname='plain'\n[[runs]]\nname='b'\nagainst='plane'",
            "run b: against = plane: expected the name of another run. Did you mean plain",
        ),
        ("[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\nagainst='a'", "expected the name of another run"),
    ],
)
def test_a_plan_that_says_something_else_is_refused_by_name(tmp_path, text, words):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        plan.read(str(path))


def test_how_added_scans_enter_is_said_of_the_arms_that_have_such(tmp_path):
    """Said of all, or said without effect, it costs no run its controls."""
    path = tmp_path / "plan.toml"
    path.write_text(
        "[all]\nmodel='resnet18'\nsoft=0.25\npairs=false\n[[runs]]\nname='a'\n"
        "[[runs]]\nname='b'\narm='oversampled'\n[[runs]]\nname='c'\narm='cyclegan'\n"
    )
    found = plan.read(str(path)).runs
    assert [run.changes for run in found] == [{}, {}, {"soft": 0.25}]
    pairs = {
        (run.name, other.name) for run in found for other in found if plan_result._is_control(run, other)
    }
    assert pairs == {("b", "a"), ("c", "a"), ("c", "b")}


def test_a_plan_that_is_not_there_names_the_shipped_ones():
    with pytest.raises(UsageError, match="Did you mean ablation-1"):
        plan.read("ablation1")


def test_the_plan_for_sensitivity_takes_apart_what_the_translator_adds(study):
    """Each way of training has the arms of a claim; one translator knows neither ImageNet nor phantoms."""
    chosen = plan.read("sensitivity")
    assert [run_plan.plan_sets(study, study, chosen, WISH).keys()] == [{"folds by group"}]
    ways = {}
    for line in chosen.runs:
        way = (line.changes.get("recalibration", 20), line.changes.get("prior", "fold"), line.method)
        ways.setdefault(way, []).append(str(line.arm))
    claim = ["original", "oversampled", "cyclegan"]
    assert ways == {
        (20, "fold", None): claim,
        (0, "fold", None): claim,
        (20, "arm", None): claim,
        (20, "fold", "published"): ["cyclegan"],
    }
    plain, own = (
        line for line in chosen.runs if line.adds and line.arm.kind == "cyclegan" and not line.changes
    )
    assert own.request(WISH).ask == Ask(method="published", changes={"phantoms": "0"})
    assert plain.request(WISH).ask.is_empty and plain.gan_seed != own.gan_seed
    controls = [line.name for line in chosen.runs if own.like(line)]
    assert controls == ["original", "repeated"], "its controls are those of the default translator"
    run_plan.check_one_each(chosen)


def test_the_plan_of_ways_shares_the_cells_of_a_benchmark(study):
    """Without epochs a run has the preset's steps; every way has its controls."""
    chosen, wish = plan.read("ways"), replace(WISH, seeds=4, preset="quick")
    for model in ("resnet18", "simplecnn"):
        lines = [line for line in chosen.runs if line.model == model]
        arms = tuple(map(Arm, ("original", "oversampled", "cyclegan")))
        asked = {
            cell.path for cell in cells_of(study, replace(wish, models=(model,), arms=arms, gan_seeds=4))
        }
        planned = {
            line.name.split(", ", 1)[1]: cells_of(study, replace(line.request(wish), preset="quick"))
            for line in lines
            if line.arm.kind != "pasted"
        }
        assert asked == {
            cell.path for name in ("original", "repeated", "translated") for cell in planned[name]
        }
        assert all(len(cells) == 4 for cells in planned.values())
        assert [cell.gan_seed for cell in planned["translated, soft"]] == [0, 1, 2, 3]
        changed = {
            name for name, cells in planned.items() if cells[0].recipe != planned["original"][0].recipe
        }
        assert changed == {
            "translated, soft",
            "translated, pairs",
            "translated, pairs, alike",
            "repeated, refitted",
            "translated, refitted",
        }
        for line in lines:
            fair = [other.arm.kind for other in lines if line.like(other)]
            assert line.arm.kind in ("original", "oversampled") or "oversampled" in fair, (
                f"{line.name}: no control"
            )
            assert ("original" in fair) == ("refit" not in line.changes and line.arm.kind != "original")
        soft = [line for line in lines if line.changes.keys() & {"soft", "pairs"}]
        plain = f"{TITLES[model]}, translated"
        assert [line.against for line in soft] == [plain, plain, f"{plain}, pairs"]
    run_plan.check_one_each(chosen)


def test_the_plan_before_a_fine_tuned_network_asks_what_the_plan_of_ways_asks(study):
    """Its ways have the names, changes and controls that they have there."""
    chosen = plan.read("fine-tuned")
    ways = {
        line.name.removeprefix("ResNet18, "): line
        for line in plan.read("ways").runs
        if line.model == "resnet18"
    }
    assert {line.model for line in chosen.runs} == {"efficientnet-lite0"}
    assert {line.gan_seeds for line in chosen.runs} == {1}, "one translator a fold"
    for line in chosen.runs:
        assert (line.arm.kind, line.changes) == (ways[line.name].arm.kind, ways[line.name].changes)
        fair = {other.name for other in chosen.runs if line.like(other)} | {line.against}
        asked = {other.name for other in ways.values() if ways[line.name].like(other)}
        assert fair - {None} >= asked & {other.name for other in chosen.runs}
    run_plan.check_one_each(chosen)
    wish = replace(WISH, preset="quick")
    asked = {
        cell.path
        for cell in cells_of(
            study,
            replace(
                wish,
                models=("efficientnet-lite0",),
                arms=tuple(map(Arm, ("original", "oversampled", "cyclegan", "pasted"))),
            ),
        )
    }
    planned = {cell.path for line in chosen.runs for cell in cells_of(study, line.request(wish))}
    assert asked < planned, "cells are those of a benchmark"
    curve = plan.read("learning-curve")
    whole = {cell.path for line in curve.runs for cell in cells_of(study, line.request(wish))}
    assert curve.shares[-1] == 1 and whole == asked, "and the learning curve's where nothing is left out"


def test_two_runs_do_not_ask_for_different_translators_of_one_seed(tmp_path):
    path = tmp_path / "plan.toml"
    runs = "[all]\nmodel='resnet18'\narm='cyclegan'\n[[runs]]\nname='a'\ngan_seeds=3\n[[runs]]\nname='b'\n"
    path.write_text(runs + "gan_seed=2\nmethod='published'\n")
    with pytest.raises(UsageError, match="gan_seed = 2"):
        run_plan.check_one_each(plan.read(str(path)))
    path.write_text(runs + "gan_seed=3\nmethod='published'\n")
    run_plan.check_one_each(plan.read(str(path)))


def test_the_seeds_that_a_plan_needs_are_named(study, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        "per_image=false\n[all]\nmodel='resnet18'\narm='cyclegan'\n"
        "[[runs]]\nname='a'\ngan_seeds=2\n[[runs]]\nname='b'\ngan_seeds=3\n"
    )
    with pytest.raises(UsageError, match="give --seeds 6, or a multiple"):
        run_plan.plan_sets(study, study, plan.read(str(path)), replace(WISH, seeds=4))
