"""The arm `pasted`: real lesions on real scans, of the training part alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bus.benchmark import audit as audits
from bus.benchmark import pasting
from bus.benchmark.arms import chosen
from bus.benchmark.cells import cells_of, needed
from bus.benchmark.examples import examples
from bus.benchmark.pasting import Patch, paste, pasted
from bus.benchmark.request import Request
from bus.core.errors import BusError, UsageError
from bus.data.store import MASKS_FILE, Box
from bus.data.study import Study

WHOLE = Box(0, 0, 64, 64)


def disc(down: int, right: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    return (np.hypot(y - down, x - right) <= radius).astype(np.uint8)


def patch(shadow: float = 0.25) -> Patch:
    """A black disc on speckle of mean 100 that leaves so much of the brightness below it."""
    mask = disc(24, 30, 7)
    square = np.random.default_rng(0).normal(100, 10, (64, 64))
    square[32:, 24:37] *= shadow
    square[mask > 0] = 5
    return Patch(square.clip(0, 255).astype(np.uint8), mask, WHOLE, (24.0, 30.0), int(mask.sum()))


def test_pasted_scans_are_of_the_training_part_and_decided_by_the_draw(tiny_study: Path) -> None:
    study = Study.open(tiny_study)
    made, again, other = (pasted(study, 0, "malignant", 40, draw) for draw in (3, 3, 4))
    assert [one.square.tobytes() for one in made] == [one.square.tobytes() for one in again]
    assert [one.square.tobytes() for one in made] != [one.square.tobytes() for one in other]
    train = set(study.train(0))
    for one in made:
        assert {one.background, one.lesion} <= train
        assert study.scans[one.lesion].label == "malignant" != study.scans[one.background].label
        bars = np.ones((len(one.square),) * 2, bool)
        bars[study.scans[one.background].box.inside] = False
        assert not one.square[bars].any()
        assert not np.array_equal(one.square, study.pixels[one.background])
    counts = np.bincount([one.lesion for one in made])
    assert np.ptp(counts[counts > 0]) <= 1, "lesions take turns"
    assert made[:5] and [one.background for one in pasted(study, 0, "malignant", 5, 3)] == [
        one.background for one in made[:5]
    ], "a smaller dose is the beginning of a larger one"
    normal = pasted(study, 0, "malignant", 6, 3, "normal")
    assert {study.scans[one.background].label for one in normal} == {"normal"}


def test_a_pasted_lesion_is_dark_in_its_place_and_the_rest_stays() -> None:
    background = np.full((64, 64), 160, np.uint8)
    own = disc(40, 20, 9)
    out = paste(background, own, WHOLE, patch(), np.random.default_rng(1)).astype(int)
    assert out[disc(40, 20, 7) > 0].mean() < 40, "over the lesion that was there"
    assert (out[:20] == 160).all() and (out[:, 48:] == 160).all(), "far from it nothing changed"
    ring = (disc(40, 20, 13) > 0) & (disc(40, 20, 12) == 0)
    ring[40:] = False
    assert out[ring].mean() == pytest.approx(160, abs=16), "its surroundings have the background's grey level"


@pytest.mark.parametrize(("shadow", "low", "high"), [(0.25, 0.1, 0.6), (1.0, 0.9, 1.1), (1.8, 1.3, 2.0)])
def test_a_pasted_lesion_takes_its_shadow_along(shadow: float, low: float, high: float) -> None:
    background = np.full((64, 64), 120, np.uint8)
    out = paste(background, disc(20, 32, 8), WHOLE, patch(shadow), np.random.default_rng(1)).astype(float)
    assert low < out[44:56, 30:35].mean() / 120 < high
    assert out[44:56, 2:12].mean() == pytest.approx(120, abs=1), "beside it nothing changed"


def test_the_arm_adds_as_many_as_others_with_labels_of_their_sources_kept(study: Study) -> None:
    wish = Request(
        (0,), chosen("oversampled,pasted,pasted:normal,cyclegan"), ("simplecnn",), preset="demo", seeds=2
    )
    cells = {(str(cell.arm), cell.seed): cell for cell in cells_of(study, wish)}
    parts = {name: examples(study, cell) for name, cell in cells.items()}
    number, target = needed(study, 0, "malignant"), study.classes.index("malignant")
    for (arm, _), found in parts.items():
        assert len(found.labels) - found.own == number and (found.labels[found.own :] == target).all()
        assert (found.sources[: found.own] == found.labels[: found.own]).all()
        assert (found.sources[found.own :] == target).all() == (arm == "oversampled")
    normal = parts["pasted:normal", 0]
    assert set(normal.sources[normal.own :]) == {study.classes.index("normal")}
    assert cells["pasted", 0].synthetic == pasting.sha256(study, 0) != pasting.sha256(study, 1)
    assert not np.array_equal(*(parts["pasted", seed].pixels[-number:] for seed in (0, 1)))
    assert len(set(parts["pasted", 0].keys)) == len(parts["pasted", 0].keys)


def test_another_mask_makes_another_training(study: Study) -> None:
    asked = Request((0,), chosen("pasted"), ("simplecnn",), preset="demo")
    (before,), masks = cells_of(study, asked), np.array(study.masks)
    changed = study.rows_of(study.train(0), ["malignant"])[0]
    masks[changed] = np.roll(masks[changed], 1, axis=0)
    np.save(study.path / MASKS_FILE, masks)
    (after,) = cells_of(study, asked)
    assert before.path != after.path and before.training_pixels == after.training_pixels


def test_the_audit_makes_pasted_scans_again_and_names_a_leak(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = Request((0,), chosen("original,pasted"), seeds=2)
    checks = [check for check in audits.audit(study, 0, wish) if "pasted" in check.name]
    assert len(checks) == 3 and {check.count for check in checks} == {2 * needed(study, 0, "malignant")}
    honest, test = pasting.pasted, study.test(0)[0]
    for leaked, words in (
        ({"background": test}, "of this fold's training part"),
        ({"lesion": study.rows_of(study.train(0), ["benign"])[0]}, "of the class that it raises"),
        ({"square": np.array(study.pixels[test])}, "no test scan is a pasted one"),
    ):
        monkeypatch.setattr(
            audits, "pasted", lambda *asked, new=leaked: [replace(one, **new) for one in honest(*asked)]
        )
        with pytest.raises(BusError, match=words):
            audits.audit(study, 0, wish)


def test_without_masks_nothing_can_be_pasted(study: Study) -> None:
    (study.path / MASKS_FILE).unlink()
    with pytest.raises(UsageError, match=r"no malignant scan of .* has a mask of its lesion"):
        cells_of(study, Request((0,), chosen("original,pasted")))
