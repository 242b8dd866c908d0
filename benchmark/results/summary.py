"""What the cells of a study say together: table, contrasts and a verdict for each classifier."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...classify import metrics
from ...classify.models import TITLES
from ...core.errors import BusError
from ...core.files import read_csv, read_json
from ...data.study import Study
from ..arms import Arm, parse
from . import statistics as stats
from .statistics import Interval

PRIMARY = "macro_f1"
GAIN, TRANSLATOR = "gain", "translator"
CONDITIONAL = (
    "The intervals tell how much other scans of the same kind would change the numbers. They hold for the "
    "classifiers and translators trained here: training them again adds a spread that only more seeds show."
)


class Cell(Protocol):
    """One trained classifier on disk; `path` holds predictions.csv, metrics.json and config.json."""

    @property
    def arm(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def fold(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def path(self) -> Path: ...


@dataclass(frozen=True)
class Group:
    """All cells of one arm and one model, pooled over folds and averaged over seeds."""

    arm: str
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


@dataclass(frozen=True)
class Contrast:
    """One arm minus another, for one model and one metric."""

    name: str  # "gain", "translator" or "<arm> − <arm>"
    model: str
    first: str
    second: str
    metric: str
    interval: Interval


@dataclass(frozen=True)
class Summary:
    """Everything the report says about the classifiers."""

    classes: list[str]
    target: str
    folds: list[int]
    seeds: int
    scans: int  # test scans over all folds
    groups: int
    arms: list[str]
    models: list[str]
    table: list[Group]
    contrasts: list[Contrast]
    verdicts: dict[str, str]  # model → sentence
    cells: list[dict[str, Any]]  # one row a cell, for results.csv
    cost: dict[str, Any]  # {"cells": n, "seconds": s, "steps": {model: steps or None}}
    always: dict[str, Any]  # what one constant answer scores: {"class": …, "accuracy": …, "macro_f1": …}
    notes: list[str] = field(default_factory=list)  # sentences a reader must see with the numbers
    yardstick: Group | None = None  # a frozen network's features and a linear model, on the same folds


@dataclass(frozen=True)
class Answers:
    """One cell's answers on the test scans of its fold (N scans)."""

    cell: Cell
    scans: list[tuple[str, str, str, str]]  # file, sha256, label, group
    labels: stats.Ints  # N
    probabilities: stats.Array  # N×C


def read_answers(cell: Cell, classes: Sequence[str]) -> Answers:
    """Read a cell's predictions.csv; BusError where it is damaged or holds scans of another fold."""
    path = cell.path / "predictions.csv"
    columns = [f"p_{name}" for name in classes]
    rows = read_csv(path, ("file", "sha256", "label", "group", "fold", "predicted", *columns))
    remedy = "Delete the folder and run the same command again."
    try:
        probabilities = np.array([[float(row[name]) for name in columns] for row in rows])
        labels = np.array([classes.index(row["label"]) for row in rows], dtype=np.int64)
        given = np.array([classes.index(row["predicted"]) for row in rows], dtype=np.int64)
        strangers = sum(int(row["fold"]) != cell.fold for row in rows)
    except ValueError as error:
        raise BusError(
            f"{path} holds something else than answers of a classifier ({error}). {remedy}"
        ) from error
    if not rows or strangers:
        wrong = f"{strangers} of {len(rows)} are others"
        raise BusError(f"{path} must hold test scans of fold {cell.fold}; {wrong}. {remedy}")
    sums, best = probabilities.sum(axis=1), probabilities.max(axis=1)
    if not (np.abs(sums - 1) < 1e-3).all() or (probabilities < 0).any():
        raise BusError(f"{path} holds probabilities that are negative or don't add up to 1. {remedy}")
    if (probabilities[np.arange(len(rows)), given] < best - 1e-5).any():
        raise BusError(f"{path} names answers that are not the most probable class. {remedy}")
    scans = [(row["file"], row["sha256"], row["label"], row["group"]) for row in rows]
    return Answers(cell, scans, labels, probabilities)


def check_same_scans(answers: Iterable[Answers]) -> None:
    """BusError unless all cells of a fold answered the same scans in the same order, each cell once."""
    first: dict[int, Answers] = {}
    seen: dict[tuple[str, str, int, int], Answers] = {}
    for one in answers:
        cell = one.cell
        other = first.setdefault(cell.fold, one)
        if other.scans != one.scans:
            raise BusError(
                f"{cell.path} and {other.cell.path} were tested on different scans of fold {cell.fold}, or in "
                "another order. Delete the one that does not belong to this study and run the command again."
            )
        twin = seen.setdefault((cell.arm, cell.model, cell.fold, cell.seed), one)
        if twin is not one:
            raise BusError(f"{cell.path} and {twin.cell.path} are two results for one cell. Delete one.")


