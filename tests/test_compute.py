"""Where numbers are computed: what the processor is asked, and how memory is taken."""

from functools import partial
from threading import Barrier, Event, current_thread

import pytest
import torch
from bus import compute


def test_works_beside_each_other_share_the_threads_and_keep_their_order() -> None:
    meet, before = Barrier(2, timeout=20), torch.get_num_threads()

    def work(name: str) -> tuple[str, int]:
        meet.wait()  # passes only if both are at work
        return name, torch.get_num_threads()

    asked = compute.Compute("cpu", "float32", 3)
    assert asked.beside(partial(work, "first"), partial(work, "second")) == [("first", 1), ("second", 2)]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("asked", [compute.Compute("cpu", "float32", 1), compute.Compute("cuda", "float32", 8)])
def test_works_are_done_in_turn_where_nothing_is_gained(asked: compute.Compute) -> None:
    assert asked.beside(current_thread, current_thread) == [current_thread()] * 2


def test_an_error_beside_another_work_arrives_after_both_have_ended() -> None:
    ended = Event()

    def fails() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        compute.Compute("cpu", "float32", 2).beside(fails, lambda: ended.wait(0.2) or ended.set())
    assert ended.is_set()
