"""A filter on synthetic scans: kept is what the independent reader takes for the target class (off by default)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core import files
from ..core.errors import BusError
from ..data.study import Study
from . import reader

if TYPE_CHECKING:
    from .synth import Candidates, Synthetic

NAME = "filter.json"  # beside the manifest of a filtered set
TRIED, LEAST = 200, 0.02  # after so many candidates a filter gives up that lets a smaller share pass


class Filter:
    """Lets those synthetic scans pass that the cross-fitted reader takes for target scans, and keeps what it said of them."""

    def __init__(
        self,
        study: Study,
        fold: int | None,
        target: str,
        confidence: float,
        folder: Path,
        made: Sequence["Synthetic"],
        device: str,
    ) -> None:
        """Go on after the scans `made`, which passed before."""
        self._reader, self._path = reader.CrossFitted(study, fold, target, device), folder / reader.NAME
        self.confidence, self.passed, known = confidence, len(made), {row.sha256 for row in made}
        before = reader.Readings.open(self._path).readings if made else []
        self._said = [reading for reading in before if reading.sha256 in known]

    def __call__(self, candidates: "Candidates", tried: int) -> "Candidates":
        """The candidates that pass; BusError where after `tried` ones in all hardly any has."""
        said = self._reader.synthetic(
            [row for row, _ in candidates], np.stack([pixels for _, pixels in candidates])
        )
        passing = [place for place, reading in enumerate(said) if reading.probability >= self.confidence]
        self.passed += len(passing)
        self._said += [said[place] for place in passing]
        if tried >= TRIED and self.passed < LEAST * tried:
            raise BusError(
                f"Only {self.passed} of {tried} synthetic scans reached --confidence {self.confidence:g}. Use a lower one, or "
                "train the translator for longer (bus gan train --pairs)."
            )
        return [candidates[place] for place in passing]

    def save(self) -> None:
        """Keep what the reader said of those that passed, beside them."""
        self._reader.save(self._path, self._said)


def filtered(folder: Path) -> float:
    """The confidence that the synthetic scans of `folder` had to reach; 0 where all were kept."""
    place = folder / NAME
    try:
        return float(files.read_json(place)["confidence"]) if place.exists() else 0.0
    except (KeyError, TypeError, ValueError) as error:
        raise BusError(
            f"{place} does not say what its scans had to reach ({error!r}). Run bus synth --redo."
        ) from error


def acceptance(rows: Sequence["Synthetic"]) -> float:
    """The share of a translator's scans that was kept: 1 without a filter."""
    return len(rows) / (rows[-1].index + 1) if rows else 1.0
