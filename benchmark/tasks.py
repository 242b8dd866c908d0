"""A benchmark as tasks that any process may do which sees the study's folder, here or on another machine.

A task does nothing twice: what is done is skipped, what another process is at is waited for, and what was cut
off goes on. So it may be begun anew at any time, wherever it runs.
"""

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..classify.catalogue import COST
from ..core.compute import resolve
from ..core.errors import BusError, UsageError
from ..core.progress import Listener, listening
from ..data.study import Study, class_folder
from ..gan.translator import Translator
from . import run, warm_start
from .cell import Cell
from .cells import cells_of, synthetic_needed
from .external import External
from .pipeline import check, make_synthetic, make_translator, read_external
from .request import Request

Place = tuple[int, str, int]  # fold, class, seed of a translator
CELLS = "cells-"  # a name of cells begins with this; their numbers follow


@dataclass(frozen=True)
class Task(ABC):
    """A part of a benchmark's work with a name that no other has; it needs the tasks that `after` names."""

    after: tuple[str, ...]

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called, as part of a file's name."""

    @abstractmethod
    def do(self, study: Study, request: Request, others: External | None) -> None:
        """Do it; BusError where it fails."""


@dataclass(frozen=True)
class TranslatorTask(Task):
    """Train a translator; from its last checkpoint, where there is one."""

    place: Place

    @property
    def name(self) -> str:
        return f"translator-{_text(self.place)}"

    def do(self, study: Study, request: Request, others: External | None) -> None:
        make_translator(study, request, self.place)


@dataclass(frozen=True)
class ScansTask(Task):
    """Make synthetic scans with a finished translator, and score them."""

    place: Place
    count: int

    @property
    def name(self) -> str:
        return f"scans-{_text(self.place)}-{self.count}"

    def do(self, study: Study, request: Request, others: External | None) -> None:
        make_synthetic(study, request, self.place, self.count)


@dataclass(frozen=True)
class AuditTask(Task):
    """Check everything for leaks before the first cell, and make the first weights that cells share."""

    @property
    def name(self) -> str:
        return "audit"

    def do(self, study: Study, request: Request, others: External | None) -> None:
        check(study, request, others)
        todo = run.missing(cells_of(study, request), request.keep_weights, others)
        warm_start.make_missing(study, todo, request.jobs)


@dataclass(frozen=True)
class CellsTask(Task):
    """Train some of a benchmark's cells, known by their numbers in `trained`."""

    numbers: tuple[int, ...]

    @property
    def name(self) -> str:
        return CELLS + spans(self.numbers)

    def do(self, study: Study, request: Request, others: External | None) -> None:
        cells = trained(study, request)
        failures = run.run(
            study,
            [cells[number] for number in self.numbers],
            jobs=request.jobs,
            threads=1,
            keep_weights=request.keep_weights,
            keep_some=True,
            among=cells,
            external=others,
        )
        if failures:
            raise BusError(" ".join(failures))


def trained(study: Study, request: Request) -> list[Cell]:
    """The cells that are trained, in an order that depends on the request alone, whatever exists."""
    return run.to_train(cells_of(study, request))


def tasks_of(
    study: Study,
    request: Request,
    numbers: Iterable[int] | None = None,
    *,
    cells_per_task: int,
    all_of_them: bool = False,
) -> list[Task]:
    """What is left to do as tasks, each after those that it needs; with `all_of_them` what is done too.

    Cells are bundled, the costly models first; `numbers` names those wanted, all unless given.
    """
    # translators and scans
    tasks: list[Task] = []
    for place, count in synthetic_needed(study, request).items():
        translator = Translator(study, *place)
        before: tuple[str, ...] = ()
        if all_of_them or not translator.is_done:
            tasks.append(TranslatorTask((), place))
            before = (tasks[-1].name,)
        scans = translator.scans
        if all_of_them or before or len(scans.rows) < count or scans.scores is None:
            tasks.append(ScansTask(before, place, count))

    # cells, once all scans are there and are what they should be
    cells = trained(study, request)
    wanted = sorted(range(len(cells)) if numbers is None else numbers)
    wanted.sort(key=lambda number: -COST.get(cells[number].model, 1))
    if wanted:
        audit = AuditTask(tuple(task.name for task in tasks if isinstance(task, ScansTask)))
        tasks.append(audit)
        rest = iter(wanted)
        while bundle := tuple(sorted(islice(rest, cells_per_task))):
            tasks.append(CellsTask((audit.name,), bundle))
    return tasks


def named(study: Study, request: Request, name: str) -> Task:
    """The task of this name; UsageError where a benchmark has none."""
    count = len(trained(study, request))
    if name.startswith(CELLS) and (numbers := numbers_in(name)) and numbers[-1] < count:
        return CellsTask((), numbers)
    tasks = {task.name: task for task in tasks_of(study, request, cells_per_task=1, all_of_them=True)}
    if name not in tasks:
        raise UsageError(
            f"--task {name}: this benchmark has no such task. Write the workflow anew (--export-workflow)."
        )
    return tasks[name]


@dataclass(frozen=True)
class Work:
    """A task with all that a process on another machine needs to do it: that process calls it."""

    study: Path
    request: Request
    task: Task
    external: Path | None  # folder of scans from elsewhere, as the study keeps them

    def __call__(self) -> None:
        """Do it, telling the log what goes on."""
        with listening(Logged()):
            do(Study.open(self.study), self.request, self.task, self.external)

    def checkpoint(self) -> Any:
        """What submitit sends off again where the machine or the time was taken from it: just the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def do(study: Study, request: Request, task: Task, external: Path | None) -> None:
    """Do a task in this process; UsageError where this machine lacks the device it is for."""
    resolve(request.compute.device, request.compute.precision)
    task.do(study, request, External.open(external) if external else None)


def do_named(study: Study, request: Request, name: str) -> None:
    """Do the task of this name in this process, as a workflow asks by `--task`."""
    others = read_external(study, request)
    do(study, request, named(study, request, name), others.folder if others else None)


class Logged(Listener):
    """Writes what the work tells into the log of a task."""

    log = logging.getLogger("submitit")

    def note(self, text: str, *, warning: bool = False) -> None:
        self.log.info(text)

    def result(self, text: str, *, failed: bool = False) -> None:
        self.log.info(text)


def spans(numbers: Sequence[int]) -> str:
    """Ascending numbers as text: 0, 1, 2, 5 is `0-2+5`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return "+".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)


def numbers_in(name: str) -> tuple[int, ...]:
    """The numbers of the cells that a task's name tells; empty where it is no task of cells."""
    text = name.removeprefix(CELLS)
    if text == name or not re.fullmatch(r"\d{1,6}(-\d{1,6})?(\+\d{1,6}(-\d{1,6})?)*", text):
        return ()
    ends = [part.split("-") for part in text.split("+")]
    return tuple(number for end in ends for number in range(int(end[0]), int(end[-1]) + 1))


def _text(place: Place) -> str:
    fold, label, seed = place
    return f"{fold}-{class_folder(label).replace(' ', '_')}-{seed}"
