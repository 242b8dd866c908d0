"""How arms are named, chosen and dosed."""

import pytest
from bus.benchmark import arms
from bus.benchmark.arms import Arm
from bus.core.errors import UsageError


@pytest.mark.parametrize("name", ["cyclegan", "cyclegan@0.5", "cyclegan:a b@2", "relabelled:x@y", "weighted"])
def test_an_arm_is_read_back_from_its_name(name):
    assert str(arms.parse(name)) == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smote", "smote is unknown; choose among original"),
        ("", "nothing is unknown"),
        ("unverified", "is unknown"),
        ("cyclegan:cyst", "the classes are benign"),
        ("oversampled:normal", "cyclegan, pooled, relabelled, pasted can be limited"),
    ],
)
def test_an_unknown_arm_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        arms.chosen(text, ["benign", "malignant", "normal"])


@pytest.mark.parametrize("text", ["", "0", "-1", "half", "1,nan", "inf", "11"])
def test_a_dose_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="expected numbers above 0"):
        arms.doses(text)


def test_an_inflation_without_what_it_compares_is_refused():
    both = (Arm("original"), Arm("cyclegan"))
    arms.check_inflation(("resnet18", "vgg19"), both, (0.5, 1.0))
    for models, kinds, shares, words in (
        (("resnet18",), both, (0.5,), "the full dose, which --dose 0.5"),
        (("vgg19",), both, (1.0,), "SimpleCNN and ResNet18"),
        (("resnet18",), both[:1], (1.0,), "name both arms"),
    ):
        with pytest.raises(UsageError, match=words):
            arms.check_inflation(models, kinds, shares)
