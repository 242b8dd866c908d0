"""Training a classifier: equal effort across arms, determinism, augmentation that sees the scan alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bus.classify import models, train
from bus.classify.augmentation import Examples, augment
from bus.classify.catalogue import LITE0
from bus.classify.recipe import Recipe, build_optimiser, head
from bus.classify.train import (
    balanced_rows,
    batch_rows,
    beside_sources,
    class_weights,
    fit,
    matched,
    move_average,
    predict,
    reading,
    recalibrate,
    refit,
    step_batch,
    step_loss,
    unlikeness,
)
from bus.core.compute import Compute
from bus.core.recorded import WARM, Recorded
from safetensors.torch import save
from torch.nn import functional as F

CPU = Compute("cpu", "float32", 1)
PLAIN = Recipe("simplecnn", 100)


def spots(count, seed=0):
    """Two classes: a bright spot above or below the middle, so that flips to the side change nothing."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels = rng.integers(0, 60, (count, 32, 32)).astype(np.uint8)
    for row, label in enumerate(labels):
        top = 2 if label else 20
        pixels[row, top : top + 10, 8:24] += 150
    return Examples(pixels, labels.astype(np.int64), list(range(100, 100 + count)))


@pytest.mark.long
def test_a_classifier_learns_what_can_be_learnt_and_twice_the_same():
    recipe, test = Recipe("simplecnn", 60, batch=16), spots(40, seed=1)
    learnt = predict(fit(spots(64), 2, recipe, CPU, seed=0).network, test.pixels, CPU)
    assert np.allclose(learnt.sum(1), 1)
    assert (learnt.argmax(1) == test.labels).mean() > 0.9
    first, second = (fit(spots(64), 2, replace(recipe, steps=4), CPU, seed=0) for _ in range(2))
    answers = predict(first.network, test.pixels, CPU)
    assert (answers == predict(second.network, test.pixels, CPU)).all()
    assert first.losses == second.losses


def test_what_a_network_draws_while_it_is_recalibrated_is_drawn_from_the_seed(monkeypatch):
    """EfficientNet-Lite0 leaves blocks out by chance, also while its batch statistics are measured anew."""
    recipe, scans, drawn = Recipe(LITE0, 1, batch=4, recalibration=2), spots(8), []
    networks = [fit(scans, 2, recipe, CPU, seed=0).network for _ in range(2)]
    first, second = (predict(network, scans.pixels, CPU) for network in networks)
    assert (first == second).all()
    monkeypatch.setattr(train, "recalibrate", lambda *_: drawn.append(torch.rand(1).item()))
    for steps in (0, 1):
        fit(scans, 2, replace(recipe, steps=steps), CPU, seed=0)
    assert drawn[0] == drawn[1], "whatever the steps drew"


def test_a_network_that_was_trained_on_enlarged_squares_sees_them_so_from_then_on():
    scans, plain = spots(32), replace(PLAIN, steps=2, batch=16)
    enlarged, as_is = (fit(scans, 2, replace(plain, enlarge=side), CPU, seed=0).network for side in (64, 0))
    again = models.build(plain.model, 2, "none", 1)
    again.load_state_dict(enlarged.state_dict())
    assert (models.seen_side(again, 32), models.seen_side(as_is, 32)) == (64, 32)
    answers = [predict(network, scans.pixels, CPU) for network in (enlarged, again.eval(), as_is)]
    assert np.allclose(*answers[:2]) and not np.allclose(answers[0], answers[2])


def test_simplecnn_is_standardised_where_its_recipe_says_so_and_not_where_a_file_gives_its_weights(tmp_path):
    recipe = replace(PLAIN, steps=2, batch=16, standardise=True)
    trained = fit(spots(32), 2, recipe, CPU, seed=0).network
    assert float(trained.deviation) == pytest.approx(models.DEVIATION)
    plain = fit(spots(32), 2, replace(recipe, standardise=False), CPU, seed=0).network
    assert float(plain.deviation) == 1
    weights = {name: tensor.contiguous() for name, tensor in plain.state_dict().items()}
    (tmp_path / "w.safetensors").write_bytes(save(weights))
    kept = fit(spots(32), 2, recipe, CPU, seed=0, first=str(tmp_path / "w.safetensors")).network
    assert float(kept.deviation) == 1


