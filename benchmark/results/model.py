"""Values from the statistics to the page: numbers, differences, verdicts. `wording` makes them sentences."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from ..arms import Arm

PRIMARY = "macro_f1"  # the metric that decides, named before the work
GAIN, TRANSLATOR = "gain", "translator"  # the contrasts of a claim
MEAN = "mean"  # in the place of a model: of the metrics of all networks of a report, training by training
BEYOND_PRIOR = "cyclegan − adjusted"  # beyond what correcting for the class prior does, without any training
LEVEL = 0.95
ALPHA = 1 - LEVEL
FEWEST_GROUPS = 10  # of the target in the test; with fewer no verdict is given
Basis = Literal["seeds", "folds"]


@dataclass(frozen=True)
class Interval:
    """A number, mostly a difference of two arms, with its uncertainty; all are shares (0.01 is one point)."""

    estimate: float
    low: float  # ends of the 95 % interval
    high: float
    p: float  # two-sided; at most 0.05 exactly when the interval leaves out 0
    p_holm: float | None  # corrected over the models; None until they are known
    standard_error: float
    detectable: float  # smallest true difference that such a study finds with 80 % power: 2.8 standard errors
    second_opinion_p: float | None  # Nadeau–Bengio on fold means; None with fewer than two folds

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def shown(self) -> int:
        """1 or −1 for a difference that holds after correction over the models, with its sign; else 0."""
        p = self.p if self.p_holm is None else self.p_holm
        return 0 if p > ALPHA or self.estimate == 0 else 1 if self.estimate > 0 else -1


@dataclass(frozen=True)
class Retrained(Interval):
    """A difference with its uncertainty over other scans, trainings and translators."""

    freedom: float  # degrees of freedom of its standard error
    basis: Basis  # what showed the spread of trainings: the seeds of a fold, or the means of the folds


@dataclass(frozen=True)
class Contrast:
    """One arm minus another, for one model and one metric."""

    kind: str  # GAIN, TRANSLATOR or "<arm> − <arm>"
    model: str  # or MEAN
    first: Arm
    second: Arm
    metric: str
    interval: Interval  # over other scans, for the trainings at hand
    retrained: Retrained | None = (
        None  # over other scans, trainings and translators; None where nobody can know
    )
    fold_zero: Interval | None = None  # fold 0 alone, over other scans, when there are more folds

    @property
    def deciding(self) -> Interval:
        """The interval that decides: over other trainings, too, where anybody can know."""
        return self.retrained or self.interval

    @property
    def shown(self) -> int:
        """1 or −1 for a difference that would survive training everything again, with its sign; else 0."""
        return self.retrained.shown if self.retrained else 0

    @property
    def detectable(self) -> float:
        """The smallest true difference that such a study finds four times in five, as far as it can know."""
        return self.deciding.detectable


class Way(StrEnum):
    """Other ways to ask trained networks; their numbers stand beside the arm's own, not in their place."""

    MATCHED = "matched specificity"  # at thresholds of 90 % specificity, see `thresholds`
    FLIPPED = "flip-averaged"  # the mean of the answers to a scan and to its mirror image
    ENSEMBLE = "average of the seeds"  # the mean of the answers of all seeds


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval for other scans; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None


class LeadingArms(NamedTuple):
    """The arms that a claim needs: the data as they are, repeated scans, as many translated scans."""

    original: Arm
    oversampled: Arm
    cyclegan: Arm


class VerdictKind(StrEnum):
    """What a reader may conclude about one model."""

    UNPAIRED = "unpaired"  # no verdict: the arms of the gain share no fold and seed
    SAME_ANSWERS = "same answers"  # no verdict: both arms answered every scan alike
    TOO_SMALL = "too small"  # no verdict: fewer than FEWEST_GROUPS target groups were tested
    NOT_REPEATED = "not repeated"  # no verdict: too few trainings to know what training again would change
    NO_GAIN = "no gain"  # the interval of the gain holds 0, or does after the correction
    LOSS = "loss"  # against the original data and against repeating scans
    LOSS_UNEXPLAINED = "loss unexplained"  # against the original data; nothing to tell who made it
    LOSS_OF_REPEATS = "loss of repeats"  # against the original data; not shown against repeating scans
    REPEATS_WORSE = "repeats worse"  # against the original data; repeating scans does worse
    GAIN = "gain"  # over the original data and beyond repeating scans
    GAIN_UNEXPLAINED = "gain unexplained"  # over the original data; nothing to tell who made it
    GAIN_OF_REPEATS = "gain of repeats"  # over the original data; not shown beyond repeating scans
    REPEATS_BETTER = "repeats better"  # over the original data; repeating scans does better


