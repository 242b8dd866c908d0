"""The tables of sections that only some reports have: external test, plans, what a split per image would have claimed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...classify.metrics import collapsed, constant_answer
from ...data.study import Study
from ..arms import TRANSLATED, Arm
from ..cell import Cell
from ..cells import parts
from ..external import External, answers
from ..plan import Plan, Run
from ..results import statistics as stats
from ..results.contrasts import leading_arms
from ..results.model import GAIN, PRIMARY, ArmResult, Interval, Summary
from ..results.summary import arm_result, pool
from ..yardstick import MEANING, NAME, Yardstick
from .figures import Effect, interval
from .sections import METRICS, title

SHOWN = {  # key → heading
    "target_auc": "AUC",
    "target_recall": "sensitivity",
    "specificity": "specificity",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "sensitivity_at_90_specificity": "sensitivity at 90 % specificity",
}
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
            flag = _collapse(
                external, study, [cell for cell in cells if (cell.model, cell.arm) == (model, arm)]
            )
            rows.append(
                {
                    "model": title(model),
                    "arm": arm,
                    "flag": flag,
                    **{key: _number(sample, values[key]) for key in SHOWN},
                }
            )
        original, repeated, lead = leading_arms(list(means))
        for first, second in ((lead, original), (lead, repeated)):
            if first in means and second in means:
                contrasts += [
                    {
                        "model": title(model),
                        "pair": f"{first} − {second}",
                        "metric": SHOWN[key],
                        "text": _points(span),
                    }
                    for key in CONTRASTS
                    if (span := stats.interval(sample, means[first][key] - means[second][key]))
                ]
    return {
        "name": external.name,
        "scans": len(labels),
        "target": int(labels.sum()),
        "groups": len(set(groups)),
        "group_source": external.groups,
        "others": sorted({row["label"] for row in external.rows} - {study.target}),
        "left_out": external.left_out,
        "rows": rows,
        "contrasts": contrasts,
        "shown": SHOWN,
    }


def _means(
    sample: stats.Sample, external: External, study: Study, cells: Sequence[Cell]
) -> Mapping[Arm, dict[str, stats.Array]]:
    """Arm → metric under every row of weights, averaged over the same (fold, seed) places; arms that lack some are left out."""
    order = sorted({cell.arm for cell in cells}, key=lambda arm: arm.order)
    arms, folds, seeds = stats.comparable(
        {arm: {(c.fold, c.seed) for c in cells if c.arm == arm} for arm in order}, leading_arms(order)
    )
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


def _collapse(external: External, study: Study, cells: Sequence[Cell]) -> str:
    """A warning where cells gave 90 % or more of their answers on the external scans to one class."""
    fallen = [found for cell in cells if (found := collapsed(answers(external, study, cell))) is not None]
    name = study.target if fallen.count(1) * 2 >= len(fallen) else "another kind of lesion"
    return f"collapsed in {len(fallen)} of {len(cells)}: answers {name} nearly always" if fallen else ""


def _number(sample: stats.Sample, values: stats.Array) -> dict[str, float | None]:
    span = stats.interval(sample, values)
    value = float(values[0]) if np.isfinite(values[0]) else None
    return {
        "value": value,
        "low": max(span.low, 0.0) if span else None,
        "high": min(span.high, 1.0) if span else None,
    }


def _points(span: Interval) -> str:
    return interval(Effect("", 100 * span.estimate, 100 * span.low, 100 * span.high, 100 * span.detectable))


def inflation_table(true: Summary, claimed: Summary) -> dict[str, Any]:
    """Accuracy, macro-F1 and AUC under a split per image beside those of the study itself, and the gain under both."""
    own = {(row.model, row.arm): row for row in true.table}
    names = [METRICS[key] for key in ("accuracy", PRIMARY, "target_auc")]
    rows = [
        {
            "model": title(row.model),
            "arm": row.arm,
            "metrics": {
                METRICS[key]: (
                    row.metrics[key],
                    own[row.model, row.arm].metrics[key] if (row.model, row.arm) in own else None,
                )
                for key in ("accuracy", PRIMARY, "target_auc")
            },
            "collapsed": bool(row.collapsed),
        }
        for row in claimed.table
    ]
    gains = []
    for model in claimed.models:
        both = [summary.contrast(GAIN, model) for summary in (claimed, true)]
        gains.append(
            {"model": title(model), "texts": [_points(gain.interval) if gain else "–" for gain in both]}
        )
    return {"rows": rows, "gains": gains, "scans": claimed.scans, "true_scans": true.scans, "names": names}


def plan_table(
    plan: Plan,
    sets: Mapping[str, tuple[Study, Sequence[tuple[Run, Cell]]]],
    study: Study,
    yardsticks: Sequence[Yardstick],
) -> dict[str, Any]:
    """Every run of a plan with the accuracy reported elsewhere and ours on each of `sets` (name → study, its cells).

    Beside them the yardstick of the folds by group, and the paired difference of runs that differ in their arms alone.
    """
    own = {
        run.name: [
            cell for place, pairs in sets.values() if place is study for one, cell in pairs if one is run
        ]
        for run in plan.runs
    }
    shared, further = _further(plan.runs)
    rows = []
    for run in plan.runs:
        cells = {name: [cell for one, cell in pairs if one is run] for name, (_, pairs) in sets.items()}
        groups = {name: _group(place, cells[name]) for name, (place, _) in sets.items()}
        rows.append(
            {
                "run": run,
                "model": title(run.model),
                "arm": str(run.arm),
                "recipe": next(iter(own[run.name])).recipe,
                "groups": groups,
                "further": further[run.name],
                "cells": {name: len(found) for name, found in cells.items()},
            }
        )
    measure = pool(
        NAME, [place.answers(study.classes) for place in yardsticks], study.classes.index(study.target)
    )
    some = next(iter(own.values()))
    return {
        "plan": plan,
        "rows": rows,
        "adds": any(run.adds for run in plan.runs),
        "shared": shared,
        "further": any(further.values()),
        "sets": {name: _sizes(place, pairs) for name, (place, pairs) in sets.items()},
        "yardstick": arm_result(measure, Arm("original"), study.classes),
        "meaning": MEANING.format(study.settings.size),
        "pairs": _pairs(study, plan.runs, own),
        "folds": sorted({cell.fold for cell in some}),
        "seeds": len({cell.seed for cell in some}),
    }


def _further(runs: Sequence[Run]) -> tuple[str, dict[str, str]]:
    """What the table's columns leave unsaid of the runs: what all have in common, and for each the rest."""
    told = ("optimiser", "learning_rate", "batch", "schedule")
    said = {
        run.name: {name: value for name, value in run.changes.items() if name not in told}
        | ({"init": run.init} if run.init != "none" else {})
        | ({"gan_seed": run.gan_seed} if run.gan_seed else {})
        for run in runs
    }
    first = next(iter(said.values()))
    common = {
        name: value for name, value in first.items() if all(one.get(name) == value for one in said.values())
    }
    text = {
        key: ", ".join(f"{name} = {value}" for name, value in one.items() if name not in common)
        for key, one in said.items()
    }
    return ", ".join(f"{name} = {value}" for name, value in common.items()), text


