"""The external test in numbers: every arm on scans from elsewhere, and the two contrasts of a claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...classify.metrics import collapsed
from ...data.study import Study
from ..arms import Arm
from ..cell import Cell, Floats
from ..external import External, answers
from . import statistics as stats
from .contrasts import leading_arms
from .model import MEAN, Interval, Measured

METRICS = (
    "target_auc",
    "target_recall",
    "specificity",
    "balanced_accuracy",
    "accuracy",
    "sensitivity_at_90_specificity",
)
COMPARED = ("target_auc", "balanced_accuracy")
Means = Mapping[Arm, Mapping[str, stats.Array]]  # arm → metric under every row of weights
Judged = Mapping[Arm, Mapping[tuple[int, int], Mapping[str, stats.Array]]]  # the same of every fold and seed


@dataclass(frozen=True)
class ExternalRow:
    """One arm of one model, averaged over the cells that are compared."""

    model: str
    arm: Arm
    metrics: dict[str, Measured]  # by METRICS
    collapsed: int  # cells that give 90 % or more of their answers to one class
    cells: int
    collapsed_to_target: bool  # whether that class mostly is the target


@dataclass(frozen=True)
class ExternalContrast:
    """One arm minus another on the external scans."""

    model: str  # or MEAN
    first: Arm
    second: Arm
    metric: str  # of COMPARED
    interval: Interval


@dataclass(frozen=True)
class ExternalResult:
    """What the external test says."""

    name: str
    scans: int
    targets: int
    groups: int
    group_source: str
    others: list[str]  # the classes that the target was told from
    left_out: dict[str, int]  # class → scans that the question is not about
    alike: int  # scans left out for looking like the study's
    unused: int  # cells left out, whose folds and seeds not all arms of their model have
    rows: list[ExternalRow]
    contrasts: list[ExternalContrast]


def external_result(external: External, study: Study, cells: Sequence[Cell]) -> ExternalResult:
    """Every arm's numbers averaged over its cells, and the two contrasts of a claim; intervals by group.

    Of each model, those folds and seeds are compared that all arms of a claim have. The contrasts of several
    models are also made of their mean (MEAN), draw by draw, over the folds and seeds that all of them have.
    """
    labels = np.array([int(row["label"] == study.target) for row in external.rows])
    groups = [row["group"] for row in external.rows]
    sample = stats.sample(labels, groups, np.zeros(len(labels), np.int64), 1)
    answered = {
        model: {
            arm: {(cell.fold, cell.seed): answers(external, study, cell) for cell in of_arm}
            for arm, of_arm in _compared([cell for cell in cells if cell.model == model]).items()
        }
        for model in dict.fromkeys(cell.model for cell in cells)
    }
    rows, contrasts = [], []
    judged: list[Judged] = []
    for model, own in answered.items():
        judged.append(
            {
                arm: {pair: stats.evaluate(sample, one) for pair, one in given.items()}
                for arm, given in own.items()
            }
        )
        means = {arm: _mean([*given.values()]) for arm, given in judged[-1].items()}
        rows += [_row(sample, model, arm, [*own[arm].values()], values) for arm, values in means.items()]
        contrasts += _contrasts(sample, model, means)
    contrasts = [*_contrasts(sample, MEAN, _together(judged)), *contrasts]
    return ExternalResult(
        name=external.name,
        scans=len(labels),
        targets=int(labels.sum()),
        groups=len(set(groups)),
        group_source=external.groups,
        others=sorted({row["label"] for row in external.rows} - {study.target}),
        left_out=external.left_out,
        alike=external.alike,
        unused=len(cells) - sum(row.cells for row in rows),
        rows=rows,
        contrasts=contrasts,
    )


def _compared(cells: Sequence[Cell]) -> dict[Arm, list[Cell]]:
    """The cells of one model by arm, of the folds and seeds that the arms of a claim have in common."""
    order = sorted({cell.arm for cell in cells}, key=lambda arm: arm.order)
    trained = {arm: {(c.fold, c.seed) for c in cells if c.arm == arm} for arm in order}
    arms, folds, seeds = stats.comparable(trained, leading_arms(order))
    return {
        arm: [cell for cell in cells if cell.arm == arm and cell.fold in folds and cell.seed in seeds]
        for arm in order
        if arm in arms
    }


def _mean(judged: Sequence[Mapping[str, stats.Array]]) -> dict[str, stats.Array]:
    """Every metric under every row of weights, averaged over several cells."""
    mean = {key: np.mean([metrics[key] for metrics in judged], axis=0) for key in judged[0]}
    return {**mean, "specificity": 2 * mean["balanced_accuracy"] - mean["target_recall"]}


def _together(models: Sequence[Judged]) -> Means:
    """The mean of several models over the folds and seeds that all have; nothing where there are none."""
    shared = sorted(set.intersection(*({*given} for own in models for given in own.values())))
    if len(models) < 2 or not shared:
        return {}
    means = [{arm: _mean([given[pair] for pair in shared]) for arm, given in own.items()} for own in models]
    return {
        arm: {key: np.mean([of_arms[arm][key] for of_arms in means], axis=0) for key in COMPARED}
        for arm in means[0]
        if all(arm in of_arms for of_arms in means)
    }


def _contrasts(sample: stats.Sample, model: str, means: Means) -> list[ExternalContrast]:
    """The two differences of a claim, where they are defined."""
    lead = leading_arms(list(means))
    found = []
    for second in (lead.original, lead.oversampled):
        for key in COMPARED if {lead.cyclegan, second} <= set(means) else ():
            span = stats.interval(sample, means[lead.cyclegan][key] - means[second][key])
            if span is not None:
                found.append(ExternalContrast(model, lead.cyclegan, second, key, span))
    return found


def _row(
    sample: stats.Sample, model: str, arm: Arm, answered: Sequence[Floats], values: Mapping[str, stats.Array]
) -> ExternalRow:
    fallen = [side for one in answered if (side := collapsed(one)) is not None]
    return ExternalRow(
        model=model,
        arm=arm,
        metrics={key: stats.measured(sample, values[key]) for key in METRICS},
        collapsed=len(fallen),
        cells=len(answered),
        collapsed_to_target=fallen.count(1) * 2 >= len(fallen),
    )
