"""A translator and the synthetic scans it makes, as objects."""

import numpy as np
import pandas as pd
import torch

from ..core.compute import Compute
from ..core.errors import UsageError
from ..core.progress import Listener, listening
from ..data.store import Pixels
from ..data.study import Study, fold_name
from ..gan import translator
from ..gan.config import GanConfig
from ..gan.manifest import COLUMNS, SyntheticSet
from ..gan.pixels import translated
from ..gan.request import Judge
from ..gan.scores.model import Scores
from ..gan.scoring import told
from ..gan.synth import make_scans
from . import show


class SyntheticScans:
    """The scans that one translator made, with their provenance and their scores. They show no patient."""

    def __init__(self, study: Study, fold: int | None, target: str, seed: int) -> None:
        self._scans = SyntheticSet(study, fold, target, seed)
        self.folder, self._rows = self._scans.folder, self._scans.rows

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows)

    def table(self) -> pd.DataFrame:
        """Where each comes from, a row a scan: hashes, source with its class and group, variant, index."""
        return pd.DataFrame([vars(row) for row in self._rows], columns=list(COLUMNS))

    @property
    def pixels(self) -> Pixels:
        """The scans (N×S×S uint8, grey), checked against the manifest; BusError names the first bad one."""
        return self._scans.pixels(self._rows)

    @property
    def scores(self) -> Scores | None:
        """How far from real they are; docs/scores.md explains each number. None before they are scored."""
        return self._scans.scores

    def __repr__(self) -> str:
        return f"{len(self)} synthetic {self._scans.label} scans in {self.folder}"

    def _repr_html_(self) -> str:
        return show.card(
            repr(self), {}, notes=told(self._scans), below=show.sheet(self.pixels, "synthetic scans")
        )


class Translator:
    """A CycleGAN of one fold that turns scans of the other classes into scans of one."""

    def __init__(
        self, study: Study, fold: int | None, target: str, seed: int, compute: Compute, listener: Listener
    ) -> None:
        self.fold, self.target, self.seed = fold, target, seed
        self._handle = translator.Translator(study, fold, target, seed)
        self.folder = self._handle.folder
        self._study, self._compute, self._listener = study, compute, listener

    @property
    def is_done(self) -> bool:
        """Whether its training ended."""
        return self._handle.is_done

    @property
    def config(self) -> GanConfig:
        """Everything that decides its weights; BusError where it was never begun."""
        return self._handle.known_config

    def losses(self) -> pd.DataFrame:
        """What was noted while it was trained, a row a report: steps and pairs so far, mean losses."""
        return pd.DataFrame(self._handle.lines)

    def synthesise(
        self, n: int = 500, *, confidence: float | None = None, extractor: str = "auto", redo: bool = False
    ) -> SyntheticScans:
        """Make at least `n` synthetic scans from the training part's sources, and score them; `bus synth`.

        Scan i depends on the generator, its seed and i alone: 500 scans begin with the same 100.
        `confidence`: keep only scans to which a reader that never saw their source's group gives at least
        this probability of the class. UsageError for a number that cannot be.
        """
        if n < 1:
            raise UsageError(f"n={n}: expected 1 or more.")
        if confidence is not None and not 0 <= confidence <= 1:
            raise UsageError(f"confidence={confidence}: expected a number from 0 to 1.")
        with listening(self._listener):
            make_scans(
                self._handle, self._compute, Judge(extractor), count=n, confidence=confidence, redo=redo
            )
        return self.synthetic

    @property
    def synthetic(self) -> SyntheticScans:
        """The synthetic scans that were made so far."""
        return SyntheticScans(self._study, self.fold, self.target, self.seed)

    @torch.inference_mode()
    def translate(self, scans: Pixels) -> Pixels:
        """Translate letterboxed scans (N×S×S uint8, grey) to the target class; nothing is written.

        What comes out shows no patient and must not pass for a scan; `synthesise` keeps where each came from.
        """
        generator = self._handle.load(self._compute.device)
        return np.stack([translated(generator, scan, self._compute.device) for scan in scans])

    def __repr__(self) -> str:
        state = "trained" if self.is_done else "not trained yet"
        return f"Translator to {self.target}, {fold_name(self.fold)}, seed {self.seed}, {state}"

    def _repr_html_(self) -> str:
        if not self.is_done:
            return show.card(repr(self), {"folder": str(self.folder)})
        config = self.config
        rows = self._study.rows_of(self._study.train(self.fold), config.sources)[: show.SHOWN]
        before = self._study.pixels[rows]
        sheets = (
            show.sheet(before, "sources") + "<br>" + show.sheet(self.translate(before), "their translations")
        )
        facts = {
            "from": ", ".join(config.sources),
            "method": config.method,
            "effort": f"{config.preset}, {config.pairs:,} pairs",
        }
        return show.card(repr(self), facts, below=sheets)
