"""What each arm does to a classifier without noise of training: the yardstick, on what the arm trains on.

    python tests/speed/frozen.py --study STUDY [--arms oversampled,cyclegan] [--fold 0,1] [--dose 0.5,1]
        [--gan-seeds 3] [--against oversampled] [--soft 0.25] [--extractor efficientnet-lite0] [--c 0.01]

Logistic regression on features of a frozen network, which sees the squares that `bus benchmark` would train
on in that arm, fold and seed. All scans of an arm together weigh as much as the fold's own, so that arms that
add some are held by the same ridge. Translated scans must be there (`bus gan train`, `bus synth`); seed s of
an arm takes the s-th translator, or draws anew what it repeats or pastes. `--soft` leaves that share of an
added scan's label to the class that it was made from. `--extractor handmade` takes the features of
docs/scores.md that no network learned: translators train against a network that is kin to the usual one.

Prints a row an arm: macro-F1, AUC of the target and its sensitivity at 90 % specificity, pooled out of fold,
the mean over seeds; and paired differences from `--against`, with intervals for other scans (groups drawn
anew), the translators as they are.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from bus.benchmark.arms import SOURCED, Arm, chosen, doses, parse, with_doses
from bus.benchmark.cell import Cell
from bus.benchmark.cells import cells_of
from bus.benchmark.examples import examples
from bus.benchmark.request import Request
from bus.benchmark.results import statistics
from bus.classify import prior
from bus.core.compute import resolve
from bus.core.files import sha256_bytes
from bus.data.store import Box
from bus.data.study import Study
from bus.gan.scores.checks import READER_C
from bus.gan.scores.features import Extractor, choose_extractor, features
from bus.gan.scores.handmade import handmade
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

ARMS = "original,adjusted,weighted,oversampled,pasted,relabelled,cyclegan"
METRICS = {  # name → heading
    "macro_f1": "macro-F1",
    "target_auc": "AUC",
    "sensitivity_at_90_specificity": "sensitivity at 90 % specificity",
}

Floats = NDArray[np.float64]


class Eyes:
    """Features of squares, each computed once: a network's, or, without one, those that none learned."""

    def __init__(self, extractor: Extractor | None) -> None:
        self.extractor = extractor
        self.known: dict[str, NDArray[np.float32]] = {}

    def see(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (N×D) of squares (N×S×S)."""
        names = [sha256_bytes(square.tobytes()) for square in squares]
        new = {name: at for at, name in enumerate(names) if name not in self.known}
        if new:
            those = squares[list(new.values())]
            seen = features(those, self.extractor) if self.extractor else handmade(those, [*map(lit, those)])
            self.known.update(zip(new, seen, strict=True))
        return np.array([self.known[name] for name in names])


def lit(square: NDArray[np.uint8]) -> Box:
    """The part of a square (S×S) without its black bars."""
    rows, across = np.flatnonzero(square.any(1)), np.flatnonzero(square.any(0))
    top, left = int(rows[0]), int(across[0])
    return Box(top, left, int(rows[-1]) + 1 - top, int(across[-1]) + 1 - left)


def main() -> None:
    """Fit every arm on every fold, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--arms", default=ARMS, help="as for bus benchmark")
    parser.add_argument("--dose", default="1", help="shares of what balance needs, as for bus benchmark")
    parser.add_argument("--fold", default="", help="numbers; all unless given")
    parser.add_argument("--gan-seed", type=int, default=0, help="of a fold's first translator")
    parser.add_argument("--gan-seeds", type=int, default=1, help="translators a fold")
    parser.add_argument("--against", default="oversampled", help="the arm that all are compared with")
    parser.add_argument("--soft", type=float, default=0.0, help="share of the source's class in a label")
    parser.add_argument("--extractor", default="efficientnet-lite0", help="as for bus gan score, or handmade")
    parser.add_argument("--c", type=float, default=READER_C, help="weight of the data against the ridge")
    asked = parser.parse_args()
    compute = resolve()
    compute.start()
    study = Study.open(asked.study)
    arms = with_doses(chosen(asked.arms, study.classes), doses(asked.dose))
    if parse(asked.against) not in arms:
        parser.error(f"--against {asked.against} is none of the arms: {', '.join(map(str, arms))}")
    folds = asked.fold or ",".join(map(str, range(study.settings.k)))
    request = Request(
        folds=tuple(map(int, folds.split(","))),
        arms=arms,
        models=("simplecnn",),  # whose cells name what an arm trains on; none is trained
        seeds=asked.gan_seeds,
        gan_seed=asked.gan_seed,
        gan_seeds=asked.gan_seeds,
        compute=compute,
    )
    network = asked.extractor != "handmade"
    eyes = Eyes(choose_extractor(asked.extractor, device=compute.device) if network else None)
    said = {
        (cell.arm, cell.seed, cell.fold): answers(study, cell, eyes, asked.soft, asked.c)
        for cell in cells_of(study, request)
    }
    sample = sampled(study, request.folds)
    values = {}
    for arm in arms:
        seeds = [[said[arm, seed, fold] for fold in request.folds] for seed in range(request.seeds)]
        found = [statistics.evaluate(sample, np.concatenate(seed)) for seed in seeds]
        values[arm] = {name: np.mean([seed[name] for seed in found], axis=0) for name in METRICS}
    print(table(sample, values, parse(asked.against)))


def answers(study: Study, cell: Cell, eyes: Eyes, soft: float, c: float) -> Floats:
    """Probabilities (N×C) of the fold's test scans, by a linear model of what the cell would train on."""
    given = examples(study, cell)
    seen, labels, weights = eyes.see(given.pixels), given.labels, np.ones(len(given.labels))
    if soft and cell.arm.kind in SOURCED:  # an added scan stands there twice, once for either class
        added = np.arange(len(labels)) >= given.own
        seen, labels = np.concatenate([seen, seen[added]]), np.r_[labels, given.sources[added]]
        weights = np.r_[np.where(added, 1 - soft, 1.0), np.full(added.sum(), soft)]
    if cell.arm.kind == "weighted":
        weights = weights / np.bincount(labels, minlength=len(study.classes))[labels]
    scaler = StandardScaler().fit(seen[: given.own])
    model = LogisticRegression(C=c, max_iter=2000)
    model.fit(scaler.transform(seen), labels, sample_weight=weights * given.own / weights.sum())
    test = eyes.see(study.pixels[study.test(cell.fold)])
    chances = np.zeros((len(test), len(study.classes)))
    chances[:, model.classes_] = model.predict_proba(scaler.transform(test))
    if cell.arm.kind == "adjusted":
        counts = {name: int((labels == number).sum()) for number, name in enumerate(study.classes)}
        chances = prior.corrected(chances, study.classes, counts, cell.added)
    return chances


def sampled(study: Study, folds: tuple[int, ...]) -> statistics.Sample:
    """The test scans of the folds, with the draws that all arms share."""
    rows = [row for fold in folds for row in study.test(fold)]
    numbers = np.concatenate([np.full(len(study.test(fold)), fold) for fold in folds])
    groups = [study.groups[row] for row in rows]
    return statistics.sample(study.labels[rows], groups, numbers, study.classes.index(study.target))


def difference(sample: statistics.Sample, shares: Floats) -> str:
    """A difference known under every draw, in points, with its interval; empty where it has none."""
    span = statistics.interval(sample, 100 * shares)
    return f"{span.estimate:+.1f} ({span.low:.1f} to {span.high:.1f})" if span else ""


def table(sample: statistics.Sample, values: Mapping[Arm, Mapping[str, Floats]], against: Arm) -> str:
    """Scores in percent and differences in points, a row an arm; `values` are metrics under every draw."""
    heads = [*METRICS.values(), *(f"− {against}: {name}" for name in METRICS.values())]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for arm, scores in values.items():
        told = [
            "" if arm == against else difference(sample, scores[name] - values[against][name])
            for name in METRICS
        ]
        lines.append(
            f"| `{arm}` | {' | '.join(f'{100 * scores[name][0]:.1f}' for name in METRICS)} "
            f"| {' | '.join(told)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
