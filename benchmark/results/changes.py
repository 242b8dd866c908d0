"""Which test scans two arms answer differently: how many, which ones, and how many chance would change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from ..arms import Arm
from ..cell import Answers
from .summary import side_by_side

FEWEST = 4  # trainings of a scan, below which exchanging arms tells nothing
ENUMERATED = 10  # trainings whose exchanges are all gone through; of more, as many are drawn
SEED = 26  # of these draws


@dataclass(frozen=True)
class Changed:
    """How many test scans a model answers differently in one arm than in another: means over seeds."""

    model: str
    scans: int
    better: float  # from a wrong answer to the right one
    worse: float
    otherwise: float  # from one wrong answer to another
    again: float | None  # that two seeds of one and the same arm answer differently; None with one seed


@dataclass(frozen=True)
class Moved:
    """In how many of its trainings, of all models and seeds, a test scan is answered rightly."""

    file: str
    sha256: str
    label: str
    fold: int
    first: int  # by the first arm
    second: int
    trainings: int  # of each arm

    @property
    def far(self) -> int:
        """1 or −1 where its right answers rise or fall by half of the trainings or more, else 0."""
        net = self.first - self.second
        return int(np.sign(net)) if 2 * abs(net) >= self.trainings else 0


@dataclass(frozen=True)
class Changes:
    """What becomes of the answers to test scans where one arm takes the place of another."""

    first: Arm
    second: Arm
    models: list[Changed]
    scans: list[Moved]
    chance: float | None  # scans that would move far either way, were arms exchanged at random

    def moved(self, way: int) -> list[Moved]:
        """Scans that moved far for the better (1) or the worse (−1), the furthest first."""
        far = [scan for scan in self.scans if scan.far == way]
        return sorted(far, key=lambda scan: (way * (scan.second - scan.first) / scan.trainings, scan.file))


def changes(answers: Sequence[Answers], first: Arm, second: Arm) -> Changes:
    """The changes from arm `second` to arm `first`, over the folds and seeds that the tables compare.

    `chance`: arms are exchanged at random in each training of a model, fold and seed, as if it did not matter
    which one gave an answer; the mean over these exchanges of how many scans then move far for the better,
    which is that for the worse as well. None with fewer than four trainings a scan. Models that lack one of
    the arms are left out.
    """
    counted: list[Changed] = []
    by_fold: dict[int, list[tuple[Answers, Answers]]] = {}
    by_model: dict[str, list[Answers]] = {}
    for answered in answers:
        by_model.setdefault(answered.cell.model, []).append(answered)
    for model, own in by_model.items():
        by_cell, arms, folds, seeds = side_by_side(own)
        if not {first, second} <= set(arms):
            continue
        pairs = [(by_cell[first, f, s], by_cell[second, f, s]) for f in folds for s in seeds]
        for pair in pairs:
            by_fold.setdefault(pair[0].cell.fold, []).append(pair)
        again = [
            sum((by_cell[arm, fold, seed].given != by_cell[arm, fold, other].given).sum() for fold in folds)
            for arm in (first, second)
            for seed, other in combinations(seeds, 2)
        ]
        better, worse, otherwise = np.sum([_turned(*pair) for pair in pairs], axis=0) / len(seeds)
        tested = sum(len(by_cell[first, fold, seeds[0]].labels) for fold in folds)
        seen_again = float(np.mean(again)) if again else None
        counted.append(Changed(model, tested, better, worse, otherwise, seen_again))
    nets = [_nets(pairs) for pairs in by_fold.values()]
    known = nets and min(net.shape[1] for net in nets) >= FEWEST
    return Changes(
        first,
        second,
        counted,
        [scan for pairs in by_fold.values() for scan in _scans(pairs)],
        sum(map(_by_chance, nets)) if known else None,
    )


def _turned(first: Answers, second: Answers) -> tuple[int, int, int]:
    """Scans that are answered rightly by the first alone, by the second alone, and wrongly in two ways."""
    right, before = first.given == first.labels, second.given == second.labels
    otherwise = (first.given != second.given) & ~right & ~before
    return int((right & ~before).sum()), int((before & ~right).sum()), int(otherwise.sum())


def _nets(pairs: Sequence[tuple[Answers, Answers]]) -> NDArray[np.int64]:
    """N×T: 1 where a training's answer is right with the first arm alone, −1 with the second alone."""
    rights = [[(side.given == side.labels).astype(np.int64) for side in pair] for pair in pairs]
    return np.stack([first - second for first, second in rights], axis=1)


def _by_chance(nets: NDArray[np.int64]) -> float:
    """Mean over exchanges of arms of how many scans (N×T) move far for the better."""
    trainings = nets.shape[1]
    if trainings <= ENUMERATED:
        signs = np.array(list(product((-1, 1), repeat=trainings)))
    else:
        signs = np.random.default_rng(SEED).choice((-1, 1), (2**ENUMERATED, trainings))
    far = 2 * np.abs(nets @ signs.T) >= trainings
    return float(far.sum(0).mean() / 2)


def _scans(pairs: Sequence[tuple[Answers, Answers]]) -> Iterator[Moved]:
    """The test scans of a fold, with all its trainings."""
    tested = pairs[0][0]
    firsts, seconds = (
        np.sum([pair[place].given == pair[place].labels for pair in pairs], axis=0) for place in (0, 1)
    )
    for (file, sha256, label, _), first, second in zip(tested.scans, firsts, seconds, strict=True):
        yield Moved(file, sha256, label, tested.cell.fold, int(first), int(second), len(pairs))
