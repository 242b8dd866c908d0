"""Processes that train beside each other: how they begin, and how they end with the one that began them."""

import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from threading import Thread
from typing import Any

KILLED = (
    "a process that trained was ended from outside, as systems do when memory runs out. Use fewer --jobs."
)


class Worker(SpawnProcess):
    """A fresh process that imports what it works with, not the script that asked: that would run twice."""

    def start(self) -> None:
        """Begin, while the script has neither a file nor a name by which the new process could find it."""
        script: dict[str, Any] = vars(sys.modules["__main__"])
        kept: dict[str, Any] = {name: script.pop(name) for name in ("__file__", "__spec__") if name in script}
        script["__spec__"] = None
        try:
            super().start()
        finally:
            script.update(kept)


class Workers(SpawnContext):
    """Begins its processes as `Worker`."""

    Process = Worker


def pool(jobs: int) -> ProcessPoolExecutor:
    """A pool of `jobs` fresh processes; forked ones would share torch's threads, which do not survive it."""
    return ProcessPoolExecutor(jobs, mp_context=Workers(), initializer=_begin)


def _begin() -> None:
    """Leave Ctrl-C and hang-ups to the parent, which ends its workers, and end with it if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":  # a terminal that is closed tells all of its processes
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
