"""What the plan trains, on one graphics card: the same commands fold by fold, as many at once as it bears.

    python docs/busi-study/card.py --study DIR --bank DIR [--at-once 20] [--minutes 9] [--commit HASH]
        [--reports 1]

A card is had for minutes, so that what the plan runs one after another runs side by side here: every
translator and its scans in a process of its own, and for each fold what needs no translator; then, for each
fold, the rest. The commands are those of plan.md with `--device cuda` for `--device cpu`, cut into folds and
seeds; the trainings are the same ones, those of the first report before those of the next. Run it again to go
on.

The study's folder is there before, with the squares of its scans and of those from elsewhere; neither data
set is read, and nothing is reported: that is done where the scans and a processor are. So what the plan
computes of finished scans (scores, distance to test scans) is left to that machine too. Float32 is float32:
start it with NVIDIA_TF32_OVERRIDE=0. Every start and end gets a line in the log of the bank.
"""

import argparse
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from study import Log, looks, stages

HERE = Path(__file__).parent
ALONE = "original,adjusted,oversampled"  # arms that need no translator


@dataclass
class Work:
    """A command with what has to be done before it."""

    line: str
    after: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    done: bool = False


def told(line: str, option: str) -> str:
    """What a command says to an option."""
    return dict(pairwise(shlex.split(line)))[option]


def changed(line: str, **options: str | None) -> str:
    """A command with other values of options, which it may lack; None leaves one out."""
    words = shlex.split(line)
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if option in words:
            place = words.index(option)
            del words[place : place + 2]
        words += [option, value] if value is not None else []
    return shlex.join(words)


def works(plan: str, *, device: str, reports: int) -> list[Work]:
    """All trainings of so many of the plan's reports, the first ones, as works."""
    blocks = stages(plan)
    lines = [line for block in blocks for line in block]
    reporting = [line for line in lines if looks(line)]
    first, *others = [changed(line, device=device, data=None) for line in reporting[:reports]]
    seeds, asked = int(told(first, "--gan-seeds")), told(first, "--fold")
    folds = [str(fold) for fold in range(int(told(first, "--k")))] if asked == "all" else asked.split(",")

    # translators and their scans
    found, made = [], {}
    for line in lines[: lines.index(reporting[0])]:
        if line.startswith(("bus gan train", "bus synth")):
            asked = told(line, "--fold")
            for fold in folds if asked == "all" else asked.split(","):
                own = changed(line, device=device, data=None, fold=fold)
                place = fold, told(line, "--gan-seed")
                before = (made[place],) if line.startswith("bus synth") else ()
                found.append(Work(own, before))
                made[place] = own
    if len(made) != seeds * len(folds):
        raise SystemExit(f"plan.md: expected {seeds} translators of each of {len(folds)} folds.")

    # classifiers
    later = []
    for fold in folds:
        whole = changed(first, fold=fold).replace(" --inflation", "") + " --no-report"
        alone = changed(whole, arms=ALONE, gan_seeds=None)
        scans = tuple(line for (own, _), line in made.items() if own == fold)
        found += [Work(alone), Work(whole, (*scans, alone))]
        later += [Work(changed(line, fold=fold) + " --no-report", (whole,)) for line in others]
    return [*found, Work(first), *later]  # of the first the split per image alone


class Card:
    """Runs works, and writes down when each began and ended."""

    def __init__(self, study: Path, log: Log, jobs: int) -> None:
        self.study, self.log, self.jobs = study, log, jobs

    def run(self, todo: list[Work], at_once: int, end: float) -> None:
        """Do works, at most so many at once; SystemExit where one failed, or the time is up."""
        known = {row["command"] for row in self.log.rows if row["event"] == "done"}
        for work in todo:
            work.done = work.line in known
        while not all(work.done for work in todo):
            ended = {work.line for work in todo if work.done}
            running = [work for work in todo if work.process]
            ready = [w for w in todo if not w.done and not w.process and ended.issuperset(w.after)]
            for work in ready[: at_once - len(running)]:
                self.log.say("start", work.line)
                work.process = subprocess.Popen([sys.executable, __file__, *self._words(work.line)])
            time.sleep(0.2)
            for work in [work for work in todo if work.process and work.process.poll() is not None]:
                failed, work.process = work.process.returncode, None
                self.log.say("failed" if failed else "done", work.line)
                if failed:
                    self.stop(todo)
                    raise SystemExit(f"{work.line} failed (see above).")
                work.done = True
            if time.monotonic() > end:
                self.stop(todo)
                raise SystemExit("Time is up; run the same again to go on.")

    def stop(self, todo: list[Work]) -> None:
        """End what runs, as Ctrl-C does."""
        for work in todo:
            if work.process:
                work.process.terminate()
        for work in todo:
            if work.process:
                try:
                    work.process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    work.process.kill()
                self.log.say("stopped", work.line)

    def _words(self, line: str) -> list[str]:
        words = [str(self.study) if word == "STUDY" else word for word in shlex.split(line)]
        return words + ["--jobs", str(self.jobs)] * ("benchmark" in words)


def one(words: list[str]) -> None:
    """One command of bus, in this process, without what is left to another machine."""
    from bus.benchmark import external, pipeline
    from bus.benchmark.external import External
    from bus.cli.app import main
    from bus.core import compute
    from bus.gan import synth

    def kept(source: str, study: Any, *, alike: str = "refuse") -> External:
        (folder,) = (study.path / "external").iterdir()  # read from the scans before the study came here
        return External.open(folder)

    external.read = kept
    compute.cores = lambda: 1  # many processes share the cores
    synth.score_set = lambda *asked: False
    pipeline._look_at_scans = lambda *asked: None
    if "--inflation" in words:  # the split per image; all else is trained fold by fold
        pipeline.benchmark = lambda study, request, *executor: _split(pipeline, study, request)
    main(words[1:])


def _split(pipeline: Any, study: Any, request: Any) -> Path:
    from bus.gan.translator import Translator

    while Translator(study, request.folds[0], study.target, request.gan_seed).config is None:
        time.sleep(1)  # its translator is begun as this one
    if failures := pipeline.inflate(study, request):
        raise SystemExit("\n".join(failures))
    return Path(study.path)


def main() -> None:
    """Train what is left."""
    if sys.argv[1:2] == ["bus"]:
        one(sys.argv[1:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", type=Path, required=True, help="folder with the squares of all scans")
    parser.add_argument("--bank", type=Path, required=True, help="folder for the log")
    parser.add_argument("--plan", type=Path, default=HERE / "plan.md", help="another plan than that of BUSI")
    parser.add_argument("--device", default="cuda", help="cuda; cpu for a trial")
    parser.add_argument("--commit", default="", help="of this code, where git does not know")
    parser.add_argument("--at-once", type=int, default=20, help="commands at once")
    parser.add_argument("--jobs", type=int, default=2, help="trainings of classifiers at once in each")
    parser.add_argument("--minutes", type=float, default=9.0, help="stop after so many")
    parser.add_argument("--reports", type=int, default=1, help="train for so many of the plan's reports")
    asked = parser.parse_args()
    plan = asked.plan.read_bytes()
    asked.bank.mkdir(parents=True, exist_ok=True)
    name = torch.cuda.get_device_name() if asked.device == "cuda" else ""
    card = Card(asked.study, Log(asked.bank, plan, of=asked.commit, beside=name), asked.jobs)
    end = time.monotonic() + 60 * asked.minutes
    card.run(works(plan.decode(), device=asked.device, reports=asked.reports), asked.at_once, end)
    print("All is trained.")


if __name__ == "__main__":
    main()
