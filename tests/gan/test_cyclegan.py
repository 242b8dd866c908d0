"""The translator: mathematics of the step, exact resume, refusals."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from bus.compute import Compute
from bus.console import Interrupted
from bus.data.study import Study
from bus.errors import BusError, UsageError
from bus.gan import losses, train
from bus.gan.cyclegan import CycleGAN, rate
from bus.gan.networks import Generator, PatchDiscriminator, patch_layers
from bus.gan.workflow import train_gan

CPU = Compute("cpu", "float32", 1)


def config_of(study, **changes):
    config = train.configure(study, CPU, fold=0, target="malignant", seed=0, preset="demo", pairs=16)
    return replace(config, **{"channels": 4, "blocks": 1, "buffer": 6, **changes})


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


@pytest.mark.parametrize(("size", "patch"), [(32, 16), (64, 34), (128, 70), (256, 70)])
def test_patches_have_the_published_receptive_field_or_fit_the_scan(size, patch):
    judge = PatchDiscriminator(4, size).eval()
    scan = torch.zeros(1, 1, size, size, requires_grad=True)
    # instance normalisation mixes all pixels; without it the gradient shows the receptive field
    layers = [layer for layer in judge.body if not isinstance(layer, torch.nn.InstanceNorm2d)]
    out = torch.nn.Sequential(*layers)(scan)
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    rows = scan.grad[0, 0].abs().sum(1).nonzero().ravel()
    assert int(rows.max() - rows.min()) + 1 == patch
    assert patch_layers(size) == {16: 1, 34: 2, 70: 3}[patch]


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
def test_the_generator_keeps_shape_and_range(upsampling):
    out = Generator(4, 1, upsampling)(torch.randn(2, 1, 36, 36))
    assert out.shape == (2, 1, 36, 36)
    assert out.abs().max() <= 1


def test_losses_match_their_formulas():
    on_real, on_fake = torch.tensor([0.5, 1.5]), torch.tensor([0.2, -0.4])
    assert float(losses.generator_adversarial(on_fake)) == pytest.approx((0.8**2 + 1.4**2) / 2)
    assert float(losses.discriminator_adversarial(on_real, on_fake)) == pytest.approx(0.5 * (0.25 + (0.04 + 0.16) / 2))
    assert float(losses.reconstruction(on_real, on_fake)) == pytest.approx((0.3 + 1.9) / 2)


def test_the_rate_is_constant_and_then_falls_to_zero():
    assert [rate(step, 100) for step in (0, 49, 50)] == [1, 1, 1]
    assert rate(75, 100) == pytest.approx(0.5)
    assert rate(99, 100) == pytest.approx(0.02)


def test_a_merged_step_equals_the_published_separate_passes(study):
    """Float32: from each of twenty states, one step gives the losses of passes one scan at a time."""
    config = config_of(study, average=0.0, buffer=0)
    merged, separate = CycleGAN(config, CPU), CycleGAN(config, CPU)
    plain = dict(separate.networks)
    rng = np.random.default_rng(0)
    for step in range(20):
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

    def forward(self, x):
        return torch.cat([self.network(scan) for scan in x.split(1)])


def test_resumed_training_equals_uninterrupted_training(study, tmp_path, monkeypatch):
    config = config_of(study)
    whole = train.train(study, config, CPU)
    weights = (whole / "generator.safetensors").read_bytes()
    metrics = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    shutil.rmtree(whole)
    steps = CycleGAN.step

    def stopping(self, *args):
        if self.step_number == 2:
            import signal

            signal.raise_signal(signal.SIGINT)
        return steps(self, *args)

    monkeypatch.setattr(CycleGAN, "step", stopping)
    with pytest.raises(Interrupted, match="run the same command again"):
        train.train(study, config, CPU)
    assert not train.is_done(whole)
    monkeypatch.setattr(CycleGAN, "step", steps)
    train.train(study, config, CPU)
    assert (whole / "generator.safetensors").read_bytes() == weights
    again = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [{**line, "seconds": 0} for line in again] == [{**line, "seconds": 0} for line in metrics]


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
    folder = study.gan_path(0, "malignant", 0)
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
    with pytest.raises(BusError, match="diverged at step 0"):
        train.train(study, config_of(study), CPU)


def test_unknown_presets_are_refused(study):
    with pytest.raises(UsageError, match="demo, quick, standard, paper"):
        train.configure(study, CPU, fold=0, target="malignant", seed=0, preset="fast")


def test_paper_counts_epochs_and_takes_the_published_architecture(study):
    config = train.configure(study, CPU, fold=0, target="malignant", seed=0, preset="paper")
    sources = study.rows_of(study.train(0), ["benign", "normal"])
    assert config.pairs == 200 * len(sources)
    assert (config.batch, config.channels, config.blocks, config.upsampling) == (1, 64, 6, "transposed")
