"""The classifiers for scans of one grey channel; each maps B×1×S×S in [0, 1] to B×classes logits."""

from functools import cache
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import load_file
from torch import Tensor, nn

from ..core import lite, published_weights
from ..core.errors import BusError, UsageError
from ..core.opener import require_file
from .catalogue import DEEP, KNOWN, LITE0
from .enlarging import attach, enlarged, enlarging_of
from .recipe import head
from .torchvision_names import check_model

# of pixels (1 is white) in the training parts of BUSI's development data (--inner 0, 64 px), bars included:
MEAN, DEVIATION = 0.26, 0.23  # 0.263 to 0.267, and 0.232 to 0.234
PUBLISHED = {"vgg19": "vgg19_bn"}  # our networks by the name that torchvision has for their weights


class AveragePool(nn.Module):
    """nn.AdaptiveAvgPool2d(side) as one matrix product, which is faster: B×C×h×w to B×C×side×side."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (_shares(size, self.side).to(x.device) for size in x.shape[2:])
        return (x.flatten(2) @ torch.kron(rows, columns).T).unflatten(2, (self.side, self.side))


def _shares(size: int, side: int) -> Tensor:
    """What each of `size` places counts in each of `side` means (side×size).

    The bins are those of torch: ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉.
    """
    shares = torch.zeros(side, size)
    for place in range(side):
        begin, end = place * size // side, -(-(place + 1) * size // side)
        shares[place, begin:end] = 1 / (end - begin)
    return shares


class SimpleCNN(nn.Module):
    """The seed project's network: four 3×3 convolutions, 10×10 average pooling, one linear layer.

    The greatest of four is taken before the ReLU, not after: the same values and gradients from a quarter of
    the work. Without normalisation layers it learns slowly from scans that are all above 0, so it may shift
    and scale them first (`standardise`); its weights say by how much, and those that do not, by nothing.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("deviation", torch.tensor(1.0))
        self.register_load_state_dict_pre_hook(_as_it_is)
        self.features = nn.Sequential(
            nn.Conv2d(1, 64, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 128, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 256, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            AveragePool(10),
        )
        self.classifier = nn.Linear(256 * 10 * 10, classes)

    def standardise(self) -> None:
        """From now on see scans shifted and scaled as BUSI's are to a mean of 0 and a deviation of 1."""
        self.mean.fill_(MEAN)
        self.deviation.fill_(DEVIATION)

    def forward(self, x: Tensor) -> Tensor:
        x = (x - self.mean) / self.deviation
        out: Tensor = self.classifier(self.features(x).flatten(1))
        return out


def _as_it_is(network: nn.Module, tensors: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Weights of a SimpleCNN from before it standardised saw scans as they are."""
    tensors.setdefault(f"{prefix}mean", torch.tensor(0.0))
    tensors.setdefault(f"{prefix}deviation", torch.tensor(1.0))


class Lite0(nn.Module):
    """EfficientNet-Lite0 (Tan & Le 2019, without squeeze and excitation), with a head of its own.

    Smaller squares are enlarged to 128 px first: its five halvings would leave 2×2 places of 64 px.
    """

    LEAST = 128  # px, of a side that it looks at

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.normalise = lite.Normalise()
        self.network = EfficientNet.from_name(LITE0)
        self.network._fc = nn.Identity()
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.network(self.normalise(enlarged(x, self.LEAST))))
        return out


def seen_side(network: nn.Module, size: int) -> int:
    """The side in px at which a classifier sees squares of `size` px."""
    own = network.LEAST if isinstance(network, Lite0) else 0
    return max(size, own, enlarging_of(network).least)


def build(model: str, classes: int, init: str, seed: int) -> nn.Module:
    """Make a classifier with weights drawn by `seed` (`init` none), from ImageNet or a safetensors file.

    VGG19 is torchvision's with batch normalisation, global average pooling and one linear layer: from scratch
    and without them it answers with the largest class whatever it sees, and its 140 M parameters help nobody
    at 64 px. VGG16 is torchvision's without batch normalisation, with its own head of three linear layers,
    whose first layer takes 2×2 places, the size of the last feature map at 64 px, instead of 7×7 at 224 px.
    EfficientNet-Lite0's ImageNet weights come with a package. Any other name is a network of torchvision
    (`torchvision_networks.py`). Raises UsageError for an unknown model or an `init` that the model does not
    have.
    """
    check_model(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _construct(model, classes, init)
    if init == "imagenet" and isinstance(network, Lite0):
        state = lite.weights(LITE0)
        network.network.load_state_dict({name: state[name] for name in network.network.state_dict()})
    elif init == "imagenet" and model in KNOWN:  # others took them when they were made
        _load_imagenet(network, model)
    if init not in ("none", "imagenet"):
        _load_file(network, model, Path(init))
    return network


def _construct(model: str, classes: int, init: str = "none") -> nn.Module:
    network = _bare(model, classes, init)
    attach(network)
    return network


def _bare(model: str, classes: int, init: str) -> nn.Module:
    if model == "simplecnn":
        return SimpleCNN(classes)
    if model == LITE0:
        return Lite0(classes)
    if model not in KNOWN:
        from . import torchvision_networks  # late, as below

        return torchvision_networks.construct(model, classes, imagenet=init == "imagenet")
    from torchvision.models import (
        resnet18,
        vgg19_bn,
    )  # late: a finished study does not need its second of import

    if model == "resnet18":
        network = resnet18(num_classes=classes)
        network.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        return network
    if model == "vgg16":
        return _vgg16(classes)
    network = vgg19_bn(num_classes=1)
    network.features[0] = nn.Conv2d(1, 64, 3, padding=1)
    nn.init.kaiming_normal_(network.features[0].weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(network.features[0].bias)
    network.avgpool = nn.AdaptiveAvgPool2d(1)
    network.classifier = nn.Linear(512, classes)
    return network


def _vgg16(classes: int) -> nn.Module:
    from torchvision.models import vgg16

    network = vgg16(num_classes=classes)
    network.features[0] = nn.Conv2d(1, 64, 3, padding=1)
    network.avgpool = nn.AdaptiveAvgPool2d(2)
    network.classifier[0] = nn.Linear(512 * 2 * 2, 4096)
    for layer in (network.features[0], network.classifier[0]):
        nn.init.zeros_(layer.bias)
    nn.init.kaiming_normal_(network.features[0].weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(network.classifier[0].weight, 0, 0.01)  # as torchvision draws them
    return network


def weight_bytes(model: str, classes: int) -> int:
    """How large a file with the weights of a classifier is."""
    with torch.device("meta" if model in KNOWN else "cpu"):  # RegNet's widths are computed as tensors
        network = _construct(model, classes)
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


@cache
def check_head(model: str) -> None:
    """UsageError where a classifier has no linear layer that could be fitted apart from the others."""
    if model not in KNOWN:
        try:
            head(_construct(model, 2))
        except UsageError as error:
            raise UsageError(f"--models {model}: {error}") from None


def obtain_imagenet(model: str) -> None:
    """Have a network's ImageNet weights at hand before many processes want them.

    BusError where they cannot be had; nothing is to do where they come with a package.
    """
    if model != LITE0:
        from . import torchvision_networks

        torchvision_networks.obtain_imagenet(PUBLISHED.get(model, model))


def _load_imagenet(network: nn.Module, model: str) -> None:
    """Take torchvision's ImageNet weights; the first layer sees grey in [0, 1] as it saw normalised RGB."""
    from . import torchvision_networks

    tensors = torchvision_networks.imagenet_tensors(PUBLISHED.get(model, model))
    first = {"vgg19": "features.0", "resnet18": "conv1"}[model]
    weight, bias = lite.grey_kernels(tensors[f"{first}.weight"], tensors.get(f"{first}.bias"))
    tensors.update({f"{first}.weight": weight} | ({} if bias is None else {f"{first}.bias": bias}))
    head = {name for name in network.state_dict() if name.startswith(("fc.", "classifier.", "enlarging."))}
    published_weights.load(network, tensors, model, fresh=head)


def _load_file(network: nn.Module, model: str, path: Path) -> None:
    try:
        network.load_state_dict(load_file(require_file(path)))
    except Exception as error:  # safetensors and torch have no common error
        raise BusError(
            f"--init {path} does not hold weights of {model}: {error}. Use a file that bus benchmark kept."
        ) from error


def place(network: nn.Module, model: str, device: str) -> nn.Module:
    """Move a network to `device`, its feature maps in the order that is fastest there.

    Predictions depend on that order in the last digits.
    Channels last on graphics cards. On processors only where maps are large: of many channels on few places,
    gradients of weights take longer that way (docs/speed.md).
    """
    network = network.to(device)
    if device == "cuda" or model in ("simplecnn", LITE0):
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device != "cpu" or model not in KNOWN:
        return network
    stages = list(network.features if model in DEEP else network.children())  # type: ignore[arg-type]
    pools = [at for at, stage in enumerate(stages) if isinstance(stage, nn.MaxPool2d)]
    small = stages.index(network.layer3) if model == "resnet18" else pools[2] + 1
    for stage in stages[:small]:
        stage.to(memory_format=torch.channels_last)
    stages[small].register_forward_pre_hook(_contiguous)
    return network


def _contiguous(_: nn.Module, maps: tuple[Tensor]) -> tuple[Tensor]:
    return (maps[0].contiguous(),)
