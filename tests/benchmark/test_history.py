"""What of a study was looked at."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from bus.benchmark.history import HISTORY, Past, past, record
from bus.core.errors import BusError


@pytest.fixture
def study(tmp_path: Any) -> Any:
    """A study as far as its list of looks is concerned."""
    return SimpleNamespace(path=tmp_path)


def test_every_look_is_kept_once_in_order(study: Any) -> None:
    assert past(study) == []
    first = Past("bus benchmark", 4, {"resnet18": "no detectable gain"}, "a", partial=True)
    second = Past("bus benchmark --seeds 2", 8, {"resnet18": "gain"}, "b")
    assert record(study, first) == [first] and record(study, second) == [first, second]
    assert record(study, first) == [first, second] == past(study), "the same cells again are no new look"
    assert record(study, Past("unfinished", 1, {})) == [first, second], "without a hash it is none"


def test_a_damaged_list_is_refused_by_name(study: Any) -> None:
    (study.path / HISTORY).write_text(json.dumps({"benchmarks": [{"command": "bus benchmark"}]}))
    with pytest.raises(BusError, match=r"benchmarks\.json does not hold what this version wrote"):
        past(study)
