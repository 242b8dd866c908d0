"""`make study-check REPORT=folder`: a report's tables, all but their seconds, again from its predictions.

    python tests/study_check.py FOLDER [--target malignant] [--k 5] [--translators 6]

Reads `predictions.csv` and holds against it `results.csv`, `metrics.csv` and `contrasts.csv`, and
`external_predictions.csv` against `external.csv` where they are. Beside the first report of the study on BUSI
it finds `further.csv`: what is left without marked scans, and without seeds of which a network collapsed. It
shares no code with the program: written from docs/statistics.md with scikit-learn and scipy, AUC by comparing
all pairs of scans, resamples drawn anew. Numbers that need no resamples must agree to 1e-9 (1e-5 where they
depend on rounded probabilities, and in `further.csv`).
Those that come from resamples must lie where another 2,000 may put them, within four standard errors: ends of
intervals between the draws of 0.5 and 4.5 %, p values and standard errors likewise, intervals for other
trainings by the jackknife over draws. Exit code 1 and a line a number where they do not.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics as oracle

DRAWS, SEED = 2000, 20_261_128  # of resamples; not the program's
EXACT, ROUNDED = 1e-9, 1e-5  # probabilities are written with eight digits; once with six
SHARE = 0.025  # of the draws beyond an end of an interval
Z = 1.959963984540054  # of a two-sided test at 5 %
SMOOTH = ("brier", "target_auc", "sensitivity_at_90_specificity")  # depend on more than the answers
MEAN = "mean"  # in the place of a model: of the metrics of all models, seed by seed
CELL = ["fold", "arm", "model", "seed"]
CLAIM = {"gain": "original", "translator": "oversampled"}  # contrast → what `cyclegan` is compared with
BUSI = Path(__file__).parents[1] / "data" / "busi_groups.csv"  # which scans carry marks
ALONE = "_fold_zero"  # behind the name of a metric, and of a column


@dataclass
class Tables:
    """The tables of a report, its classes, and what was found to differ."""

    predictions: pd.DataFrame
    results: pd.DataFrame
    metrics: pd.DataFrame
    contrasts: pd.DataFrame
    target: str
    k: int
    translators: int | None  # of a fold; None: each seed its own
    unseen: bool = False  # whether models count, in Holm's correction, that these tables do not show
    external: pd.DataFrame | None = None
    external_predictions: pd.DataFrame | None = None
    source: str = "contrasts.csv"  # where the differences stand
    exact: float = EXACT  # of numbers that need no resamples
    checked: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """In the order of the columns."""
        return [name[2:] for name in self.predictions.columns if name.startswith("p_")]

    def hold(self, where: str, written: float, found: float, within: float) -> None:
        """Note a number that lies farther from what was computed than it may."""
        self.checked += 1
        both_undefined = pd.isna(written) and pd.isna(found)
        if not (both_undefined or abs(written - found) <= within):
            self.wrong.append(f"{where}: {written:.6g} is written, {found:.6g} was computed (± {within:.2g})")


def read(folder: Path, target: str, k: int, translators: int | None, unseen: bool = False) -> Tables:
    """The tables of a report's folder."""

    def table(name: str) -> Any:
        return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])

    predictions, results, metrics, contrasts = map(table, ("predictions", "results", "metrics", "contrasts"))
    tables = Tables(predictions, results, metrics, contrasts, target, k, translators, unseen)
    if (folder / "external.csv").exists():
        tables.external, tables.external_predictions = table("external"), table("external_predictions")
    return tables


# trainings one by one


def score(cell: pd.DataFrame, classes: list[str], target: str) -> dict[str, float]:
    """The metrics of one training's answers."""
    labels, given = cell["label"], cell["predicted"]
    present = [name for name in classes if (labels == name).any()]
    chances = cell[[f"p_{name}" for name in classes]].to_numpy()
    truth = np.stack([labels == name for name in classes], axis=1)
    positive, scores = (labels == target).to_numpy(), cell[f"p_{target}"].to_numpy()
    recalls = oracle.recall_score(labels, given, labels=classes, average=None, zero_division=np.nan)
    ranked = positive.any() and not positive.all()
    found = {
        "macro_f1": oracle.f1_score(labels, given, labels=present, average="macro", zero_division=0),
        "target_recall": recalls[classes.index(target)],
        "target_auc": oracle.roc_auc_score(positive, scores) if ranked else np.nan,
        "balanced_accuracy": np.nanmean(recalls),
        "accuracy": oracle.accuracy_score(labels, given),
        "sensitivity_at_90_specificity": sensitivity(positive, scores) if ranked else np.nan,
        "brier": ((chances - truth) ** 2).sum(axis=1).mean(),
    }
    return found | {f"recall_{name}": value for name, value in zip(classes, recalls, strict=True)}


