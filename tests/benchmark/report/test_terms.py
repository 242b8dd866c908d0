"""Every metric has a heading and a meaning, and a collapsed model is marked, no other."""

from typing import Any

from bus.benchmark.arms import Arm
from bus.benchmark.report import terms
from bus.classify.metrics import METRICS


def test_every_metric_that_is_measured_has_a_heading_and_every_heading_a_meaning() -> None:
    assert set(terms.METRICS) == set(METRICS)
    assert set(terms.METRICS.values()) <= set(terms.MEANINGS)


def test_a_brier_score_is_no_percentage() -> None:
    assert terms.value("accuracy", 0.5) == "50.0"
    assert terms.value("brier", 0.5).startswith("0.5")
    assert terms.value("accuracy", None) == terms.value("brier", None) == "–"


def test_the_model_that_answers_one_class_is_flagged_and_no_other(answers_alone: Any) -> None:
    made = answers_alone
    flags = terms.collapse_flags(made.summary)
    assert set(flags) == {(Arm("original"), "vgg19")}  # so the fixture made it
    assert flags[Arm("original"), "vgg19"] == "collapsed in 2 of 2: answers benign nearly always"
    assert [result.arm for result in terms.results_of(made.summary, "vgg19")] == made.summary.arms
