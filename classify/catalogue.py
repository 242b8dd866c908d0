"""The classifiers by name, and what may be asked of them; read without torch, so that slips answer fast."""

from pathlib import Path

from ..core.errors import UsageError

LITE0 = "efficientnet-lite0"
MODELS = ("simplecnn", "vgg19", "resnet18")
MORE = (LITE0,)  # on demand
KNOWN = (*MODELS, *MORE, "vgg16")  # the last only in the seed project's ablation
TITLES = {
    "simplecnn": "SimpleCNN",
    "vgg19": "VGG19",
    "resnet18": "ResNet18",
    LITE0: "EfficientNet-Lite0",
    "vgg16": "VGG16",
}
USUAL = "usual"  # first weights: those a network comes with
INITS = (USUAL, "none", "imagenet", "phantom")  # of --init, beside a file
INFLATED = ("simplecnn", "resnet18")  # of --inflation
DEEP = ("vgg19", "vgg16")
LARGEST_SIDE = 1_024  # px, of a side that squares are enlarged to
# Of a step at 64 px, where SimpleCNN's costs 1: on a processor with AVX2 alone ResNet18's on enlarged squares
# takes 3.4 times as long, VGG19's 8.5 times; with bfloat16 VGG19's 7.5 times (docs/speed.md).
COST = {"vgg19": 8, "vgg16": 8, "resnet18": 4, LITE0: 4}


def title(model: str) -> str:
    """A network's name as its authors write it; the given one where it is not known here."""
    return TITLES.get(model, model)


def first_weights(model: str, init: str) -> str:
    """What `init` means for a network: `usual` is ImageNet where the weights come with a package, or none."""
    if init != USUAL:
        return init
    return "imagenet" if model == LITE0 else "none"


def check_init(models: tuple[str, ...], init: str) -> None:
    """Raise UsageError before the work if `init` cannot be had for one of the models."""
    if init not in INITS and not Path(init).is_file():
        raise UsageError(
            f"--init {init}: expected usual, none, phantom, imagenet or a safetensors file that exists."
        )
    if init == "imagenet" and "vgg16" in models:
        raise UsageError(
            "--init imagenet: VGG16's head fits small scans, not ImageNet's weights. Leave it out."
        )
    if init == "imagenet" and "simplecnn" in models:
        raise UsageError(
            "--init imagenet: SimpleCNN has no ImageNet weights. Leave it out with --models vgg19,resnet18."
        )