def sensitivity(positive: Any, scores: Any) -> float:
    """The largest share of target scans above a threshold that clears nine in ten of the others."""
    false, true, _ = oracle.roc_curve(positive, scores, drop_intermediate=False)
    return float(true[false <= 0.1 + 1e-9].max())


def check_trainings(tables: Tables) -> None:
    """`results.csv` and `metrics.csv`."""
    cells = dict(iter(tables.predictions.groupby(CELL, sort=False)))
    written = {tuple(row[name] for name in CELL): row for _, row in tables.results.iterrows()}
    if set(cells) != set(written):
        tables.wrong.append(f"results.csv: {len(written)} trainings, predictions.csv: {len(cells)}")
    found = {key: score(rows, tables.classes, tables.target) for key, rows in cells.items()}
    for key in set(cells) & set(written):
        for name, value in found[key].items():
            within = ROUNDED if name in SMOOTH else EXACT
            tables.hold(f"results.csv, {key}, {name}", written[key][name], value, within)
        tables.hold(f"results.csv, {key}, scans", written[key]["test_scans"], len(cells[key]), 0)
        shares = cells[key]["predicted"].value_counts(normalize=True)
        collapsed = shares.index[0] if shares.iloc[0] >= 0.9 else None
        said = written[key]["collapsed"]
        tables.checked += 1
        if (None if pd.isna(said) else said) != collapsed:
            tables.wrong.append(f"results.csv, {key}, collapsed: {said} is written, {collapsed} was computed")
    left = {(key, name) for key, values in found.items() for name in values}
    for _, row in tables.metrics.iterrows():
        key = tuple(row[name] for name in CELL)
        name = f"recall_{row['class']}" if row["metric"] == "recall" else row["metric"]
        if (key, name) not in left:
            tables.wrong.append(f"metrics.csv, {key}, {name}: not to be expected, or twice")
            continue
        left.remove((key, name))
        tables.hold(f"metrics.csv, {key}, {name}", row["value"], found[key][name], ROUNDED)
    tables.wrong += [f"metrics.csv, {key}, {name}: missing" for key, name in sorted(left)]


# differences of arms


@dataclass(frozen=True)
class Model:
    """One model's answers on the same scans in every arm and seed, and how often each group is drawn."""

    labels: Any  # N numbers of classes
    folds: Any  # N
    units: Any  # N numbers of groups within folds
    weights: Any  # (1 + folds + draws)×groups
    target: int
    answers: dict[tuple[str, int], tuple[Any, Any]]  # (arm, seed) → answered classes N, probabilities N×C

    @property
    def fold_names(self) -> list[int]:
        """The folds that are tested."""
        return sorted(set(self.folds.tolist()))


Pairs = set[tuple[int, int]]  # of fold and seed


def block(pairs: Pairs) -> Pairs:
    """Every fold with every seed, of these pairs: what failed takes its seed, while two seeds are left.

    Else the largest block that begins with all folds of one seed or all seeds of one fold.
    """
    folds, seeds = (sorted({pair[at] for pair in pairs}) for at in (0, 1))
    whole = [seed for seed in seeds if {(fold, seed) for fold in folds} <= pairs]
    if len(whole) > 1:
        return {(fold, seed) for fold in folds for seed in whole}
    found = []
    for seed in seeds:
        own = [fold for fold in folds if (fold, seed) in pairs]
        found.append((own, [one for one in seeds if {(fold, one) for fold in own} <= pairs]))
    for fold in folds:
        own = [seed for seed in seeds if (fold, seed) in pairs]
        found.append(([one for one in folds if {(one, seed) for seed in own} <= pairs], own))
    best = max(found, key=lambda one: (len(one[0]) * len(one[1]), len(one[0]), -sum(one[0]), -sum(one[1])))
    return {(fold, seed) for fold in best[0] for seed in best[1]}


def pairs_of(tables: Tables, model: str, arms: set[str], answers: Any = None) -> Pairs:
    """The folds and seeds that all `arms` of a model share, in the predictions or other answers."""
    answers = tables.predictions if answers is None else answers
    rows = answers[(answers["model"] == model) & answers["arm"].isin(arms)]
    have = [set(zip(part["fold"], part["seed"], strict=True)) for _, part in rows.groupby("arm")]
    return block(set.intersection(*have))


