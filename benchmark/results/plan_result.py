"""What the runs of a plan scored, on folds by group and on a split per image, and what differs by arm
alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...classify.catalogue import USUAL
from ...classify.metrics import constant_answer
from ...classify.recipe import OF_ADDED, Recipe
from ...data.study import Study
from ..arms import ADDING, Arm
from ..cell import Cell
from ..cells import training_rows
from ..plan import Plan, Run
from ..yardstick import NAME, Yardstick
from .contrasts import contrast_of
from .model import PRIMARY, ArmResult, Contrast
from .summary import arm_result, pool

OWN = "folds by group"  # the set of runs that can be compared with the yardstick
Sets = Mapping[str, tuple[Study, Sequence[tuple[Run, Cell]]]]  # kind of split → study, runs with their cells


COMPARED = (PRIMARY, "target_auc", "sensitivity_at_90_specificity")
OTHERS = tuple(name for name in ADDING if name != "oversampled")  # arms that add other scans than the fold's


@dataclass(frozen=True)
class RunResult:
    """One run of a plan on every kind of split."""

    run: Run
    recipe: Recipe
    results: dict[str, ArmResult | None]  # kind of split → what its finished cells scored
    cells: dict[str, int]  # kind of split → all cells
    further: str  # settings that only some runs have


@dataclass(frozen=True)
class Split:
    """A kind of split: how many scans train, are watched and test, and what one constant answer scores."""

    sizes: list[str]
    constant: str  # the class
    accuracy: float | None


@dataclass(frozen=True)
class PairResult:
    """Two runs that differ in their arms alone, or that the plan compares, on the same folds and seeds."""

    runs: tuple[str, str]
    arms: tuple[Arm, Arm]
    collapsed: bool
    differences: list[Contrast]  # first − second, in those of COMPARED that are defined


@dataclass(frozen=True)
class PlanResult:
    """Everything that the page of a plan says."""

    plan: Plan
    runs: list[RunResult]
    shared: str  # settings that all runs have in common
    splits: dict[str, Split]
    yardstick: ArmResult
    pairs: list[PairResult]
    folds: list[int]
    seeds: int
    share: float  # of the target's groups in the training parts
    groups: tuple[int, int]  # of the target in a training part, the fewest and the most of the folds

    @property
    def adds(self) -> bool:
        """Whether any run adds scans."""
        return any(result.run.adds for result in self.runs)


def plan_result(plan: Plan, sets: Sets, study: Study, yardsticks: Sequence[Yardstick]) -> PlanResult:
    """Sum up the runs of a plan on each of `sets`; `study` is the one whose folds are cut by group."""
    own = {
        run.name: [
            cell for sub, pairs in sets.values() if sub is study for other, cell in pairs if other is run
        ]
        for run in plan.runs
    }
    shared, further = _settings(plan.runs)
    runs = []
    for run in plan.runs:
        cells = {name: [cell for other, cell in pairs if other is run] for name, (_, pairs) in sets.items()}
        results = {name: _result(sub, cells[name]) for name, (sub, _) in sets.items()}
        counts = {name: len(of_run) for name, of_run in cells.items()}
        runs.append(RunResult(run, own[run.name][0].recipe, results, counts, further[run.name]))
    target = study.classes.index(study.target)
    measure = pool(NAME, [place.answers(study.classes) for place in yardsticks], target)
    every = own[plan.runs[0].name]
    return PlanResult(
        plan=plan,
        runs=runs,
        shared=shared,
        splits={name: _split(sub, pairs) for name, (sub, pairs) in sets.items()},
        yardstick=arm_result(measure, Arm("original"), study.classes),
        pairs=_pairs(study, plan.runs, own),
        folds=sorted({cell.fold for cell in every}),
        seeds=len({cell.seed for cell in every}),
        share=study.settings.share,
        groups=_groups(study, sorted({cell.fold for cell in every})),
    )


def _groups(study: Study, folds: Sequence[int]) -> tuple[int, int]:
    counts = [
        len({study.groups[row] for row in study.rows_of(study.train(fold), [study.target])}) for fold in folds
    ]
    return min(counts), max(counts)


def _settings(runs: Sequence[Run]) -> tuple[str, dict[str, str]]:
    """What the table's columns leave unsaid of the runs: what all have in common, and for each the rest."""
    told = ("optimiser", "learning_rate", "batch", "schedule")
    said = {
        run.name: {name: value for name, value in run.changes.items() if name not in told}
        | ({"init": run.init} if run.init != USUAL else {})
        | ({"gan_seed": run.gan_seed} if run.gan_seed else {})
        | ({"gan_seeds": run.gan_seeds} if run.gan_seeds > 1 else {})
        | ({"method": run.method} if run.method else {})
        | dict(run.switches)
        for run in runs
    }
    first = next(iter(said.values()))
    common = {
        name: value
        for name, value in first.items()
        if all(settings.get(name) == value for settings in said.values())
    }
    further = {
        run: ", ".join(f"{name} = {value}" for name, value in settings.items() if name not in common)
        for run, settings in said.items()
    }
    return ", ".join(f"{name} = {value}" for name, value in common.items()), further