def test_the_batch_of_an_evaluation_changes_nothing():
    network = fit(spots(32), 2, Recipe("simplecnn", 2), CPU, seed=0).network
    pixels = spots(70).pixels
    whole = predict(network, pixels, CPU)
    single = np.concatenate([predict(network, pixels[row : row + 1], CPU) for row in range(70)])
    assert whole == pytest.approx(single, abs=1e-5)


def test_batches_show_every_scan_once_an_epoch():
    rows = np.concatenate([batch_rows(50, 8, step, 0)[0] for step in range(25)])
    assert np.bincount(rows).tolist() == [4] * 50
    assert len(set(rows[:50].tolist())) == 50


def test_weights_balance_the_classes():
    weights = class_weights(np.array([0, 0, 0, 1]), 3)
    assert weights.tolist() == pytest.approx([4 / 9, 4 / 3, 0])


def test_averaged_weights_get_their_own_batch_statistics():
    """After recalibration a network that lags behind has the statistics of the scans that it will see."""
    recipe, scans = Recipe("resnet18", 3, batch=8, recalibration=4), spots(32)
    network = models.build("resnet18", 2, "none", 1)
    averaged = models.build("resnet18", 2, "none", 0)
    move_average(averaged, network, 0.5)
    recalibrate(averaged, scans, recipe, CPU, seed=0)
    images = torch.cat([augment(scans, *batch_rows(32, 8, step, 0), 0, recipe) for step in range(4)])
    seen = averaged.conv1(images)
    assert torch.allclose(averaged.bn1.running_mean, seen.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(averaged.bn1.running_var, seen.var((0, 2, 3)), rtol=0.05)
    assert all(
        module.momentum == 0.1 for module in averaged.modules() if isinstance(module, torch.nn.BatchNorm2d)
    )


def test_recalibration_sees_the_own_scans_alone():
    own, more = spots(24), spots(40, seed=3)
    joined = Examples(
        np.concatenate([own.pixels, more.pixels[:16]]),
        np.concatenate([own.labels, more.labels[:16]]),
        [*own.keys, *range(900, 916)],
        24,
    )
    found = []
    for examples in (own, joined):
        averaged = models.build("resnet18", 2, "none", 0)
        recalibrate(averaged, examples, Recipe("resnet18", 1, batch=8), CPU, seed=0)
        found.append(averaged.bn1.running_mean)
    assert torch.equal(*found)


def test_recalibration_can_see_classes_as_often_as_the_arm_trained():
    """The fold's own scans of a raised class come again, each with an augmentation of its own."""
    own, more = spots(24), spots(40, seed=3)
    few = np.array([row for row in range(24) if own.labels[row] == 0 or row < 6])  # 12 of class 0, 3 of 1
    raised = np.flatnonzero(more.labels == 1)[:9]
    joined = Examples(
        np.concatenate([own.pixels[few], more.pixels[raised]]),
        np.concatenate([own.labels[few], more.labels[raised]]),
        [*(own.keys[row] for row in few), *range(900, 909)],
        15,
    )
    rows, again = matched(joined)
    assert rows.max() < 15 and np.bincount(joined.labels[rows]).tolist() == [12, 12]
    places = sorted(zip(rows.tolist(), again.tolist(), strict=True))
    assert len(set(places)) == 24 and {count for row, count in places if joined.labels[row]} == {0, 1, 2, 3}
    recipe = Recipe("resnet18", 1, batch=8, recalibration=6)  # 48 scans: each place twice
    seen = {}
    for prior in ("fold", "arm"):
        averaged = models.build("resnet18", 2, "none", 0)
        recalibrate(averaged, joined, replace(recipe, prior=prior), CPU, seed=0)
        seen[prior] = averaged.bn1.running_mean
        alone = models.build("resnet18", 2, "none", 0)
        recalibrate(alone, spots(24), replace(recipe, prior=prior), CPU, seed=0)
        seen[f"{prior}, nothing added"] = alone.bn1.running_mean
    assert torch.equal(seen["fold, nothing added"], seen["arm, nothing added"]), "there they are one"
    assert not torch.allclose(seen["fold"], seen["arm"], atol=1e-6)
    shown = [
        augment(joined, rows[i : i + 1], [4 * turn + int(again[i])], 0, recipe)
        for turn in range(2)
        for i in range(24)
    ]
    expected = models.build("resnet18", 2, "none", 0).conv1(torch.cat(shown)).mean((0, 2, 3))
    assert torch.allclose(seen["arm"], expected, atol=1e-5)


def test_trainings_from_before_a_switch_keep_their_name():
    plain = Recipe("resnet18", 10)
    assert "prior" not in plain.json and Recipe.from_json(plain.json) == plain
    changed = replace(plain, prior="arm")
    assert changed.json["prior"] == "arm" and Recipe.from_json(changed.json) == changed


def test_without_recalibration_the_statistics_are_the_averaged_ones():
    recipe = Recipe("resnet18", 2, batch=8)
    with_it, without = (
        fit(spots(32), 2, replace(recipe, recalibration=count), CPU, seed=0) for count in (4, 0)
    )
    first, second = with_it.network.state_dict(), without.network.state_dict()
    assert torch.equal(first["conv1.weight"], second["conv1.weight"])
    assert not torch.equal(first["bn1.running_mean"], second["bn1.running_mean"])
    assert with_it.losses == without.losses


def test_the_loss_of_a_step_is_torchs_on_its_batch():
    examples, recipe = spots(40), Recipe("simplecnn", 4, batch=16, smoothing=0.1)
    network, weights = models.build("simplecnn", 2, "none", 0), torch.tensor([0.5, 3.0])
    rows, turns = batch_rows(40, 16, 1, 0)
    expected = F.cross_entropy(
        network(augment(examples, rows, turns, 0, recipe)),
        torch.from_numpy(examples.labels[rows]),
        weight=weights,
        label_smoothing=0.1,
    )
    found = step_loss(network, recipe, CPU, weights, step_batch(examples, recipe, CPU, 1, 0))
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("model", ["simplecnn", "resnet18"])
def test_a_recorded_training_is_one_launched_step_by_step(model, monkeypatch, card_for):
    recipe, made = Recipe(model, 6, batch=4, recalibration=2, recorded=True), []

    def record(work):
        network, optimiser = work.args[:2]

        def state():
            return network.state_dict(), optimiser.state_dict()

        def restore(before):
            network.load_state_dict(before[0])
            optimiser.load_state_dict(before[1])

        made.append(card_for(Recorded(work), state, restore))
        return made[0].run

    monkeypatch.setattr(train, "Recorded", record)
    replayed = fit(spots(16), 2, recipe, CPU, seed=0)
    assert made[0].replays == 6 - WARM
    monkeypatch.setattr(train, "Recorded", lambda work: work)
    launched = fit(spots(16), 2, recipe, CPU, seed=0)
    assert replayed.losses == launched.losses
    for first, second in zip(launched.network.parameters(), replayed.network.parameters(), strict=True):
        assert torch.equal(first, second)
    usual = fit(spots(16), 2, replace(recipe, recorded=False), CPU, seed=0)  # rate: no float32
    assert usual.losses == pytest.approx(launched.losses, rel=1e-2)


def test_plateau_watches_the_validation_scans_alone(monkeypatch):
    """Watched scans that never get better lower the rate; what is watched changes nothing else."""
    recipe = Recipe("simplecnn", 30, batch=4, schedule="plateau", epoch=1, average=0.0, learning_rate=1e-4)
    scans = spots(16)
    backwards = Examples(scans.pixels, 1 - scans.labels, scans.keys)
    free = fit(scans, 2, recipe, CPU, seed=0)
    lowered = fit(scans, 2, recipe, CPU, seed=0, watched=backwards)
    assert free.losses[:12] == lowered.losses[:12]
    assert free.losses != lowered.losses


def test_dropout_is_drawn_from_the_seed(monkeypatch):
    def build(*_):
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(1024, 8), torch.nn.Dropout(), torch.nn.Linear(8, 2)
        )

    monkeypatch.setattr(train, "build", build)
    recipe = Recipe("simplecnn", 3, batch=4)
    first, second, other = (fit(spots(8), 2, recipe, CPU, seed=seed).losses for seed in (0, 0, 1))
    assert first == second != other


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_one_pass_over_memory_updates_weights_as_several_do(name):
    weights = []
    for fused in (True, False):
        torch.manual_seed(0)
        network = torch.nn.Linear(50, 3)
        descent = build_optimiser(network, replace(PLAIN, optimiser=name), fused=fused)
        for step in range(20):
            descent.zero_grad()
            network(torch.full((4, 50), 0.1 * step)).square().sum().backward()
            descent.step()
        weights.append(network.weight.detach())
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)


