"""The translator: mathematics of the step, exact resume, refusals."""

import copy
import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from bus.cli.terminal import Terminal
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.core.progress import Interrupted, listening
from bus.data.study import Study, open_or_create
from bus.gan import losses, train
from bus.gan.config import configure
from bus.gan.cyclegan import CycleGAN, rate
from bus.gan.discriminators import Discriminator, Eyes, FrozenDepths, augment
from bus.gan.scores import distances
from bus.gan.train import train_gan
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)


# every switch of the translator at once, so that exact resume is shown for all of them
ALL_ON = {
    "noise": 3,
    "discriminator": "both",
    "buffer": 6,
    "phantoms": 0.25,
    "identity": 4.0,
    "augmentation": True,
}


def config_of(study, method="published", **changes):
    config = configure(study, CPU, fold=0, target="malignant", seed=0, preset="demo", pairs=16, method=method)
    return replace(config, **{"channels": 4, "blocks": 1, "buffer": 6, **changes})


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


@pytest.mark.parametrize(("kind", "maps"), [("patch", 1), ("projected", 4), ("both", 5)])
def test_a_discriminator_scores_every_map_that_its_eyes_give(kind, maps):
    seen = Eyes(kind, 128)(torch.rand(2, 1, 64, 64))
    fields = Discriminator(kind, 4, 64)(seen)
    assert len(seen) == len(fields) == maps
    assert all(field.shape[:2] == (2, 1) for field in fields)


def test_the_frozen_network_stays_frozen_and_passes_gradients():
    eyes = FrozenDepths(128).train()
    scan = torch.rand(1, 1, 64, 64, requires_grad=True)
    before = {name: tensor.clone() for name, tensor in eyes.state_dict().items()}
    maps = eyes(scan)
    assert [tuple(found.shape[1:]) for found in maps] == [(64, 32, 32), (64, 16, 16), (64, 8, 8), (64, 4, 4)]
    sum(found.square().mean() for found in maps).backward()
    assert scan.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in eyes.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in eyes.state_dict().items())


def test_augmentation_without_draws_only_cuts_the_middle_and_shifts_as_asked():
    scan = torch.linspace(-1, 1, 32).repeat(32, 1).view(1, 1, 32, 32)
    still = augment(scan, torch.zeros(1, 6))
    assert (still[0, 0, 12:21, 12:21] == 0).all(), "a square of 5/16 of the side is grey"
    assert torch.equal(still[..., :11, :], scan[..., :11, :])
    corner = torch.tensor([[0.0, 0.0, 0.5, -1.0, -1.0, -1.0]])  # 2 px down, 4 px left, square in the corner
    moved = augment(scan, corner)
    assert torch.equal(moved[0, 0, 10:30, 10:], scan[0, 0, 12:, 6:28])
    assert (moved[0, 0, 30:, 10:] == -1).all(), "black comes in"


def test_losses_match_their_formulas():
    on_real, on_fake = torch.tensor([0.5, 1.5]), torch.tensor([0.2, -0.4])
    assert float(losses.generator_adversarial([on_fake], "least-squares")) == pytest.approx(
        (0.8**2 + 1.4**2) / 2
    )
    assert float(losses.call_real([on_real], "least-squares")) == pytest.approx(0.125)
    assert float(losses.call_fake([on_fake], "least-squares")) == pytest.approx((0.04 + 0.16) / 4)
    assert float(losses.generator_adversarial([on_fake, on_fake], "hinge")) == pytest.approx(2 * 0.1)
    assert float(losses.call_real([on_real], "hinge")) == pytest.approx(0.25)
    assert float(losses.call_fake([on_fake], "hinge")) == pytest.approx((1.2 + 0.6) / 2)
    assert float(losses.reconstruction(on_real, on_fake)) == pytest.approx((0.3 + 1.9) / 2)


def test_the_rate_is_constant_and_then_falls_to_zero():
    assert [rate(step, 100) for step in (0, 49, 50)] == [1, 1, 1]
    assert rate(75, 100) == pytest.approx(0.5)
    assert rate(99, 100) == pytest.approx(0.02)


