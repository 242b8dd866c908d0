"""How long each step of a program's own work takes: its functions, timed where they stand."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import ModuleType
from typing import Any
from unittest.mock import patch

Spent = dict[str, dict[str, float]]
STEP = 1 if sys.platform == "darwin" else 1024  # bytes in which the system counts memory


def peak(*, children: bool = False) -> float:
    """The most memory that this process, or the largest of its ended children, has taken so far, MB."""
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss * STEP / 1e6


def processor() -> float:
    """Seconds of the processor that this process and its ended children have taken so far."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


@contextmanager
def timed(steps: Mapping[str, tuple[ModuleType, str]]) -> Iterator[Spent]:
    """Time named functions of modules while the context lasts: seconds, calls, peak memory by then."""
    spent: Spent = {}
    with ExitStack() as stack:
        for name, (module, function) in steps.items():
            watched = _watched(spent, name, getattr(module, function))
            stack.enter_context(patch.object(module, function, watched))
        yield spent


def _watched(spent: Spent, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def watched(*values: Any, **named: Any) -> Any:
        begun, used = time.perf_counter(), processor()
        try:
            return work(*values, **named)
        finally:
            row = spent.setdefault(name, {"seconds": 0.0, "of the processor": 0.0, "calls": 0})
            row["seconds"] += time.perf_counter() - begun
            row["of the processor"] += processor() - used
            row["calls"] += 1
            row["MB by then"] = round(peak())

    return watched
