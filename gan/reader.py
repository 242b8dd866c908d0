"""The reader's word on scans, kept with who said it and what they had seen."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core import files
from ..core.errors import BusError
from ..core.opener import read_bytes
from ..core.progress import note
from ..data.store import Pixels
from ..data.study import Study, fold_name
from .manifest import Synthetic

EYES = "logistic regression on frozen EfficientNet-Lite0 features (ImageNet), cross-fitted by group"
DIGITS = 6  # of a probability; more would differ between machines


@dataclass(frozen=True)
class Reading:
    """What a reader said of one scan; for a synthetic scan `group` is its source's."""

    file: str
    sha256: str  # of the scan's pixels, as in manifest.csv or cohort.csv
    group: str
    reader: int  # which reader, by its place in `trained_on`; it saw nothing of `group`
    probability: float  # of the raised class


@dataclass(frozen=True)
class Readings:
    """Readings of one class as kept in a file, with what each reader was fitted to."""

    fold: int | None
    target: str
    training_pixels: str  # hash of the fold's training part, which is all that any reader saw
    trained_on: list[list[str]]  # reader → the groups that it was fitted to
    readings: list[Reading]
    eyes: str = EYES

    def save(self, path: Path) -> None:
        """Write the readings with a hash of them all, so that a changed number does not go unnoticed."""
        content = asdict(self)
        files.write_json(path, {**content, "sha256": files.sha256_json(content)})

    @classmethod
    def open(cls, path: Path) -> "Readings":
        """Read what `save` wrote; BusError where it was changed since or holds something else."""
        content = files.read_json(path)
        digest = content.pop("sha256", None)
        try:
            if digest != files.sha256_json(content):
                raise ValueError("its content does not have the hash it names")
            return cls(**{**content, "readings": [Reading(**row) for row in content["readings"]]})
        except (KeyError, TypeError, ValueError) as error:
            raise BusError(
                f"{path} is not what the reader wrote ({error}). Delete it and run the same command again."
            ) from error


class CrossFitted:
    """The readers of a fold's training part for one class: whoever reads a scan saw nothing of its group."""

    def __init__(self, study: Study, fold: int | None, target: str, device: str = "cpu") -> None:
        """Fit the readers; BusError where the training part has too few groups."""
        from .scores.checks import fit_readers  # late: torch-fidelity takes a while to import
        from .scores.distances import TooFewGroups

        self.study, self.fold, self.target, self.device = study, fold, target, device
        self.rows = study.train(fold)
        self.real = real_features(study, device)[self.rows]
        try:
            self._readers = fit_readers(self.real, *_truth(study, self.rows, target))
        except TooFewGroups as error:
            raise BusError(f"No reader of {target} scans in fold {fold}: {error}.") from error

    def synthetic(self, rows: Sequence[Synthetic], squares: Pixels) -> list[Reading]:
        """Read synthetic scans (N×S×S) by those who saw nothing of their sources' groups.

        BusError for a foreign source.

        What is said of a scan depends on the scan, its source and the training part alone.
        """
        from .scores.features import features, lite0

        row_of = {
            (self.study.scans[row].sha256, self.study.scans[row].label): at
            for at, row in enumerate(self.rows)
        }
        if foreign := [row.file for row in rows if (row.source_sha256, row.source_label) not in row_of]:
            raise BusError(
                f"The source of {foreign[0]} is no training scan of {fold_name(self.fold)}, so nobody may "
                "read it. Make it again with bus synth."
            )
        seen = features(squares, lite0(self.device), batch=1)
        parts = self._readers.parts[[row_of[row.source_sha256, row.source_label] for row in rows]]
        said = self._readers.probabilities(seen, parts)
        return [
            Reading(row.file, row.sha256, row.source_group, int(part), round(float(chance), DIGITS))
            for row, part, chance in zip(rows, parts, said, strict=True)
        ]

    def save(self, path: Path, readings: list[Reading]) -> Readings:
        """Keep readings of these readers in a file."""
        sure = self.study.pixels_sha256(self.rows)
        kept = Readings(
            self.fold, self.target, sure, trained_on(self.study, self.fold, self.target), readings
        )
        kept.save(path)
        return kept


def _truth(study: Study, rows: Sequence[int], target: str) -> tuple[list[bool], list[str]]:
    return [study.scans[row].label == target for row in rows], [study.groups[row] for row in rows]


def trained_on(study: Study, fold: int | None, target: str) -> list[list[str]]:
    """The groups that each reader of a fold's training part is fitted to; they follow from the study
    alone."""
    from .scores.checks import reader_parts

    rows = study.train(fold)
    parts = reader_parts(*_truth(study, rows, target))
    return [
        sorted({study.groups[row] for row, mine in zip(rows, parts, strict=True) if mine != part})
        for part in range(int(parts.max()) + 1)
    ]


def real_features(study: Study, device: str) -> NDArray[np.float32]:
    """EfficientNet-Lite0 features of all scans of the study (N×1280), computed once; outside the cohort 0."""
    from .scores.features import features, lite0

    path, used = study.path / "yardstick" / "features.npy", study.used()
    about, key = path.with_suffix(".json"), {"pixels": study.pixels_sha256(used)}
    if path.exists() and about.exists():
        content = read_bytes(path)
        try:
            sure = files.read_sealed(about) == {**key, "sha256": files.sha256_bytes(content)}
        except BusError:
            sure = False
        if sure:
            return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), np.float32)
        note("The features of the scans that were kept are of other scans or damaged: computing them again.")
    seen = np.zeros((len(study.scans), 1280), np.float32)
    seen[used] = features(study.pixels[used], lite0(device))
    buffer = io.BytesIO()
    np.save(buffer, seen)
    files.write_bytes(path, buffer.getvalue())
    files.write_json(about, {**key, "sha256": files.sha256_bytes(buffer.getvalue())})
    return seen
