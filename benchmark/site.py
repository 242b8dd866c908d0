"""What a user says of a Slurm cluster: options of `sbatch`, how much at once. Checked without torch."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from ..core.compute import Compute, check_names, resolve
from ..core.errors import BusError, UsageError, did_you_mean

EXECUTORS = ("local", "slurm")
PROGRAMS = ("sbatch", "sacct", "srun")
OURS = {  # options of sbatch that follow from the work itself
    "array", "dependency", "kill-on-invalid-dep", "nodes", "ntasks", "ntasks-per-node", "open-mode", "output",
    "error", "requeue", "no-requeue", "signal", "wrap", "parsable", "wait", "input", "chdir", "test-only",
}  # fmt: skip
MINUTES = 240  # of a task, unless the user says otherwise
TIME = re.compile(r"(?:(?P<days>\d{1,3})-)?(?P<fields>\d{1,6}(?::\d{1,2}){0,2})")


@dataclass(frozen=True)
class Site:
    """How tasks are submitted to Slurm."""

    options: Mapping[str, str | bool]  # of sbatch, without dashes before them, beside those of OURS
    minutes: int = MINUTES  # that a task may run before it is begun again from where it was
    max_parallel: int = 32  # tasks of one kind at once
    cells_per_job: int = 8

    @property
    def threads(self) -> int:
        """Processor cores of a task."""
        return int(self.options.get("cpus-per-task", 1))

    def compute(self, device: str, precision: str) -> Compute:
        """The arithmetic of the tasks, which the machine that submits them may lack.

        `auto` is a graphics card where the options ask for one, with bfloat16; else a processor, with what
        pays on this machine's.
        """
        check_names(device, precision)
        if device == "auto":
            cards = [
                name for name, value in self.options.items() if name.startswith("gpu") or "gpu" in str(value)
            ]
            device = "cuda" if cards else "cpu"
        if precision == "auto":
            precision = resolve("cpu").precision if device == "cpu" else "bfloat16"
        return Compute(device, precision, self.threads)


def check_executor(name: str) -> None:
    """UsageError for an executor that nobody knows; BusError where this machine cannot submit to Slurm."""
    if name not in EXECUTORS:
        raise UsageError(
            f"--executor {name} is unknown; choose one of {', '.join(EXECUTORS)}."
            f"{did_you_mean(name, EXECUTORS)}"
        )
    if name == "slurm" and find_spec("submitit") is None:
        raise BusError("--executor slurm needs submitit: pip install submitit, on all machines alike.")
    if name == "slurm" and (missing := [program for program in PROGRAMS if shutil.which(program) is None]):
        raise BusError(
            f"--executor slurm: this machine has no {', '.join(missing)}. Run the command where you would "
            "run sbatch, or use --export-workflow snakemake."
        )


def site(options: Sequence[str], max_parallel: int, cells_per_job: int) -> Site:
    """What was asked by `--slurm NAME=VALUE` and beside it; UsageError for what cannot be."""
    told: dict[str, str | bool] = {}
    for text in options:
        name, equals, value = text.partition("=")
        name = name.strip().removeprefix("--").replace("_", "-")
        if not equals or not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not value.isprintable() or not value:
            raise UsageError(f"--slurm {text}: expected an option of sbatch, such as partition=gpu.")
        if name in OURS:
            raise UsageError(f"--slurm {text}: bus sets {name} itself. Leave it out.")
        if name in told:
            raise UsageError(f"--slurm {name} is there twice.")
        told[name] = True if value.casefold() == "true" else value
    cores = str(told.get("cpus-per-task", "1"))
    if not re.fullmatch(r"[1-9]\d{0,3}", cores):
        raise UsageError(f"--slurm cpus_per_task={cores}: expected a number of cores.")
    minutes = _minutes(str(told.pop("time", MINUTES)))
    return Site(told, minutes, max_parallel, cells_per_job)


def _minutes(text: str) -> int:
    """Minutes of a time as Slurm reads it: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS."""
    found = TIME.fullmatch(text)
    if not found:
        raise UsageError(f"--slurm time={text}: expected minutes, HH:MM:SS or D-HH:MM:SS.")
    fields = [int(part) for part in found["fields"].split(":")]
    if found["days"] is not None:
        hours, minutes, seconds = (*fields, 0, 0)[:3]
    elif len(fields) == 3:
        hours, minutes, seconds = fields
    else:
        hours, (minutes, seconds) = 0, (*fields, 0)[:2]
    whole = int(found["days"] or 0) * 1440 + hours * 60 + minutes + (seconds > 0)
    if not whole:
        raise UsageError(f"--slurm time={text}: expected a minute or more.")
    return whole
