"""Scores in words: every number with what real scans give, nothing for what was not computed."""

from dataclasses import replace

import pytest
from bus.gan.scores.model import (
    METRICS,
    CopyShares,
    Counts,
    Distinct,
    Filtered,
    HeldOutScores,
    Identity,
    Looker,
    Measured,
    ReaderShares,
    Scale,
    Scores,
    WarningKind,
)
from bus.gan.scores.sentences import against_tests, headline, sentences, shown, warning
from hypothesis import given
from hypothesis import strategies as st

SCALE = Scale(Measured(0.4), Measured(0.8), Measured(0.7))
SCORES = Scores(
    extractor=Looker("efficientnet-lite0", "FD (EfficientNet-Lite0)"),
    n=Counts(12, 20, 9, 4, 50),
    target="malignant",
    reference="target scans of the training part",
    kid=Scale(Measured(0.02), Measured(-0.001), Measured(0.04), Measured(0.5, 0.1)),
    frechet=Scale(Measured(91.0), Measured(60.0), Measured(85.0)),
    precision=SCALE,
    density=SCALE,
    identity=Identity(20.0, 9.0, 8.0),
    copies=CopyShares(0.5, 0.021, 0.047),
    reader=ReaderShares(0.7, 0.1, 0.6, {"benign": 0.1}, {"benign": 0.6}),
    distinct=Distinct(6.0, 12, 12, 9, 5.0, 8.0),
    notes=("A note.",),
)


@given(st.floats(-50, 50), st.floats(1e-4, 5))
def test_a_number_shows_no_digit_below_its_spread(mean: float, spread: float) -> None:
    left, _, right = shown(Measured(mean, spread)).partition(" ± ")
    assert len(left.partition(".")[2]) == len(right.partition(".")[2])
    assert abs(float(left.replace("−", "-")) - mean) <= 0.06 * spread + 0.5 * (spread >= 10)
    assert shown(None) == "–"


def test_the_scores_are_told_with_what_real_scans_give() -> None:
    text = list(sentences(SCORES))
    for line in (
        "12 synthetic scans against 9 real ones (target scans of the training part); "
        "judge: efficientnet-lite0.",
        "Normalised KID 0.50 ± 0.10 (0 real, 1 did nothing); "
        "KID 0.0200, of real scans −0.0010, of sources 0.0400.",
        "FD (EfficientNet-Lite0): 91.0.",
        "Precision 0.40 (real 0.80, sources 0.70), density 0.40 (real 0.80, sources 0.70).",
        "Distance to the own source, grey levels: 20.0 translated, 9.0 merely blurred, 8.0 merely re-gained.",
        "Copies: 2.1 % of the synthetic scans are closer than 0.500 to a training scan; "
        "of held-out real scans 4.7 %.",
        "A reader of another network size calls malignant: 60 % of the synthetic scans, 10 % of their "
        "sources, 70 % of real malignant scans. Made from benign: 60 %.",
        "Distinct scans: 12 synthetic scans vary like 6 entirely different ones. "
        "Of equally many (9), synthetic vary like 5, real malignant scans like 8.",
        "A note.",
    ):
        assert line in text, line
    assert not any(line.startswith(("Filter", "Warning")) for line in text)


@pytest.mark.parametrize(
    ("normalised", "words"),
    [
        (Measured(0.45, 0.1), "went 55 % of the way from their sources to real malignant scans"),
        (Measured(-0.1, 0.1), "went 100 % of the way"),
        (Measured(1.0, 0.2), "are about as far from real malignant scans as their untranslated sources"),
        (Measured(7.0, 0.5), "are farther from real malignant scans than their untranslated sources"),
        (None, "could not be placed"),
    ],
)
def test_one_plain_sentence_says_where_the_scans_lie(normalised: Measured | None, words: str) -> None:
    kernel = Scale(Measured(0.02), Measured(0.0), Measured(0.04), normalised)
    said = headline(replace(SCORES, kid=kernel))
    assert words in said and said.startswith("The 12 synthetic scans ") and said.endswith(".")
    assert "calls 60 % of them malignant, of real ones 70 %" in said
    assert "reader" not in headline(replace(SCORES, kid=kernel, reader=None))


def test_what_was_not_computed_is_not_told() -> None:
    kernel = replace(SCALE, normalised=None)
    plain = next(line for line in sentences(replace(SCORES, kid=kernel)) if "KID" in line)
    assert plain.startswith("KID ")
    empty = Scores(extractor=SCORES.extractor, n=SCORES.n, notes=("No distances.",))
    lines = list(sentences(empty))
    assert len(lines) == 2 and lines[1] == "No distances."


@pytest.mark.parametrize("kind", WarningKind)
def test_every_warning_is_worded_with_and_without_its_numbers(kind: WarningKind) -> None:
    known = replace(SCORES, filter=Filtered(0.5, 0.8), trained_with="efficientnet-lite0", warnings=(kind,))
    *_, last = sentences(known)
    assert last.startswith(f"Warning, {kind}: ") and last.endswith(".") and "None" not in last
    bare = Scores(extractor=SCORES.extractor, n=SCORES.n)
    assert warning(kind, bare).endswith(".")


def test_test_scans_are_a_reference_of_their_own() -> None:
    scales = {name: SCORES.metric(name) for name in METRICS}
    text = against_tests(HeldOutScores(manifest="ab", tests=7, **scales), "malignant")
    assert text.startswith("7 real malignant scans of the test part")
    assert text.endswith("density 0.40 (real 0.80, sources 0.70).") and "Normalised KID 0.50 ± 0.10" in text
    assert against_tests(HeldOutScores(manifest="ab", tests=7, kid=SCORES.kid), "x").endswith(
        "of sources 0.0400."
    )
