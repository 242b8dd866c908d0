"""The first sentence of a result, for every kind of outcome."""

from types import SimpleNamespace
from typing import Any

import pytest
from bus.benchmark.arms import ORIGINAL
from bus.benchmark.results.model import VerdictKind
from bus.benchmark.results.outcome import outcome

NO_GAIN, GAIN, LOSS = VerdictKind.NO_GAIN, VerdictKind.GAIN, VerdictKind.LOSS
MODELS = ("simplecnn", "vgg19", "resnet18")


def summary(*kinds: VerdictKind, yardstick: float | None = None) -> Any:
    """A summary with these verdicts, which could have detected 16, 17 … points; one arm, 50 % macro-F1."""
    verdicts = {
        model: SimpleNamespace(
            model=model, kind=kind, gain=SimpleNamespace(detectable=0.16 + place / 100, retrained=True)
        )
        for place, (model, kind) in enumerate(zip(MODELS, kinds, strict=False))
    }
    table = [SimpleNamespace(model=model, arm=ORIGINAL, metrics={"macro_f1": 0.5}) for model in verdicts]
    mark = None if yardstick is None else SimpleNamespace(metrics={"macro_f1": yardstick})
    return SimpleNamespace(
        verdicts=verdicts, table=table, yardstick=mark, models=list(verdicts), together=None
    )


@pytest.mark.parametrize(
    ("kinds", "yardstick", "sentence"),
    [
        (
            (NO_GAIN, NO_GAIN, NO_GAIN),
            0.6,
            "No detectable gain for any of three classifiers; a true gain below 16.0 points would "
            "often have been missed. All of the three arms that train a network stay below a linear model on "
            "frozen features (60.0 % macro-F1).",
        ),
        ((GAIN, GAIN, GAIN), None, "A gain, also beyond repeating scans, for all three classifiers."),
        (
            (GAIN, LOSS, NO_GAIN),
            0.4,
            "A gain, also beyond repeating scans, for SimpleCNN, a loss, also against repeating scans, "
            "for VGG19, no detectable gain for ResNet18; a true gain below 18.0 points would "
            "often have been missed. None of the three arms that train a network stays below a linear model "
            "on frozen features (40.0 % macro-F1).",
        ),
        ((GAIN, GAIN), None, "A gain, also beyond repeating scans, for both classifiers."),
        (
            (NO_GAIN, NO_GAIN),
            None,
            "No detectable gain for either classifier; a true gain below 16.0 points would often have been "
            "missed.",
        ),
        (
            (NO_GAIN,),
            None,
            "No detectable gain for SimpleCNN; a true gain below 16.0 points would often have been missed.",
        ),
    ],
)
def test_the_first_sentence_says_what_the_verdicts_say(
    kinds: tuple[VerdictKind, ...], yardstick: float | None, sentence: str
) -> None:
    assert outcome(summary(*kinds, yardstick=yardstick)) == sentence


def difference(estimate: float, low: float, high: float) -> Any:
    again = SimpleNamespace(estimate=estimate, low=low, high=high)
    return SimpleNamespace(deciding=again, retrained=again, detectable=0.021)


def test_the_mean_of_the_networks_comes_first_with_its_verdict() -> None:
    found = summary(NO_GAIN, NO_GAIN, NO_GAIN)
    found.together = SimpleNamespace(kind=NO_GAIN, gain=difference(0.012, -0.003, 0.027), translator=None)
    numbers = "macro-F1 differs by +1.2 points (95 % interval −0.3 to +2.7)"
    missed = "; a true gain below 2.1 points would often have been missed"
    assert outcome(found).startswith(
        f"No detectable gain on the mean of the three networks: {numbers}{missed}. Network by network: no "
        "detectable gain for any"
    )
    found.together.kind, found.together.translator = GAIN, difference(0.02, 0.004, 0.036)
    assert outcome(found).startswith(
        f"A gain, also beyond repeating scans, on the mean of the three networks: {numbers}, from repeating "
        "scans by +2.0 points (95 % interval +0.4 to +3.6). Network by network: no detectable gain for any"
    )
    found.together.gain.retrained = None
    assert outcome(found).startswith("No detectable gain for any"), "nobody can know that of the mean"


def test_a_study_that_can_show_nothing_names_no_gain_that_it_would_have_found() -> None:
    found = summary(NO_GAIN)
    found.verdicts["simplecnn"].gain.retrained = None
    assert outcome(found) == (
        "No detectable gain for SimpleCNN; from so few trainings no gain of any size can be shown."
    )


def test_every_kind_of_verdict_has_its_words() -> None:
    for kind in VerdictKind:
        words = outcome(summary(kind, kind, kind))
        assert words.endswith(".") and "three classifiers" in words
