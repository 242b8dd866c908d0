"""The translator: mathematics of the step, exact resume, refusals."""

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from bus.core.compute import Compute
from bus.data.study import Study
from bus.gan.config import configure
from bus.gan.cyclegan import CycleGAN, rate
from bus.gan.discriminators import augment

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


def test_the_rate_is_constant_and_then_falls_to_zero():
    assert [rate(step, 100) for step in (0, 49, 50)] == [1, 1, 1]
    assert rate(75, 100) == pytest.approx(0.5)
    assert rate(99, 100) == pytest.approx(0.02)


@pytest.mark.long
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
        first = merged.step(source, target, np.random.default_rng(step)).numbers()
        second = separate.step(source, target, np.random.default_rng(step)).numbers()
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


@pytest.mark.long
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
    found = model.step(real["source"], real["target"], np.random.default_rng(0)).numbers()
    close = pytest.approx(expected, rel=1e-4)
    assert ((found["adversarial"], found["discriminators"]) == close) is not swapped


@pytest.mark.long
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_cycles_at_once_give_the_same_weights_as_one_after_another(study, precision):
    """Bit for bit, every switch on, whatever the caller's threads: in turn, and two threads side by side."""
    chosen = config_of(study, "projected", **ALL_ON)
    alone, beside = (
        CycleGAN(replace(chosen, precision=precision), Compute("cpu", precision, threads))
        for threads in (1, 2)
    )
    before = torch.get_num_threads()
    for step in range(4 if precision == "float32" else 1):  # emulated where a processor lacks it
        batch = [
            torch.from_numpy(np.random.default_rng((step, side)).uniform(-1, 1, (2, 1, 32, 32))).float()
            for side in range(2)
        ]
        found = []
        for model in (alone, beside):
            torch.set_num_threads(model.compute.threads)
            found.append(model.step(*batch, np.random.default_rng(step)).numbers())
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


def test_the_averaged_generator_follows_slowly(study):
    model = CycleGAN(config_of(study, average=0.9), CPU)
    before = [parameter.clone() for parameter in model.averaged.parameters()]
    source = torch.rand(2, 1, 32, 32) * 2 - 1
    model.step(source, -source, np.random.default_rng(0))
    trained, averaged = model.networks["to_target"].parameters(), model.averaged.parameters()
    for old, new, mean in zip(before, trained, averaged, strict=True):
        assert torch.allclose(mean, old + (new - old) * (1 - 2 / 11), atol=1e-6)
