"""The classifiers by name, and what may be asked of them; read without torch, so that slips answer fast."""

from pathlib import Path

from ..core.errors import UsageError

MODELS = ("simplecnn", "vgg19", "resnet18")
KNOWN = (*MODELS, "vgg16")  # the last only in the seed project's ablation
TITLES = {"simplecnn": "SimpleCNN", "vgg19": "VGG19", "resnet18": "ResNet18", "vgg16": "VGG16"}
INITS = ("none", "imagenet", "phantom")  # of --init, beside a file
INFLATED = ("simplecnn", "resnet18")  # of --inflation
DEEP = ("vgg19", "vgg16")  # a step takes six times as long as the others'


def check_init(models: tuple[str, ...], init: str) -> None:
    """Raise UsageError before the work if `init` cannot be had for one of the models."""
    if init not in INITS and not Path(init).is_file():
        raise UsageError(
            f"--init {init}: expected none, phantom, imagenet or a safetensors file that exists."
        )
    if init == "imagenet" and "vgg16" in models:
        raise UsageError(
            "--init imagenet: VGG16's head fits small scans, not ImageNet's weights. Leave it out."
        )
    if init == "imagenet" and "simplecnn" in models:
        raise UsageError(
            "--init imagenet: SimpleCNN has no ImageNet weights. Leave it out with --models vgg19,resnet18."
        )