def model_of(tables: Tables, model: str, arms: set[str], shared: Pairs) -> Model:
    """The answers of a model on some of its folds and seeds."""
    rows = tables.predictions[(tables.predictions["model"] == model) & tables.predictions["arm"].isin(arms)]
    rows = rows[[pair in shared for pair in zip(rows["fold"], rows["seed"], strict=True)]]
    first = min(rows["seed"])
    base = rows[(rows["arm"] == min(arms)) & (rows["seed"] == first)].sort_values(["fold", "file", "sha256"])
    names = list(dict.fromkeys(zip(base["fold"], base["group"], strict=True)))
    units = np.array([names.index(pair) for pair in zip(base["fold"], base["group"], strict=True)])
    of_fold = np.array([fold for fold, _ in names])
    rng, weights = np.random.default_rng(SEED), [np.ones(len(names))]
    weights += [(of_fold == fold).astype(float) for fold in sorted(set(of_fold))]
    drawn = np.zeros((DRAWS, len(names)))
    for fold in sorted(set(of_fold)):
        place = np.flatnonzero(of_fold == fold)
        drawn[:, place] = rng.multinomial(len(place), np.full(len(place), 1 / len(place)), size=DRAWS)
    answers = {}
    for (arm, seed), part in rows.groupby(["arm", "seed"]):
        part = part.sort_values(["fold", "file", "sha256"])
        given = part["predicted"].map(tables.classes.index).to_numpy()
        answers[arm, seed] = given, part[[f"p_{name}" for name in tables.classes]].to_numpy()
    return Model(
        base["label"].map(tables.classes.index).to_numpy(),
        base["fold"].to_numpy(),
        units,
        np.vstack([*weights, drawn]),
        tables.classes.index(tables.target),
        answers,
    )


def fold_zero(model: Model) -> Model:
    """The part of it in fold 0."""
    rows = model.folds == 0
    units = np.unique(model.units[rows])
    kept = [0, 1, *range(1 + len(model.fold_names), len(model.weights))]
    return Model(
        model.labels[rows],
        model.folds[rows],
        np.searchsorted(units, model.units[rows]),
        model.weights[np.ix_(kept, units)],
        model.target,
        {cell: (given[rows], chances[rows]) for cell, (given, chances) in model.answers.items()},
    )


def all_resampled(model: Model) -> dict[tuple[str, int], dict[str, Any]]:
    """The metrics of every arm and seed under every row of weights, and those of fold 0 alone."""
    found = {cell: resampled(model, *answers) for cell, answers in model.answers.items()}
    if model.fold_names[0] == 0 and len(model.fold_names) > 1:
        part = fold_zero(model)
        for cell, answers in part.answers.items():
            found[cell] |= {f"{name}{ALONE}": values for name, values in resampled(part, *answers).items()}
    return found


