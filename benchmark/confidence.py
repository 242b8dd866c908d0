"""Added scans that count as much as the independent reader believes in them (`--set synthetic=confidence`)."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core import files, lock
from ..core.errors import BusError
from ..core.progress import note
from ..data.study import Study
from ..gan import reader
from ..gan.manifest import SyntheticSet
from .arms import ADDING, Arm

NAME = "confidence"  # of the recipe's field `synthetic`


def path(study: Study, arm: Arm, fold: int, label: str, gan_seed: int) -> Path:
    """Where the readings of what an arm adds lie: of synthetic scans beside them, of real ones in the fold's folder."""
    if arm.kind == "cyclegan":
        return SyntheticSet(study, fold, label, gan_seed).readings_path
    return reader.originals_path(study, fold, label)


def weights(place: Path, names: Sequence[str]) -> NDArray[np.float32]:
    """What scans count in the loss, by their files: the reader's probability of the class they are added to."""
    said = {one.file: one.probability for one in reader.Readings.open(place).readings}
    if unread := [name for name in names if name not in said]:
        raise BusError(f"{place} holds no reading of {unread[0]}. Delete it and run the same command again.")
    return np.array([said[name] for name in names], np.float32)


def digest(place: Path, names: Sequence[str] = ()) -> str:
    """Hash of the readings of these scans, or of all; "" where not all of them were read yet."""
    if not place.exists() or set(names) - {one.file for one in reader.Readings.open(place).readings}:
        return ""
    return files.sha256_bytes(weights(place, names).tobytes()) if names else files.sha256_file(place)


def make_missing(
    study: Study, fold: int, label: str, gan_seed: int, kinds: Collection[str], device: str
) -> None:
    """Have everything read that arms of these kinds add under `label`; nothing where that was done."""
    if not set(kinds) & set(ADDING):
        return
    scans, own = SyntheticSet(study, fold, label, gan_seed), reader.originals_path(study, fold, label)
    rows = scans.rows if "cyclegan" in kinds else []
    place = scans.readings_path
    read = {one.file for one in reader.Readings.open(place).readings} if place.exists() else set()
    new = any(row.file not in read for row in rows)
    if own.exists() and not new:
        return
    note(f"Fold {fold}: the independent reader reads what is added to {label} …")
    fitted = reader.CrossFitted(study, fold, label, device)
    if not own.exists():
        with lock.hold(own, f"The readings {own}"):
            fitted.save(own, fitted.originals())
    if new:
        with scans.held():
            fitted.save(place, fitted.synthetic(rows, scans.pixels(rows)))
