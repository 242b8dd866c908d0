"""What a person sees while the work goes on, and how they stop it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(highlight=False, soft_wrap=True)


class Interrupted(Exception):
    """The user asked to stop; everything finished so far is on the disk."""


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a flag, so that a loop can end its step and save first; a second Ctrl-C is immediate."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def progress(text: str, total: int, done: int = 0) -> Iterator[Callable[..., None]]:
    """A bar with time left; call the yielded `advance(count=1, note="")`. Without a terminal, one line at start and end."""
    if not console.is_terminal:
        console.print(f"{text} …")
        yield lambda count=1, note="": None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(text, total=total, completed=done, note="")
        yield lambda count=1, note="": bar.update(task, advance=count, note=note)
