"""The answer of the study on BUSI: what its plan obliges it to say is said, and nothing else."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "busi-study" / "answer.py"
Points = tuple[float, float, float]  # estimate, low, high


@pytest.fixture(scope="module")
def answer() -> Any:
    spec = spec_from_file_location("busi_answer", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = sys.modules["busi_answer"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.answer


def share(points: float) -> str:
    return str(points / 100)


def contrast(kind: str, found: Points, zero: float) -> dict[str, str]:
    estimate, low, high = map(share, found)
    return {
        **{"contrast": kind, "model": "mean", "metric": "macro_f1", "estimate": estimate},
        **{"low_retrained": low, "high_retrained": high},
        **{
            "estimate_fold_zero": share(zero),
            "low_fold_zero": share(zero - 9),
            "high_fold_zero": share(zero + 9),
        },
    }


def told(
    answer: Any,
    gain: Points = (1, -1, 3),
    own: Points = (1, -1, 3.5),
    *,
    zeros: tuple[float, float] = (1, 1),
    elsewhere: Points = (0, -1, 1),
    collapsed: int = 0,
    left: bool = True,
) -> str:
    names = {"model": "mean", "metric": "target_auc"}
    ends = dict(zip(("estimate", "low", "high"), map(share, elsewhere), strict=True))
    further = [
        {"part": part} | contrast(kind, found, 0)
        for part in ("all", "unmarked", *["not collapsed"] * left)
        for kind, found in (("gain", gain), ("translator", own))
    ]
    said: str = answer(
        [contrast("gain", gain, zeros[0]), contrast("translator", own, zeros[1])],
        [names | ends | {"second": "original"}, names | ends | {"second": "oversampled"}],
        [{"seconds": "9", "collapsed": "benign" * (at < collapsed)} for at in range(4)]
        + [{"seconds": "", "collapsed": "benign"}],
        further,
    )
    return said


@pytest.mark.parametrize(
    ("gain", "own", "word"),
    [
        ((1, -1, 3), (2, 1, 3), "No detectable gain"),
        ((2, 1, 3), (2, 1, 3), "A gain"),
        ((-2, -3, -1), (-2, -3, -1), "A loss"),
        ((2, 1, 3), (2, -1, 3), "A gain that is not shown to be the translator’s"),
        ((2, 1, 3), (-2, -3, -1), "A gain that is not shown to be the translator’s"),
        ((-2, -3, -1), (2, 1, 3), "A loss that is not shown to be the translator’s"),
    ],
)
def test_both_differences_decide(answer: Any, gain: Points, own: Points, word: str) -> None:
    assert told(answer, gain, own).startswith(f"**{word}**: on the mean of the networks")


def test_too_few_trainings_give_no_verdict(answer: Any) -> None:
    unknown = {"low_retrained": "", "high_retrained": ""}
    found = [contrast(kind, (1, -1, 3), 1) | unknown for kind in ("gain", "translator")]
    assert answer(found, [], [], []).startswith("**No verdict**: too few trainings")


def test_what_contradicts_stands_in_the_first_sentence(answer: Any) -> None:
    first = told(answer).split("\n")[0]
    assert "fold 0" not in first and "BrEaST" not in first
    against = told(answer, zeros=(1, -2)).split("\n")[0]
    assert "fold 0 alone" in against and "from `oversampled` is −2.0 points (−11.0 to +7.0" in against
    assert "from `original` is" not in against
    other = told(answer, elsewhere=(-3, -5, -1)).split("\n")[0]
    assert "the other way, by −3.0 points (−5.0 to −1.0 for other patients)" in other
    assert "BrEaST" not in told(answer, elsewhere=(3, 1, 5)), "the same way is no contradiction"
    assert "BrEaST" not in told(answer, elsewhere=(-3, -7, 1)), "its interval holds 0"


def test_an_interval_that_ends_below_what_is_worth_having_is_named(answer: Any) -> None:
    assert "3 points, is unlikely" not in told(answer)
    assert "3 points or more by translating is not excluded" in told(answer)
    assert "3 points or more, is unlikely" in told(answer, own=(1, -1, 2.9))


def test_collapsed_trainings_are_counted_and_left_out(answer: Any) -> None:
    assert "0 of 4 trainings collapsed" in told(answer)
    some = told(answer, collapsed=2)
    assert "2 of 4 trainings collapsed" in some and "Over the seeds without any" in some
    none = told(answer, collapsed=2, left=False)
    assert "no result without them" in none and "Over the seeds" not in none
    assert "Without scans that carry burned-in marks" in none