def resampled(model: Model, given: Any, chances: Any) -> dict[str, Any]:
    """The metrics of one arm and seed, pooled over folds, under every row of weights."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = counted(model, given, chances.shape[1])
        ranks = np.array([ranked(model, chances[:, model.target], fold) for fold in model.fold_names])
        defined = np.isfinite(ranks).sum(axis=0)  # in a draw, a fold may be without the target
        found["target_auc"], found["sensitivity_at_90_specificity"] = np.nansum(ranks, axis=0) / defined
        parts = ((chances - np.eye(chances.shape[1])[model.labels]) ** 2).sum(axis=1)
        of_scan = model.weights[:, model.units]
        found["brier"] = of_scan @ parts / of_scan.sum(axis=1)
        if len(model.fold_names) > 1:
            matched = counted(model, at_thresholds(model, chances), chances.shape[1])
            found |= {f"matched_{name}": matched[name] for name in ("macro_f1", "target_recall")}
    return found


def counted(model: Model, given: Any, classes: int) -> dict[str, Any]:
    """The metrics of answers, from weighted counts class by class."""
    of_scan, f1s, recalls = model.weights[:, model.units], [], []
    for name in range(classes):
        true, said = model.labels == name, given == name
        right, all_true, all_said = (of_scan @ part.astype(float) for part in (true & said, true, said))
        f1s.append(np.where(all_true > 0, 2 * right / (all_true + all_said), np.nan))
        recalls.append(np.where(all_true > 0, right / all_true, np.nan))
    return {
        "macro_f1": np.nanmean(f1s, axis=0),
        "target_recall": recalls[model.target],
        "balanced_accuracy": np.nanmean(recalls, axis=0),
        "accuracy": of_scan @ (given == model.labels).astype(float) / of_scan.sum(axis=1),
    }


def ranked(model: Model, scores: Any, fold: int) -> tuple[Any, Any]:
    """AUC by comparing each target scan with each other one, and sensitivity at 90 % specificity."""
    inside = model.folds == fold
    is_target = model.labels == model.target
    ours, others = np.flatnonzero(inside & is_target), np.flatnonzero(inside & ~is_target)
    first, second = model.weights[:, model.units[ours]], model.weights[:, model.units[others]]
    wins = (scores[ours][:, None] > scores[others]) + 0.5 * (scores[ours][:, None] == scores[others])
    both = first.sum(axis=1) * second.sum(axis=1)
    area = np.where(both > 0, ((first @ wins) * second).sum(axis=1) / both, np.nan)
    cuts = np.unique(scores[inside])
    true = first @ (scores[ours][:, None] >= cuts) / first.sum(axis=1, keepdims=True)
    false = second @ (scores[others][:, None] >= cuts) / second.sum(axis=1, keepdims=True)
    best = np.where(false <= 0.1 + 1e-9, true, 0).max(axis=1)
    return area, np.where(both > 0, best, np.nan)


def at_thresholds(model: Model, chances: Any) -> Any:
    """Answers with the target where its score passes what one in ten others of the other folds pass."""
    scores, without = chances[:, model.target], np.delete(np.arange(chances.shape[1]), model.target)
    given = without[chances[:, without].argmax(axis=1)]
    for fold in model.fold_names:
        others = np.sort(scores[(model.folds != fold) & (model.labels != model.target)])
        cut = others[len(others) - 1 - int(0.1 * len(others) + 1e-9)]
        given[(model.folds == fold) & (scores > cut)] = model.target
    return given


def expected(tables: Tables, models: list[str]) -> set[tuple[str, str, str]]:
    """The differences of a claim that must be there: of each model with the arms, and of their mean."""
    names = {"macro_f1", "target_auc", "sensitivity_at_90_specificity"}
    have = {model: set(part["arm"]) for model, part in tables.predictions.groupby("model")}
    found = {
        (model, contrast, metric)
        for contrast, arm in CLAIM.items()
        for model in models
        if {"cyclegan", arm} <= have.get(model, set())
        for metric in names
    }
    of_mean = {(MEAN, *row[1:]) for row in found} if len(models) > 1 else set()
    return found | of_mean


def differences(tables: Tables) -> Iterator[tuple[Any, Model, list[Any], list[int]]]:
    """Every row of `contrasts.csv`, with its differences from predictions.

    They are those of each seed under every row of weights of `model`, over all folds and in fold 0 alone
    where that is asked for; then come the seeds.
    """
    known: dict[tuple[str, frozenset[tuple[int, int]]], dict[tuple[str, int], dict[str, Any]]] = {}
    single = [name for name in tables.contrasts["model"].unique() if name != MEAN]
    for name, rows in sorted(tables.contrasts.groupby("model", sort=False), key=lambda part: part[0] == MEAN):
        arms = set(rows["first"]) | set(rows["second"])
        parts = single if name == MEAN else [str(name)]  # a mean is over models, seed by seed, draw by draw
        shared = block(set.intersection(*(pairs_of(tables, part, arms) for part in parts)))
        for part in parts:
            model, key = model_of(tables, part, arms, shared), (part, frozenset(shared))
            if key not in known or not {arm for arm, _ in known[key]} >= arms:
                known[key] = all_resampled(model)
        of_parts = [known[part, frozenset(shared)] for part in parts]
        values = {
            cell: {
                metric: np.mean([one[cell][metric] for one in of_parts], axis=0)
                for metric in of_parts[0][cell]
            }
            for cell in model.answers
        }
        seeds = sorted({seed for _, seed in model.answers})
        for _, row in rows.iterrows():
            metric = row["metric"]
            found = [
                np.array([values[row["first"], seed][of] - values[row["second"], seed][of] for seed in seeds])
                for of in (metric, f"{metric}{ALONE}")
                if of in values[row["first"], seeds[0]]
            ]
            yield row, model, found, seeds


def check_contrasts(tables: Tables) -> None:
    """`contrasts.csv`: estimates, both intervals, their p values, and Holm's correction over models."""
    single = [name for name in tables.contrasts["model"].unique() if name != MEAN]
    if (len(single) > 1) != (MEAN in set(tables.contrasts["model"])):
        tables.wrong.append(f"contrasts.csv: {len(single)} models, and their mean is missing or too much")
    missing = expected(tables, single) - {
        (row["model"], row["contrast"], row["metric"]) for _, row in tables.contrasts.iterrows()
    }
    tables.wrong += [f"contrasts.csv, {', '.join(row)}: missing" for row in sorted(missing)]
    for row, model, found, seeds in differences(tables):
        check_contrast(tables, model, row, found[0], seeds)
        zero = found[1].mean(axis=0) if len(found) > 1 else np.array([np.nan])
        check_scans(tables, row, zero, len(set(model.units[model.folds == 0])), 1, ALONE)
    for kind in ("", "_retrained"):
        alone = tables.contrasts["model"] == MEAN  # one test, nothing to correct
        for (_, contrast, metric), rows in tables.contrasts.groupby([alone, "contrast", "metric"]):
            rows = rows[rows[f"p{kind}"].notna()]
            if len(rows):
                corrected = holm(rows[f"p{kind}"].to_numpy())
                for (_, row), value in zip(rows.iterrows(), corrected, strict=True):
                    where = f"contrasts.csv, {contrast}, {row['model']}, {metric}, p_holm{kind}"
                    several = tables.unseen and row["model"] != MEAN
                    least = max(value, row[f"p_holm{kind}"]) if several else value
                    tables.hold(where, row[f"p_holm{kind}"], least, EXACT)


