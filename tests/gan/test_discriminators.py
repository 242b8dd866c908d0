"""What discriminators see and score."""

import pytest
import torch
from bus.gan.discriminators import Discriminator, Eyes, FrozenDepths, augment


@pytest.mark.parametrize(("kind", "maps"), [("patch", 1), ("projected", 4), ("both", 5)])
def test_a_discriminator_scores_every_map_that_its_eyes_give(kind, maps):
    seen = Eyes(kind, 128)(torch.rand(2, 1, 64, 64))
    fields = Discriminator(kind, 4, 64)(seen)
    assert len(seen) == len(fields) == maps
    assert all(field.shape[:2] == (2, 1) for field in fields)


def test_the_frozen_network_stays_frozen_and_passes_gradients():
    eyes = FrozenDepths(128).train()
    scan = torch.rand(1, 1, 64, 64, requires_grad=True)
    before = {name: tensor.clone() for name, tensor in eyes.state_dict().items()}
    maps = eyes(scan)
    assert [tuple(found.shape[1:]) for found in maps] == [(64, 32, 32), (64, 16, 16), (64, 8, 8), (64, 4, 4)]
    sum(found.square().mean() for found in maps).backward()
    assert scan.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in eyes.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in eyes.state_dict().items())


def test_augmentation_without_draws_only_cuts_the_middle_and_shifts_as_asked():
    scan = torch.linspace(-1, 1, 32).repeat(32, 1).view(1, 1, 32, 32)
    still = augment(scan, torch.zeros(1, 6))
    assert (still[0, 0, 12:21, 12:21] == 0).all(), "a square of 5/16 of the side is grey"
    assert torch.equal(still[..., :11, :], scan[..., :11, :])
    corner = torch.tensor([[0.0, 0.0, 0.5, -1.0, -1.0, -1.0]])  # 2 px down, 4 px left, square in the corner
    moved = augment(scan, corner)
    assert torch.equal(moved[0, 0, 10:30, 10:], scan[0, 0, 12:, 6:28])
    assert (moved[0, 0, 30:, 10:] == -1).all(), "black comes in"
