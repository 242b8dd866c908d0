"""Locks, with real processes: one holds, others wait or go elsewhere, and the dead hold nothing."""

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from bus.core import files, lock
from bus.core.errors import BusError
from bus.core.progress import Interrupted, Listener, listening
from bus.data.study import Study

HOLD = """
import sys, time
from pathlib import Path
from bus.core import lock
with lock.hold(Path(sys.argv[1]), "The thing"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
CREATE = """
import sys
from pathlib import Path
from bus.core.progress import Listener, listening
from bus.data.study import open_or_create
class Heard(Listener):
    def note(self, text, *, warning=False):
        print(text)
    def progress(self, text, total, done=0):
        print("reads")
        return super().progress(text, total, done)
with listening(Heard()):
    made = open_or_create(Path(sys.argv[1]), {"size": 32, "k": 2}, phantoms=30)
print(len(made.pixels))
"""


def python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def wait_for_line(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"


def test_a_lock_is_held_by_one_and_waited_for(tmp_path: Path, said: list[str]) -> None:
    place = tmp_path / "fold-0" / "seed-0"
    process = python(HOLD, place, 1.5)
    wait_for_line(process)
    with lock.attempt(place) as ours:
        assert not ours
    begun = time.monotonic()
    with lock.hold(place, "The translator"):
        waited = time.monotonic() - begun
        assert process.wait() == 0
        with lock.attempt(place) as again:
            assert not again, "our own second attempt is refused, too"
    assert 0.5 < waited < 20
    heard = " ".join(said)
    assert f"The translator is being made by process {process.pid} on {files.HOST} (bus" in heard
    assert "Ctrl-C stops the waiting" in heard
    assert not lock.lock_path(place).exists(), "the lock file goes with the lock"


def test_whoever_waits_for_a_lock_can_be_asked_to_stop(tmp_path: Path) -> None:
    """A worker hears of Ctrl-C from its parent alone."""

    class Stopping(Listener):
        def stoppable(self) -> AbstractContextManager[Callable[[], bool]]:
            return nullcontext(lambda: True)

    process = python(HOLD, tmp_path / "seed-0", 30)
    wait_for_line(process)
    waiting = lock.hold(tmp_path / "seed-0", "The translator")
    with listening(Stopping()), pytest.raises(Interrupted, match="Stopped waiting for the translator"):
        waiting.__enter__()
    process.kill()
    process.wait()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_lock_that_another_user_holds_is_held() -> None:
    def attempted(place: Path) -> bool | None:
        """Whether somebody else gets the lock of a place; None where an error says why not."""
        child = os.fork()
        if not child:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                with lock.attempt(place) as ours:
                    os._exit(int(ours))
            except BusError as error:
                os._exit(2 if "lock of another user" in str(error) else 8)
            finally:
                os._exit(9)
        return {0: False, 1: True, 2: None}[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shared, place = Path(folder) / "shared", Path(folder) / "shared" / "thing"
        shared.mkdir()
        shared.chmod(0o777)
        process = python(HOLD, place, 60)
        wait_for_line(process)
        assert lock.lock_path(place).stat().st_mode & 0o777 == 0o644, "the other user cannot write it"
        assert attempted(place) is False
        shared.chmod(0o755)
        assert attempted(place) is True, "who cannot write there has nothing to guard"
        shared.chmod(0o777)
        process.kill()
        process.wait()
        lock.lock_path(place).chmod(0o600)
        assert attempted(place) is None, "nobody knows"
        lock.lock_path(place).chmod(0o644)
        assert attempted(place) is True, "the dead hold nothing"
        with lock.attempt(place) as ours:
            assert ours


def test_folders_made_for_a_lock_alone_go_with_it(tmp_path: Path) -> None:
    with lock.hold(tmp_path / "fold-0" / "seed-0", "The translator"):
        assert lock.lock_path(tmp_path / "fold-0" / "seed-0").exists()
    assert not list(tmp_path.iterdir())
    (tmp_path / "kept").mkdir()
    with lock.hold(tmp_path / "kept" / "seed-0", "The translator"):
        pass
    assert [*tmp_path.rglob("*")] == [tmp_path / "kept"], "what was there before stays"


def test_the_dead_hold_nothing_and_are_swept_up(tmp_path: Path) -> None:
    process = python(HOLD, tmp_path / "thing", 60)
    wait_for_line(process)
    part = tmp_path / f".page.html.{files.HOST}-{process.pid}.part"
    mine = tmp_path / f".page.html.{files.HOST}-{os.getpid()}.part"
    other = tmp_path / ".page.html.elsewhere-1.part"
    old = tmp_path / ".old.html.elsewhere-1.part"
    for path in (part, mine, other, old):
        path.write_text("half")
    os.utime(old, (0, 0))
    lock.sweep(tmp_path)
    assert part.exists(), "its writer lives"
    assert lock.lock_path(tmp_path / "thing").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    lock.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == [other, mine]
    with lock.attempt(tmp_path / "thing") as ours:
        assert ours


@pytest.mark.long
def test_a_study_begun_by_many_is_built_by_one(tmp_path: Path) -> None:
    path = tmp_path / "study"
    processes = [python(CREATE, path) for _ in range(3)]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [re.findall(r"^30$", text, re.M) for text in said] == [["30"]] * 3
    assert sum("reads" in text for text in said) == 1
    assert sorted(entry.name for entry in path.iterdir()) == [
        "cohort.csv",
        "masks.npy",
        "pixels.npy",
        "study.json",
    ]
    Study.open(path)


@pytest.mark.long
@pytest.mark.parametrize(
    "left", [["pixels.npy"], ["pixels.npy", "cohort.csv"], [".study.json.lock", ".cohort.csv.x-1.part"]]
)
def test_a_creation_cut_short_is_done_again(tmp_path: Path, left: list[str]) -> None:
    path = tmp_path / "study"
    path.mkdir()
    for name in left:
        (path / name).write_text("half")
    process = python(CREATE, path)
    assert process.communicate()[0].endswith("30\n")
    Study.open(path)


def test_a_disk_without_locks_is_used_with_a_note_and_a_read_only_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    def refuse(number: int):
        def raising(handle: int) -> bool:
            raise OSError(number, os.strerror(number))

        return raising

    monkeypatch.setattr(lock, "_lock", refuse(errno.ENOLCK))
    with lock.attempt(tmp_path / "thing") as ours:
        assert ours
    assert "knows no locks" in said.pop()
    monkeypatch.setattr(lock, "_lock", refuse(errno.EROFS))
    with lock.attempt(tmp_path / "thing") as ours:
        assert ours
    assert not said
    monkeypatch.setattr(lock, "_lock", refuse(errno.ENOSPC))
    with pytest.raises(BusError, match=r"\.thing\.lock: No space left"), lock.attempt(tmp_path / "thing"):
        pass


def test_what_a_lock_file_says_is_not_trusted(tmp_path: Path) -> None:
    for text in ("", "{", "[1]", '{"process": 1}', "\x80"):
        lock.lock_path(tmp_path / "thing").write_bytes(text.encode("latin-1"))
        assert lock.holder(tmp_path / "thing") == "another process"
    lock.lock_path(tmp_path / "thing").write_text(
        '{"process": "\\u001b[31m", "host": "h", "command": "c", "since": "s"}'
    )
    assert "\x1b" not in lock.holder(tmp_path / "thing")


def test_a_lock_does_not_trust_what_a_network_file_system_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another machine removed and made anew: an old answer of stat would let both hold it."""
    path = lock.lock_path(tmp_path / "thing")
    path.touch()
    handle = os.open(path, os.O_RDWR)
    remembered = path.stat()
    monkeypatch.setattr(Path, "stat", lambda self, **options: remembered)
    assert lock._is_at(handle, path)
    path.unlink()
    assert not lock._is_at(handle, path)
    path.touch()
    assert not lock._is_at(handle, path), "another file of the same name"
    os.close(handle)


@pytest.mark.skipif(lock.STALE is None, reason="this system knows no such error")
def test_a_file_that_vanished_on_the_server_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [OSError(lock.STALE, "Stale file handle"), None]
    real = lock._lock

    def stale(handle: int) -> bool:
        if error := answers.pop(0):
            raise error
        return real(handle)

    monkeypatch.setattr(lock, "_lock", stale)
    with lock.attempt(tmp_path / "thing") as ours:
        assert ours and answers == []