@dataclass(frozen=True)
class Block:
    """The comparable answers of one model, pooled over folds, with all their resampled metrics."""

    model: str
    sample: stats.Sample
    cells: dict[str, list[Answers]]  # by arm: every fold with every seed
    pooled: dict[str, list[stats.Array]]  # by arm: probabilities N×C of every seed
    resampled: dict[str, list[dict[str, stats.Array]]]  # by arm: metrics of every seed, every row of weights

    def mean(self, arm: str, metric: str) -> stats.Array:
        """The metric under every row of weights, averaged over seeds."""
        return np.asarray(np.mean([values[metric] for values in self.resampled[arm]], axis=0))


def pool(model: str, answers: Sequence[Answers], target: int) -> Block:
    """Join a model's answers of all folds, by arm and seed, and resample them with one draw of groups."""
    at = {(one.cell.arm, one.cell.fold, one.cell.seed): one for one in answers}
    order = sorted({arm for arm, _, _ in at}, key=lambda arm: parse(arm).order)
    places = {arm: {(f, s) for a, f, s in at if a == arm} for arm in order}
    arms, folds, seeds = stats.comparable(places, claim(order))
    parts = [at[arms[0], fold, seeds[0]] for fold in folds]
    sample = stats.sample(
        labels=np.concatenate([part.labels for part in parts]),
        groups=[group for part in parts for *_, group in part.scans],
        folds=np.repeat(folds, [len(part.labels) for part in parts]),
        target=target,
    )
    pooled = {arm: [np.vstack([at[arm, f, s].probabilities for f in folds]) for s in seeds] for arm in arms}
    resampled = {arm: [stats.evaluate(sample, one) for one in pooled[arm]] for arm in arms}
    kept = {arm: [at[arm, f, s] for f in folds for s in seeds] for arm in arms}
    return Block(model, sample, kept, pooled, resampled)


def number(value: float) -> float | None:
    """A float, or None for what is undefined."""
    return float(value) if np.isfinite(value) else None


def table_row(block: Block, arm: str, classes: Sequence[str]) -> Group:
    """Everything about one arm of one model."""
    sample, cells, target = block.sample, block.cells[arm], block.sample.target
    seeds = len(block.pooled[arm])
    means = {name: block.mean(arm, name) for name in metrics.METRICS}
    spans = {name: span for name, values in means.items() if (span := stats.interval(sample, values))}
    confusion = np.mean([metrics.confusion(sample.labels, one) for one in block.pooled[arm]], axis=0)
    recall = stats.divide(np.diag(confusion), confusion.sum(axis=1))
    fallen = Counter(found for one in cells if (found := metrics.collapsed(one.probabilities)) is not None)
    zero = 1  # the row of weights where the lowest fold is alone
    shown = sample.fold_names[0] == 0 and len(sample.fold_names) > 1
    return Group(
        arm=arm,
        model=block.model,
        seeds=seeds,
        metrics={name: number(values[0]) for name, values in means.items()},
        intervals={name: (max(x.low, 0.0), min(x.high, metrics.HIGHEST[name])) for name, x in spans.items()},
        recall={name: number(value) for name, value in zip(classes, recall, strict=True)},
        confusion=confusion.tolist(),
        collapsed=fallen.total(),
        cells=len(cells),
        collapsed_class=classes[fallen.most_common(1)[0][0]] if fallen else None,
        per_seed=[{name: number(values[0]) for name, values in one.items()} for one in block.resampled[arm]],
        fold_zero={name: number(values[zero]) for name, values in means.items()} if shown else None,
        roc=metrics.roc_curve([(one.labels, one.probabilities) for one in cells], target),
        calibration=metrics.calibration(np.tile(sample.labels, seeds), np.vstack(block.pooled[arm]), target),
    )


def claim(arms: Sequence[str]) -> tuple[str, str, str]:
    """The arms that a claim needs: the data as they are, repeated scans, and `cyclegan`, in full dose or the smallest that was run."""
    run = sorted(arm.dose for arm in map(parse, arms) if arm.kind == "cyclegan" and not arm.source)
    dose = 1.0 if 1 in run or not run else run[0]
    return str(Arm("original")), str(Arm("oversampled", dose=dose)), str(Arm("cyclegan", dose=dose))