def test_a_merged_step_equals_the_published_separate_passes(study):
    """Float32: from each of five states, one step gives the losses of passes one scan at a time."""
    config = config_of(study, average=0.0, buffer=0)
    merged, separate = CycleGAN(config, CPU), CycleGAN(config, CPU)
    plain = dict(separate.networks)
    rng = np.random.default_rng(0)
    for step in range(5):
        source, target = (torch.from_numpy(rng.uniform(-1, 1, (2, 1, 32, 32))).float() for _ in range(2))
        separate.networks = plain
        separate.restore(copy.deepcopy(merged.state()))
        separate.networks = {name: OneByOne(network) for name, network in plain.items()}
        first = merged.step(source, target, np.random.default_rng(step))
        second = separate.step(source, target, np.random.default_rng(step))
        assert first == pytest.approx(second, rel=1e-5)


class OneByOne(torch.nn.Module):
    """Passes every scan of a batch through a network by itself."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, noise=None):
        if isinstance(x, list):  # the maps that a discriminator looks at
            rows = [self.network([part[row : row + 1] for part in x]) for row in range(len(x[0]))]
            return [torch.cat(field) for field in zip(*rows, strict=True)]
        return torch.cat([self.network(scan) for scan in x.split(1)])


def plain_losses(model, real, rng):
    """The adversarial losses of a step by the book: each side by itself, before its own discriminator."""

    def look(scans):
        draws = torch.from_numpy(rng.uniform(-1, 1, (2 * len(scans["target"]), 6)).astype(np.float32)).chunk(
            2
        )
        return {
            side: model.eyes(augment(scans[side], draw))
            for side, draw in zip(("target", "source"), draws, strict=True)
        }

    judges = {side: copy.deepcopy(model.networks[f"discriminator_{side}"]) for side in ("target", "source")}
    fakes = {
        "target": model.networks["to_target"](real["source"]),
        "source": model.networks["to_source"](real["target"]),
    }
    seen, total = look(fakes), 0.0
    fooled = sum(-field.mean() for side, judge in judges.items() for field in judge(seen[side]))
    for side, maps in look(real).items():
        for field in judges[side]([torch.cat(pair) for pair in zip(maps, seen[side], strict=True)]):
            on_real, on_fake = field.chunk(2)
            total = total + torch.relu(1 - on_real).mean() + torch.relu(1 + on_fake).mean()
    return float(fooled), float(total)


@pytest.mark.parametrize("swapped", [False, True])
def test_each_discriminator_sees_its_own_side(study, swapped):
    """One augmented step with pixels and frozen depths: sides swapped before the discriminators show."""
    model = CycleGAN(config_of(study, "projected", buffer=0, identity=0.0), CPU)
    assert (model.config.discriminator, model.config.adversarial) == ("both", "hinge")
    ramp = torch.linspace(-1, 1, 2 * 32 * 32).view(2, 1, 32, 32)
    real = {"source": ramp, "target": ramp.square() - 0.9}
    with torch.no_grad():
        expected = plain_losses(model, real, np.random.default_rng(0))
    if swapped:
        names = ("discriminator_target", "discriminator_source")
        model.networks |= dict(zip(names, [model.networks[name] for name in reversed(names)], strict=True))
    found = model.step(real["source"], real["target"], np.random.default_rng(0))
    close = pytest.approx(expected, rel=1e-4)
    assert ((found["adversarial"], found["discriminators"]) == close) is not swapped


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_cycles_at_once_give_the_same_weights_as_one_after_another(study, precision):
    """Bit for bit, every switch on, whatever the caller's threads: in turn, and two threads side by side."""
    chosen = config_of(study, "projected", **ALL_ON)
    alone, beside = (
        CycleGAN(replace(chosen, precision=precision), Compute("cpu", precision, threads))
        for threads in (1, 2)
    )
    before = torch.get_num_threads()
    for step in range(4):
        batch = [
            torch.from_numpy(np.random.default_rng((step, side)).uniform(-1, 1, (2, 1, 32, 32))).float()
            for side in range(2)
        ]
        found = []
        for model in (alone, beside):
            torch.set_num_threads(model.compute.threads)
            found.append(model.step(*batch, np.random.default_rng(step)))
        assert found[0] == found[1]
    torch.set_num_threads(before)
    first, second = leaves(alone.state()), leaves(beside.state())
    assert len(first) == len(second) > 100
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


