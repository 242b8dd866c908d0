"""The way from a plan to its page: every run on folds by group, and on a split per image.

Runs that add scans are trained on folds by group alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core import files, lock
from ..core.errors import BusError, UsageError
from ..core.progress import note, result
from ..data.study import Study
from . import few, plan, run, warm_start
from .arms import TRANSLATED
from .audit import Check, audit_split
from .cell import Cell
from .cells import cells_of, synthetic_needed
from .history import Past, record, told_of
from .per_image import per_image, preview
from .pipeline import check, check_translator, expectation, prepare
from .plan import Plan, Run
from .report_folder import held, report_of
from .request import Request

Sets = dict[str, tuple[Study, list[tuple[Run, Cell]]]]  # kind of split → study, runs with their cells
PRESET = "plan"  # of cells of which the plan says itself how long they train


def cells(study: Study, chosen: Plan, request: Request) -> list[tuple[Run, Cell]]:
    """Every run of a plan on every fold with every seed; runs that differ in name alone share a cell."""
    if any(line.changes.get("validation") for line in chosen.runs) and study.settings.k < 3:
        raise BusError(
            "This plan needs a study of at least 3 folds (--k): one to test, one to watch, one to train."
        )
    for line in chosen.runs:
        if request.seeds % line.gan_seeds:
            least = math.lcm(*(other.gan_seeds for other in chosen.runs))
            raise UsageError(
                f"--seeds {request.seeds}: seeds of the run {line.name} take {line.gan_seeds} translators in "
                f"turn, each as often: give --seeds {least}, or a multiple."
            )
    return [
        (line, cell)
        for fold in request.folds
        for line in chosen.runs
        for cell in cells_of(
            study, replace(line.request(request), folds=(fold,), preset=_preset(line, request))
        )
    ]


def _preset(line: Run, request: Request) -> str:
    """The preset of a run's cells; of those without epochs that of the benchmark, which may share them."""
    return PRESET if line.epochs else request.preset


def plan_sets(study: Study, sub: Study, chosen: Plan, request: Request) -> Sets:
    """The runs of a plan with their cells, on the split per image (`sub`) and on folds by group.

    Runs that add scans are on folds by group alone, and all are where the plan says so.
    """
    alone = replace(chosen, runs=tuple(line for line in chosen.runs if chosen.per_image and not line.adds))
    sets = {"folds by group": (study, cells(study, chosen, request))}
    if alone.runs:
        return {"split per image": (sub, cells(sub, alone, replace(request, folds=(0,)))), **sets}
    return sets


def distinct(pairs: Sequence[tuple[Run, Cell]]) -> list[Cell]:
    """The cells of a plan, each once: runs that differ in name alone share one."""
    return list({cell.path: cell for _, cell in pairs}.values())


def check_one_each(chosen: Plan) -> None:
    """UsageError where runs ask for two translators under one seed."""
    asked: dict[int, Run] = {}
    for line in (line for line in chosen.runs if line.arm.kind in TRANSLATED):
        for seed in range(line.gan_seed, line.gan_seed + line.gan_seeds):
            other = asked.setdefault(seed, line)
            if (other.method, other.switches) != (line.method, line.switches):
                raise UsageError(
                    f"The runs {other.name} and {line.name} ask for different translators of one seed, "
                    f"gan_seed = {seed}. Give one of them another seed."
                )


def run_plan(study: Study, source: str, request: Request) -> Path:
    """Train every run of a plan and write a report of it, numbered as others are; returns the page.

    Of the request count the folds, the seeds, the preset (of missing translators, and of runs that do not say
    how long they train), and how it is computed.
    """
    chosen = plan.read(source)

    # what can be refused is refused before hours of training
    check_one_each(chosen)
    lock.sweep(study.path)
    for share in chosen.shares:
        _foresee(few.preview(study, share), chosen, request)
    arms, most = tuple(line.arm for line in chosen.runs), max(line.gan_seeds for line in chosen.runs)
    note(expectation(study, replace(request, arms=arms, gan_seeds=most), planned=True))

    # translators, synthetic scans, trainings, with each share of the target
    parts = [_train(few.few(study, share), chosen, request) for share in chosen.shares]
    failures = [failure for part in parts for failure in part.failures]

    # the page
    from .report.plan_page import write_plan  # late: statistics and figures take a second to import
    from .report.report_list import call_newest
    from .results.plan_result import plan_result
    from .yardstick import yardsticks

    tables = [
        plan_result(chosen, part.sets, part.study, yardsticks(part.study, request.folds, request.compute))
        for part in parts
    ]
    trained = [cell for part in parts for _, pairs in part.sets.values() for cell in distinct(pairs)]
    checks = [check for part in parts for check in part.checks]
    names = [str(cell.path.relative_to(study.path)) for cell in trained]
    digest = files.sha256_json({"cells": names})
    inputs = files.sha256_json({"plan": chosen.title, "cells": names})
    with held(study.path):
        report = report_of(study.path, inputs)
        verdicts, seen = {chosen.title: f"{len(chosen.runs)} recipes looked at."}, "" if failures else digest
        look = Past(request.command, len(names), verdicts, seen, report=report.number)
        looks = record(study, look)
        report.begin(inputs, look=told_of(looks, look).recorded)
        page = write_plan(study, report.path, tables, request.command, checks)
        call_newest(study, report, looks)
    result(f"Plan: {page}")
    if failures:
        raise BusError(
            f"{len(failures)} cells failed (see above); {page} leaves them out. Run the same command again "
            "to train them."
        )
    return page


@dataclass(frozen=True)
class Part:
    """All runs of a plan on one study, or on the one with a share of its target."""

    study: Study
    sets: Sets
    checks: list[Check]
    failures: list[str]


def _foresee(study: Study, chosen: Plan, request: Request) -> None:
    """Refuse what can be refused before the work: leaks of the split, and what does not go together."""
    for fold in request.folds:
        audit_split(study, fold)
    for own in (line.request(request) for line in chosen.runs):
        warm_start.check(study, own.init)
        for fold, label, gan_seed in synthetic_needed(study, own):
            check_translator(study, own, fold, label, gan_seed)
    plan_sets(study, preview(study) if chosen.per_image else study, chosen, request)


def _train(study: Study, chosen: Plan, request: Request) -> Part:
    """Make what the runs need on one study, check it for leaks, and train them."""
    checks = [item for fold in request.folds for item in audit_split(study, fold)]
    for line in chosen.runs:
        if line.adds or line.request(request).first:  # the others are told by the audit of the split
            prepare(study, line.request(request))
            checks += check(study, line.request(request))
    sub = per_image(study) if chosen.per_image else study
    sets, failures = plan_sets(study, sub, chosen, request), []
    for name, (home, pairs) in sets.items():
        todo = run.missing(distinct(pairs), keep_weights=False)
        of_target = "" if study.settings.share == 1 else f", {100 * study.settings.share:g} % of the target"
        note(f"{chosen.title}, {name}{of_target}: {len(distinct(pairs))} cells, {len(todo)} to train.")
        warm_start.make_missing(home, todo, request.jobs)
        failures += run.run(home, distinct(pairs), jobs=request.jobs, threads=1, keep_weights=False)
    return Part(study, sets, list(dict.fromkeys(checks)), failures)
