"""What is judged: real scans, synthetic ones made from them, and what is known of how they were made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import BusError
from ...data.store import Box, Pixels
from ...data.study import Study

Rows = NDArray[np.int64]
JUDGED = 2_000  # synthetic scans, and real ones of a class, that are judged at most: matrices of all pairs


def some(count: int) -> Rows:
    """At most JUDGED of 0 … count − 1, rising, drawn by chance, always the same."""
    if count <= JUDGED:
        return np.arange(count)
    return np.sort(np.random.default_rng((count, 14)).permutation(count)[:JUDGED])


@dataclass(frozen=True)
class RealScans:
    """Real scans (uint8 M×S×S), and class, group, file and box of each."""

    pixels: Pixels
    labels: Sequence[str]
    groups: Sequence[str]
    files: Sequence[str]
    boxes: Sequence[Box]

    def __post_init__(self) -> None:
        """Refuse lists of another length."""
        found = [len(values) for values in (self.labels, self.groups, self.files, self.boxes)]
        if any(count != len(self.pixels) for count in found):
            raise BusError(
                "Scores need one label, group, file and box per real scan "
                f"({len(self.pixels)}); found {found}."
            )

    @classmethod
    def of(cls, study: Study, rows: Sequence[int]) -> "RealScans":
        """The scans of these rows of a study."""
        scans = [study.scans[row] for row in rows]
        return cls(
            study.pixels[rows],
            [scan.label for scan in scans],
            [scan.group for scan in scans],
            [scan.file for scan in scans],
            [scan.box for scan in scans],
        )

    def rows_of(self, labels: Sequence[str]) -> Rows:
        """The rows of scans of these classes."""
        return np.flatnonzero(np.isin(np.asarray(self.labels), labels))


@dataclass(frozen=True)
class SyntheticScans:
    """Synthetic scans (uint8 N×S×S); of each the row of its source among the real ones, its file and its
    variant.

    `variants` are plain, flipped or cropped; without them the first scan of each source counts as plain.
    """

    pixels: Pixels
    source_rows: Rows
    files: Sequence[str]
    variants: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse lists of another length."""
        found = [len(self.source_rows), len(self.files), len(self.variants) or len(self.pixels)]
        if any(count != len(self.pixels) for count in found):
            raise BusError(
                "Scores need one source and one file per synthetic scan, and one variant or none "
                f"({len(self.pixels)}); found {found}."
            )

    @property
    def plain(self) -> Rows:
        """The scans that were made from an unchanged source."""
        if len(self.variants):
            return np.flatnonzero(np.asarray(self.variants) == "plain")
        return np.unique(self.source_rows, return_index=True)[1]


@dataclass(frozen=True)
class Making:
    """How the scans were made.

    `trained_with`: the network that trained the translator, if any. `confidence`: what the reader had to
    give a scan for it to be kept (0: all were), and `accepted`, the share that was.
    """

    target: str
    sources: Sequence[str]
    trained_with: str | None = None
    confidence: float = 0.0
    accepted: float = 1.0