def holm(values: Any) -> Any:
    """Holm's step-down correction: every p times the number of those not smaller, never less than before."""
    corrected, least = np.empty(len(values)), 0.0
    for rank, place in enumerate(np.argsort(values, kind="stable")):
        least = min(1.0, max(least, (len(values) - rank) * values[place]))
        corrected[place] = least
    return corrected


def check_contrast(tables: Tables, model: Model, row: Any, difference: Any, seeds: list[int]) -> None:
    """One row; `difference` is that of each seed (S rows) under every row of weights."""
    where = f"{tables.source}, {row['contrast']}, {row['model']}, {row['metric']}"
    folds, units = len(model.fold_names), model.weights.shape[1]
    mean = difference.mean(axis=0)
    draws = mean[1 + folds :]
    draws = draws[np.isfinite(draws)]
    within = ROUNDED if row["metric"] in SMOOTH else EXACT

    # other scans
    widened = check_scans(tables, row, mean, units, folds)
    error = draws.std() * np.sqrt(units / (units - folds))
    beyond = 2 * min((widened <= 0).mean(), (widened >= 0).mean())
    tables.hold(f"{where}, p", row["p"], min(1.0, beyond), spread_of_p((beyond + row["p"]) / 2))
    loose = (
        4 * np.sqrt((stats.kurtosis(draws, fisher=False) - 1) / (2 * DRAWS)) if error else 0
    )  # of its own size
    tables.hold(f"{where}, detectable", row["detectable"], 2.8 * error, 2.8 * error * loose + EXACT)
    by_fold = mean[1 : 1 + folds]
    by_fold = by_fold[np.isfinite(by_fold)]
    if len(by_fold) > 1 and np.ptp(by_fold) > 0:
        scale = np.sqrt((1 / len(by_fold) + 1 / (tables.k - 1)) * by_fold.var(ddof=1))
        second = 2 * stats.t.sf(abs(by_fold.mean()) / scale, len(by_fold) - 1)
        tables.hold(f"{where}, p_nadeau_bengio", row["p_nadeau_bengio"], second, 100 * within)

    # other scans, trainings and translators
    if again := check_retrained(tables, model, row, difference, seeds):
        p, found, slack_of = again
        tables.hold(f"{where}, p_retrained", row["p_retrained"], p, max(0.03 + 0.1 * p, slack_of[1]))
        within = max(0.1 * found, slack_of[2]) + EXACT
        tables.hold(f"{where}, detectable_retrained", row["detectable_retrained"], found, within)


