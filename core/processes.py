"""Processes that train beside each other: how they begin, and how they end with the one that began them."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread

KILLED = (
    "a process that trained was ended from outside, as systems do when memory runs out. Use fewer --jobs."
)


def pool(jobs: int) -> ProcessPoolExecutor:
    """A pool of `jobs` fresh processes; forked ones would share torch's threads, which do not survive it."""
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """Leave Ctrl-C to the parent, which ends its workers, and end with it should it be killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
