"""Where and how numbers are computed: device, precision, threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from .errors import UsageError, did_you_mean

if TYPE_CHECKING:  # imported where it is used: a wrong option is refused without it, a second earlier
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Compute:
    """A resolved choice: `device` (cpu, cuda, mps), `precision` (float32, bfloat16), CPU `threads`."""

    device: str
    precision: str
    threads: int

    def autocast(self) -> "torch.autocast":
        """Context in which matrix products and convolutions run in the chosen precision; not losses.

        Weights in that precision are not kept for a second use: torch keeps them for all threads alike, and
        forgets them when the first leaves its context.
        """
        import torch

        return torch.autocast(
            self.device, dtype=torch.bfloat16, enabled=self.precision == "bfloat16", cache_enabled=False
        )

    @property
    def fused(self) -> bool:
        """Whether optimisers update weights in one pass over memory; never run on other devices."""
        return self.device in ("cpu", "cuda")

    def beside(self, *works: Callable[[], Result]) -> list[Result]:
        """Do independent works at the same time, each with its share of the threads; their results.

        In turn with a single thread, and on a graphics card, which does one after another anyway. Gradient
        and autocast contexts are a thread's own: works open theirs. Measured with two threads only; an odd
        one goes to the first work.
        """
        if self.device != "cpu" or self.threads < len(works):
            return [work() for work in works]
        pools = [
            _pool(place, (self.threads + len(works) - 1 - place) // len(works)) for place in range(len(works))
        ]
        try:
            waiting = [pool.submit(work) for pool, work in zip(pools, works, strict=True)]
            wait(waiting)
        except BaseException:  # Ctrl-C, also between two submits: no work goes on behind whoever catches it
            wait([pool.submit(_nothing) for pool in pools])  # a pool's one thread does it after all else
            raise
        return [done.result() for done in waiting]

    def start(self) -> None:
        """Set torch's thread count of this process; call once before the work."""
        import torch

        torch.set_num_threads(self.threads)


def _nothing() -> None:
    """Work that only shows that what was submitted before it has ended."""


@cache
def _pool(number: int, threads: int) -> ThreadPoolExecutor:
    """A thread in which torch has so many threads; it lives as long as the process, as OpenMP's team does.

    Threads that are born later begin with that number too, until they set their own.
    """

    import torch

    def start() -> None:
        # the first question in a new thread sets the number to what some other thread set last
        torch.get_num_threads()
        torch.set_num_threads(threads)

    return ThreadPoolExecutor(1, f"beside-{number}", start)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # its threads stay with the parent


def check_names(device: str, precision: str) -> None:
    """UsageError for a device or precision that nobody has; torch is not asked yet."""
    if device not in DEVICES:
        raise UsageError(
            f"--device {device} is unknown; choose one of "
            f"{', '.join(DEVICES)}.{did_you_mean(device, DEVICES)}"
        )
    if precision not in PRECISIONS:
        raise UsageError(
            f"--precision {precision} is unknown; choose one of "
            f"{', '.join(PRECISIONS)}.{did_you_mean(precision, PRECISIONS)}"
        )


def resolve(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Compute:
    """Turn `auto` into what this machine has; UsageError if something is asked for that it lacks."""
    check_names(device, precision)
    has = _devices()
    if device == "auto":
        device = next(name for name in ("cuda", "mps", "cpu") if has[name])
    require(device)
    if precision == "auto":
        precision = "bfloat16" if fast_bfloat16(device) else "float32"
    return Compute(device, precision, threads or cores())


def named(device: str, precision: str) -> Compute:
    """As `resolve`, but device and precision that are both named are taken so, had here or not.

    For work that may be done: what a card trained is reported where there is none. `require` stands before
    all that is left to do.
    """
    if "auto" in (device, precision):
        return resolve(device, precision)
    check_names(device, precision)
    return Compute(device, precision, cores())


def require(device: str) -> None:
    """UsageError if this machine lacks the device."""
    if not _devices()[device]:
        raise UsageError(
            f"--device {device}: torch finds none on this machine. Use --device cpu, or install a torch "
            "built for it."
        )


def at_hand(device: str) -> str:
    """The device where this machine has it, else the processor: for looks that need not be quick.

    A benchmark that was sent to a cluster's cards is told of on a machine that may have none.
    """
    return device if _devices()[device] else "cpu"


def _devices() -> dict[str, bool]:
    """Whether this machine has each device."""
    import torch

    return {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}


def fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 pays on `device`: it has instructions for it (emulated, it is slower).

    The processor is asked, not timed: the answer decides results, so it must not depend on what else runs.
    """
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        return not {"avx512_bf16", "amx_bf16"}.isdisjoint(instructions())
    return False


def instructions() -> set[str]:
    """Names of the instruction sets that torch finds in this processor, such as avx2 and avx512_bf16."""
    import torch

    if hasattr(torch.cpu, "get_capabilities"):
        return {name for name, has in torch.cpu.get_capabilities().items() if has is True}
    asked = {  # torch before 2.8
        "avx2": "_is_avx2_supported",
        "avx512_f": "_is_avx512_supported",
        "avx512_bf16": "_is_avx512_bf16_supported",
        "amx_bf16": "_is_amx_tile_supported",
    }
    return {name for name, question in asked.items() if getattr(torch.cpu, question, lambda: False)()}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a processor or a graphics card."""
    text = str(error).casefold()
    return isinstance(error, MemoryError) or any(
        said in text for said in ("out of memory", "can't allocate memory")
    )


def usual_jobs(device: str) -> int:
    """Trainings at once where no number is asked for: the cores, or one on a GPU, which all would share."""
    return cores() if device == "cpu" else 1


def cores() -> int:
    """Number of processor cores this process may use (respects taskset and Slurm)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
