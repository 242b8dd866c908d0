"""What a person sees while the work goes on, and how they stop it."""

import json
import shlex
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

from ..core.errors import visible
from ..core.progress import Advance, Listener

UNBROKEN = ("Next: ", "Report: ", "Page: ", "Written: ", "Figure: ")  # what is copied as it stands


class Screen(Console):
    """A console on which text is shown as it is: brackets are no markup, and nothing in it is obeyed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, soft_wrap=True, markup=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        if self.is_terminal and objects and isinstance(objects[0], str):  # sentences break between words
            options.setdefault("soft_wrap", objects[0].startswith(UNBROKEN))
        super().print(*(visible(item) if isinstance(item, str) else item for item in objects), **options)


console = Screen()
results = Screen()  # what was asked for: --quiet leaves it
errors = Screen(stderr=True)  # and what belongs to no answer
STOPS = [signal.SIGINT, signal.SIGTERM]  # a terminal that is closed sends the third, Windows knows two
if sys.platform != "win32":
    STOPS.append(signal.SIGHUP)
PLAIN_SECONDS = 30  # between lines of a log
COLUMN = 12  # characters that the headings of findings take
SHORTEST, LONGEST = 6, 30  # characters of a bar


def speak(*, quiet: bool = False, machine: bool = False) -> None:
    """Say everything, only results (`quiet`), or everything on stderr, as stdout holds JSON (`machine`)."""
    console.quiet = quiet
    console.stderr = results.stderr = machine


def findings(lines: Iterable[str]) -> None:
    """Print lines of a heading and what belongs to it; on a terminal they are wrapped below its text."""
    for line in lines:
        wide = results.width if results.is_terminal else len(line) + 1
        kept = textwrap.wrap(
            line, wide, subsequent_indent=" " * COLUMN, break_long_words=False, break_on_hyphens=False
        )
        results.print("\n".join(kept))


def print_json(content: Any) -> None:
    """Print plain values as the one JSON object that `--json` promises."""
    # escaped to ASCII: any locale's pipe can carry it
    typer.echo(json.dumps(content, indent=2, allow_nan=False))


def suggest(command: str, study: Path | None, *options: str) -> None:
    """End a command with the one that usually comes next; it works as it stands. `options` are quoted."""
    where = [] if study in (None, Path("study")) else [f"--study {shlex.quote(str(study))}"]
    console.print(" ".join(["Next: bus", command, *where, *options]))


def duration(seconds: float) -> str:
    """Seconds, minutes or hours for a person."""
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


class Terminal(Listener):
    """Shows a person on a terminal, or in a log, what the work tells; Ctrl-C and its kin ask it to stop."""

    verbose = False  # whether details are shown too; --verbose
    stopped = False  # whether a signal to stop came, outside of loops that save

    def heed(self) -> None:
        """Stop where a signal to stop was swallowed: libraries do that while they are imported.

        Not in the midst of an error: it may be that very stop, which cleans up behind itself.
        """
        if self.stopped and sys.exc_info()[0] is None:
            self.stopped = False
            raise KeyboardInterrupt

    def note(self, text: str, *, warning: bool = False) -> None:
        self.heed()
        console.print(text, style="yellow" if warning else None)

    def detail(self, text: str) -> None:
        if self.verbose:
            results.print(text)

    def result(self, text: str, *, failed: bool = False) -> None:
        self.heed()
        results.print(text, style="red" if failed else None)

    def progress(self, text: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        self.heed()
        return progress(text, total, done)

    def stoppable(self) -> AbstractContextManager[Callable[[], bool]]:
        self.heed()
        return interruptible()


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn a signal to stop into a flag: a loop ends its step and saves. A second one saves nothing."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    with _handling(STOPS, ask):
        yield lambda: asked


@contextmanager
def stopping(terminal: Terminal) -> Iterator[None]:
    """Let every signal to stop end the work as Ctrl-C does: locks go, what is finished stays."""

    def stop(number: int, frame: FrameType | None) -> None:
        terminal.stopped = True
        raise KeyboardInterrupt

    heard = [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN]
    with _handling(heard, stop):
        yield


@contextmanager
def _handling(
    numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Handle signals within the context, in the main thread; a hang-up that is ignored (nohup) stays so."""
    previous: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
    if threading.current_thread() is threading.main_thread():
        previous = {
            number: signal.signal(number, handler)
            for number in numbers
            if number in STOPS[:2] or signal.getsignal(number) != signal.SIG_IGN
        }
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


