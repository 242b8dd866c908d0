"""Verdicts in sentences."""

from dataclasses import asdict

import pytest
from bus.benchmark.arms import Arm
from bus.benchmark.results.contrasts import verdict_kind
from bus.benchmark.results.model import Contrast, Interval, Retrained, Verdict, VerdictKind
from bus.benchmark.results.wording import expectation, sentence


def interval(estimate: float, error: float, p_holm: float | None = None) -> Interval:
    low, high = estimate - 1.96 * error, estimate + 1.96 * error
    p = 0.01 if low > 0 or high < 0 else 0.5
    return Interval(estimate, low, high, p, p if p_holm is None else p_holm, error, 2.8 * error, None)


def difference(estimate: float, error: float, p_holm: float | None = None, *, again: bool = True) -> Contrast:
    """A contrast whose two intervals are equally wide, or that has the narrow one alone."""
    narrow = interval(estimate, error, p_holm)
    wide = Retrained(**asdict(narrow), freedom=10.0, basis="seeds") if again else None
    return Contrast("gain", "resnet18", Arm("cyclegan"), Arm("original"), "macro_f1", narrow, wide)


UP, DOWN, NEAR = difference(0.08, 0.02), difference(-0.08, 0.02), difference(0.01, 0.02)

ONCE = difference(0.08, 0.02, again=False)


@pytest.mark.parametrize(
    ("gain", "translator", "kind", "sentence_start"),
    [
        (None, None, VerdictKind.UNPAIRED, "no verdict: it needs cells"),
        (
            difference(0.008, 0.0196),
            UP,
            VerdictKind.NO_GAIN,
            "no detectable gain: +0.8 points of macro-F1 (95 % interval for other scans, trainings and "
            "translators −3.0 to +4.6, for other scans alone −3.0 to +4.6); this study could have detected "
            "about 5.5 points",
        ),
        (difference(0.08, 0.02, p_holm=0.06), UP, VerdictKind.NO_GAIN, "no detectable gain: +8.0 points"),
        (
            ONCE,
            ONCE,
            VerdictKind.NOT_REPEATED,
            "no verdict yet: +8.0 points of macro-F1 (95 % interval for other",
        ),
        (
            difference(0.01, 0.02, again=False),
            UP,
            VerdictKind.NO_GAIN,
            "no detectable gain: +1.0 points of macro-F1 (95 % interval for other scans −2.9 to +4.9; what "
            "training again would change nobody can know from so few trainings); from so few trainings no "
            "gain of any size can be shown.",
        ),
        (difference(0.0, 0.0), UP, VerdictKind.SAME_ANSWERS, "no verdict: both arms gave the same answers"),
        (DOWN, None, VerdictKind.LOSS_UNEXPLAINED, "loss against the original data: −8.0 points"),
        (DOWN, NEAR, VerdictKind.LOSS_OF_REPEATS, "loss, but not shown against plain oversampling: −8.0"),
        (DOWN, DOWN, VerdictKind.LOSS, "loss shown: −8.0 points"),
        (DOWN, UP, VerdictKind.REPEATS_WORSE, "loss, but plain oversampling does worse: −8.0 points"),
        (UP, None, VerdictKind.GAIN_UNEXPLAINED, "gain over the original data: +8.0 points"),
        (UP, UP, VerdictKind.GAIN, "gain shown: +8.0 points"),
        (UP, difference(0.05, 0.01, p_holm=0.06), VerdictKind.GAIN_OF_REPEATS, "gain, but not shown beyond"),
        (UP, NEAR, VerdictKind.GAIN_OF_REPEATS, "gain, but not shown beyond plain oversampling"),
        (UP, ONCE, VerdictKind.GAIN_OF_REPEATS, "gain, but not shown beyond plain oversampling"),
        (UP, DOWN, VerdictKind.REPEATS_BETTER, "gain, but plain oversampling does better"),
    ],
)
def test_verdicts(
    gain: Contrast | None, translator: Contrast | None, kind: VerdictKind, sentence_start: str
) -> None:
    assert verdict_kind(gain, translator) is kind
    assert sentence(Verdict("resnet18", kind, gain, translator)).startswith(sentence_start)


