"""A benchmark's tasks on a Slurm cluster, by submitit: sent off, watched, found again by the same command.

The study holds `cluster/jobs.json` (which job does which task). submitit's files and the logs lie in a folder
beside the study: they include links, which a study may not hold. What a job tells is read as text from its
log, its state from Slurm's accounting; the pickled result that submitit leaves is not opened.
"""

import re
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ..core import files, lock
from ..core.errors import BusError, printable
from ..core.progress import Interrupted, note, progress, result, stoppable
from ..data.study import Study
from . import run
from .cell import Cell
from .external import External
from .pipeline import Executor
from .request import Request
from .site import Site
from .tasks import Work, numbers_in, tasks_of, trained

FOLDER, JOBS = "cluster", "jobs.json"
BESIDE = "-jobs"  # ends the name of the folder beside the study that holds submitit's files
OURS = re.compile(r"bus\.core\.errors\.\w+: (.*)")  # the line of a log that says what failed
AROUND = ("srun:", "slurmstepd:")  # lines of Slurm that follow upon it
POLL = 10.0  # s between two questions to the accounting
LOOK = 0.2  # s between two looks whether to stop
GRACE = 600  # s until a job counts as gone that the accounting does not know, or whose machine failed
AGAIN = 10  # times that a task is begun anew since its time was up
ALIVE = {
    "PENDING", "RUNNING", "REQUEUED", "COMPLETING", "CONFIGURING", "SUSPENDED", "RESIZING", "PREEMPTED",
}  # fmt: skip
SILENT = "SILENT"  # the accounting did not answer: nothing is known of any job
UNSURE = {"UNKNOWN", "NODE_FAIL", "BOOT_FAIL"}  # not in the accounting yet; or the job is put in line again
SETTLE = 60  # s until what was written on one machine is seen on another: NFS keeps old attributes so long
LINES = 3  # of a failed task's log that are shown


@dataclass(frozen=True)
class Job:
    """A task that was sent off."""

    id: str  # of Slurm: 12, or 12_3 in an array
    task: str  # its name
    request: str  # hash of what was asked
    since: str  # UTC

    @property
    def age(self) -> float:
        """Seconds since it was sent off."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.since)).total_seconds()


class Queue(Protocol):
    """Where jobs wait and run."""

    def submit(self, works: Sequence[Work], after: Collection[str]) -> list[str]:
        """Send off works beside each other, as soon as the jobs `after` have succeeded; returns their ids."""

    def states(self, ids: Collection[str]) -> dict[str, str]:
        """What Slurm says of jobs, UNKNOWN where it says nothing."""

    def last_lines(self, job: str) -> list[str]:
        """The end of what a job told, errors first."""


class Submitit:
    """Slurm by submitit."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.folder, self.site = folder, site

    def submit(self, works: Sequence[Work], after: Collection[str]) -> list[str]:
        """As a job, or as an array of jobs of which so many run at once as the user said."""
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError

        options: dict[str, str | bool] = {**self.site.options, "requeue": True}
        if after:
            options |= {"dependency": f"afterok:{':'.join(after)}", "kill-on-invalid-dep": "yes"}
        executor = SlurmExecutor(self.folder, max_num_timeout=AGAIN)
        executor.update_parameters(
            job_name=f"bus-{works[0].task.name.partition('-')[0]}",
            time=self.site.minutes,
            array_parallelism=self.site.max_parallel,
            additional_parameters=options,
        )
        try:
            with executor.batch():
                jobs = [executor.submit(work) for work in works]
        except FailedJobError as error:
            raise BusError(f"Slurm refused the tasks: {printable(_tail(str(error)))}") from error
        return [job.job_id for job in jobs]

    def states(self, ids: Collection[str]) -> dict[str, str]:
        """By one call of sacct."""
        from submitit.slurm.slurm import SlurmInfoWatcher

        arrays = ",".join(sorted({job.partition("_")[0] for job in ids}))
        command = ["sacct", "-o", "JobID,State,NodeList", "--parsable2", "-j", arrays]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        if asked.returncode:
            note(f"Slurm's accounting does not answer ({_tail(printable(asked.stderr))}).", warning=True)
            return dict.fromkeys(ids, SILENT)
        known = SlurmInfoWatcher().read_info(asked.stdout)
        return {job: known.get(job, {}).get("State", "UNKNOWN").split()[0] for job in ids}

    def last_lines(self, job: str) -> list[str]:
        """Of its log of errors, else of the other."""
        from submitit.core.utils import JobPaths

        paths = JobPaths(self.folder, job_id=job)
        for path in (paths.stderr, paths.stdout):
            lines = _lines(path)
            if ours := [found[1] for line in lines if (found := OURS.match(line))]:
                return ours[-1:]
            if lines:
                return ([line for line in lines if not line.startswith(AROUND)] or lines)[-LINES:]
        return []


