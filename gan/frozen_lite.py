"""EfficientNet-Lite for looking only: the same function as its package's, in less time."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.lite import efficientnet


class Folded(nn.Module):
    """A frozen convolution with its batch normalisation folded into the weights, and ReLU6 if `active`.

    The same function of its input, without the passes over memory that normalising and padding take. Written
    in place: the gradient of a convolution does not ask for its result.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d, active: bool) -> None:
        super().__init__()
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.register_buffer("weight", (convolution.weight * scale[:, None, None, None]).detach())
        self.register_buffer("bias", (norm.bias - norm.running_mean * scale).detach())
        self.stride, self.groups, self.active = convolution.stride, convolution.groups, active
        rims = tuple(getattr(convolution.static_padding, "padding", (0, 0, 0, 0)))  # left, right, top, bottom
        self.even = rims[0] if len(set(rims)) == 1 else 0
        self.uneven = rims if len(set(rims)) > 1 else ()

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, self.uneven) if self.uneven else x
        x = functional.conv2d(x, self.weight, self.bias, self.stride, self.even, 1, self.groups)
        return functional.hardtanh_(x, 0.0, 6.0) if self.active else x


class FoldedBlock(nn.Module):
    """An inverted residual block of EfficientNet-Lite: widen, filter each channel, narrow, add the input."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        layers = [Folded(block._expand_conv, block._bn0, True)] if hasattr(block, "_expand_conv") else []
        layers += [
            Folded(block._depthwise_conv, block._bn1, True),
            Folded(block._project_conv, block._bn2, False),
        ]
        self.layers = nn.Sequential(*layers)
        about = block._block_args
        self.adds = (
            block.id_skip
            and max(block._depthwise_conv.stride) == 1
            and about.input_filters == about.output_filters
        )
        self.width: int = about.output_filters  # channels that it gives

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return x + out if self.adds else out


class FrozenLite(nn.Module):
    """An EfficientNet-Lite for looking only, the same function faster: B×3×H×W, normalised, → B×1280×h×w.

    `stem`, `blocks` and `last` may be called one by one for the maps in between. Channels lie last in memory,
    which halves the time of its depthwise convolutions on a CPU (docs/speed.md).
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        network = efficientnet(name)
        self.stem = Folded(network._conv_stem, network._bn0, True)
        blocks = [FoldedBlock(block) for block in network._blocks]
        self.blocks, self.widths = nn.ModuleList(blocks), [block.width for block in blocks]
        self.last = Folded(network._conv_head, network._bn1, True)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.last(x)
        return out
