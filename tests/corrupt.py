"""`make corrupt`: damage every kind of file of a finished study in every way, and run what uses it first.

Not a test of the normal run: it takes a quarter of an hour (`test_corrupt.py` is a short form). Each run
gets a fresh copy of one study of phantoms, damages one file, and runs one command. How it ends:

- named: exit code 1 or 2, and a sentence that names the file or its folder;
- healed: the file is as it was, and so is everything else;
- told: the work goes on without the file, or makes it anew otherwise, and says so in a line that names the
  file or its folder (of bus status: any line) and that is not said of the sound study;
- unaffected: the file is still damaged, and everything else is as the command leaves it without the damage.

Whatever else happens is a fault: another result without a word (silent), a traceback, a hang.
"""

import argparse
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import chaos
from bus.benchmark import run
from bus.benchmark.cells import STEPS
from bus.data.study import open_or_create

GAN, MADE, CELL = "fold-0/gan/malignant/seed-0", "fold-0/synth/seed-0/malignant", "fold-0/cells/cyclegan/*/*"
HALF = "fold-1/gan/malignant/seed-0"  # a translator that is under way
SMALL = "--preset demo --pairs 40 --method published --set channels=4 --set blocks=1"
MAKE = (
    f"gan train {SMALL}",
    "synth --n 30 --extractor efficientnet-lite0",
    "benchmark --preset demo --models simplecnn --arms original,cyclegan --keep-weights "
    "--extractor efficientnet-lite0",
    f"gan train {SMALL} --fold 1",
)
BENCHMARK, REPORT, PREDICT = MAKE[2], "report", "predict scans --format json --out answers.json --no-heat"
KINDS = {  # file → the commands that use it first
    "study.json": ("status",),
    "cohort.csv": ("status",),
    "pixels.npy": ("status",),
    "masks.npy": (REPORT,),
    "shortcuts.json": (REPORT,),
    "benchmark.json": (REPORT,),
    "benchmarks.json": (REPORT,),
    "yardstick/features.npy": (REPORT,),
    f"{HALF}/config.json": (MAKE[3],),
    f"{HALF}/checkpoint.pt": (MAKE[3],),
    f"{GAN}/config.json": (MAKE[1], "status"),
    f"{GAN}/DONE": (MAKE[1], "status"),
    f"{GAN}/generator.safetensors": (MAKE[1], "status"),
    f"{GAN}/metrics.jsonl": (REPORT,),
    f"{GAN}/samples/*.png": (REPORT,),
    f"{MADE}/manifest.csv": (BENCHMARK, MAKE[1]),
    f"{MADE}/scores.json": (MAKE[1], BENCHMARK),
    f"{MADE}/scores-test.json": (REPORT,),
    f"{MADE}/remade.json": (BENCHMARK,),
    f"{MADE}/synthetic-0003.png": (BENCHMARK, "status"),
    f"{MADE}/DATASHEET.md": (MAKE[1],),
    f"{CELL}/config.json": (BENCHMARK, "status"),
    f"{CELL}/predictions.csv": (BENCHMARK, "status"),
    f"{CELL}/flipped.csv": (REPORT, "status"),
    f"{CELL}/metrics.json": (REPORT, "status"),
    f"{CELL}/heat.npy": (BENCHMARK, "status"),
    f"{CELL}/classifier.safetensors": (PREDICT, "status"),
    f"{CELL}/DONE": (BENCHMARK, "status"),
    "report/index.html": (BENCHMARK,),
    "report/latest.json": (BENCHMARK, "compare study"),
    "report/1/index.html": (BENCHMARK, "status"),
    "report/1/report.md": (BENCHMARK,),
    "report/1/metrics.csv": (BENCHMARK,),
    "report/1/summary.json": ("compare study", BENCHMARK),
    "report/1/about.json": (BENCHMARK,),
    "report/1/DONE": (BENCHMARK,),
    "report/1/figures/*.svg": (BENCHMARK,),
}
FLIPS = {
    "first byte": 0.0,
    "at a quarter": 0.25,
    "in the middle": 0.5,
    "at three quarters": 0.75,
    "last": 1.0,
}
DAMAGES = (*FLIPS, "cut in half", "empty", "deleted", "a link", "another file's", "huge number", "NaN")
SECONDS = 90  # after which a run counts as a hang
NAMED, HEALED, TOLD, UNAFFECTED = "named", "healed", "told", "unaffected"
LETTERS = {NAMED: "n", HEALED: "h", TOLD: "t", UNAFFECTED: "u"}