def comparisons(arms: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The contrasts that these arms allow: name → (first, second), read as first − second (DESIGN 6).

    Gain and translator stand for the arms of a claim. Every arm is compared with
    `original`; those that take synthetic scans or their sources also with as many repeated real scans.
    """
    parts = sorted(map(parse, arms), key=lambda arm: arm.order)
    original, against, lead = map(parse, claim(arms))
    pairs = {GAIN: (lead, original), TRANSLATOR: (lead, against)}
    for arm in parts:
        repeated = Arm("oversampled", dose=arm.dose)
        pairs |= (
            {f"{arm} − original": (arm, Arm("original"))}
            if arm.kind not in ("original", "relabelled")
            else {}
        )
        pairs |= (
            {f"{arm} − {repeated}": (arm, repeated)}
            if arm.kind in ("cyclegan", "relabelled", "unverified")
            else {}
        )
    named = {name: (str(first), str(second)) for name, (first, second) in pairs.items()}
    unique = {pair: name for name, pair in reversed(named.items())}  # gain and translator keep their names
    return {name: pair for name, pair in named.items() if set(pair) <= set(arms) and unique[pair] == name}


def contrast(block: Block, test_share: float) -> list[Contrast]:
    """All contrasts of one model in all metrics, where they are defined; p values not yet corrected."""
    found = []
    for name, (first, second) in comparisons(list(block.cells)).items():
        for metric in metrics.METRICS:
            difference = block.mean(first, metric) - block.mean(second, metric)
            interval = stats.interval(block.sample, difference, test_share)
            if interval is not None:
                found.append(Contrast(name, block.model, first, second, metric, interval))
    return found


def corrected(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The same contrasts with Holm's correction over the models, apart for every contrast and metric."""
    families: dict[tuple[str, str], list[float]] = {}
    for one in contrasts:
        families.setdefault((one.name, one.metric), []).append(one.interval.p)
    ready = {key: iter(stats.holm(values)) for key, values in families.items()}
    return [replace(c, interval=replace(c.interval, p_holm=next(ready[c.name, c.metric]))) for c in contrasts]


def caution(table: Sequence[Group], model: str, gain: stats.Interval | None) -> str:
    """What to add to a model's verdict when collapsed cells, or a single training a place, stand behind it."""
    needed = claim([row.arm for row in table])
    behind = [row for row in table if row.model == model and row.arm in needed]
    fallen, cells = sum(row.collapsed for row in behind), sum(row.cells for row in behind)
    words = (
        f" Read with care: {fallen} of the {cells} cells behind this gave 90 % of the answers to one class."
        * bool(fallen)
    )
    if gain and stats.shown(gain) and max(row.seeds for row in behind) == 1:
        words += " One training per place stands behind it; repeat it with --seeds 3 before you rely on it."
    return words


def cell_row(answers: Answers, classes: Sequence[str], target: int) -> dict[str, Any]:
    """One cell's line of results.csv; an undefined number is None."""
    cell, labels, probabilities = answers.cell, answers.labels, answers.probabilities
    recall = metrics.class_recall(labels, probabilities)
    fallen = metrics.collapsed(probabilities)
    return {
        "fold": cell.fold,
        "arm": cell.arm,
        "model": cell.model,
        "seed": cell.seed,
        **{name: metric(labels, probabilities, target) for name, metric in metrics.METRICS.items()},
        **{f"recall_{name}": value for name, value in zip(classes, recall, strict=True)},
        "collapsed": "" if fallen is None else classes[fallen],
        "test_scans": len(labels),
        "seconds": effort(cell)[0],
    }


def effort(cell: Cell) -> tuple[float | None, int | None]:
    """Seconds and steps of a cell's training; BusError where its metrics.json holds something else."""
    path = cell.path / "metrics.json"
    found = read_json(path)
    seconds, steps = found.get("seconds"), found.get("steps")
    if not (isinstance(seconds, int | float | None) and isinstance(steps, int | None)):
        raise BusError(
            f"{path} does not hold what a training wrote. Delete the folder and run the same command again."
        )
    return seconds, steps


def remarks(blocks: Sequence[Block], table: Sequence[Group], always: dict[str, Any], total: int) -> list[str]:
    """Sentences that a reader must see with the numbers."""
    used = sum(len(cells) for block in blocks for cells in block.cells.values())
    fallen = [
        f"{TITLES.get(row.model, row.model)} on {row.arm} ({row.collapsed} of {row.cells} cells, “{row.collapsed_class}”)"
        for row in table
        if row.collapsed
    ]
    found = [
        f"Answering “{always['class']}” to every scan scores an accuracy of {100 * always['accuracy']:.1f} % and a "
        f"macro-F1 of {100 * always['macro_f1']:.1f} % here: numbers near these show no skill.",
        CONDITIONAL,
    ]
    if fallen:
        found.insert(0, f"Collapsed, 90 % or more of the answers to one class: {'; '.join(fallen)}.")
    if used < total:
        found.append(
            f"{total - used} of {total} cells are left out of tables and contrasts, where not all arms have the "
            "same folds and seeds; results.csv lists all. Run the same benchmark again to complete it."
        )
    return found


def below(table: Sequence[Group], yardstick: Group) -> list[tuple[str, str]]:
    """(arm, model) of what was retrained for less macro-F1 than the yardstick has."""
    mark = yardstick.metrics[PRIMARY]
    return [
        (row.arm, row.model)
        for row in table
        if (value := row.metrics[PRIMARY]) is not None and mark is not None and value < mark
    ]


def against_yardstick(
    study: Study, table: Sequence[Group], places: Sequence[Cell]
) -> tuple[Group | None, list[str]]:
    """The yardstick's row and a sentence on who stays below it."""
    if not places:
        return None, []
    target = study.classes.index(study.target)
    group = table_row(
        pool("yardstick", [read_answers(place, study.classes) for place in places], target),
        "original",
        study.classes,
    )
    short = [f"{TITLES.get(model, model)} on {arm}" for arm, model in below(table, group)]
    found = "; ".join(short) if short else "none"
    return group, [
        f"Retrained networks below the yardstick in macro-F1 ({100 * (group.metrics[PRIMARY] or 0):.1f} %): {found}."
    ]


def summarise(study: Study, cells: Sequence[Cell], yardsticks: Sequence[Cell] = ()) -> Summary:
    """Read the cells' answers and say what they show: table, contrasts, verdicts, all beside the yardstick.

    Of each model, the folds and seeds that all its arms have are compared. BusError where cells are missing,
    damaged or were tested on different scans.
    """
    if not cells:
        raise BusError("There are no finished cells to sum up. Run bus benchmark first.")
    classes, target = study.classes, study.classes.index(study.target)
    answers = [read_answers(cell, classes) for cell in cells]
    check_same_scans(answers)
    models = list(dict.fromkeys(cell.model for cell in cells))
    blocks = [pool(model, [one for one in answers if one.cell.model == model], target) for model in models]
    table = [table_row(block, arm, classes) for block in blocks for arm in block.cells]
    contrasts = corrected([one for block in blocks for one in contrast(block, 1 / study.settings.k)])
    primary = {(one.name, one.model): one.interval for one in contrasts if one.metric == PRIMARY}
    rows = [cell_row(one, classes, target) for one in answers]
    tested = {one.cell.fold: one for block in blocks for part in block.cells.values() for one in part}
    labels = np.concatenate([one.labels for one in tested.values()])
    constant, scores = metrics.constant_answer(labels, len(classes), target)
    always = {"class": classes[constant], **scores}
    yardstick, remark = against_yardstick(study, table, [one for one in yardsticks if one.fold in tested])
    steps = {cell.model: effort(cell)[1] for cell in cells}
    return Summary(
        classes=classes,
        target=study.target,
        folds=sorted(tested),
        seeds=max(row.seeds for row in table),
        scans=len(labels),
        groups=len({(fold, scan[3]) for fold, one in tested.items() for scan in one.scans}),
        arms=sorted({row.arm for row in table}, key=lambda arm: parse(arm).order),
        models=models,
        table=table,
        contrasts=contrasts,
        verdicts={
            model: stats.verdict(primary.get((GAIN, model)), primary.get((TRANSLATOR, model)))
            + f".{caution(table, model, primary.get((GAIN, model)))}"
            for model in models
        },
        cells=rows,
        cost={"cells": len(rows), "seconds": sum(row["seconds"] or 0.0 for row in rows), "steps": steps},
        always=always,
        notes=[*remarks(blocks, table, always, len(cells)), *remark],
        yardstick=yardstick,
    )
