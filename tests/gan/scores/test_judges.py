"""Judges agree on what real and untouched scans are, see what each is made to see, and say what they are."""

from dataclasses import replace

import numpy as np
import pytest
from bus.data.store import Box
from bus.gan.extractors import LITE0, LITE1
from bus.gan.scores import judges
from bus.gan.scores.distances import kid
from bus.gan.scores.judges import (
    HANDMADE,
    TRAINED,
    Kernels,
    Question,
    by_hand,
    kinship,
    normalised_kid,
    opinion,
    trained_here,
)
from bus.gan.scores.model import Called, Kin, Measured, Opinion, ToldApart
from bus.gan.scores.scans import Making, RealScans, SyntheticScans

TARGETS, SOURCES, WIDTH = 60, 80, 10
LABELS = np.array(["malignant"] * TARGETS + ["benign"] * SOURCES)
GROUPS = np.array([f"g{row // 2}" for row in range(TARGETS + SOURCES)])
ROWS = np.arange(TARGETS, TARGETS + SOURCES)
QUESTION = Question(LABELS, GROUPS, "malignant", ("benign",), ROWS)


def drawn(count: int, shift: float, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, WIDTH))
    return np.asarray(values + shift, np.float32)


REAL = np.concatenate([drawn(TARGETS, 0.0, 1), drawn(SOURCES, 1.5, 2)])


def test_scans_like_real_ones_and_untouched_sources_lie_at_both_ends() -> None:
    good = opinion("x", Kin.UNRELATED, REAL, drawn(SOURCES, 0.0, 3), QUESTION)
    idle = opinion("x", Kin.UNRELATED, REAL, REAL[ROWS], QUESTION)
    assert good.kid and idle.kid and good.two_sample and idle.two_sample and good.reader and idle.reader
    assert abs(good.kid.mean) < 0.15 and idle.kid.mean == pytest.approx(1, abs=0.05)
    assert good.two_sample.synthetic < 0.65 and idle.two_sample.synthetic == idle.two_sample.sources > 0.95
    assert good.reader.synthetic > 0.9 and idle.reader.synthetic == idle.reader.sources < 0.1
    assert not good.disagrees and not idle.disagrees
    assert opinion("x", Kin.UNRELATED, REAL, drawn(SOURCES, 0.0, 3), QUESTION) == good, "only the seed"


