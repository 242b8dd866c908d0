"""A whole tiny study on a real Slurm of one node, with a task cancelled, one killed, and the node drained.

And the same work by a real Snakemake. Every file must hold the bytes of a local run; `make test-cluster`.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bus.data import phantom

pytestmark = pytest.mark.cluster
HERE = Path(__file__).parent
BUS = [sys.executable, "-m", "bus"]
ASK = "--data scans --size 32 --k 2 --preset demo --models simplecnn --arms original,cyclegan --seeds 3"
ELSEWHERE = "--executor slurm --cells-per-job 2 --max-parallel 1"
MEASURED = {"metrics.json", "metrics.jsonl", "checkpoint.json"}  # hold seconds, or the hash of what does
WAIT = 600  # s at most for anything


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm of its own for these tests."""
    if shutil.which("slurmctld") is None or os.geteuid():
        pytest.skip("needs root and Slurm: apt-get install slurm-wlm munge slurmdbd mariadb-server")
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            subprocess.run([HERE / "slurm-up.sh", folder], check=True, timeout=180)
            yield
        finally:
            subprocess.run([HERE / "slurm-down.sh", folder], timeout=60, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scans and a study that was made from them here, on one core, as a task has one."""
    place = tmp_path_factory.mktemp("site")
    phantom.write_cohort(place / "scans", 32, seed=0, size=48)
    with one_core():
        assert bus(place, "local").wait(WAIT) == 0, log(place, "local")
    return place


@contextmanager
def one_core() -> Iterator[None]:
    """Give what is started here one core: a translator notes on how many threads it was trained."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def bus(place: Path, study: str, *more: str) -> "subprocess.Popen[bytes]":
    """The benchmark as a user types it; what it says is appended to a log."""
    command = [*BUS, "benchmark", "--study", study, *ASK.split(), "--extractor", "efficientnet-lite0", *more]
    with (place / f"{study}.log").open("ab") as out:
        return subprocess.Popen(command, cwd=place, stdout=out, stderr=subprocess.STDOUT)


def log(place: Path, study: str) -> str:
    return (place / f"{study}.log").read_text()


def until(what: Callable[[], object], process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Wait until something holds."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < WAIT, "waited in vain"
        assert process is None or process.poll() is None, "the command has ended"
        time.sleep(0.2)


def slurm_says(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def job_of(place: Path, name: str) -> str:
    """The id of the job that does a task, as the study notes it; empty before."""
    path = place / "slurm" / "cluster" / "jobs.json"
    found = re.search(rf'"id": "([\d_]+)",\s+"task": "{name}', path.read_text()) if path.exists() else None
    return found[1] if found else ""


def runs(job: str) -> bool:
    return bool(job) and slurm_says("squeue", "-h", "-j", job, "-o", "%T").strip() == "RUNNING"


def made(study: Path) -> dict[str, bytes]:
    """What decides and what was answered: configurations, generator, scans, answers, heat, weights."""
    return {
        path.relative_to(study).as_posix(): path.read_bytes()
        for folder in sorted(study.glob("fold-*"))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in MEASURED and path.suffix not in {".pt", ".md"}
        if path.name != "DONE" and path.parent.name != "samples"
    }


def same(one: Path, other: Path) -> int:
    """The number of files that two studies share byte for byte; fails where any differs."""
    first, second = made(one), made(other)
    assert set(first) == set(second)
    assert [name for name in first if first[name] != second[name]] == []
    assert sum(name.endswith("predictions.csv") and "/simplecnn/" in name for name in first) == 6
    assert any(name.endswith("generator.safetensors") for name in first)
    return len(first)


def test_a_study_on_slurm_survives_what_happens_there_and_is_that_of_one_machine(
    site: Path, slurm: None
) -> None:
    begun, more = time.monotonic(), ELSEWHERE.split()

    # the translator's node is drained and its job put in line again, while the terminal is left
    first = bus(site, "slurm", *more)
    until(lambda: (site / "slurm/fold-0/gan/malignant/seed-0/checkpoint.pt").exists(), first)
    first.send_signal(signal.SIGINT)
    assert first.wait(60) == 130
    translator = job_of(site, "translator")
    assert f"scancel {translator}" in log(site, "slurm") and runs(translator)
    node = slurm_says("hostname", "-s").strip()
    slurm_says("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    slurm_says("scontrol", "requeue", translator)
    until(lambda: "PENDING" in slurm_says("squeue", "-h", "-j", translator, "-o", "%T"))
    slurm_says("scontrol", "update", f"nodename={node}", "state=resume")
    slurm_says("scontrol", "update", f"jobid={translator}", "StartTime=now")  # else it waits two minutes

    # whoever comes back finds the jobs; a task of cells is cancelled, another killed
    second = bus(site, "slurm", *more)
    until(lambda: runs(job_of(site, "cells-0-1")), second)
    assert job_of(site, "translator") in ("", translator), "sent off once"
    slurm_says("scancel", job_of(site, "cells-0-1"))
    until(lambda: runs(job_of(site, "cells-2-3")), second)
    killed = job_of(site, "cells-2-3")
    until(lambda: workers(killed), second)
    os.kill(workers(killed)[0], signal.SIGKILL)
    assert second.wait(WAIT) == 1
    said = log(site, "slurm")
    assert re.search(r"failed: cells-0-1 \(job \d+_0\): cancelled", said)
    assert re.search(r"failed: cells-2-3 \(job \d+_1\): failed\. Its last words: ", said)
    assert "Going on from" in "".join(p.read_text() for p in (site / "slurm-jobs").glob("*.out"))

    # the same command trains what is missing, then has nothing to do
    assert bus(site, "slurm", *more).wait(WAIT) == 0, log(site, "slurm")
    count = same(site / "local", site / "slurm")
    assert bus(site, "slurm", *more).wait(WAIT) == 0
    assert "Nothing to do: all 6 cells are done" in log(site, "slurm")

    # what the accounting says of it
    table = slurm_says("sacct", "-X", "-o", "JobID%8,JobName%16,State%22,Elapsed,ExitCode")
    print(f"\n{table}\n{count} files alike, {time.monotonic() - begun:.0f} s")


def workers(job: str) -> list[int]:
    """The processes in which a task's Python runs; none before it does."""
    plain = slurm_says("squeue", "-h", "-j", job, "-o", "%A").strip()
    command = ["scontrol", "listpids", plain]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    pids = [int(line.split()[0]) for line in listed.splitlines()[1:] if line.split()[0].isdecimal()]
    found = []
    for pid in pids:
        path = Path(f"/proc/{pid}/cmdline")
        words = path.read_bytes().split(b"\0") if path.exists() else [b""]
        if b"submitit.core._submit" in words and not words[0].endswith(b"srun"):
            found.append(pid)
    return found


def test_snakemake_does_the_same_work(site: Path) -> None:
    program = os.environ.get("SNAKEMAKE") or shutil.which("snakemake")
    if program is None:
        pytest.skip("needs snakemake, at SNAKEMAKE=… or among the programs")
    assert bus(site, "snake", "--export-workflow", "snakemake", "--cells-per-job", "3").wait(WAIT) == 0
    command = [program, "--snakefile", "snake/Snakefile", "--cores", "1", "--config", f"bus={' '.join(BUS)}"]
    with one_core():
        done = subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"\n{same(site / 'local', site / 'snake')} files alike")
    assert (site / "snake/report/index.html").exists()
    again = subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=WAIT, check=True)
    assert "Nothing to be done" in again.stderr
