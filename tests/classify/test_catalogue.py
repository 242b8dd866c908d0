"""The classifiers by name, and what may be asked of them."""

from pathlib import Path

import pytest
from bus.classify.catalogue import (
    COST,
    DEEP,
    INFLATED,
    INITS,
    KNOWN,
    LITE0,
    MODELS,
    TITLES,
    USUAL,
    check_init,
    first_weights,
)
from bus.core.errors import UsageError


def test_every_name_is_known_and_has_a_title() -> None:
    assert set(KNOWN) == set(TITLES) and {*MODELS, *DEEP, *INFLATED, *COST} <= set(KNOWN)


def test_first_weights_that_cannot_be_had_are_refused_before_the_work(tmp_path: Path) -> None:
    for init in INITS:
        check_init(("resnet18", "vgg19"), init)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"")
    check_init(MODELS, str(weights))
    for models, init, words in (
        (("simplecnn",), "imagenet", "SimpleCNN has no ImageNet weights"),
        (("vgg16",), "imagenet", "VGG16's head fits small scans"),
        (("resnet18",), str(tmp_path / "nothing"), "none, phantom, imagenet or a safetensors file"),
    ):
        with pytest.raises(UsageError, match=words):
            check_init(models, init)


def test_only_weights_that_come_with_a_package_are_usual() -> None:
    assert {model: first_weights(model, USUAL) for model in KNOWN} == {
        **dict.fromkeys(KNOWN, "none"),
        LITE0: "imagenet",
    }
    assert first_weights(LITE0, "none") == "none" and first_weights("resnet18", "phantom") == "phantom"
