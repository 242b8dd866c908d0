"""Do the intervals keep their promise? Simulated studies with BUSI's groups; arms differ by chance only.

    python tests/speed/coverage.py --studies 300                # all rows, Markdown tables (make coverage)
    python tests/speed/coverage.py --studies 300 --rows 3-5     # three seeds on five folds alone
    python tests/speed/coverage.py --studies 200 --mean         # the mean of models, with true gains

Scans and groups are easy or hard for every training alike; each training adds noise of its own on groups and
scans. Beyond that each training is better or worse as a whole by a normal amount of macro-F1 (its lean), and
so is each translator, whose arm alone feels it. A lean changes how sharply the classes stand out, so that
macro-F1 moves by just that much on average: the arms are equal in the mean.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from bus.benchmark.results import retraining
from bus.benchmark.results import statistics as stats
from numpy.typing import NDArray
from scipy import stats as theory

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GROUPS = {  # BUSI `clean`: size of a group → how many; benign, malignant, normal
    0: {1: 206, 2: 84, 3: 9, 4: 2, 5: 2, 7: 1},
    1: {1: 151, 2: 18, 3: 3, 7: 1},
    2: {1: 62, 2: 19, 3: 5, 4: 4},
}
TARGET, K = 1, 5
SIGNAL = 1.6  # how far the true class stands out, in logits: a macro-F1 near 0.69
SHARED, OWN = (0.8, 0.4), (0.7, 0.4)  # noise on groups and on scans: of all trainings alike, of each training
METHODS = {
    "scans": "other scans (bootstrap over groups)",
    "folds": "t over the means of the folds",
    "added": "bootstrap variance + variance between seeds",
    "hierarchical": "bootstrap over folds, groups and seeds",
    "retrained": "other scans, trainings and translators (ours)",
}


@dataclass(frozen=True)
class Design:
    """What a row of the table simulates; leans in points of macro-F1."""

    seeds: int
    folds: int
    lean: float = 0.0  # standard deviation of one training
    translator: float = 0.0  # standard deviation of one translator
    translators: int = 0  # of a fold, seed s takes number s mod this; 0: every seed has its own
    gain: float = 0.0  # of the last arm, by which it is better than the others, points

    @property
    def made(self) -> tuple[int, ...]:
        """The translator of each seed."""
        return tuple(seed % (self.translators or self.seeds) for seed in range(self.seeds))


class Study(NamedTuple):
    """A simulated study: its test scans with their draws, and the answers (arms×seeds×N) of each training."""

    sample: stats.Sample
    answers: Ints


def groups() -> tuple[Ints, Ints]:
    """Label and size of each of BUSI's groups."""
    labels = [np.full(sum(sizes.values()), label) for label, sizes in GROUPS.items()]
    sizes = [np.repeat([*sizes], [*sizes.values()]) for sizes in GROUPS.values()]
    return np.concatenate(labels), np.concatenate(sizes)


def noise(
    rng: np.random.Generator, shape: tuple[int, ...], group: Ints, spread: tuple[float, float]
) -> Floats:
    """Normal noise on groups and on scans: shape×N×3."""
    on_groups = rng.normal(size=(*shape, group.max() + 1, 3))[..., group, :]
    return spread[0] * on_groups + spread[1] * rng.normal(size=(*shape, len(group), 3))


@cache
def curve() -> tuple[Floats, Floats]:
    """How far the true class stands out, and the macro-F1 that this gives in the mean."""
    rng, (label, size) = np.random.default_rng(0), groups()
    group = np.repeat(np.arange(len(size)), size)
    labels, signals = label[group], np.linspace(0.2, 3.4, 33)
    reached = np.zeros(len(signals))
    for _ in range(40):
        scores = noise(rng, (), group, SHARED) + noise(rng, (), group, OWN)
        for i, signal in enumerate(signals):
            said = (signal * np.eye(3)[labels] + scores).argmax(1)
            reached[i] += macro_f1(np.bincount(3 * labels + said, minlength=9).reshape(3, 3)) / 40
    return signals, reached


def macro_f1(tables: NDArray[np.generic]) -> Floats:
    """Macro-F1 of confusion tables …×3×3."""
    right = np.einsum("...cc->...c", tables)
    return np.asarray((2 * right / np.maximum(tables.sum(-1) + tables.sum(-2), 1e-9)).mean(-1))


