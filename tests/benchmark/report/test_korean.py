"""The report's page in Korean beside the English one."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from bus.benchmark.report import korean
from bus.benchmark.report.study_report import write_report
from bus.benchmark.results import korean as sentences


@pytest.mark.long
def test_headings_and_verdict_are_korean_and_every_number_stays(made_up: Callable[..., Any]) -> None:
    made = made_up(folds=(0, 1))
    english = write_report(made.study, made.summary, cells=made.cells, checks=made.checks)
    before = english.read_text(encoding="utf-8")
    write_report(made.study, made.summary, cells=made.cells, checks=made.checks, language="ko")
    page = english.with_name("index.ko.html").read_text(encoding="utf-8")
    assert english.read_text(encoding="utf-8") == before
    assert '<html lang="ko">' in page and sentences.outcome(made.summary) in page
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert len(titles) == len(re.findall(r"<h2>(.*?)</h2>", before))
    assert set(titles) <= set(korean.TITLES.values())
    for model, verdict in made.summary.judged.items():
        assert sentences.headline(verdict) in page, model
    assert "네트워크 평균" in page and "Mean of the networks" in before
    tables = [re.findall(r"<tbody>.*?</tbody>", text, re.DOTALL) for text in (before, page)]
    assert tables[0] == tables[1]
    write_report(made.study, made.summary, cells=made.cells, checks=made.checks)
    assert not english.with_name("index.ko.html").exists(), "it would speak of an earlier report"
