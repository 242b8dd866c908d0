"""Worker processes: what they run, and what they leave alone."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from bus.core import processes
from bus.core.errors import BusError
from bus.core.progress import Advance, Interrupted, Listener, listening

SCRIPT = """
from bus.core import processes
print("the script runs")
with processes.pool(2) as pool:
    print(sorted(pool.map(abs, [1, -2, 3])))
print(__file__)
"""


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    """A user's first script guards nothing; spawned processes would run it again, and fail."""
    script = tmp_path / "first.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["the script runs", "[1, 2, 3]", str(script)]


def test_a_worker_leaves_ctrl_c_to_its_parent() -> None:
    with processes.pool(1) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


ENDED = """
import time
from bus.core import processes
try:
    with processes.pool(1) as pool:
        works = [pool.submit(time.sleep, 600) for _ in range(3)]
        while not works[0].running():
            time.sleep(0.05)
        (process,) = pool._processes.values()
        raise KeyboardInterrupt
except KeyboardInterrupt:
    print(process.is_alive())
"""


def test_ctrl_c_in_its_block_ends_a_pool_without_waiting_for_its_work(tmp_path: Path) -> None:
    """Nor does Python wait for it when it ends."""
    script = tmp_path / "ended.py"
    script.write_text(ENDED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


WORKS = """
import time
from bus.core.errors import BusError
from bus.core.progress import Interrupted, note, progress, result, stoppable

def steps(count):
    note(f"{count} steps", warning=True)
    with stoppable() as stop, progress("steps", count) as advance:
        for _ in range(count):
            advance(1)
            time.sleep(0.01)
            if stop():
                raise Interrupted("saved")
    result(f"did {count}")

def begun(place, count):
    with open(place, "a") as file:
        file.write(".")
    steps(count)

def ended(count):
    import os, signal
    os.kill(os.getpid(), signal.SIGTERM)
    steps(count)

def fails():
    raise BusError("No luck.")

def breaks():
    raise ZeroDivisionError("a fault of ours")

def dies():
    import os
    os._exit(9)
"""


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Works in a module that other processes can import."""
    (tmp_path / "works_of_a_test.py").write_text(WORKS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("works_of_a_test")
    del sys.modules["works_of_a_test"]


class Ear(Listener):
    """Keeps what it hears, and asks to stop once work has begun, if it is to."""

    def __init__(self, *, stops: bool = False) -> None:
        self.stops, self.shares, self.said = stops, [0.0], set[str]()

    def note(self, text: str, *, warning: bool = False) -> None:
        self.said.add(f"{text}!" * warning)

    def result(self, text: str, *, failed: bool = False) -> None:
        self.said.add(text)

    @contextmanager
    def progress(self, text: str, total: int, done: int = 0) -> Iterator[Advance]:
        yield lambda count=1, note="", share=None: self.shares.append(share)

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        yield lambda: self.stops and self.shares[-1] > 0


def test_what_works_tell_in_their_processes_is_heard_here(works: ModuleType) -> None:
    ear = Ear()
    with listening(ear):
        processes.beside({"a": partial(works.steps, 30), "b": partial(works.steps, 40)}, 2, "two works")
    assert ear.said == {"30 steps!", "40 steps!", "did 30", "did 40"}
    assert ear.shares == sorted(ear.shares)
    assert ear.shares[-1] == 1.0
    assert any(0 < share < 1 for share in ear.shares)


def test_a_work_that_fails_is_named_and_stops_no_other(works: ModuleType) -> None:
    ear = Ear()
    with listening(ear), pytest.raises(BusError, match=r"^first: No luck\. Run the same command again"):
        processes.beside({"first": works.fails, "second": partial(works.steps, 3)}, 1, "two works")
    assert "did 3" in ear.said


def test_works_that_are_asked_to_stop_save_and_those_not_begun_never_begin(works: ModuleType) -> None:
    long = {name: partial(works.steps, 100_000) for name in "abcde"}
    ear = Ear(stops=True)
    with listening(ear), pytest.raises(Interrupted, match="Stopped with 5 of 5 to go"):
        processes.beside(long, 2, "five works")


def test_a_work_that_waits_in_the_queue_never_begins_once_asked_to_stop(
    works: ModuleType, tmp_path: Path
) -> None:
    """Python's executor marks one work more than it has processes as running, which none can cancel."""
    place = tmp_path / "begun"
    long = {name: partial(works.begun, place, 100_000) for name in "abcde"}
    with listening(Ear(stops=True)), pytest.raises(Interrupted):
        processes.beside(long, 1, "five works")
    assert place.read_text() == "."


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_a_work_whose_process_is_asked_to_end_saves_and_the_others_go_on(works: ModuleType) -> None:
    """As batch systems ask every process of a job."""
    two = {"ended": partial(works.ended, 100_000), "other": partial(works.steps, 20)}
    ear = Ear()
    with listening(ear), pytest.raises(Interrupted, match="Stopped with 1 of 2 to go"):
        processes.beside(two, 2, "two works")
    assert "did 20" in ear.said


@pytest.mark.parametrize("first", [True, False], ids=["first", "second"])
@pytest.mark.parametrize(("name", "error"), [("breaks", ZeroDivisionError), ("dies", BusError)])
def test_a_fault_or_a_killed_process_ends_all(
    works: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, error: type[Exception], first: bool
) -> None:
    """Whichever process it is in: the second one begins, here late, while the first is watched already."""
    begin = processes.Worker.start

    def late(worker: processes.Worker) -> None:
        time.sleep(0.3)
        begin(worker)

    monkeypatch.setattr(processes.Worker, "start", late)
    two = {"bad": getattr(works, name), "good": partial(works.steps, 100_000)}
    with pytest.raises(error, match=r"a fault of ours|memory runs out"):
        processes.beside(two if first else dict(reversed(two.items())), 2, "two")
