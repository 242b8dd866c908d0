"""scores.json: what is written is read, an older file is read as far as it goes, and what is damaged is
named."""

import dataclasses
from typing import Any

import pytest
from bus.gan.scores.model import (
    Asked,
    Called,
    CopyShares,
    Counts,
    Distinct,
    Identity,
    Kin,
    Looker,
    Measured,
    NearPair,
    Opinion,
    ReaderShares,
    Scale,
    Scores,
    StrongestBlocks,
    ToldApart,
    WarningKind,
    read,
    to_json,
)

LOOKER = Looker("efficientnet-lite0", "FD (EfficientNet-Lite0)", "asked for")
WHOLE = Scores(
    extractor=LOOKER,
    n=Counts(30, 40, 20, 10, 50),
    key=Asked("ab" * 32, "auto", None, 50, 0.5, 1),
    target="malignant",
    kid=Scale(Measured(0.1, 0.02), Measured(-0.001, 0.01), Measured(0.2), Measured(0.5, 0.1)),
    identity=Identity(20.0, 9.0, 8.0, StrongestBlocks(60.0, 20.0, 18.0, 0.3)),
    copies=CopyShares(0.5, 0.01, 0.05, (NearPair("synthetic (1).png", "a.png", 0.4),)),
    reader=ReaderShares(0.7, 0.1, None, {"benign": 0.2}, {"benign": None}),
    distinct=Distinct(6.5, 30),
    judges=(
        Opinion(
            "efficientnet-lite0",
            Kin.FAMILY,
            Measured(0.2, 0.1),
            ToldApart(0.7, 0.9, 0.5),
            Called(0.6, 0.7, 0.1),
            {"texture": ToldApart(0.6, 0.7, 0.5)},
        ),
        Opinion("hand-made features", Kin.UNLEARNED),
    ),
    warnings=(WarningKind.COPYING,),
    notes=("A note.",),
)
OLD: dict[str, Any] = {  # of a version that kept the sentences of warnings, and a key that later ones lack
    "key": {"manifest": "ab", "asked": "auto", "weights": None, "splits": 50},
    "extractor": {"name": "inception", "label": "FID", "reason": ""},
    "n": {"synthetic": 30, "sources": 40, "target": 20, "half": 10, "splits": 50},
    "filter": None,
    "warnings": [{"name": "copying", "text": "Too near."}],
    "gone": [1, 2],
}


def test_what_is_written_is_read() -> None:
    assert read(Scores, to_json(WHOLE)) == WHOLE


def test_an_older_file_is_read_as_far_as_it_goes() -> None:
    found = read(Scores, OLD)
    assert found.warnings == (WarningKind.COPYING,) and found.kid is None and found.target == "target"
    assert found.key == Asked("ab", "auto", None, 50) and found.key.version == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("extractor", None),
        ("extractor", {"name": "inception"}),
        ("n", []),
        ("n", {"synthetic": -1, "sources": 1, "target": 1}),
        ("n", {"synthetic": True, "sources": 1, "target": 1}),
        ("kid", {"score": {"mean": "0"}, "floor": {"mean": 0}, "ceiling": {"mean": 0}}),
        ("kid", {"score": {"mean": 1e999}, "floor": {"mean": 0}, "ceiling": {"mean": 0}}),
        ("kid", {"score": {"mean": 0, "spread": -1}, "floor": {"mean": 0}, "ceiling": {"mean": 0}}),
        ("kid", {"score": {"mean": 10**400}, "floor": {"mean": 0}, "ceiling": {"mean": 0}}),
        ("warnings", ["no such"]),
        ("warnings", [[]]),
        ("notes", "text"),
        ("reader", {"target": 1, "sources": 1, "synthetic": 1, "others": {"benign": "x"}}),
    ],
)
def test_what_no_version_wrote_is_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(Scores, {**OLD, field: value})


def test_every_field_has_a_type_that_can_be_read() -> None:
    """A field of a type that `read` doesn't know would be written, and then refused."""
    names = {item.name for item in dataclasses.fields(Scores)}
    filled = {name for name in names if getattr(WHOLE, name) not in (None, ())}
    assert names - filled == {
        "trained_with",
        "filter",
        "frechet",
        "precision",
        "recall",
        "density",
        "coverage",
    }
