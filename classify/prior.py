"""Answers as if the classes had been as frequent in training as somebody wishes, without a training."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def corrected(
    probabilities: Floats, classes: Sequence[str], counts: Mapping[str, int], added: Mapping[str, int]
) -> Floats:
    """Probabilities (N×C, rows sum to 1) of a classifier as if its `counts` of scans had some `added`.

    Every class's probability is multiplied by how much more frequent it would be: logit adjustment (Menon et
    al., ICLR 2021, τ = 1), after the fact and towards those counts rather than equal ones. Where one class
    alone is raised, the order of scans by its probability stays, and so does its AUC. A class without scans
    is left as it is.
    """
    more = [1 + added.get(name, 0) / counts[name] if counts.get(name) else 1.0 for name in classes]
    raised = probabilities * np.array(more)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
