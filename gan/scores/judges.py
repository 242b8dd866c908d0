"""Several judges of the same synthetic scans, each with features of its own, asked the same questions.

A judge that is related to what trained the translator flatters it; judges that see different things and agree
do not. For each: how far the scans are from real ones on a scale (normalised KID), whether a linear reader
tells them from real ones (two-sample AUC), and how many its cross-fitted reader calls the target.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..extractors import FAMILY
from .checks import reader_probabilities
from .distances import CLEAR, TooFewGroups, halves, mixed
from .features import Features
from .handmade import PARTS, columns, handmade
from .model import SEED, Called, Kin, Measured, Metric, Opinion, ToldApart
from .scans import Making, RealScans, Rows, SyntheticScans
from .trained import train_judge
from .two_sample import told_apart

HANDMADE, TRAINED = "hand-made features", "small network trained here"
SPLITS = 20  # of the target scans in two halves
CALLED = 0.5  # probability from which a reader says "target"
REPEATS = 40  # random halves of the groups, for the uncertainty of the normalised KID
SPLITS_AGAIN = 5  # of the target scans in each of them

Floats = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """What every judge is asked about: classes and groups of M real scans, and N synthetic scans' sources."""

    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    target: str
    sources: tuple[str, ...]
    source_rows: Rows  # of every synthetic scan, its source among the real ones

    @classmethod
    def about(cls, synthetic: SyntheticScans, real: RealScans, making: Making) -> "Question":
        """The question that synthetic scans of these real ones pose."""
        rows = np.asarray(synthetic.source_rows, np.int64)
        return cls(
            np.asarray(real.labels), np.asarray(real.groups), making.target, tuple(making.sources), rows
        )

    @property
    def of_target(self) -> Rows:
        """Rows of the real target scans."""
        return np.flatnonzero(self.labels == self.target)

    @property
    def of_sources(self) -> Rows:
        """Rows of the real scans of the classes that were translated."""
        return np.flatnonzero(np.isin(self.labels, self.sources))

    @property
    def is_target(self) -> list[bool]:
        """Whether each real scan is of the target class."""
        return [bool(same) for same in self.labels == self.target]


def kinship(judge: str, trained_with: str | None) -> Kin:
    """What a network is to the one that trained the translator, by their names."""
    if judge == trained_with:
        return Kin.TEACHER
    related = trained_with is not None and judge.startswith(FAMILY) and trained_with.startswith(FAMILY)
    return Kin.FAMILY if related else Kin.UNRELATED


def ask_all(
    looks: Sequence[tuple[str, Features, Features]],
    synthetic: SyntheticScans,
    real: RealScans,
    making: Making,
) -> list[Opinion]:
    """The opinions of networks (name, features of all real and of all synthetic scans), then the others."""
    question = Question.about(synthetic, real, making)
    opinions = []
    for name, seen, made in looks:
        kin = kinship(name, making.trained_with)
        opinions.append(opinion(name, kin, seen, made, question))
    return [*opinions, by_hand(synthetic, real, question), trained_here(synthetic, real, question)]


