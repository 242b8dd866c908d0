"""Checks of a data set before anything is trained on it: what it holds, what contradicts, what leaks, what gives classes away."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import BusError
from ..files import sha256_bytes
from . import cohort, groups, scans, shortcuts, splits
from .cohort import Entry
from .marks import MEASURED, find_marks
from .scans import Listing, ScanFile
from .shortcuts import LEVELS, Inflation, Probe, Seen
from .store import Pixels, letterbox

SIZE = 64  # px of the squares that the probes see
TELLING = 0.6  # AUC from which a shortcut is worth a sentence
NAMED = 6  # files that one line of the console names


@dataclass(frozen=True)
class ClassSummary:
    """One class in numbers; `clean_*` count what cohort clean keeps."""

    label: str
    scans: int
    groups: int
    clean_scans: int
    clean_groups: int
    marked: float  # share with burned-in marks
    corner: float  # share with an orientation mark in an upper corner
    width: tuple[int, int, int]  # least, median, most, px
    height: tuple[int, int, int]


@dataclass(frozen=True)
class Contradiction:
    """A group whose scans carry several labels."""

    group: str
    source: str  # of the group, a key of cohort.GROUP_SOURCES
    scans: tuple[tuple[str, str], ...]  # file, label
    same_pixels: bool  # two labels on identical pixels, rather than on one scene


@dataclass(frozen=True)
class Findings:
    """All that `check` found out about a data set."""

    name: str
    path: str
    layout: str
    classes: tuple[ClassSummary, ...]
    sizes: int  # distinct native sizes
    group_sources: dict[str, int]  # keys of cohort.GROUP_SOURCES -> scans
    group_sizes: dict[int, int]  # scans in a group -> number of such groups
    contradictions: tuple[Contradiction, ...]
    duplicates: tuple[tuple[str, ...], ...]  # files with identical pixels
    marked: tuple[str, ...]  # files with burned-in marks
    probes: tuple[Probe, ...]
    leak: float  # share of test scans with a sibling in training, were the split per image
    inflation: Inflation | None
    unreadable: tuple[tuple[str, str], ...]  # file, why
    ignored: tuple[tuple[str, str], ...]  # file, why it was not taken for a scan
    notes: tuple[str, ...]
    unsound: list[str]  # why a study on it would be refused or wrong, with what mends it
    pictures: dict[str, Pixels] = field(repr=False, compare=False)  # squares of the scans that contradict

    @property
    def scans(self) -> int:
        """Readable scans."""
        return sum(summary.scans for summary in self.classes)

    @property
    def siblings(self) -> int:
        """Scans that share their group with another."""
        return sum(size * count for size, count in self.group_sizes.items() if size > 1)

    @property
    def telling(self) -> list[Probe]:
        """The shortcuts that tell a class apart, most telling first."""
        return sorted((p for p in self.probes if p.worst >= TELLING), key=lambda probe: -probe.worst)


def check(
    path: str | Path, *, k: int = 5, seed: int = 0, reading: Callable[[int], Callable[[], None]] = lambda total: lambda: None
) -> Findings:
    """Read every scan below `path` (what `--data` takes) once and look for what would spoil a study with `k` folds.

    Unreadable scans are collected, not raised. `reading(total)` returns a function to call after each scan. Raises
    BusError where the layout itself cannot be understood, or no scan can be read.
    """
    listing = cohort.list_source(str(path))
    seen, unreadable = _read_all(listing, reading(len(listing.scans)))
    if not seen:
        raise BusError(f"None of the {len(listing.scans)} scans below {path} can be read. The first: {unreadable[0][1]}")
    entries = [scan.entry for scan in seen]
    names, sources = cohort.find_groups(entries)
    conflicts = cohort.contradictions(entries, names)
    kept = [row for row, name in enumerate(names) if name not in conflicts]
    probes, inflation = _probe([seen[row] for row in kept], [names[row] for row in kept], k, seed)
    contradictions = _contradictions(entries, names, sources, conflicts)
    named = {file for found in contradictions for file, _ in found.scans}
    return Findings(
        name=listing.name,
        path=str(path),
        layout=listing.layout,
        classes=tuple(_summarise(seen, names, set(conflicts), label) for label in sorted({e.label for e in entries})),
        sizes=len({entry.shape for entry in entries}),
        group_sources=dict(Counter(sources).most_common()),
        group_sizes=dict(sorted(Counter(Counter(names).values()).items())),
        contradictions=contradictions,
        duplicates=_duplicates(entries),
        marked=tuple(sorted(scan.entry.file for scan in seen if scan.marks.burned_in)),
        probes=tuple(probes),
        leak=shortcuts.leak([entry.label for entry in entries], names, seed=seed),
        inflation=inflation,
        unreadable=tuple(unreadable),
        ignored=listing.ignored,
        notes=(*listing.notes, *_notes(sources, contradictions)),
        unsound=list(_unsound(entries, names, kept, k, unreadable)),
        pictures={entry.file: entry.square for entry in entries if entry.file in named},
    )


def _read_all(listing: Listing, advance: Callable[[], None]) -> tuple[list[Seen], list[tuple[str, str]]]:
    """Every scan that can be read, in an order that depends on content only, and why the others cannot."""

    def read(scan: ScanFile) -> Seen | tuple[str, str]:
        try:
            return _see(scan, scans.read_scan(listing, scan))
        except BusError as error:
            return scan.file, str(error)
        finally:
            advance()

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(read, listing.scans))
    seen = [scan for scan in found if isinstance(scan, Seen)]
    seen.sort(key=lambda scan: (scan.entry.sha256, scan.entry.label, scan.entry.file))
    return seen, [scan for scan in found if not isinstance(scan, Seen)]


def _see(scan: ScanFile, rgb: Pixels) -> Seen:
    grey = scans.to_grey(rgb)
    square, box = letterbox(grey, SIZE)
    digest = sha256_bytes(np.ascontiguousarray(rgb).data)
    histogram = np.bincount(grey.ravel() // (256 // LEVELS), minlength=LEVELS) / grey.size
    entry = Entry(scan.file, scan.label, digest, grey.shape, square, box, groups.describe(grey), scan.group, scan.fold)
    return Seen(entry, find_marks(rgb), histogram)


def _probe(seen: Sequence[Seen], names: Sequence[str], k: int, seed: int) -> tuple[list[Probe], Inflation | None]:
    """Probe the classes that have groups enough for two folds or more; nothing where fewer than two have."""
    counts = Counter(label for label, _ in {(scan.entry.label, name) for scan, name in zip(seen, names, strict=True)})
    usable = {label for label, count in counts.items() if count >= 2}
    rows = [row for row, scan in enumerate(seen) if scan.entry.label in usable]
    if len(usable) < 2:
        return [], None
    k = min(k, *(counts[label] for label in usable))
    seen, names = [seen[row] for row in rows], [names[row] for row in rows]
    entries = [scan.entry for scan in seen]
    folds = splits.assign_folds([e.sha256 for e in entries], [e.label for e in entries], names, k=k, seed=seed)
    return shortcuts.probe(seen, folds, seed=seed), shortcuts.inflation(entries, folds, k=k, seed=seed)


def _summarise(seen: Sequence[Seen], names: Sequence[str], conflicts: set[str], label: str) -> ClassSummary:
    rows = [row for row, scan in enumerate(seen) if scan.entry.label == label]
    kept = [row for row in rows if names[row] not in conflicts]
    shapes = np.array([seen[row].entry.shape for row in rows])
    height, width = ((int(side.min()), int(np.median(side)), int(side.max())) for side in shapes.T)
    return ClassSummary(
        label, len(rows), len({names[row] for row in rows}), len(kept), len({names[row] for row in kept}),
        sum(seen[row].marks.burned_in for row in rows) / len(rows),
        sum(seen[row].marks.corner > 0 for row in rows) / len(rows), width, height,
    )  # fmt: skip


def _contradictions(
    entries: Sequence[Entry], names: Sequence[str], sources: Sequence[str], conflicts: dict[str, list[str]]
) -> tuple[Contradiction, ...]:
    found = []
    for name in conflicts:
        rows = [row for row, other in enumerate(names) if other == name]
        labels = defaultdict(set)
        for row in rows:
            labels[entries[row].sha256].add(entries[row].label)
        files = sorted((entries[row].file, entries[row].label) for row in rows)
        found.append(Contradiction(name, sources[rows[0]], tuple(files), any(len(of) > 1 for of in labels.values())))
    return tuple(sorted(found, key=lambda one: (not one.same_pixels, one.scans)))


def _duplicates(entries: Sequence[Entry]) -> tuple[tuple[str, ...], ...]:
    files = defaultdict(list)
    for entry in entries:
        files[entry.sha256].append(entry.file)
    return tuple(sorted(tuple(sorted(same)) for same in files.values() if len(same) > 1))


def _notes(sources: Sequence[str], contradictions: Sequence[Contradiction]) -> Iterator[str]:
    """Sentences on what does not make a study unsound, but that its reader must know."""
    if detected := sources.count("detected"):
        yield (
            f"No groups are known for {detected} of {len(sources)} scans; near-duplicates were joined by a detector, which "
            "cannot see two different views of one patient. Give groups or patients in a labels.csv (file,label,patient)."
        )
    if given := [one for one in contradictions if one.source == "given"]:
        yield (
            f"{len(given)} of the groups given with the data hold several labels. If they are patients with several findings, "
            "keep them with --cohort raw; the default, clean, leaves them out."
        )
    if count := sum(len(one.scans) for one in contradictions if one.source != "given"):
        yield f"{count} scans lie in groups with contradicting labels; the default, --cohort clean, leaves them out."


def _unsound(
    entries: Sequence[Entry], names: Sequence[str], kept: Sequence[int], k: int, unreadable: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """Why a study with default options would be refused or wrong; contradictions are no reason, as clean drops them."""
    if unreadable:
        yield f"{_count(len(unreadable), 'scan')} cannot be read. Copy them again from their source, or remove them."
    labels, inside = [entries[row].label for row in kept], [names[row] for row in kept]
    if gone := sorted({entry.label for entry in entries} - set(labels)):
        yield f"Nothing is left of {', '.join(gone)} without contradicting groups. Correct the labels, or use --cohort raw."
    if len(set(labels)) < 2:
        yield f"The usable scans hold {_count(len(set(labels)), 'class', 'classes')}. Add scans of another class."
        return
    try:
        if any(entry.fold is not None for entry in entries):
            splits.check_given_folds([entries[row].fold for row in kept], inside, [entries[row].file for row in kept])
        else:
            splits.require_groups(labels, inside, k)
    except BusError as error:
        yield str(error)


def lines(findings: Findings) -> Iterator[str]:
    """The findings on one screen of a console."""
    yield f"{findings.name}: {_count(findings.scans, 'scan')}, {findings.layout}, {_count(findings.sizes, 'native size')}"
    yield f"  {'class':<16}{'scans':>7}{'groups':>8}{'clean':>7}{'marked':>8}{'corner':>8}   width × height, median"
    for one in findings.classes:
        yield (
            f"  {one.label:<16}{one.scans:>7}{one.groups:>8}{one.clean_scans:>7}{one.marked:>8.0%}{one.corner:>8.0%}   "
            f"{one.width[1]} × {one.height[1]}"
        )
    sources = ", ".join(f"{cohort.GROUP_SOURCES[source]} ({n})" for source, n in findings.group_sources.items())
    yield f"Groups    {sources}; {findings.siblings / findings.scans:.0%} of the scans have a sibling"
    yield (
        f"Per image a stratified 80/20 split would leave {findings.leak:.0%} of the test scans with a sibling in training"
    )
    if findings.inflation:
        yield f"1-NN      accuracy {findings.inflation.random:.3f} in folds per image, {findings.inflation.grouped:.3f} by group"
    for one in findings.probes:
        areas = ", ".join(f"{label} {area:.2f}" for label, area in one.auc.items())
        yield f"Shortcut  {one.name + ' alone:':<17} AUC {areas}"
    yield from _named("Same pixels", [" = ".join(files) for files in findings.duplicates])
    for contradiction in findings.contradictions[:NAMED]:
        what = "same pixels" if contradiction.same_pixels else "same scene"
        yield f"Contradicting ({what})  {'; '.join(f'{file}: {label}' for file, label in contradiction.scans)}"
    if (rest := len(findings.contradictions) - NAMED) > 0:
        yield f"  and {_count(rest, 'further contradicting group')}, on the page"
    yield from _named("Unreadable", [f"{file} ({why})" for file, why in findings.unreadable])
    yield from _named("Ignored", [f"{file} ({why})" for file, why in findings.ignored])
    if findings.marked:
        yield MEASURED
    for note in findings.notes:
        yield f"Note      {note}"
    for reason in findings.unsound:
        yield f"Unsound   {reason}"


def _named(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - NAMED} more, on the page" if len(names) > NAMED else ""
        yield f"{what} ({len(names)})  {', '.join(names[:NAMED])}{more}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