def leaves(state):
    """Every tensor of a nested state, in order."""
    if isinstance(state, torch.Tensor):
        return [state]
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return [tensor for part in parts for tensor in leaves(part)]


def test_the_buffer_swaps_fresh_scans_for_earlier_ones(study):
    """Three places, batches of four: shown and kept is what a list of numbers would do, draw for draw."""
    model = CycleGAN(config_of(study, buffer=3), CPU)
    rng, same, kept = np.random.default_rng(0), np.random.default_rng(0), []
    swaps = 0
    for batch in range(12):
        numbers = [float(4 * batch + row) for row in range(4)]
        fresh = torch.tensor(numbers).view(4, 1, 1, 1).expand(4, 1, 32, 32).clone()
        shown = []
        for number in numbers:
            shown.append(number)
            if len(kept) < 3:
                kept.append(number)
            elif same.random() < 0.5:
                place = same.integers(3)
                shown[-1], kept[place] = kept[place], number
                swaps += 1
        out = model._replay("target", fresh, rng)
        assert all((scan == scan.flatten()[0]).all() for scan in [*out, *model.buffers["target"]])
        assert out[:, 0, 0, 0].tolist() == shown
        assert model.buffers["target"][:, 0, 0, 0].tolist() == kept
        assert fresh[:, 0, 0, 0].tolist() == numbers, "the caller's scans stay"
    assert swaps > 10 and not len(model.buffers["source"])


@pytest.mark.parametrize(
    "changes",
    [{}, {"method": "projected", **ALL_ON}, {"preset": "quick"}],
    ids=["published", "everything on", "with distances"],
)
def test_resumed_training_equals_uninterrupted_training(study, monkeypatch, changes):
    monkeypatch.setattr(train, "PHANTOM_PAIRS", 4)
    monkeypatch.setattr(train, "SHEET_EVERY", 1)
    monkeypatch.setitem(distances.CLEAR, "kid", -np.inf)  # so few scans would never be normalised
    config = config_of(study, **changes)
    translator = train.train(study, config, CPU)
    whole = translator.folder
    weights = (whole / "generator.safetensors").read_bytes()
    metrics = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [{"kid", "kid_spread"} <= set(line) for line in metrics] == [config.preset != "demo"] * 4
    shutil.rmtree(whole)
    steps = CycleGAN.step

    def stopping(self, *args):
        if self.step_number == 2:
            signal.raise_signal(signal.SIGINT)
        return steps(self, *args)

    monkeypatch.setattr(CycleGAN, "step", stopping)
    with listening(Terminal()), pytest.raises(Interrupted, match="run the same command again"):
        train.train(study, config, CPU)
    assert not translator.is_done
    monkeypatch.setattr(CycleGAN, "step", steps)
    train.train(study, config, CPU)
    assert (whole / "generator.safetensors").read_bytes() == weights
    again = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [{**line, "seconds": 0} for line in again] == [{**line, "seconds": 0} for line in metrics]


def test_a_translator_grows_from_a_smaller_side_and_resumes_at_either(tmp_path, monkeypatch):
    """Stopped within the smaller training and within its own, it ends with the same weights."""
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=60)
    config = configure(
        study,
        CPU,
        fold=0,
        target="malignant",
        seed=0,
        preset="demo",
        pairs=12,
        changes={"from_size": "32", "channels": "4", "blocks": "1", "discriminator": "patch"},
    )
    assert (config.smaller.size, config.smaller.pairs, config.smaller.from_size) == (32, 6, 0)
    translator = train.train(study, config, CPU)
    weights = (translator.folder / "generator.safetensors").read_bytes()
    small, large = translator.smaller.load("cpu").state_dict(), CycleGAN(config, CPU)
    large.begin_from({"to_target": small})
    assert torch.equal(large.networks["to_target"].state_dict()["enter.6.weight"], small["enter.6.weight"])

    shutil.rmtree(translator.folder)
    steps = CycleGAN.step

    def stopping(self, *args):
        if (self.config.size, self.step_number) in stops:
            stops.remove((self.config.size, self.step_number))
            signal.raise_signal(signal.SIGINT)
        return steps(self, *args)

    stops = [(32, 1), (64, 1)]
    monkeypatch.setattr(CycleGAN, "step", stopping)
    for _ in range(2):
        with listening(Terminal()), pytest.raises(Interrupted):
            train.train(study, config, CPU)
    train.train(study, config, CPU)
    assert not stops and (translator.folder / "generator.safetensors").read_bytes() == weights