def check_retrained(
    tables: Tables, model: Model, row: Any, difference: Any, seeds: list[int]
) -> tuple[float, float, Any] | None:
    """What showed the spread of trainings, and the ends for other scans, trainings and translators.

    Returns the p value, the detectable difference, and how far the three may lie from those of other draws.
    """
    where = f"{tables.source}, {row['contrast']}, {row['model']}, {row['metric']}"
    mean, furthest = difference.mean(axis=0), 2.0 if row["metric"] == "brier" else 1.0
    turns = turns_of((row["first"], row["second"]), seeds, tables.translators)
    tables.checked += 1
    if (again := trained_again(model, difference, turns)) is None:
        if pd.notna(row["low_retrained"]):
            tables.wrong.append(f"{where}, basis: {row['basis']} is written where none can be had")
        return None
    basis, error, freedom = again
    half, p, found = of_error(mean[0], error, freedom)
    slack_of = slack_of_draws(model, difference, turns)
    if row["basis"] != basis:
        tables.wrong.append(f"{where}, basis: {row['basis']} is written, {basis} was expected")
    for name, end in (("low_retrained", mean[0] - half), ("high_retrained", mean[0] + half)):
        possible = float(np.clip(end, -furthest, furthest))
        tables.hold(f"{where}, {name}", row[name], possible, max(0.1 * half, slack_of[0]) + tables.exact)
    return p, found, slack_of


def of_error(estimate: float, error: float, freedom: float) -> tuple[float, float, float]:
    """Half an interval, the p value and the detectable difference."""
    half = stats.t.ppf(0.975, freedom) * error
    p = 2 * stats.t.sf(abs(estimate) / error, freedom) if error else float(estimate == 0)
    return half, p, half + stats.t.ppf(0.8, freedom) * error


def slack_of_draws(model: Model, difference: Any, turns: list[int]) -> Any:
    """How far the three numbers of `of_error` may lie from those of other draws: four standard errors.

    By the jackknife, a twentieth of the draws left out at a time (Quenouille 1956). It matters in tiny
    studies alone: where what is common to all trainings is near 0, the degrees of freedom jump.
    """
    first, parts = 1 + len(model.fold_names), 20
    left = []
    for part in range(parts):
        without = np.delete(difference, np.s_[first + part :: parts], axis=1)
        if again := trained_again(model, without, turns):
            left.append(of_error(difference[:, 0].mean(), *again[1:]))
    return 4 * np.sqrt(2 * (len(left) - 1) * np.var(left, axis=0))


def check_scans(tables: Tables, row: Any, values: Any, units: int, folds: int, suffix: str = "") -> Any:
    """An estimate and its ends for other scans, expanded percentiles; returns the widened draws.

    `values` is the number under the rows of weights of `units` groups in `folds`; columns end in `suffix`.
    """
    where = f"{tables.source}, {row['contrast']}, {row['model']}, {row['metric']}"
    within = ROUNDED if row["metric"] in SMOOTH else tables.exact
    furthest = 2.0 if row["metric"] == "brier" else 1.0  # no difference can be larger
    tables.hold(f"{where}, estimate{suffix}", row[f"estimate{suffix}"], values[0], within)
    draws = values[1 + folds :]
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(values[0]):
        return draws
    widened = expanded(values[0], draws, units, folds)
    for name, share in (("low", SHARE), ("high", 1 - SHARE)):
        middle, slack = end(widened, share, -furthest, furthest)
        tables.hold(f"{where}, {name}{suffix}", row[f"{name}{suffix}"], middle, slack)
    return widened


def expanded(estimate: float, draws: Any, units: int, folds: int) -> Any:
    """Draws of groups, spread as far as Student's t of so many groups asks (Hesterberg 2015)."""
    wider = np.sqrt(units / (units - folds)) * stats.t.ppf(0.975, units - folds) / Z
    return estimate + wider * (draws - estimate)


def end(widened: Any, share: float, least: float, most: float) -> tuple[float, float]:
    """Where an end of an interval lies, cut at what is possible, and how far other draws may put it."""
    slack = 4 * np.sqrt(2 * SHARE * (1 - SHARE) / DRAWS)  # of the share, between two sets of draws
    ends = np.quantile(widened, (max(share - slack, 0), min(share + slack, 1)))
    low, high = np.clip(ends, least, most)
    return float((low + high) / 2), float((high - low) / 2) + EXACT


def spread_of_p(p: float) -> float:
    """Four standard errors of the difference of two p values from as many draws, and two steps of either."""
    return 4 * float(np.sqrt(2 * max(p, 1 / DRAWS) * 2 / DRAWS)) + 4 / DRAWS


