"""Full and read-only disks, vanished folders, caches and memory that run out, Ctrl-C: one sentence, no loss.

The faults are real: this file runs itself inside `unshare -m`, mounts small and read-only disks there, and
runs the commands on them. Where that is not permitted, those tests are skipped.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TINY = "--preset demo --method published --set channels=4 --set blocks=1 --pairs 40"
CELLS = "--preset demo --models simplecnn --jobs 1 --extractor efficientnet-lite0"
FULL = {  # name → size of the disk in MB, what is copied there, command
    "study": (3, "", "gan train --study {disk}/study --data phantom --preset demo --size 64"),
    "translator": (
        6,
        "study.json cohort.csv pixels.npy masks.npy",
        "gan train --study {disk}/study --preset demo --method published",
    ),
    "scans": (
        8,
        "study.json cohort.csv pixels.npy masks.npy fold-0/gan fold-0/synth",
        "synth --study {disk}/study --n 5000",
    ),
    "cells": (
        30,
        "study.json cohort.csv pixels.npy masks.npy fold-0/gan fold-0/synth fold-0/cells",
        f"benchmark --study {{disk}}/study {CELLS} --seeds 5 --keep-weights",
    ),
}
NO_FILES = {  # name → inodes left, what is copied, command; the space is there, the files are not
    "study": (2, "", "gan train --study {disk}/study --data {data} --size 32 --k 2"),
    "translator": (
        6,
        "study.json cohort.csv pixels.npy masks.npy",
        f"gan train --study {{disk}}/study {TINY}",
    ),
    "scans": (
        12,
        "study.json cohort.csv pixels.npy masks.npy fold-0/gan",
        "synth --study {disk}/study --n 30",
    ),
    "cells": (
        5,
        "study.json cohort.csv pixels.npy masks.npy fold-0/gan fold-0/synth fold-0/cells report",
        f"benchmark --study {{disk}}/study {CELLS} --arms original,weighted",
    ),
    "report": (
        1,
        "study.json cohort.csv pixels.npy masks.npy fold-0/gan fold-0/synth fold-0/cells",
        f"benchmark --study {{disk}}/study {CELLS} --arms original,cyclegan",
    ),
    "page": (0, "", "data check {data} --k 2 --page {disk}/page.html"),
}
READ_ONLY = {  # command → exit code and words
    "status --study {disk}/study": (0, "trained"),
    f"gan train --study {{disk}}/study {TINY}": (0, "Nothing to do"),
    "synth --study {disk}/study --n 30 --extractor efficientnet-lite0": (0, "Nothing to do"),
    f"benchmark --study {{disk}}/study {CELLS} --arms original,cyclegan": (0, "Nothing to do"),
    f"gan train --study {{disk}}/study {TINY} --gan-seed 1": (1, "Read-only file system"),
    "synth --study {disk}/study --n 31 --extractor efficientnet-lite0": (1, "Read-only file system"),
    f"benchmark --study {{disk}}/study {CELLS} --arms original,weighted": (1, "Read-only file system"),
    "gan train --study {disk}/new --data {data} --size 32 --k 2": (1, "Read-only file system"),
    "data check {data} --k 2 --page {disk}/page.html": (1, "Read-only file system"),
}


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def mount(disk: Path, *options: str) -> None:
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", *options, str(disk)], check=True)


def command(text: str, disk: Path, data: Path) -> dict[str, Any]:
    """Run a command in this process; its exit code, what it said, what it changed and left over."""
    from bus.cli.app import main
    from bus.cli.terminal import console, results

    before, said, code = contents(disk), io.StringIO(), 0
    console.file = results.file = sys.stderr = said
    try:
        main(text.format(disk=disk, data=data).split())
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException as error:
        said.write(f"Traceback: {error!r}")
    finally:
        console.file = results.file = sys.__stdout__
        sys.stderr = sys.__stderr__
    after = contents(disk)
    return {
        "code": code,
        "text": " ".join(said.getvalue().split()),
        "changed": sorted(name for name in before if before[name] != after.get(name)),
        "new": sorted(after.keys() - before.keys()),
    }


def put(study: Path, disk: Path, names: str) -> None:
    for name in names.split():
        (disk / "study" / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (study / name).is_dir() else shutil.copy2
        copy(study / name, disk / "study" / name)


def full_disks(study: Path, data: Path, place: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, (megabytes, copied, text) in FULL.items():
        disk = place / f"full-{name}"
        mount(disk, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs")
        put(study, disk, copied)
        yield f"full {name}", command(text, disk, data)
    for name, (inodes, copied, text) in NO_FILES.items():
        disk = place / f"inodes-{name}"
        mount(disk, "-t", "tmpfs", "-o", "size=100m", "tmpfs")
        put(study, disk, copied)
        used = os.statvfs(disk).f_files - os.statvfs(disk).f_ffree
        subprocess.run(["mount", "-o", f"remount,nr_inodes={used + inodes}", str(disk)], check=True)
        yield f"inodes {name}", command(text, disk, data)


def read_only_disk(study: Path, data: Path, place: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    kept, disk = place / "kept", place / "read-only"
    shutil.copytree(study, kept / "study")
    for remade in (kept / "study").glob("fold-*/synth/**/remade.json"):  # as versions before left it
        remade.unlink()
    mount(disk, "--bind", str(kept))
    subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True)
    for text in READ_ONLY:
        yield text, command(text, disk, data)


def no_memory(study: Path, data: Path, place: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import resource

    disk = place / "memory"
    shutil.copytree(study, disk / "study")
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (300 << 20), resource.RLIM_INFINITY))
    text = (
        "gan train --study {disk}/study --gan-seed 3 --preset demo --method published "
        "--set channels=16 --set batch=2000"
    )
    yield "memory", command(text, disk, data)


def inside(study: Path, data: Path, place: Path) -> None:
    """What runs under `unshare -m`: every fault, the outcomes as JSON."""
    from bus.benchmark.cells import STEPS

    STEPS["demo"] = (4, 2)
    outcomes = [pair for part in (full_disks, read_only_disk, no_memory) for pair in part(study, data, place)]
    (place / "outcomes.json").write_text(json.dumps(dict(outcomes)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder of class folders."""
    from bus.data.phantom.simulation import write_cohort

    path = tmp_path_factory.mktemp("data") / "data"
    write_cohort(path, 24, seed=3, size=64)
    return path


