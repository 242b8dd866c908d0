"""The paragraph on methods tells how this study decided, and cites what it names."""

from dataclasses import replace

import pytest
from bus.benchmark.report.methods import cited, methods_paragraph
from bus.benchmark.report.references import bibtex
from bus.benchmark.results.model import Retrained

WAYS = {"seeds": "between the seeds of a fold", "folds": "from the means of the folds"}


def paragraph(made_up, basis=None) -> str:
    """Of a made-up study whose deciding intervals rest on `basis`; None: there are none."""
    made = made_up()
    contrasts = [
        replace(c, retrained=Retrained(**vars(c.interval), freedom=4.0, basis=basis) if basis else None)
        for c in made.summary.contrasts
    ]
    return methods_paragraph(made.study, replace(made.summary, contrasts=contrasts), made.cells, [])


@pytest.mark.parametrize("basis", WAYS)
def test_it_tells_what_the_deciding_interval_rests_on(made_up, basis):
    text = paragraph(made_up, basis)
    assert WAYS[basis] in text
    assert not any(way in text for other, way in WAYS.items() if other != basis)
    assert "Too few trainings" not in text


def test_without_a_deciding_interval_nothing_is_claimed(made_up):
    text = paragraph(made_up)
    assert "Too few trainings" in text
    assert "holm1979" not in text


@pytest.mark.parametrize("basis", [None, *WAYS])
def test_every_key_is_a_reference(made_up, basis):
    keys = cited(paragraph(made_up, basis))
    assert bibtex(keys).count("@") >= len(keys)
