"""Whole steps recorded once as a CUDA graph and replayed, so that a card does not wait for its launches.

On an H200 a step of the default takes 17 instead of 133 ms at 64 px. Off unless `recorded` asks for it: it
was timed on one card, where nobody compared its weights with those of the same steps launched one by one.
"""

import numpy as np
import torch
from torch import Tensor

from .cyclegan import CycleGAN, Draws, Pair, Terms, fetch

WARM = 3  # steps before the recording: libraries choose their kernels and optimisers make their state in them


class Recording:
    """The steps of a translator on a card: the first ones as they are, the others replayed.

    Scans, draws and the learning rate are copied to where the recorded step reads them; the averaged
    generator and the count of steps, which change with every step, stay outside. After a resume it is
    recorded anew.
    """

    def __init__(self, model: CycleGAN) -> None:
        self.model, self.done = model, 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._real: Pair = {}
        self._draws = Draws(None, None, None)
        self._terms: Terms = []

    def step(self, source: Tensor, target: Tensor, rng: np.random.Generator) -> dict[str, float]:
        """What `CycleGAN.step` does."""
        real, draws = {"target": target, "source": source}, self.model.draw(len(source), rng)
        self.model.set_rate()
        if self.done < WARM:
            self._terms = self._launch(real, draws, rng)
        else:
            if self._graph is None:
                self._graph = self._record(real, draws, rng)
            self._fill(real, draws)
            self._graph.replay()
        self.done += 1
        self.model.finish_step()
        return fetch(self._terms)

    def _launch(self, real: Pair, draws: Draws, rng: np.random.Generator) -> Terms:
        """A step as it is, on a stream of its own, as recording demands."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            terms = self.model.work(real, draws, rng)
        torch.cuda.current_stream().wait_stream(stream)
        return terms

    def _record(self, real: Pair, draws: Draws, rng: np.random.Generator) -> torch.cuda.CUDAGraph:
        """Record a step without doing it; `_real`, `_draws` and `_terms` become what it reads and leaves."""
        self._real = {side: scans.clone() for side, scans in real.items()}
        self._draws = Draws(*(None if draw is None else draw.clone() for draw in _each(draws)))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._terms = self.model.work(self._real, self._draws, rng)
        return graph

    def _fill(self, real: Pair, draws: Draws) -> None:
        """Put the scans and draws of this step where the recorded one reads them."""
        for side, scans in real.items():
            self._real[side].copy_(scans)
        for kept, draw in zip(_each(self._draws), _each(draws), strict=True):
            if kept is not None and draw is not None:
                kept.copy_(draw)


def _each(draws: Draws) -> tuple[Tensor | None, ...]:
    return draws.noise, draws.generators, draws.discriminators