def damage(path: Path, kind: str, elsewhere: Path, rng: random.Random) -> bool:
    """Damage a file of a study; False where this kind does nothing to such a file."""
    content = bytearray(path.read_bytes())
    if kind in FLIPS:
        content[round(FLIPS[kind] * (len(content) - 1))] ^= 1 << rng.randrange(8)
    elif kind == "cut in half":
        del content[len(content) // 2 :]
    elif kind == "empty":
        content.clear()
    elif kind == "another file's":
        alike = [other for other in path.parents[0].rglob(f"*{path.suffix}") if other != path]
        other = next((other for other in sorted(alike) if other.is_file()), None)
        root = next(
            parent for parent in path.parents if (parent / "study.json").exists() or parent.name == "study"
        )
        content = (
            bytearray((other or root / "cohort.csv").read_bytes())
            if path.name != "cohort.csv"
            else content[9:]
        )
    elif kind in ("huge number", "NaN"):
        if path.suffix not in (".json", ".csv", ".jsonl", "") or path.name == "README":
            return False
        number = b"9" * 401 if kind == "huge number" else b"NaN"
        content = bytearray(re.sub(rb"(?<=[ ,])\d+(\.\d+)?(?=[,\s}])", number, bytes(content), count=1))
        if bytes(content) == path.read_bytes():
            return False
    if kind in ("deleted", "a link"):
        shutil.move(path, elsewhere)
    if kind == "a link":
        path.symlink_to(elsewhere)
    elif kind != "deleted":
        if path.read_bytes() == bytes(content):
            return False
        path.write_bytes(content)
    return True


def serial(
    study: Any, cells: Any, *, external: Any = None, keep_weights: bool = False, **options: Any
) -> list[str]:
    """Cells one after the other in this process: starting others takes longer than tiny trainings."""
    for cell in run.to_train(run.missing(cells, keep_weights, external)):
        run.run_cell(study.path, cell, 1, keep_weights=keep_weights)
    run.correct(study, cells, external)
    return []


def typed(command: str) -> str:
    """A command as it is run: on the study beside it."""
    return command if command.startswith("compare") else f"{command} --study study"


class Corrupt:
    """One sound study and what every command makes of it, and the runs on damaged copies."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.rng, self.sound = root, random.Random(seed), root / "sound"
        self.expected: dict[str, tuple[chaos.Snapshot, set[str]]] = {}

    def make(self) -> None:
        """The study, its data, and scans to answer."""
        self.sound.mkdir()
        open_or_create(self.sound / "study", {"size": 32, "k": 3}, phantoms=60)
        for command in (*map(typed, MAKE), "data phantom scans --n 3 --size 32"):
            code, said = self.run(self.sound, command)
            if code:
                raise SystemExit(f"{command} ended with {code}:\n{said[-2000:]}")
        for name in ("DONE", "generator.safetensors"):
            (self.sound / "study" / HALF / name).unlink()

    def run(self, folder: Path, command: str) -> tuple[int | None, str]:
        """Run a command in a process of its own; its exit code (None: it hung) and what it said."""
        log = self.root / "log.txt"
        log.unlink(missing_ok=True)
        process, begun = chaos.start(command, folder, log), time.monotonic()
        while process.poll() is None:
            if time.monotonic() - begun > SECONDS:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return None, log.read_text(errors="replace")
            time.sleep(chaos.POLL)
        return process.returncode, log.read_text(errors="replace") if log.exists() else ""

    def copy(self) -> Path:
        """A fresh copy of the sound study."""
        folder = self.root / "run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.sound, folder)
        return folder

    def left(self, folder: Path) -> chaos.Snapshot:
        """What a command leaves, without times."""
        return chaos.snapshot(folder)

    def reference(self, command: str) -> tuple[chaos.Snapshot, set[str]]:
        """What a command leaves of the sound study, and the lines that it says."""
        if command not in self.expected:
            folder = self.copy()
            code, said = self.run(folder, typed(command))
            if code:
                raise SystemExit(f"{command} on the sound study ended with {code}:\n{said[-2000:]}")
            self.expected[command] = (self.left(folder), set(said.splitlines()))
        return self.expected[command]

    def ending(self, name: str, kind: str, command: str) -> tuple[str, str]:
        """How a command on a study with this damage ends, and what it said; "" where the damage is none."""
        expected, usual = self.reference(command)
        folder = self.copy()
        path = next(iter(sorted((folder / "study").glob(name))))
        elsewhere = self.root / "elsewhere"
        elsewhere.unlink(missing_ok=True)
        if not damage(path, kind, elsewhere, self.rng):
            return "", ""
        code, said = self.run(folder, typed(command))
        plain = " ".join(said.split())
        if code is None:
            return "HANG", plain
        if "Traceback" in said or "Nobody foresaw" in said:
            return "TRACEBACK", plain
        if code:
            named = path.name in plain or path.parent.name in plain or str(path.parent) in plain
            return (NAMED if named else "UNNAMED"), plain
        own = path.relative_to(folder).as_posix()
        try:
            found = self.left(folder)
        except Exception as error:  # the file that is still damaged cannot be read
            found = {**expected, own: repr(error)}
        wrong = [item for item in chaos.differences(expected, found) if item != own]
        if path.is_symlink() and kind == "a link":
            found[own] = None
        new = [line for line in said.splitlines() if line not in usual and "report:" not in line.casefold()]
        names = (path.name, path.parent.relative_to(folder).as_posix())
        told = [line for line in new if command == "status" or any(name in line for name in names)]
        fewer = command == "status" and bool(usual - set(said.splitlines()))
        if wrong or fewer or (command in ("status", PREDICT) and new):
            return (TOLD if told or fewer else "SILENT"), f"{wrong[:4]} {plain}"
        return (HEALED if found.get(own) == expected.get(own) else UNAFFECTED), plain


def trial(seed: int, only: str, show: Callable[[str], None]) -> tuple[Counter[str], list[str]]:
    """All runs; counts of endings, and the faults. A row of the table is shown as it is done."""
    counts: Counter[str] = Counter()
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bus-corrupt-") as place:
        test = Corrupt(Path(place), seed)
        test.make()
        show(f"| file | command | flips of a bit | {' | '.join(DAMAGES[len(FLIPS) :])} |")
        show("|---" * (len(DAMAGES) - len(FLIPS) + 3) + "|")
        for name, commands in KINDS.items():
            for command in commands if only in name else ():
                ends = {}
                for kind in DAMAGES:
                    end, said = test.ending(name, kind, command)
                    ends[kind] = LETTERS.get(end, end or "–")
                    counts[end] += bool(end)
                    if end and end not in LETTERS:
                        faults.append(f"{end}: {name}, {kind}, bus {command}: {said[:300]} … {said[-300:]}")
                        print(faults[-1], file=sys.stderr, flush=True)
                words = " ".join(command.split()[: 2 if command.startswith("gan") else 1])
                flips = "".join(ends.pop(kind) for kind in FLIPS)
                show(f"| `{name}` | {words} | {flips} | {' | '.join(ends.values())} |")
    return counts, faults


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="files whose name holds this")
    given = parser.parse_args()
    STEPS["demo"] = (4, 2)  # optimiser steps; the point here is not what is learnt
    run.run = serial
    begun = time.monotonic()
    counts, faults = trial(given.seed, given.only, lambda line: print(line, flush=True))
    minutes = (time.monotonic() - begun) / 60
    told = ", ".join(f"{count} {end}" for end, count in counts.most_common() if end)
    print(f"{sum(counts.values())} runs (seed {given.seed}) in {minutes:.0f} min: {told}")
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
