"""Discriminators: what they look at, and the heads that tell real from synthetic there.

A discriminator sees a scan as a list of maps (`Eyes`) and gives each a field of scores. The published one
looks at pixels; a projected one (Sauer et al. 2021, arXiv:2111.01007) at the features of a frozen network,
which is why 150 scans suffice to train it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from ..core.lite import Normalise
from .extractors import LITE1
from .frozen_lite import FrozenLite
from .networks import PatchDiscriminator

DEPTHS = (24, 40, 112, 320)  # channels of the frozen network's stages; the last block of each is looked at
PROJECTED = 64  # channels to which each depth is mixed
BLACK, GREY = -1.0, 0.0


class Eyes(nn.Module):
    """What a discriminator sees: scans B×1×S×S in [-1, 1] → a list of maps B×C×H×W; nothing is trained.

    `patch`: the pixels; `projected`: four depths of EfficientNet-Lite1, each mixed by a fixed random 1×1
    convolution to 64 channels; `both`: the pixels, then the depths. The frozen network sees scans of `side`
    px.
    """

    def __init__(self, kind: str, side: int) -> None:
        super().__init__()
        self.pixels = kind != "projected"
        self.depths = FrozenDepths(side) if kind != "patch" else None

    def forward(self, scans: Tensor) -> list[Tensor]:
        maps = [scans] if self.pixels else []
        return maps + (self.depths(scans) if self.depths is not None else [])


class FrozenDepths(nn.Module):
    """Four depths of the frozen EfficientNet-Lite1, projected: B×1×S×S in [-1, 1] → four maps B×64×H×W."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        network = FrozenLite(LITE1)
        self.normalise, self.stem, self.blocks = Normalise(), network.stem, network.blocks
        widths = network.widths
        last = [len(widths) - 1 - widths[::-1].index(width) for width in DEPTHS]
        self.exits = {block: depth for depth, block in enumerate(last)}
        projections = [nn.Conv2d(width, PROJECTED, 1, bias=False) for width in DEPTHS]
        for projection in projections:
            nn.init.kaiming_normal_(projection.weight, nonlinearity="linear")
        self.projections = nn.ModuleList(projections)
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)

    def forward(self, scans: Tensor) -> list[Tensor]:
        sized = functional.interpolate(scans, (self.side, self.side), mode="bilinear", align_corners=False)
        x = self.stem(self.normalise((sized + 1) / 2))
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.exits:
                maps.append(self.projections[self.exits[number]](x))
        return maps


class Discriminator(nn.Module):
    """One head a map of `Eyes(kind)`: a list of maps → score fields (B×1×H×W), higher is more real."""

    def __init__(self, kind: str, channels: int, size: int) -> None:
        super().__init__()
        heads: list[nn.Module] = [PatchDiscriminator(channels, size)] if kind != "projected" else []
        heads += [head(PROJECTED) for _ in DEPTHS] if kind != "patch" else []
        self.heads = nn.ModuleList(heads)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [head(seen) for head, seen in zip(self.heads, maps, strict=True)]


def head(channels: int) -> nn.Sequential:
    """Two 3×3 convolutions and a 1×1, spectrally normalised (Miyato et al. 2018), on B×channels×H×W."""
    return nn.Sequential(
        spectral_norm(nn.Conv2d(channels, channels, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(channels, channels, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(channels, 1, 1)),
    )


def augment(scans: Tensor, draws: Tensor) -> Tensor:
    """Differentiable augmentation of what discriminators see, B×1×S×S in [-1, 1].

    Zhao et al. 2020, arXiv:2006.10738.

    `draws` B×6, uniform in [-1, 1]: brightness ± 0.25, contrast 0.6–1.4 about the mean, shift by up to S/8
    down and right (black comes in), and a square of 5/16 S painted grey somewhere. Real and synthetic scans
    get it alike, so a discriminator cannot memorise real ones and the generator does not learn it.
    """
    # tone
    count, _, size, _ = scans.shape
    bright, contrast, down, right, row, column = (draw.view(-1, 1, 1, 1) for draw in draws.unbind(1))
    mean = scans.mean((1, 2, 3), keepdim=True)
    toned = (scans - mean) * (1 + 0.4 * contrast) + mean + 0.25 * bright

    # shift
    rows = torch.arange(size, device=scans.device).view(1, 1, -1, 1)
    columns = rows.transpose(2, 3)
    from_row = rows + (down * size / 8).round().long()
    from_column = columns + (right * size / 8).round().long()
    inside = (from_row.clamp(0, size - 1) == from_row) & (from_column.clamp(0, size - 1) == from_column)
    index = from_row.clamp(0, size - 1) * size + from_column.clamp(0, size - 1)
    moved = toned.flatten(2).gather(2, index.flatten(2)).view(count, 1, size, size).where(inside, BLACK)

    # cut-out
    half = 5 * size / 32
    cut = ((rows - (1 + row) * size / 2).abs() < half) & ((columns - (1 + column) * size / 2).abs() < half)
    return moved.where(~cut, GREY)
