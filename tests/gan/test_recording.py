"""Recorded steps: what they read and leave, with a stand-in for the card; on a card, launched ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bus.core.compute import Compute
from bus.core.recorded import WARM
from bus.gan.config import configure
from bus.gan.cyclegan import CycleGAN
from bus.gan.recording import Recording

STEPS = WARM + 4


def model_of(study, compute, **changes):
    config = configure(
        study, compute, fold=0, target="malignant", seed=0, preset="demo", pairs=4 * STEPS, method="projected"
    )
    return CycleGAN(replace(config, channels=4, blocks=1, noise=3, **changes), compute)


def steps(step, device="cpu"):
    """The losses of every step on scans and chance that the number of the step decides."""
    values = []
    for number in range(STEPS):
        rng = np.random.default_rng(number)
        scans = [torch.from_numpy(rng.uniform(-1, 1, (2, 1, 32, 32))).float().to(device) for _ in range(2)]
        values.append(step(*scans, rng).numbers())
    return values


@pytest.mark.long
def test_every_recorded_step_is_that_of_its_own_scans_draws_and_rate(study, card_for):
    cpu = Compute("cpu", "float32", 1)
    plain, run = model_of(study, cpu), Recording(model_of(study, cpu))
    card = card_for(run._work, run.model.state, run.model.restore)
    assert steps(run.step) == steps(plain.step)
    assert card.replays == STEPS - WARM and run.model.step_number == STEPS
    for name, network in plain.networks.items():
        for first, second in zip(network.parameters(), run.model.networks[name].parameters(), strict=True):
            assert torch.equal(first, second)
    averages = zip(plain.averaged.parameters(), run.model.averaged.parameters(), strict=True)
    assert all(torch.equal(first, second) for first, second in averages)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card")
def test_on_a_card_recorded_steps_are_those_that_are_launched(study):
    card = Compute("cuda", "float32", 1)
    plain, run = model_of(study, card), Recording(model_of(study, card, recorded=True))
    launched, replayed = steps(plain.step, "cuda"), steps(run.step, "cuda")
    for first, second in zip(launched, replayed, strict=True):
        assert first == pytest.approx(second, rel=1e-3)
