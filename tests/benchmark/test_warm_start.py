"""First weights from phantoms."""

from dataclasses import replace

import pytest
from bus.benchmark import run, warm_start
from bus.benchmark.arms import Arm
from bus.benchmark.cells import STEPS, cells_of
from bus.benchmark.request import Request
from bus.classify.train import fit
from bus.core.errors import UsageError


def test_first_weights_from_phantoms_are_shared_by_arms_and_part_of_the_cell(study, monkeypatch):
    monkeypatch.setattr(warm_start, "PHANTOMS", 12)
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    wish = Request(
        (0,),
        tuple(map(Arm, ("original", "weighted"))),
        ("simplecnn",),
        2,
        "demo",
        "phantom",
        recipe=(("batch", 4),),
    )
    cells = cells_of(study, wish)
    assert len({warm_start.path(study, cell) for cell in cells}) == 2, "one a seed, for all arms"
    plain = cells_of(study, replace(wish, init="none"))
    assert not {cell.path for cell in cells} & {cell.path for cell in plain}
    warm_start.make(study.path, cells[0])
    weights = warm_start.path(study, cells[0])
    first = weights.read_bytes()
    weights.unlink()
    (phantoms,) = weights.parent.glob("*.npz")
    damaged = bytearray(phantoms.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    phantoms.write_bytes(damaged)
    warm_start.make(study.path, cells[0])
    assert weights.read_bytes() == first, "damaged phantoms are simulated again"
    with monkeypatch.context() as patch:
        patch.setattr(warm_start, "fit", lambda *given: pytest.fail("another machine has made them"))
        warm_start.make(study.path, cells[0])
    seen = {}
    monkeypatch.setattr(
        run,
        "fit",
        lambda *given, first, **options: seen.update(first=first) or fit(*given, first=first, **options),
    )
    run.run_cell(study.path, cells[0], 1, keep_weights=False)
    assert seen["first"] == str(weights) and cells[0].is_done
    warm_start.make_missing(study, cells[:1], 1)  # nothing to do
    study.classes = ["a", "b", "c"]
    with pytest.raises(UsageError, match="phantoms are benign, malignant, normal"):
        warm_start.check(study, "phantom")


def test_no_phantom_of_a_study_is_among_those_that_give_first_weights(study, monkeypatch):
    """A study is made from the phantoms of seed 0, some of which it tests on."""

    def shared():
        kept = {square.tobytes() for square in warm_start._phantoms(study).pixels}
        return kept & {square.tobytes() for square in study.pixels}

    monkeypatch.setattr(warm_start, "PHANTOMS", 12)
    assert not shared()
    next((study.path / warm_start.FOLDER).glob("*.npz")).unlink()
    monkeypatch.setattr(warm_start, "PHANTOM_SEED", 0)
    assert shared(), "of which this test would tell"
