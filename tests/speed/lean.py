"""How much of the spread between cells is the training as a whole, the translator, or single scans.

    python tests/speed/lean.py STUDY        # Markdown; make lean STUDY=…

Reads the finished cells of a study and trains nothing. A study that can tell has several translators a fold
and several seeds of each: bus benchmark --fold 0,1 --gan-seed G --arms cyclegan --seeds 6, for G in 0, 1.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bus.benchmark.cell import Cell, finished_folders
from bus.benchmark.results import statistics as stats
from bus.benchmark.results.model import LEVEL, PRIMARY
from bus.data.study import Study
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]
Row = tuple[int, int, int, float, float]  # fold, translator, seed, metric, its error over other scans
Kind = tuple[str, str]  # model, arm or difference of two
Drawn = tuple[int, int, Floats]  # translator, seed, macro-F1 estimated, by fold, and under every draw


@dataclass(frozen=True)
class Lean:
    """Standard deviations of a metric (0.023 is 2.3 points); 0 where the estimate is not above it."""

    training: float  # of one training, beyond the scans of its fold
    translator: float  # of one translator, beyond its trainings
    scans: float  # of a cell over other scans of the same kind
    trainings: int  # degrees of freedom of `training`
    translators: int  # degrees of freedom of `translator`
    training_range: tuple[float, float]  # 95 % interval of `training`
    translator_range: tuple[float, float]  # of `translator`; not a number where there is one a fold


def components(rows: Sequence[Row], own: float = 1.0) -> Lean:
    """Take the spread of cells of one model and arm apart, from a table with a row a cell.

    Every fold needs the same translators, and each of them the same number of seeds, two or more. Analysis of
    variance, nested: seeds in translators in folds (Searle, Casella and McCulloch, Variance Components,
    1992). Trainings also differ scan by scan; `own` is the share of a cell's variance over scans that each
    training draws anew (1: all), and is taken off. Ranges are those of a variance of normal numbers (chi
    squared), less what is taken off as if it were known. ValueError for a table with holes.
    """
    folds, translators = (sorted({row[i] for row in rows}) for i in (0, 1))
    cells = {(f, t): [row[3] for row in rows if row[:2] == (f, t)] for f in folds for t in translators}
    sizes = {len(values) for values in cells.values()}
    if len(sizes) != 1 or not min(sizes) > 1:
        raise ValueError(
            "expected the same two or more seeds of every translator on every fold; found "
            f"{sorted(sizes)} cells of a translator"
        )
    table = np.array([[cells[f, t] for t in translators] for f in folds])  # folds×translators×seeds
    scans = float(np.mean([row[4] ** 2 for row in rows]))
    between_seeds = float(table.var(axis=2, ddof=1).mean())
    means = table.mean(axis=2)
    between_translators = float(means.var(axis=1, ddof=1).mean()) if len(translators) > 1 else np.nan
    trainings = len(folds) * len(translators) * (table.shape[2] - 1)
    makers = len(folds) * (len(translators) - 1)
    of_seeds = between_seeds / table.shape[2]
    return Lean(
        beyond(between_seeds, own * scans),
        beyond(between_translators, of_seeds),
        float(np.sqrt(scans)),
        trainings,
        makers,
        reach(between_seeds, trainings, own * scans),
        reach(between_translators, makers, of_seeds),
    )


def beyond(variance: float, known: float) -> float:
    """The standard deviation that is left of a variance beyond a part that is known; 0 where none is."""
    return float(np.sqrt(np.maximum(variance - known, 0.0)))


def reach(variance: float, freedom: int, known: float) -> tuple[float, float]:
    """The 95 % interval of `beyond`, where the variance was seen with so many degrees of freedom."""
    ends = [chi2.ppf(end, max(freedom, 1)) for end in ((1 + LEVEL) / 2, (1 - LEVEL) / 2)]
    low, high = (beyond(variance * freedom / end, known) for end in ends)
    return low, high


def rows_of(study: Study) -> dict[Kind, list[Row]]:
    """Fold, translator, seed, macro-F1, and the standard error that scans give each training for itself.

    All trainings find the same scans hard, which is no spread between them; what is left of a training's
    bootstrap draws about the mean of all trainings of its fold is its own.
    """
    found: dict[Kind, list[Row]] = defaultdict(list)
    for fold in study.folds:
        drawn: dict[Kind, list[Drawn]] = defaultdict(list)
        for _, folder in finished_folders(study.cells_path(fold)):
            cell = Cell.open(folder)
            answers, target = cell.answers(study.classes), study.classes.index(study.target)
            groups = [group for *_, group in answers.scans]
            sample = stats.sample(answers.labels, groups, np.full(len(groups), fold), target)
            values = stats.evaluate(sample, answers.probabilities)[PRIMARY]
            drawn[cell.model, str(cell.arm)].append((cell.gan_seed, cell.seed, values))
        for kind, trained in {**drawn, **differences(drawn)}.items():
            draws = np.array([values[2:] for *_, values in trained])  # after the estimates, over all, by fold
            many = len(draws)
            own = (draws - draws.mean(axis=0)).std(axis=1) * np.sqrt(many / max(many - 1, 1))
            found[kind] += [
                (fold, gan_seed, seed, float(values[0]), float(error))
                for (gan_seed, seed, values), error in zip(trained, own, strict=True)
            ]
    return found


def differences(drawn: dict[Kind, list[Drawn]]) -> dict[Kind, list[Drawn]]:
    """What the translator adds to a fold's trainings, seed by seed: cyclegan − oversampled.

    Both trainings of a seed begin with the same weights, so that part of what they lean may be common.
    """
    found: dict[Kind, list[Drawn]] = {}
    for (model, arm), trained in drawn.items():
        repeated = {seed: values for _, seed, values in drawn.get((model, "oversampled"), [])}
        both = [(made, seed, values - repeated[seed]) for made, seed, values in trained if seed in repeated]
        if arm == "cyclegan" and both:
            found[model, "cyclegan − oversampled"] = both
    return found


def without_holes(rows: list[Row]) -> list[Row]:
    """The largest part of the cells in which every fold has the same translators, with equally many seeds."""
    seeds: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in sorted(rows):
        seeds[row[:2]].append(row)
    best: list[Row] = []
    for fewest in {len(of_one) for of_one in seeds.values() if len(of_one) > 1}:
        whole = [place for place, of_one in seeds.items() if len(of_one) >= fewest]
        for folds in ({fold for fold, _ in whole}, *({fold} for fold, _ in whole)):
            shared = [t for t in {t for _, t in whole} if all((fold, t) in whole for fold in folds)]
            part = [row for fold in folds for t in shared for row in seeds[fold, t][:fewest]]
            best = max(best, part, key=len)
    return best


def line(kind: Kind, rows: list[Row], lean: Lean) -> str:
    """A row of the table; spreads in points with their degrees of freedom."""
    folds, translators = (len({row[i] for row in rows}) for i in (0, 1))
    seeds = len(rows) // (folds * translators)  # of each translator
    made = points(lean.translator, lean.translator_range, lean.translators) if lean.translators else "–"
    trained = points(lean.training, lean.training_range, lean.trainings)
    return (
        f"| {kind[0]}, {kind[1]} | {folds} × {translators} × {seeds} | {100 * lean.scans:.1f} "
        f"| {trained} | {made} |"
    )


def points(spread: float, reach: tuple[float, float], freedom: int) -> str:
    """A spread in points with its 95 % interval and degrees of freedom."""
    return f"{100 * spread:.1f} ({100 * reach[0]:.1f}–{100 * reach[1]:.1f}; {freedom})"


def main() -> None:
    """Print the table of docs/statistics.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    print("| cells | folds × translators × seeds | single scans | training as a whole | translator |")
    print("|---|---|---|---|---|")
    for kind, rows in rows_of(Study.open(parser.parse_args().study)).items():
        if part := without_holes(rows):
            print(line(kind, part, components(part)), flush=True)
        else:
            print(f"| {kind[0]}, {kind[1]} | {len(rows)} cells, no two of one translator | – | – | – |")


if __name__ == "__main__":
    main()
