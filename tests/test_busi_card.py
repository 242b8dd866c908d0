"""The study on BUSI on a graphics card: all trainings of the plan, none before what it needs."""

import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from bus.benchmark.external import read
from bus.data.phantom import write_cohort
from bus.data.study import Study

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
    words = {"good": "pass", "bad": "raise SystemExit(1)", "later": "pass"}
    monkeypatch.setattr(card, "__file__", "-c")  # in place of the script and its words
    monkeypatch.setattr(card.Card, "_words", lambda self, line: [words[line]])

    def run() -> list[tuple[str, str]]:
        todo = [card.Work("good"), card.Work("bad", ("good",)), card.Work("later", ("bad",))]
        log = card.Log(tmp_path, b"plan", of="abc", beside="a card")
        with suppress(SystemExit):
            card.Card(tmp_path, log, 1).run(todo, 2, float("inf"))
        assert all(row["commit"] == "abc" and row["machine"].startswith("a card, ") for row in log.rows)
        return [(row["event"], row["command"]) for row in log.rows]

    assert run() == [("start", "good"), ("done", "good"), ("start", "bad"), ("failed", "bad")]
    words["bad"] = "pass"
    assert [command for _, command in run()[4:]] == ["bad", "bad", "later", "later"]


@pytest.mark.long
def test_scans_are_neither_read_nor_judged(tiny_study: Path, tmp_path: Path) -> None:
    """The squares suffice, the split per image is trained too, and scores and reports are left to others."""
    path = Path(shutil.copytree(tiny_study, tmp_path / "study"))
    write_cohort(tmp_path / "elsewhere", 40, size=32, seed=9, scanner="linear-7")
    read(str(tmp_path / "elsewhere"), Study.open(path))
    study = "--study STUDY --size 32 --k 3 --seed 0 --fold 0 --preset demo"
    given = "--models simplecnn --arms original,adjusted,oversampled,cyclegan --seeds 1 --gan-seeds 1"
    lines = (
        f"bus gan train {study} --gan-seed 0 --pairs 8 --method published",
        "bus synth --study STUDY --n 40 --fold 0 --gan-seed 0",
        f"bus benchmark {study} {given} --external EXTERNAL --inflation --precision float32",
    )
    blocks = "\n\n".join(f"```bash\n{line} --device cpu\n```" for line in lines)
    (tmp_path / "plan.md").write_text(f"# Plan\n\n## Commands\n\n{blocks}\n")
    script = [sys.executable, str(FOLDER / "card.py"), "--device", "cpu", "--at-once", "2", "--jobs", "1"]
    places = ["--study", str(path), "--bank", str(tmp_path / "bank"), "--plan", str(tmp_path / "plan.md")]
    ended = subprocess.run([*script, *places], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len([*path.glob("fold-0/cells/*/simplecnn/*/DONE")]) == 4
    assert len([*path.glob("fold-0/cells/*/simplecnn/*/external-*.csv")]) == 4
    assert len([*path.glob("per-image/fold-0/cells/*/simplecnn/*/DONE")]) == 2
    assert [*path.glob("fold-0/synth/*/*/*.png")] and not [*path.rglob("scores*.json")]
    assert not (path / "report").exists()
