"""Which arms are compared, what their differences are, and what may be concluded from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from ...classify.metrics import HIGHEST, METRICS
from ..arms import Arm
from . import statistics as stats
from .model import (
    BEYOND_PRIOR,
    FEWEST_GROUPS,
    GAIN,
    MEAN,
    PRIMARY,
    TRANSLATOR,
    ArmResult,
    Contrast,
    Interval,
    LeadingArms,
    Verdict,
    VerdictKind,
)
from .retraining import retrained
from .thresholds import COMPARED, MATCHED

AnyInterval = TypeVar("AnyInterval", bound=Interval)


@dataclass(frozen=True)
class Pooled:
    """One model's answers, pooled over folds, with all their resampled metrics.

    All arms have the same folds and seeds.
    """

    model: str
    sample: stats.Sample
    probabilities: dict[Arm, list[stats.Array]]  # N×C, one array a seed
    resampled: dict[Arm, list[dict[str, stats.Array]]]  # metrics under every row of weights, one dict a seed
    seeds: tuple[int, ...] = field(default=(), kw_only=True)
    translators: dict[Arm, tuple[int, ...]] = field(default_factory=dict, kw_only=True)  # of each seed
    parts: "tuple[Pooled, ...]" = field(default=(), kw_only=True)  # the models that this is the mean of

    def of_seeds(self, arm: Arm, metric: str) -> stats.Array:
        """The metric of every seed under every row of weights: S×rows."""
        return np.array([values[metric] for values in self.resampled[arm]])

    def mean(self, arm: Arm, metric: str) -> stats.Array:
        """The metric under every row of weights, averaged over seeds."""
        return np.asarray(np.mean([values[metric] for values in self.resampled[arm]], axis=0))


def averaged(models: Sequence[Pooled]) -> Pooled:
    """The mean over several models of every metric: seed by seed, and under every row of weights.

    Models of one seed share folds, synthetic scans and draws of groups, so that their mean is one training of
    all of them. Arms that one of them lacks are left out. ValueError where folds or seeds differ.
    """
    first = models[0]
    if len({(one.sample.fold_names, one.seeds) for one in models}) > 1:
        raise ValueError("expected models of the same folds and seeds")
    arms = [arm for arm in first.resampled if all(arm in one.resampled for one in models)]
    resampled = {
        arm: [
            {
                metric: np.asarray(np.mean([values[metric] for values in of_seed], axis=0))
                for metric in of_seed[0]
                if all(metric in values for values in of_seed)
            }
            for of_seed in zip(*(one.resampled[arm] for one in models), strict=True)
        ]
        for arm in arms
    }
    agreed = {  # the translator of each seed; one for all where models differ in it: none counts apart
        arm: used.pop() if len(used) == 1 else (0,) * len(first.seeds)
        for arm in arms
        if (used := {one.translators[arm] for one in models if arm in one.translators})
    }
    return Pooled(
        MEAN, first.sample, {}, resampled, seeds=first.seeds, translators=agreed, parts=tuple(models)
    )


def leading_arms(arms: Sequence[Arm]) -> LeadingArms:
    """The arms that a claim needs, `cyclegan` in full dose or the smallest that was run."""
    doses = sorted(arm.dose for arm in arms if arm.kind == "cyclegan" and not arm.source)
    dose = 1.0 if 1 in doses or not doses else doses[0]
    return LeadingArms(Arm("original"), Arm("oversampled", dose=dose), Arm("cyclegan", dose=dose))


def pairs(arms: Sequence[Arm]) -> dict[str, tuple[Arm, Arm]]:
    """The contrasts that these arms allow: kind → (first, second), read as first − second.

    Gain and translator stand for the arms of a claim. Every arm is compared with `original`, but for the
    negative control; those that add other scans also with as many repeated real scans, `cyclegan`
    with as many pasted lesions and with answers that were merely corrected for the class prior, and `pooled`
    with `cyclegan`.
    """
    lead = leading_arms(arms)
    wanted = {GAIN: (lead.cyclegan, lead.original), TRANSLATOR: (lead.cyclegan, lead.oversampled)}
    for arm in sorted(arms, key=lambda arm: arm.order):
        repeated = Arm("oversampled", dose=arm.dose)
        if arm.kind not in ("original", "relabelled"):
            wanted[f"{arm} − original"] = (arm, Arm("original"))
        if arm.kind in ("cyclegan", "pooled", "pasted", "relabelled", "unverified"):
            wanted[f"{arm} − {repeated}"] = (arm, repeated)
        if arm.kind == "cyclegan" and (control := Arm("pasted", arm.source, arm.dose)) in arms:
            wanted[f"{arm} − {control}"] = (arm, control)
        if arm.kind == "pooled":
            single = Arm("cyclegan", arm.source, arm.dose)
            wanted[f"{arm} − {single}"] = (arm, single)
        if arm.kind == "cyclegan":
            wanted[BEYOND_PRIOR if arm == lead.cyclegan else f"{arm} − adjusted"] = (arm, Arm("adjusted"))
    named = {pair: kind for kind, pair in reversed(wanted.items())}  # gain and translator keep their names
    return {kind: pair for kind, pair in wanted.items() if set(pair) <= set(arms) and named[pair] == kind}


def contrasts(pooled: Pooled, test_share: float) -> list[Contrast]:
    """All contrasts of one model in all metrics, where they are defined; p values not yet corrected.

    `test_share` is the share of the scans in one test fold, 1/k.
    """
    defined = []
    for kind, (first, second) in pairs(list(pooled.resampled)).items():
        for metric in (*METRICS, *COMPARED):
            contrast = contrast_of(pooled, kind, first, second, metric, test_share)
            defined += [contrast] if contrast else []
    return defined


def contrast_of(
    pooled: Pooled, kind: str, first: Arm, second: Arm, metric: str, test_share: float
) -> Contrast | None:
    """One contrast with both its intervals, cut at what is possible; None where it is undefined."""
    sample, most = pooled.sample, HIGHEST.get(metric, 1.0)
    if any(metric not in of_seed for arm in (first, second) for of_seed in pooled.resampled[arm]):
        return None
    of_seeds = pooled.of_seeds(first, metric) - pooled.of_seeds(second, metric)
    scans = stats.interval(sample, of_seeds.mean(axis=0), test_share)
    if scans is None:
        return None
    again = retrained(sample, of_seeds, translators_of(pooled, first, second))
    zero = zero_alone(pooled, first, second, metric)
    return Contrast(
        kind,
        pooled.model,
        first,
        second,
        metric,
        clipped(scans, most),
        clipped(again, most) if again else None,
        clipped(zero, most) if zero else None,
    )


def translators_of(pooled: Pooled, first: Arm, second: Arm) -> tuple[int, ...] | None:
    """The translator that each seed of a contrast rests on; None where neither arm took synthetic scans."""
    used = {pooled.translators[arm] for arm in (first, second) if arm in pooled.translators}
    return used.pop() if len(used) < 2 and used else (0,) * len(pooled.resampled[first]) if used else None


def zero_alone(pooled: Pooled, first: Arm, second: Arm, metric: str) -> Interval | None:
    """The difference on fold 0 alone over other scans.

    None where it was not tested, or nothing else was, and at thresholds, which other folds give.
    """
    sample = pooled.sample
    if sample.fold_names[0] != 0 or len(sample.fold_names) < 2 or metric.startswith(MATCHED):
        return None
    part = stats.only_fold(sample, 0)
    rows = sample.folds == 0
    differences = [
        stats.evaluate(part, one[rows])[metric] - stats.evaluate(part, other[rows])[metric]
        for model in pooled.parts or (pooled,)
        for one, other in zip(model.probabilities[first], model.probabilities[second], strict=True)
    ]
    return stats.interval(part, np.mean(differences, axis=0))


def clipped(interval: AnyInterval, most: float) -> AnyInterval:
    """The interval without differences that cannot be; a metric lies between 0 and `most`."""
    return replace(interval, low=max(interval.low, -most), high=min(interval.high, most))


def corrected(contrasts: Sequence[Contrast], family: Sequence[Contrast] = ()) -> list[Contrast]:
    """The same contrasts with Holm's correction over the models, apart for every kind and metric.

    `family` holds the contrasts of further models that were looked at: they count, and are not returned.
    """

    def holm(of: str) -> dict[tuple[str, str, str], float]:
        values: dict[tuple[str, str], dict[str, float]] = {}
        for contrast in (*family, *contrasts):
            interval = getattr(contrast, of)
            if interval is not None:
                values.setdefault((contrast.kind, contrast.metric), {})[contrast.model] = interval.p
        return {
            (*key, model): p
            for key, of_models in values.items()
            for model, p in zip(of_models, stats.holm([*of_models.values()]), strict=True)
        }

    scans, again = holm("interval"), holm("retrained")
    return [
        replace(
            c,
            interval=replace(c.interval, p_holm=scans[c.kind, c.metric, c.model]),
            retrained=c.retrained and replace(c.retrained, p_holm=again[c.kind, c.metric, c.model]),
        )
        for c in contrasts
    ]


def verdict_kind(
    gain: Contrast | None, translator: Contrast | None, target_groups: int = FEWEST_GROUPS
) -> VerdictKind:
    """What may be concluded about a model from its contrasts in the primary metric; a claim needs both.

    `target_groups` of the target class were tested.
    """
    if gain is None:
        return VerdictKind.UNPAIRED
    if gain.interval.standard_error == 0 and gain.interval.estimate == 0:
        return VerdictKind.SAME_ANSWERS
    if target_groups < FEWEST_GROUPS:
        return VerdictKind.TOO_SMALL
    if gain.retrained is None and gain.interval.shown:
        return VerdictKind.NOT_REPEATED
    if not gain.shown:
        return VerdictKind.NO_GAIN
    if gain.shown < 0:
        if translator is None:
            return VerdictKind.LOSS_UNEXPLAINED
        return (VerdictKind.LOSS_OF_REPEATS, VerdictKind.REPEATS_WORSE, VerdictKind.LOSS)[translator.shown]
    if translator is None:
        return VerdictKind.GAIN_UNEXPLAINED
    return (VerdictKind.GAIN_OF_REPEATS, VerdictKind.GAIN, VerdictKind.REPEATS_BETTER)[translator.shown]


def verdict(
    model: str,
    contrasts: Sequence[Contrast],
    table: Sequence[ArmResult],
    target_groups: int,
    below: Sequence[ArmResult] = (),
) -> Verdict:
    """The verdict on one model, or on MEAN, with what its numbers rest on: the rows of the arms of a claim.

    `below` holds the rows that stay under the yardstick.
    """
    own = {(c.kind, c.metric): c for c in contrasts if c.model == model}
    gain, translator = (own.get((kind, PRIMARY)) for kind in (GAIN, TRANSLATOR))
    needed = leading_arms([row.arm for row in table])
    behind = [row for row in table if model in (row.model, MEAN) and row.arm in needed]
    return Verdict(
        model=model,
        kind=verdict_kind(gain, translator, target_groups),
        gain=gain,
        translator=translator,
        auc=own.get((GAIN, "target_auc")),
        matched=own.get((GAIN, MATCHED + PRIMARY)),
        beyond_prior=own.get((BEYOND_PRIOR, PRIMARY)),
        target_groups=target_groups,
        collapsed=sum(row.collapsed for row in behind),
        cells=sum(row.cells for row in behind),
        seeds=max((row.seeds for row in behind), default=0),
        below_yardstick=sum(row.model == model for row in below),
        arms=sum(row.model == model and row.arm.trains for row in table),
    )
