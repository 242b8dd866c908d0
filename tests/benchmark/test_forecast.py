"""What a benchmark will take, by part."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bus.benchmark.arms import Arm
from bus.benchmark.cells import cells_of, needed
from bus.benchmark.estimate import START, Outlook, Pace
from bus.benchmark.forecast import (
    AUDIT,
    PAGES,
    SCANS,
    SCORES,
    TRAININGS,
    TRANSLATORS,
    Part,
    Rates,
    forecast,
    to_do,
)
from bus.benchmark.request import Request
from bus.core.compute import Compute
from bus.data.study import Study, open_or_create
from bus.gan.request import Ask, Judge
from bus.gan.translator import Translator


class Same(dict):
    """The same value under every key."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: object) -> object:
        return self.value


def rates(side: int) -> Rates:
    """Round seconds, so that nothing is measured."""
    pace = Pace(10.0, step=1.0, recalibration=0.5, predict=0.01, heat=0.02, range=(0.5, 2.0))
    return Rates(
        paces={("simplecnn", 16, 0): pace},
        steps=Same(Outlook(2.0, 1.0, 3.0)),
        scans={"translated": 0.5, "seen": 0.25, f"simulated at {side} px": 0.125},
        distances=Same(0.0),
        square=3_000,
    )


def test_every_part_of_a_benchmark_is_counted(study):
    request = Request((2,), (Arm("original"), Arm("cyclegan")), ("simplecnn",), preset="demo")
    parts = {part.name: part for part in forecast(study, request, rates(study.settings.size))}
    assert list(parts) == [TRANSLATORS, SCANS, SCORES, AUDIT, TRAININGS, PAGES]
    added, tested = needed(study, 2, study.target), len(study.test(2))

    # a translator of 100 steps, its warm start on phantoms, no looks in preset demo
    [lasting] = parts[TRANSLATORS].pieces
    assert lasting.slow - lasting.usual == pytest.approx(100) == lasting.usual - lasting.quick
    assert lasting.usual >= 200
    assert parts[TRANSLATORS].files == 16 and parts[TRANSLATORS].bytes > 1e6
    assert parts[TRANSLATORS].read == 2 * 400 * study.settings.size**2

    # its scans, made once, and once more by the audit
    assert parts[SCANS].pieces == parts[AUDIT].pieces == (Outlook(*[added * 0.5] * 3),)
    assert parts[SCANS].files == added + 4 and parts[SCANS].bytes > added * 3_000
    assert parts[SCORES].pieces[0].usual > 0.25 * (added + len(study.train(2)))

    # two cells of 60 steps
    each = 10 + 60 + 4 * 0.5 + tested * (2 * 0.01 + 0.02)
    assert [piece.usual for piece in parts[TRAININGS].pieces] == pytest.approx([each, each])
    assert parts[TRAININGS].here(jobs=2).usual == pytest.approx(each + START)
    assert parts[TRAININGS].read == 2 * len(study.used()) * study.settings.size**2
    assert parts[PAGES].here(jobs=2).usual > 0.25 * len(study.used())


def test_of_very_many_scans_some_are_judged_while_a_translator_is_trained_and_at_the_end(study, monkeypatch):
    request = Request((2,), (Arm("original"), Arm("cyclegan")), ("simplecnn",))
    seconds = {}
    for most in (2_000, 4):
        monkeypatch.setattr("bus.benchmark.forecast.JUDGED", most)
        known = rates(study.settings.size)
        known.paces = Same(known.paces["simplecnn", 16, 0])
        known.distances = {number: float(number) for number in range(200)}
        parts = {part.name: part for part in forecast(study, request, known)}
        seconds[most] = {name: part.here(1).usual for name, part in parts.items()}
    assert {name for name in seconds[4] if seconds[4][name] < seconds[2_000][name]} == {
        TRANSLATORS,
        SCORES,
        PAGES,
    }


