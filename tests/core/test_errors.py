"""A slip is met with the name that was probably meant, and nothing else is."""

import pytest
from bus.core.errors import did_you_mean

ARMS = ("original", "weighted", "oversampled", "cyclegan", "relabelled")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("cyclgan", "cyclegan"),
        ("CycleGAN", "cyclegan"),
        ("orignal", "original"),
        ("oversample", "oversampled"),
    ],
)
def test_a_slip_is_met_with_the_nearest_name(given: str, meant: str) -> None:
    assert did_you_mean(given, ARMS) == f" Did you mean {meant}?"


@pytest.mark.parametrize("given", ["smote", "", "9", "12"])
def test_what_resembles_nothing_gets_no_advice(given: str) -> None:
    assert did_you_mean(given, (*ARMS, "0", "1", "2")) == ""


def test_the_name_is_given_as_it_is_written() -> None:
    assert did_you_mean("malignent", ["Benign", "Malignant"]) == " Did you mean Malignant?"
    assert did_you_mean("악성 종앙", ["양성 종양", "악성 종양"]) == " Did you mean 악성 종양?"