def test_an_added_scan_may_keep_part_of_its_sources_label():
    """The loss of soft labels by hand; without sources, or with the same, it is that of hard ones."""
    network, recipe = models.build("simplecnn", 3, "none", 0).eval(), replace(PLAIN, smoothing=0.0)
    network.classifier.bias.data = torch.tensor([0.0, 1.0, 2.0])
    base = spots(40)
    weights = torch.ones(3)
    own = np.zeros(40, np.int64)
    examples = replace(base, labels=own + 2, sources=own + 1)
    rows, turns = batch_rows(40, recipe.batch, 0, 0)
    chances = network(augment(examples, rows, turns, 0, recipe)).log_softmax(1)

    def loss(scans, recipe):
        return step_loss(network, recipe, CPU, weights, step_batch(scans, recipe, CPU, 0, 0))

    soft = loss(examples, replace(recipe, soft=0.25))
    expected = -(0.75 * chances[:, 2] + 0.25 * chances[:, 1]).mean()
    assert soft.item() == pytest.approx(expected.item(), abs=1e-6)
    hard = loss(examples, recipe).item()
    assert hard != pytest.approx(soft.item(), abs=1e-3)
    for same in (replace(examples, sources=None), replace(examples, sources=examples.labels)):
        unchanged = loss(same, replace(recipe, soft=0.25))
        assert unchanged.item() == pytest.approx(hard, abs=1e-6)