def _pairs(study: Study, runs: Sequence[Run], cells: Mapping[str, Sequence[Cell]]) -> list[dict[str, Any]]:
    """Runs that add scans or weigh classes, less those that are like them but for the arm: macro-F1 on the same folds and seeds."""
    target, found = study.classes.index(study.target), []
    for one, other in ((one, other) for one in runs for other in runs if one.like(other)):
        against = [Arm("original")] + [Arm("oversampled", dose=one.arm.dose)] * (one.arm.kind in TRANSLATED)
        both = [cell for run in (one, other) for cell in cells[run.name]]
        if other.arm not in against or not all(cell.is_done for cell in both):
            continue
        block = pool(one.model, [cell.answers(study.classes) for cell in both], target)
        if len(block.answers) == 2:
            first, second = one.arm, other.arm
            span = stats.interval(
                block.sample, block.mean(first, PRIMARY) - block.mean(second, PRIMARY), 1 / study.settings.k
            )
            fallen = any(arm_result(block, arm, study.classes).collapsed for arm in (first, second))
            found.append(
                {
                    "runs": f"{one.name} − {other.name}",
                    "arms": f"{first} − {second}",
                    "flag": fallen,
                    "text": _points(span) if span else "–",
                    "detectable": 100 * span.detectable if span else None,
                }
            )
    return found


def _group(study: Study, cells: Sequence[Cell]) -> ArmResult | None:
    done = [cell for cell in cells if cell.is_done]
    if not done:
        return None
    block = pool(
        done[0].model, [cell.answers(study.classes) for cell in done], study.classes.index(study.target)
    )
    return arm_result(block, done[0].arm, study.classes)


def _sizes(study: Study, pairs: Sequence[tuple[Run, Cell]]) -> dict[str, Any]:
    """How many scans train (added ones too), are watched and test in each fold, and what the most frequent class alone scores."""
    sizes: dict[str, None] = {}
    labels: list[np.int64] = []
    for fold in sorted({cell.fold for _, cell in pairs}):
        for cell in (cell for _, cell in pairs if cell.fold == fold):
            train, watched = parts(study, fold, cell.recipe)
            sizes[f"{len(train) + sum(cell.added.values())} / {len(watched)} / {len(study.test(fold))}"] = (
                None
            )
        labels += [study.labels[row] for row in study.test(fold)]
    most, scores = constant_answer(np.array(labels), len(study.classes), study.classes.index(study.target))
    return {"sizes": list(sizes), "always": study.classes[most], "accuracy": scores["accuracy"]}
