"""Sending tasks to Slurm, leaving, coming back: with a queue in this process, and programs like Slurm's."""

import os
import shutil
from collections.abc import Callable, Collection, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from bus.benchmark import slurm, tasks
from bus.benchmark.arms import Arm
from bus.benchmark.cells import cells_of
from bus.benchmark.pipeline import HERE
from bus.benchmark.request import Request
from bus.benchmark.site import site
from bus.core import files
from bus.core.errors import BusError
from bus.core.progress import Interrupted, Listener, listening
from bus.data.study import Study

ARMS = (Arm("original"), Arm("weighted"))
WISH = Request((0,), ARMS, ("simplecnn",), preset="demo", recipe=(("batch", 4),))


class Line:
    """A queue: a job runs, in this process, when states are asked for and those before it have succeeded."""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[tasks.Work, list[str]]] = {}
        self.ended: dict[str, str] = {}
        self.held: Callable[[str], bool] = lambda name: False  # names of tasks that stay in line
        self.fate: dict[str, str] = {}  # name of a task → how its job ends, undone

    def submit(self, works: Sequence[tasks.Work], after: Collection[str]) -> list[str]:
        ids = [f"{len(self.jobs) + 1 + place}" for place in range(len(works))]
        self.jobs |= {one: (work, list(after)) for one, work in zip(ids, works, strict=True)}
        return ids

    def states(self, ids: Collection[str]) -> dict[str, str]:
        for one in [one for one in self.jobs if one not in self.ended]:
            work, after = self.jobs[one]
            ends = [self.ended.get(other) for other in after]
            if any(end not in (None, "COMPLETED") for end in ends):
                self.ended[one] = "CANCELLED"
            elif None not in ends and not self.held(work.task.name):
                self.ended[one] = self.fate.get(work.task.name, "COMPLETED")
                if self.ended[one] == "COMPLETED":
                    work()
        return {one: self.ended.get(one, "PENDING" if one in self.jobs else "UNKNOWN") for one in ids}

    def last_lines(self, job: str) -> list[str]:
        return ["MemoryError"] if self.ended[job] == "FAILED" else []

    def names(self) -> list[str]:
        return [work.task.name for work, _ in self.jobs.values()]


@pytest.fixture
def study(tiny_study: Path, tmp_path: Path, few_steps: None, in_process: None, monkeypatch) -> Study:
    for name in ("POLL", "SETTLE", "LOOK"):
        monkeypatch.setattr(slurm, name, 0.0)
    monkeypatch.setattr(tasks, "check", lambda *about: [])  # the audit has its own tests
    return Study.open(Path(shutil.copytree(tiny_study, tmp_path / "study")))


def go(study: Study, wish: Request, line: Line, bundle: int = 1) -> list[str]:
    """Prepare and train as `pipeline.benchmark` does; returns what failed."""
    executor = slurm.Slurm(site([], 32, bundle), line)
    executor.prepare(study, wish, None)
    return executor.train(study, wish, cells_of(study, wish), None)


def test_only_what_is_missing_is_sent_off_and_it_is_what_a_local_run_trains(
    study: Study, tmp_path: Path
) -> None:
    here = Study.open(Path(shutil.copytree(study.path, tmp_path / "here")))
    assert HERE.train(here, WISH, cells_of(here, WISH), None) == []
    line = Line()
    assert go(study, WISH, line) == []
    assert line.names() == ["audit", "cells-0", "cells-1"]
    for cell, other in zip(cells_of(study, WISH), cells_of(here, WISH), strict=True):
        assert (cell.path / "predictions.csv").read_bytes() == (other.path / "predictions.csv").read_bytes()
    assert go(study, WISH, line) == [] and len(line.jobs) == 3, "nothing is missing"
    more = replace(WISH, seeds=3, arms=(*ARMS, Arm("adjusted")))
    assert go(study, more, line, bundle=3) == []
    assert line.names()[3:] == ["audit", "cells-2-4", "cells-5"]
    assert all(cell.is_done for cell in cells_of(study, more)), "adjusted too, which trains nothing"


class Leaving(Listener):
    """Somebody who stops waiting at once."""

    @contextmanager
    def stoppable(self):
        yield lambda: True


def test_whoever_leaves_comes_back_to_the_same_jobs(study: Study, said: list[str]) -> None:
    line = Line()
    line.held = lambda name: name.startswith("cells")

    with listening(Leaving()), pytest.raises(Interrupted, match=r"^3 task.*scancel 1 2 3 ends"):
        go(study, WISH, line)
    assert line.names() == ["audit", "cells-0", "cells-1"]
    line.states([])  # the audit goes on without anybody
    still = iter([True, True])  # in line when the command comes back
    line.held = lambda name: next(still, False)
    assert go(study, WISH, line) == []
    assert line.names() == ["audit", "cells-0", "cells-1"], "none is sent off twice"
    told = "2 task(s) are with Slurm, 2 of them since an earlier command. scancel 2 3 ends them."
    assert told in " ".join(said)


def test_weights_that_are_asked_for_while_jobs_run_are_kept(study: Study) -> None:
    """Jobs of the same benchmark that keep none do not do what is asked now."""
    line = Line()
    line.held = lambda name: name.startswith("cells")

    with listening(Leaving()), pytest.raises(Interrupted):
        go(study, WISH, line)
    still = iter([True, True])  # in line when the command comes back
    line.held = lambda name: next(still, False)
    keeping = replace(WISH, keep_weights=True)
    assert go(study, keeping, line) == []
    assert line.names() == ["audit", "cells-0", "cells-1"] * 2
    assert all(cell.has_whole_weights for cell in cells_of(study, keeping))