def test_an_added_scan_stands_beside_the_one_it_was_made_from():
    """Of its class, moved alike, in the place of another; classes and added scans are as many as before."""
    base = spots(40)
    labels = np.array([0] * 20 + [1] * 10 + [2] * 10)
    partners = np.array([-1] * 30 + list(range(10)))  # ten of class 2, made from the first of class 0
    examples = replace(base, labels=labels, real=30, partners=partners)
    for step in range(6):
        rows, turns = batch_rows(40, 12, step, 0)
        paired, again, like, partner = beside_sources(rows, turns, examples)
        assert sorted(labels[paired]) == sorted(labels[rows])
        assert [row for row in paired if row >= 30] == [row for row in rows if row >= 30]
        added = [row for row in rows if row >= 30]
        there = [partners[row] for row in added if partners[row] in paired]
        assert len(there) == min(len(added), int((labels[rows] == 0).sum()))
        stands = [(row, paired[at]) for row, at in zip(paired, partner, strict=True) if at >= 0]
        assert len(stands) >= len(there) and all(partners[row] == source for row, source in stands)
        for at, row in enumerate(like):
            if row != paired[at]:
                assert partners[row] == paired[at] and again[at] == turns[list(rows).index(row)]
    recipe = Recipe("simplecnn", 1, batch=12, pairs=True)
    same = replace(examples, pixels=base.pixels[[*range(30), *range(10)]])  # translations that change nothing
    rows, turns = batch_rows(40, 12, 0, 0)
    paired, _, like, _ = beside_sources(rows, turns, same)
    images = step_batch(same, recipe, CPU, 0, 0)["images"]
    pairs = [(at, list(paired).index(row)) for at, row in enumerate(like) if row != paired[at]]
    assert pairs and all(torch.equal(images[one], images[other]) for one, other in pairs)
    plain = step_batch(replace(same, partners=None), recipe, CPU, 0, 0)["images"]
    assert not torch.equal(plain, images)
    turned = base.pixels[:10, ::-1].copy()  # as the sources were when the added scans were made
    again = replace(same, pixels=np.concatenate([base.pixels[:30], turned]))
    images, given = (
        step_batch(one, recipe, CPU, 0, 0)["images"] for one in (again, replace(again, given=turned))
    )
    assert not any(torch.equal(images[one], images[other]) for one, other in pairs)
    assert all(torch.equal(given[one], given[other]) for one, other in pairs)


