"""What is known of a set of synthetic scans, as values: what `scores.json` and `scores-test.json` hold.

This module alone knows their keys. `read` takes what an earlier version wrote as far as it goes: what it
did not know keeps its default.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
VERSION = 4  # of what is computed; scores of another version are made again by `bus gan score`
SEED = 0  # of every draw behind a score: the same scans have the same scores
APART = 0.25  # over the root of the number of scans: near a standard error of AUC (Hanley & McNeil 1982)
MOST = 10**12  # no number is larger


class Metric(StrEnum):
    """What is measured between two sets of scans; the values are keys of the files."""

    KID = "kid"
    FRECHET = "frechet"
    PRECISION = "precision"
    RECALL = "recall"
    DENSITY = "density"
    COVERAGE = "coverage"


METRICS = tuple(Metric)
DISTANCES = (Metric.KID, Metric.FRECHET)  # smaller is better; the others are shares of scans
SHARES = tuple(metric for metric in Metric if metric not in DISTANCES)


@dataclass(frozen=True)
class Measured:
    """A number and its spread: a standard deviation, over what its owner says."""

    mean: float
    spread: float = 0.0


@dataclass(frozen=True)
class Scale:
    """A distance or share of synthetic scans between two marks.

    `floor`: real target scans and other real target scans; `ceiling`: untranslated sources and real target
    scans. Spreads are over splits of the target scans. `normalised`: 0 is the floor, 1 the ceiling; None
    where the two lie too close together, or where the metric is not normalised.
    """

    score: Measured
    floor: Measured
    ceiling: Measured
    normalised: Measured | None = None


@dataclass(frozen=True, kw_only=True)
class Distances:
    """The metrics by one network; None where sets were too small. `notes` say why."""

    kid: Scale | None = None
    frechet: Scale | None = None
    precision: Scale | None = None
    recall: Scale | None = None
    density: Scale | None = None
    coverage: Scale | None = None
    notes: tuple[str, ...] = ()

    def metric(self, metric: Metric) -> Scale | None:
        """The marks of one metric."""
        scale: Scale | None = getattr(self, metric)
        return scale

    @property
    def normalised(self) -> list[tuple[Metric, Measured]]:
        """The metrics that are normalised, with their values."""
        scales = [(metric, self.metric(metric)) for metric in METRICS]
        return [(metric, scale.normalised) for metric, scale in scales if scale and scale.normalised]


@dataclass(frozen=True)
class Looker:
    """The network whose features are compared, how its Fréchet distance is called, and why it was taken."""

    name: str
    label: str
    reason: str = ""


@dataclass(frozen=True)
class Counts:
    """How many scans were compared: `half` is the first half of the target scans, on average over
    `splits`."""

    synthetic: int
    sources: int
    target: int
    half: int = 0
    splits: int = 0


@dataclass(frozen=True)
class Filtered:
    """What the reader had to give a scan for it to be kept, and the share that was kept."""

    confidence: float
    accepted: float


@dataclass(frozen=True)
class StrongestBlocks:
    """How far the blocks lie from the source's that changed most, in grey levels; a scan has 64 blocks."""

    synthetic: float
    blurred: float
    regained: float
    area: float  # share of the synthetic scans' blocks that changed more than blur or gain change any of 100


@dataclass(frozen=True)
class Identity:
    """Mean distance to the own source in grey levels, beside that of the sources blurred and re-gained."""

    synthetic: float
    blurred: float
    regained: float
    strongest: StrongestBlocks | None = None


@dataclass(frozen=True)
class NearPair:
    """A synthetic scan and the training scan nearest to it; a distance of 1 is usual between unrelated
    scans."""

    file: str
    nearest: str
    distance: float


@dataclass(frozen=True)
class CopyShares:
    """Shares of scans that lie nearer to a training scan than `threshold`, and the nearest pairs."""

    threshold: float
    synthetic: float
    held_out: float
    worst: tuple[NearPair, ...] = ()


@dataclass(frozen=True)
class ReaderShares:
    """Shares that a reader of another network size calls target; None where there are no such scans."""

    target: float | None
    sources: float | None
    synthetic: float | None
    others: dict[str, float | None] = field(default_factory=dict)  # by class
    synthetic_from: dict[str, float | None] = field(default_factory=dict)  # by the source's class


@dataclass(frozen=True)
class Distinct:
    """Effective numbers of distinct scans: of all `n`, and of as many (`compared`) synthetic as real ones."""

    effective: float
    n: int
    sources: int = 0
    compared: int = 0
    synthetic: float = 0.0
    target: float = 0.0


class Kin(StrEnum):
    """What a judge is to the network that trained the translator."""

    TEACHER = "the same network"
    FAMILY = "of the same family"
    UNRELATED = "of another family"
    UNLEARNED = "learned by no network"
    HERE = "trained here, on real scans alone"


