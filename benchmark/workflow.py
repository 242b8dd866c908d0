"""A benchmark's tasks as a Snakefile, for sites without Slurm or with engines of their own.

Every rule is an ordinary command of `bus` that does one task; Snakemake only orders them.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from ..core import files
from ..core.progress import result
from ..data.study import Study
from .request import Request
from .tasks import CellsTask, Task, tasks_of

SNAKEFILE = "Snakefile"  # in the study
MARKS = "cluster/done"  # folder of the study in which each task leaves an empty file


def export_workflow(study: Study, request: Request, cells_per_task: int) -> Path:
    """Write the Snakefile of a request into its study, and say how it is run; returns its path."""
    path = study.path / SNAKEFILE
    tasks = tasks_of(study, request, cells_per_task=cells_per_task, all_of_them=True)
    files.write_text(path, snakefile(study, request, tasks))
    cells = sum(len(task.numbers) for task in tasks if isinstance(task, CellsTask))
    result(
        f"{path} holds {len(tasks)} tasks of {cells} trainings, and the report. Run snakemake --snakefile "
        f"{shlex.quote(str(path))} --cores N."
    )
    return path


def snakefile(study: Study, request: Request, tasks: Sequence[Task]) -> str:
    """The rules: one a task, in their order, then the report."""
    typed, jobs = command(request)
    marks = {task.name: _mark(study, task.name) for task in tasks}
    rules = [
        _rule(task.name, [marks[name] for name in task.after], marks[task.name], typed, jobs, task)
        for task in tasks
    ]
    report = _rule("report", list(marks.values()), _mark(study, "report"), typed, jobs, None)
    head = (
        "# Written by bus benchmark --export-workflow snakemake. Each rule is a command for any machine\n"
        "# that sees the study; running one again does no harm. --config bus=… names another bus.\n"
        'BUS = config.get("bus", "bus")\n\n'
        f"workdir: {str(Path.cwd())!r}\n\n"
        f"rule all:\n    input: {_mark(study, 'report')!r}\n"
    )
    return "\n".join([head, *rules, report])


def command(request: Request) -> tuple[str, int]:
    """What was typed, after `bus` and without what asked for the workflow, and the trainings at once."""
    words, kept, jobs = iter(shlex.split(request.command)[1:]), [], 1
    for word in words:
        name, _, value = word.partition("=")
        if name not in ("--export-workflow", "--cells-per-job", "--jobs"):
            kept.append(word)
            continue
        value = value or next(words, "")
        jobs = int(value) if name == "--jobs" else jobs
    return shlex.join(kept), jobs


def _mark(study: Study, name: str) -> str:
    return str(study.path.resolve() / MARKS / name)


def _rule(name: str, after: Sequence[str], mark: str, typed: str, jobs: int, task: Task | None) -> str:
    lines = [f"rule {_identifier(name)}:"]
    if after:
        lines.append(f"    input: {', '.join(map(repr, after))}")
    lines.append(f"    output: touch({mark!r})")
    threads = f"{jobs}" if isinstance(task, CellsTask) else "workflow.cores"  # a translator takes all
    lines.append(f"    threads: {threads}")
    words = f"--jobs {jobs}" + (f" --task {shlex.quote(task.name)}" if task else "")
    escaped = f"{typed} {words}".replace("{", "{{").replace("}", "}}")
    lines.append(f"    shell: {'{BUS} ' + escaped!r}")
    return "\n".join(lines) + "\n"


def _identifier(name: str) -> str:
    """A rule's name: letters of ASCII, digits and underscores; numbers tell apart what that makes alike."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
    if plain == name.replace("-", "_").replace("+", "_"):
        return plain
    return f"{plain}_{files.sha256_bytes(name.encode())[:8]}"
