"""The study on BUSI as its plan says, over as many sittings as it takes.

    python docs/busi-study/study.py --study DIR --data BUSI --external BREAST [--bank DIR] [--jobs 2]
        [--minutes 170] [--go-on]

The commands stand in plan.md, under "Commands": those of one block may run side by side, blocks one after
another. In them STUDY, DATA and EXTERNAL stand for what is given here. Each command goes on where it was
stopped, and says that nothing is to do where it is done, so that this one may be stopped at any time and run
again.

The bank, a folder (DIR-bank beside the study unless given), is what outlives a machine. `log.csv` there gets
a line whenever a command starts or ends: when, from which commit, by which plan, on what machine. A plan that
changed since the first line is refused. Whenever a block of benchmarks without a report is done, all that was
made so far is put into the bank but scans, pictures and weights: answers, configurations, manifests, scores.
Where the study's folder is gone, or on another machine, that is put back, and what is in the bank is not run
again. A folder that is behind its bank is refused: other trainings may have taken the place of its own.

A report ends the sitting until it is published (publish.py) beside the plan, as `report-1` and so on: what is
trained after it would count in it.

A benchmark of which trainings fail stops the sitting; the same again tries them once more. Where they failed
a second time, `--go-on` goes on without them, which is to be listed among the deviations.
"""

import argparse
import csv
import hashlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import FrameType

from bus.benchmark.report.repeat import machine, versions
from bus.core import lock
from bus.core.errors import BusError
from bus.core.files import read_json, sha256_bytes, sha256_file, write_bytes, write_json
from bus.data.study import discard, open_or_create

HERE = Path(__file__).parent
LOG, DATA, BANKED = "log.csv", "data.json", ".banked"
COLUMNS = ("time", "event", "command", "commit", "plan_sha256", "machine", "versions")
ENDED = ("done", "passed over")


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


def bank_of(study: Path) -> Path:
    """The usual bank of a study: beside its folder, which holds nothing but what bus writes."""
    return study.with_name(f"{study.name}-bank")


class Bank:
    """What outlives a machine: archives of all that was made but scans, pictures and weights.

    A study's folder keeps, in `.banked`, which archives it has put in or taken out, by their hashes.
    """

    MADE = re.compile(r"fold-\d+/(cells|gan|synth)(/[^/.][^/]*)+")  # the yardstick is made anew in a minute
    KEPT = (".json", ".jsonl", ".csv")
    NAMED = ("DONE", "heat.npy")
    FROZEN = ("cohort.csv", "pixels.npy")  # of the study: what was trained on

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def archives(self) -> dict[str, str]:
        """The hashes of the archives by their names, in the order in which they were put in."""
        return {path.name: sha256_file(path) for path in sorted(self.folder.glob("*.tar.xz"))}

    @property
    def held(self) -> dict[str, bytes]:
        """Every file by its path in the study, as it was put in last."""
        held = {}
        for name in self.archives:
            with tarfile.open(self.folder / name) as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    if content is None or not self.MADE.fullmatch(member.name):
                        raise SystemExit(
                            f"{name} of the bank holds {member.name}, which is no file of a fold."
                        )
                    held[member.name] = content.read()
        return held

    def put(self, study: Path) -> None:
        """Write what is new or has changed since as the next archive; nothing where nothing has."""
        held, fresh = self.held, {}
        for path in sorted(study.glob("fold-*/**/*")):
            name = path.relative_to(study).as_posix()
            kept = self.MADE.fullmatch(name) and (path.suffix in self.KEPT or path.name in self.NAMED)
            if kept and path.is_file() and held.get(name) != (content := path.read_bytes()):
                fresh[name] = content
        if not fresh:
            return
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
            for name, content in fresh.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        known, archived = self.archives, buffer.getvalue()
        number = 1 + max((int(name.split(".")[0]) for name in known), default=0)
        name = f"{number:02}.tar.xz"
        write_json(self.folder / DATA, self._frozen(study))
        # the study's note comes first: a kill between the two must not leave it behind its own bank
        write_json(study / BANKED, known | {name: sha256_bytes(archived)})
        write_bytes(self.folder / name, archived)

    def put_back(self, study: Path, data: str, first: str) -> None:
        """Put what is held into a study that is not there yet, made anew as the command `first` says.

        SystemExit for a folder that lacks what the bank holds, and for other data.
        """
        archives, path = self.archives, study / BANKED
        if (study / "study.json").exists():
            if archives.items() - (read_json(path) if path.exists() else {}).items():
                raise SystemExit(
                    f"{study} lacks what its bank {self.folder} holds: the study went on elsewhere. Give "
                    "another --study, a folder that is not there yet; this one is of no more use."
                )
            return
        if not archives:
            return
        held = self.held
        words = shlex.split(first)
        said = {one.removeprefix("--"): two for one, two in pairwise(words) if one.startswith("--")}
        numbers = {name: int(said[name]) for name in ("size", "k", "seed") if name in said}
        texts = {name: said[name] for name in ("cohort", "target") if name in said}
        made = open_or_create(study, {"data": data, **numbers, **texts})
        if self._frozen(study) != read_json(self.folder / DATA):
            discard(made)
            raise SystemExit(f"{data} is not what the trainings in {self.folder} saw. Give the same data.")
        for name, content in held.items():
            write_bytes(study / name, content)
        write_json(path, archives)

    def _frozen(self, study: Path) -> dict[str, str]:
        return {name: sha256_file(study / name) for name in self.FROZEN}


class Log:
    """The lines that tell of a study's commands, in a file of its bank."""

    def __init__(self, bank: Path, plan: bytes, *, of: str = "", beside: str = "") -> None:
        """`of`: the commit, where git does not know it; `beside`: a card that the processor stands beside."""
        self.path, self.digest = bank / LOG, hashlib.sha256(plan).hexdigest()
        self.of, self.beside = of, beside
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self._append(COLUMNS)
        rows = self.rows
        others = {row["plan_sha256"] for row in rows} - {self.digest}
        if others:
            raise SystemExit(
                f"plan.md is not the plan of {rows[0]['time']}, by which this study began (commit "
                f"{rows[0]['commit']}). A study keeps its plan: bring that version back, or say in "
                "deviations.md what was changed and why, and begin another study."
            )

    @property
    def rows(self) -> list[dict[str, str]]:
        """All lines."""
        return list(csv.DictReader(self.path.open(encoding="utf-8")))

    @property
    def banked(self) -> set[str]:
        """Commands that ended before something was put into the bank; none that writes a report."""
        events = [(row["event"], row["command"]) for row in self.rows]
        last = max((place for place, (event, _) in enumerate(events) if event == "banked"), default=0)
        done = {command for event, command in events[:last] if event in ENDED}
        return {command for command in done if not looks(command)}

    def say(self, event: str, command: str) -> None:
        """Add a line: `event` is start, done, failed, passed over, stopped or banked."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        software = " ".join(f"{name} {number}" for name, number in versions())
        where = f"{self.beside}{', ' * bool(self.beside)}{machine()}, {os.cpu_count()} cores"
        self._append((now, event, command, self.of or commit(), self.digest, where, software))
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

    changed = git("status", "--porcelain", "--", ":/", ":!bank")  # what this one writes itself
    return git("rev-parse", "--short", "HEAD") + "+" * bool(changed)


def looks(command: str) -> bool:
    """Whether a command writes a report."""
    return command.startswith("bus benchmark") and "--no-report" not in command


def run(
    commands: Mapping[str, Sequence[str]], jobs: int, log: Log, over: Callable[[], bool], *, go_on: bool
) -> None:
    """Run commands, at most `jobs` at once; Stopped, and all of them told to stop, once the sitting is over.

    `commands` gives the words of each by its line in the plan, which is what the log says: no path of here.
    A failure stops all; with `go_on` that of a benchmark is passed over, once it failed twice.
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
                    twice = sum((row["event"], row["command"]) == ("failed", command) for row in log.rows) > 1
                    ended = process.returncode == 1 and command.startswith("bus benchmark")  # all it could
                    if not (go_on and twice and ended):
                        raise SystemExit(
                            f"{command} failed (see above). Run the same again once that is mended."
                        )
                    log.say("passed over", command)
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
    parser.add_argument("--bank", type=Path, help="folder that outlives this machine; DIR-bank unless given")
    parser.add_argument("--plan", type=Path, default=HERE / "plan.md", help="another plan than that of BUSI")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings at once")
    parser.add_argument("--go-on", action="store_true", help="without trainings that failed twice")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    asked = parser.parse_args()
    if not (asked.study.name and asked.data and asked.external):
        parser.error("--study, --data and --external need a value each: make study STUDY=… DATA=… EXTERNAL=…")
    end = time.monotonic() + 60 * asked.minutes
    given = {"STUDY": asked.study, "DATA": asked.data, "EXTERNAL": asked.external}
    names = {  # whole, so that reports written from another folder find them
        word: str(Path(path).resolve()) if Path(path).exists() else str(path) for word, path in given.items()
    }
    plan = asked.plan.read_bytes()
    folder = asked.bank or bank_of(asked.study)

    stopped: list[int] = []  # signals that came; looked at between starts, so that no process is lost

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    blocks = stages(plan.decode())

    def over() -> bool:
        return bool(stopped) or time.monotonic() > end

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with lock.attempt(folder / LOG) as ours:
            if not ours:
                raise SystemExit(f"{lock.holder(folder / LOG)} is at this study. Wait for it, or stop it.")
            log, bank = Log(folder, plan), Bank(folder)
            making = (line for block in blocks for line in block if " --data " in line)
            bank.put_back(asked.study, asked.data, next(making, ""))
            reports = 0
            for block in blocks:
                left = [line for line in block if line not in log.banked]
                words = {line: [names.get(word, word) for word in shlex.split(line)] for line in left}
                alone = any("benchmark" in line for line in left)  # it shares out its trainings
                jobs = ["--jobs", str(asked.jobs)] * alone
                ready = {line: [*own, *jobs] for line, own in words.items()}
                run(ready, 1 if alone else asked.jobs, log, over, go_on=asked.go_on)
                if alone and not any(map(looks, left)):
                    bank.put(asked.study)
                    log.say("banked", left[-1])
                reports += (reporting := any(map(looks, block)))
                if reporting and not (asked.plan.parent / f"report-{reports}").exists():
                    raise SystemExit(
                        f"Report {reports} is written. Publish it before more is trained: make study-publish "
                        f"STUDY={asked.study} BANK={folder}. Then run the same again."
                    )
    except BusError as error:
        raise SystemExit(str(error)) from None
    except Stopped:
        raise SystemExit("Stopped; run the same again to go on.") from None
    print("All of the plan is done.")


if __name__ == "__main__":
    main()
