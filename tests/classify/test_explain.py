"""Grad-CAM against hand and slow computations; heat lies where a network looks; shares of it in a region."""

import numpy as np
import pytest
import torch
from bus.classify.augmentation import Examples
from bus.classify.catalogue import LITE0, MODELS
from bus.classify.explain import BATCH, coarse_maps, enlarge, grad_cam, layer_for
from bus.classify.models import build
from bus.classify.recipe import Recipe
from bus.classify.train import fit, predict
from bus.core.compute import Compute
from torch import nn

CPU = Compute("cpu", "float32", 1)


def noise(count, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, size, size)).astype(np.uint8)


class Pooled(nn.Module):
    """Two fixed channels, global average pooling, one linear layer: Grad-CAM is Σ w·A / cells, by hand."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(1, 2, 1, bias=False)
        self.classifier = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            self.classifier.weight.copy_(torch.tensor([[3.0, 1.0], [-2.0, 4.0]]))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def test_by_hand():
    image = torch.tensor([[0.0, 1.0], [2.0, -3.0]]).view(1, 1, 2, 2)
    network = Pooled().eval()
    first = grad_cam(network, network.features, image, torch.tensor([0]))
    second = grad_cam(network, network.features, image, torch.tensor([1]))
    assert first[0].tolist() == [[0, 0.5], [1.0, 0]]  # (3 − 1) / 4 · x, cut at 0
    assert second[0].tolist() == [[0, 0], [0, 4.5]]  # (−2 − 4) / 4 · x, cut at 0
    assert not network.features._forward_hooks


def test_against_finite_differences():
    """The weights of the channels are the mean slopes of the logit: nudge a whole channel, watch the logit.

    All channels but 16 are silenced, which takes them out of the sum and makes the test fast.
    """
    network = build("resnet18", 3, "none", 1).eval().double()
    layer, images = layer_for(network, 32), torch.from_numpy(noise(2)).double().div(255).unsqueeze(1)
    classes, found = torch.tensor([2, 0]), {}

    def logits(shift=None):
        def nudge(module, given, output):
            found["activation"] = output.detach()
            return output if shift is None else output + shift

        handle = layer.register_forward_hook(nudge)
        with torch.no_grad():
            out = network(images).gather(1, classes[:, None])[:, 0]
        handle.remove()
        return out

    silence = torch.arange(128).view(1, -1, 1, 1) < 16
    layer.register_forward_hook(lambda module, given, output: output * silence)
    logits()
    activation, step = found["activation"], 1e-6
    slopes = []
    for channel in range(16):
        shift = torch.zeros_like(activation)
        shift[:, channel] = step
        slopes.append((logits(shift) - logits(-shift)) / (2 * step) / activation[0, 0].numel())
    oracle = torch.relu((torch.stack(slopes, 1)[..., None, None] * activation[:, :16]).sum(1))
    made = grad_cam(network, layer, images, classes)
    assert made.dtype == torch.float64
    assert made.shape == (2, 4, 4)
    assert oracle.max() > 0
    assert torch.allclose(made, oracle, rtol=1e-3, atol=1e-3 * float(oracle.max()))


def test_without_averaging_the_heat_adds_up_to_the_logit():
    """After SimpleCNN's last convolution all is linear: no part negative, the sum is logit − bias."""
    network = build("simplecnn", 3, "none", 1).eval()
    network.classifier.weight.data.abs_()
    images, classes = torch.from_numpy(noise(3)).float().div(255).unsqueeze(1), torch.tensor([2, 0, 1])
    made = grad_cam(network, layer_for(network, 32), images, classes, average=False)
    with torch.no_grad():
        logits = network(images).gather(1, classes[:, None])[:, 0] - network.classifier.bias[classes]
    assert torch.allclose(made.sum((1, 2)), logits, rtol=1e-4)
    pooled = Pooled()
    for number in (0, 1):  # a head that averages makes both alike
        both = [
            grad_cam(pooled, pooled.features, images, torch.full((3,), number), average=way)
            for way in (True, False)
        ]
        assert torch.allclose(*both)


def heat_of(network, pixels, classes):
    """Heat of one class for every square, as large as the square."""
    return enlarge(coarse_maps(network, pixels, classes, "cpu"), pixels.shape[-1])


def share_inside(heat, region):
    """The share of a scan's heat that lies in a region; None where there is no heat."""
    return heat[region].sum() / heat.sum() if heat.any() else None


