"""Whole steps recorded once as a CUDA graph and replayed, so that a card does not wait for its launches.

On an H200 a step of the default takes 17 instead of 133 ms at 64 px. Off unless `recorded` asks for it: it
was timed on one card, where nobody compared its weights with those of the same steps launched one by one
(`make gpu` does).
"""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from ..core.recorded import Recorded
from .cyclegan import SIDES, CycleGAN, Draws, Losses, Terms, losses_of


class Recording:
    """The steps of a translator on a card: the first ones as they are, the others replayed.

    The averaged generator and the count of steps, which change with every step, stay outside. After a resume
    it is recorded anew.
    """

    def __init__(self, model: CycleGAN) -> None:
        self.model = model
        self._work = Recorded(self._both_updates)

    def step(self, source: Tensor, target: Tensor, rng: np.random.Generator) -> Losses:
        """What `CycleGAN.step` does."""
        draws = vars(self.model.draw(len(source), rng))
        given = {"target": target, "source": source, **draws}
        self.model.set_rate()
        terms = self._work({name: tensor for name, tensor in given.items() if tensor is not None})
        self.model.finish_step()
        return losses_of(terms)

    def _both_updates(self, given: Mapping[str, Tensor]) -> Terms:
        draws = Draws(*(given.get(name) for name in ("noise", "generators", "discriminators")))
        return self.model.work({side: given[side] for side in SIDES}, draws, np.random.default_rng(0))
