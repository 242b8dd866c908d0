"""Intervals over other scans, trainings and translators: nominal on simulated studies, and right by hand."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.stats
from bus.benchmark.results import retraining
from bus.benchmark.results import statistics as stats


def load(name: str) -> ModuleType:
    """A measurement of tests/speed as a module."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "speed" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


simulation = load("coverage")
NOMINAL = (0.93, 0.97)
NARROW = ("scans", "retrained")


def allowed(studies: int) -> tuple[float, float]:
    """Shares of covered studies that a method of 93 to 97 % gives in all but one of 1,000 simulations."""
    low, high = (scipy.stats.binom(studies, share) for share in NOMINAL)
    return low.ppf(0.0005) / studies, high.ppf(0.9995) / studies


@pytest.mark.long
@pytest.mark.parametrize(("seeds", "translators"), [(3, 3), (3, 1), (4, 2)])
def test_trainings_that_lean_are_held_by_the_interval_that_decides(seeds: int, translators: int) -> None:
    """Five folds, leans of 2.3 points; also where several seeds take scans of one translator."""
    design = simulation.Design(seeds, 5, 2.3, 2.3, translators)
    covered = simulation.coverage(design, 100, NARROW)
    low, high = allowed(100)
    assert low <= covered["retrained"][0] <= high
    assert covered["scans"][0] < covered["retrained"][0] and covered["scans"][1] < covered["retrained"][1]


def test_the_interval_that_decides_is_mostly_the_wider_one() -> None:
    design = simulation.Design(3, 5, 2.3, 2.3)
    found = simulation.narrower(design, 40)
    assert found.narrower < 0.4 and found.deciding <= found.wider
    assert found.deciding == simulation.coverage(design, 40, NARROW)["retrained"][0]


@pytest.mark.long
def test_the_mean_of_three_models_is_surer_than_one_and_finds_a_gain_that_is_there() -> None:
    design = simulation.Design(3, 5, 2.3, 2.3)
    null, true = (simulation.of_mean(replace(design, gain=gain), 30, 3) for gain in (0.0, 8.0))
    assert null.holds >= 0.8 and null.shown <= 0.1 and true.holds >= 0.8 and true.shown >= 0.9
    assert null.half_width < simulation.coverage(design, 30, ("retrained",))["retrained"][1]


@pytest.mark.slow
@pytest.mark.parametrize("design", [*simulation.designs()], ids=str)
def test_every_design_that_can_know_is_covered(design: "simulation.Design") -> None:  # type: ignore[name-defined]
    low, high = allowed(600)
    covered = simulation.coverage(design, 600, NARROW)
    assert "retrained" not in covered or low <= covered["retrained"][0] <= high


@pytest.mark.slow
def test_no_claim_is_made_by_chance_in_more_than_a_twentieth_of_null_studies() -> None:
    for lean in (0.0, 3.2):
        made = simulation.claims(simulation.Design(3, 5, lean, lean), 300, again=True)
        assert made.gain <= 0.05 and made.loss <= 0.05


