"""`--data busi`: BUSI, downloaded once by kagglehub into its cache."""

import queue
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import IO

from ..core.errors import BusError, UsageError, printable
from .scans import list_scans

HANDLE = "aryashah2k/breast-ultrasound-images-dataset"
COUNTS = {"benign": 437, "malignant": 210, "normal": 133}
BY_HAND = (
    f"By hand: download https://www.kaggle.com/datasets/{HANDLE} in a browser (about 200 MB), put the zip "
    "where you like and give it as it is: --data path/to/archive.zip (an unpacked folder will do, too)."
)
# Runs in a process of its own, since kagglehub hangs behind a proxy that never answers. The version in the
# handle lets it answer from its cache without a network.
CHILD = """
import sys, kagglehub
print("ready", flush=True)
print("found " + kagglehub.dataset_download(sys.argv[1]), flush=True)
"""
START, CONNECT, STALL = 60.0, 10.0, 60.0  # seconds of silence: until it runs, until data come, between data


def fetch_busi(*, connect: float = CONNECT, stall: float = STALL) -> Path:
    """Download BUSI from Kaggle, or find it in kagglehub's cache; returns its folder.

    `connect` is how many seconds the server may take to answer, `stall` how many it may pause. Raises
    UsageError without kagglehub; BusError without a network or where the class counts are not BUSI's.
    """
    if find_spec("kagglehub") is None:
        raise UsageError(f"busi needs kagglehub, which is not installed: pip install kagglehub. {BY_HAND}")
    folder = _download(connect, stall)
    found = Counter(scan.label for scan in list_scans(folder).scans)
    if found != COUNTS:
        raise BusError(
            f"{folder} should hold BUSI's {_counts(COUNTS)}, but holds {_counts(found)}. Delete that folder "
            f"and run the same command again. {BY_HAND}"
        )
    return folder


def _download(connect: float, stall: float) -> Path:
    """Run kagglehub in a process that is ended when it falls silent."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, f"{HANDLE}/versions/1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout is not None
    said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    Thread(target=_pump, args=(child.stdout, said), daemon=True).start()
    output = ""
    try:
        patience = START
        while piece := said.get(timeout=patience):
            output += piece.decode("utf-8", "replace")
            patience = connect if output.endswith("ready\n") else stall
    except queue.Empty:
        raise BusError(f"Kaggle did not answer within {patience:g} seconds. {BY_HAND}") from None
    finally:
        child.kill()
        child.wait()
    lines = [line for line in output.replace("\r", "\n").splitlines() if line.strip()]
    if not lines or not lines[-1].startswith("found "):
        reason = printable(lines[-1])[:300] if lines else "it ended without a word"
        raise BusError(f"kagglehub could not download BUSI ({reason}). {BY_HAND}")
    return Path(lines[-1].removeprefix("found "))


def _pump(stream: IO[bytes], said: "queue.SimpleQueue[bytes]") -> None:
    """Pass on what the process says as it says it; an empty piece means that it has ended."""
    with stream:
        while piece := stream.read1(1 << 16):  # type: ignore[attr-defined]
            said.put(piece)
    said.put(b"")


def _counts(counts: Counter[str] | dict[str, int]) -> str:
    return ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "nothing"
