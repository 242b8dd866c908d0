"""Spreads that were planted in simulated cells are found again."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


def load(name: str) -> ModuleType:
    """A measurement of tests/speed as a module."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "speed" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


components = load("lean").components


def cells(folds: int, translators: int, seeds: int, training: float, translator: float) -> list[tuple]:
    """Cells of one arm: fold, translator, seed, macro-F1, and 3 points of noise from scans, known as such."""
    rng = np.random.default_rng(6)
    made = translator * rng.normal(size=(folds, translators))
    trained = training * rng.normal(size=(folds, translators, seeds))
    noise = 0.03 * rng.normal(size=trained.shape)
    level = 0.7 + 0.05 * rng.normal(size=(folds, 1, 1))
    table = level + made[:, :, None] + trained + noise
    return [(*place, float(table[place]), 0.03) for place in np.ndindex(*table.shape)]


def test_planted_spreads_are_found() -> None:
    found = components(cells(40, 4, 6, 0.023, 0.032))
    assert found.training == pytest.approx(0.023, abs=0.004)
    assert found.translator == pytest.approx(0.032, abs=0.005)
    assert found.scans == pytest.approx(0.03)
    assert (found.trainings, found.translators) == (40 * 4 * 5, 40 * 3)


def test_ranges_hold_what_was_planted_nineteen_times_in_twenty() -> None:
    """300 studies of two folds, two translators and three seeds: few enough that a spread is hardly known."""
    rng, held = np.random.default_rng(7), []
    for _ in range(300):
        made = 0.032 * rng.normal(size=(2, 2, 1))
        table = made + 0.023 * rng.normal(size=(2, 2, 3)) + 0.03 * rng.normal(size=(2, 2, 3))
        found = components([(*place, float(table[place]), 0.03) for place in np.ndindex(2, 2, 3)])
        ranges = ((found.training_range, 0.023), (found.translator_range, 0.032))
        held.append([low <= planted <= high for (low, high), planted in ranges])
    assert np.mean(held, axis=0) == pytest.approx(0.95, abs=0.04)


def test_no_spread_is_found_where_there_is_none() -> None:
    found = components(cells(40, 4, 6, 0.0, 0.0))
    assert found.training < 0.008 and found.translator < 0.008


def test_one_translator_tells_nothing_of_others() -> None:
    assert np.isnan(components(cells(2, 1, 6, 0.02, 0.02)).translator)


def test_a_table_with_holes_is_refused() -> None:
    with pytest.raises(ValueError, match="the same two or more seeds"):
        components(cells(2, 2, 3, 0.02, 0.02)[1:])


def test_a_table_with_holes_gives_its_largest_whole_part() -> None:
    """Of a study under way: every fold with the same translators, each with as many seeds."""
    measure = load("lean")
    rows = [(f, t, s, 0.5, 0.01) for f in (0, 1) for t in (0, 1) for s in range(3)]
    assert measure.without_holes(rows) == rows
    assert len(measure.without_holes(rows[:-1])) == 8, "two seeds of each"
    one_translator = [row for row in rows if row[1] == 0]
    assert measure.without_holes(rows[:-3]) == one_translator, "that of both folds, with all of its seeds"
    assert measure.without_holes(rows[:1]) == []


def test_differences_are_taken_seed_by_seed() -> None:
    measure = load("lean")
    drawn = {
        ("resnet18", "oversampled"): [(0, seed, np.array([0.1 * seed, 1.0])) for seed in range(3)],
        ("resnet18", "cyclegan"): [(seed % 2, seed, np.array([0.5, 2.0])) for seed in (3, 1, 0)],
        ("simplecnn", "cyclegan"): [(0, 0, np.array([0.5, 2.0]))],
    }
    found = measure.differences(drawn)
    assert list(found) == [("resnet18", "cyclegan − oversampled")], "nothing was repeated for the other model"
    ((_, first, one), (made, second, other)) = found["resnet18", "cyclegan − oversampled"]
    assert (first, second, made) == (1, 0, 0)
    assert one.tolist() == [0.4, 1.0] and other.tolist() == [0.5, 1.0]
