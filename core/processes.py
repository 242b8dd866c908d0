"""Processes that train beside each other: how they begin, and how they end with the one that began them."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, MutableSequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from .errors import BusError
from .progress import Advance, Interrupted, Listener, detail, listening, note, progress, result, stoppable

P = ParamSpec("P")
R = TypeVar("R")
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


class Pool(ProcessPoolExecutor):
    """Waits for its work at the end of its block; ends it at once after an error, Ctrl-C or a kill."""

    def submit(self, work: Callable[P, R], /, *given: P.args, **named: P.kwargs) -> Future[R]:
        """As usual, and the process that this begins is watched at once.

        CPython (seen in 3.11 to 3.13) wakes the thread that watches before it begins a process, whose end
        from outside may go unnoticed until another one has done its work: for hours, or for ever.
        BrokenProcessPool where one has ended so already, also while another begins.
        """
        try:
            future = super().submit(work, *given, **named)
        except OSError as error:  # pipes were closed meanwhile
            if self._broken:
                raise BrokenProcessPool(KILLED) from error
            raise
        with self._shutdown_lock:
            self._executor_manager_thread_wakeup.wakeup()
        return future

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        ended = list((self._processes or {}).values()) if kind or self._broken else []
        for process in ended:
            process.kill()
        self.shutdown(wait=kind is None, cancel_futures=True)
        for process in ended:
            process.join()


class Board:
    """What the processes of a pool and their parent tell each other while `count` works go on."""

    def __init__(self, count: int) -> None:
        workers = Workers()
        self.shares: MutableSequence[float] = workers.RawArray("d", count)  # how much of each is done, 0–1
        self.stop = workers.RawValue("b", 0)  # whether they should save what they have and end
        self.said = workers.SimpleQueue()  # sentences for the parent to tell: their kind, text, and mark


_board: Board | None = None  # of the pool that this process belongs to


def pool(jobs: int, board: Board | None = None) -> Pool:
    """A pool of `jobs` fresh processes; forked ones would share torch's threads, which do not survive it."""
    return Pool(jobs, mp_context=Workers(), initializer=_begin, initargs=(board,))


def tell(number: int, share: float) -> None:
    """In a process of a pool: say how much of work `number` is done; nothing anywhere else."""
    if _board is not None:
        _board.shares[number] = share


class Teller(Listener):
    """In a process of a pool: what work `number` tells goes to the parent, which may ask it to stop."""

    def __init__(self, number: int, board: Board) -> None:
        self.number, self.board = number, board
        self.ended = False  # whether the system asked this process to end

    def note(self, text: str, *, warning: bool = False) -> None:
        self.board.said.put(("note", text, warning))

    def detail(self, text: str) -> None:
        self.board.said.put(("detail", text, False))

    def result(self, text: str, *, failed: bool = False) -> None:
        self.board.said.put(("result", text, failed))

    @contextmanager
    def progress(self, text: str, total: int, done: int = 0) -> Iterator[Advance]:
        """How far the furthest of several parts is: it never goes back."""
        reached = done

        def advance(count: int = 1, note: str = "", share: float | None = None) -> None:
            nonlocal reached
            reached += count
            now = reached / max(total, 1) if share is None else share
            self.board.shares[self.number] = max(self.board.shares[self.number], now)

        yield advance

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        yield lambda: bool(self.board.stop.value) or self.ended

    @contextmanager
    def heeding_the_system(self) -> Iterator[None]:
        """Stop the work as Ctrl-C does where a batch system ends every process (SIGTERM); twice ends it."""

        def ask(*_: object) -> None:
            self.ended = True
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

        before = signal.signal(signal.SIGTERM, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def beside(works: Mapping[str, Callable[[], object]], jobs: int, text: str) -> None:
    """Do works, known by their titles, in processes of their own, `jobs` at once; `text` names them all.

    What they tell is told here, and Ctrl-C asks each to save what it has. BusError, once all have ended,
    names what failed; Interrupted where they were asked to stop.
    """
    # begin
    board, stopped = Board(len(works)), 0
    failed: list[str] = []
    with stoppable() as stop, progress(text, len(works)) as advance, pool(jobs, board) as processes:
        running: dict[Future[None], str] = {}
        try:
            for number, (title, work) in enumerate(works.items()):
                running[processes.submit(_do, number, work)] = title
        except BrokenProcessPool:
            failed.append(KILLED)

        # hear of each until it ends
        while running:
            ready, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
            _repeat(board)
            for future in ready:
                title = running.pop(future)
                error = None if future.cancelled() else future.exception()
                if future.cancelled() or isinstance(error, Interrupted):
                    stopped += 1
                elif isinstance(error, BrokenProcessPool):
                    failed += [] if KILLED in failed else [KILLED]  # the pool ended with it
                elif isinstance(error, BusError):
                    failed.append(f"{title}: {error}")
                elif error:
                    raise error
            begun = sum(0 < share < 1 for share in board.shares)
            advance(len(ready), f"{begun} at once" * bool(begun), share=sum(board.shares) / len(works))
            if stop() and not board.stop.value:
                board.stop.value = 1
                for future in running:
                    future.cancel()

    # what came of them
    if failed:
        raise BusError(f"{' '.join(failed)} Run the same command again to go on.")
    if stopped:
        raise Interrupted(
            f"Stopped with {stopped} of {len(works)} to go; run the same command again to go on from there."
        )


def _do(number: int, work: Callable[[], object]) -> None:
    """In a process of a pool: do a work, and let the parent hear of it."""
    assert _board is not None
    if _board.stop.value:  # a pool holds some works ready that cannot be cancelled any more
        raise Interrupted("Not begun.")
    teller = Teller(number, _board)
    with listening(teller), teller.heeding_the_system():
        work()
    tell(number, 1.0)


def _repeat(board: Board) -> None:
    """Tell what the processes said."""
    while not board.said.empty():
        kind, text, marked = board.said.get()
        if kind == "note":
            note(text, warning=marked)
        elif kind == "result":
            result(text, failed=marked)
        else:
            detail(text)


def _begin(board: Board | None) -> None:
    """Leave Ctrl-C and hang-ups to the parent, which ends its workers, and end with it if it is killed."""
    global _board
    _board = board
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":  # closed terminals and batch systems tell all processes
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def end_with_parent() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
            os._exit(1)

    Thread(target=end_with_parent, daemon=True).start()
