"""What the work tells whoever listens."""

from typing import Any

import pytest
from bus.core import progress
from bus.core.progress import Listener, listening


class Kept(Listener):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def note(self, text: str, *, warning: bool = False) -> None:
        self.heard.append(("note", text, warning))

    def result(self, text: str, *, failed: bool = False) -> None:
        self.heard.append(("result", text, failed))


def test_nobody_hears_where_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    progress.note("a")
    progress.detail("b")
    progress.result("c", failed=True)
    with progress.progress("d", 2) as advance, progress.stoppable() as stop:
        advance(1, "e", share=0.5)
        assert not stop()
    assert capsys.readouterr() == ("", "")


def test_a_listener_hears_within_its_context_alone_even_where_the_work_fails() -> None:
    outer, inner = Kept(), Kept()
    with listening(outer):
        progress.note("before", warning=True)
        with pytest.raises(ValueError), listening(inner):
            progress.result("within", failed=True)
            raise ValueError
        progress.note("after")
    progress.note("nobody")
    assert outer.heard == [("note", "before", True), ("note", "after", False)]
    assert inner.heard == [("result", "within", True)]
