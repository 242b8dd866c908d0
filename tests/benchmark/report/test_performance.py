"""The table of results."""

from types import SimpleNamespace
from typing import Any

from bus.benchmark.report.performance import seed_range


def test_the_spread_of_seeds_stands_beside_the_mean() -> None:
    group: Any = SimpleNamespace(per_seed=[{"macro_f1": 0.61}, {"macro_f1": 0.7}, {"macro_f1": 0.655}])
    assert seed_range(group) == "61.0–70.0"
    group.per_seed = group.per_seed[:1]
    assert seed_range(group) == ""