@contextmanager
def progress(text: str, total: int, done: int = 0) -> Iterator[Advance]:
    """A line with a bar and the time left; call the yielded `advance(count=1, note="", share=None)`.

    In logs and dumb terminals, a line now and then.
    """
    if not console.is_terminal or console.is_dumb_terminal or console.quiet:
        yield _plain(text, total, done)
        return
    with Progress(Line(done / total if total else 0.0), console=console) as bar:
        task = bar.add_task(visible(text), total=total, completed=done, note="", share=None)

        def advance(count: int = 1, note: str = "", share: float | None = None) -> None:
            bar.update(task, advance=count, share=share, note=visible(note) or bar.tasks[0].fields["note"])

        yield advance


class Line(ProgressColumn):
    """What runs, how much of all is done, the time spent and left, a bar, a note, as far as there is room.

    The note goes first, then the bar; what runs is cut short last of all.
    """

    def __init__(self, begun: float) -> None:
        super().__init__()
        self.begun = begun  # share of the work that was done before

    def render(self, task: Task) -> Text:
        """The line of a task, at most as wide as the terminal."""
        done, total = int(task.completed), int(task.total or 0)
        share = task.fields["share"]
        if share is None or done == total:
            share = done / total if total else 1.0
        spent = task.elapsed or 0.0
        times = clock(spent)
        if self.begun < share < 1:
            times += f", {clock(spent / (share - self.begun) * (1 - share))} left"
        return self.fitted(f"{task.description} {done:,} of {total:,}", times, share, task.fields["note"])

    @staticmethod
    def fitted(head: str, times: str, share: float, note: str) -> Text:
        """The parts in one line."""
        width = console.width - 1
        room = width - len(head) - len(times) - 4  # beside two gaps of two blanks
        if room < 0:
            head, room = f"{head[: max(1, len(head) + room - 1)]}…", 0
        shown = f"  {note}" if note and room - len(note) - 2 >= SHORTEST else ""
        bar = min(LONGEST, room - len(shown))
        full = round(share * bar)
        drawn = Text(head)
        if bar >= SHORTEST:
            drawn.append("  ").append("━" * full, "green").append("─" * (bar - full), "dim")
        return drawn.append(f"  {times}").append(shown, "dim")


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds, such as 1:02:03 or 0:07."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _plain(text: str, total: int, done: int) -> Advance:
    """Progress for logs: a line at the start, at the end, and every PLAIN_SECONDS in between."""
    console.print(f"{text} …")
    said = begun = time.monotonic()
    lock, first = threading.Lock(), done / total if total else 0.0

    def advance(count: int = 1, note: str = "", share: float | None = None) -> None:
        nonlocal done, said
        with lock:
            done += count
            now = time.monotonic()
            if done < total and now - said < PLAIN_SECONDS:
                return
            said, spent = now, now - begun
            reached = done / total if share is None or done == total else share
            left = ""
            if first < reached < 1:
                left = f", about {clock(spent / (reached - first) * (1 - reached))} left"
            console.print(f"  {done:,} of {total:,}, {clock(spent)}{left}. {note}".rstrip())

    return advance


def say(text: str) -> None:
    """Print a line on stderr, for errors and for what belongs to no answer; on a terminal it is wrapped."""
    errors.print(text)