def test_what_fails_is_told_with_its_last_words_and_the_same_command_mends_it(
    study: Study, said: list[str]
) -> None:
    line = Line()
    line.fate = {"cells-0": "CANCELLED", "cells-1": "FAILED"}
    failures = go(study, WISH, line)
    assert [text.partition(":")[0] for text in failures] == [cell.title for cell in cells_of(study, WISH)]
    told = " ".join(said)
    assert "failed: cells-1 (job 3): failed. Its last words: MemoryError" in told
    assert "failed: cells-0 (job 2): cancelled." in told
    line.fate = {}
    assert go(study, WISH, line) == [] and line.names()[3:] == ["audit", "cells-0", "cells-1"]


def test_a_translator_that_fails_stops_what_waits_for_it(study: Study, said: list[str]) -> None:
    line = Line()
    line.fate = {"translator-0-malignant-0": "TIMEOUT"}
    with pytest.raises(BusError, match=r"translator-0-malignant-0 .job 1.: timeout.*No cell was trained"):
        go(study, replace(WISH, arms=(Arm("cyclegan"),)), line)
    assert [name.partition("-")[0] for name in line.names()] == ["translator", "scans", "audit", "cells"]
    assert sum(text.startswith("failed") for text in said) == 1, "those that waited for it are not told"
    assert set(line.states(line.jobs).values()) == {"TIMEOUT", "CANCELLED"}


def test_a_list_of_jobs_that_nobody_wrote_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    assert slurm.read_jobs(path) == []
    job = slurm.Job("12_3", "audit", "ab", "2026-01-01T00:00:00+00:00")
    slurm.write_jobs(path, [job])
    assert slurm.read_jobs(path) == [job]
    for wrong in ({"id": "1; rm"}, {"since": "yesterday"}, {"more": 1}):
        files.write_json(path, {"jobs": [{**vars(job), **wrong}]})
        with pytest.raises(BusError, match="no list of jobs"):
            slurm.read_jobs(path)


SBATCH = """#!/bin/sh
n=$(($(cat {0}/count 2>/dev/null || echo 6) + 1)); echo $n > {0}/count
cp "$1" {0}/sent-$n; echo "Submitted batch job $n"
"""
SACCT = """#!/bin/sh
printf 'JobID|State|NodeList\\n7_[0-1]|PENDING|\\n8|CANCELLED by 0|a\\n8.0|FAILED|a\\n'
"""


@pytest.mark.skipif(os.name != "posix", reason="programs are scripts of a shell")
def test_what_slurm_is_asked(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    for name, text in {"sbatch": SBATCH.format(tmp_path), "sacct": SACCT, "srun": ""}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    asked = site(["partition=gpu", "gpus_per_node=1", "time=1-0"], 3, 1)
    queue = slurm.Submitit(tmp_path / "jobs", asked)
    cells = [tasks.CellsTask(("audit",), (number,)) for number in range(4)]
    works = [tasks.Work(study.path, WISH, task, None) for task in cells]
    assert queue.submit(works, ["5", "6_1"]) == ["7_0", "7_1", "7_2", "7_3"]
    sent = set((tmp_path / "sent-7").read_text().splitlines())
    assert {
        "#SBATCH --array=0-3%3",
        "#SBATCH --partition=gpu",
        "#SBATCH --gpus-per-node=1",
        "#SBATCH --time=1440",
        "#SBATCH --dependency=afterok:5:6_1",
        "#SBATCH --kill-on-invalid-dep=yes",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --job-name=bus-cells",
    } <= sent
    assert queue.submit(works[:1], []) == ["8"]
    assert "dependency" not in (tmp_path / "sent-8").read_text()
    states = queue.states(["7_0", "7_1", "8", "99"])
    assert states == {"7_0": "PENDING", "7_1": "PENDING", "8": "CANCELLED", "99": "UNKNOWN"}

    (tmp_path / "sacct").write_text("#!/bin/sh\necho Connection refused >&2; exit 1\n")
    assert queue.states(["8"]) == {"8": slurm.SILENT}, "no job has ended because nobody answers"

    # what a job told
    assert queue.last_lines("8") == []
    log = tmp_path / "jobs" / "8_0_log.err"
    log.write_text("submitit INFO\nTraceback\n\na\nb\x1b[2J\nc\nsrun: error: d\n")
    assert queue.last_lines("8") == ["a", "b\\x1b[2J", "c"]
    log.write_text("slurmstepd: error: *** JOB 8 CANCELLED ***\n")
    assert queue.last_lines("8") == ["slurmstepd: error: *** JOB 8 CANCELLED ***"]
    log.write_text("Traceback\nbus.core.errors.BusError: The disk is full.\nsrun: error: d\n")
    assert queue.last_lines("8") == ["The disk is full."]

    # a job that nobody knows is young or gone; one whose machine failed is put in line again
    job = slurm.Job("99", "audit", "", "2026-01-01T00:00:00+00:00")
    assert not slurm.is_alive(job, "UNKNOWN") and not slurm.is_alive(job, "FAILED")
    young = replace(job, since=slurm.datetime.now(slurm.UTC).isoformat())
    assert slurm.is_alive(young, "UNKNOWN") and slurm.is_alive(young, "NODE_FAIL")


def test_a_task_that_loses_its_machine_is_sent_off_as_it_was(study: Study) -> None:
    pytest.importorskip("submitit")
    work = tasks.Work(study.path, WISH, tasks.AuditTask(()), None)
    assert work.checkpoint().function == work