def simulate(design: Design, number: int, arms: int = 2, models: int = 1, draws: int = stats.DRAWS) -> Study:
    """One study; the last arm is the translator's. Several `models` lie one after another in the seeds."""
    rng, (label, size) = np.random.default_rng([11, number]), groups()
    order = np.concatenate([rng.permutation(np.flatnonzero(label == c)) for c in GROUPS])
    fold = np.empty(len(size), np.int64)
    fold[order] = np.arange(len(order)) % K
    kept = np.flatnonzero(fold < design.folds)
    kept = kept[np.argsort(fold[kept], kind="stable")]
    group = np.repeat(np.arange(len(kept)), size[kept])
    labels, folds, trainings = label[kept][group], fold[kept][group], models * design.seeds
    lean = design.lean / 100 * rng.normal(size=(arms, trainings, design.folds))
    made = rng.normal(size=(design.translators or design.seeds, design.folds))[[*design.made] * models]
    lean[-1] += design.translator / 100 * made + design.gain / 100
    signals, reached = curve()
    signal = np.interp(np.interp(SIGNAL, signals, reached) + lean, reached, signals)[:, :, folds]
    scores = noise(rng, (), group, SHARED) + noise(rng, (arms, trainings), group, OWN)
    answers = (scores + signal[..., None] * np.eye(3)[labels]).argmax(-1)
    sample = stats.sample(labels, [*map(str, group)], folds, TARGET, draws=draws, seed=number)
    return Study(sample, answers)


def tables_of(study: Study, weights: Floats) -> Floats:
    """Confusion tables of every arm and seed under rows of weights: arms×seeds×rows×3×3."""
    sample, (arms, seeds, scans) = study.sample, study.answers.shape
    cells = 9 * sample.units + 3 * sample.labels
    flat = (cells + study.answers).reshape(-1, scans)
    counts = np.array([np.bincount(one, minlength=9 * weights.shape[1]) for one in flat], float)
    counts = counts.reshape(arms * seeds, -1, 9).transpose(1, 0, 2).reshape(weights.shape[1], -1)
    return np.moveaxis((weights @ counts).reshape(len(weights), arms, seeds, 3, 3), 0, 2)


def differences(study: Study, against: int = 0) -> Floats:
    """Macro-F1 of the last arm less another's, for every seed under every row of weights: S×rows."""
    values = macro_f1(tables_of(study, study.sample.weights))
    return values[-1] - values[against]


class Ends(NamedTuple):
    """An interval."""

    low: float
    high: float


def intervals(study: Study, design: Design, methods: tuple[str, ...] = tuple(METHODS)) -> dict[str, Ends]:
    """The 95 % interval of the last arm's macro-F1 less the first's, by every method that applies."""
    values, sample, folds, seeds = differences(study), study.sample, design.folds, design.seeds
    estimate, by_fold, units = values[:, 0].mean(), values[:, 1 : 1 + folds], study.sample.weights.shape[1]
    scans = stats.interval(sample, values.mean(axis=0))
    assert scans is not None
    found = {"scans": Ends(scans.low, scans.high)}
    if folds > 1:
        half = theory.t.ppf(0.975, folds - 1) * by_fold.mean(0).std(ddof=1) / np.sqrt(folds)
        found["folds"] = Ends(estimate - half, estimate + half)
    if seeds > 1:
        drawn, freedom = scans.standard_error**2, folds * (seeds - 1)
        between = by_fold.var(0, ddof=1).mean() / (folds * seeds)
        degrees = (drawn + between) ** 2 / (drawn**2 / (units - folds) + between**2 / freedom)
        half = theory.t.ppf(0.975, degrees) * np.sqrt(drawn + between)
        found["added"] = Ends(estimate - half, estimate + half)
    if "hierarchical" in methods and (folds > 1 or seeds > 1):
        found["hierarchical"] = hierarchical(study, design)
    if again := retraining.retrained(sample, values, design.made):
        found["retrained"] = Ends(again.low, again.high)
    return {method: ends for method, ends in found.items() if method in methods}


