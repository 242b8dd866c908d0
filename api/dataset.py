"""A part of a fold as a data set of torch."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..data.store import Pixels


class ScanDataset(Dataset[tuple[Tensor, int]]):
    """Scans with their classes: `dataset[i]` is a scan (1×S×S float32 in [0, 1], grey) and its class number.

    `pixels` (N×S×S uint8) and `labels` (N int64, numbers of `classes`) can be used directly. The first `real`
    scans are the fold's own, an arm added the others. `transform` is given each scan as a tensor.
    """

    def __init__(
        self,
        pixels: Pixels,
        labels: NDArray[np.int64],
        classes: Sequence[str],
        *,
        real: int,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.pixels, self.labels, self.classes, self.real = pixels, labels, list(classes), real
        self.transform = transform

    def __len__(self) -> int:
        """How many scans it holds."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Scan number `index` and its class number."""
        scan = torch.from_numpy(np.array(self.pixels[index])).float().div_(255)[None]
        return self.transform(scan) if self.transform else scan, int(self.labels[index])

    @property
    def counts(self) -> dict[str, int]:
        """How many scans each class has."""
        numbers = Counter(self.labels.tolist())
        return {name: numbers[place] for place, name in enumerate(self.classes)}

    def __repr__(self) -> str:
        held = ", ".join(f"{number} {name}" for name, number in self.counts.items())
        return f"ScanDataset of {held}; {self.real} real, {len(self) - self.real} added"
