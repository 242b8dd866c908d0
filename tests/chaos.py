"""`make chaos`: kill the three commands at random points, run them again, compare with a study left in peace.

Not a test of the normal run: it takes minutes. A round makes a tiny study; its commands are killed (SIGKILL)
once or several times each and started again until they end by themselves. Then every file must equal, bit for
bit, that of a study made without interruption, and nothing may be left over. What may differ is time alone,
listed in `TIMES`.

Commands are forked from this process, which has imported torch: a kill during an import shows nothing and
costs seconds. The workers of `benchmark` are fresh processes, as they are for everybody: how they begin, and
how they end with a parent that was killed, is part of what is tried.
"""

import argparse
import csv
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bus.benchmark import pipeline
from bus.benchmark.cells import STEPS
from bus.benchmark.report import study_report as report
from bus.benchmark.results import statistics as stats
from bus.benchmark.results import summary
from bus.cli import app as cli
from bus.gan import scoring
from bus.gan.scores import score

assert all((pipeline, report, stats, summary, score, scoring)), "imported before the first fork"

COMMANDS = {
    "gan train": "gan train --study study --data data --size 32 --k 2 --preset demo --pairs 120 "
    "--method published --set channels=4 --set blocks=1",
    "synth": "synth --study study --n 40 --extractor efficientnet-lite0",
    "benchmark": "benchmark --study study --preset demo --models simplecnn --arms original,cyclegan --jobs 2 "
    "--extractor efficientnet-lite0 --keep-weights",
}
TIMES = {  # the only content that may differ: durations in seconds or minutes, and when a file was written
    "study.json": "the key `time` of every file in it, and `seal` (a hash over those)",
    "metrics.jsonl": "the key `seconds` of every line",
    "checkpoint.pt": "the key `seconds` of the log and of every line in it",
    "checkpoint.json": "the hashes of such checkpoints",
    "DONE": "the keys `seconds` (translators), `seal`, `files` and `shown` (hashes of those)",
    "metrics.json": "the keys `seconds` and `seal`",
    "remade.json": "the key `when` (a date) and `seal`",
    "results.csv": "the column `seconds`",
    "report.md": "the table under `Cost`",
    "index.html": "the section `cost`",
}
TIMED = ("seconds", "when", "seal", "files", "shown", "sha256")  # keys of times, or hashes of what holds them
POLL = 0.002  # s between two looks at a study
Snapshot = dict[str, Any]


class Process:
    """A command under way."""

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode = pid, None if pid else 0

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        if self.returncode is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if done else None
        return self.returncode

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        while self.poll() is None:
            time.sleep(POLL)
        return self.returncode or 0


def start(command: str, folder: Path, log: Path) -> Process:
    """Start a command in a process group of its own, its output appended to `log`."""
    pid = os.fork()
    if pid:
        return Process(pid)
    code = 99
    try:
        os.setsid()
        os.chdir(folder)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = ["bus", *command.split()]
        cli.main(command.split())
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def changes(study: Path, process: Process, enough: Callable[[int, float], bool]) -> int | None:
    """Watch a study while a process runs; the changes counted once `enough`, None if it ended first."""
    begun, seen, count = time.monotonic(), state(study), 0
    while process.poll() is None:
        now = state(study)
        count += now != seen
        seen = now
        if enough(count, time.monotonic() - begun):
            return count
        time.sleep(POLL)
    return None


