"""The external test: what every cell says of scans from elsewhere, target against other kinds of lesion."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core import files
from ..core.errors import BusError, UsageError
from ..data import cohort
from ..data.reading import list_source, read_listing
from ..data.store import Pixels, Squares, load_pixels
from ..data.study import Study
from .cell import SCAN, Cell, ExternalAnswers, Floats

LEFT_OUT = "normal"  # a scan without a lesion is no part of the question "which kind of lesion is it"


@dataclass(frozen=True)
class External:
    """Scans from elsewhere as kept in a study: squares, classes and groups, and what was left out."""

    folder: Path
    name: str
    sha256: str  # of the scans used, their classes and groups
    size: int
    rows: list[dict[str, str]]
    left_out: dict[str, int]  # class → scans
    groups: str  # how the groups were found

    @property
    def pixels(self) -> Pixels:
        """The squares (N×S×S), memory-mapped."""
        return load_pixels(self.folder / "pixels.npy", len(self.rows), self.size)

    def answered(self, classes: Sequence[str], probabilities: Floats) -> ExternalAnswers:
        """Probabilities of the study's classes for these scans (N×classes), ready to be kept."""
        scans = [tuple(row[name] for name in SCAN) for row in self.rows]
        return ExternalAnswers(self.sha256, scans, classes, probabilities)

    @classmethod
    def open(cls, folder: Path) -> "External":
        """Open a set that `read` has kept."""
        about = files.read_json(folder / "external.json")
        rows = files.read_csv(folder / "scans.csv", SCAN)
        return cls(
            folder, about["name"], about["sha256"], about["size"], rows, about["left_out"], about["groups"]
        )


def read(source: str, study: Study) -> External:
    """Read class folders, a zip or a labels.csv and keep the scans that can be tested on in the study.

    Kept are the classes that the study has too, without `normal`. BusError where target or others are
    missing, or where a scan is one of the study's own (by the pixels).
    """
    if source == "phantom":
        raise UsageError(
            "--external phantom: phantoms of the study's own kind are no test from elsewhere. Write some "
            "with bus data phantom."
        )
    listing = list_source(source)
    squares = Squares(study.path, study.settings.size)
    data = read_listing(listing, study.settings.size, keep=squares.put)
    names, sources = cohort.find_groups(data.entries)
    known = [name for name in study.classes if name != LEFT_OUT or name == study.target]
    used = [(entry, name) for entry, name in zip(data.entries, names, strict=True) if entry.label in known]
    found = {entry.label for entry, _ in used}
    if study.target not in found or len(found) < 2:
        raise BusError(
            f"--external {source} holds the classes "
            f"{', '.join(sorted({entry.label for entry in data.entries}))}; {study.target} and at least one "
            f"more of {', '.join(known)} are needed."
        )
    own = {scan.sha256 for scan in study.scans}
    same = [entry.file for entry, _ in used if entry.sha256 in own]
    if same:
        raise BusError(
            f"{len(same)} scans of --external {source} are the study's own, such as {same[0]}: that is no "
            "external test."
        )
    rows = [[entry.file, entry.sha256, entry.label, name] for entry, name in used]
    digest = files.sha256_json({"rows": [row[1:] for row in rows]})
    folder = study.path / "external" / digest[:12]
    left = Counter(entry.label for entry in data.entries if entry.label not in known)
    squares.save(folder / "pixels.npy", [entry.place for entry, _ in used])
    files.write_csv(folder / "scans.csv", SCAN, rows)
    files.write_json(
        folder / "external.json",
        {
            "name": data.name,
            "sha256": digest,
            "size": study.settings.size,
            "left_out": dict(sorted(left.items())),
            "groups": "; ".join(cohort.GROUP_SOURCES[name] for name in sorted(set(sources))),
        },
    )
    return External.open(folder)


def answers(external: External, study: Study, cell: Cell) -> Floats:
    """Probabilities N×2 (another kind of lesion, target) of one cell, among the classes of the set."""
    labels = {row["label"] for row in external.rows}
    names = [name for name in study.classes if name in labels]
    shares = cell.external(external.sha256, [row["sha256"] for row in external.rows], names)
    target = shares[:, names.index(study.target)] / np.maximum(shares.sum(axis=1), 1e-12)
    return np.stack([1 - target, target], axis=1)
