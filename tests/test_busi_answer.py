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


def contrast(kind: str, found: Points, zero: float, **other: str) -> dict[str, str]:
    estimate, low, high = map(share, found)
    row = {
        **{"contrast": kind, "model": "mean", "metric": "macro_f1", "estimate": estimate},
        **{"first": "cyclegan", "second": "original" if kind == "gain" else "oversampled"},
        **{"low_retrained": low, "high_retrained": high, "low": low, "high": high},
        **{"detectable_retrained": "0.042", "p_holm_retrained": "0.0312"},
        **{
            "estimate_fold_zero": share(zero),
            "low_fold_zero": share(zero - 9),
            "high_fold_zero": share(zero + 9),
        },
    }
    return row | other


def rests(part: str, **other: str) -> dict[str, str]:
    return {"part": part, "scans": "760", "folds": "5", "seeds": "3", "basis": "seeds"} | other


def told(
    answer: Any,
    gain: Points = (1, -1, 3),
    own: Points = (1, -1, 3.5),
    *,
    zeros: tuple[float, float] = (1, 1),
    elsewhere: Points = (0, -1, 1),
    collapsed: int = 0,
    left: bool = True,
    later: dict[str, list[dict[str, str]]] | None = None,
) -> str:
    names = {"model": "mean", "metric": "target_auc", "first": "cyclegan"}
    ends = dict(zip(("estimate", "low", "high"), map(share, elsewhere), strict=True))
    further = [
        rests(part, seeds="2" if part == "not collapsed" else "3") | contrast(kind, found, 0)
        for part in ("all", "unmarked", *["not collapsed"] * left)
        for kind, found in (("gain", gain), ("translator", own))
    ]
    adjusted = {"second": "adjusted", "contrast": "cyclegan − adjusted"}
    said: str = answer(
        [
            *(
                contrast(kind, found, zero, model=model, metric=metric)
                for model in ("mean", "simplecnn", "resnet18")
                for metric in ("macro_f1", "target_auc", "matched_macro_f1")
                for kind, found, zero in (("gain", gain, zeros[0]), ("translator", own, zeros[1]))
            ),
            contrast("gain", gain, zeros[0]) | adjusted,
        ],
        [names | ends | {"second": "original"}, names | ends | {"second": "oversampled"}],
        [{"seconds": "9", "collapsed": "benign" * (at < collapsed)} for at in range(4)]
        + [{"seconds": "", "collapsed": "benign"}],
        further,
        later,
    )
    return said


def first(*asked: Any, **options: Any) -> str:
    return told(*asked, **options).split("\n")[2]


@pytest.mark.parametrize(
    ("gain", "own", "word"),
    [
        ((1, -1, 3), (2, 1, 3), "No detectable gain"),
        ((2, 1, 3), (2, 1, 3), "A gain"),
        ((-2, -3, -1), (-2, -3, -1), "A loss"),
        ((2, 1, 3), (2, -1, 3), "A gain that is not shown to be the translator’s"),
        ((2, 1, 3), (-2, -3, -1), "A gain that is not the translator’s"),
        ((-2, -3, -1), (2, 1, 3), "A loss that is not the translator’s"),
        ((-2, -3, -1), (2, -1, 3), "A loss that is not shown to be the translator’s"),
    ],
)
def test_both_differences_decide(answer: Any, gain: Points, own: Points, word: str) -> None:
    assert first(answer, gain, own).startswith(f"**{word}**: on the mean of the networks")


def test_too_few_trainings_give_no_verdict(answer: Any) -> None:
    unknown = {"low_retrained": "", "high_retrained": ""}
    found = [contrast(kind, (1, -1, 3), 1) | unknown for kind in ("gain", "translator")]
    assert "**No verdict**: too few trainings" in answer(found, [], [], [])
    alone = [contrast(kind, (1, -1, 3), 1, model=one) for kind in ("gain",) for one in ("vgg19", "resnet18")]
    assert "**No verdict**" in answer(alone, [], [], []), "two networks without a mean"