def _pairs(study: Study, runs: Sequence[Run], cells: Mapping[str, Sequence[Cell]]) -> list[PairResult]:
    """Runs less their arms' controls, which are like them in all else, and less those that the plan names."""
    target, results, named = study.classes.index(study.target), [], {run.name: run for run in runs}
    compared = [(run, other) for run in runs for other in runs if _is_control(run, other)]
    named_too = [(run, named[run.against]) for run in runs if run.against]
    for run, other in compared + [pair for pair in named_too if pair not in compared]:
        if not all(cell.is_done for name in (run.name, other.name) for cell in cells[name]):
            continue
        first, second = run.arm, other.arm
        if first == second:
            second = replace(second, source=f"of {other.name}")  # two runs of one arm, to tell them apart
        answers = [cell.answers(study.classes) for cell in cells[run.name]]
        for cell in cells[other.name]:
            answers.append(replace(cell.answers(study.classes), cell=replace(cell, arm=second)))
        pooled = pool(run.model, answers, target)
        if len(pooled.resampled) == 2:
            arms = (first, second)
            kind, share = " − ".join(map(str, arms)), 1 / study.settings.k
            made = [contrast_of(pooled, kind, *arms, metric, share) for metric in COMPARED]
            found = [contrast for contrast in made if contrast]
            collapsed = any(arm_result(pooled, arm, study.classes).collapsed for arm in arms)
            results.append(PairResult((run.name, other.name), (run.arm, other.arm), collapsed, found))
    return results


def _is_control(run: Run, other: Run) -> bool:
    """Whether `other` is the same without what the arm of `run` adds or weighs, or repeats as many scans.

    That of scans of several translators is those of one, too.
    """
    controls = [Arm("original")] + [Arm("oversampled", dose=run.arm.dose)] * (run.arm.kind in OTHERS)
    controls += [replace(run.arm, kind="cyclegan")] * (run.arm.kind == "pooled")
    entering = any(name in other.changes for name in OF_ADDED)  # it is a way of its own, and no control
    return run.like(other) and other.arm in controls and not entering


def _result(study: Study, cells: Sequence[Cell]) -> ArmResult | None:
    done = [cell for cell in cells if cell.is_done]
    if not done:
        return None
    answers = [cell.answers(study.classes) for cell in done]
    pooled = pool(done[0].model, answers, study.classes.index(study.target))
    return arm_result(pooled, done[0].arm, study.classes)


def _split(study: Study, pairs: Sequence[tuple[Run, Cell]]) -> Split:
    """How many scans train (added ones too), are watched and test in each fold; the constant answer's
    accuracy."""
    sizes: dict[str, None] = {}
    labels: list[np.int64] = []
    for fold in sorted({cell.fold for _, cell in pairs}):
        for cell in (cell for _, cell in pairs if cell.fold == fold):
            train, watched = training_rows(study, fold, cell.recipe)
            counts = (len(train) + sum(cell.added.values()), len(watched), len(study.test(fold)))
            sizes[" / ".join(map(str, counts))] = None
        labels += [study.labels[row] for row in study.test(fold)]
    most, scores = constant_answer(np.array(labels), len(study.classes), study.classes.index(study.target))
    return Split(list(sizes), study.classes[most], scores["accuracy"])