def test_heat_lies_where_a_head_reads():
    """SimpleCNN with a head that reads the lower left quarter alone, on scans full of noise."""
    network = build("simplecnn", 2, "none", 0).eval()
    weight = network.classifier.weight.data.view(2, 256, 10, 10)
    read = weight[1, :, 6:, :4].abs()
    weight.zero_()
    weight[1, :, 6:, :4] = read
    heat = heat_of(network, noise(4, 64), [1] * 4)
    quarter = np.zeros((64, 64), bool)
    quarter[32:, :32] = True
    assert heat.max(axis=(1, 2)).tolist() == [1] * 4
    assert min(share_inside(one, quarter) for one in heat) > 0.9


def patches(count, seed=0):
    """Two classes of noise with a patch somewhere, told apart by its texture alone; where the patches lie."""
    rng = np.random.default_rng(seed)
    labels, pixels = np.arange(count) % 2, rng.integers(60, 120, (count, 64, 64)).astype(np.uint8)
    places = np.zeros(pixels.shape, bool)
    checks = np.where((np.add.outer(np.arange(16), np.arange(16)) // 4) % 2, 220, 20)
    for row, (top, left) in enumerate(rng.integers(8, 40, (count, 2))):
        places[row, top : top + 16, left : left + 16] = True
        pixels[row, top : top + 16, left : left + 16] = (
            rng.integers(0, 255, (16, 16)) if labels[row] else checks
        )
    return Examples(pixels, labels.astype(np.int64), list(range(count))), places


@pytest.mark.slow
def test_a_network_that_learnt_to_look_at_patches_is_explained_by_them():
    network = fit(patches(64)[0], 2, Recipe("resnet18", 80, batch=8), CPU, seed=0).network
    test, places = patches(20, seed=1)
    answers = predict(network, test.pixels, CPU).argmax(1)
    assert (answers == test.labels).mean() > 0.8
    heat = heat_of(network, test.pixels, answers)
    assert (heat.shape, heat.dtype) == ((20, 64, 64), np.float32)
    shares = [
        share
        for one, place in zip(heat, places, strict=True)
        if (share := share_inside(one, place)) is not None
    ]
    assert len(shares) > 10
    assert np.mean(shares) > 2 * places.mean(), (
        f"{np.mean(shares):.2f} of the heat where {places.mean():.2f} is chance"
    )


@pytest.mark.parametrize("model", ["simplecnn", "resnet18"])
def test_the_batch_changes_nothing_and_twice_is_the_same(model):
    network, pixels = build(model, 3, "none", 0).eval(), noise(BATCH + 3)
    classes = np.arange(len(pixels)) % 3
    whole = coarse_maps(network, pixels, classes, "cpu")
    single = np.concatenate(
        [
            coarse_maps(network, pixels[row : row + 1], classes[row : row + 1], "cpu")
            for row in range(len(pixels))
        ]
    )
    assert np.abs(whole.astype(int) - single).max() <= 1, "apart from the last bit of a byte"
    assert (whole == coarse_maps(network, pixels, classes, "cpu")).all()
    assert whole.dtype == np.uint8
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.long
def test_maps_have_cells_enough():
    for model in (*MODELS, LITE0):
        network = build(model, 2, "none", 0).eval()
        sides = [coarse_maps(network, noise(1, size), [1], "cpu").shape[1] for size in (32, 64, 256)]
        assert sides[:2] == ([8, 8] if model == LITE0 else [4, 8]) and sides[2] >= 7


def test_a_scan_without_heat_gives_zeros():
    network = build("simplecnn", 2, "none", 0).eval()
    for parameter in network.parameters():
        parameter.data.zero_()
    heat = heat_of(network, noise(2), [0, 1])
    assert not heat.any()


def test_enlarging_keeps_places_and_range():
    maps = np.zeros((1, 4, 4), np.uint8)
    maps[0, 3, 0] = 255
    heat = enlarge(maps, 32)[0]
    assert np.unravel_index(heat.argmax(), heat.shape)[0] >= 24
    assert heat[:16, 16:].max() == 0
    assert heat.max() == 1


@pytest.mark.long
@pytest.mark.parametrize(("size", "side"), [(32, 4), (64, 8), (128, 8)])
def test_vgg16_of_the_ablation_has_heat_too(size, side):
    network = build("vgg16", 3, "none", 0).eval()
    assert grad_cam(
        network, layer_for(network, size), torch.rand(1, 1, size, size), torch.tensor([1])
    ).shape == (1, side, side)