def turns_of(arms: tuple[str, str], seeds: list[int], translators: int | None) -> list[int]:
    """The translator that each seed of a difference rests on; each apart where no arm took its scans."""
    kinds = {arm.split("@")[0].split(":")[0] for arm in arms}
    if kinds & {"pooled", "unverified"}:
        return [0] * len(seeds)  # the same scans for all
    number = translators or max(seeds) + 1
    return [seed % number for seed in seeds] if "cyclegan" in kinds else seeds


def trained_again(model: Model, difference: Any, turns: list[int]) -> tuple[str, float, float] | None:
    """What tells of other trainings (seeds or folds), the standard error and its degrees of freedom."""
    folds, units = len(model.fold_names), model.weights.shape[1]
    parts = [[at for at, turn in enumerate(turns) if turn == one] for one in sorted(set(turns))]
    alike = len({len(part) for part in parts}) == 1 and not (len(parts) == 1 and len(turns) > 1)
    if alike:
        difference = np.array([difference[part].mean(axis=0) for part in parts])
    by_fold = difference[:, 1 : 1 + folds]
    by_fold = by_fold[:, np.isfinite(by_fold).all(axis=0)]
    count, folds_there = by_fold.shape
    if alike and count > 1 and folds_there * (count - 1) >= 2:
        draws = difference[:, 1 + folds :]
        draws = draws[:, np.isfinite(draws).all(axis=0)]
        shrunk = units / (units - folds_there)
        own = (draws - draws.mean(axis=0)).var(axis=1).mean() * count / (count - 1) * shrunk
        common = max(draws.mean(axis=0).var() * shrunk - own / count, 0.0)
        adds = by_fold.var(axis=0, ddof=1).mean() / (folds_there * count)
        total = common + adds
        spread = common**2 / (units - folds_there) + adds**2 / (folds_there * (count - 1))
        return "seeds", float(np.sqrt(total)), float(total**2 / spread) if spread else units - folds_there
    if folds_there >= 3:
        error = np.sqrt(by_fold.mean(axis=0).var(ddof=1) / folds_there)
        return "folds", float(error), folds_there - 1
    return None


# scans from elsewhere


def check_external(tables: Tables) -> None:
    """`external.csv`: each arm's numbers, averaged over its trainings, and the differences of a claim."""
    if tables.external is None or tables.external_predictions is None:
        return
    answers = tables.external_predictions
    scans = answers.drop_duplicates(["file", "label", "group"])[["file", "label", "group"]]
    names = sorted(set(scans["group"]))
    units = scans["group"].map(names.index).to_numpy()
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    weights = np.vstack([np.ones((2, len(names))), drawn])
    labels = (scans["label"] == tables.target).to_numpy().astype(int)
    place = {key: at for at, key in enumerate(scans.itertuples(index=False, name=None))}
    arms_of = {name: set(part["first"]) for name, part in tables.external.groupby("model") if name != MEAN}
    found: dict[tuple[str, str], dict[tuple[int, int], dict[str, Any]]] = {}
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for (name, arm), part in answers.groupby(["model", "arm"]):
        claim = {"original", "oversampled", "cyclegan"} & arms_of[name]
        shared = pairs_of(tables, name, claim or {arm}, answers)
        values, collapsed = {}, 0
        kept = part[[pair in shared for pair in zip(part["fold"], part["seed"], strict=True)]]
        for pair, cell in kept.groupby(["fold", "seed"]):
            at = [place[key] for key in cell[["file", "label", "group"]].itertuples(index=False, name=None)]
            scores = np.empty(len(labels))
            scores[at] = cell[f"p_{tables.target}"]
            said = (scores > 0.5).astype(int)
            collapsed += max(said.mean(), 1 - said.mean()) >= 0.9
            model = Model(labels, np.zeros(len(labels), int), units, weights, 1, {})
            one = resampled(model, said, np.stack([1 - scores, scores], axis=1))
            values[pair] = {**one, "specificity": 2 * one["balanced_accuracy"] - one["target_recall"]}
        counts[name, arm] = len(values), collapsed
        found[name, arm] = values
    of_all = set.intersection(*(set(found[name, arm]) for name, arms in arms_of.items() for arm in arms))

    def mean(name: str, arm: str, metric: str) -> Any:
        if name != MEAN:
            return np.mean([one[metric] for one in found[name, arm].values()], axis=0)
        each = [[found[single, arm][pair][metric] for pair in sorted(of_all)] for single in sorted(arms_of)]
        return np.mean([np.mean(one, axis=0) for one in each], axis=0)

    for _, row in tables.external.iterrows():
        values = mean(row["model"], row["first"], row["metric"])
        if pd.notna(row["second"]):
            values = values - mean(row["model"], row["second"], row["metric"])
        where = f"external.csv, {row['model']}, {row['first']} − {row['second']}, {row['metric']}"
        tables.hold(f"{where}, estimate", row["estimate"], values[0], ROUNDED)
        if pd.isna(row["second"]):
            of_cells, collapsed = counts[row["model"], row["first"]]
            tables.hold(f"{where}, cells", row["cells"], of_cells, 0)
            tables.hold(f"{where}, collapsed", row["collapsed"], collapsed, 0)
        draws = values[2:][np.isfinite(values[2:])]
        least, most = (-1.0, 1.0) if pd.notna(row["second"]) else (0.0, 1.0)
        for name, share in (("low", SHARE), ("high", 1 - SHARE)):
            middle, slack = end(expanded(values[0], draws, len(names), 1), share, least, most)
            tables.hold(f"{where}, {name}", row[name], middle, slack)


