"""What the cells of a study say together: table, contrasts and a verdict for each classifier."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...classify import metrics
from ...core.errors import BusError
from ...data.study import Study
from ..arms import GENERATED, Arm
from ..cell import Answered, Answers
from . import statistics as stats
from . import thresholds
from .contrasts import Pooled, averaged, contrasts, corrected, leading_arms, verdict
from .model import (
    MEAN,
    PRIMARY,
    ArmResult,
    BelowYardstick,
    CellResult,
    Collapsed,
    Conditional,
    ConstantAnswer,
    Developed,
    Incomplete,
    Measured,
    NoSkill,
    Note,
    Summary,
    Way,
)
from .untouched import count_developed


def check_same_scans(answers: Iterable[Answers]) -> None:
    """BusError unless all cells of a fold answered the same scans in the same order, each cell once."""
    first: dict[int, Answers] = {}
    seen: dict[tuple[Arm, str, int, int], Answers] = {}
    for one in answers:
        cell = one.cell
        other = first.setdefault(cell.fold, one)
        if other.scans != one.scans:
            raise BusError(
                f"{cell.path} and {other.cell.path} were tested on different scans of fold {cell.fold}, "
                "or in another order. Delete the one that does not belong to this study and run the command "
                "again."
            )
        twin = seen.setdefault((cell.arm, cell.model, cell.fold, cell.seed), one)
        if twin is not one:
            raise BusError(f"{cell.path} and {twin.cell.path} are two results for one cell. Delete one.")


@dataclass(frozen=True)
class Comparable(Pooled):
    """Pooled answers that come from cells."""

    answers: dict[Arm, list[Answers]]  # every fold with every seed
    flipped: dict[Arm, list[stats.Array]]  # of arms whose cells all kept it: as `probabilities`

    @property
    def target_groups(self) -> int:
        """How many groups with the target were tested."""
        sample = self.sample
        return len(np.unique(sample.units[sample.labels == sample.target]))


def side_by_side(
    answers: Sequence[Answers],
) -> tuple[dict[tuple[Arm, int, int], Answers], list[Arm], list[int], list[int]]:
    """A model's answers by arm, fold and seed, and the arms, folds and seeds that can be compared."""
    by_cell = {(one.cell.arm, one.cell.fold, one.cell.seed): one for one in answers}
    order = sorted({arm for arm, _, _ in by_cell}, key=lambda arm: arm.order)
    finished = {arm: {(fold, seed) for other, fold, seed in by_cell if other == arm} for arm in order}
    return by_cell, *stats.comparable(finished, leading_arms(order))


def pool(model: str, answers: Sequence[Answers], target: int) -> Comparable:
    """Join a model's answers of all folds, by arm and seed; resample them with one draw of groups.

    Folds and seeds are those that the arms of a claim have in common; `target` is the number of the class.
    """
    by_cell, arms, folds, seeds = side_by_side(answers)
    parts = [by_cell[arms[0], fold, seeds[0]] for fold in folds]
    sample = stats.sample(
        labels=np.concatenate([part.labels for part in parts]),
        groups=[group for part in parts for *_, group in part.scans],
        folds=np.repeat(folds, [len(part.labels) for part in parts]),
        target=target,
    )
    stacked = {
        arm: [np.vstack([by_cell[arm, f, s].probabilities for f in folds]) for s in seeds] for arm in arms
    }
    resampled = {
        arm: [stats.evaluate(sample, one) | thresholds.evaluate(sample, one) for one in stacked[arm]]
        for arm in arms
    }
    used = {arm: [by_cell[arm, f, s] for f in folds for s in seeds] for arm in arms}
    translators = {arm: translators_of(used[arm], len(seeds)) for arm in arms if arm.kind in GENERATED}
    flipped = {}
    for arm in arms:
        mirrored = {(one.cell.fold, one.cell.seed): one.flipped for one in used[arm]}
        known = [values for values in mirrored.values() if values is not None]
        if len(known) == len(mirrored):
            flipped[arm] = [
                np.vstack([known[len(seeds) * f + s] for f in range(len(folds))]) for s in range(len(seeds))
            ]
    return Comparable(
        model, sample, stacked, resampled, used, flipped, seeds=tuple(seeds), translators=translators
    )


def translators_of(answers: Sequence[Answers], seeds: int) -> tuple[int, ...]:
    """The translator of each seed, if all folds agree; else one for all, so that no spread is taken from it.

    `answers` are those of an arm that takes a generator's scans, every fold with every seed.
    """
    made_by = [getattr(one.cell, "gan_seed", 0) for one in answers]
    folds = {tuple(made_by[start : start + seeds]) for start in range(0, len(made_by), seeds)}
    return folds.pop() if len(folds) == 1 else (0,) * seeds


