"""Clocks, counters and the one record that every row of the table is."""

import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from bus.core.compute import Compute, instructions
from torch.utils.flop_counter import FlopCounterMode

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
SIDE = 1536  # of the matrices whose product gives the limit; larger ones are no faster
CARD_SIDE = 8192  # the same on a graphics card


@dataclass
class Row:
    """One row of the table; seconds are medians, `other` is what a user would run instead, if anything."""

    name: str
    work: str
    ours: float  # s
    other: float | None = None  # s
    instead: str = ""  # what `other` is
    repeats: int = 1
    threads: int = 1
    precision: str = ""
    flops: float = 0.0  # of one repeat of ours, convolutions and matrix products, forwards and backwards
    limit: float | None = None  # share of the matrix-product rate that these reach
    parts: dict[str, float] = field(default_factory=dict)  # further figures, s unless named otherwise
    note: str = ""
    aim: float | None = None  # the ratio to reach
    aim_limit: float | None = None  # the share of the limit to reach

    @property
    def ratio(self) -> float | None:
        """How many times faster ours is."""
        return self.other / self.ours if self.other else None


@dataclass(frozen=True)
class Bench:
    """How to measure: sizes for a true run or a tiny one, the clock, a folder for files."""

    tiny: bool
    clock: str  # wall | cpu (of this process: for a machine that others use too)
    folder: Path
    compute: Compute  # with all cores

    def size(self, full: int, tiny: int) -> int:
        """A number of scans, pixels or repeats."""
        return tiny if self.tiny else full

    def time(self, work: Callable[[], object]) -> float:
        """Seconds of one call."""
        now = CLOCKS[self.clock]
        self._wait()
        begun = now()
        work()
        self._wait()
        return now() - begun

    def _wait(self) -> None:
        """Until a card has done what it was given."""
        if self.compute.device == "cuda":
            torch.cuda.synchronize()

    def interleave(self, repeats: int, *works: Callable[[], object]) -> list[float]:
        """Median seconds of each of `works`, in turn so that load meets them alike; a round warms up."""
        times: list[list[float]] = [[] for _ in works]
        for turn in range(repeats + 1):
            for place, work in enumerate(works):
                seconds = self.time(work)
                if turn:
                    times[place].append(seconds)
        return [statistics.median(found) for found in times]

    def rate(self, precision: str) -> float:
        """Floating-point operations a second of a matrix product; a processor's by torch's threads of now."""
        side = CARD_SIDE if self.compute.device == "cuda" else SIDE
        matrix = torch.rand(side, side, device=self.compute.device).to(getattr(torch, precision))
        (seconds,) = self.interleave(3, lambda: matrix @ matrix)
        return 2 * side**3 / seconds

    def share(self, row: Row, work: Callable[[], object]) -> Row:
        """Fill in how much of the limit a row's work reaches."""
        row.flops = flops(work)
        row.limit = row.flops / row.ours / self.rate(row.precision)
        return row


def flops(work: Callable[[], object]) -> float:
    """Floating-point operations of one call, convolutions and matrix products alone."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch with `count` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine(compute: Compute) -> dict[str, Any]:
    """Where these numbers come from."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", info.read_text()) if info.exists() else []
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": compute.threads,
        "precision": compute.precision,
        "device": compute.device,
        "instructions": sorted(instructions() & {"avx2", "avx512_f", "avx512_bf16", "amx_bf16"}),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }
