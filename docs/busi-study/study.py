"""The study on BUSI as its plan says, over as many sittings as it takes.

    python docs/busi-study/study.py --study DIR --data BUSI --external BREAST [--jobs 2] [--minutes 170]

The commands stand in plan.md, under "Commands": those of one block may run side by side, blocks one after
another. In them STUDY, DATA and EXTERNAL stand for what is given here. Each command goes on where it was
stopped, and says that nothing is to do where it is done, so that this one may be stopped at any time and run
again. `DIR-log.csv` beside the study gets a line whenever a command starts or ends: when, from which commit,
by which plan, on what machine. A plan that changed since the first line is refused.
"""

import argparse
import csv
import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from bus.benchmark.report.repeat import machine, versions

HERE = Path(__file__).parent
COLUMNS = ("time", "event", "command", "commit", "plan_sha256", "machine", "versions")


class Stopped(Exception):
    """The sitting is over: its time is up, or somebody stopped it."""


def stages(plan: str) -> list[list[str]]:
    """The commands of a plan, a list for each fenced block below its heading "Commands"."""
    _, found, rest = plan.partition("\n## Commands\n")
    section = re.split(r"\n## ", rest)[0]
    blocks = [block.splitlines() for block in re.findall(r"```bash\n(.*?)```", section, re.DOTALL)]
    commands = [[line.strip() for line in block if line.startswith("bus ")] for block in blocks]
    if not found or not commands or not all(commands):
        raise SystemExit('plan.md: expected a section "## Commands" with blocks of bus commands (```bash).')
    return commands


def log_of(study: Path) -> Path:
    """The log of a study: beside its folder, which holds nothing but what bus writes."""
    return study.with_name(f"{study.name}-log.csv")


class Log:
    """The lines that tell of a study's commands, in a file beside its folder."""

    def __init__(self, study: Path, plan: bytes) -> None:
        self.path, self.digest = log_of(study), hashlib.sha256(plan).hexdigest()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self._append(COLUMNS)
        rows = list(csv.DictReader(self.path.open(encoding="utf-8")))
        others = {row["plan_sha256"] for row in rows} - {self.digest}
        if others:
            raise SystemExit(
                f"plan.md is not the plan of {rows[0]['time']}, by which this study began (commit "
                f"{rows[0]['commit']}). A study keeps its plan: bring that version back, or say in "
                "deviations.md what was changed and why, and begin another study."
            )

    def say(self, event: str, command: str) -> None:
        """Add a line: `event` is start, done, failed or stopped."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        software = " ".join(f"{name} {number}" for name, number in versions())
        where = f"{machine()}, {os.cpu_count()} cores"
        self._append((now, event, command, commit(), self.digest, where, software))
        print(f"{now} {event}: {command}", flush=True)

    def _append(self, row: Sequence[str]) -> None:
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


def commit() -> str:
    """The commit of this checkout, with a plus where files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", HERE, *words], capture_output=True, text=True, check=False
        ).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + "+" * bool(git("status", "--porcelain"))


def run(commands: Mapping[str, Sequence[str]], jobs: int, log: Log, over: Callable[[], bool]) -> None:
    """Run commands, at most `jobs` at once; Stopped, and all of them told to stop, once the sitting is over.

    `commands` gives the words of each by its line in the plan, which is what the log says: no path of here.
    """
    waiting, running = list(commands.items()), {}
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                line, words = waiting.pop(0)
                log.say("start", line)
                running[subprocess.Popen([sys.executable, "-m", *words], env=environment)] = line
            time.sleep(0.2)
            if over():
                raise Stopped
            for process in [one for one in running if one.poll() is not None]:
                command = running.pop(process)
                log.say("done" if process.returncode == 0 else "failed", command)
                if process.returncode:
                    raise SystemExit(f"{command} failed (see above). Run the same again once that is mended.")
    finally:
        for process in running:
            process.terminate()  # what runs in the background of a shell may be deaf to Ctrl-C
        for process, command in running.items():
            process.wait()
            log.say("stopped", command)


def main() -> None:
    """Do what is left of the plan."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", type=Path, required=True, help="folder of the study, outside the checkout")
    parser.add_argument("--data", required=True, help="BUSI, as bus --data takes it")
    parser.add_argument("--external", required=True, help="BrEaST, as bus benchmark --external takes it")
    parser.add_argument("--plan", type=Path, default=HERE / "plan.md", help="another plan than that of BUSI")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings at once")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    asked = parser.parse_args()
    if not (asked.study.name and asked.data and asked.external):
        parser.error("--study, --data and --external need a value each: make study STUDY=… DATA=… EXTERNAL=…")
    end = time.monotonic() + 60 * asked.minutes
    names = {"STUDY": str(asked.study), "DATA": asked.data, "EXTERNAL": asked.external}
    plan = asked.plan.read_bytes()

    stopped: list[int] = []  # signals that came; looked at between starts, so that no process is lost

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    log = Log(asked.study, plan)

    def over() -> bool:
        return bool(stopped) or time.monotonic() > end

    try:
        for block in stages(plan.decode()):
            words = {line: [names.get(word, word) for word in shlex.split(line)] for line in block}
            alone = any("benchmark" in command for command in words.values())  # it shares out its trainings
            jobs = ["--jobs", str(asked.jobs)] * alone
            run({line: [*own, *jobs] for line, own in words.items()}, 1 if alone else asked.jobs, log, over)
    except Stopped:
        raise SystemExit("Stopped; run the same again to go on.") from None
    print("All of the plan is done.")


if __name__ == "__main__":
    main()
