"""Recipes: optimisers, schedules, and the fields that may be changed."""

from dataclasses import replace

import pytest
import torch
from bus.classify.catalogue import KNOWN
from bus.classify.models import check_head
from bus.classify.recipe import DEFAULTS, TUNED, Recipe, build_optimiser, check_changes, head, rate
from bus.classify.train import set_rates
from bus.core.errors import UsageError

PLAIN = Recipe("simplecnn", 100)


def test_the_rate_rises_and_falls():
    rates = [rate(PLAIN, step) for step in range(100)]
    assert rates[9] == 1
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.01
    assert max(rates) == 1


def test_a_recipe_without_changes_is_recorded_as_it_always_was():
    """What is recorded names a training: one name more, and every training from before counts as another."""
    recorded = (
        "augment average batch epoch init learning_rate model optimiser recalibration schedule smoothing "
        "speckle steps synthetic synthetic_share synthetic_weight validation warm_up weight_decay weighted"
    )
    assert sorted(PLAIN.json) == recorded.split()
    changed = replace(PLAIN, pairs=True, consistency=0.5)
    assert changed.json.keys() - PLAIN.json.keys() == {"pairs", "consistency"}
    assert Recipe.from_json(changed.json) == changed


def test_schedules_are_those_of_torch():
    """MultiStepLR and StepLR of the library, stepped once an epoch, as oracles."""
    from torch.optim.lr_scheduler import MultiStepLR, StepLR

    for name, make in (
        ("multistep", lambda o: MultiStepLR(o, [5, 10], 0.1)),
        ("step", lambda o: StepLR(o, 5, 0.1)),
    ):
        recipe = Recipe("simplecnn", 80, schedule=name, epoch=4, learning_rate=0.01)
        stepped = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
        scheduler = make(stepped)
        for step in range(80):
            assert recipe.learning_rate * rate(recipe, step) == pytest.approx(stepped.param_groups[0]["lr"])
            if step % 4 == 3:
                stepped.step()
                scheduler.step()


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_a_recipe_gets_the_optimiser_it_names(name):
    found = build_optimiser(torch.nn.Linear(2, 2), replace(PLAIN, optimiser=name))
    assert type(found).__name__.casefold() == name
    assert found.param_groups[0]["lr"] == PLAIN.learning_rate


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lerning_rate": 1}, "Did you mean learning_rate"),
        ({"optimiser": "adamm"}, "expected adamw, adam or sgd. Did you mean"),
        ({"synthetic": "first"}, "synthetic is unknown"),
        ({"batch": 0}, "above 0"),
        ({"augment": "perhaps"}, "expected true or false"),
        ({"batch": True}, "such as 32"),
        ({"weighted": True}, "weighted is unknown"),
        ({"learning_rate": "nan"}, "above 0"),
    ],
)
def test_a_recipe_field_that_does_not_fit_is_refused(changes, words):
    with pytest.raises(UsageError, match=words):
        check_changes(changes, "--set")


def test_recipe_fields_are_read_from_text():
    found = check_changes(
        {"batch": "16", "augment": "False", "smoothing": "0.1", "optimiser": "sgd"}, "--set"
    )
    assert found == {"batch": 16, "augment": False, "smoothing": 0.1, "optimiser": "sgd"}


def test_the_last_layer_may_learn_faster():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(2, 4), torch.nn.Linear(4, 2))
    found = build_optimiser(network, replace(PLAIN, head_rate=5.0))
    assert [len(group["params"]) for group in found.param_groups] == [4, 2]
    assert found.param_groups[1]["params"] == list(head(network).parameters())
    assert [group["lr"] for group in found.param_groups] == pytest.approx([1e-3, 5e-3]), (
        "with no schedule too"
    )
    set_rates(found, 1e-3)
    assert [group["lr"] for group in found.param_groups] == pytest.approx([1e-3, 5e-3])
    (alone,) = build_optimiser(network, PLAIN).param_groups
    assert alone["params"] == list(network.parameters())


def test_a_network_without_a_linear_layer_has_no_last_layer_to_fit_apart():
    with pytest.raises(UsageError, match="last linear layer, and this network has none"):
        build_optimiser(torch.nn.Conv2d(1, 2, 3), replace(PLAIN, head_rate=5.0))
    with pytest.raises(UsageError, match="--models squeezenet1_1: head_rate, refit and consistency"):
        check_head("squeezenet1_1")
    for model in (*KNOWN, "mobilenet_v3_small"):
        check_head(model)


def test_what_a_network_has_otherwise_is_known_and_does_something():
    for model, changes in TUNED.items():
        assert model in KNOWN and check_changes(changes) == changes
        assert all(changes[name] != DEFAULTS[name] for name in changes)
