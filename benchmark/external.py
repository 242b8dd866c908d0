"""The external test: what every cell says of scans from elsewhere, target against other kinds of lesion."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core import files
from ..core.errors import BusError, UsageError
from ..core.progress import note
from ..data import cohort
from ..data.caution import of_weight
from ..data.copies import Descriptors, alike_between, describe
from ..data.grouping import find_groups
from ..data.names import match
from ..data.reading import Entry, is_download, list_source, read_listing
from ..data.scans import Listing
from ..data.store import PIXELS_FILE, Pixels, Squares, load_pixels
from ..data.study import Study
from .cell import SCAN, Cell, ExternalAnswers, Floats

ALIKE = ("refuse", "drop")  # what to do with scans that look like the study's
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
    alike: int = 0  # scans left out since they, or others of their group, look like scans of the study

    @property
    def pixels(self) -> Pixels:
        """The squares (N×S×S), memory-mapped."""
        return load_pixels(self.folder / PIXELS_FILE, len(self.rows), self.size)

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
            folder,
            about["name"],
            about["sha256"],
            about["size"],
            rows,
            about["left_out"],
            about["groups"],
            about.get("alike", 0),
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
    if not is_download(source) and not Path(source).expanduser().exists():
        raise UsageError(f"--external {source}: there is no such file or folder. Check the spelling.")
    return list_source(source)


def foresee(source: str, study: Study) -> str:
    """What an external set holds, in a sentence, from the names of its files alone; BusError as of `read`."""
    listing = _list(source)
    classes = testable(source, [scan.label for scan in listing.scans], study)
    counts = Counter(classes[scan.label] for scan in listing.scans if scan.label in classes)
    held = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))
    return f"External scans in {source}: {held}, {len(listing.scans) - counts.total()} of other classes."


def check_alike(choice: str) -> None:
    """UsageError unless `choice` says what to do with scans that look like the study's."""
    if choice not in ALIKE:
        raise UsageError(f"--external-alike {choice} is unknown; choose {' or '.join(ALIKE)}.")


def read(source: str, study: Study, *, alike: str = "refuse") -> External:
    """Read class folders, a zip or a labels.csv and keep the scans that can be tested on in the study.

    Kept are the classes that the study has too, without `normal`. BusError where target or others are
    missing, or where a scan looks like one of the study's own: a copy, though as JPEG, smaller, re-gained or
    mirrored. With `alike` "drop", such scans and all others of their groups are left out instead.
    """
    check_alike(alike)
    listing = _list(source)
    classes = testable(source, [scan.label for scan in listing.scans], study)  # before minutes of reading
    squares = Squares(study.path, study.settings.size)
    seen: dict[int, Descriptors] = {}

    def keep(place: int, square: Pixels) -> None:
        squares.put(place, square)
        seen[place] = describe(square)

    data = read_listing(listing, study.settings.size, keep=keep)
    for item in of_weight(data.cautions, "caution"):
        note(f"--external {source}: {item.sentence}")
    grouping = find_groups(data.entries)
    used = [
        (replace(entry, label=classes[entry.label]), name)
        for entry, name in zip(data.entries, grouping.names, strict=True)
        if entry.label in classes
    ]
    copies = _copies(study, [entry for entry, _ in used], seen)
    if copies and alike == "refuse":
        file, own = next(iter(copies.items()))
        raise BusError(
            f"{len(copies)} of {len(used)} scans of --external {source} are the study's own, or copies of "
            f"them, such as {file}, which looks like {own}: that is no external test. Give other scans, or "
            "leave those and all of their groups out with --external-alike drop."
        )
    shared = {name for entry, name in used if entry.file in copies}
    dropped = sum(name in shared for _, name in used)
    used = [(entry, name) for entry, name in used if name not in shared]
    if dropped:
        testable(source, [entry.label for entry, _ in used], study)
        note(
            f"--external {source}: {dropped} scans are left out; they, or others of their groups, look like "
            "the study's."
        )
    rows = [[entry.file, entry.sha256, entry.label, name] for entry, name in used]
    digest = files.sha256_json({"rows": [row[1:] for row in rows]})
    folder = study.path / "external" / digest[:12]
    left = Counter(entry.label for entry in data.entries if entry.label not in classes)
    squares.save(folder / PIXELS_FILE, [entry.place for entry, _ in used])
    files.write_csv(folder / "scans.csv", SCAN, rows)
    files.write_json(
        folder / "external.json",
        {
            "name": data.name,
            "sha256": digest,
            "size": study.settings.size,
            "left_out": dict(sorted(left.items())),
            "groups": "; ".join(cohort.GROUP_SOURCES[name] for name in sorted(set(grouping.sources))),
            "alike": dropped,
        },
    )
    return External.open(folder)


def _copies(study: Study, entries: Sequence[Entry], seen: Mapping[int, Descriptors]) -> dict[str, str]:
    """Scans that show what a scan of the study shows, with that scan, whatever the study does with it."""
    own = np.stack([describe(square) for square in study.pixels])
    pairs = alike_between(own, np.stack([seen[entry.place] for entry in entries]))
    copies = {entries[pair.second].file: study.scans[pair.first].file for pair in pairs}
    pixels = {scan.sha256: scan.file for scan in study.scans}
    copies |= {entry.file: pixels[entry.sha256] for entry in entries if entry.sha256 in pixels}
    return dict(sorted(copies.items()))


def answers(external: External, study: Study, cell: Cell) -> Floats:
    """Probabilities N×2 (another kind of lesion, target) of one cell, among the classes of the set."""
    labels = {row["label"] for row in external.rows}
    names = [name for name in study.classes if name in labels]
    shares = cell.external(external.sha256, [row["sha256"] for row in external.rows], names)
    target = shares[:, names.index(study.target)] / np.maximum(shares.sum(axis=1), 1e-12)
    return np.stack([1 - target, target], axis=1)