@dataclass(frozen=True)
class Verdict:
    """What the contrasts say about one model, with the numbers and what to be careful about."""

    model: str  # or MEAN
    kind: VerdictKind
    gain: Contrast | None = None  # in the primary metric
    translator: Contrast | None = None
    auc: Contrast | None = None  # the gain in the ranking of scans, which no threshold moves
    matched: Contrast | None = None  # the gain in the primary metric at thresholds of matched specificity
    beyond_prior: Contrast | None = None  # in the primary metric, over answers corrected for the class prior
    target_groups: int = 0  # in the test
    below_yardstick: int = 0  # arms of this model below a linear model on frozen features
    arms: int = 0  # arms of this model
    collapsed: int = 0  # cells behind it that give 90 % or more of their answers to one class
    cells: int = 0  # cells behind it
    seeds: int = 0  # trainings of one arm in one fold
    left_out: tuple[str, ...] = ()  # of the mean: models that were trained in this study and are not in it
    shared: tuple[int, int] | None = None  # of the mean: folds and seeds that all models have, where fewer

    @property
    def claim(self) -> Contrast | None:
        """The gain, where one is shown, or a loss, and enough was tested to say so."""
        small = self.kind is VerdictKind.TOO_SMALL
        return self.gain if self.gain and self.gain.shown and not small else None


@dataclass(frozen=True)
class ArmResult:
    """All cells of one arm and one model, pooled over folds and averaged over seeds."""

    arm: Arm
    model: str
    seeds: int
    metrics: dict[str, float | None]  # None where a class needed for the number never occurs
    intervals: dict[str, tuple[float, float]]  # 95 %, only where the metric exists
    recall: dict[str, float | None]  # class → recall
    confusion: list[list[float]]  # rows: true class, columns: answer; mean counts over seeds
    collapsed: int  # cells that give 90 % or more of their answers to one class
    cells: int
    collapsed_class: str | None  # the class most of the collapsed cells answer with
    per_seed: list[dict[str, float | None]]  # the metrics of every seed
    fold_zero: dict[str, float | None] | None  # fold 0 alone, when there are more folds
    # target class against the rest: (false positive rate, true positive rate), mean curve over cells
    roc: list[tuple[float, float]]
    # target class: (mean predicted, observed share, number of answers) of every filled tenth
    calibration: list[tuple[float, float, int]]
    further: dict[Way, dict[str, Measured]]  # metrics of the same networks, asked in another way


@dataclass(frozen=True)
class CellResult:
    """One cell's numbers on the test scans of its fold; what is undefined is None."""

    fold: int
    arm: Arm
    model: str
    seed: int
    metrics: dict[str, float | None]
    recall: dict[str, float | None]  # class → recall
    collapsed_class: str | None  # the class that gets 90 % or more of the answers
    test_scans: int
    seconds: float | None  # of its training


@dataclass(frozen=True)
class ConstantAnswer:
    """What a model scores that answers the most frequent class to every scan: near it there is no skill."""

    label: str
    metrics: dict[str, float | None]


@dataclass(frozen=True)
class Collapsed:
    """Arms of models that give 90 % or more of their answers to one class."""

    results: tuple[ArmResult, ...]


@dataclass(frozen=True)
class NoSkill:
    """Where the numbers lie that show no skill."""

    constant: ConstantAnswer


@dataclass(frozen=True)
class Conditional:
    """The intervals hold for the trainings at hand."""


@dataclass(frozen=True)
class Incomplete:
    """Cells that stand in no table or contrast, since not all arms have their fold and seed."""

    cells: int
    total: int


@dataclass(frozen=True)
class BelowYardstick:
    """Retrained networks with less macro-F1 than a linear model on frozen features."""

    macro_f1: float  # of the yardstick
    results: tuple[ArmResult, ...]


@dataclass(frozen=True)
class Developed:
    """Tested scans on which defaults and recipes of this program were chosen."""

    scans: int
    total: int
    untouched: tuple[int, ...] = ()  # tested folds that hold none of them


Note = Collapsed | NoSkill | Conditional | Incomplete | BelowYardstick | Developed


@dataclass(frozen=True)
class Summary:
    """Everything the report says about the classifiers."""

    classes: list[str]
    target: str
    folds: list[int]
    seeds: int
    scans: int  # test scans over all folds
    groups: int
    target_groups: int
    arms: list[Arm]
    models: list[str]
    table: list[ArmResult]
    contrasts: list[Contrast]
    verdicts: dict[str, Verdict]  # by model
    together: Verdict | None  # on the mean of the networks; None for one, or where they lack common trainings
    cells: list[CellResult]
    constant: ConstantAnswer
    notes: list[Note]  # what a reader must see with the numbers
    yardstick: ArmResult | None = None  # a linear model on a frozen network's features, on the same folds

    @property
    def judged(self) -> dict[str, Verdict]:
        """Every verdict, that on the mean of the networks first."""
        return ({MEAN: self.together} if self.together else {}) | self.verdicts

    def contrast(self, kind: str, model: str, metric: str = PRIMARY) -> Contrast | None:
        """The contrast of this kind, model and metric, if it could be made."""
        wanted = (kind, model, metric)
        return next((c for c in self.contrasts if (c.kind, c.model, c.metric) == wanted), None)
