"""A translator and the synthetic scans it makes, as objects."""

import json

import numpy as np
import pandas as pd
import torch

from ..core.compute import Compute
from ..core.progress import Listener, listening
from ..data.store import Pixels
from ..data.study import Study
from ..gan import synth, train, workflow
from ..gan.config import GanConfig, read_config
from ..gan.monitor import to_pixels, to_tensor
from . import show


class SyntheticScans:
    """The scans that one translator made, with their provenance and their scores. They show no patient."""

    def __init__(self, study: Study, fold: int | None, target: str, seed: int) -> None:
        self._study, self._key = study, (fold, target, seed)
        self.folder = study.synth_path(fold, target, seed)
        self._rows = synth.read_manifest(self.folder)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows)

    def table(self) -> pd.DataFrame:
        """Where each comes from, a row a scan: hashes, source with its class and group, variant, index."""
        return pd.DataFrame([vars(row) for row in self._rows], columns=list(synth.COLUMNS))

    @property
    def pixels(self) -> Pixels:
        """The scans (N×S×S uint8, grey), checked against the manifest; BusError names the first bad one."""
        return synth.load(self.folder, self._rows, self._study.settings.size)

    @property
    def scores(self) -> dict[str, object]:
        """How far from real they are; docs/scores.md explains each number."""
        return workflow.describe(self._study, *self._key)["scores"]

    def __repr__(self) -> str:
        return f"{len(self)} synthetic {self._key[1]} scans in {self.folder}"

    def _repr_html_(self) -> str:
        return show.card(
            repr(self),
            {},
            notes=workflow.sentences(self.scores),
            below=show.sheet(self.pixels, "synthetic scans"),
        )


class Translator:
    """A CycleGAN of one fold that turns scans of the other classes into scans of one."""

    def __init__(
        self, study: Study, fold: int | None, target: str, seed: int, compute: Compute, listener: Listener
    ) -> None:
        self.fold, self.target, self.seed = fold, target, seed
        self.folder = study.gan_path(fold, target, seed)
        self._study, self._compute, self._listener = study, compute, listener

    @property
    def is_done(self) -> bool:
        """Whether its training ended."""
        return train.is_done(self.folder)

    @property
    def config(self) -> GanConfig:
        """Everything that decides its weights; BusError where it was never begun."""
        return read_config(self.folder)

    def losses(self) -> pd.DataFrame:
        """What was noted while it was trained, a row a report: steps and pairs so far, mean losses."""
        lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return pd.DataFrame([json.loads(line) for line in lines])

    def synthesise(
        self, n: int = 500, *, confidence: float | None = None, extractor: str = "auto", redo: bool = False
    ) -> SyntheticScans:
        """Make at least `n` synthetic scans from the training part's sources, and score them; `bus synth`.

        Scan i depends on the generator, its seed and i alone: 500 scans begin with the same 100.
        `confidence`: keep only scans to which a reader that never saw their source's group gives at least
        this probability of the class.
        """
        with listening(self._listener):
            workflow.make_scans(
                self._study,
                self._compute,
                fold=self.fold,
                target=self.target,
                gan_seed=self.seed,
                count=n,
                judge=workflow.Judge(extractor),
                confidence=confidence,
                redo=redo,
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
        generator = train.load_generator(self.folder, self._compute.device)
        return np.stack(
            [to_pixels(generator(to_tensor(scan[None], self._compute.device)))[0] for scan in scans]
        )

    def __repr__(self) -> str:
        fold = "all scans" if self.fold is None else f"fold {self.fold}"
        state = "trained" if self.is_done else "not trained yet"
        return f"Translator to {self.target}, {fold}, seed {self.seed}, {state}"

    def _repr_html_(self) -> str:
        if not self.is_done:
            return show.card(repr(self), {"folder": self.folder})
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
