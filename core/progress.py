"""What the work tells whoever listens, and how it learns that it should stop.

Nothing here prints: the commands do.

A library call is silent unless a listener is set with `listening`; the command line sets one that draws bars
and turns Ctrl-C into a stop, a notebook may set its own.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

# advance(count=1, note="", share=None): so many more are done; `note` says what runs, or how; `share` is how
# much of the whole work is done (0–1), where the number of finished parts does not tell
Advance = Callable[..., None]


class Interrupted(Exception):
    """The user asked to stop; everything finished so far is on the disk."""


class Listener:
    """Hears what the work tells; this one ignores it and never asks to stop.

    Subclass it to show or to stop.
    """

    def note(self, text: str, *, warning: bool = False) -> None:
        """A sentence about what goes on, which may be left unread unless it is a `warning`."""

    def detail(self, text: str) -> None:
        """A sentence for those who want to know more."""

    def result(self, text: str, *, failed: bool = False) -> None:
        """A sentence about what came out."""

    def progress(self, text: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        """Work of `total` steps begins, `done` of them long since; the context ends with it."""
        return nullcontext(lambda count=1, note="", share=None: None)

    def stoppable(self) -> AbstractContextManager[Callable[[], bool]]:
        """In the context, a function that says whether the work should save what it has and stop."""
        return nullcontext(lambda: False)


_listener: ContextVar[Listener] = ContextVar("listener", default=Listener())  # noqa: B039 - it has no state


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let `listener` hear all work that is done within this context."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def note(text: str, *, warning: bool = False) -> None:
    """Tell what goes on."""
    _listener.get().note(text, warning=warning)


def detail(text: str) -> None:
    """Tell what only some want to know."""
    _listener.get().detail(text)


def result(text: str, *, failed: bool = False) -> None:
    """Tell what came out."""
    _listener.get().result(text, failed=failed)


def progress(text: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
    """Tell that work of `total` steps begins; call the yielded `advance(count=1, note="", share=None)`."""
    return _listener.get().progress(text, total, done)


def stoppable() -> AbstractContextManager[Callable[[], bool]]:
    """Ask within the context, by the function it yields, whether to save and stop."""
    return _listener.get().stoppable()
