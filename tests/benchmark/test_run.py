"""What a cell trains on, and cells beside each other."""

import os
import shutil
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bus.benchmark import run
from bus.benchmark.arms import Arm
from bus.benchmark.cells import STEPS, cells_of
from bus.benchmark.request import Request
from bus.classify import catalogue
from bus.core import files
from bus.core.chance import stream
from bus.core.errors import UsageError

ORIGINAL, CYCLEGAN = (Request((0,), arms=(Arm(kind),)) for kind in ("original", "cyclegan"))


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

    # another process that holds it is waited for, and what it wrote is not written again
    (cell.path / "DONE").unlink()
    waited = []

    @contextmanager
    def after_another(path, what):
        if not waited:
            waited.append(path)
            run.correct(study, [cell], None)
        yield

    with monkeypatch.context() as patch:
        patch.setattr(run.lock, "hold", after_another)
        wrote = []
        whole = type(cell).write
        patch.setattr(type(cell), "write", lambda *given, **more: (wrote.append(1), whole(*given, **more)))
        run.correct(study, [cell], None)
    assert waited == [cell.path] and wrote == [1] and cell.is_done

    # another training of the original makes it stale; the next run mends that
    done = files.read_json(base.path / "DONE")
    (base.path / "DONE").unlink()
    assert not cell.is_done
    files.write_json(base.path / "DONE", {**done, "predictions": "ab" * 32})
    assert not cell.is_done
    files.write_json(base.path / "DONE", done)
    assert cell.is_done


@pytest.mark.long
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


def test_every_fold_and_seed_draws_from_numbers_of_its_own(study, monkeypatch):
    drawn = {}

    def fit(examples, classes, recipe, compute, seed, **options):
        drawn[len(drawn)] = seed
        raise UsageError("enough")

    monkeypatch.setattr(run, "fit", fit)
    cells = cells_of(study, replace(ORIGINAL, folds=(0, 1), models=("simplecnn",), seeds=2, preset="demo"))
    for cell in cells:
        with pytest.raises(UsageError, match="enough"):
            run.run_cell(study.path, cell, 1, keep_weights=False)
    assert list(drawn.values()) == [stream(cell.seed, cell.fold) for cell in cells]
    assert len(set(drawn.values())) == 4


def test_weights_that_cannot_be_had_are_asked_for_once_and_cost_no_other_cell(study, monkeypatch, tmp_path):
    asked, begun = [], []

    def refuse(url, **_):
        asked.append(url)
        raise OSError("no route to host")

    def begin(cells, *_):
        begun.extend(cells)
        return [], []

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(run, "_attempt", begin)
    wish = replace(ORIGINAL, models=("simplecnn",), preset="demo")
    cells = cells_of(study, wish)
    deep = cells_of(study, replace(wish, models=("resnet18", catalogue.LITE0), init="imagenet", seeds=2))
    lost = [cell for cell in deep if cell.model == "resnet18"]
    failures = run.run(study, [*deep, *cells], jobs=1, threads=1, keep_weights=False)
    assert len(failures) == len(lost) == 2 and [url[-12:] for url in asked] == ["f37072fd.pth"]
    assert all("no route to host" in text and "--init none" in text for text in failures)
    assert {cell.path for cell in begun} == {cell.path for cell in (*deep, *cells) if cell not in lost}


class Deadly(type(Path())):
    """A path that ends the process which unpickles it, as a system does that runs out of memory."""

    def __reduce__(self):
        return os._exit, (1,)

    def __deepcopy__(self, memo):
        return self


@pytest.mark.long
@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
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
