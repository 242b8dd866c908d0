"""The command that runs the study on BUSI: what its plan says, logged, in as many sittings as it takes."""

import csv
import signal
import subprocess
import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "busi-study" / "study.py"
FIRST = "```bash\nbus --version\nbus doctor --help\n```"
PLAN = f"# Plan\n\n## Commands\n\nFirst:\n\n{FIRST}\n\nThen:\n\n```bash\n{{}}\n```\n\n## After\n"


@pytest.fixture(scope="module")
def study() -> Any:
    spec = spec_from_file_location("busi_study", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(folder: Path, plan: str) -> list[str]:
    (folder / "plan.md").write_text(plan)
    words = ("--study", folder / "study", "--data", folder / "data", "--external", "other", "--jobs", "2")
    return [sys.executable, str(SCRIPT), *map(str, words), "--plan", str(folder / "plan.md")]


def log(folder: Path) -> list[tuple[str, str]]:
    rows = csv.DictReader((folder / "study-log.csv").open(encoding="utf-8"))
    return [(row["event"], row["command"]) for row in rows]


def test_commands_are_those_below_their_heading(study: Any) -> None:
    assert study.stages(PLAN.format("bus status")) == [["bus --version", "bus doctor --help"], ["bus status"]]
    with pytest.raises(SystemExit, match="expected a section"):
        study.stages("# Plan\n\n```bash\nbus status\n```\n")


def test_every_command_is_logged_and_a_failure_stops_what_follows(tmp_path: Path) -> None:
    plan = PLAN.format("bus status --study STUDY\nbus data --help")
    ended = subprocess.run(command(tmp_path, plan), capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "failed (see above)" in ended.stderr, ended.stderr
    events = log(tmp_path)
    first = {("start", "bus --version"), ("start", "bus doctor --help")}
    assert set(events[:2]) == first and {("done", line) for _, line in first} <= set(events)
    assert ("failed", "bus status --study STUDY") in events and str(tmp_path) not in str(events)


def test_it_may_be_stopped_and_keeps_to_its_plan(tmp_path: Path) -> None:
    words = command(tmp_path, PLAN.format("bus data phantom DATA --n 100000 --quiet"))
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    long = "bus data phantom DATA --n 100000 --quiet"
    end = time.monotonic() + 120
    while not (tmp_path / "study-log.csv").exists() or ("start", long) not in log(tmp_path):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "run the same again to go on" in errors
    assert log(tmp_path)[-1] == ("stopped", long)
    changed = command(tmp_path, PLAN.format("bus --version"))
    ended = subprocess.run(changed, capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "A study keeps its plan" in ended.stderr


def test_its_first_command_may_make_the_study(tmp_path: Path) -> None:
    bus = [
        sys.executable,
        "-m",
        "bus",
        "data",
        "phantom",
        str(tmp_path / "data"),
        "--n",
        "40",
        "--size",
        "64",
    ]
    subprocess.run(bus, check=True, capture_output=True)
    train = (
        "bus gan train --study STUDY --data DATA --size 32 --k 3 --preset demo --pairs 4 --method published"
    )
    ended = subprocess.run(command(tmp_path, PLAN.format(train)), capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and "All of the plan is done." in ended.stdout, ended.stderr
    assert log(tmp_path)[-1] == ("done", train)
    assert (tmp_path / "study" / "fold-0" / "gan" / "malignant" / "seed-0" / "DONE").exists()
