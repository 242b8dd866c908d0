"""Planted failures each trip their warning, a good translator trips none, tiny sets don't fail."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from bus.core.errors import BusError
from bus.data.store import Box
from bus.gan.extractors import LITE0, LITE1
from bus.gan.scores.features import Extractor, lite0
from bus.gan.scores.model import (
    Counts,
    Filtered,
    Kin,
    Measured,
    Pair,
    Scores,
    ToldApart,
    WarningKind,
    read,
    to_json,
)
from bus.gan.scores.scans import Making, RealScans, SyntheticScans
from bus.gan.scores.score import compare, score_synthetic, warnings

SIZE = 32
TARGETS, SOURCES = 28, 36  # scans, two a group; two thirds of the sources benign
BOX = Box(0, 0, SIZE, SIZE)


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
REAL_SCANS = RealScans(
    REAL,
    LABELS,
    [str(row // 2) for row in range(len(REAL))],
    [f"{row}.png" for row in range(len(REAL))],
    [BOX] * len(REAL),
)
MAKING = Making("malignant", ["benign", "normal"])


def score(
    scans: np.ndarray,
    rows: list[int] = ROWS,
    *,
    real: RealScans = REAL_SCANS,
    extractor: Extractor | None = None,
    variants: Sequence[str] = (),
    **changes: Any,
) -> Scores:
    """Scores of scans made from these rows of the real ones; `changes` are of how they were made."""
    files = [f"synthetic ({row + 1}).png" for row in range(len(scans))]
    made = SyntheticScans(scans, np.array(rows), files, variants)
    found = score_synthetic(made, real, replace(MAKING, **changes), extractor or lite0(), splits=10)
    assert read(Scores, json.loads(json.dumps(to_json(found), allow_nan=False))) == found
    return found


def normalised(scores: Scores) -> float:
    assert scores.kid and scores.kid.normalised
    return scores.kid.normalised.mean


@pytest.fixture(scope="module")
def good() -> Scores:
    return score(GOOD)


def test_a_good_translator_trips_no_warning(good: Scores) -> None:
    assert good.warnings == ()
    assert abs(normalised(good)) < 0.4
    assert good.kid and good.kid.floor.mean < good.kid.ceiling.mean
    assert good.identity and good.identity.synthetic > 2 * good.identity.blurred > 0
    assert good.reader and good.reader.synthetic and good.reader.sources is not None
    assert good.reader.synthetic > 0.7 > 0.4 > good.reader.sources


def test_numbers_and_names_are_those_of_the_scans(good: Scores) -> None:
    assert good.n == Counts(36, 36, 28, 14, 10)
    assert good.reader and good.frechet and good.recall and good.copies and good.distinct
    assert set(good.reader.others) == set(good.reader.synthetic_from) == {"benign", "normal"}
    assert good.recall.normalised is None, "only distances are normalised"
    assert len(good.copies.worst) == 5
    distances = [pair.distance for pair in good.copies.worst]
    assert distances == sorted(distances)
    assert good.distinct.n == good.distinct.sources == 36 and good.distinct.compared == 28


@pytest.mark.long
def test_returning_the_source_is_called_collapse() -> None:
    nearly = (REAL[ROWS] * 0.8).astype(np.uint8)
    found = score(nearly)
    assert WarningKind.COLLAPSE in found.warnings
    assert found.identity and found.identity.synthetic < found.identity.blurred
    assert normalised(found) == pytest.approx(1, abs=0.5)


@pytest.mark.long
def test_changing_a_small_lesion_alone_is_not_called_collapse() -> None:
    speckle = np.random.default_rng(3).normal(0, 25, REAL.shape)
    real = replace(REAL_SCANS, pixels=(REAL + speckle).clip(0, 255).astype(np.uint8))
    small = real.pixels[ROWS].copy()
    small[:, 12:16, 12:16] //= 8
    scores = score(small, real=real)
    found = scores.identity
    assert found and found.synthetic < found.blurred, "the mean distance does not see it"
    assert found.strongest and found.strongest.synthetic > 1.5 * found.strongest.blurred
    assert 0.01 < found.strongest.area < 0.1
    assert WarningKind.COLLAPSE not in scores.warnings
    assert WarningKind.COLLAPSE in score(real.pixels[ROWS], real=real).warnings


@pytest.mark.long
def test_returning_training_scans_is_called_copying() -> None:
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, TARGETS, SOURCES)
    copied = (REAL[chosen] + rng.normal(0, 4, (SOURCES, SIZE, SIZE))).clip(0, 255).astype(np.uint8)
    found = score(copied)
    assert WarningKind.COPYING in found.warnings and found.copies
    assert found.copies.synthetic > 0.9 > 0.2 > found.copies.held_out
    first = found.copies.worst[0]
    row = int(first.file.removeprefix("synthetic (").removesuffix(").png")) - 1
    assert first.nearest == f"{chosen[row]}.png"


@pytest.mark.long
def test_one_scan_for_all_sources_is_called_mode_collapse() -> None:
    rng = np.random.default_rng(0)
    same = (GOOD[:1] + rng.normal(0, 2, (SOURCES, SIZE, SIZE))).clip(0, 255).astype(np.uint8)
    found = score(same)
    assert WarningKind.MODE_COLLAPSE in found.warnings and found.distinct
    assert found.distinct.synthetic < 4 < 8 < found.distinct.target


@pytest.mark.long
def test_going_away_from_the_target_is_called_worse_than_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SOURCES, SIZE, SIZE), dtype=np.uint8)
    found = score(255 - REAL[ROWS] // 4 - noise // 2)
    assert WarningKind.WORSE in found.warnings
    assert normalised(found) > 1.5
    assert [judge.disagrees for judge in found.judges].count(True) >= 2


@pytest.mark.long
def test_a_judge_that_trained_the_translator_is_named(good: Scores) -> None:
    assert score(GOOD, trained_with=LITE0).warnings == (WarningKind.TEACHER,)
    other = replace(lite0(), name="another")  # Lite0 is then the reader's eyes only
    assert score(GOOD, trained_with=LITE0, extractor=other).warnings == (WarningKind.TEACHER,)
    cousin = score(GOOD, trained_with=LITE1)
    assert cousin.judges[0].kin is Kin.FAMILY and good.judges[0].kin is Kin.UNRELATED
    assert replace(cousin, judges=()) == replace(good, trained_with=LITE1, judges=())


@pytest.mark.long
def test_only_plain_variants_are_compared_with_their_sources() -> None:
    mirrored = REAL[ROWS][:, :, ::-1]  # differ a lot from the sources, but nothing was translated
    both, rows = np.concatenate([REAL[ROWS], mirrored]), ROWS * 2
    kinds = ["plain"] * len(ROWS) + ["flipped"] * len(ROWS)
    listed, unlisted = score(both, rows, variants=kinds), score(both, rows)
    assert listed.identity == unlisted.identity and listed.identity
    assert listed.identity.synthetic == pytest.approx(0, abs=1e-6)
    assert listed.distinct and listed.distinct.n == 2 * listed.distinct.sources
    flipped = score(mirrored, variants=["flipped"] * len(ROWS))
    assert flipped.identity is None and any("own sources" in note for note in flipped.notes)


@pytest.mark.long
def test_a_handful_of_scans_gives_notes_instead_of_failing() -> None:
    few = [0, 1, 2, 3, *ROWS[:5], ROWS[-1]]
    names = [str(row) for row in few]
    found = score(
        GOOD[:3], [4, 5, 6], real=RealScans(REAL[few], [LABELS[row] for row in few], names, names, [BOX] * 10)
    )
    assert found.precision is None and any(note.startswith("No precision") for note in found.notes)
    assert found.n.half == 2 and found.kid is not None
    groups = ["one"] * TARGETS + [str(row) for row in range(SOURCES)]
    lonely = score(GOOD, real=replace(REAL_SCANS, groups=groups))
    assert lonely.kid is None and lonely.copies is None and lonely.reader is None
    assert len(lonely.notes) == 3 and lonely.identity is not None


def test_lists_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BusError, match="one source and one file per synthetic scan"):
        score(GOOD, ROWS[:3])
    with pytest.raises(BusError, match="one label, group, file and box per real scan"):
        replace(REAL_SCANS, boxes=[BOX])
    with pytest.raises(BusError, match="real scans of cyst"):
        score(GOOD, target="cyst")


@pytest.mark.long
def test_any_two_sets_can_be_compared() -> None:
    found = compare(GOOD, REAL[:TARGETS], lite0())
    worse = compare(REAL[ROWS], REAL[:TARGETS], lite0())
    assert found.kid and worse.kid and found.frechet and worse.frechet
    assert found.n == Pair(36, 28) and found.kid.subset == 28
    assert found.kid.mean < worse.kid.mean and found.frechet < worse.frechet
    tiny = compare(GOOD[:2], REAL[:1], lite0())
    assert tiny.kid is None and len(tiny.notes) == 6


def test_scans_that_the_reader_chose_are_said_to_be() -> None:
    found = score(GOOD, confidence=0.5, accepted=0.8)
    assert found.filter == Filtered(0.5, 0.8)
    assert found.warnings == (WarningKind.FILTER,)


@pytest.mark.long
def test_judges_that_all_call_the_scans_worse_are_heard_where_the_distance_does_not_tell(
    good: Scores,
) -> None:
    told = ToldApart(synthetic=0.95, sources=0.6, halves=0.5, scans=100)
    judges = tuple(replace(one, two_sample=told) for one in good.judges)
    assert all(judge.disagrees for judge in judges)
    assert warnings(replace(good, judges=judges)) == [WarningKind.DISAGREE]
    assert good.kid and good.kid.normalised
    far = replace(good.kid, normalised=Measured(2.0, 0.1))
    assert warnings(replace(good, judges=judges, kid=far)) == [WarningKind.WORSE], "which says it already"