def test_a_test_of_few_target_groups_is_too_small_to_judge() -> None:
    assert verdict_kind(UP, UP, 9) is VerdictKind.TOO_SMALL and verdict_kind(UP, UP, 10) is VerdictKind.GAIN
    said = sentence(Verdict("resnet18", VerdictKind.TOO_SMALL, UP, UP, target_groups=1))
    assert said.startswith("too small to judge: 1 group of the target were tested, 10 are the least; +8.0")
    moved = Verdict("resnet18", VerdictKind.TOO_SMALL, UP, UP, auc=UP, matched=UP, seeds=1, target_groups=1)
    assert "The ranking" not in sentence(moved) and "With the threshold" not in sentence(moved)


@pytest.mark.parametrize(
    ("translated", "planned", "words"),
    [
        (False, False, "or three seeds (--seeds 3)."),
        (False, True, "or three seeds (--seeds 3)."),
        (True, False, "or translators of their own for three seeds (--seeds 3 --gan-seeds 3)."),
        (True, True, "three seeds (--seeds 3, and gan_seeds = 3 in the plan)."),
    ],
)
def test_an_expectation_says_what_would_show_more_by_options_that_are_there(
    translated: bool, planned: bool, words: str
) -> None:
    assert expectation(1, 1, 0.1, None, translated=translated, planned=planned).endswith(words)
    assert "--" not in expectation(5, 3, 0.04, 0.05, translated=translated, planned=planned)


def test_a_claim_says_whether_the_ranking_moved() -> None:
    moved = sentence(Verdict("resnet18", VerdictKind.GAIN, UP, UP, auc=difference(0.03, 0.01)))
    assert "The ranking of scans moved too: AUC moved by +3.0 points (+1.0 to +5.0)." in moved
    still = sentence(Verdict("resnet18", VerdictKind.GAIN, UP, UP, auc=NEAR))
    back = sentence(Verdict("resnet18", VerdictKind.GAIN, UP, UP, auc=difference(-0.03, 0.01)))
    assert "The ranking of scans moved the other way: AUC moved by −3.0 points" in back
    assert "is not shown to have moved" in still and "the threshold alone" in still
    assert "ranking" not in sentence(Verdict("resnet18", VerdictKind.NO_GAIN, NEAR, UP, auc=NEAR))
    apart = sentence(Verdict("resnet18", VerdictKind.GAIN, UP, UP, auc=NEAR, matched=NEAR, beyond_prior=UP))
    assert "every arm at 90 % specificity the difference is +1.0 points of macro-F1 (−2.9 to +4.9)." in apart
    assert "corrected for the class prior, without training, it is +8.0 points of macro-F1 (+4.1" in apart


def test_the_yardstick_is_in_the_verdict() -> None:
    said = sentence(Verdict("resnet18", VerdictKind.NO_GAIN, NEAR, UP, below_yardstick=4, arms=4))
    assert "All 4 arms that train this network stay below the yardstick" in said
    some = sentence(Verdict("resnet18", VerdictKind.NO_GAIN, NEAR, UP, below_yardstick=1, arms=4))
    assert "1 of the 4 arms" in some
    only = sentence(Verdict("resnet18", VerdictKind.NO_GAIN, NEAR, UP, below_yardstick=1, arms=1))
    assert "The one arm that trains this network stays below the yardstick" in only


def test_one_cell_is_no_number_of_cells() -> None:
    many, only = (
        sentence(Verdict("resnet18", VerdictKind.NO_GAIN, NEAR, UP, collapsed=1, cells=cells))
        for cells in (3, 1)
    )
    assert "1 of the 3 cells behind this gave" in many and "the one cell behind this gave" in only