def test_one_network_alone_is_judged_by_itself(answer: Any) -> None:
    found = [contrast(kind, (2, 1, 3), 1, model="resnet18") for kind in ("gain", "translator")]
    said = answer(found, [], [], [rests(part) | row for part in ("all", "unmarked") for row in found])
    assert "**A gain**: for ResNet18 the macro-F1" in said and "each network" not in said.casefold()


def test_a_table_of_other_answers_is_refused(answer: Any) -> None:
    found = [contrast(kind, (2, 1, 3), 1, model="resnet18") for kind in ("gain", "translator")]
    other = [rests("all") | row | {"low": "0.0101"} for row in found]
    with pytest.raises(SystemExit, match=r"further\.csv, gain, low: 0\.0101, but 0\.01 in the first report"):
        answer(found, [], [], other)


def test_what_contradicts_stands_in_the_first_sentence(answer: Any) -> None:
    assert "fold 0" not in first(answer) and "BrEaST" not in first(answer)
    against = first(answer, zeros=(1, -2))
    assert "fold 0 alone" in against and "from `oversampled` is −2.0 points (−11.0 to +7.0" in against
    assert "from `original` is" not in against
    other = first(answer, elsewhere=(-3, -5, -1))
    assert "the other way, by −3.0 points (−5.0 to −1.0 for other patients)" in other
    assert "BrEaST" not in first(answer, elsewhere=(3, 1, 5)), "the same way is no contradiction"
    assert "BrEaST" not in first(answer, elsewhere=(-3, -7, 1)), "its interval holds 0"


def test_what_stands_beside_is_told_whatever_it_says(answer: Any) -> None:
    said = told(answer)
    assert "On fold 0 alone, whose scans nobody had tested before, `cyclegan` differs from" in said
    assert "`cyclegan` − `oversampled` 0.0 (−1.0 to +1.0)" in said and "On BrEaST’s scans" in said
    assert "SimpleCNN and ResNet18, trained from scratch with 3 seeds in each of 5 folds; 760 test" in said
    for words in ("The AUC of malignant", "at matched specificity", "corrected for the class prior"):
        assert words in said
    assert "| ResNet18 | `cyclegan` − `oversampled` | +1.0 points (−1.0 to +3.5) | 0.031 |" in said
    assert "true difference of 4.2 points from `original`" in said


def test_later_reports_add_what_is_new_in_them_and_no_verdict(answer: Any) -> None:
    assert "Described beside it" not in told(answer)
    known = contrast("gain", (9, 9, 9), 0, model="simplecnn")
    new = [
        contrast("gain", (4, 3, 5), 0, model="vgg19"),
        contrast("x", (4, 3, 5), 0, model="vgg19", metric="brier", second="adjusted"),
        contrast("x", (4, 3, 5), 0, model="simplecnn", first="pasted"),
    ]
    said = told(answer, later={"report-2": [known, new[0], new[1]], "report-3": [known, new[0], new[2]]})
    table = said.split("## Described beside it")[1]
    assert "| VGG19 | `cyclegan` − `original` | +4.0 points (+3.0 to +5.0) | report-2 |" in table
    assert "`pasted` − `oversampled` | +4.0 points (+3.0 to +5.0) | report-3 |" in table
    assert table.count("| SimpleCNN |") == 1 and "+9.0" not in table and "adjusted" not in table


def test_an_interval_that_ends_below_what_is_worth_having_is_named(answer: Any) -> None:
    assert "3 points, is unlikely" not in told(answer)
    assert "3 points or more by translating is not excluded" in told(answer)
    assert "3 points or more, is unlikely" in told(answer, own=(1, -1, 2.9))
    assert "whole interval of what translating adds lies at 3 points" in told(answer, own=(4, 3, 5))


def test_collapsed_trainings_are_counted_and_left_out(answer: Any) -> None:
    assert "0 of 4 trainings collapsed" in told(answer)
    some = told(answer, collapsed=2)
    assert "2 of 4 trainings collapsed" in some and "Over the seeds without any (2 seeds, 5 folds)" in some
    none = told(answer, collapsed=2, left=False)
    assert "no result without them" in none and "Over the seeds" not in none
    assert "Without test scans that carry burned-in marks (3 seeds, 5 folds)" in none
