"""Thresholds for scores: what is met, what is missed, and what cannot be asked."""

import pytest
from bus.core.errors import UsageError
from bus.gan.scores.model import (
    Comparison,
    CopyShares,
    Counts,
    Looker,
    Measured,
    Pair,
    Scale,
    Scores,
    SubsetKid,
)
from bus.gan.scores.require import missed, parse

EYES = Looker("efficientnet-lite0", "FD (EfficientNet-Lite0)")


def scale(score: float, normalised: float | None = None) -> Scale:
    return Scale(
        Measured(score), Measured(0.0), Measured(1.0), None if normalised is None else Measured(normalised)
    )


SCORES = Scores(
    extractor=EYES,
    n=Counts(30, 60, 20),
    kid=scale(0.09, 0.45),
    precision=scale(0.7),
    copies=CopyShares(0.5, 0.02, 0.05),
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("kid=0.5", 0),
        ("kid=0.4", 1),
        ("kid=0.45,precision=0.7", 0),
        ("precision=0.8,copies=0.01", 2),
        ("copies=real", 0),
        ("coverage=0.1", 1),
    ],
)
def test_a_limit_is_met_or_named(text: str, count: int) -> None:
    said = list(missed(parse(text), SCORES))
    assert len(said) == count
    assert all(line.startswith(part) for line, part in zip(said, text.split(","), strict=False))


def test_what_was_not_computed_is_not_met() -> None:
    assert list(missed(parse("coverage=0.1"), SCORES)) == ["coverage=0.1 is not met: it was not computed."]
    two = Comparison(EYES, Pair(30, 30), kid=SubsetKid(0.09, 0.01, 20), recall=0.3)
    assert list(missed(parse("kid=0.1,recall=0.2"), two)) == []
    assert len(list(missed(parse("kid=0.05,copies=real,recall=0.5"), two))) == 3


@pytest.mark.parametrize("text", ["", "kidd=1", "kid", "kid=low", "kid=real", "precision=nan", "fid=3"])
def test_what_cannot_be_asked_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--require"):
        parse(text)
