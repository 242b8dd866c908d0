"""A filter on synthetic scans: kept is what the reader takes for the target class."""

from collections.abc import Sequence

import numpy as np

from ..core.errors import BusError
from ..data.store import Pixels
from . import reader
from .manifest import Synthetic, SyntheticSet

Candidates = list[tuple[Synthetic, Pixels]]  # with pixels S×S uint8
TRIED, LEAST = 200, 0.02  # after so many candidates a filter gives up that lets a smaller share pass


class Filter:
    """Lets those scans pass that the cross-fitted reader takes for target scans, and keeps what it said."""

    def __init__(
        self, scans: SyntheticSet, confidence: float, made: Sequence[Synthetic], device: str
    ) -> None:
        """Go on after the scans `made`, which passed before."""
        self._reader = reader.CrossFitted(scans.study, scans.fold, scans.label, device)
        self._path, self.confidence, self.passed = scans.readings_path, confidence, len(made)
        before = reader.Readings.open(self._path).readings if made else []
        known = {row.sha256 for row in made}
        self._said = [reading for reading in before if reading.sha256 in known]

    def __call__(self, candidates: Candidates, tried: int) -> Candidates:
        """The candidates that pass; BusError where after `tried` ones in all hardly any has."""
        said = self._reader.synthetic(
            [row for row, _ in candidates], np.stack([pixels for _, pixels in candidates])
        )
        passing = [number for number, reading in enumerate(said) if reading.probability >= self.confidence]
        self.passed += len(passing)
        self._said += [said[number] for number in passing]
        if tried >= TRIED and self.passed < LEAST * tried:
            raise BusError(
                f"Only {self.passed} of {tried} synthetic scans reached --confidence {self.confidence:g}. "
                "Use a lower one, or train the translator for longer (bus gan train --pairs)."
            )
        return [candidates[number] for number in passing]

    def save(self) -> None:
        """Keep what the reader said of those that passed, beside them."""
        self._reader.save(self._path, self._said)
