"""A gain knob is no translation, a blurred copy is still a copy, and no reader knows what it reads."""

import cv2
import numpy as np
import pytest
from bus.data.store import Box
from bus.gan.scores.checks import blurred, changed, copies, reader_probabilities, regained, vendi
from bus.gan.scores.distances import TooFewGroups
from hypothesis import given
from hypothesis import strategies as st

BOX = Box(4, 0, 24, 32)


def scans(count: int, seed: int = 0) -> np.ndarray:
    """Smooth random textures, 32 px, with bars above and below."""
    out = np.zeros((count, 32, 32), np.uint8)
    for row in range(count):
        noise = np.random.default_rng((seed, row)).normal(size=(24, 32))
        smooth = cv2.GaussianBlur(noise, (0, 0), 2)
        out[row, 4:28] = (120 + 30 * smooth / smooth.std()).clip(20, 200)
    return out


def random_features(count: int, width: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


@given(st.floats(0.5, 1.2), st.integers(-15, 15))
def test_turning_the_gain_knob_is_no_change(gain: float, offset: int) -> None:
    sources = scans(3)
    turned = (sources * gain + offset).clip(0, 255).astype(np.uint8)
    assert changed(turned, sources, [BOX] * 3).max() < 1.5  # rounding to whole grey levels


def test_changed_looks_inside_the_scan_only() -> None:
    sources = scans(3)
    dirty = sources.copy()
    dirty[:, :4] = 255
    np.testing.assert_allclose(changed(dirty, sources, [BOX] * 3), 0, atol=1e-9)
    flat = np.full_like(sources, 90)
    inside = sources[:, 4:28].astype(float)
    expected = np.abs(inside - inside.mean((1, 2), keepdims=True)).mean((1, 2))
    np.testing.assert_allclose(changed(flat, sources, [BOX] * 3), expected)


def test_an_inverted_scan_counts_as_changed() -> None:
    sources = scans(3)
    assert changed(255 - sources, sources, [BOX] * 3).min() > 15


def test_blurred_and_regained_are_slight_and_keep_the_bars() -> None:
    sources = scans(4)
    soft = blurred(sources, [BOX] * 4)
    assert not soft[:, :4].any() and not soft[:, 28:].any()
    assert (soft[:, 4:28].std((1, 2)) < sources[:, 4:28].std((1, 2))).all()
    ratio = regained(sources)[:, 4:28].mean((1, 2)) / sources[:, 4:28].mean((1, 2))
    np.testing.assert_allclose(ratio, [1.1, 0.9, 1.1, 0.9], atol=0.01)


def test_copies_are_found_through_blur_mirror_and_gain() -> None:
    target, seen = scans(40), random_features(40)
    groups = [str(row) for row in range(40)]
    hidden = blurred(target, [BOX] * 40)[:, :, ::-1] // 2
    found = copies(hidden, random_features(40, seed=1), target, seen, groups)
    assert found.share(found.synthetic) > 0.95 and (found.nearest == np.arange(40)).mean() > 0.95
    by_features = copies(scans(40, seed=2), seen + 0.01, target, seen, groups)
    assert by_features.share(by_features.synthetic) == 1


def test_new_scans_are_no_copies_and_five_in_a_hundred_real_ones_lie_below_the_threshold() -> None:
    target, groups = scans(80), [str(row) for row in range(80)]
    found = copies(scans(80, seed=2), random_features(80, seed=3), target, random_features(80), groups)
    assert found.share(found.held_out) == pytest.approx(0.05, abs=0.01)
    assert found.share(found.synthetic) < 0.15


def test_siblings_do_not_make_copying_look_usual() -> None:
    target, seen = scans(20), random_features(20)
    twins, groups = np.concatenate([target, target]), [str(row) for row in range(20)] * 2
    alone = copies(target, seen, target, seen, groups[:20])
    with_twins = copies(target, seen, twins, np.concatenate([seen, seen]), groups)
    assert with_twins.threshold == pytest.approx(alone.threshold, rel=0.2) and with_twins.threshold > 0.1
    with pytest.raises(TooFewGroups):
        copies(target, seen, target, seen, ["one"] * 20)


def test_no_reader_has_seen_the_group_it_reads() -> None:
    # two scans of a group are equal and their labels drawn by lot: whoever saw the sibling knows the label
    groups = [str(row // 2) for row in range(120)]
    seen = np.repeat(random_features(60, 64), 2, axis=0)
    truth = np.repeat(np.random.default_rng(5).random(60) < 0.5, 2)
    rows = list(range(0, 120, 3))
    real, synthetic = reader_probabilities(seen, list(truth), groups, seen[rows], rows)
    assert ((real > 0.5) == truth).mean() < 0.65
    np.testing.assert_allclose(synthetic, real[rows], atol=1e-6)


def test_the_reader_finds_what_can_be_learnt() -> None:
    seen, groups = random_features(100), [str(row) for row in range(100)]
    truth = seen[:, 0] > 0
    real, _ = reader_probabilities(seen, list(truth), groups, seen[:10], range(10))
    assert ((real > 0.5) == truth).mean() > 0.8
    with pytest.raises(TooFewGroups):
        reader_probabilities(seen, [True] + [False] * 99, groups, seen[:10], range(10))


def test_vendi_counts_distinct_scans() -> None:
    centre = np.zeros(16, np.float32)
    assert vendi(np.repeat(random_features(1), 30, axis=0), centre) == pytest.approx(1)
    assert vendi(np.eye(16, dtype=np.float32)[:10] * 7, centre) == pytest.approx(10)
    assert vendi(np.repeat(np.eye(16, dtype=np.float32)[:5], 6, axis=0), centre) == pytest.approx(5)
    values = random_features(30)
    assert vendi(values[::-1], centre) == pytest.approx(vendi(values, centre))
    kernel = values / np.linalg.norm(values, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(kernel @ kernel.T / 30).clip(1e-12)
    assert vendi(values, centre) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-3)
