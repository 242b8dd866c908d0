"""Losses against their formulas."""

import pytest
import torch
from bus.gan import losses


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
