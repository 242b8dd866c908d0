"""Thresholds that scores must reach (`bus gan score --require kid=0.5,copies=real`), for scripts and CI."""

from collections.abc import Iterator
from dataclasses import dataclass

from ...core.errors import UsageError, did_you_mean
from .model import DISTANCES, SHARES, Comparison, Metric, Scores

COPIES, REAL = "copies", "real"  # the second as its limit: the share among real scans that were held out
LOW = (*DISTANCES, COPIES)  # at most the limit; of the others at least it
KNOWN = (*LOW, *SHARES)


@dataclass(frozen=True)
class Requirement:
    """A metric and its limit; None stands for `real`."""

    metric: str
    limit: float | None

    def __str__(self) -> str:
        return f"{self.metric}={REAL if self.limit is None else f'{self.limit:g}'}"


def parse(text: str) -> list[Requirement]:
    """The requirements that were typed; UsageError for an unknown metric or a limit that is none."""
    requirements = []
    for part in text.split(","):
        metric, _, limit = part.strip().partition("=")
        if metric not in KNOWN:
            slip = did_you_mean(metric, KNOWN)
            raise UsageError(
                f"--require {part.strip()}: expected one of {', '.join(KNOWN)}, = and a limit.{slip}"
            )
        try:
            number = None if (metric, limit) == (COPIES, REAL) else float(limit)
            if number is not None and not abs(number) < float("inf"):
                raise ValueError(limit)
        except ValueError:
            raise UsageError(
                f"--require {part.strip()}: expected a number after {metric}=, such as kid=0.5, or "
                "copies=real."
            ) from None
        requirements.append(Requirement(metric, number))
    return requirements


def missed(requirements: list[Requirement], scores: Scores | Comparison) -> Iterator[str]:
    """A sentence for every requirement that scores do not meet; what was not computed is not met.

    `kid` is the normalised one (0 real, 1 did nothing) of a study's scans, and the distance itself between
    two folders.
    """
    for requirement in requirements:
        limit, value = requirement.limit, _value(requirement.metric, scores)
        if limit is None and isinstance(scores, Scores) and scores.copies:
            limit = scores.copies.held_out
        if value is None or limit is None:
            yield f"{requirement} is not met: it was not computed."
        elif value > limit if requirement.metric in LOW else value < limit:
            wanted = "at most" if requirement.metric in LOW else "at least"
            yield f"{requirement} is not met: it is {value:.3g}, expected {wanted} {limit:.3g}."


def _value(metric: str, scores: Scores | Comparison) -> float | None:
    if isinstance(scores, Comparison):
        if metric == Metric.KID:
            return scores.kid.mean if scores.kid else None
        return None if metric == COPIES else getattr(scores, metric)
    if metric == COPIES:
        return scores.copies.synthetic if scores.copies else None
    scale = scores.metric(Metric(metric))
    if scale is None:
        return None
    if metric == Metric.KID:
        return scale.normalised.mean if scale.normalised else None
    return scale.score.mean
