"""The whole of scores.json: planted failures trip their warnings, a good translator none; tiny sets."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from bus.core.errors import BusError
from bus.gan.scores import score as module
from bus.gan.scores.features import Extractor, features, lite0
from bus.gan.scores.score import compare, score_synthetic

SIZE = 32
TARGETS, SOURCES = 28, 36  # scans, two a group; two thirds of the sources benign
BOX = (0, 0, SIZE, SIZE)


def tissue(seed: int) -> np.ndarray:
    """Smooth random echoes: a scan of a source class."""
    noise = np.random.default_rng((0, seed)).normal(size=(SIZE, SIZE))
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.asarray((120 + 30 * smooth / smooth.std()).clip(0, 255), np.uint8)


def with_mass(scan: np.ndarray, seed: int) -> np.ndarray:
    """The scan with a dark ragged mass and its shadow: what a perfect translator makes of it."""
    rng = np.random.default_rng((1, seed))
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = rng.uniform(5, 8) * rng.uniform(0.6, 1.4, 24)
    middle = rng.uniform(11, 21, 2)
    outline = (
        (middle + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).round().astype(np.int32)
    )
    mass = cv2.fillPoly(np.zeros_like(scan), [outline], 255) > 0
    shadow = np.maximum.accumulate(mass, axis=0)
    out = np.where(shadow, scan // 2, scan)
    return np.where(mass, scan // 6, out).astype(np.uint8)


REAL = np.stack(
    [with_mass(tissue(row), row) for row in range(TARGETS)] + [tissue(100 + row) for row in range(SOURCES)]
)
LABELS = ["malignant"] * TARGETS + ["benign"] * 24 + ["normal"] * 12
ROWS = list(range(TARGETS, TARGETS + SOURCES))
GOOD = np.stack([with_mass(REAL[row], 500 + row) for row in ROWS])


SEEN: dict[bytes, np.ndarray] = {}


def remembered(scans: np.ndarray, extractor: Extractor) -> np.ndarray:
    """The features of scans, each computed once in this file."""
    new = np.unique([scan for scan in scans if scan.tobytes() not in SEEN], axis=0)
    if len(new):
        SEEN.update(zip((scan.tobytes() for scan in new), features(new, extractor), strict=True))
    return np.stack([SEEN[scan.tobytes()] for scan in scans])


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "features", remembered)
        yield


def score(synthetic: np.ndarray, **changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "synthetic": synthetic,
        "source_rows": ROWS,
        "real": REAL,
        "labels": LABELS,
        "groups": [str(row // 2) for row in range(len(REAL))],
        "boxes": [BOX] * len(REAL),
        "target": "malignant",
        "sources": ["benign", "normal"],
        "extractor": lite0(),
        "splits": 10,
        "synthetic_files": [f"synthetic ({row + 1}).png" for row in range(len(synthetic))],
        "real_files": [f"{row}.png" for row in range(len(REAL))],
    }
    found = score_synthetic(**{**options, **changes})
    json.dumps(found, allow_nan=False)
    return found


def names(scores: dict[str, Any]) -> set[str]:
    return {warning["name"] for warning in scores["warnings"]}


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    return score(GOOD)


def test_a_good_translator_trips_no_warning(good: dict[str, Any]) -> None:
    assert good["warnings"] == []
    assert abs(good["kid"]["normalised"]["mean"]) < 0.4
    assert good["kid"]["floor"]["mean"] < good["kid"]["ceiling"]["mean"]
    assert good["identity"]["synthetic"] > 2 * good["identity"]["blurred"] > 0
    assert good["reader"]["synthetic"] > 0.7 > 0.4 > good["reader"]["sources"]


def test_the_scores_have_the_agreed_form(good: dict[str, Any]) -> None:
    assert list(good) == [
        "extractor",
        "trained_with",
        "n",
        "filter",
        "reference",
        "kid",
        "frechet",
        "precision",
        "recall",
        "density",
        "coverage",
        "identity",
        "copies",
        "reader",
        "distinct",
        "warnings",
        "notes",
    ]
    assert good["n"] == {"synthetic": 36, "sources": 36, "target": 28, "half": 14, "splits": 10}
    assert set(good["reader"]["others"]) == set(good["reader"]["synthetic_from"]) == {"benign", "normal"}
    assert set(good["kid"]) == set(good["frechet"]) == {"score", "floor", "ceiling", "normalised"}
    assert set(good["recall"]) == {"score", "floor", "ceiling"}
    assert len(good["copies"]["worst"]) == 5
    distances = [pair["distance"] for pair in good["copies"]["worst"]]
    assert distances == sorted(distances)
    assert good["distinct"]["n"] == good["distinct"]["sources"] == 36 and good["distinct"]["compared"] == 28


def test_returning_the_source_is_called_collapse() -> None:
    nearly = (REAL[ROWS] * 0.8).astype(np.uint8)
    found = score(nearly)
    assert "collapse to the source" in names(found)
    assert found["identity"]["synthetic"] < found["identity"]["blurred"]
    assert found["kid"]["normalised"]["mean"] == pytest.approx(1, abs=0.5)


def test_returning_training_scans_is_called_copying() -> None:
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, TARGETS, SOURCES)
    copied = (REAL[chosen] + rng.normal(0, 4, (SOURCES, SIZE, SIZE))).clip(0, 255).astype(np.uint8)
    found = score(copied)
    assert "copying" in names(found)
    assert found["copies"]["synthetic"] > 0.9 > 0.2 > found["copies"]["held_out"]
    first = found["copies"]["worst"][0]
    row = int(first["file"].removeprefix("synthetic (").removesuffix(").png")) - 1
    assert first["nearest"] == f"{chosen[row]}.png"


def test_one_scan_for_all_sources_is_called_mode_collapse() -> None:
    rng = np.random.default_rng(0)
    same = (GOOD[:1] + rng.normal(0, 2, (SOURCES, SIZE, SIZE))).clip(0, 255).astype(np.uint8)
    found = score(same)
    assert "mode collapse" in names(found)
    assert found["distinct"]["synthetic"] < 4 < 8 < found["distinct"]["target"]


def test_going_away_from_the_target_is_called_worse_than_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SOURCES, SIZE, SIZE), dtype=np.uint8)
    found = score(255 - REAL[ROWS] // 4 - noise // 2)
    assert "worse than nothing" in names(found)
    assert found["kid"]["normalised"]["mean"] > 1.5


def test_a_judge_that_trained_the_translator_is_named(good: dict[str, Any]) -> None:
    assert names(score(GOOD, trained_with="efficientnet-lite0")) == {"judged by its teacher"}
    other = replace(lite0(), name="another")  # Lite0 is then the reader's eyes only
    assert names(score(GOOD, trained_with="efficientnet-lite0", extractor=other)) == {"judged by its teacher"}
    assert score(GOOD, trained_with="efficientnet-lite1") == good | {"trained_with": "efficientnet-lite1"}


def test_only_plain_variants_are_compared_with_their_sources(good: dict[str, Any]) -> None:
    mirrored = REAL[ROWS][
        :, :, ::-1
    ]  # mirrored sources differ a lot from the sources, but nothing was translated
    both, rows = np.concatenate([REAL[ROWS], mirrored]), ROWS * 2
    kinds = ["plain"] * len(ROWS) + ["flipped"] * len(ROWS)
    listed, unlisted = score(both, source_rows=rows, variants=kinds), score(both, source_rows=rows)
    assert listed["identity"]["synthetic"] == unlisted["identity"]["synthetic"] == pytest.approx(0, abs=1e-6)
    assert listed["distinct"]["n"] == 2 * listed["distinct"]["sources"]
    flipped = score(mirrored, variants=["flipped"] * len(ROWS))
    assert flipped["identity"] is None and any("own sources" in note for note in flipped["notes"])


def test_a_handful_of_scans_gives_notes_instead_of_failing() -> None:
    few = [0, 1, 2, 3, *ROWS[:5], ROWS[-1]]
    found = score(
        GOOD[:3],
        source_rows=[4, 5, 6],
        real=REAL[few],
        labels=[LABELS[row] for row in few],
        groups=[str(row) for row in few],
        boxes=[BOX] * 10,
        real_files=[str(row) for row in few],
    )
    assert found["precision"] is None and any(note.startswith("No precision") for note in found["notes"])
    assert found["n"]["half"] == 2 and found["kid"] is not None
    lonely = score(GOOD, groups=["one"] * TARGETS + [str(row) for row in range(SOURCES)])
    assert lonely["kid"] is None and lonely["copies"] is None and lonely["reader"] is None
    assert len(lonely["notes"]) == 3 and lonely["identity"] is not None


def test_lists_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BusError, match="one source and one file per synthetic scan"):
        score(GOOD, source_rows=ROWS[:3])
    with pytest.raises(BusError, match="real scans of cyst"):
        score(GOOD, target="cyst")


def test_any_two_sets_can_be_compared() -> None:
    found = compare(GOOD, REAL[:TARGETS], lite0())
    worse = compare(REAL[ROWS], REAL[:TARGETS], lite0())
    assert found["n"] == {"first": 36, "second": 28} and found["kid"]["subset"] == 28
    assert found["kid"]["mean"] < worse["kid"]["mean"] and found["frechet"] < worse["frechet"]
    tiny = compare(GOOD[:2], REAL[:1], lite0())
    assert tiny["kid"] is None and len(tiny["notes"]) == 6


def test_scans_that_the_reader_chose_are_said_to_be() -> None:
    found = score(GOOD, confidence=0.5, accepted=0.8)
    assert found["filter"] == {"confidence": 0.5, "accepted": 0.8}
    assert names(found) == {"judged by its filter"}
