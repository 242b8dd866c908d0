"""Rows of the commands: how soon --help answers, a slip, a finished study, and Ctrl-C ends what runs."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from measure import Bench, Row

COMMANDS = (
    "",
    "gan",
    "gan train",
    "gan score",
    "synth",
    "benchmark",
    "demo",
    "data",
    "data check",
    "data phantom",
    "status",
    "report",
    "predict",
    "doctor",
)
FINISH = {
    "gan train": "--preset demo --pairs 40 --method published --set channels=4 --set blocks=1",
    "synth": "--n 30 --extractor efficientnet-lite0",
    "benchmark": "--preset demo --models simplecnn --arms original,cyclegan --extractor efficientnet-lite0",
}
SLIPS = (  # a command, an option and values that there are not
    "benchmrk",
    "benchmark --nosuch",
    "benchmark --preset nosuch",
    "benchmark --models nosuch",
    "gan train --set nosuch=1",
    "gan train --size much",
)
LONG = {  # commands that run for minutes, and the line after which they are in the midst of it
    "CycleGAN benign": "gan train --preset demo --gan-seed 1 --pairs 1000000 --method published "
    "--set channels=4 --set blocks=1",
    "Trainings": "benchmark --preset standard --models simplecnn --arms original,weighted --jobs 2",
}


def helps(bench: Bench) -> Row:
    """Every --help in a process of its own; the slowest counts."""
    commands, repeats = (COMMANDS[:2], 1) if bench.tiny else (COMMANDS, 3)
    seconds = {
        f"bus {command} --help".replace("  ", " "): _bus([*command.split(), "--help"], repeats, bench)
        for command in commands
    }
    return _slowest("help", "slowest --help of all commands", seconds, repeats, "to reach: 0.4 s")


def slips(bench: Bench) -> Row:
    """Commands that are refused for a slip; the slowest counts."""
    repeats = bench.size(5, 1)
    seconds = {f"bus {slip}": _bus(slip.split(), repeats, bench, code=2) for slip in SLIPS}
    return _slowest("slips", "slowest refusal of a slip", seconds, repeats, "to reach: 0.3 s")


def status(bench: Bench) -> Row:
    """`bus status` of a finished study, of which it reads every file."""
    study, repeats = _finished(bench), bench.size(5, 1)
    seconds = _bus(["status", "--study", str(study)], repeats, bench)
    return Row("status", "bus status of a finished study", seconds, repeats=repeats, note="to reach: 1 s")


def nothing(bench: Bench) -> Row:
    """The three commands on a study in which they have nothing to do; the slowest counts."""
    study = _finished(bench)
    repeats = bench.size(3, 1)
    seconds = {
        f"bus {command}": _bus([*command.split(), *options.split(), "--study", str(study)], repeats, bench)
        for command, options in FINISH.items()
    }
    work = 'slowest "nothing to do" of a finished study'
    return _slowest("nothing", work, seconds, repeats, "to reach: 2 s")


def _slowest(name: str, work: str, seconds: dict[str, float], repeats: int, note: str) -> Row:
    """A row of several commands, of which the slowest counts."""
    return Row(name, work, max(seconds.values()), repeats=repeats, parts=seconds, note=note)


def _finished(bench: Bench) -> Path:
    """A small study in which everything is done."""
    study = bench.folder / "finished"
    if not (study / "report" / "1" / "DONE").exists():
        for command, options in FINISH.items():
            small = "--data phantom --size 32" if command == "gan train" else ""
            _bus([*command.split(), *options.split(), *small.split(), "--study", str(study)], 1, bench)
    return study


def interrupt(bench: Bench) -> Row:
    """Ctrl-C in the midst of training: seconds until the command has written its checkpoint and ended."""
    study, repeats = bench.folder / "stopped", bench.size(3, 1)
    _bus(
        [
            "gan",
            "train",
            "--data",
            "phantom",
            "--size",
            "32",
            "--study",
            str(study),
            *FINISH["gan train"].split(),
        ],
        1,
        bench,
    )
    seconds = {}
    for line, command in LONG.items():
        times = [_interrupted([*command.split(), "--study", str(study)], line) for _ in range(repeats)]
        seconds[f"bus {command.split(' --')[0]}"] = statistics.median(times)
    return Row(
        "interrupt",
        "slowest end after Ctrl-C",
        max(seconds.values()),
        repeats=repeats,
        parts=seconds,
        note="to reach: 2 s; on the wall",
    )


def _interrupted(arguments: Sequence[str], line: str) -> float:
    """Seconds from Ctrl-C, some time after a line was printed, to the end of the process and its children."""
    command = [sys.executable, "-u", "-m", "bus", *arguments]
    process = subprocess.Popen(
        command, cwd=Path.home(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = ""
    while line not in said:
        if not (more := process.stdout.readline()):
            raise RuntimeError(f"bus {' '.join(arguments)}: {said}")
        said += more
    time.sleep(5)  # until the cells' own processes train
    process.send_signal(signal.SIGINT)
    begun = time.perf_counter()
    process.communicate()
    seconds = time.perf_counter() - begun
    if process.returncode != 130:
        raise RuntimeError(
            f"bus {' '.join(arguments)} ended with {process.returncode} after Ctrl-C, expected 130"
        )
    return seconds


def _bus(arguments: Sequence[str], repeats: int, bench: Bench, code: int = 0) -> float:
    """Median seconds of one command in a fresh process, that ends with `code`: on the wall, or of its
    processor time."""
    times = []
    for _ in range(repeats):
        begun, used = time.perf_counter(), _used()
        done = subprocess.run(
            [sys.executable, "-m", "bus", *arguments],
            cwd=Path.home(),
            capture_output=True,
            text=True,
            env=os.environ,
        )
        if done.returncode != code:
            raise RuntimeError(f"bus {' '.join(arguments)}: {done.stderr}")
        times.append(time.perf_counter() - begun if bench.clock == "wall" else _used() - used)
    return statistics.median(times)


def _used() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system