def test_of_a_training_that_was_begun_what_is_left_is_counted(study, monkeypatch):
    request = Request((2,), (Arm("original"), Arm("cyclegan")), ("simplecnn",), preset="demo")

    def usual():
        parts = {part.name: part for part in forecast(study, request, rates(study.settings.size))}
        return parts[TRANSLATORS].pieces[0].usual

    whole = usual()
    monkeypatch.setattr(Translator, "steps_done", 60)
    assert whole - usual() == pytest.approx(120), "60 of 100 steps at two seconds"


def test_a_benchmark_without_added_scans_needs_neither_translator_nor_audit(study):
    request = Request((0,), (Arm("original"), Arm("adjusted")), ("simplecnn",), preset="demo")
    parts = forecast(study, request, rates(study.settings.size))
    assert [part.name for part in parts] == [TRAININGS, PAGES]
    assert len(parts[0].pieces) == 1


def test_a_split_per_image_is_counted_with_its_translator(study):
    request = Request((2,), (Arm("original"), Arm("cyclegan")), ("simplecnn",), preset="demo", inflation=True)
    parts = {part.name: part for part in forecast(study, request, rates(study.settings.size))}
    claimed = parts[f"{TRAININGS}, per image"]
    assert (
        len(claimed.pieces) == 2
        and claimed.here(2).usual < 1.1 * max(p.usual for p in claimed.pieces) + START
    )
    assert parts[f"{TRANSLATORS}, per image"].pieces == parts[TRANSLATORS].pieces


def test_a_finished_cell_that_never_saw_scans_from_elsewhere_is_counted(finished_study, few_steps):
    study = Study.open(finished_study)
    request = Request((0,), (Arm("original"), Arm("cyclegan")), ("simplecnn",), preset="demo", external="x")
    cells = cells_of(study, request)
    assert all(cell.is_done for cell in cells) and to_do(study, replace(request, external="")) == []
    assert to_do(study, request) == cells


def test_pieces_share_jobs():
    part = Part("trainings", tuple(Outlook(*[seconds] * 3) for seconds in (1.0, 1.0, 8.0)))
    assert part.lasting(2, start=0).usual == 8 and part.lasting(1, start=0).usual == 10
    assert Part("trainings", ()).lasting(2) == Outlook()


@pytest.mark.long
def test_the_estimate_of_a_recorded_run_held(tmp_path):
    """`python tests/speed/scale.py --check` wrote down what it timed before, and what the run took."""
    told = json.loads((Path(__file__).parent / "recorded_run.json").read_text())
    paces = {
        (model, batch, side): Pace(**{**pace, "range": tuple(pace["range"])})
        for model, batch, side, pace in told["rates"]["paces"]
    }
    recorded = Rates(
        paces,
        {tuple(kind): Outlook(**step) for kind, step in told["rates"]["steps"]},
        told["rates"]["scans"],
        dict(told["rates"]["distances"]),
        told["rates"]["square"],
    )
    before = (len(recorded.paces), len(recorded.steps), len(recorded.scans), len(recorded.distances))
    (*_, device, precision), _ = told["rates"]["steps"][0]
    study = open_or_create(tmp_path / "study", {"size": told["side"]}, phantoms=told["phantoms"])
    request = Request(
        (0,),
        (Arm("original"), Arm("oversampled"), Arm("cyclegan")),
        ("simplecnn",),
        preset="quick",
        compute=Compute(device, precision, 1),
        judge=Judge("efficientnet-lite0"),
        ask=Ask(pairs=told["pairs"]),
    )
    parts = {part.name: part.here(request.jobs) for part in forecast(study, request, recorded)}
    after = (len(recorded.paces), len(recorded.steps), len(recorded.scans), len(recorded.distances))
    assert after == before, "nothing was timed here"
    seconds = sum(part.usual for part in parts.values())
    assert 1 / 1.5 < told["all"]["seconds"][1] / seconds < 1.5
    for name in (TRANSLATORS, TRAININGS):  # the others last seconds
        assert 1 / 1.5 < told["parts"][name]["seconds"][1] / parts[name].usual < 1.5, name