def hierarchical(study: Study, design: Design, draws: int = 500) -> Ends:
    """Percentiles where folds, groups inside them and seeds inside them are drawn with replacement."""
    rng = np.random.default_rng(int(study.answers.sum()))
    sample, folds, seeds = study.sample, design.folds, design.seeds
    weights = sample.weights[1 + folds : 1 + folds + draws]
    parts = [tables_of(study, weights * sample.weights[1 + fold]) for fold in range(folds)]
    stacked = np.stack(parts)  # folds×arms×seeds×draws×3×3
    place = np.arange(draws)
    pooled = np.zeros((len(study.answers), seeds, draws, 3, 3))
    for _ in range(folds):
        fold = rng.integers(folds, size=draws)
        for seed in range(seeds):
            taken = rng.integers(seeds, size=draws)
            pooled[:, seed] += stacked[fold, :, taken, place].swapaxes(0, 1)
    values = macro_f1(pooled).mean(axis=1)
    low, high = np.percentile(values[-1] - values[0], [2.5, 97.5])
    return Ends(float(low), float(high))


def coverage(
    design: Design, studies: int, methods: tuple[str, ...] = tuple(METHODS)
) -> dict[str, tuple[float, float]]:
    """Method → share of studies whose interval holds 0, and its median half-width (0.04: ± 4 points)."""
    found: dict[str, list[Ends]] = {}
    for number in range(studies):
        for method, ends in intervals(simulate(design, number), design, methods).items():
            found.setdefault(method, []).append(ends)
    return {
        method: (
            float(np.mean([ends.low <= 0 <= ends.high for ends in all_ends])),
            float(np.median([(ends.high - ends.low) / 2 for ends in all_ends])),
        )
        for method, all_ends in found.items()
    }


class Narrower(NamedTuple):
    """Shares of null studies."""

    narrower: float  # the interval that decides is narrower than the one for other scans alone
    deciding: float  # it holds 0
    wider: float  # the one that reaches from the lower to the higher end of both holds 0


def narrower(design: Design, studies: int) -> Narrower:
    """How often the interval for more is the narrower one, and what taking the wider of both would cover."""
    found = np.zeros(3)
    for number in range(studies):
        both = intervals(simulate(design, number), design, ("scans", "retrained"))
        scans, again = both["scans"], both["retrained"]
        low, high = min(scans.low, again.low), max(scans.high, again.high)
        found += [
            again.high - again.low < scans.high - scans.low,
            again.low <= 0 <= again.high,
            low <= 0 <= high,
        ]
    return Narrower(*(found / studies))


class Claims(NamedTuple):
    """Shares of null studies of three models and three arms in which some model had a claim."""

    single: float  # gain over the original data alone, either sign
    gain: float  # both contrasts
    loss: float  # both contrasts


def claims(design: Design, studies: int, *, again: bool) -> Claims:
    """How often one of three models passes Holm by chance: by the interval for other scans or `retrained`."""
    passed = np.zeros(3)
    for number in range(studies):
        study = simulate(design, number, arms=3, models=3)
        signs = np.zeros((2, 3), int)
        for row, against in enumerate((0, 1)):
            values = differences(study, against).reshape(3, design.seeds, -1)
            made = [interval_of(study, of_model, design, again) for of_model in values]
            p = stats.holm([one.p for one in made])
            signs[row] = [np.sign(one.estimate) * (q <= 0.05) for one, q in zip(made, p, strict=True)]
        passed += [(signs[0] != 0).any(), (signs > 0).all(0).any(), (signs < 0).all(0).any()]
    return Claims(*(passed / studies))


class Mean(NamedTuple):
    """What the mean of several models showed in simulated studies of three arms."""

    holds: float  # share of studies whose interval of the gain over the first arm holds the true one
    half_width: float  # median (0.04: ± 4 points)
    shown: float  # share in which the last arm is better than both others, by the interval that decides


def of_mean(design: Design, studies: int, models: int) -> Mean:
    """How the mean over models, which share translators, keeps its promise and finds a true gain."""
    found = np.zeros((studies, 3))
    for number in range(studies):
        study = simulate(design, number, arms=3, models=models)
        made = [
            interval_of(
                study,
                differences(study, against).reshape(models, design.seeds, -1).mean(axis=0),
                design,
                True,
            )
            for against in (0, 1)
        ]
        truth = design.gain / 100
        found[number] = (
            made[0].low <= truth <= made[0].high,
            made[0].half_width,
            min(one.low for one in made) > 0,
        )
    return Mean(float(found[:, 0].mean()), float(np.median(found[:, 1])), float(found[:, 2].mean()))


