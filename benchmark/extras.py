"""The tables of sections that only some reports have: external test, plans, what a split per image would have claimed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..classify.metrics import constant_answer
from ..data.study import Study
from . import stats
from .ablation import Plan, Run
from .arms import parse
from .external import External, answers
from .figures import Effect, interval
from .plan import Cell, parts
from .sections import METRICS, title
from .summary import PRIMARY, Group, Summary, claim, pool, read_answers, table_row

SHOWN = {  # key → heading
    "target_auc": "AUC", "target_recall": "sensitivity", "specificity": "specificity", "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy", "sensitivity_at_90_specificity": "sensitivity at 90 % specificity",
}  # fmt: skip
CONTRASTS = ("target_auc", "balanced_accuracy")


def external_test(external: External, study: Study, cells: Sequence[Cell]) -> dict[str, Any]:
    """Tables for the report: every arm's numbers averaged over its cells, and the two contrasts; intervals by group."""
    labels = np.array([int(row["label"] == study.target) for row in external.rows])
    groups = [row["group"] for row in external.rows]
    sample = stats.sample(labels, groups, np.zeros(len(labels), np.int64), 1)
    rows, contrasts = [], []
    for model in dict.fromkeys(cell.model for cell in cells):
        means = _means(sample, external, study, [cell for cell in cells if cell.model == model])
        for arm, values in means.items():
            rows.append({"model": title(model), "arm": arm, **{key: _number(sample, values[key]) for key in SHOWN}})
        original, repeated, lead = claim(list(means))
        for first, second in ((lead, original), (lead, repeated)):
            if first in means and second in means:
                contrasts += [
                    {"model": title(model), "pair": f"{first} − {second}", "metric": SHOWN[key], "text": _points(span)}
                    for key in CONTRASTS
                    if (span := stats.interval(sample, means[first][key] - means[second][key]))
                ]
    return {
        "name": external.name, "scans": len(labels), "target": int(labels.sum()), "groups": len(set(groups)),
        "group_source": external.groups, "others": sorted({row["label"] for row in external.rows} - {study.target}),
        "left_out": external.left_out, "rows": rows, "contrasts": contrasts, "shown": SHOWN,
    }  # fmt: skip


def _means(sample: stats.Sample, external: External, study: Study, cells: Sequence[Cell]) -> Mapping[str, dict[str, stats.Array]]:
    """Arm → metric under every row of weights, averaged over the same (fold, seed) places; arms that lack some are left out."""
    order = sorted({cell.arm for cell in cells}, key=lambda name: parse(name).order)
    arms, folds, seeds = stats.comparable({arm: {(c.fold, c.seed) for c in cells if c.arm == arm} for arm in order}, claim(order))
    found = {}
    for arm in order:
        each = [
            stats.evaluate(sample, answers(external, study, cell))
            for cell in cells
            if cell.arm == arm and arm in arms and cell.fold in folds and cell.seed in seeds
        ]
        if each:
            mean = {key: np.mean([one[key] for one in each], axis=0) for key in each[0]}
            found[arm] = {**mean, "specificity": 2 * mean["balanced_accuracy"] - mean["target_recall"]}
    return found


def _number(sample: stats.Sample, values: stats.Array) -> dict[str, float | None]:
    span = stats.interval(sample, values)
    value = float(values[0]) if np.isfinite(values[0]) else None
    return {"value": value, "low": max(span.low, 0.0) if span else None, "high": min(span.high, 1.0) if span else None}


def _points(span: stats.Interval) -> str:
    return interval(Effect("", 100 * span.estimate, 100 * span.low, 100 * span.high, 100 * span.detectable))


def inflation_table(true: Summary, claimed: Summary) -> dict[str, Any]:
    """Accuracy, macro-F1 and AUC under a split per image beside those of the study itself, and the gain under both."""
    own = {(row.model, row.arm): row for row in true.table}
    names = [METRICS[key] for key in ("accuracy", PRIMARY, "target_auc")]
    rows = [
        {"model": title(row.model), "arm": row.arm, "metrics": {
            METRICS[key]: (row.metrics[key], own[row.model, row.arm].metrics[key] if (row.model, row.arm) in own else None)
            for key in ("accuracy", PRIMARY, "target_auc")
        }, "collapsed": bool(row.collapsed)}
        for row in claimed.table
    ]  # fmt: skip
    gains = []
    for model in claimed.models:
        found = [next((c.interval for c in summary.contrasts if (c.name, c.model, c.metric) == ("gain", model, PRIMARY)), None)
                 for summary in (claimed, true)]  # fmt: skip
        gains.append({"model": title(model), "texts": [_points(span) if span else "–" for span in found]})
    return {"rows": rows, "gains": gains, "scans": claimed.scans, "true_scans": true.scans, "names": names}


def plan_table(plan: Plan, sets: Mapping[str, tuple[Study, Sequence[tuple[Run, Cell]]]]) -> dict[str, Any]:
    """Every run of a plan with the accuracy reported elsewhere and ours on each of `sets` (name → study, its cells)."""
    rows = []
    for run in plan.runs:
        groups = {name: _group(study, [cell for one, cell in pairs if one == run]) for name, (study, pairs) in sets.items()}
        recipe = next((cell.recipe for _, pairs in sets.values() for one, cell in pairs if one == run), None)
        rows.append({"run": run, "model": title(run.model), "arm": str(run.arm), "recipe": recipe, "groups": groups})
    adds = any(run.adds for run in plan.runs)
    return {"plan": plan, "rows": rows, "adds": adds, "sets": {name: _sizes(study, pairs) for name, (study, pairs) in sets.items()}}


def _group(study: Study, cells: Sequence[Cell]) -> Group | None:
    done = [cell for cell in cells if cell.is_done]
    if not done:
        return None
    block = pool(done[0].model, [read_answers(cell, study.classes) for cell in done], study.classes.index(study.target))
    return table_row(block, done[0].arm, study.classes)


def _sizes(study: Study, pairs: Sequence[tuple[Run, Cell]]) -> dict[str, Any]:
    """How many scans train (added ones too), are watched and test in each fold, and what the most frequent class alone scores."""
    sizes: dict[str, None] = {}
    labels: list[np.int64] = []
    for fold in sorted({cell.fold for _, cell in pairs}):
        for cell in (cell for _, cell in pairs if cell.fold == fold):
            train, watched = parts(study, fold, cell.recipe)
            sizes[f"{len(train) + sum(cell.added.values())} / {len(watched)} / {len(study.test(fold))}"] = None
        labels += [study.labels[row] for row in study.test(fold)]
    most, scores = constant_answer(np.array(labels), len(study.classes), study.classes.index(study.target))
    return {"sizes": list(sizes), "always": study.classes[most], "accuracy": scores["accuracy"]}
