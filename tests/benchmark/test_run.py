"""What a cell trains on, and cells beside each other."""

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bus.benchmark import arms, run
from bus.benchmark.arms import Arm
from bus.benchmark.cells import STEPS, cells_of
from bus.benchmark.request import Request
from bus.classify import train as training
from bus.classify.train import augment, batch_rows, fit
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import UsageError

CPU = Compute("cpu", "float32", 1)

ORIGINAL, CYCLEGAN = (Request((0,), arms=(Arm(kind),)) for kind in ("original", "cyclegan"))


def test_arms_share_everything_but_what_they_add(study, monkeypatch):
    """Equal effort: steps, batches, schedule, first weights and the augmentation of every shared scan."""
    wish = Request((0,), tuple(map(Arm, arms.CHOSEN)), ("simplecnn",), preset="demo")
    cells = cells_of(study, wish)
    assert len({json.dumps(asdict(replace(cell.recipe, weighted=False))) for cell in cells}) == 1
    parts = [run.examples(study, cell) for cell in cells]
    firsts = [
        fit(part, 3, replace(cell.recipe, steps=0, recalibration=0), CPU, cell.seed).network.state_dict()
        for part, cell in zip(parts, cells, strict=True)
    ]
    assert all(torch.equal(one[name], firsts[0][name]) for one in firsts for name in firsts[0])
    rates: list[list[float]] = []
    monkeypatch.setattr(training, "set_rate", lambda optimiser, value: rates[-1].append(value))
    for part, cell in zip(parts, cells, strict=True):
        rates.append([])
        fit(part, 3, replace(cell.recipe, steps=3, batch=2, recalibration=0), CPU, cell.seed)
    assert len(rates[0]) == 3 and all(one == rates[0] for one in rates)
    rows = np.arange(8)
    seen = [
        augment(part, rows, [3] * 8, cell.seed, cell.recipe) for part, cell in zip(parts, cells, strict=True)
    ]
    assert all(torch.equal(one, seen[0]) for one in seen)
    adding = [part for part in parts if len(part.labels) > part.own]
    drawn = [batch_rows(len(part.labels), 32, 5, 0) for part in adding]
    assert len(drawn) > 1 and all((batch[0] == drawn[0][0]).all() for batch in drawn), "batches are shared"


def test_adjusted_corrects_the_answers_of_original_and_trains_nothing(study, monkeypatch, in_process):
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    both = (Arm("original"), Arm("adjusted"))
    with pytest.raises(UsageError, match="adjusted corrects the answers of original"):
        cells_of(study, Request((0,), both[1:]))
    request = Request((0,), both, ("simplecnn",), preset="demo", recipe=(("batch", 4),))
    base, cell = cells_of(study, request)
    assert run.to_train([base, cell]) == [base] and cell.original == base
    assert run.run(study, [base, cell], jobs=1, threads=1, keep_weights=False) == []
    assert base.is_done and cell.is_done and run.missing([base, cell], keep_weights=False) == []
    assert run.missing([cell], keep_weights=True) == [], "no weights of its own to keep"
    assert cell.heat() is None and cell.effort.seconds is None

    # by hand: malignant becomes as frequent as benign, as the arms that add scans make it
    before, after = (one.answers(study.classes).probabilities for one in (base, cell))
    counts = np.bincount(study.labels[study.train(0)])
    wanted = before * [1, counts[0] / counts[1], 1]
    assert after == pytest.approx(wanted / wanted.sum(axis=1, keepdims=True), abs=1e-7)
    assert cell.added == {"malignant": counts[0] - counts[1]}

    turned = [one.answers(study.classes).flipped for one in (base, cell)]
    wanted = turned[0] * [1, counts[0] / counts[1], 1]
    assert turned[1] == pytest.approx(wanted / wanted.sum(axis=1, keepdims=True), abs=1e-7)
    assert not np.array_equal(turned[0], before)

    # another training of the original makes it stale; the next run mends that
    done = files.read_json(base.path / "DONE")
    (base.path / "DONE").unlink()
    assert not cell.is_done
    files.write_json(base.path / "DONE", {**done, "predictions": "ab" * 32})
    assert not cell.is_done
    files.write_json(base.path / "DONE", done)
    assert cell.is_done


