"""How large a classifier sees its squares: small ones may be enlarged first, as its weights say."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .catalogue import LARGEST_SIDE


class Enlarging(nn.Module):
    """Squares of fewer than `least` px a side enlarged to it; 0 leaves all as they are.

    The side is a tensor too, so that it is saved with a network's weights; `least` is the same number, known
    without waiting for a graphics card.
    """

    side: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.least = 0
        self.register_buffer("side", torch.tensor(0))
        self.register_load_state_dict_pre_hook(_take_side)

    def forward(self, x: Tensor) -> Tensor:
        return enlarged(x, self.least)


def enlarged(x: Tensor, side: int) -> Tensor:
    """Squares (B×1×S×S) of fewer than `side` px enlarged to it, bilinearly; larger ones as they are."""
    return x if x.shape[-1] >= side else F.interpolate(x, (side, side), mode="bilinear", antialias=False)


def attach(network: nn.Module) -> None:
    """Let a network see its squares through an `Enlarging`, which leaves them as they are at first."""
    network.enlarging = Enlarging()
    network.register_forward_pre_hook(lambda network, given: (enlarging_of(network)(given[0]),))


def enlarging_of(network: nn.Module) -> Enlarging:
    """What a classifier that `models.build` made does with its squares first."""
    found = network.enlarging
    assert isinstance(found, Enlarging)
    return found


def enlarge(network: nn.Module, side: int) -> None:
    """Let a classifier see squares of fewer than `side` px enlarged to it; its weights say so from now on."""
    enlarging = enlarging_of(network)
    enlarging.least = side
    enlarging.side.fill_(side)


def _take_side(enlarging: nn.Module, tensors: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Take the side that weights tell; those from before networks enlarged saw squares as they are."""
    assert isinstance(enlarging, Enlarging)
    side = int(tensors.setdefault(f"{prefix}side", torch.tensor(0)))
    if not 0 <= side <= LARGEST_SIDE:
        raise ValueError(f"squares enlarged to {side} px, where 0 to {LARGEST_SIDE} px were expected")
    enlarging.least = side
