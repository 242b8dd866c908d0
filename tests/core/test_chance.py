"""No two trainings of different folds or seeds draw alike, and fold 0 draws as it always did."""

from itertools import product

from bus.core.chance import stream


def test_fold_zero_draws_from_the_seed_alone() -> None:
    assert [stream(seed, 0) for seed in range(5)] == [*range(5)]


def test_no_two_trainings_draw_alike() -> None:
    numbers = [stream(seed, fold) for seed, fold in product(range(50), range(20))]
    assert len(set(numbers)) == len(numbers)
