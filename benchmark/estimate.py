"""How long trainings will take, from parts of them that are timed on this machine."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..classify import explain, metrics
from ..classify.train import fit, predict, recalibrate
from ..core.compute import Compute
from ..data.study import Study
from .cell import Cell
from .cells import training_rows
from .examples import own_examples
from .run import to_train

START = 5.0  # s until a process has imported torch and opened the study (4–6 s of one core of an EPYC)
TIMED, TIMED_STEPS = 16, 11  # test scans whose answers, and steps, that are timed for an estimate


@dataclass(frozen=True)
class Pace:
    """Seconds that the parts of a cell take on this machine with one thread."""

    build: float  # of the networks, with the first step's surplus
    step: float
    recalibration: float  # a batch
    predict: float  # a scan
    heat: float  # a scan
    range: tuple[float, float] = (0.0, 0.0)  # a quick and a slow step: one in ten is quicker, one slower

    def seconds(self, study: Study, cell: Cell, step: float | None = None) -> float:
        """What a whole cell takes: training, batch statistics, answers and heat of test and watched scans.

        `step`: with other steps than the usual one.
        """
        recipe, tested = cell.recipe, len(study.test(cell.fold))
        watched = len(training_rows(study, cell.fold, recipe)[1]) if recipe.schedule == "plateau" else 0
        looks = recipe.steps // recipe.epoch if watched and recipe.epoch else 0
        usual = self.step if step is None else step
        training = recipe.steps * usual + recipe.recalibration * self.recalibration
        training += recipe.refit * recipe.batch * self.predict  # one layer: all but its features is nothing
        answered = 2 * tested + looks * watched  # test scans and their mirror images, watched scans
        return self.build + training + answered * self.predict + tested * self.heat


def measure(study: Study, cell: Cell) -> Pace:
    """Time the parts of a cell: some steps, a batch of recalibration, answers and their heat.

    The median step counts: on a machine that does something else too, single ones take many times as long.
    """
    # some steps
    compute = Compute(cell.device, cell.precision, 1)
    compute.start()
    own, classes = own_examples(study, training_rows(study, cell.fold, cell.recipe)[0]), len(study.classes)
    short = replace(cell.recipe, init="none", schedule="cosine", recalibration=0, refit=0)
    ends: list[float] = []
    begun = time.perf_counter()
    outcome = fit(
        own,
        classes,
        replace(short, steps=TIMED_STEPS + 1),
        compute,
        0,
        told=lambda share: ends.append(time.perf_counter()),
    )

    # the usual one, and the spread
    steps = np.diff(ends)  # the first one is slower, and counts with the building
    quick, step, slow = np.quantile(steps, (0.1, 0.5, 0.9))

    # a batch of recalibration, answers, heat
    squares = study.pixels[study.test(cell.fold)[:TIMED]]
    times = [time.perf_counter()]
    recalibrate(outcome.network, own, replace(short, recalibration=1), compute, 0)
    times.append(time.perf_counter())
    answers = metrics.answers(predict(outcome.network.eval(), squares, compute))
    times.append(time.perf_counter())
    explain.coarse_maps(outcome.network, squares, answers, compute.device)
    times.append(time.perf_counter())
    batch, predicted, heat = np.diff(times)
    return Pace(
        build=max(0.0, ends[0] - begun - step),
        step=float(step),
        recalibration=float(batch),
        predict=float(predicted) / len(squares),
        heat=float(heat) / len(squares),
        range=(float(quick), float(slow)),
    )


@dataclass(frozen=True)
class Outlook:
    """How long something will take, in seconds: as usual, and with quick and with slow steps."""

    usual: float = 0.0
    quick: float = 0.0
    slow: float = 0.0

    def __add__(self, other: "Outlook") -> "Outlook":
        return Outlook(self.usual + other.usual, self.quick + other.quick, self.slow + other.slow)


Kind = tuple[str, int, int]  # of cells whose steps last alike: model, batch, side enlarged to


def kind_of(cell: Cell) -> Kind:
    """What decides how long a step of a cell takes."""
    return cell.model, cell.recipe.batch, cell.recipe.enlarge


def outlook(study: Study, cells: Sequence[Cell], paces: dict[Kind, Pace], jobs: int) -> Outlook:
    """How long the trainings of cells last when `jobs` run at once, with the start of the processes.

    Measures what is not yet in `paces`.
    """
    cells = to_train(cells)
    for cell in cells:
        kind = kind_of(cell)
        if kind not in paces:
            paces[kind] = measure(study, cell)
    pace_of = [paces[kind_of(cell)] for cell in cells]

    def lasting(steps: Sequence[float]) -> float:
        parts = zip(pace_of, cells, steps, strict=True)
        return wall_seconds([pace.seconds(study, cell, step) for pace, cell, step in parts], jobs)

    quick, slow = zip(*(pace.range for pace in pace_of), strict=True) if cells else ((), ())
    return Outlook(lasting([pace.step for pace in pace_of]), lasting(quick), lasting(slow))


def wall_seconds(spent: Sequence[float], jobs: int, start: float = START) -> float:
    """How long works that take `spent` seconds each last when `jobs` run at once, with their start."""
    return max(sum(spent) / jobs, max(spent)) + start if spent else 0.0