def _lines(path: Path) -> list[str]:
    """The last lines of a log that say something of the work."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - (64 << 10)))
            text = handle.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = [line.strip() for line in text.splitlines()]
    return [printable(line)[:500] for line in lines if line and not line.startswith(("submitit", "---"))]


def _tail(text: str) -> str:
    return " ".join(text.split())[-500:]


class Slurm(Executor):
    """Translators, then their scans, then cells, as jobs; whoever asks may leave and come back."""

    def __init__(self, site: Site, queue: Queue | None = None) -> None:
        self.site, self._queue = site, queue
        self._cells: list[Job] = []

    def prepare(self, study: Study, request: Request, others: External | None) -> None:
        """Send off all that is missing and that no job of ours does, and wait for translators and scans."""
        place = study.path.resolve()
        queue = self._queue or Submitit(place.with_name(place.name + BESIDE), self.site)
        self._queue = queue
        with lock.hold(study.path / FOLDER, "The list of jobs"):
            jobs = self._submit(study, request, others, queue)
        self._cells = [job for job in jobs if numbers_in(job.task)]
        first = [job for job in jobs if job not in self._cells]
        failed = self._watch(first, "Translators and scans")
        _settle(lambda: not failed and bool(tasks_of(study, request, (), cells_per_task=1)))
        if failed:
            raise BusError(
                f"{failed[0]} No cell was trained after it; finished work is kept. Run the same command "
                "again to go on."
            )

    def train(
        self, study: Study, request: Request, cells: Sequence[Cell], others: External | None
    ) -> list[str]:
        """Wait for the cells; what is missing then has failed."""
        told, wanted = self._watch(self._cells, "Trainings"), run.to_train(cells)
        _settle(lambda: not told and bool(run.missing(wanted, request.keep_weights, others)))
        run.correct(study, cells, others)
        left = run.missing(wanted, request.keep_weights, others)
        reason = f" ({told[0]})" if told else ""
        return [f"{cell.title}: not trained{reason}" for cell in left]

    def _submit(self, study: Study, request: Request, others: External | None, queue: Queue) -> list[Job]:
        """Send off what is missing; returns the jobs of this request and those it waits for."""
        # what is under way
        kept = {"keep_weights": True} if request.keep_weights else {}  # jobs without it keep too little
        key = files.sha256_json({**request.recorded, **kept})
        path = study.path / FOLDER / JOBS
        known = read_jobs(path)
        states = queue.states([job.id for job in known]) if known else {}
        active = [job for job in known if is_alive(job, states[job.id])]
        mine = [job for job in active if job.request == key or job.task.startswith(("translator", "scans"))]

        # what is missing beside it
        cells = trained(study, request)
        missing = {cell.path for cell in run.missing(cells, request.keep_weights, others)}
        under_way = {number for job in mine for number in numbers_in(job.task)}
        numbers = [n for n, cell in enumerate(cells) if cell.path in missing and n not in under_way]
        tasks = tasks_of(study, request, numbers, cells_per_task=self.site.cells_per_job)
        by_name = {job.task: job for job in mine}
        todo = [task for task in tasks if task.name not in by_name]
        wanted = {task.name for task in tasks}
        jobs = [job for job in mine if job.task in wanted or numbers_in(job.task) or job.task == "audit"]

        # send it off, array by array
        folder = None if others is None else others.folder.resolve()
        while todo:
            ready = [task for task in todo if all(name in by_name for name in task.after)]
            alike = [task for task in ready if (type(task), task.after) == (type(ready[0]), ready[0].after)]
            works = [Work(study.path.resolve(), request, task, folder) for task in alike]
            ids = queue.submit(works, [by_name[name].id for name in alike[0].after])
            since = datetime.now(UTC).isoformat(timespec="seconds")
            new = [Job(one, task.name, key, since) for one, task in zip(ids, alike, strict=True)]
            jobs, active = jobs + new, active + new
            by_name |= {job.task: job for job in new}
            write_jobs(path, active)
            todo = [task for task in todo if task not in alike]
        if jobs:
            old = sum(job in known for job in jobs)
            was = f", {old} of them since an earlier command" if old else ""
            note(f"{len(jobs)} task(s) are with Slurm{was}. scancel {_ids(jobs)} ends them.")
        return jobs

    def _watch(self, jobs: Sequence[Job], text: str) -> list[str]:
        """Wait until jobs have ended, showing how far they are; returns what failed, a sentence each."""
        assert self._queue is not None
        failed: list[str] = []
        unsure: dict[Job, float] = {}  # since when
        pending, begun, asked = list(jobs), time.monotonic(), -POLL
        if not pending:
            return failed
        with stoppable() as stop, progress(text, len(jobs)) as advance:
            while pending:
                if stop():
                    left = [*pending, *(job for job in self._cells if job not in jobs)]
                    raise Interrupted(
                        f"{len(left)} task(s) go on with Slurm. The same command shows them again; "
                        f"scancel {_ids(left)} ends them."
                    )
                now = time.monotonic()
                if now - asked < min(POLL, max(1.0, (now - begun) / 4)):
                    time.sleep(LOOK)
                    continue
                asked, states = now, self._queue.states([job.id for job in pending])
                unsure = {job: unsure.get(job, now) for job in pending if states[job.id] in UNSURE}
                alive = {job for job, first in unsure.items() if now - first < GRACE}
                ended = [
                    job for job in pending if job not in alive and states[job.id] not in {*ALIVE, SILENT}
                ]
                pending = [job for job in pending if job not in ended]
                for job in (job for job in ended if states[job.id] != "COMPLETED"):
                    lines = self._queue.last_lines(job.id)
                    if states[job.id] == "CANCELLED" and failed and not lines:
                        continue  # it waited for one that failed
                    failed.append(_failure(job, states[job.id], lines))
                    result(f"failed: {failed[-1]}", failed=True)
                running = sum(states[job.id] == "RUNNING" for job in pending)
                advance(len(ended), f"{running} run, {len(pending) - running} wait")
        return failed


def _settle(is_missing: Callable[[], bool]) -> None:
    """Wait until what jobs have written is seen here: a network file system may show it later."""
    begun = time.monotonic()
    while is_missing() and time.monotonic() - begun < SETTLE:
        time.sleep(1)


def _failure(job: Job, state: str, lines: Sequence[str]) -> str:
    said = f" Its last words: {' / '.join(lines)}" if lines else ""
    return f"{job.task} (job {job.id}): {state.lower().replace('_', ' ')}.{said}"


def is_alive(job: Job, state: str) -> bool:
    """Whether a job of an earlier command waits or runs."""
    return state in {*ALIVE, SILENT} or (state in UNSURE and job.age < GRACE)


def _ids(jobs: Iterable[Job]) -> str:
    """Jobs as scancel takes them, arrays as one."""
    return " ".join(dict.fromkeys(job.id.partition("_")[0] for job in jobs))


def read_jobs(path: Path) -> list[Job]:
    """The jobs that a study knows of; BusError where the file holds something else."""
    if not path.exists():
        return []
    content: Any = files.read_sealed(path)
    try:
        jobs = [Job(**item) for item in content["jobs"]]
        if not all(job.id.replace("_", "").isdecimal() and job.age > -GRACE for job in jobs):
            raise ValueError("no ids of Slurm")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BusError(
            f"{path} holds no list of jobs ({error}). Delete it and run the same command again."
        ) from error
    return jobs


def write_jobs(path: Path, jobs: Sequence[Job]) -> None:
    """Keep the list of jobs."""
    files.write_json(path, {"jobs": [asdict(job) for job in jobs]})
