"""Networks with ImageNet weights that come with a package."""

import pytest
import torch
from bus.core.lite import efficientnet
from bus.gan import frozen_lite
from bus.gan.extractors import LITE0, LITE1
from bus.gan.frozen_lite import FrozenLite


@pytest.mark.parametrize(("name", "side"), [(LITE0, 224), (LITE1, 128)])
def test_the_folded_network_sees_what_its_packages_sees(
    name: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and the gradient that trains a generator, in doubles, where rounding flips no ReLU."""
    package = efficientnet(name).double()
    monkeypatch.setattr(frozen_lite, "efficientnet", lambda name: package)
    seen = []
    for network in (FrozenLite(name), package.extract_features):
        scans = torch.linspace(-2, 2, 3 * side * side).double().sin().view(1, 3, side, side).requires_grad_()
        maps = network(scans)
        maps.square().sum().backward()
        seen.append((maps.detach(), scans.grad))
    for ours, theirs in zip(*seen, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9 * float(theirs.abs().max()))
