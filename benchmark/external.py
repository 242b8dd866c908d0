"""The external test: what every cell says of scans from elsewhere, target against other kinds of lesion."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core import files
from ..core.errors import BusError, UsageError
from ..core.progress import note
from ..data import cohort
from ..data.caution import of_weight
from ..data.grouping import find_groups
from ..data.names import match
from ..data.reading import list_source, read_listing
from ..data.scans import Listing
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


def testable(source: str, labels: Sequence[str], study: Study) -> dict[str, str]:
    """The label of every class that can be tested on, and what the study calls it: Benign is benign.

    BusError where target or others are missing.
    """
    known = [name for name in study.classes if name != LEFT_OUT or name == study.target]
    classes = {label: same for label in set(labels) if (same := match(label, known))}
    if study.target not in classes.values() or len(set(classes.values())) < 2:
        raise BusError(
            f"--external {source} holds the classes {', '.join(sorted(set(labels)))}; {study.target} and at "
            f"least one more of {', '.join(known)} are needed."
        )
    return classes


def _list(source: str) -> Listing:
    if source == "phantom":
        raise UsageError(
            "--external phantom: phantoms of the study's own kind are no test from elsewhere. Write some "
            "with bus data phantom."
        )
    return list_source(source)


def foresee(source: str, study: Study) -> str:
    """What an external set holds, in a sentence, from the names of its files alone; BusError as of `read`."""
    listing = _list(source)
    classes = testable(source, [scan.label for scan in listing.scans], study)
    counts = Counter(classes[scan.label] for scan in listing.scans if scan.label in classes)
    held = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))
    return f"External scans in {source}: {held}, {len(listing.scans) - counts.total()} of other classes."


def read(source: str, study: Study) -> External:
    """Read class folders, a zip or a labels.csv and keep the scans that can be tested on in the study.

    Kept are the classes that the study has too, without `normal`. BusError where target or others are
    missing, or where a scan is one of the study's own (by the pixels).
    """
    listing = _list(source)
    classes = testable(source, [scan.label for scan in listing.scans], study)  # before minutes of reading
    squares = Squares(study.path, study.settings.size)
    data = read_listing(listing, study.settings.size, keep=squares.put)
    for item in of_weight(data.cautions, "caution"):
        note(f"--external {source}: {item.sentence}")
    grouping = find_groups(data.entries)
    used = [
        (replace(entry, label=classes[entry.label]), name)
        for entry, name in zip(data.entries, grouping.names, strict=True)
        if entry.label in classes
    ]
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
    left = Counter(entry.label for entry in data.entries if entry.label not in classes)
    squares.save(folder / "pixels.npy", [entry.place for entry, _ in used])
    files.write_csv(folder / "scans.csv", SCAN, rows)
    files.write_json(
        folder / "external.json",
        {
            "name": data.name,
            "sha256": digest,
            "size": study.settings.size,
            "left_out": dict(sorted(left.items())),
            "groups": "; ".join(cohort.GROUP_SOURCES[name] for name in sorted(set(grouping.sources))),
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
