"""A network against itself in another study of the same scans, or against the yardstick: paired differences.

    python tests/speed/versus.py STUDY [OTHER] --model efficientnet-lite0 [--arm original]

Takes the trainings of that arm and model that both studies have finished, in the folds and seeds that they
share, the newest where a study has several of one, all by one recipe; both must test the same scans. Without
OTHER the other side is the yardstick of STUDY, a linear model on frozen features. Prints macro-F1, AUC of the
target and its sensitivity at 90 % specificity of either, means over seeds, and STUDY less the other, with
intervals for other scans and trainings, and for other scans alone.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from bus.benchmark.arms import Arm, parse
from bus.benchmark.cell import DONE, Answers, Cell, finished_folders
from bus.benchmark.results.contrasts import contrast_of
from bus.benchmark.results.summary import pool
from bus.benchmark.results.wording import points
from bus.benchmark.yardstick import yardsticks
from bus.core.compute import resolve
from bus.data.study import Study

METRICS = ("macro_f1", "target_auc", "sensitivity_at_90_specificity")
INTERVALS = {"retrained": "other scans and trainings", "interval": "other scans alone"}

Given = dict[tuple[int, int], Answers]  # by fold and seed


def main() -> None:
    """Pair the answers, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("other", nargs="?", type=Path, help="a study; the yardstick unless given")
    parser.add_argument("--model", required=True)
    parser.add_argument("--arm", default="original")
    asked = parser.parse_args()

    # both sides, of the folds and seeds that they share
    study, arm = Study.open(asked.study), parse(asked.arm)
    own = finished(study, arm, asked.model)
    other = finished(Study.open(asked.other), arm, asked.model) if asked.other else linear(study, own)
    shared = sorted(own.keys() & other.keys())
    if not shared:
        raise SystemExit("The studies share no finished fold and seed of this arm and model.")
    if strangers := [fold for fold, seed in shared if own[fold, seed].scans != other[fold, seed].scans]:
        raise SystemExit(f"The studies test different scans in fold {strangers[0]}.")
    against = replace(arm, source=f"in {asked.other or 'the yardstick'}")  # as if it were another arm
    sides = [own[place] for place in shared]
    for place in shared:
        cell = own[place].cell
        assert isinstance(cell, Cell)
        sides.append(replace(other[place], cell=replace(cell, arm=against)))
    pooled = pool(asked.model, sides, study.classes.index(study.target))

    # the table
    tested, seeds = len(pooled.sample.labels), len(pooled.seeds)
    print(f"Folds: {len(pooled.sample.fold_names)}; seeds: {seeds}; test scans: {tested}\n")
    print(f"| | {' | '.join(METRICS)} |\n|---|{'---|' * len(METRICS)}")
    for name, side in ((asked.study, arm), (asked.other or "yardstick", against)):
        means = [f"{100 * pooled.mean(side, metric)[0]:.1f}" for metric in METRICS]
        print(f"| {name} | {' | '.join(means)} |")
    for which, words in INTERVALS.items():
        told = []
        for metric in METRICS:
            contrast = contrast_of(pooled, "", arm, against, metric, 1 / study.settings.k)
            found = getattr(contrast, which, None)
            ends = [points(value) for value in (found.estimate, found.low, found.high)] if found else []
            told.append(f"{ends[0]} ({ends[1]} to {ends[2]})" if ends else "–")
        print(f"| difference, {words} | {' | '.join(told)} |")


def finished(study: Study, arm: Arm, model: str) -> Given:
    """The newest answers of each fold and seed."""
    newest: dict[tuple[int, int], Cell] = {}
    for fold in study.folds:
        of_model = [
            path
            for name, path in finished_folders(study.cells_path(fold))
            if (name, path.parent.name) == (arm.folder, model)
        ]
        for path in sorted(of_model, key=lambda path: (path / DONE).stat().st_mtime_ns):
            cell = Cell.open(path)
            newest[fold, cell.seed] = cell
    recipes = {replace(cell.recipe, steps=1, epoch=0) for cell in newest.values()}  # folds differ in size
    if len(recipes) > 1:
        raise SystemExit(
            f"The newest trainings of {study.path} have {len(recipes)} recipes, where one is needed. Train "
            "what is missing of it."
        )
    return {place: cell.answers(study.classes) for place, cell in newest.items()}


def linear(study: Study, own: Given) -> Given:
    """The yardstick's answers in the place of each training's."""
    compute = resolve()
    compute.start()
    marks = yardsticks(study, sorted({fold for fold, _ in own}), compute)
    answers = {mark.fold: mark.answers(study.classes) for mark in marks}
    return {(fold, seed): answers[fold] for fold, seed in own}


if __name__ == "__main__":
    main()
