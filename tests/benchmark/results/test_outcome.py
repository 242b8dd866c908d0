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
        model: SimpleNamespace(model=model, kind=kind, gain=SimpleNamespace(detectable=0.16 + place / 100))
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
            "No detectable gain for any of three classifiers; a true gain below 16 points would "
            "often have been missed. All of the three retrained networks stay below a linear model on frozen "
            "features (60.0 % macro-F1).",
        ),
        ((GAIN, GAIN, GAIN), None, "A gain, also beyond repeating scans, for all three classifiers."),
        (
            (GAIN, LOSS, NO_GAIN),
            0.4,
            "A gain, also beyond repeating scans, for SimpleCNN, a loss, also against repeating scans, "
            "for VGG19, no detectable gain for ResNet18; a true gain below 18 points would "
            "often have been missed. None of the three retrained networks stays below a linear model on "
            "frozen features (40.0 % macro-F1).",
        ),
        (
            (NO_GAIN,),
            None,
            "No detectable gain for SimpleCNN; a true gain below 16 points would often have been missed.",
        ),
    ],
)
def test_the_first_sentence_says_what_the_verdicts_say(
    kinds: tuple[VerdictKind, ...], yardstick: float | None, sentence: str
) -> None:
    assert outcome(summary(*kinds, yardstick=yardstick)) == sentence


def difference(estimate: float, low: float, high: float) -> Any:
    return SimpleNamespace(retrained=SimpleNamespace(estimate=estimate, low=low, high=high), interval=None)


def test_the_mean_of_the_networks_follows_the_verdicts() -> None:
    found = summary(NO_GAIN, NO_GAIN, NO_GAIN)
    found.together = SimpleNamespace(gain=difference(0.012, -0.003, 0.027), translator=None)
    said = " On the mean of the three networks macro-F1 differs by +1.2 points (95 % interval −0.3 to +2.7)"
    assert outcome(found).endswith(f"missed.{said}.")
    found.together.translator = difference(-0.004, -0.02, 0.012)
    assert outcome(found).endswith(
        f"{said}, from repeating scans by −0.4 points (95 % interval −2.0 to +1.2)."
    )
    found.together.gain.retrained = None
    assert outcome(found).endswith("missed."), "nobody can know it"


def test_every_kind_of_verdict_has_its_words() -> None:
    for kind in VerdictKind:
        words = outcome(summary(kind, kind, kind))
        assert words.endswith(".") and "three classifiers" in words
