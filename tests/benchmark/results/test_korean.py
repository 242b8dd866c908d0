"""Verdicts in Korean say what the English ones say: the same kinds, the same numbers."""

import re
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest
from bus.benchmark.arms import ORIGINAL, Arm
from bus.benchmark.results import korean, wording
from bus.benchmark.results.model import Contrast, Interval, Retrained, Verdict, VerdictKind

NUMBERS = re.compile(r"[+−]?\d+\.\d|(?<![\w.])\d+(?![\d.]\d)")


def difference(estimate: float, *, again: bool = True) -> Contrast:
    low, high = estimate - 0.04, estimate + 0.04
    narrow = Interval(estimate, low, high, 0.01 if low > 0 or high < 0 else 0.5, 0.01, 0.02, 0.056, None)
    wide = Retrained(**asdict(narrow), freedom=10.0, basis="seeds") if again else None
    return Contrast("gain", "resnet18", Arm("cyclegan"), Arm("original"), "macro_f1", narrow, wide)


UP, DOWN, NEAR = difference(0.08), difference(-0.08), difference(0.01)


@pytest.mark.parametrize("kind", VerdictKind)
@pytest.mark.parametrize("gain", [UP, DOWN, NEAR, difference(0.08, again=False)])
@pytest.mark.parametrize("translator", [UP, NEAR, None])
def test_the_numbers_are_those_of_the_english_sentence(
    kind: VerdictKind, gain: Contrast, translator: Contrast | None
) -> None:
    counts = {"target_groups": 9, "below_yardstick": 2, "arms": 4, "collapsed": 1, "cells": 3, "seeds": 1}
    verdict = Verdict("resnet18", kind, gain, translator, NEAR, **counts)
    said = [" ".join([words.reason(verdict), *words.cautions(verdict)]) for words in (korean, wording)]
    mine, theirs = (set(NUMBERS.findall(text)) for text in said)
    assert mine == theirs, said
    assert korean.headline(verdict) == korean.HEADLINES[kind]


def test_every_kind_has_words_and_those_of_gain_and_loss_are_not_mixed_up() -> None:
    assert set(korean.HEADLINES) == set(VerdictKind) == set(wording.HEADLINES)
    for kind, words in wording.HEADLINES.items():
        assert ("손실" in korean.HEADLINES[kind]) == words.startswith("loss")
        assert ("이득" in korean.HEADLINES[kind]) == ("gain" in words.split(",")[0].split())


def test_the_first_sentence_names_every_classifier_and_the_yardstick() -> None:
    names = ("simplecnn", "resnet18")
    verdicts = {name: Verdict(name, VerdictKind.NO_GAIN, NEAR) for name in names}
    table = [SimpleNamespace(model=name, arm=ORIGINAL, metrics={"macro_f1": 0.5}) for name in verdicts]
    mark = SimpleNamespace(metrics={"macro_f1": 0.6})
    summary: Any = SimpleNamespace(
        verdicts=verdicts, table=table, yardstick=mark, models=names, together=None
    )
    assert korean.outcome(summary) == (
        "SimpleCNN, ResNet18: 이득이 검출되지 않음; 5.6점보다 작은 참된 이득은 놓치기 쉬움. 네트워크를 "
        "학습한 arm 2개 중 2개가 고정된 특징 위의 선형 모델(macro-F1 60.0\u00a0%)보다 낮음."
    )
    summary.together = Verdict("mean", VerdictKind.NO_GAIN, NEAR, NEAR)
    assert NEAR.retrained
    assert set(NUMBERS.findall(korean.outcome(summary))) >= set(NUMBERS.findall(wording.ends(NEAR.retrained)))
    assert korean.outcome(summary).startswith("네트워크 2개의 평균에서 이득이 검출되지 않음: macro-F1")