def test_the_spread_holds_the_uncertainty_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing everything anew varies the value about as much as its spread says."""
    monkeypatch.setattr(judges, "REPEATS", 30)
    values = []
    for seed in range(12):
        real = np.concatenate([drawn(TARGETS, 0.0, 100 + seed), drawn(SOURCES, 0.8, 200 + seed)])
        values.append(normalised_kid(real, drawn(SOURCES, 0.3, 300 + seed), QUESTION))
    assert all(value is not None for value in values)
    means = np.array([value.mean for value in values if value])
    spreads = np.array([value.spread for value in values if value])
    assert 0.5 < spreads.mean() / means.std(ddof=1) < 2


def test_the_distance_is_torch_fidelitys() -> None:
    made = drawn(SOURCES, 0.7, 5)
    kernels, target = Kernels(REAL, made), np.arange(SOURCES // 2)
    found = kernels.distance(target + len(REAL), target)
    assert found == pytest.approx(kid(made[: SOURCES // 2], REAL[: SOURCES // 2])[0], abs=1e-5)


def test_no_value_where_the_marks_lie_together() -> None:
    alike = drawn(TARGETS + SOURCES, 0.0, 7)
    assert normalised_kid(alike, drawn(SOURCES, 0.0, 8), QUESTION) is None


@pytest.mark.parametrize("targets", [4, 6, 12])
def test_few_scans_of_many_source_classes_give_a_finite_value_or_none(targets: int) -> None:
    """Halves of two or three targets, and four source classes alike: each class gets less than a scan."""
    labels = np.array(["malignant"] * targets + ["a", "b", "c", "d"] * 4)
    rows = np.arange(targets, targets + 16)
    groups = np.arange(targets + 16).astype(str)
    question = Question(labels, groups, "malignant", ("a", "b", "c", "d"), rows)
    real = np.concatenate([drawn(targets, 0.0, 1), drawn(16, 3.0, 2)])
    for made in (16, 1):
        asked = replace(question, source_rows=rows[:made])
        value = normalised_kid(real, drawn(made, 0.0, 3), asked)
        assert (made == 1 and value is None) or (value and np.isfinite((value.mean, value.spread)).all())


def test_a_part_without_enough_groups_takes_no_other_part_with_it() -> None:
    """Three groups of targets: a half of one group trains no reader, but has a distance."""
    few = np.concatenate([np.arange(6), ROWS])
    question = Question(LABELS[few], GROUPS[few], "malignant", ("benign",), np.arange(6, len(few)))
    real = np.concatenate([REAL[:6], drawn(SOURCES, 4.0, 2)])
    said = opinion("x", Kin.UNRELATED, real, drawn(SOURCES, 0.0, 3), question)
    assert said.two_sample is None and said.kid and said.reader
    assert abs(said.kid.mean) < 0.3 and said.reader.sources < 0.1


def test_too_few_groups_give_an_empty_opinion() -> None:
    lonely = replace(QUESTION, groups=np.array(["g"] * len(LABELS)))
    assert opinion("x", Kin.UNRELATED, REAL, REAL[ROWS], lonely) == Opinion("x", Kin.UNRELATED)


def test_a_judge_that_calls_scans_worse_than_nothing_disagrees() -> None:
    told = ToldApart(0.7, 0.8, 0.5, 100)
    assert not Opinion("x", Kin.FAMILY, Measured(1.05, 0.1), told).disagrees
    assert Opinion("x", Kin.FAMILY, Measured(1.3, 0.1), told).disagrees
    assert Opinion("x", Kin.FAMILY, Measured(0.3, 0.1), replace(told, synthetic=0.9)).disagrees
    few = replace(told, synthetic=0.84, scans=30)  # so few scans move it as much by chance
    assert not Opinion("x", Kin.FAMILY, None, few).disagrees
    assert Opinion("x", Kin.FAMILY, None, replace(few, scans=60)).disagrees
    assert not Opinion("x", Kin.FAMILY, None, None, Called(0.5, 0.5, 0.5)).disagrees


def test_kinship_follows_from_the_names() -> None:
    assert kinship(LITE0, LITE0) is Kin.TEACHER
    assert kinship(LITE0, LITE1) is kinship("efficientnet_b0", LITE1) is Kin.FAMILY
    assert kinship("inception", LITE1) is kinship("vgg16", LITE1) is kinship(LITE0, None) is Kin.UNRELATED


@pytest.fixture(scope="module")
def scans() -> tuple[RealScans, np.ndarray]:
    """Bright targets and dark sources of 32 px with speckle, and perfect translations of the sources."""
    rng = np.random.default_rng(0)

    def squares(count: int, level: float) -> np.ndarray:
        return (level + 25 * rng.normal(size=(count, 32, 32))).clip(0, 255).astype(np.uint8)

    pixels = np.concatenate([squares(TARGETS, 150), squares(SOURCES, 90)])
    files, boxes = [f"{row}.png" for row in range(len(pixels))], [Box(0, 0, 32, 32)] * len(pixels)
    return RealScans(pixels, list(LABELS), list(GROUPS), files, boxes), squares(SOURCES, 150)


def test_hand_made_features_see_a_pattern_that_hides_from_the_grey_levels(
    scans: tuple[RealScans, np.ndarray],
) -> None:
    real, made = scans
    names = [f"{row}.png" for row in range(SOURCES)]
    good = SyntheticScans(made, ROWS, names)
    grid = made.copy()  # the same grey levels, ordered along every second column
    grid[:, :, ::2], grid[:, :, 1::2] = (
        np.minimum(made[:, :, ::2], made[:, :, 1::2]),
        np.maximum(made[:, :, ::2], made[:, :, 1::2]),
    )
    question = Question.about(good, real, Making("malignant", ["benign"]))
    clean, found = by_hand(good, real, question), by_hand(replace(good, pixels=grid), real, question)
    assert clean.judge == HANDMADE and clean.kin is Kin.UNLEARNED and clean.two_sample and found.two_sample
    assert clean.two_sample.synthetic < 0.7 and found.two_sample.synthetic > 0.95
    assert set(found.parts) == {"histogram", "texture", "spectrum", "layout"}
    assert found.parts["histogram"].synthetic < 0.7 < 0.95 < found.parts["spectrum"].synthetic
    assert not clean.disagrees


@pytest.mark.long
def test_a_network_trained_here_knows_the_class_and_gives_no_distance(
    scans: tuple[RealScans, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.gan.scores.trained.EPOCHS", 8)
    real, made = scans
    good = SyntheticScans(made, ROWS, [f"{row}.png" for row in range(SOURCES)])
    said = trained_here(good, real, Question.about(good, real, Making("malignant", ["benign"])))
    assert said.judge == TRAINED and said.kin is Kin.HERE and said.kid is None and said.reader
    assert said.reader.synthetic > 0.9 and said.reader.target > 0.9 and said.reader.sources < 0.1