@dataclass(frozen=True)
class ToldApart:
    """How well a reader tells scans from real target scans: area under its ROC curve, 0.5 not at all."""

    synthetic: float
    sources: float  # the untranslated sources instead: what doing nothing gives
    halves: float  # one half of the real target scans against the other: what being real gives
    scans: int = 0  # real target scans, and as many others


@dataclass(frozen=True)
class Called:
    """Shares that a judge's reader calls target."""

    synthetic: float
    target: float
    sources: float


@dataclass(frozen=True)
class Opinion:
    """What one judge says of synthetic scans; a part is None where there are too few scans or groups for it.

    `kid` is normalised (0 real, 1 did nothing); its spread is the deviation over halves of the groups.
    """

    judge: str
    kin: Kin
    kid: Measured | None = None
    two_sample: ToldApart | None = None
    reader: Called | None = None
    parts: dict[str, ToldApart] = field(default_factory=dict)  # by some of the judge's features alone

    @property
    def disagrees(self) -> bool:
        """Whether this judge calls the scans worse than their untranslated sources."""
        worse = self.kid is not None and self.kid.mean - self.kid.spread > 1
        told = self.two_sample
        return worse or (
            told is not None and told.synthetic - told.sources > APART / max(told.scans, 1) ** 0.5
        )


class WarningKind(StrEnum):
    """What a person must see before believing the scores; docs/scores.md has the rule of each."""

    COLLAPSE = "collapse to the source"
    COPYING = "copying"
    MODE_COLLAPSE = "mode collapse"
    WORSE = "worse than nothing"
    DISAGREE = "judges disagree"
    TEACHER = "judged by its teacher"
    FILTER = "judged by its filter"


@dataclass(frozen=True)
class Asked:
    """What scores speak of: which scans, and how they were to be judged."""

    manifest: str  # SHA-256
    asked: str  # the network asked for
    weights: str | None  # SHA-256 of its file, where one was given
    splits: int
    confidence: float = 0.0
    version: int = 0


@dataclass(frozen=True, kw_only=True)
class Scores(Distances):
    """Everything that is known of a set of synthetic scans; docs/scores.md explains each number."""

    extractor: Looker
    n: Counts
    key: Asked | None = None
    target: str = "target"  # the class that is made
    reference: str = "not recorded"
    trained_with: str | None = None
    filter: Filtered | None = None
    identity: Identity | None = None
    copies: CopyShares | None = None
    reader: ReaderShares | None = None
    distinct: Distinct | None = None
    judges: tuple[Opinion, ...] = ()
    warnings: tuple[WarningKind, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HeldOutScores(Distances):
    """The distances to a fold's test scans, which neither translator nor scores saw."""

    manifest: str  # SHA-256 of the set that they speak of
    tests: int
    half: int = 0


@dataclass(frozen=True)
class SubsetKid:
    """KID of two sets: mean and deviation over subsets of so many scans."""

    mean: float
    spread: float
    subset: int


@dataclass(frozen=True)
class Pair:
    """The sizes of two sets."""

    first: int
    second: int


@dataclass(frozen=True)
class Comparison:
    """The distances between any two sets, the first generated, the second real; None where a set is too
    small."""

    extractor: Looker
    n: Pair
    kid: SubsetKid | None = None
    frechet: float | None = None
    precision: float | None = None
    recall: float | None = None
    density: float | None = None
    coverage: float | None = None
    notes: tuple[str, ...] = ()


def to_json(value: object) -> Any:
    """Plain values, from which `read` makes the same."""
    return json.loads(json.dumps(value, default=dataclasses.asdict))


def read(cls: type[T], content: object) -> T:
    """A dataclass of this module from parsed JSON; ValueError names what is missing, of another type or not
    finite."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{str(content)[:40]!r} where an object was expected")
    kinds, values = get_type_hints(cls), {}
    for item in dataclasses.fields(cls):  # type: ignore[arg-type]
        if item.name in content:
            values[item.name] = _value(kinds[item.name], content[item.name], item.name)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise ValueError(f"{item.name} is missing")
    return cls(**values)


def _value(kind: Any, value: Any, name: str) -> Any:
    """A value of the type that a field asks for."""
    options, origin = get_args(kind), get_origin(kind)
    if origin in (Union, UnionType):  # of a type and None
        return None if value is None else _value(options[0], value, name)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(options[0], item, name) for item in value)
    if origin is dict and isinstance(value, Mapping):
        return {str(key): _value(options[1], item, f"{name}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return read(kind, value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        named = isinstance(value, Mapping) and "name" in value  # as once, with its sentence beside it
        return kind(value["name"] if named else value)
    if kind is float and type(value) in (int, float) and -MOST < value < MOST:
        if name == "spread" and value < 0:
            raise ValueError("a spread is below 0")
        return float(value)
    if (kind is int and type(value) is int and 0 <= value < MOST) or (kind is str and isinstance(value, str)):
        return value
    raise ValueError(f"{name} is {str(value)[:40]!r}")
