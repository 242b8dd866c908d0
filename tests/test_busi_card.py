"""The study on BUSI on a graphics card: all trainings of the plan, none before what it needs."""

import csv
import shlex
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "busi-study"
PLAN = (FOLDER / "plan.md").read_text(encoding="utf-8")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    return import_module("card")


def test_it_trains_what_the_plan_trains_on_another_device(card: Any) -> None:
    found = card.works(PLAN, device="cuda", reports=3)
    lines = [work.line for work in found]
    assert all("--device cuda" in line and "--data" not in line for line in lines)
    for command in ("bus gan train", "bus synth"):
        own = [line for line in lines if line.startswith(command)]
        places = {(card.told(line, "--fold"), card.told(line, "--gan-seed")) for line in own}
        assert len(own) == 15 and places == set(product("01234", "012"))
    trained = [line for line in lines if line.startswith("bus benchmark")]
    assert all("--no-report" in line for line in trained if "--fold all" not in line)
    assert sum("--fold all" in line and "--inflation" in line for line in trained) == 1
    assert sum("vgg19" in line for line in trained) == sum("pasted" in line for line in trained) == 5
    (one,) = {line for line in trained if "--fold 3" in line and "cyclegan" in line and "resnet18" in line}
    from study import looks, stages  # beside card.py

    whole = next(line for block in stages(PLAN) for line in block if looks(line))
    words = set(shlex.split(whole)) - {"--inflation", "--data", "DATA", "all", "cpu"}
    assert set(shlex.split(one)) == words | {"3", "cuda", "--no-report"}


def test_nothing_begins_before_what_it_needs(card: Any) -> None:
    found = card.works(PLAN, device="cuda", reports=2)
    known = {work.line: work for work in found}
    for work in found:
        assert set(work.after) <= set(known)
        if "vgg19" in work.line:
            (before,) = work.after
            needed = [line for line in known[before].after if line.startswith("bus synth")]
            assert len(needed) == 3 and len({card.told(line, "--fold") for line in (*needed, work.line)}) == 1


def test_a_failure_stops_all_and_is_logged(
    card: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = card.Card(tmp_path, tmp_path / "bank", b"plan", "0000000", 1)
    words = {"good": "pass", "bad": "raise SystemExit(1)", "later": "pass"}
    monkeypatch.setattr(card, "__file__", "-c")  # in place of the script and its words
    monkeypatch.setattr(made, "_words", lambda line: [words[line]])
    todo = [card.Work("good"), card.Work("bad", ("good",)), card.Work("later", ("bad",))]
    with pytest.raises(SystemExit, match="bad failed"):
        made.run(todo, 2, float("inf"))
    rows = list(csv.DictReader((tmp_path / "bank" / "log.csv").open(encoding="utf-8")))
    events = [(row["event"], row["command"]) for row in rows]
    assert events == [("start", "good"), ("done", "good"), ("start", "bad"), ("failed", "bad")]
    again = card.Card(tmp_path, tmp_path / "bank", b"plan", "0000000", 1)
    words["bad"] = "pass"
    monkeypatch.setattr(again, "_words", lambda line: [words[line]])
    todo = [card.Work("good"), card.Work("bad", ("good",)), card.Work("later", ("bad",))]
    again.run(todo, 2, float("inf"))
    rows = list(csv.DictReader((tmp_path / "bank" / "log.csv").open(encoding="utf-8")))
    assert [row["command"] for row in rows].count("good") == 2 and rows[-1]["event"] == "done"