def opinion(judge: str, kin: Kin, real: Features, synthetic: Features, question: Question) -> Opinion:
    """Ask one judge everything: by its features of all real scans (M×D) and of all synthetic ones (N×D).

    A part for which there are too few groups is None and takes no other part with it.
    """

    def unless_too_few(ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except TooFewGroups:
            return None

    return Opinion(
        judge,
        kin,
        unless_too_few(lambda: normalised_kid(real, synthetic, question)),
        unless_too_few(lambda: _told(real, synthetic, question)),
        unless_too_few(lambda: called(real, synthetic, question)),
    )


def by_hand(synthetic: SyntheticScans, real: RealScans, question: Question) -> Opinion:
    """The opinion by features that no network learned, and what each kind of them tells apart alone."""
    seen, made = _by_hand(synthetic, real, question)
    said = opinion(HANDMADE, Kin.UNLEARNED, *standardised(seen, made), question)
    if said.two_sample is None:
        return said
    size, parts = real.pixels.shape[1], {}
    for name in PARTS:
        chosen = columns(name, size)
        parts[name] = _told(seen[:, chosen], made[:, chosen], question)
    return replace(said, parts=parts)


def unlearned(synthetic: SyntheticScans, real: RealScans, making: Making) -> Opinion:
    """The opinion by hand-made features without its parts, for a translator under way."""
    question = Question.about(synthetic, real, making)
    values = standardised(*_by_hand(synthetic, real, question))
    return opinion(HANDMADE, Kin.UNLEARNED, *values, question)


def _by_hand(synthetic: SyntheticScans, real: RealScans, question: Question) -> tuple[Features, Features]:
    """Hand-made features of real and of synthetic scans, the bars of whose sources are left out."""
    boxes = [real.boxes[row] for row in question.source_rows]
    return handmade(real.pixels, real.boxes), handmade(synthetic.pixels, boxes)


def trained_here(synthetic: SyntheticScans, real: RealScans, question: Question) -> Opinion:
    """The opinion of a small network that learned from these real scans, cross-fitted by group.

    Without a distance: the halves that a floor needs are seen by different networks.
    """
    try:
        judge = train_judge(real.pixels, question.is_target, real.groups, SEED)
    except TooFewGroups:
        return Opinion(TRAINED, Kin.HERE)
    seen = judge.features(real.pixels, judge.parts)
    made = judge.features(synthetic.pixels, judge.parts[question.source_rows])
    return replace(opinion(TRAINED, Kin.HERE, seen, made, question), kid=None)


def standardised(real: Features, synthetic: Features) -> tuple[Features, Features]:
    """Both about the mean and over the deviation of the real scans; what never varies is left out."""
    deviation = real.std(0)
    keep = deviation > 1e-8
    mean = real[:, keep].mean(0)
    return (real[:, keep] - mean) / deviation[keep], (synthetic[:, keep] - mean) / deviation[keep]


def _told(real: Features, synthetic: Features, question: Question) -> ToldApart:
    groups, sources, target = question.groups, question.of_sources, question.of_target
    return told_apart(
        synthetic, groups[question.source_rows], real[sources], groups[sources], real[target], groups[target]
    )


def called(real: Features, synthetic: Features, question: Question) -> Called:
    """What the judge's cross-fitted reader calls target: synthetic scans, real target scans, the sources."""
    groups, rows = [str(group) for group in question.groups], question.source_rows
    of_real, of_synthetic = reader_probabilities(real, question.is_target, groups, synthetic, rows)
    sets = (of_synthetic, of_real[question.of_target], of_real[np.unique(rows)])
    return Called(*(float((chances >= CALLED).mean()) for chances in sets))


def normalised_kid(real: Features, synthetic: Features, question: Question) -> Measured | None:
    """(score − floor) / (ceiling − floor) of the kernel distance, split as `against_reference` does.

    The spread is that of the ratio over random halves of the groups, synthetic scans going with their sources
    (delete-half jackknife, Shao & Wu 1989; linearised, so that a half with a small gap does not explode): the
    uncertainty of score, floor and ceiling is in it. None where floor and ceiling are not clearly apart, or
    where fewer than two splits leave two scans on every side.
    """
    kernels = Kernels(real, synthetic)
    marks = np.array(list(_marks(kernels, question, np.unique(question.groups), SPLITS)))
    if len(marks) < 2 or not np.isfinite(marks).all():
        return None
    score, gap = marks[:, 1] - marks[:, 0], marks[:, 2] - marks[:, 0]
    if gap.mean() <= 0 or gap.mean() < CLEAR[Metric.KID] * gap.std(ddof=1):
        return None
    value = float(score.mean() / gap.mean())
    return Measured(value, _spread(kernels, question, value, float(gap.mean())))


def _spread(kernels: "Kernels", question: Question, value: float, gap: float) -> float:
    """Deviation of (score − floor) / gap about `value` over halves of the groups."""
    names, residuals = np.unique(question.groups), []
    for repeat in range(REPEATS):
        kept = np.random.default_rng((SEED, 12, repeat)).permutation(names)[: len(names) // 2]
        try:
            marks = np.array(list(_marks(kernels, question, kept, SPLITS_AGAIN)))
        except TooFewGroups:
            continue
        if len(marks):
            floor, score, ceiling = marks.mean(0)
            residuals.append((score - floor - value * (ceiling - floor)) / gap)
    return float(np.std(residuals, ddof=1)) if len(residuals) > 2 else 0.0


class Kernels:
    """The polynomial kernel (x·y / D + 1)³ of all real and synthetic scans at once (Bińkowski et al. 2018).

    Hundreds of subsets are compared: the kernel is computed once, where torch-fidelity would for each.
    """

    def __init__(self, real: Features, synthetic: Features) -> None:
        both = np.concatenate([real, synthetic]).astype(np.float64)
        values = both @ both.T  # changed in place: of 10,000 scans 800 MB
        values /= both.shape[1]
        values += 1
        self.values, self.real = np.power(values, 3, out=values), len(real)

    def distance(self, first: Rows, second: Rows) -> float:
        """Unbiased squared distance of two sets of rows, those of synthetic scans counted after the real."""

        def within(rows: Rows) -> float:
            block = self.values[np.ix_(rows, rows)]
            return float((block.sum() - np.trace(block)) / (len(rows) * (len(rows) - 1)))

        return within(first) + within(second) - 2 * float(self.values[np.ix_(first, second)].mean())


def _marks(
    kernels: Kernels, question: Question, kept: NDArray[np.str_], splits: int
) -> Iterator[tuple[float, float, float]]:
    """Floor, score and ceiling over splits of the target scans, of scans whose groups are kept."""
    groups, rows = question.groups, question.source_rows
    target = question.of_target[np.isin(groups[question.of_target], kept)]
    sources = question.of_sources[np.isin(groups[question.of_sources], kept)]
    made = np.flatnonzero(np.isin(groups[rows], kept))
    shares = Counter(str(label) for label in question.labels[rows[made]])
    parts = halves([str(name) for name in groups[target]], splits, SEED)
    for split, (first, second) in enumerate(parts if shares else ()):
        rng = np.random.default_rng((SEED, 7, split))
        some = rng.permutation(made)[: len(first)]
        untranslated = sources[mixed(question.labels[sources], shares, len(first), rng)]
        if min(len(first), len(second), len(some), len(untranslated)) < 2:
            continue
        against = target[second]
        yield (
            kernels.distance(target[first], against),
            kernels.distance(some + kernels.real, against),
            kernels.distance(untranslated, against),
        )
