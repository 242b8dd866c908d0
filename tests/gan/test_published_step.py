"""The optimised step is the published one: an independent plain implementation is the oracle."""

import copy
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bus.core.compute import Compute
from bus.gan.config import METHODS, PRESETS, GanConfig
from bus.gan.cyclegan import CycleGAN

spec = spec_from_file_location("plain", Path(__file__).parents[1] / "speed" / "plain.py")
assert spec is not None and spec.loader is not None
plain: Any = module_from_spec(spec)
spec.loader.exec_module(plain)

CPU = Compute("cpu", "float32", 1)
STEPS = 8


def published(**changes: Any) -> GanConfig:
    """The preset paper, small: 32 px, 4 channels, one block, two pairs a step; 1,000 steps at one rate."""
    switches = replace(PRESETS["paper"].on(METHODS["published"]), channels=4, blocks=1, batch=2)
    config = GanConfig(
        target="malignant",
        sources=("benign",),
        fold=0,
        seed=0,
        size=32,
        preset="paper",
        method="published",
        pairs=4_000,
        **vars(switches),
        precision="float32",
        threads=1,
        device="cpu",
        training_pixels="",
    )
    return replace(config, **changes)


class PatchOnly(torch.nn.Module):
    """The published discriminator inside ours: pixels in, one field of scores out."""

    def __init__(self, discriminator: torch.nn.Module) -> None:
        super().__init__()
        self.inside = discriminator

    def forward(self, scans: torch.Tensor) -> torch.Tensor:
        return self.inside([scans])[0]


def pair(config: GanConfig) -> tuple[CycleGAN, Any]:
    """Our translator and the plain one with the same weights."""
    ours = CycleGAN(config, CPU)
    networks = copy.deepcopy(ours.networks)
    judges = [PatchOnly(networks[f"discriminator_{side}"]) for side in ("target", "source")]
    return ours, plain.PublishedStep(networks["to_target"], networks["to_source"], *judges)


def scans(rng: np.random.Generator, batch: int) -> list[torch.Tensor]:
    return [torch.from_numpy(rng.uniform(-1, 1, (batch, 1, 32, 32))).float() for _ in range(2)]


def test_steps_of_the_published_batch_stay_within_rounding() -> None:
    """Float32, one pair a step, STEPS steps on, each side going on from its own weights."""
    ours, theirs = pair(published(batch=1))
    rng = np.random.default_rng(0)
    for step in range(STEPS):
        batch = scans(rng, 1)
        assert ours.step(*batch, rng).numbers() == pytest.approx(theirs(*batch), rel=1e-5), f"step {step}"
    (scan, _), made = scans(rng, 1), (theirs.to_b, theirs.to_a)
    for side, network in zip(("to_target", "to_source"), made, strict=True):
        torch.testing.assert_close(ours.networks[side](scan), network(scan), rtol=0, atol=1e-5)


def test_every_step_of_a_larger_batch_agrees_from_the_same_state() -> None:
    """Float32, two pairs a step: from STEPS states in turn.

    Adam divides gradients by their size, so that rounding in the smallest of them grows over the steps; from
    one state to the next it stays below 1e-5.
    """
    ours, theirs = pair(published())
    rng = np.random.default_rng(0)
    for step in range(STEPS):
        batch = scans(rng, 2)
        set_state(theirs, ours)
        assert ours.step(*batch, rng).numbers() == pytest.approx(theirs(*batch), rel=1e-5), f"step {step}"


def set_state(theirs: Any, ours: CycleGAN) -> None:
    state = copy.deepcopy(ours.state())
    places = {
        "to_target": theirs.to_b,
        "to_source": theirs.to_a,
        "discriminator_target": theirs.judge_b.inside,
        "discriminator_source": theirs.judge_a.inside,
    }
    for name, network in places.items():
        network.load_state_dict(state["networks"][name])
    for optimiser, name in ((theirs.generators, "generators"), (theirs.judges, "discriminators")):
        optimiser.load_state_dict(state["optimisers"][name])


def test_in_double_precision_the_steps_are_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of the difference in float32 is rounding: with 29 more bits it is gone."""
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)  # the losses ask for float32
    config = published()
    ours = CycleGAN(config, CPU)
    for network in ours.networks.values():
        network.double()
    ours.averaged.double()
    networks = copy.deepcopy(ours.networks)
    judges = [PatchOnly(networks[f"discriminator_{side}"]) for side in ("target", "source")]
    theirs = plain.PublishedStep(networks["to_target"], networks["to_source"], *judges)
    ours.buffers = {side: kept.double() for side, kept in ours.buffers.items()}
    rng = np.random.default_rng(0)
    for step in range(STEPS):
        batch = [torch.from_numpy(rng.uniform(-1, 1, (2, 1, 32, 32))) for _ in range(2)]
        assert ours.step(*batch, rng).numbers() == pytest.approx(theirs(*batch), rel=1e-9), f"step {step}"


def test_another_weight_would_be_noticed() -> None:
    ours, theirs = pair(published(cycle=10.001))
    some = torch.linspace(-1, 1, 2 * 32 * 32).view(2, 1, 32, 32)
    found, expected = ours.step(some, -some, np.random.default_rng(0)).numbers(), theirs(some, -some)
    assert found["generators"] != pytest.approx(expected["generators"], rel=1e-5)
