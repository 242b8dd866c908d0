"""Processes that train beside each other: how they begin, and how they end with the one that began them."""

import os
import signal
import sys
from collections.abc import MutableSequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from threading import Thread
from typing import Any

KILLED = (
    "a process that trained was ended from outside, as systems do when memory runs out. Use fewer --jobs."
)


Shares = MutableSequence[float]  # in memory that processes share: how much of each work is done, 0–1
_shares: Shares | None = None  # of the pool that this process belongs to


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


class Pool(ProcessPoolExecutor):
    """Waits for its work at the end of its block; after an error or Ctrl-C there it ends it at once."""

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        ended = list((self._processes or {}).values()) if kind else []
        for process in ended:
            process.kill()
        self.shutdown(wait=kind is None, cancel_futures=True)
        for process in ended:
            process.join()


def pool(jobs: int, shares: Shares | None = None) -> Pool:
    """A pool of `jobs` fresh processes; forked ones would share torch's threads, which do not survive it.

    `shares` is what they tell of their work while it goes on.
    """
    return Pool(jobs, mp_context=Workers(), initializer=_begin, initargs=(shares,))


def shares(count: int) -> Shares:
    """Room for what `count` works have done, for `pool`; each is written by one process alone."""
    room: Shares = Workers().RawArray("d", count)
    return room


def tell(number: int, share: float) -> None:
    """In a process of a pool: say how much of work `number` is done; nothing anywhere else."""
    if _shares is not None:
        _shares[number] = share


def _begin(shares: Shares | None) -> None:
    """Leave Ctrl-C and hang-ups to the parent, which ends its workers, and end with it if it is killed."""
    global _shares
    _shares = shares
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":  # closed terminals and batch systems tell all processes
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def end_with_parent() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
            os._exit(1)

    Thread(target=end_with_parent, daemon=True).start()