def state(study: Path) -> frozenset[tuple[str, int]]:
    """Names and sizes below a folder, looked at quickly."""
    found, waiting = [], [str(study)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    found.append((entry.path, entry.stat(follow_symlinks=False).st_size))
        except FileNotFoundError:
            continue
    return frozenset(found)


def phase(name: str, study: Path) -> str:
    """What a command is doing, from what lies there."""
    if not (study / "study.json").exists():
        return "before or while the study is created"
    if name == "gan train":
        trained = any(study.glob("fold-0/gan/*/*/DONE"))
        begun = any(study.glob("fold-0/gan/*/*/checkpoint.pt"))
        return (
            "translator: finished"
            if trained
            else "translator: after a checkpoint"
            if begun
            else "translator: before its first checkpoint"
        )
    if name == "synth":
        made = any(study.glob("fold-0/synth/*/*/manifest.csv"))
        begun = any(study.glob("fold-0/synth/*/*/*.png"))
        return (
            "scoring" if made else "writing synthetic scans" if begun else "before the first synthetic scan"
        )
    cells = len(list(study.glob("fold-0/cells/*/*/*/DONE")))
    return ("before the first cell is done", "between the cells", "report")[min(cells, 2)]


def kill(process: Process, whole_group: bool) -> None:
    """SIGKILL the command, or it and its workers; orphans must end by themselves within 10 s."""
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(100):
        if not members(process.pid):
            return
        time.sleep(0.1)
    raise SystemExit(f"orphans outlive their killed parent {process.pid}: {members(process.pid)}")


def members(group: int) -> list[int]:
    """Processes of a process group that are no zombies."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in found.splitlines()]
    return [int(pid) for pid, pgid, stat in rows if int(pgid) == group and not stat.startswith("Z")]


def snapshot(study: Path) -> Snapshot:
    """The content of every file, without times."""
    return {
        path.relative_to(study).as_posix(): timeless(path)
        for path in sorted(study.rglob("*"))
        if path.is_file()
    }


def timeless(path: Path) -> Any:
    """A file's content without what `TIMES` lists."""
    content = path.read_bytes()
    if path.name == "checkpoint.pt":
        return _timeless_checkpoint(content)
    if path.name == "study.json":
        record = json.loads(content)
        files = [{key: value for key, value in file.items() if key != "time"} for file in record["files"]]
        return {**record, "files": files, "seal": None}
    if path.name == "metrics.jsonl":
        return [without_seconds(json.loads(line)) for line in content.decode().splitlines()]
    if path.name in ("DONE", "metrics.json", "checkpoint.json"):
        return without_seconds(json.loads(content))
    if path.name == "results.csv":
        return [without_seconds(row) for row in csv.DictReader(io.StringIO(content.decode()))]
    if path.name == "report.md":
        return re.sub(r"(?ms)^## Cost$.*?(?=^## )", "", content.decode())
    if path.name == "index.html":
        return re.sub(r'(?s)<div id="cost">.*?</section>', "", content.decode())
    return content


def _timeless_checkpoint(content: bytes) -> list[tuple[str, bytes]]:
    import torch

    saved = torch.load(io.BytesIO(content), weights_only=True)
    log = without_seconds(json.loads(saved.pop("log")))
    log["lines"] = [without_seconds(line) for line in log["lines"]]
    return [("log", json.dumps(log).encode()), *flat(saved, "")]


def flat(value: Any, name: str) -> list[tuple[str, bytes]]:
    """Nested dictionaries and lists as (path, bytes of the value)."""
    if isinstance(value, dict):
        return [item for key in value for item in flat(value[key], f"{name}/{key}")]
    if isinstance(value, list | tuple):
        return [item for number, one in enumerate(value) for item in flat(one, f"{name}/{number}")]
    return [(name, value.cpu().numpy().tobytes() if hasattr(value, "cpu") else repr(value).encode())]


def without_seconds(record: dict[str, Any]) -> dict[str, Any]:
    """A copy without the key `seconds`."""
    return {key: value for key, value in record.items() if key not in TIMED}


def differences(reference: Snapshot, found: Snapshot) -> list[str]:
    """Files that are missing, left over or other, by name."""
    names = sorted(reference.keys() | found.keys())
    return [
        name for name in names if name not in found or name not in reference or reference[name] != found[name]
    ]


class Chaos:
    """A run: the reference, then rounds until enough kills."""

    def __init__(self, root: Path, kills: int, seed: int) -> None:
        self.root, self.kills, self.rng = root, kills, random.Random(seed)
        self.counted: Counter[tuple[str, str]] = Counter()
        self.log = root / "log.txt"

    def simulate(self) -> None:
        """Write the data set of all studies."""
        log = self.root / "simulate.txt"
        if start("data phantom data --n 60 --size 64", self.root, log).wait():
            raise SystemExit(log.read_text())

    def folder(self, name: str) -> Path:
        """A new folder for one study, from which the data are called `data`."""
        folder = self.root / name
        folder.mkdir()
        (folder / "data").symlink_to(self.root / "data")
        return folder

    def reference(self) -> tuple[Snapshot, dict[str, tuple[int, float]]]:
        """An uninterrupted study, and how many changes and seconds each command took."""
        folder, length = self.folder("reference"), {}
        for name, command in COMMANDS.items():
            begun, most = time.monotonic(), 0

            def watch(count: int, seconds: float) -> bool:
                nonlocal most
                most = count
                return False

            process = start(command, folder, self.log)
            changes(folder / "study", process, watch)
            self.check(process, name)
            length[name] = (most, time.monotonic() - begun)
            print(f"undisturbed {name}: {length[name][0]} changes in {length[name][1]:.0f} s", flush=True)
        return snapshot(folder / "study"), length

    def check(self, process: Process, name: str) -> None:
        """Stop unless a command ended well and without a traceback."""
        said = self.log.read_text(errors="replace")
        if process.returncode or "Traceback" in said:
            raise SystemExit(f"{name} ended with {process.returncode}:\n{said[-3000:]}")

    def round(self, number: int, length: dict[str, tuple[int, float]]) -> Snapshot:
        """One study whose commands are killed and started again."""
        folder = self.folder(f"round-{number}")
        for name, command in COMMANDS.items():
            patience = self.rng.randint(2, 5)  # kills of this command
            while True:
                process = start(command, folder, self.log)
                most, seconds = length[name]
                after, until = self.rng.randint(1, max(1, most)), self.rng.uniform(0, seconds)
                by_change = self.rng.random() < 0.7
                more = patience > 0 and sum(self.counted.values()) < self.kills

                def enough(
                    count: int,
                    passed: float,
                    a: int = after,
                    u: float = until,
                    c: bool = by_change,
                    m: bool = more,
                ) -> bool:
                    return m and (count >= a if c else passed >= u)

                if changes(folder / "study", process, enough) is None:
                    break
                where = phase(name, folder / "study")
                kill(process, self.rng.random() < 0.5)
                patience -= 1
                self.counted[name, where] += 1
                print(f"kill {sum(self.counted.values())}: {name}, {where}", flush=True)
            self.check(process, name)
        return snapshot(folder / "study")

    def run(self) -> None:
        """All of it; exits with a sentence at the first difference."""
        begun = time.monotonic()
        self.simulate()
        reference, length = self.reference()
        number = 0
        while sum(self.counted.values()) < self.kills:
            number += 1
            found = self.round(number, length)
            wrong = differences(reference, found)
            if wrong:
                raise SystemExit(f"round {number} differs from the undisturbed study: {', '.join(wrong)}")
            print(f"round {number}: all {len(found)} files equal, nothing left over", flush=True)
            shutil.rmtree(self.root / f"round-{number}")
        for (name, where), count in sorted(self.counted.items()):
            print(f"| {name} | {where} | {count} |")
        minutes = (time.monotonic() - begun) / 60
        print(f"{sum(self.counted.values())} kills in {number} rounds survived, {minutes:.0f} min")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the studies, which is kept")
    given = parser.parse_args()
    STEPS["demo"] = (8, 4)  # optimiser steps; the point here is not what is learnt
    if given.keep:
        given.keep.mkdir(parents=True)
        Chaos(given.keep.resolve(), given.kills, given.seed).run()
        return
    with tempfile.TemporaryDirectory(prefix="bus-chaos-") as root:
        Chaos(Path(root), given.kills, given.seed).run()


if __name__ == "__main__":
    main()