def test_results_do_not_depend_on_the_jobs_and_a_failure_stops_nobody(study, monkeypatch):
    """Two at once in processes of their own, a bad one among them, against one after the other here."""
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    wish = Request(
        (0,), tuple(map(Arm, ("original", "weighted"))), ("simplecnn",), preset="demo", recipe=(("batch", 4),)
    )
    cells = cells_of(study, wish)
    for cell in cells:
        run.run_cell(study.path, cell, 1, keep_weights=False)
    expected = [(cell.path / "predictions.csv").read_bytes() for cell in cells]
    shutil.rmtree(study.cells_path(0))
    bad = replace(cells[0], recipe=replace(cells[0].recipe, init=str(study.path / "nothing.safetensors")))
    failures = run.run(study, [bad, *cells], jobs=2, threads=1, keep_weights=False)
    assert len(failures) == 1 and failures[0].startswith("fold 0 · original · simplecnn · seed 0: --init")
    assert [(cell.path / "predictions.csv").read_bytes() for cell in cells] == expected
    assert all(cell.is_done for cell in cells) and not bad.is_done


class Deadly(type(Path())):
    """A path that ends the process which unpickles it, as a system does that runs out of memory."""

    def __reduce__(self):
        return os._exit, (1,)

    def __deepcopy__(self, memo):
        return self


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_process_costs_no_other_cell(study, monkeypatch, jobs):
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    cells = cells_of(
        study, replace(ORIGINAL, models=("simplecnn",), preset="demo", seeds=3, recipe=(("batch", 4),))
    )
    bad = replace(cells[1], folder=Deadly("nowhere"))
    failures = run.run(study, [cells[0], bad, cells[2]], jobs=jobs, threads=1, keep_weights=False)
    assert len(failures) == 1 and failures[0].startswith(
        f"{bad.title}: a process that trained was ended from outside"
    )
    assert [cell.is_done for cell in cells] == [True, False, True]


def test_an_estimate_counts_every_part_of_a_cell(study):
    pace = run.Pace(10.0, step=1.0, recalibration=0.5, predict=0.01, heat=0.02, range=(0.5, 2.0))
    tested, watched = len(study.test(0)), len(study.test(1))
    wish = Request((0,), (Arm("original"),), ("simplecnn", "resnet18"), preset="demo")
    cells = cells_of(study, wish)
    one = 10 + 60 + 4 * 0.5 + tested * (2 * 0.01 + 0.02)
    paces = {(model, 16): pace for model in wish.models}
    time = run.outlook(study, cells, paces, jobs=1)
    assert time.usual == pytest.approx(2 * one + run.START)
    assert (time.usual - time.quick, time.slow - time.usual) == pytest.approx((2 * 60 * 0.5, 2 * 60 * 1.0))
    assert run.outlook(study, [], paces, jobs=1) == run.Outlook()
    watching = replace(
        cells[0], recipe=replace(cells[0].recipe, schedule="plateau", validation=True, epoch=20)
    )
    assert pace.seconds(study, watching) == pytest.approx(one + 3 * watched * 0.01)
    assert run.wall_seconds([one, one], 2) == pytest.approx(one + run.START) == run.wall_seconds([one], 4)
    assert run.wall_seconds([], 2) == 0
    assert run.wall_seconds([1, 1, 8], 2) == pytest.approx(8 + run.START)
    measured = run.measure(study, cells[0])
    parts = (measured.build, measured.recalibration, measured.heat)
    assert all(seconds >= 0 for seconds in parts) and measured.step > 0 < measured.predict
    assert 0 < measured.range[0] <= measured.step <= measured.range[1]
