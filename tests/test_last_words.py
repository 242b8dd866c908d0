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


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("where", ["in a loop", "elsewhere"])
def test_every_signal_to_stop_ends_like_ctrl_c(
    tiny_study: Path, tmp_path: Path, number: str, where: str
) -> None:
    """A loop ends its step; elsewhere the work just ends. Both say so, leave no lock, and exit with 130."""
    code = (
        "import sys, signal, time; from pathlib import Path; from bus.cli import studies, main\n"
        "from bus.core import lock; from bus.core.progress import stoppable\n"
        f"{HEEDS}\n"
        "def work(*given):\n"
        "    with lock.hold(Path(sys.argv[1]) / 'thing', 'It'), stoppable() as asked:\n"
        "        print('now', flush=True)\n"
        "        while not asked(): time.sleep(0.01)\n"
        "    return 'stopped in its loop'\n"
        "def wait(*given):\n"
        "    with lock.hold(Path(sys.argv[1]) / 'thing', 'It'):\n"
        "        print('now', flush=True); time.sleep(60)\n"
        "studies.describe = work if sys.argv[2] == 'in a loop' else wait\n"
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
    if where == "elsewhere":
        assert process.returncode == 130 and "Stopped" in said, said
    else:
        assert process.returncode == 0 and "stopped in its loop" in said, said


BEGUN = (  # a command that stops itself by a signal after so many seconds
    "import os, signal, sys, threading\n"
    "from bus.benchmark.cells import STEPS; from bus.cli import main\n"
    "STEPS['demo'] = (4, 2)\n"
    "seconds, number = float(sys.argv[1]), int(sys.argv[2]); del sys.argv[1:3]\n"
    "alarm = threading.Timer(seconds, os.kill, (os.getpid(), number)); alarm.daemon = True; alarm.start()\n"
    f"{HEEDS}\n"
    "main()"
)
STOPPED = {  # what is stopped → command, seconds that it takes at the least
    "scoring": ("synth --n 30 --extractor efficientnet-lite0 --study study", 4.0),
    "predict": (
        "predict study/fold-0/synth/seed-0/malignant --format json --out new.json --study study",
        1.5,
    ),
    "report": ("report --study study", 3.0),
    "data check": ("data check study/fold-0/synth/seed-0 --k 2", 0.6),
    "a new study": ("gan train --preset demo --study new", 1.5),
    "trainings": (
        "benchmark --preset demo --models simplecnn --arms weighted,oversampled --jobs 2 --study study",
        6.0,
    ),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("what", STOPPED)
def test_a_command_that_is_stopped_anywhere_says_so_and_leaves_no_lock(
    finished_study: Path, tmp_path: Path, what: str, number: str
) -> None:
    """At four moments, the first while torch is imported: one sentence, exit code 130."""
    command, seconds = STOPPED[what]
    for moment in (0.15, 0.4, 0.7, 0.95):
        place = tmp_path / str(moment)
        shutil.copytree(finished_study, place / "study")
        if what == "scoring":
            next((place / "study").glob("fold-0/synth/*/*/scores.json")).unlink()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                BEGUN,
                str(moment * seconds),
                str(int(signal.Signals[number])),
                *command.split(),
            ],
            capture_output=True,
            text=True,
            cwd=place,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (130, ""), (moment, done.stdout[-500:], done.stderr[-2000:])
        assert done.stdout.splitlines()[-1].startswith("Stopped"), done.stdout
        assert not [path for path in place.rglob(".*") if path.suffix in (".lock", ".part")]