def asked_otherwise(pooled: Comparable, arm: Arm) -> dict[Way, dict[str, Measured]]:
    """The metrics of an arm's networks, asked in other ways; none of them enters a contrast between arms."""
    sample, of_seeds = pooled.sample, pooled.resampled[arm]
    names = [name for name in of_seeds[0] if name.startswith(thresholds.MATCHED)]
    means = {name.removeprefix(thresholds.MATCHED): pooled.mean(arm, name) for name in names}
    ways = {Way.MATCHED: means} if means else {}
    if arm in pooled.flipped:
        turned = [stats.evaluate(sample, one) for one in pooled.flipped[arm]]
        ways[Way.FLIPPED] = {name: np.mean([one[name] for one in turned], axis=0) for name in turned[0]}
    if len(of_seeds) > 1:
        average = np.asarray(np.mean(pooled.probabilities[arm], axis=0))
        ways[Way.ENSEMBLE] = stats.evaluate(sample, average)
    return {
        way: {
            name: stats.measured(sample, values, metrics.HIGHEST.get(name, 1.0))
            for name, values in of_way.items()
        }
        for way, of_way in ways.items()
    }


def number(value: float) -> float | None:
    """A float, or None for what is undefined."""
    return float(value) if np.isfinite(value) else None


def arm_result(pooled: Comparable, arm: Arm, classes: Sequence[str]) -> ArmResult:
    """Everything about one arm of one model."""
    sample, cells, target = pooled.sample, pooled.answers[arm], pooled.sample.target
    of_seeds = pooled.probabilities[arm]
    means = {name: pooled.mean(arm, name) for name in metrics.METRICS}
    spans = {name: span for name, values in means.items() if (span := stats.interval(sample, values))}
    confusion = np.mean([metrics.confusion(sample.labels, one) for one in of_seeds], axis=0)
    recall = stats.divide(np.diag(confusion), confusion.sum(axis=1))
    answered = (metrics.collapsed(one.probabilities) for one in cells)
    collapsed = Counter(label for label in answered if label is not None)
    lowest_fold = 1  # its row of weights
    zero_apart = sample.fold_names[0] == 0 and len(sample.fold_names) > 1
    return ArmResult(
        arm=arm,
        model=pooled.model,
        seeds=len(of_seeds),
        metrics={name: number(values[0]) for name, values in means.items()},
        intervals={name: (max(x.low, 0.0), min(x.high, metrics.HIGHEST[name])) for name, x in spans.items()},
        recall={name: number(value) for name, value in zip(classes, recall, strict=True)},
        confusion=confusion.tolist(),
        collapsed=collapsed.total(),
        cells=len(cells),
        collapsed_class=classes[collapsed.most_common(1)[0][0]] if collapsed else None,
        per_seed=[
            {name: number(values[0]) for name, values in of_seed.items()} for of_seed in pooled.resampled[arm]
        ],
        fold_zero={name: number(values[lowest_fold]) for name, values in means.items()}
        if zero_apart
        else None,
        roc=metrics.roc_curve([(one.labels, one.probabilities) for one in cells], target),
        calibration=metrics.calibration(np.tile(sample.labels, len(of_seeds)), np.vstack(of_seeds), target),
        further=asked_otherwise(pooled, arm),
    )


def cell_result(answers: Answers, classes: Sequence[str], target: int) -> CellResult:
    """One cell's numbers."""
    cell, labels, probabilities = answers.cell, answers.labels, answers.probabilities
    recall = metrics.class_recall(labels, probabilities)
    collapsed = metrics.collapsed(probabilities)
    return CellResult(
        fold=cell.fold,
        arm=cell.arm,
        model=cell.model,
        seed=cell.seed,
        metrics={name: metric(labels, probabilities, target) for name, metric in metrics.METRICS.items()},
        recall=dict(zip(classes, recall, strict=True)),
        collapsed_class=None if collapsed is None else classes[collapsed],
        test_scans=len(labels),
        seconds=cell.effort.seconds,
    )


def below(table: Sequence[ArmResult], yardstick: ArmResult) -> list[ArmResult]:
    """The networks that were retrained for less macro-F1 than the yardstick has."""
    mark = yardstick.metrics[PRIMARY]
    return [
        row
        for row in table
        if row.arm.trains
        and (value := row.metrics[PRIMARY]) is not None
        and mark is not None
        and value < mark
    ]


def notes(
    table: Sequence[ArmResult],
    constant: ConstantAnswer,
    yardstick: ArmResult | None,
    used: int,
    total: int,
    developed: Developed | None = None,
) -> list[Note]:
    """What a reader must see with the numbers; `used` of `total` cells stand in table and contrasts."""
    collapsed = tuple(row for row in table if row.collapsed)
    remarks: list[Note] = [Collapsed(collapsed)] if collapsed else []
    remarks += [developed] if developed else []
    remarks += [NoSkill(constant), Conditional()]
    if used < total:
        remarks.append(Incomplete(total - used, total))
    if yardstick is not None:
        remarks.append(BelowYardstick(yardstick.metrics[PRIMARY] or 0.0, tuple(below(table, yardstick))))
    return remarks


