"""What several studies say of the same question, a row a study and model, from their last reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import BusError
from ...core.files import read_json
from ...core.opener import check_tree
from ..arms import parse
from ..report_folder import ReportFolder
from .model import GAIN, MEAN, PRIMARY


@dataclass(frozen=True)
class Gain:
    """A gain with the interval that decides."""

    estimate: float | None = None
    low: float | None = None  # of its 95 % interval
    high: float | None = None
    detectable: float | None = None  # smallest gain that the study could have seen
    retrained: bool = False  # the interval covers other trainings and translators, not other scans alone


@dataclass(frozen=True)
class Finding:
    """What one study's last report says of one model; shares, 0.01 is one point."""

    study: str
    data: str
    model: str
    folds: int
    seeds: int
    scans: int  # tested
    original: float | None  # mean macro-F1 of the arm without anything added
    balanced: float | None  # of `cyclegan`
    gain: Gain  # of the second over the first
    verdict: str  # a sentence


def findings(study: Path) -> list[Finding]:
    """What the last report of a study says, a model each; BusError where there is none that can be read."""
    check_tree(study)
    path = ReportFolder(study).summary
    if path.parent.exists() and not path.exists():
        raise BusError(f"{path} is missing. Run bus report --study {study} to write it again.")
    if not path.exists():
        raise BusError(f"{study} holds no report to compare. Run bus benchmark --study {study} first.")
    told = read_json(path)
    try:
        return [
            Finding(
                study=str(study),
                data=str(told["data"]["name"]),
                model=model,
                folds=len(told["folds"]),
                seeds=int(told["seeds"]),
                scans=int(told["tested"]["scans"]),
                original=_score(told["arms"], model, "original"),
                balanced=_score(told["arms"], model, "cyclegan"),
                gain=_gain(told["contrasts"], model),
                verdict=str(verdict),
            )
            for model, verdict in told["verdicts"].items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BusError(
            f"{path} does not hold what this version writes ({error!r}). Run bus report --study {study}."
        ) from error


def _score(arms: Sequence[dict[str, object]], model: str, name: str) -> float | None:
    """An arm's metric that decides, averaged over its seeds; of MEAN over the models too."""
    found = [
        row["metrics"][PRIMARY]  # type: ignore[index]
        for row in arms
        if model in (row["model"], MEAN) and parse(str(row["arm"])) == parse(name)
    ]
    return None if not found or None in found else sum(map(float, found)) / len(found)


def _gain(contrasts: Sequence[dict[str, object]], model: str) -> Gain:
    """The gain of a model; empty where the study has none."""
    wanted = (GAIN, model, PRIMARY)
    found = [row for row in contrasts if (row["contrast"], row["model"], row["metric"]) == wanted]
    if not found:
        return Gain()
    again = found[0]["low_retrained"] is not None
    names = ("low", "high", "detectable")
    values = [found[0][f"{name}_retrained" if again else name] for name in names]
    low, high, detectable = (None if value is None else float(str(value)) for value in values)
    return Gain(float(str(found[0]["estimate"])), low, high, detectable, again)
