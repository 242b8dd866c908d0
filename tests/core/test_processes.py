"""Worker processes: what they run, and what they leave alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from bus.core import processes

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