def summarise(
    study: Study,
    cells: Sequence[Answered],
    yardsticks: Sequence[Answered] = (),
    family: Sequence[Answered] = (),
) -> Summary:
    """Read the cells' answers and say what they show: table, contrasts, verdicts, all beside the yardstick.

    Of each model, the folds and seeds that all its arms have are compared. `family` holds cells of further
    models that were looked at in this study: they count in the correction for several models, and are not
    shown. BusError where cells are missing, damaged or were tested on different scans.
    """
    if not cells:
        raise BusError("There are no finished cells to sum up. Run bus benchmark first.")
    classes, target, share = study.classes, study.classes.index(study.target), 1 / study.settings.k
    answers = [cell.answers(classes) for cell in cells]
    check_same_scans(answers)

    # tables and contrasts, model by model
    pooled = _by_model(answers, target)
    models = [of_model.model for of_model in pooled]
    table = [arm_result(of_model, arm, classes) for of_model in pooled for arm in of_model.answers]
    others = [cell.answers(classes) for cell in family if cell.model not in models]
    check_same_scans([*answers, *others])
    compared, further = (
        [c for of_model in part for c in contrasts(of_model, share)]
        for part in (pooled, _by_model(others, target))
    )
    compared = corrected(compared, further)
    shared = alike(pooled, answers, target)
    together = corrected(contrasts(averaged(shared), share) if shared else [])  # one, by itself
    partly = bool(shared) and shared[0] is not pooled[0]  # the mean rests on fewer folds or seeds
    behind = [arm_result(one, arm, classes) for one in shared for arm in one.answers] if partly else table

    # what was tested, what one constant answer scores there, and the yardstick
    used = [one for of_model in pooled for of_arm in of_model.answers.values() for one in of_arm]
    tested = {one.cell.fold: one for one in used}
    labels = np.concatenate([one.labels for one in tested.values()])
    scans = [(fold, *scan) for fold, one in tested.items() for scan in one.scans]
    target_groups = len({(fold, group) for fold, *_, label, group in scans if label == study.target})
    most_frequent, scores = metrics.constant_answer(labels, len(classes), target)
    constant = ConstantAnswer(classes[most_frequent], scores)
    marks = [cell.answers(classes) for cell in yardsticks if cell.fold in tested]
    yardstick = arm_result(pool("yardstick", marks, target), Arm("original"), classes) if marks else None
    short = below(table, yardstick) if yardstick else []
    return Summary(
        classes=classes,
        target=study.target,
        folds=sorted(tested),
        seeds=max(row.seeds for row in table),
        scans=len(labels),
        groups=len({(fold, group) for fold, *_, group in scans}),
        target_groups=target_groups,
        arms=sorted({row.arm for row in table}, key=lambda arm: arm.order),
        models=models,
        table=table,
        contrasts=[*together, *compared],
        verdicts={one.model: verdict(one.model, compared, table, one.target_groups, short) for one in pooled},
        together=replace(
            verdict(MEAN, together, behind, shared[0].target_groups),
            left_out=tuple(sorted({one.cell.model for one in others})),
            shared=(len(shared[0].sample.fold_names), len(shared[0].seeds)) if partly else None,
        )
        if shared
        else None,
        cells=[cell_result(one, classes, target) for one in answers],
        constant=constant,
        notes=notes(table, constant, yardstick, len(used), len(cells), developed_of(tested)),
        yardstick=yardstick,
    )


def developed_of(tested: Mapping[int, Answers]) -> Developed | None:
    """How many of the scans of the tested folds are development data; None where none is."""
    seen = {
        fold: count_developed((sha256, label) for _, sha256, label, _ in one.scans)
        for fold, one in tested.items()
    }
    total = sum(len(one.scans) for one in tested.values())
    untouched = tuple(sorted(fold for fold, scans in seen.items() if not scans))
    return Developed(sum(seen.values()), total, untouched) if any(seen.values()) else None


def alike(pooled: Sequence[Comparable], answers: Sequence[Answers], target: int) -> list[Comparable]:
    """Several models, pooled over the folds and seeds that all of them have; none where they share none."""
    if len(pooled) < 2:
        return []
    have = [{(fold, seed) for fold in one.sample.fold_names for seed in one.seeds} for one in pooled]
    shared = set.intersection(*have)
    if all(pairs == shared for pairs in have):
        return [*pooled]
    return _by_model([one for one in answers if (one.cell.fold, one.cell.seed) in shared], target)


def _by_model(answers: Sequence[Answers], target: int) -> list[Comparable]:
    models = dict.fromkeys(one.cell.model for one in answers)
    return [pool(model, [one for one in answers if one.cell.model == model], target) for model in models]