def test_the_averaged_generator_follows_slowly(study):
    model = CycleGAN(config_of(study, average=0.9), CPU)
    before = [parameter.clone() for parameter in model.averaged.parameters()]
    source = torch.rand(2, 1, 32, 32) * 2 - 1
    model.step(source, -source, np.random.default_rng(0))
    trained, averaged = model.networks["to_target"].parameters(), model.averaged.parameters()
    for old, new, mean in zip(before, trained, averaged, strict=True):
        assert torch.allclose(mean, old + (new - old) * (1 - 2 / 11), atol=1e-6)


def test_other_options_are_refused_and_redo_sets_the_old_aside(study):
    config = config_of(study)
    assert train_gan(study, config, CPU)
    assert not train_gan(study, config, CPU)
    other = replace(config, cycle=5.0)
    with pytest.raises(UsageError, match=r"cycle 10\.0 there, 5\.0 asked.*--redo"):
        train_gan(study, other, CPU)
    assert train_gan(study, other, CPU, redo=True)
    assert (study.path / "aside/1/fold-0/gan/malignant/seed-0/DONE").exists()


def test_a_damaged_checkpoint_is_named_and_runs_no_code(study, tmp_path):
    config = config_of(study)
    folder = Translator(study, 0, "malignant", 0).folder
    folder.mkdir(parents=True)
    proof = tmp_path / "proof"

    class Hostile:
        def __reduce__(self):
            return (proof.write_text, ("ran",))

    torch.save({"model": Hostile()}, folder / "checkpoint.pt")
    with pytest.raises(BusError, match=r"checkpoint\.pt is damaged"):
        train.train(study, config, CPU)
    assert not proof.exists()


def test_a_diverging_loss_stops_the_training(study, monkeypatch):
    monkeypatch.setattr(losses, "reconstruction", lambda first, second: (first - second).sum() * float("nan"))
    with pytest.raises(
        BusError, match=r"diverged at step 0: the loss .* is nan\. There was no checkpoint yet\. Start anew"
    ):
        train.train(study, config_of(study), CPU)


@pytest.mark.parametrize(
    ("pairs", "at"), [(28, 5), (16, 3)], ids=["a checkpoint is due", "the training ends"]
)
@pytest.mark.parametrize("spoilt", ["loss", "to_source", "averaged"])
def test_what_cannot_come_back_never_replaces_the_good_checkpoint(study, monkeypatch, spoilt, pairs, at):
    """Checkpoints after steps 3 and 6 of these; step `at` leaves a huge loss, or weights that are none."""
    steps, good = CycleGAN.step, {}
    folder = Translator(study, 0, "malignant", 0).folder

    def spoiling(self, *args):
        found = steps(self, *args)
        if self.step_number - 1 != at:
            return found
        good["bytes"] = (folder / "checkpoint.pt").read_bytes()
        if spoilt == "loss":
            return {**found, "generators": 1e5}
        weights = next({**self.networks, "averaged": self.averaged}[spoilt].parameters())
        weights.data.view(-1)[0] = float("nan")
        return found

    monkeypatch.setattr(CycleGAN, "step", spoiling)
    words = (
        "the loss generators is 1e\\+05"
        if spoilt == "loss"
        else f"weights of the network {spoilt} are not finite"
    )
    with pytest.raises(
        BusError, match=rf"diverged at step {at}: {words}\. The last good checkpoint in .* is kept\."
    ):
        train.train(study, config_of(study, pairs=pairs), CPU)
    assert (folder / "checkpoint.pt").read_bytes() == good["bytes"]
    assert not (folder / "DONE").exists() and not (folder / "generator.safetensors").exists()


def test_spoilt_weights_are_no_first_checkpoint_either(study):
    translator, config = Translator(study, 0, "malignant", 0), config_of(study)
    translator.write_config(config)
    run = train.Run(translator, CycleGAN(config, CPU), {})
    next(run.model.networks["discriminator_target"].parameters()).data.fill_(float("inf"))
    with pytest.raises(BusError, match=r"discriminator_target are not finite\. There was no checkpoint yet"):
        train._checkpoint(run)
    assert not translator.checkpoint.exists()
