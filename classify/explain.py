"""Where a classifier looks: Grad-CAM maps, and how much of them lies in a region.

Selvaraju et al., Grad-CAM, ICCV 2017 (arXiv:1610.02391). Shapes: squares N×S×S uint8, coarse maps N×g×g uint8
(255 is a scan's hottest cell), heat N×S×S float32 in [0, 1].
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.store import Pixels
from .models import SimpleCNN, seen_side

Heat = NDArray[np.float32]

BATCH = 64
CELLS = 7  # of a map's side, where a layer has so many, as ResNet18's last one on the 224 px it is made for
LAYERS: dict[str, dict[int, str]] = {  # class of network → stride → the last layer with it, the deepest first
    "SimpleCNN": {8: "features.10"},
    "ResNet": {32: "layer4", 16: "layer3", 8: "layer2"},
    "Lite0": {32: "network._blocks.15", 16: "network._blocks.10", 8: "network._blocks.4"},
}


def layer_for(network: nn.Module, size: int) -> nn.Module | None:
    """The deepest convolutional layer of a classifier whose map of `size` px has at least 7×7 cells.

    At 64 px ResNet18's last layer has 2×2, too few to point anywhere: where textured patches of 16 px told
    two classes apart, its heat lay on them no more than by chance (0.07 of it, area 0.06), that of the layer
    chosen here did (0.41). Where no layer has so many cells, as at 32 px, the shallowest one listed is taken
    (4×4). Of torchvision's other networks it is asked for; None where they have no such map.
    """
    kinds = [kind.__name__ for kind in type(network).__mro__]
    known = next((LAYERS[kind] for kind in kinds if kind in LAYERS), None)
    if "VGG" in kinds:  # any of them, with batch normalisation or without: the last layer before a pooling
        layers = enumerate(network.get_submodule("features").children())
        pools = [at for at, layer in layers if isinstance(layer, nn.MaxPool2d)]
        known = {16: f"features.{pools[4] - 1}", 8: f"features.{pools[3] - 1}"}
    if known is None:
        from .torchvision_networks import deepest_map  # late: it imports all of torchvision

        return deepest_map(network, size, CELLS)
    side = seen_side(network, size)
    fitting = (name for stride, name in known.items() if side // stride >= CELLS)
    return network.get_submodule(next(fitting, list(known.values())[-1]))


def grad_cam(
    network: nn.Module, layer: nn.Module, images: Tensor, classes: Tensor, *, average: bool = True
) -> Tensor:
    """Grad-CAM of one class a scan (B×g×g, ≥ 0): images B×1×S×S, classes int B, `layer` gives B×K×g×g.

    Equations 1 and 2 of the paper: channels weighted by the mean gradient of the class's logit, summed, cut
    at 0. Without `average` every place keeps its own gradient: HiResCAM (Draelos & Carin 2020,
    arXiv:2011.08891), the same where a head averages over places itself, and exact where it does not. The
    network must be in evaluation mode, so that scans of a batch don't touch each other.
    """
    kept: list[Tensor] = []

    def keep(module: nn.Module, given: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())  # the graph begins here: layers below need no gradient
        return kept[-1].clone()  # the next layer may work in place

    handle = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            logits = network(images)
            (gradient,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), kept[0])
    finally:
        handle.remove()
    weights = gradient.mean((2, 3), keepdim=True) if average else gradient
    return F.relu((weights * kept[0].detach()).sum(1))


def coarse_maps(
    network: nn.Module, pixels: Pixels, classes: Sequence[int] | NDArray[np.integer], device: str
) -> Pixels | None:
    """Grad-CAM of one class for every square, in float32, each scaled by its largest value.

    0 where none is positive. None for networks without a map of places, such as transformers.
    SimpleCNN's last layer weighs every place by itself; the mean of its gradients would heat places that were
    never read.
    """
    layer = layer_for(network, pixels.shape[-1])
    if layer is None:
        return None
    scaled = []
    for start in range(0, len(pixels), BATCH):
        part = slice(start, start + BATCH)
        images = torch.from_numpy(np.array(pixels[part])).to(device).float().div_(255).unsqueeze(1)
        chosen = torch.as_tensor(np.array(classes[part])).to(device)
        maps = grad_cam(network, layer, images, chosen, average=not isinstance(network, SimpleCNN))
        top = maps.amax((1, 2), keepdim=True)
        scaled.append((255 * maps / torch.where(top > 0, top, 1)).round().to(torch.uint8).cpu().numpy())
    return np.concatenate(scaled)


def enlarge(maps: Pixels, size: int) -> Heat:
    """Coarse maps as heat on squares of `size` px, bilinear between the cells' centres."""
    heat = [
        cv2.resize(one.astype(np.float32) / 255, (size, size), interpolation=cv2.INTER_LINEAR) for one in maps
    ]
    return np.array(heat, np.float32).reshape(-1, size, size)
