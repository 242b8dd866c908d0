"""Work on a graphics card, recorded once as a CUDA graph and replayed: the card waits for no launches."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

WARM = 3  # calls before the recording: libraries choose their kernels and optimisers make their state in them
Left = TypeVar("Left")


class Recorded(Generic[Left]):
    """Work on tensors by name, of the same names, shapes and types in every call.

    The first calls do it launch by launch, the next one records it, all others replay that. The work reads
    what was given and what it finds on the card, waits for nothing, and returns tensors on the card that the
    next call overwrites. What changes from call to call must be among the tensors given, or be written in
    place.
    """

    def __init__(self, work: Callable[[Mapping[str, Tensor]], Left]) -> None:
        self.work, self.done = work, 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._given: dict[str, Tensor] = {}
        self._left: Left | None = None

    def __call__(self, given: Mapping[str, Tensor]) -> Left:
        """What the work leaves of `given`."""
        self.done += 1
        if self.done <= WARM:
            return self._launch(given)
        if self._graph is None:
            self._record(given)
        else:
            for name, tensor in given.items():
                self._given[name].copy_(tensor)
        assert self._graph is not None and self._left is not None
        self._graph.replay()
        return self._left

    def _launch(self, given: Mapping[str, Tensor]) -> Left:
        """The work as it is, on a stream of its own, as recording demands."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            left = self.work(given)
        torch.cuda.current_stream().wait_stream(stream)
        return left

    def _record(self, given: Mapping[str, Tensor]) -> None:
        """Record the work without doing it; `_given` and `_left` become what it reads and leaves."""
        self._given = {name: tensor.clone() for name, tensor in given.items()}
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._left = self.work(self._given)


def set_rate(group: dict[str, Any], value: float) -> None:
    """Give a group of an optimiser a learning rate, in place where recorded work reads it."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(value)
    else:
        group["lr"] = value
