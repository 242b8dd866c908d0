"""The external test: what every cell says of scans from elsewhere, target against the other kinds of lesion."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..classify import metrics
from ..core import files
from ..core.errors import BusError, UsageError
from ..data import cohort
from ..data.store import Pixels, Squares, load_pixels
from ..data.study import Study
from .cells import Cell

COLUMNS = ("file", "sha256", "label", "group")
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

    @property
    def file(self) -> str:
        """The name of the answers in a cell's folder."""
        return f"external-{self.sha256[:12]}.csv"

    @classmethod
    def open(cls, folder: Path) -> "External":
        """Open a set that `read` has kept."""
        about = files.read_json(folder / "external.json")
        rows = files.read_csv(folder / "scans.csv", COLUMNS)
        return cls(
            folder, about["name"], about["sha256"], about["size"], rows, about["left_out"], about["groups"]
        )


def read(source: str, study: Study) -> External:
    """Read class folders, a zip or a labels.csv and keep the scans that can be tested on in the study.

    Kept are the classes that the study has too, without `normal`. BusError where target or others are missing, or
    where a scan is one of the study's own (by the pixels).
    """
    if source == "phantom":
        raise UsageError(
            "--external phantom: phantoms of the study's own kind are no test from elsewhere. Write some with bus data phantom."
        )
    listing = cohort.list_source(source)
    squares = Squares(study.path, study.settings.size)
    data = cohort.read_listing(listing, study.settings.size, keep=squares.put)
    names, sources = cohort.find_groups(data.entries)
    known = [name for name in study.classes if name != LEFT_OUT or name == study.target]
    used = [(entry, name) for entry, name in zip(data.entries, names, strict=True) if entry.label in known]
    found = {entry.label for entry, _ in used}
    if study.target not in found or len(found) < 2:
        raise BusError(
            f"--external {source} holds the classes {', '.join(sorted({entry.label for entry in data.entries}))}; "
            f"{study.target} and at least one more of {', '.join(known)} are needed."
        )
    own = {scan.sha256 for scan in study.scans}
    same = [entry.file for entry, _ in used if entry.sha256 in own]
    if same:
        raise BusError(
            f"{len(same)} scans of --external {source} are the study's own, such as {same[0]}: that is no external test."
        )
    rows = [[entry.file, entry.sha256, entry.label, name] for entry, name in used]
    digest = files.sha256_json({"rows": [row[1:] for row in rows]})
    folder = study.path / "external" / digest[:12]
    left = Counter(entry.label for entry in data.entries if entry.label not in known)
    squares.save(folder / "pixels.npy", [entry.place for entry, _ in used])
    files.write_csv(folder / "scans.csv", COLUMNS, rows)
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


def write(external: External, folder: Path, classes: Sequence[str], chances: NDArray[np.float64]) -> None:
    """Write a cell's answers on the external scans beside its others."""
    table = [
        [*(row[name] for name in COLUMNS), classes[answer], *(f"{value:.8f}" for value in shares)]
        for row, answer, shares in zip(external.rows, metrics.answers(chances), chances, strict=True)
    ]
    files.write_csv(
        folder / external.file, [*COLUMNS, "predicted", *(f"p_{name}" for name in classes)], table
    )


def answered(external: External, cell: Cell) -> bool:
    """Whether a finished cell's answers on the external scans lie there as they were written."""
    place = cell.path / external.file
    return place.exists() and files.read_json(cell.path / "DONE").get("external", {}).get(
        external.file
    ) == files.sha256_file(place)


def hashes(cell: Cell) -> dict[str, str]:
    """Of a cell's answers on all external sets, by file: what DONE keeps."""
    return {path.name: files.sha256_file(path) for path in sorted(cell.path.glob("external-*.csv"))}


def answers(external: External, study: Study, cell: Cell) -> NDArray[np.float64]:
    """Probabilities N×2 (another kind of lesion, target) of one cell, among the classes that the external set has."""
    path, there = cell.path / external.file, {row["label"] for row in external.rows}
    names = [name for name in study.classes if name in there]
    rows = files.read_csv(path, (*COLUMNS, *(f"p_{name}" for name in names)))
    if [row["sha256"] for row in rows] != [row["sha256"] for row in external.rows]:
        raise BusError(f"{path} holds answers on other scans. Delete it and run the same command again.")
    shares = np.array([[float(row[f"p_{name}"]) for name in names] for row in rows])
    target = shares[:, names.index(study.target)] / np.maximum(shares.sum(axis=1), 1e-12)
    return np.stack([1 - target, target], axis=1)