def sample_of(groups: int, folds: int, draws: int = 4000) -> stats.Sample:
    names = [str(i) for i in range(groups)]
    return stats.sample(np.zeros(groups, int), names, np.arange(groups) * folds // groups, 0, draws=draws)


def means(sample: stats.Sample, values: np.ndarray) -> np.ndarray:
    """The mean of S×groups values under every row of weights."""
    return values @ sample.weights.T / sample.weights.sum(axis=1)


def test_seeds_that_agree_leave_the_spread_of_scans_alone() -> None:
    sample = sample_of(100, 5)
    one = np.random.default_rng(1).normal(size=100)
    values = means(sample, np.tile(one, (3, 1)))
    found, narrow = retraining.retrained(sample, values), stats.interval(sample, values[0])
    assert found is not None and narrow is not None and found.basis == "seeds"
    assert (found.low, found.high) == pytest.approx((narrow.low, narrow.high), abs=0.02)


def test_trainings_that_alone_differ_give_students_interval() -> None:
    """No spread over scans: what is left is the mean of F·S trainings."""
    sample, rng = sample_of(60, 2), np.random.default_rng(2)
    each = rng.normal(size=(4, 2))  # seeds×folds
    found = retraining.retrained(sample, means(sample, np.repeat(each, 30, axis=1)))
    assert found is not None and found.freedom == pytest.approx(6)
    error = np.sqrt(each.var(axis=0, ddof=1).mean() / 8)
    assert found.standard_error == pytest.approx(error)
    assert found.high - found.estimate == pytest.approx(scipy.stats.t.ppf(0.975, 6) * error)
    assert (found.p <= 0.05) == (found.low > 0 or found.high < 0)


def test_one_translator_for_all_seeds_leaves_the_folds_to_tell() -> None:
    sample, rng = sample_of(90, 3), np.random.default_rng(3)
    values = means(sample, rng.normal(0.2, 1, size=(2, 90)))
    found = retraining.retrained(sample, values, [4, 4])
    assert found is not None and (found.basis, found.freedom) == ("folds", 2)
    expected = scipy.stats.ttest_1samp(values[:, 1:4].mean(axis=0), values[:, 0].mean())
    assert expected.pvalue == pytest.approx(1), "equal folds: the mean of the folds is that of the whole"
    folds = values[:, 1:4].mean(axis=0)
    assert found.p == pytest.approx(scipy.stats.ttest_1samp(folds, 0).pvalue)


def test_seeds_of_one_translator_count_once() -> None:
    sample, rng = sample_of(90, 2), np.random.default_rng(5)
    values = means(sample, rng.normal(0.2, 1, size=(6, 90)))
    found = retraining.retrained(sample, values, [0, 1, 2, 0, 1, 2])
    pairs = (values[:3] + values[3:]) / 2
    assert found == retraining.retrained(sample, pairs) and found.basis == "seeds"
    assert retraining.retrained(sample, values, [0, 1, 2, 0, 1, 1]) is None, "one serves more than another"


@pytest.mark.parametrize(
    ("seeds", "folds", "translators", "known"),
    [
        (1, 1, 1, False),
        (1, 2, 1, False),
        (1, 3, 1, True),
        (2, 1, 2, False),
        (3, 1, 3, True),
        (3, 1, 1, False),
        (6, 1, 2, False),
        (6, 1, 3, True),
        (6, 2, 1, False),
        (6, 2, 2, True),
        (6, 2, 4, False),
        (6, 3, 4, True),
        (2, 2, 2, True),
    ],
)
def test_what_nobody_can_know_is_not_told(seeds: int, folds: int, translators: int, known: bool) -> None:
    sample = sample_of(60, folds, 200)
    values = means(sample, np.random.default_rng(4).normal(size=(seeds, 60)))
    made = [seed % translators for seed in range(seeds)]
    assert (retraining.retrained(sample, values, made) is not None) == known
    assert (retraining.expected_half_width(folds, seeds, translators=translators) is not None) == known


def test_two_arms_that_answer_alike_show_nothing() -> None:
    sample = sample_of(60, 2, 200)
    found = retraining.retrained(sample, np.zeros((2, len(sample.weights))))
    assert found is not None and (found.low, found.high, found.p, found.detectable) == (0, 0, 1, 0)


@pytest.mark.parametrize(
    ("seeds", "folds", "translators"), [(3, 5, 3), (3, 1, 3), (6, 2, 6), (1, 5, 1), (3, 5, 1), (4, 2, 2)]
)
def test_the_expected_width_is_that_of_simulated_studies(seeds: int, folds: int, translators: int) -> None:
    design = simulation.Design(seeds, folds, 2.3, 2.3, translators)
    _, half = simulation.coverage(design, 24, ("retrained",))["retrained"]
    expected = retraining.expected_half_width(folds, seeds, translators=translators)
    assert expected == pytest.approx(half, rel=0.15)