# what the study on BUSI shows beside


def check_further(tables: Tables, further: pd.DataFrame, marked: set[str]) -> None:
    """`further.csv`: the differences of a claim from a part of the answers.

    `marked` are the hashes of scans with burned-in marks. Seeds that failed are out before those of collapsed
    networks go.
    """
    answers = tables.predictions
    trained = answers[answers["arm"] != "adjusted"].groupby(CELL)["predicted"]
    collapsed = trained.agg(lambda given: given.value_counts(normalize=True).iloc[0] >= 0.9)
    fallen = {seed for (*_, seed), true in collapsed.items() if true}
    arms = {"cyclegan", *CLAIM.values()}
    common = set.intersection(*(pairs_of(tables, model, arms) for model in answers["model"].unique()))
    left = {seed for _, seed in block(common)} - fallen
    parts = {
        "all": answers,
        "unmarked": answers[~answers["sha256"].isin(marked)],
        "not collapsed": answers[answers["seed"].isin(left)],
    }
    whole = {part for part, rows in parts.items() if len(rows)}
    if whole != set(further["part"]):
        tables.wrong.append(f"further.csv: parts {set(further['part'])}, but {whole} are to be expected")
    for part, rows in further.groupby("part", sort=False):
        against = rows["contrast"].map(CLAIM)
        own = Tables(
            parts[str(part)],
            tables.results,
            tables.metrics,
            rows.assign(first="cyclegan", second=against),
            tables.target,
            tables.k,
            tables.translators,
            source=f"further.csv, {part}",
            exact=ROUNDED,
        )
        for row, model, found, seeds in differences(own):
            where = f"{own.source}, {row['contrast']}, {row['model']}, {row['metric']}"
            check_scans(own, row, found[0].mean(axis=0), model.weights.shape[1], len(model.fold_names))
            check_retrained(own, model, row, found[0], seeds)
            rests = (len(model.labels), len(model.fold_names), len(seeds))
            for name, number in zip(("scans", "folds", "seeds"), rests, strict=True):
                own.hold(f"{where}, {name}", row[name], number, 0)
        tables.checked += own.checked
        tables.wrong += own.wrong


def found_wrong(tables: Tables) -> Iterator[str]:
    """Every number that differs, a line each."""
    check_trainings(tables)
    check_contrasts(tables)
    check_external(tables)
    yield from tables.wrong


def main() -> None:
    """Check the report of a folder and say what differs."""
    parser = argparse.ArgumentParser(
        prog="tests/study_check.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the report, with its four tables")
    parser.add_argument("--target", default="malignant")
    parser.add_argument("--k", type=int, default=5, help="folds of the study")
    parser.add_argument("--unseen", action="store_true", help="other models count that are not in the tables")
    parser.add_argument("--translators", type=int, help="of a fold; as many as seeds unless given")
    asked = parser.parse_args()
    tables = read(asked.folder, asked.target, asked.k, asked.translators, asked.unseen)
    beside = asked.folder.parent / "further.csv"
    if asked.folder.name == "report-1" and beside.exists():
        listed = pd.read_csv(BUSI, comment="#")
        check_further(tables, pd.read_csv(beside), set(listed["rgb_sha256"][listed["annotation"].notna()]))
    for line in found_wrong(tables):
        print(line)
    print(f"{tables.checked:,} numbers checked, {len(tables.wrong)} differ.")
    sys.exit(bool(tables.wrong))


if __name__ == "__main__":
    main()