def interval_of(study: Study, values: Floats, design: Design, again: bool) -> stats.Interval:
    """The interval of one model's difference."""
    if again:
        made: stats.Interval | None = retraining.retrained(
            study.sample, values, design.made if design.translator else None
        )
    else:
        made = stats.interval(study.sample, values.mean(axis=0))
    assert made is not None
    return made


def designs() -> Iterator[Design]:
    """The rows of the table."""
    leans = ((0.0, 0.0), (2.3, 0.0), (2.3, 2.3), (3.2, 3.2))
    for seeds, folds in product((1, 2, 3, 6), (1, 2, 5)):
        for lean, translator in leans:
            yield Design(seeds, folds, lean, translator)
    for seeds, (lean, translator) in product((3, 6), leans[2:]):
        yield Design(seeds, 5, lean, translator, translators=1)
    for folds, (translators, seeds), (lean, translator) in product((2, 5), ((2, 4), (3, 6)), leans[2:]):
        yield Design(seeds, folds, lean, translator, translators)


def main() -> None:
    """Print the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--rows", default="", help="SEEDS-FOLDS, such as 3-5; all of them without")
    parser.add_argument("--claims", action="store_true", help="the table of false claims alone")
    parser.add_argument("--narrower", action="store_true", help="how often the deciding interval is narrower")
    parser.add_argument("--mean", action="store_true", help="the mean of several models, with true gains")
    given = parser.parse_args()
    if given.mean:
        print("| networks | seeds | leans, both | true gain | interval holds it | half-width | both shown |")
        print("|" + "---|" * 7)
        for (models, seeds), lean, gain in product(((3, 6), (2, 3)), (0.0, 2.3, 3.9), (0.0, 3.0, 4.0, 5.0)):
            holds, half_width, shown = of_mean(Design(seeds, 5, lean, lean, gain=gain), given.studies, models)
            print(
                f"| {models} | {seeds} | {lean:g} | {gain:g} |",
                f"{100 * holds:.0f} % | {100 * half_width:.1f} | {100 * shown:.0f} % |",
                flush=True,
            )
        return
    if given.narrower:
        print("| seeds | folds | lean, translator’s | narrower | holds 0 | the wider of both holds 0 |")
        print("|" + "---|" * 6)
        for (seeds, folds), lean in product(((1, 5), (3, 1), (3, 2), (3, 5), (6, 2)), (0.0, 2.3)):
            cells = [
                f"{100 * share:.0f} %" for share in narrower(Design(seeds, folds, lean, lean), given.studies)
            ]
            print(f"| {seeds} | {folds} | {lean:g}, {lean:g} |", " | ".join(cells), "|", flush=True)
        return
    if not given.claims:
        print("| seeds | folds | lean, translator’s |", " | ".join(METHODS.values()), "|")
        print("|" + "---|" * (3 + len(METHODS)))
        for design in designs():
            if given.rows in ("", f"{design.seeds}-{design.folds}"):
                found = coverage(design, given.studies)
                cells = [
                    f"{100 * found[m][0]:.0f} %, {100 * found[m][1]:.1f}" if m in found else "–"
                    for m in METHODS
                ]
                leans = f"{design.lean:g}, {design.translator:g}"
                leans += f", {design.translators} a fold" * (design.translators > 0)
                print(f"| {design.seeds} | {design.folds} | {leans} |", " | ".join(cells), "|", flush=True)
        print()
    if given.claims or not given.rows:
        print("| seeds | folds | lean, translator’s | interval | gain alone | “gain shown” | “loss shown” |")
        print("|" + "---|" * 7)
        for lean, again in product((0.0, 2.3, 3.2), (False, True)):
            found_claims = claims(Design(3, 5, lean, lean), given.studies, again=again)
            cells = [f"{100 * share:.1f} %" for share in found_claims]
            promise = METHODS["retrained" if again else "scans"]
            print(f"| 3 | 5 | {lean:g}, {lean:g} | {promise} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
