"""Any classification network of torchvision as a classifier of scans of one grey channel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models import MaxVit, VisionTransformer

from ..core import lite, published_weights
from .enlarging import Enlarging

OPTIONS: dict[str, dict[str, Any]] = {  # of the builders; auxiliary heads would answer beside the head
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}
HALVED = ("googlenet", "inception_v3")  # torchvision shifts what their weights see to mean and deviation 0.5
TRUNKS = ("features", "layers", "trunk_output", "blocks")  # children that hold the stages of a network


class Enlarged(nn.Module):
    """A network that sees scans at a side it can take: those below `side` enlarged, with `exact` all."""

    def __init__(self, network: nn.Module, side: int, *, exact: bool) -> None:
        super().__init__()
        self.network, self.side, self.exact = network, side, exact

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] < self.side or (self.exact and x.shape[-1] != self.side):
            x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", antialias=True)
        out: Tensor = self.network(x)
        return out


def construct(name: str, classes: int, *, imagenet: bool = False) -> nn.Module:
    """A network of torchvision with a head for `classes`, that maps B×1×S×S to B×classes logits.

    The first layer's RGB kernels are summed: the same function as torchvision's of a grey scan in all three
    channels, normalised ones with ImageNet's weights. Scans below the least side that torchvision names are
    enlarged to it; transformers with a fixed number of places (ViT, MaxViT) see every scan at that side.
    `imagenet`: all weights but the head's from ImageNet, the first that torchvision lists; BusError where
    they cannot be had.
    """
    weights = next(iter(models.get_model_weights(name)))
    side = max(weights.meta["min_size"])
    options = OPTIONS.get(name, {"image_size": side} if name.startswith("vit_") else {})
    network = models.get_model(name, weights=None, num_classes=classes, **options)
    if imagenet:
        _load(network, name)
    _sum_colours(network, pixels_of(name) if imagenet else None)
    exact = isinstance(network, VisionTransformer | MaxVit)
    return Enlarged(network, side, exact=exact) if side > 1 else network


def imagenet_tensors(name: str) -> published_weights.Tensors:
    """The ImageNet weights of a network of torchvision, downloaded where torch has not kept them.

    BusError where they cannot be had or are damaged.
    """
    return published_weights.read(obtain_imagenet(name), name)


def obtain_imagenet(name: str) -> Path:
    """The file with the first ImageNet weights that torchvision lists; BusError where it cannot be had."""
    url = str(next(iter(models.get_model_weights(name))).url)
    folder = published_weights.kept_path(url).parent
    mend = f"Download it on another machine into {folder}, or use --init none."
    return published_weights.obtain(url, of=f"--init imagenet ({name})", mend=mend)


def _load(network: nn.Module, name: str) -> None:
    """Take ImageNet weights everywhere but in the head, which has other classes."""
    tensors, own = imagenet_tensors(name), network.state_dict()
    head = {key for key, tensor in tensors.items() if key in own and tensor.shape != own[key].shape}
    published_weights.load(network, tensors, name, fresh=head)


def pixels_of(name: str) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation, of RGB in [0, 1], of what the ImageNet weights of a network learned from."""
    if name in HALVED:
        return (0.5,) * 3, (0.5,) * 3
    shown = next(iter(models.get_model_weights(name))).transforms()
    return shown.mean, shown.std


def _sum_colours(network: nn.Module, pixels: tuple[Sequence[float], Sequence[float]] | None) -> None:
    """Replace the first convolution, of three channels, by that of one with the sum of its kernels.

    Those of ImageNet saw colours normalised by the mean and deviation `pixels`: they are scaled and shifted
    to grey in [0, 1].
    """
    path, old = next((path, m) for path, m in network.named_modules() if isinstance(m, nn.Conv2d))
    with torch.random.fork_rng(devices=[]):  # the draws of its own first weights are thrown away
        new = nn.Conv2d(
            1,
            old.out_channels,
            old.kernel_size,  # type: ignore[arg-type]
            old.stride,  # type: ignore[arg-type]
            old.padding,  # type: ignore[arg-type]
            bias=old.bias is not None,
        )
    with torch.no_grad():
        weight, bias = (
            lite.grey_kernels(old.weight, old.bias, *pixels)
            if pixels
            else (old.weight.sum(1, keepdim=True), old.bias)
        )
        new.weight.copy_(weight)
        if new.bias is not None and bias is not None:
            new.bias.copy_(bias)
    holder, _, last = path.rpartition(".")
    setattr(network.get_submodule(holder), last, new)


def deepest_map(network: nn.Module, size: int, cells: int) -> nn.Module | None:
    """The deepest stage of a network that maps a scan of `size` px to at least `cells`×`cells` places.

    None where no stage gives B×K×g×g with so many, as in transformers whose places are a list.
    """
    inner = network.network if isinstance(network, Enlarged) else network
    if isinstance(inner, VisionTransformer):  # its only map is that of the patches, before anything is seen
        return None
    stages = [
        stage
        for name, child in inner.named_children()
        for stage in (child.children() if name in TRUNKS and isinstance(child, nn.Sequential) else (child,))
    ]
    seen: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: nn.Module, given: object, output: object) -> None:
        if isinstance(output, Tensor) and not isinstance(module, Enlarging):  # that one's is the scan itself
            seen[module] = tuple(output.shape)

    handles = [stage.register_forward_hook(note) for stage in stages]
    try:
        device = next(inner.parameters()).device
        with torch.inference_mode():
            network(torch.zeros(1, 1, size, size, device=device))
    finally:
        for handle in handles:
            handle.remove()
    maps = {stage: shape[2] for stage, shape in seen.items() if len(shape) == 4 and shape[2] == shape[3]}
    fitting = [stage for stage, side in maps.items() if side >= cells]
    return fitting[-1] if fitting else None


def described() -> list[tuple[str, float]]:
    """Every classification network of torchvision by name, with its millions of weights for ImageNet."""
    names = models.list_models(module=models)
    return [(name, next(iter(models.get_model_weights(name))).meta["num_params"] / 1e6) for name in names]