@pytest.fixture(scope="module")
def outcomes(
    finished_study: Path, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """How every fault ended."""
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode
    ):
        pytest.skip("unshare -m is not permitted here")
    place = tmp_path_factory.mktemp("faults")
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = [sys.argv[1]]; import test_faults; "
        "test_faults.inside(*map(Path, sys.argv[2:]))"
    )
    here = [str(Path(__file__).parent), str(finished_study), str(data), str(place)]
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", code, *here], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((place / "outcomes.json").read_text())


def check_refusal(found: dict[str, Any], code: int = 1) -> None:
    assert found["code"] == code, found
    assert "Traceback" not in found["text"]
    assert found["changed"] == [], "earlier results are intact"
    assert not [name for name in found["new"] if name.endswith((".part", ".lock"))]


@pytest.mark.long
@pytest.mark.parametrize("name", FULL)
def test_too_small_a_disk_is_seen_before_the_work(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    found = outcomes[f"full {name}"]
    check_refusal(found)
    assert found["new"] == []
    assert "needs about" in found["text"]
    assert " MB are free. Free some space" in found["text"]


@pytest.mark.long
@pytest.mark.parametrize("name", NO_FILES)
def test_a_disk_that_fills_up_ends_in_a_sentence(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    found = outcomes[f"inodes {name}"]
    found["changed"] = [
        changed for changed in found["changed"] if not changed.startswith("study/report/")
    ]  # of what is left
    check_refusal(found)
    assert "No space left on device" in found["text"]
    assert not [new for new in found["new"] if new.endswith(("DONE", "study.json", "manifest.csv"))], (
        "nothing counts as done"
    )


@pytest.mark.long
@pytest.mark.parametrize("text", READ_ONLY)
def test_a_read_only_study_can_be_read_and_says_what_it_is(
    outcomes: dict[str, dict[str, Any]], text: str
) -> None:
    code, words = READ_ONLY[text]
    check_refusal(outcomes[text], code)
    assert words in outcomes[text]["text"]
    assert outcomes[text]["new"] == []


@pytest.mark.long
def test_out_of_memory_names_the_batch(outcomes: dict[str, dict[str, Any]]) -> None:
    found = outcomes["memory"]
    check_refusal(found)
    assert (
        "Out of memory with steps of 2000 pairs of 32 px. Use a smaller batch (--set batch=1000"
        in found["text"]
    )


def test_cells_out_of_memory_name_the_jobs() -> None:
    import torch
    from bus.benchmark import run

    huge = (
        "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 9 bytes."
    )
    for error in (
        MemoryError(),
        RuntimeError(huge),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB"),
    ):
        assert "fewer --jobs" in run._sentence(error)
    with ProcessPoolExecutor(1) as pool, pytest.raises(BrokenProcessPool) as caught:
        pool.submit(os._exit, 9).result()
    assert "fewer --jobs" in run._sentence(caught.value)


@contextmanager
def at_step(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, number: int, action: Callable[[], object]
) -> Iterator[None]:
    """Do something in the middle of the work: after the `number`-th call of a function."""
    original, calls = getattr(module, name), 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        found = original(*arguments, **named)
        if calls == number:
            action()
        return found

    monkeypatch.setattr(module, name, counted)
    yield
    assert calls >= number


@pytest.mark.usefixtures("few_steps")
def test_a_study_that_vanishes_is_not_made_anew(
    finished_study: Path,
    tmp_path: Path,
    run_bus: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bus.benchmark import run
    from bus.benchmark.arms import Arm
    from bus.benchmark.cells import cells_of
    from bus.benchmark.request import Request
    from bus.core.errors import BusError
    from bus.data.study import Study
    from bus.gan import synth, train

    study = tmp_path / "study"

    def vanish() -> None:
        shutil.rmtree(study)

    shutil.copytree(finished_study, study)
    with at_step(monkeypatch, train, "_step", 3, vanish):
        code, text = run_bus("gan", "train", "--study", study, "--gan-seed", 1, *TINY.split())
    assert (code, "has vanished" in text, study.exists()) == (1, True, False), text
    shutil.copytree(finished_study, study)
    with at_step(monkeypatch, synth, "_translate", 1, vanish):
        code, text = run_bus("synth", "--study", study, "--n", 100)
    assert (code, "has vanished" in text, study.exists()) == (1, True, False), text
    shutil.copytree(finished_study, study)
    cell = cells_of(Study.open(study), Request((0,), (Arm("weighted"),), ("simplecnn",), preset="demo"))[0]
    with at_step(monkeypatch, run, "fit", 1, vanish), pytest.raises(BusError, match=r"vanished|No such file"):
        run._train_cell(
            study, cell, 1, keep_weights=False, external=None, told=lambda share: None, compact=False
        )
    assert not study.exists()


def test_an_unwritable_cache_costs_fid_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bus.core.errors import BusError
    from bus.gan.scores.features import choose_extractor

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file" / "cache"))
    told: list[str] = []
    assert choose_extractor("auto", announce=told.append).name == "efficientnet-lite0"
    assert any(
        "Could not write" in text and "the distances are FD (EfficientNet-Lite0)" in text for text in told
    )
    with pytest.raises(BusError, match=r"Could not write .*cache"):
        choose_extractor("inception", announce=told.append)


def start(study: Path, arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "bus", *arguments.split(), "--study", str(study)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def interrupt(process: "subprocess.Popen[str]", line: str) -> str:
    """What a command said that Ctrl-C stopped a second after a line; `make speed` measures how soon."""
    assert process.stdout is not None
    said = ""
    while line not in said:
        said += process.stdout.readline() or pytest.fail(said)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    return " ".join(
        (said + process.communicate(timeout=120)[0]).split()
    )  # left alone, they would go on for far longer


@pytest.mark.long
@pytest.mark.parametrize(
    ("beside", "folds", "words"),
    [("", (0,), ""), (" --fold 0,1 --jobs 2", (0, 1), "Stopped with 2 of 2 to go; ")],
    ids=["alone", "beside each other"],
)
def test_ctrl_c_saves_translators_and_says_how_to_go_on(
    tiny_study: Path, tmp_path: Path, beside: str, folds: tuple[int, ...], words: str
) -> None:
    study = tmp_path / "study"
    shutil.copytree(tiny_study, study)
    train = "gan train --preset demo --method published --set channels=4 --set blocks=1 --pairs 1000000"
    for line in ("CycleGAN benign", "Going on from"):
        process = start(study, train + beside)
        said = interrupt(process, line)
        assert process.returncode == 130, said
        assert f"{words}run the same command again to go on from there" in said
    assert all((study / f"fold-{fold}/gan/malignant/seed-0/checkpoint.pt").exists() for fold in folds)
    assert not list(study.rglob(".*"))


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Ctrl-C as a terminal gives it; what a shell starts in the background, these tests too, ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("few_steps", "heeds_ctrl_c")
def test_ctrl_c_in_scans_and_elsewhere(
    finished_study: Path,
    tmp_path: Path,
    run_bus: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bus.data import reading
    from bus.data.study import Study
    from bus.gan import synth
    from bus.gan.manifest import SyntheticSet

    study = tmp_path / "study"
    shutil.copytree(finished_study, study)
    press = lambda: os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
    with at_step(monkeypatch, synth, "_translate", 1, press):
        code, text = run_bus("synth", "--study", study, "--n", 100)
    assert (code, "Stopped after 62 of 100 synthetic scans; run the same command again" in text) == (
        130,
        True,
    ), text
    assert len(SyntheticSet(Study.open(study), 0, "malignant", 0).rows) == 62
    with at_step(monkeypatch, SyntheticSet, "pixels", 1, press):
        code, text = run_bus("synth", "--study", study, "--n", 62, "--extractor", "efficientnet-lite0")
    assert (code, "Run the same command again to go on" in text) == (130, True), text
    with at_step(monkeypatch, reading, "look", 5, press):
        code, text = run_bus("gan", "train", "--study", tmp_path / "new", "--preset", "demo", "--size", 32)
    assert (code, "Run the same command again to go on" in text) == (130, True), text
    assert [path.name for path in tmp_path.iterdir()] == ["study"]
    assert not list(study.rglob(".*"))


@pytest.mark.long
def test_ctrl_c_ends_cells_and_their_processes(tiny_study: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(tiny_study, study)
    process = start(study, "benchmark --preset standard --models simplecnn --arms original,weighted --jobs 2")
    said = interrupt(process, "Trainings")
    assert process.returncode == 130, said
    assert "Stopped with 2 cells to go; run the same command again to go on." in said
    assert not list(study.rglob("DONE"))
