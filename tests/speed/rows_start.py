"""Rows of the commands: how soon --help answers, and a finished study."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from measure import Bench, Row

COMMANDS = (
    "", "gan", "gan train", "gan score", "synth", "benchmark", "demo", "data", "data check", "data phantom", "status",
    "report", "predict", "doctor",
)  # fmt: skip
FINISH = {
    "gan train": "--preset demo --pairs 40 --method published --set channels=4 --set blocks=1",
    "synth": "--n 30 --extractor efficientnet-lite0",
    "benchmark": "--preset demo --models simplecnn --arms original,cyclegan --extractor efficientnet-lite0",
}


def helps(bench: Bench) -> Row:
    """Every --help in a process of its own; the slowest counts."""
    commands, repeats = (COMMANDS[:2], 1) if bench.tiny else (COMMANDS, 3)
    seconds = {f"bus {command} --help".replace("  ", " "): _bus([*command.split(), "--help"], repeats, bench) for command in commands}
    return Row(
        "help", "slowest --help of all commands", max(seconds.values()), repeats=repeats, parts=seconds,
        note="to reach: 0.4 s",
    )  # fmt: skip


def nothing(bench: Bench) -> Row:
    """The three commands on a study in which they have nothing to do; the slowest counts."""
    study = bench.folder / "finished"
    if not (study / "report" / "DONE").exists():
        for command, options in FINISH.items():
            small = "--data phantom --size 32" if command == "gan train" else ""
            _bus([*command.split(), *options.split(), *small.split(), "--study", str(study)], 1, bench)
    repeats = bench.size(3, 1)
    seconds = {f"bus {command}": _bus([*command.split(), *options.split(), "--study", str(study)], repeats, bench) for command, options in FINISH.items()}
    return Row(
        "nothing", "slowest \"nothing to do\" of a finished study", max(seconds.values()), repeats=repeats, parts=seconds,
        note="to reach: 2 s",
    )  # fmt: skip


def _bus(arguments: Sequence[str], repeats: int, bench: Bench) -> float:
    """Median seconds of one command in a fresh process: on the wall, or of its processor time."""
    times = []
    for _ in range(repeats):
        begun, used = time.perf_counter(), _used()
        done = subprocess.run([sys.executable, "-m", "bus", *arguments], cwd=Path.home(), capture_output=True, text=True, env=os.environ)
        if done.returncode:
            raise RuntimeError(f"bus {' '.join(arguments)}: {done.stderr}")
        times.append(time.perf_counter() - begun if bench.clock == "wall" else _used() - used)
    return statistics.median(times)


def _used() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system
