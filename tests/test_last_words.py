"""Whatever happens, a command ends with a sentence: encodings, deleted folders, signals, the unforeseen."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bus.cli import studies

Run = Callable[..., tuple[int, str]]
HEEDS = (  # a shell in the background and nohup have processes ignore some signals, and theirs too
    "signal.signal(signal.SIGINT, signal.default_int_handler); signal.signal(signal.SIGHUP, signal.SIG_DFL)"
)


def bus(*arguments: object, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", "from bus.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=60,
    )


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["cp949", "cp1252", "ascii"])
def test_no_word_is_lost_to_an_encoding(tiny_study: Path, tmp_path: Path, encoding: str) -> None:
    study = tmp_path / "연구 é"
    study.symlink_to(tiny_study)
    done = bus("status", "--study", study, cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and b"groups in" in done.stdout and b"Traceback" not in done.stderr
    failed = bus("status", "--study", tmp_path / "없음 –", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert failed.returncode == 1 and failed.stderr.startswith(b"bus: ") and b"Traceback" not in failed.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use is not deleted there")
def test_a_deleted_folder_is_said_to_be_deleted(tmp_path: Path) -> None:
    code = "import os, sys; os.rmdir(os.getcwd()); from bus.cli import main; main(['status'])"
    here = tmp_path / "gone"
    here.mkdir()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here, timeout=60)
    assert done.returncode == 1 and "was deleted" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("the moon"), "RuntimeError: the moon. Nobody foresaw this: please report it"),
        (RecursionError("too deep"), "Nobody foresaw this"),
        (OverflowError("int too large"), "Nobody foresaw this"),
        (ImportError("libtorch.so: failed to map segment"), "A package could not be loaded"),
        (MemoryError(), "Memory ran out"),
        (OSError(28, "No space left on device", "x.csv"), "x.csv: No space left on device"),
    ],
)
def test_every_error_ends_in_one_sentence(
    tiny_study: Path, run_bus: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(*given: object) -> None:
        raise error

    monkeypatch.setattr(studies, "describe", fail)
    code, text = run_bus("status", "--study", tiny_study)
    assert code == 1 and words in text and "Traceback" not in text
    if type(error) is RuntimeError:
        with pytest.raises(RuntimeError, match="the moon"):
            run_bus("status", "--debug", "--study", tiny_study)


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("where", ["in a loop", "elsewhere", "swallowed"])
def test_every_signal_to_stop_ends_like_ctrl_c(
    tiny_study: Path, tmp_path: Path, number: str, where: str
) -> None:
    """A loop ends its step; elsewhere the work just ends. Both say so, leave no lock, and exit with 130.

    Where a library swallows the interruption, as some do while they are imported, the next word is the last.
    """
    code = (
        "import sys, signal, time; from pathlib import Path; from bus.cli import studies, main\n"
        "from bus.core import lock; from bus.core.progress import note, stoppable\n"
        f"{HEEDS}\n"
        "def work(*given):\n"
        "    with lock.hold(Path(sys.argv[1]) / 'thing', 'It'), stoppable() as asked:\n"
        "        print('now', flush=True)\n"
        "        while not asked(): time.sleep(0.01)\n"
        "    return 'stopped in its loop'\n"
        "def wait(*given):\n"
        "    with lock.hold(Path(sys.argv[1]) / 'thing', 'It'):\n"
        "        print('now', flush=True); time.sleep(60)\n"
        "def swallow(*given):\n"
        "    with lock.hold(Path(sys.argv[1]) / 'thing', 'It'):\n"
        "        try: print('now', flush=True); time.sleep(60)\n"
        "        except: pass\n"
        "        note('it goes on'); time.sleep(60)\n"
        "studies.describe = {'in a loop': work, 'elsewhere': wait, 'swallowed': swallow}[sys.argv[2]]\n"
        "main(['status', '--study', sys.argv[3]])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), where, str(tiny_study)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "now\n"
    assert (tmp_path / ".thing.lock").exists()
    time.sleep(0.1)
    process.send_signal(getattr(signal, number))
    said = process.communicate(timeout=30)[0]
    assert "Traceback" not in said and list(tmp_path.iterdir()) == []
    if where != "in a loop":
        assert process.returncode == 130 and "Stopped" in said and "goes on" not in said, said
    else:
        assert process.returncode == 0 and "stopped in its loop" in said, said


BEGUN = (  # a command that stops itself by a signal after so many seconds
    "import atexit, os, signal, sys, threading, time; from pathlib import Path\n"
    "from bus.benchmark.cells import STEPS; from bus.cli import main\n"
    "STEPS['demo'] = (4, 2)\n"
    "seconds, number = float(sys.argv[1]), int(sys.argv[2]); del sys.argv[1:3]\n"
    "alarm = threading.Timer(seconds, os.kill, (os.getpid(), number)); alarm.daemon = True; alarm.start()\n"
    f"{HEEDS}\n"
    "since = time.monotonic()\n"
    "atexit.register(lambda: Path('took.txt').write_text(str(time.monotonic() - since)))\n"
    "main()"
)
STOPPED = {  # what is stopped → command
    "scoring": "synth --n 30 --extractor efficientnet-lite0 --study study",
    "predict": "predict study/fold-0/synth/seed-0/malignant --format json --out new.json --study study",
    "report": "report --study study",
    "data check": "data check study/fold-0/synth/seed-0 --k 2",
    "a new study": "gan train --preset demo --study new",
    "trainings": "benchmark --preset demo --models simplecnn --arms weighted,oversampled --study study "
    "--jobs 2",
}


def begun(
    command: str, study: Path, place: Path, seconds: float, number: str
) -> "subprocess.CompletedProcess[str]":
    """A command on a copy of a study in `place`, which stops itself after so many seconds."""
    shutil.copytree(study, place / "study")
    if command.startswith("synth"):  # there is something to score
        next((place / "study").glob("fold-0/synth/*/*/scores.json")).unlink()
    arguments = [BEGUN, str(seconds), str(int(signal.Signals[number])), *command.split()]
    return subprocess.run(
        [sys.executable, "-c", *arguments], capture_output=True, text=True, cwd=place, timeout=120
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("what", STOPPED)
def test_a_command_that_is_stopped_anywhere_says_so_and_leaves_no_lock(
    finished_study: Path, tmp_path: Path, what: str, number: str
) -> None:
    """At four moments of the time that it takes if left alone: one sentence, exit code 130.

    Where it happened to end before its signal, which shows nothing, the moment is tried earlier.
    """
    alone = begun(STOPPED[what], finished_study, tmp_path / "alone", 1e6, number)
    took = float((tmp_path / "alone" / "took.txt").read_text())
    for moment in (0.1, 0.35, 0.65, 0.9):
        for attempt in range(5):
            place, seconds = tmp_path / f"{moment}-{attempt}", moment * took / 1.5**attempt
            done = begun(STOPPED[what], finished_study, place, seconds, number)
            if done.returncode != alone.returncode:
                break
        assert done.returncode == 130, (moment, took, done.stdout[-500:], done.stderr[-2000:])
        assert "Traceback" not in done.stderr and "ignored" not in done.stderr, done.stderr
        assert done.stdout.splitlines()[-1].startswith("Stopped"), done.stdout
        assert not [path for path in place.rglob(".*") if path.suffix in (".lock", ".part")]
