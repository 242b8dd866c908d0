"""What TrivialAugment may do to an ultrasound scan."""

import pytest
import torch
from bus.classify.operations import OPERATIONS


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("strength", [-1.0, 0.0, 1.0])
def test_every_operation_keeps_a_scan_a_scan(name, strength):
    """Right side up, in [0, 1], of its size; and what is darker stays darker where it only changes grey."""
    scan = torch.full((1, 64, 64), 0.1)
    scan[0, 29:35, 12:52] = 0.9
    out = OPERATIONS[name](scan, strength)
    assert out.shape == scan.shape and out.min() >= 0 and out.max() <= 1
    assert 150 < (out > out.median() + 0.2).sum() < 350, "the bar, 240 pixels of it, is the brightest"
    if strength == 0 and name not in ("full contrast", "equalise"):
        assert torch.allclose(out, scan, atol=1 / 255)