def test_what_a_network_sees_of_a_pair_may_differ_where_it_tells_their_classes_apart_alone():
    """By hand: one direction tells the classes apart, the others count; a share, whatever the scale."""
    last = torch.nn.Linear(3, 2)
    last.weight.data = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])  # classes differ along the first alone
    labels, partner = torch.tensor([0, 1, 1, 0]), torch.tensor([-1, 0, -1, -1])

    def of(source: list[float], made: list[float], times: float = 1.0) -> float:
        seen = times * torch.tensor([source, made, [9.0, 9, 9], [-7.0, 0, 1]])
        return float(unlikeness(seen, last, labels, partner))

    assert of([5.0, 1, 1], [-5.0, 1, 1]) == 0, "as different as can be, but in their class alone"
    assert of([1.0, 2, 0], [1.0, 0, 0]) == pytest.approx(4 / 6) == of([1.0, 2, 0], [1.0, 0, 0], 30.0)
    assert of([0.0, 1, 0], [0.0, -1, 0]) == pytest.approx(2), "nothing in common"
    nobody = torch.full_like(partner, -1)
    assert float(unlikeness(torch.rand(4, 3), last, labels, nobody)) == 0
    same = torch.tensor([0, 0, 1, 1])  # where both are of one class, everything counts
    assert float(unlikeness(torch.eye(3)[[0, 1, 1, 1]], last, same, partner)) == pytest.approx(1)


def test_pairs_that_are_to_be_seen_alike_are():
    """Brightened copies of one class under the other's label: what is left of the difference becomes less."""
    base = spots(32)
    labels = np.array([0] * 16 + [1] * 16)
    brighter = base.pixels[:16] // 2 + 100
    examples = replace(
        base,
        pixels=np.concatenate([base.pixels[:16], brighter]),
        labels=labels,
        real=16,
        partners=np.array([-1] * 16 + list(range(16))),
    )
    recipe = Recipe("simplecnn", 12, batch=16, pairs=True, recalibration=0, average=0)
    given = step_batch(examples, replace(recipe, consistency=1.0), CPU, 0, 5)
    assert (given["partner"] >= 0).sum() >= 4
    left = []
    for weight in (0.0, 20.0):
        network = fit(examples, 2, replace(recipe, consistency=weight), CPU, 5).network
        last = head(network)
        with torch.no_grad(), reading(last) as seen:
            network(given["images"])
        left.append(float(unlikeness(seen[0], last, given["labels"], given["partner"])))
    assert left[1] < 0.5 * left[0]


@pytest.mark.long
def test_refitting_changes_the_last_layer_alone_and_lifts_the_rare_class():
    """Ten bright spots above among a hundred below: features stay, the rare class is answered more often."""
    base, recipe = spots(220), Recipe("simplecnn", 12, batch=16, recalibration=0)
    rows = np.r_[np.flatnonzero(base.labels == 0)[:100], np.flatnonzero(base.labels == 1)[:10]]
    few = Examples(base.pixels[rows], base.labels[rows], [base.keys[row] for row in rows])
    before, after, again = (
        fit(few, 2, replace(recipe, refit=steps), CPU, 0).network for steps in (0, 40, 40)
    )
    last = {id(parameter) for parameter in head(after).parameters()}
    for (name, new), old, same in zip(
        after.named_parameters(), before.parameters(), again.parameters(), strict=True
    ):
        assert torch.equal(new, same), "twice the same"
        assert torch.equal(new, old) == (id(new) not in last), name
    test = spots(60, seed=3)
    chance = [predict(network, test.pixels, CPU)[test.labels == 1, 1].mean() for network in (before, after)]
    assert chance[1] > chance[0]


def test_refitting_sees_the_own_scans_alone_and_classes_alike_often():
    labels = np.array([0] * 50 + [2] * 7)
    batches = [balanced_rows(labels, 16, step, 3) for step in range(30)]
    drawn = np.concatenate([rows for rows, _ in batches])
    shown = np.concatenate([turns for _, turns in batches])
    assert (labels[drawn] == 0).sum() == (labels[drawn] == 2).sum() == 240
    assert len(set(zip(drawn.tolist(), shown.tolist(), strict=True))) == 480, "no scan in the same turn twice"
    counts = np.bincount(drawn, minlength=57)
    assert np.ptp(counts[:50]) <= 1 and np.ptp(counts[50:]) <= 1

    # an added scan with the only label of its class is never shown
    base = spots(20)
    mixed = Examples(base.pixels, np.r_[base.labels[:19], 1], base.keys, real=19)
    network = models.build("simplecnn", 2, "none", 0).eval()
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            train, "augment", lambda given, rows, *rest: seen.extend(rows) or augment(given, rows, *rest)
        )
        refit(network, mixed, replace(PLAIN, refit=6, batch=8), CPU, 0)
    assert set(seen) == set(range(19))
