"""The external test in numbers: every arm on scans from elsewhere, and the two contrasts of a claim."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...classify.metrics import collapsed
from ...data.study import Study
from ..arms import Arm
from ..cell import Cell
from ..external import External, answers
from . import statistics as stats
from .contrasts import leading_arms
from .model import Interval, Measured

METRICS = (
    "target_auc",
    "target_recall",
    "specificity",
    "balanced_accuracy",
    "accuracy",
    "sensitivity_at_90_specificity",
)
COMPARED = ("target_auc", "balanced_accuracy")


@dataclass(frozen=True)
class ExternalRow:
    """One arm of one model, averaged over its cells."""

    model: str
    arm: Arm
    metrics: dict[str, Measured]  # by METRICS
    collapsed: int  # cells that give 90 % or more of their answers to one class
    cells: int
    collapsed_to_target: bool  # whether that class mostly is the target


@dataclass(frozen=True)
class ExternalContrast:
    """One arm minus another on the external scans."""

    model: str
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
    rows: list[ExternalRow]
    contrasts: list[ExternalContrast]


def external_result(external: External, study: Study, cells: Sequence[Cell]) -> ExternalResult:
    """Every arm's numbers averaged over its cells, and the two contrasts of a claim; intervals by group."""
    labels = np.array([int(row["label"] == study.target) for row in external.rows])
    groups = [row["group"] for row in external.rows]
    sample = stats.sample(labels, groups, np.zeros(len(labels), np.int64), 1)
    rows, contrasts = [], []
    for model in dict.fromkeys(cell.model for cell in cells):
        own = [cell for cell in cells if cell.model == model]
        means = _means(sample, external, study, own)
        for arm, values in means.items():
            rows.append(_row(sample, external, study, [cell for cell in own if cell.arm == arm], values))
        lead = leading_arms(list(means))
        for second in (lead.original, lead.oversampled):
            for key in COMPARED if {lead.cyclegan, second} <= set(means) else ():
                span = stats.interval(sample, means[lead.cyclegan][key] - means[second][key])
                if span is not None:
                    contrasts.append(ExternalContrast(model, lead.cyclegan, second, key, span))
    return ExternalResult(
        name=external.name,
        scans=len(labels),
        targets=int(labels.sum()),
        groups=len(set(groups)),
        group_source=external.groups,
        others=sorted({row["label"] for row in external.rows} - {study.target}),
        left_out=external.left_out,
        alike=external.alike,
        rows=rows,
        contrasts=contrasts,
    )


def _means(
    sample: stats.Sample, external: External, study: Study, cells: Sequence[Cell]
) -> dict[Arm, dict[str, stats.Array]]:
    """Arm → metric under every row of weights, averaged over the (fold, seed) that all arms have."""
    order = sorted({cell.arm for cell in cells}, key=lambda arm: arm.order)
    trained = {arm: {(c.fold, c.seed) for c in cells if c.arm == arm} for arm in order}
    arms, folds, seeds = stats.comparable(trained, leading_arms(order))
    means = {}
    for arm in (arm for arm in order if arm in arms):
        evaluated = [
            stats.evaluate(sample, answers(external, study, cell))
            for cell in cells
            if cell.arm == arm and cell.fold in folds and cell.seed in seeds
        ]
        if evaluated:
            mean = {key: np.mean([metrics[key] for metrics in evaluated], axis=0) for key in evaluated[0]}
            means[arm] = {**mean, "specificity": 2 * mean["balanced_accuracy"] - mean["target_recall"]}
    return means


def _row(
    sample: stats.Sample,
    external: External,
    study: Study,
    cells: Sequence[Cell],
    values: dict[str, stats.Array],
) -> ExternalRow:
    fallen = [side for cell in cells if (side := collapsed(answers(external, study, cell))) is not None]
    return ExternalRow(
        model=cells[0].model,
        arm=cells[0].arm,
        metrics={key: stats.measured(sample, values[key]) for key in METRICS},
        collapsed=len(fallen),
        cells=len(cells),
        collapsed_to_target=fallen.count(1) * 2 >= len(fallen),
    )
