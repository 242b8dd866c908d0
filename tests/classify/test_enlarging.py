"""Small squares may be enlarged before a network sees them, and its weights say to which side."""

import pytest
import torch
from bus.classify import catalogue, enlarging, models
from safetensors.torch import save_file


@pytest.mark.parametrize("model", ["simplecnn", "resnet18", "efficientnet-lite0", "shufflenet_v2_x0_5"])
def test_small_squares_may_be_enlarged_and_weights_say_to_which_side(model, tmp_path):
    network, scans = models.build(model, 3, "none", 0).eval(), torch.rand(2, 1, 48, 48)
    plain = network(scans)
    enlarging.enlarge(network, 160)
    seen, large = network(scans), torch.rand(2, 1, 192, 192)
    assert models.seen_side(network, 48) == 160 and models.seen_side(network, 192) == 192
    by_hand = torch.nn.functional.interpolate(scans, (160, 160), mode="bilinear")
    torch.testing.assert_close(network(by_hand), seen)
    assert not torch.equal(plain, seen)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = models.build(model, 3, str(tmp_path / "weights.safetensors"), 1).eval()
    assert torch.equal(again(scans), seen) and torch.equal(again(large), network(large))
    older = {name: tensor for name, tensor in network.state_dict().items() if name != "enlarging.side"}
    again.load_state_dict(older)  # weights from before it could say so
    assert torch.equal(again(scans), plain)
    for side in (-1, catalogue.LARGEST_SIDE + 1):
        with pytest.raises(ValueError, match=f"{side} px"):
            again.load_state_dict(network.state_dict() | {"enlarging.side": torch.tensor(side)})
