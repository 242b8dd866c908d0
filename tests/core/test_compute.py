"""Where numbers are computed: what the processor is asked, and works beside each other."""

import os
import signal
from functools import partial
from threading import Barrier, Event, current_thread, main_thread

import pytest
import torch
from bus.core import compute


@pytest.mark.parametrize(
    ("has", "fast"),
    [({"avx2"}, False), ({"avx2", "avx512_f", "avx512_bf16"}, True), ({"amx_bf16"}, True), (set(), False)],
)
def test_bfloat16_is_chosen_where_the_processor_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, has: set[str], fast: bool
) -> None:
    monkeypatch.setattr(compute, "instructions", lambda: has)
    assert compute.fast_bfloat16("cpu") == fast
    assert compute.resolve("cpu").precision == ("bfloat16" if fast else "float32")
    assert compute.resolve("cpu", "float32").precision == "float32"  # the option overrides
    assert not compute.fast_bfloat16("mps")


def test_an_older_torch_is_asked_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.cpu,
        "get_capabilities",
        lambda: {"avx2": True, "avx512_bf16": True, "cores": 2, "amx_bf16": False},
        raising=False,
    )
    assert compute.instructions() == {"avx2", "avx512_bf16"}
    monkeypatch.setattr(compute, "hasattr", lambda *_: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert "avx512_bf16" in compute.instructions()


def test_works_beside_each_other_share_the_threads_and_keep_their_order() -> None:
    meet, before = Barrier(2, timeout=20), torch.get_num_threads()

    def work(name: str) -> tuple[str, int]:
        meet.wait()  # passes only if both are at work
        return name, torch.get_num_threads()

    asked = compute.Compute("cpu", "float32", 3)
    assert asked.beside(partial(work, "first"), partial(work, "second")) == [("first", 2), ("second", 1)]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    "asked", [compute.Compute("cpu", "float32", 1), compute.Compute("cuda", "float32", 8)]
)
def test_works_are_done_in_turn_where_nothing_is_gained(asked: compute.Compute) -> None:
    assert asked.beside(current_thread, current_thread) == [current_thread()] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_process_has_threads_of_its_own() -> None:
    asked = compute.Compute("cpu", "float32", 2)
    asked.beside(list, list)
    child = os.fork()
    if not child:
        signal.alarm(20)  # ends it where it waits for threads that stayed with the parent
        asked.beside(list, list)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals to threads")
def test_an_interrupt_waits_for_what_is_under_way() -> None:
    ended = Event()

    def interrupt() -> None:
        signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)  # while it waits
        ended.wait(0.5)
        ended.set()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            compute.Compute("cpu", "float32", 2).beside(interrupt, list)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.is_set()


def test_an_error_beside_another_work_arrives_after_both_have_ended() -> None:
    ended = Event()

    def fails() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        compute.Compute("cpu", "float32", 2).beside(fails, lambda: ended.wait(0.2) or ended.set())
    assert ended.is_set()


def test_a_gpu_is_not_shared_by_as_many_trainings_as_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "cores", lambda: 8)
    assert [compute.usual_jobs(device) for device in ("cpu", "cuda", "mps")] == [8, 1, 1]


def test_a_card_that_this_machine_lacks_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a cluster's node trained on its card, and the report is written where there is none."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert [compute.at_hand(device) for device in ("cuda", "cpu")] == ["cpu", "cpu"]
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert compute.at_hand("cuda") == "cuda"
