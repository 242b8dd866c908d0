"""What a study cannot say depends on what was done in it."""

from dataclasses import replace
from typing import Any

import pytest
from bus.benchmark.report.limits import limits_section
from bus.benchmark.report.model import Bullets
from bus.data.shortcuts import Probe


@pytest.fixture(scope="module")
def made(answers_alone: Any) -> Any:
    return answers_alone


def said(
    made: Any, presets: tuple[str, ...] = (), probes: tuple[Probe, ...] = (), *, external: bool = False
) -> str:
    (block,) = limits_section(made.study, made.summary, presets, probes, external=external).blocks
    assert isinstance(block, Bullets)
    return " ".join(map(str, block.items))


def test_the_first_words_are_for_research_alone(made: Any) -> None:
    assert said(made).startswith("Research use only")


def test_each_restriction_is_said_where_it_holds_and_nowhere_else(made: Any) -> None:
    assert "The preset demo" in said(made, ("demo",)) and "The preset demo" not in said(made, ("quick",))
    assert "no external test" in said(made) and "no external test" not in said(made, external=True)
    assert "2 of 5 folds were tested" in said(made)
    everything = replace(made.summary, folds=[0, 1, 2, 3, 4])
    assert "folds were tested" not in said(type(made)(made.study, made.cells, everything, made.checks))


def test_a_measured_shortcut_is_given_with_its_number(made: Any) -> None:
    assert "was not measured here" in said(made)
    probe = Probe("bars alone", "the black bars", {"benign": 0.71, "malignant": 0.58})
    assert f"bars alone {probe.worst:.2f}" in said(made, probes=(probe,))
