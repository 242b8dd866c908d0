"""What a study cannot say depends on what was done in it."""

from dataclasses import replace
from typing import Any

import pytest
from bus.benchmark.report.limits import limits_section
from bus.benchmark.report.model import Bullets
from bus.benchmark.report.terms import title
from bus.benchmark.results.model import Retrained
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


def test_what_few_trainings_cannot_show_is_said_of_the_models_that_have_few(made: Any) -> None:
    known, *others = made.summary.models
    contrasts = [
        replace(
            c,
            retrained=Retrained(**vars(c.interval), freedom=4.0, basis="seeds") if c.model == known else None,
        )
        for c in made.summary.contrasts
    ]
    text = said(replace_summary(made, contrasts))
    few = ", ".join(map(title, others))
    assert f"no gain of any size can be shown ({few})" in text and f"by fewer ({title(known)})" in text
    assert f"what training again would change ({few}): the intervals" in text
    nobody = said(replace_summary(made, [replace(c, retrained=None) for c in contrasts]))
    assert "no gain of any size can be shown. No detectable" in nobody


def replace_summary(made: Any, contrasts: list[Any]) -> Any:
    return type(made)(made.study, made.cells, replace(made.summary, contrasts=contrasts), made.checks)
