"""Which answers change from one arm to another: counted by hand, and how many would by chance."""

from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bus.benchmark.arms import Arm
from bus.benchmark.cell import Answers
from bus.benchmark.results.changes import Changes, changes

MADE, REPEATED = Arm("cyclegan"), Arm("oversampled")
LABELS = (0, 0, 1, 2)


def answered(
    arm: Arm, given: tuple[int, ...], *, seed: int = 0, model: str = "vgg19", fold: int = 0
) -> Answers:
    """Answers of one training to scans of `LABELS`, over and over."""
    labels = np.resize(LABELS, len(given))
    scans = [
        (f"{fold}-{place}.png", f"hash {fold} {place}", str(label), "") for place, label in enumerate(labels)
    ]
    cell: Any = SimpleNamespace(arm=arm, model=model, fold=fold, seed=seed)
    numbers = np.array(given)
    return Answers(cell, scans, labels, numbers, np.eye(3)[numbers])


def both(made: tuple[int, ...], repeated: tuple[int, ...], **where: Any) -> list[Answers]:
    return [answered(MADE, made, **where), answered(REPEATED, repeated, **where)]


def drawn(trainings: int, scans: int = 40, folds: int = 2) -> list[Answers]:
    rng = np.random.default_rng(trainings)
    return [
        one
        for fold in range(folds)
        for seed in range(trainings)
        for one in both(*(tuple(rng.integers(3, size=scans)) for _ in "12"), seed=seed, fold=fold)
    ]


def test_answers_that_change_are_counted_a_seed() -> None:
    found = changes(
        [
            *both((0, 1, 1, 0), (1, 0, 1, 1), seed=0),  # better, worse, the same, otherwise wrong
            *both((0, 0, 1, 2), (0, 0, 0, 2), seed=1),  # third scan better
        ],
        MADE,
        REPEATED,
    )
    (one,) = found.models
    assert (one.model, one.scans) == ("vgg19", 4)
    assert (one.better, one.worse, one.otherwise) == (1, 0.5, 0.5)
    assert one.again == (2 + 3) / 2  # scans 2 and 4 of `cyclegan`, 1, 3 and 4 of `oversampled`
    assert [(scan.first, scan.second, scan.far) for scan in found.scans] == [
        (2, 1, 1),
        (1, 2, -1),
        (2, 1, 1),
        (1, 1, 0),
    ]
    assert [scan.file for scan in found.moved(1)] == ["0-0.png", "0-2.png"]
    assert found.chance is None  # two trainings tell nothing


def test_the_furthest_scan_comes_first() -> None:
    seeds = [((0, 0, 1, 2), (1, 1, 1, 2)), ((0, 0, 1, 2), (0, 1, 1, 2)), ((0, 0, 1, 2), (0, 1, 1, 2))]
    found = changes(
        [one for seed, given in enumerate(seeds) for one in both(*given, seed=seed)], MADE, REPEATED
    )
    assert [(scan.file, scan.first - scan.second) for scan in found.moved(1)] == [
        ("0-1.png", 3)
    ]  # one of three is not far
    assert not found.moved(-1)


@pytest.mark.parametrize("trainings", [1, 3, 5])
def test_more_right_answers_are_those_that_change_for_the_better_less_the_others(trainings: int) -> None:
    answers = drawn(trainings)
    (one,) = changes(answers, MADE, REPEATED).models
    right = {
        arm: sum((one.given == one.labels).sum() for one in answers if one.cell.arm == arm)
        for arm in (MADE, REPEATED)
    }
    assert one.better - one.worse == pytest.approx((right[MADE] - right[REPEATED]) / trainings)
    (back,) = changes(answers, REPEATED, MADE).models
    assert (back.better, back.worse, back.otherwise, back.again) == (
        one.worse,
        one.better,
        one.otherwise,
        one.again,
    )


def test_chance_is_the_mean_over_all_exchanges_of_arms() -> None:
    answers = drawn(4)
    found = changes(answers, MADE, REPEATED)
    cells = {(one.cell.fold, one.cell.arm, one.cell.seed): one for one in answers}
    far = 0
    for fold, exchange in product(range(2), product((False, True), repeat=4)):
        mixed: list[Answers] = []
        for seed, exchanged in enumerate(exchange):
            one, two = cells[fold, MADE, seed].given, cells[fold, REPEATED, seed].given
            mixed += both(
                *((tuple(two), tuple(one)) if exchanged else (tuple(one), tuple(two))), seed=seed, fold=fold
            )
        far += len(changes(mixed, MADE, REPEATED).moved(1))
    assert found.chance == pytest.approx(far / 16)


def test_many_trainings_are_exchanged_by_draws() -> None:
    always = [one for seed in range(12) for one in both((0, 0, 1, 2), (1, 0, 1, 2), seed=seed)]
    chance = changes(always, MADE, REPEATED).chance
    assert chance == pytest.approx(0.5 * 0.1460, abs=0.03)  # |sum of 12 signs| is 6 or more
    assert changes(always, MADE, REPEATED).chance == chance  # drawn alike each time
    same = [one for seed in range(12) for one in both((0, 0, 1, 2), (0, 0, 1, 2), seed=seed)]
    assert changes(same, MADE, REPEATED).chance == 0


def test_models_count_together_and_those_without_an_arm_not_at_all() -> None:
    two = [one for model in ("vgg19", "resnet18") for one in both((0, 0, 1, 2), (1, 0, 1, 2), model=model)]
    lacking = answered(REPEATED, (1, 1, 1, 1), model="simplecnn")
    found: Changes = changes([*two, lacking], MADE, REPEATED)
    assert [one.model for one in found.models] == ["vgg19", "resnet18"]
    assert (found.scans[0].first, found.scans[0].second, found.scans[0].trainings) == (2, 0, 2)
    assert changes([lacking], MADE, REPEATED) == Changes(MADE, REPEATED, [], [], None)
