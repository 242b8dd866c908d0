"""Any classification network of torchvision on grey scans."""

import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from bus.classify import models as ours
from bus.classify.explain import coarse_maps
from bus.classify.torchvision_names import torchvision_names
from bus.classify.torchvision_networks import construct, deepest_map, pixels_of
from bus.core import lite, published_weights
from bus.core.errors import BusError
from torch import nn
from torchvision import models

# one of each kind, the smallest; alone densenet121, googlenet, inception_v3 and maxvit_t take a second
KINDS = ["mnasnet0_5", "mobilenet_v3_small", "regnet_y_400mf", "shufflenet_v2_x0_5", "squeezenet1_1"]

MAPS = [("mobilenet_v3_small", 8), ("squeezenet1_1", 7), ("densenet121", 8)]  # at 64 px
LARGE = {name for name in torchvision_names() if name.startswith("regnet") and not name.endswith("mf")}


@pytest.mark.parametrize("name", KINDS)
def test_the_first_layer_does_to_a_grey_scan_what_torchvisions_to_three_alike_channels(name: str) -> None:
    torch.manual_seed(0)
    grey = construct(name, 3).eval()
    torch.manual_seed(0)
    colour = models.get_model(name, num_classes=3).eval()
    scan = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(grey(scan), colour(scan.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted({*torchvision_names()} - LARGE))
@pytest.mark.slow
def test_every_network_answers_scans_of_any_side(name: str) -> None:
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # its widths are computed as tensors
        network = construct(name, 3).eval()
        assert [network(torch.rand(2, 1, side, side)).shape for side in (32, 64, 128, 256)] == [(2, 3)] * 4


def test_scans_below_the_least_side_are_enlarged_and_others_left_alone() -> None:
    network = construct("alexnet", 2)
    seen = []
    network.network.register_forward_pre_hook(lambda module, given: seen.append(given[0].shape[-1]))
    with torch.inference_mode():
        network.eval()(torch.rand(1, 1, 32, 32))
        network(torch.rand(1, 1, 96, 96))
    assert seen == [63, 96]


@pytest.mark.parametrize("name", [*KINDS, "densenet121", "googlenet"])
def test_published_weights_come_but_for_the_head(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    published = models.get_model(name, **({"init_weights": False} if name == "googlenet" else {}))
    torch.save(published.state_dict(), tmp_path / "kept.pth")
    monkeypatch.setattr(published_weights, "obtain", lambda url, **words: tmp_path / "kept.pth")
    network = construct(name, 3, imagenet=True)
    network = network.network if hasattr(network, "network") else network
    state, theirs = network.state_dict(), published.state_dict()
    first = next(key for key, tensor in theirs.items() if tensor.ndim == 4).removesuffix("weight")
    other = {key for key in state if not torch.equal(state[key], theirs[key])}
    grey = lite.grey_kernels(theirs[f"{first}weight"], theirs.get(f"{first}bias"), *pixels_of(name))
    for part, expected in zip(("weight", "bias"), grey, strict=True):
        assert expected is None or torch.equal(state[first + part], expected)
        other.discard(first + part)
    assert {state[key].shape[0] for key in other} == {3} and len(other) == 2, "of the head alone"


def test_published_weights_see_the_pixels_that_they_learned_from() -> None:
    """GoogLeNet and Inception shift ImageNet's normalised colours once more where they have their weights."""
    assert pixels_of("resnet50") == (list(lite.MEAN), list(lite.DEVIATION))
    assert [tuple(part) for part in pixels_of("efficientnet_v2_l")] == [(0.5,) * 3] * 2
    colours = torch.rand(2, 3, 16, 16)
    for name in ("googlenet", "inception_v3"):
        theirs = models.get_model(name, init_weights=False, aux_logits=False, transform_input=True)
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in pixels_of(name))
        seen = theirs._transform_input(lite.Normalise()(colours))
        assert torch.allclose(seen, (colours - mean) / deviation, atol=1e-5)


def test_published_weights_that_cannot_be_had_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(BusError, match=r"no route to host.*another machine into .*hub.*--init none"):
        ours.build("mobilenet_v3_small", 3, "imagenet", 0)


def test_first_weights_depend_on_the_seed_alone_and_their_size_is_known() -> None:
    drawn = [ours.build("shufflenet_v2_x0_5", 2, "none", seed).state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in drawn[0])
    assert not all(torch.equal(drawn[0][name], drawn[2][name]) for name in drawn[0])
    held = sum(tensor.numel() * tensor.element_size() for tensor in drawn[0].values())
    assert ours.weight_bytes("shufflenet_v2_x0_5", 2) == held


def test_no_heat_lies_on_the_scan_itself() -> None:
    network = ours.build("shufflenet_v2_x0_5", 2, "none", 0).eval()  # of 8 px its largest map has 4×4 places
    assert coarse_maps(network, np.zeros((1, 8, 8), np.uint8), [0], "cpu") is None


@pytest.mark.parametrize(("name", "side"), MAPS)
def test_heat_lies_on_the_deepest_map_with_places_enough(name: str, side: int) -> None:
    network = ours.place(ours.build(name, 2, "none", 0), name, "cpu").eval()
    squares = np.random.default_rng(0).integers(0, 256, (2, 64, 64), np.uint8)
    maps = coarse_maps(network, squares, [0, 1], "cpu")
    assert maps is not None and maps.shape == (2, side, side)


def test_a_transformer_has_no_heat() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(64, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x.mean((1, 2)))

    assert deepest_map(models.VisionTransformer(224, 32, 1, 1, 8, 8), 224, 7) is None
    squares = np.zeros((1, 64, 64), np.uint8)
    assert coarse_maps(Listed().eval(), squares, [0], "cpu") is None
