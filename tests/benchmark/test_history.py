"""What of a study was looked at."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from bus.benchmark.history import HISTORY, Past, past, record
from bus.benchmark.report_folder import ReportFolder
from bus.core.errors import BusError
from bus.core.files import read_json


@pytest.fixture
def study(tmp_path: Any) -> Any:
    """A study as far as its list of looks is concerned."""
    return SimpleNamespace(path=tmp_path)


def test_a_lost_list_is_read_from_the_reports(study: Any) -> None:
    """Looks that are not shown would flatter."""
    for number, command in enumerate(("bus benchmark", "bus benchmark --seeds 2"), 1):
        look = Past(command, 4, {"resnet18": "no detectable gain"}, command, report=number)
        ReportFolder(study.path, number).begin(command, look=look.recorded)
        record(study, look)
    kept = past(study)
    (study.path / HISTORY).unlink()
    assert past(study) == kept and len(kept) == 2
    record(study, kept[0])
    assert len(read_json(study.path / HISTORY)["benchmarks"]) == 2


def test_every_look_is_kept_once_in_order(study: Any) -> None:
    assert past(study) == []
    first = Past("bus benchmark", 4, {"resnet18": "no detectable gain"}, "a", partial=True)
    second = Past("bus benchmark --seeds 2", 8, {"resnet18": "gain"}, "b")
    assert record(study, first) == [first] and record(study, second) == [first, second]
    assert record(study, first) == [first, second] == past(study), "the same cells again are no new look"
    assert record(study, Past("unfinished", 1, {})) == [first, second], "without a hash it is none"


def test_a_look_that_is_repeated_says_what_its_report_now_says(study: Any) -> None:
    """Once a second model was tried, p values of the first are corrected for both."""
    first = Past("bus benchmark", 4, {"resnet18": "gain"}, "a", report=1)
    record(study, first)
    again = replace(first, command="bus report", verdicts={"resnet18": "no detectable gain"})
    (kept,) = record(study, again)
    assert (kept.command, kept.verdicts) == ("bus benchmark", again.verdicts) and past(study) == [kept]


def test_a_damaged_list_is_refused_by_name(study: Any) -> None:
    (study.path / HISTORY).write_text(json.dumps({"benchmarks": [{"command": "bus benchmark"}]}))
    with pytest.raises(BusError, match=r"benchmarks\.json does not hold what this version wrote"):
        past(study)
