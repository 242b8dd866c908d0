"""Which arms are compared, what their differences are, and what may be concluded from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...classify.metrics import METRICS
from ..arms import Arm
from . import statistics as stats
from .model import GAIN, TRANSLATOR, ArmResult, Contrast, Interval, LeadingArms, Verdict, VerdictKind


@dataclass(frozen=True)
class Pooled:
    """One model's answers, pooled over folds, with all their resampled metrics.

    All arms have the same folds and seeds.
    """

    model: str
    sample: stats.Sample
    probabilities: dict[Arm, list[stats.Array]]  # N×C, one array a seed
    resampled: dict[Arm, list[dict[str, stats.Array]]]  # metrics under every row of weights, one dict a seed

    def mean(self, arm: Arm, metric: str) -> stats.Array:
        """The metric under every row of weights, averaged over seeds."""
        return np.asarray(np.mean([values[metric] for values in self.resampled[arm]], axis=0))


def leading_arms(arms: Sequence[Arm]) -> LeadingArms:
    """The arms that a claim needs, `cyclegan` in full dose or the smallest that was run."""
    doses = sorted(arm.dose for arm in arms if arm.kind == "cyclegan" and not arm.source)
    dose = 1.0 if 1 in doses or not doses else doses[0]
    return LeadingArms(Arm("original"), Arm("oversampled", dose=dose), Arm("cyclegan", dose=dose))


def pairs(arms: Sequence[Arm]) -> dict[str, tuple[Arm, Arm]]:
    """The contrasts that these arms allow: kind → (first, second), read as first − second.

    Gain and translator stand for the arms of a claim. Every arm is compared with `original`, but for the
    negative control; those that take synthetic scans or their sources also with as many repeated real scans.
    """
    lead = leading_arms(arms)
    wanted = {GAIN: (lead.cyclegan, lead.original), TRANSLATOR: (lead.cyclegan, lead.oversampled)}
    for arm in sorted(arms, key=lambda arm: arm.order):
        repeated = Arm("oversampled", dose=arm.dose)
        if arm.kind not in ("original", "relabelled"):
            wanted[f"{arm} − original"] = (arm, Arm("original"))
        if arm.kind in ("cyclegan", "relabelled", "unverified"):
            wanted[f"{arm} − {repeated}"] = (arm, repeated)
    named = {pair: kind for kind, pair in reversed(wanted.items())}  # gain and translator keep their names
    return {kind: pair for kind, pair in wanted.items() if set(pair) <= set(arms) and named[pair] == kind}


def contrasts(pooled: Pooled, test_share: float) -> list[Contrast]:
    """All contrasts of one model in all metrics, where they are defined; p values not yet corrected.

    `test_share` is the share of the scans in one test fold, 1/k.
    """
    defined = []
    for kind, (first, second) in pairs(list(pooled.resampled)).items():
        for metric in METRICS:
            difference = pooled.mean(first, metric) - pooled.mean(second, metric)
            interval = stats.interval(pooled.sample, difference, test_share)
            if interval is not None:
                defined.append(Contrast(kind, pooled.model, first, second, metric, interval))
    return defined


def corrected(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The same contrasts with Holm's correction over the models, apart for every kind and metric."""
    families: dict[tuple[str, str], list[float]] = {}
    for contrast in contrasts:
        families.setdefault((contrast.kind, contrast.metric), []).append(contrast.interval.p)
    ready = {key: iter(stats.holm(values)) for key, values in families.items()}
    return [replace(c, interval=replace(c.interval, p_holm=next(ready[c.kind, c.metric]))) for c in contrasts]


def verdict_kind(gain: Interval | None, translator: Interval | None) -> VerdictKind:
    """What may be concluded about a model from its contrasts in the primary metric; a claim needs both."""
    if gain is None:
        return VerdictKind.UNPAIRED
    if gain.standard_error == 0 and gain.estimate == 0:
        return VerdictKind.SAME_ANSWERS
    if gain.shown < 0:
        return VerdictKind.LOSS
    if not gain.shown:
        return VerdictKind.NO_GAIN
    if translator is None:
        return VerdictKind.GAIN_UNEXPLAINED
    return (VerdictKind.GAIN_OF_REPEATS, VerdictKind.GAIN, VerdictKind.REPEATS_BETTER)[translator.shown]


def verdict(
    model: str, gain: Interval | None, translator: Interval | None, table: Sequence[ArmResult]
) -> Verdict:
    """The verdict on one model, with what its numbers rest on: the rows of the arms that the claim needs."""
    needed = leading_arms([row.arm for row in table])
    behind = [row for row in table if row.model == model and row.arm in needed]
    return Verdict(
        model=model,
        kind=verdict_kind(gain, translator),
        gain=gain,
        translator=translator,
        collapsed=sum(row.collapsed for row in behind),
        cells=sum(row.cells for row in behind),
        seeds=max((row.seeds for row in behind), default=0),
    )
