"""Checks of a data set before anything is trained on it: what it holds, what contradicts, what leaks, what gives classes away."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import BusError
from . import cohort, groups, scans, shortcuts, splits
from .marks import PRECISION, RECALL, find_marks
from .reading import Entry, known, list_source, look
from .scans import Listing, ScanFile
from .shortcuts import LEVELS, Inflation, Probe, Seen
from .store import Pixels

SIZE = 64  # px of the squares that the probes see
TELLING = 0.6  # AUC from which a shortcut is worth a sentence
FOLDS = 5  # of the probes
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
    path: str | Path,
    *,
    k: int = 5,
    seed: int = 0,
    reading: Callable[[int], Callable[[], None]] = lambda total: lambda: None,
) -> Findings:
    """Read every scan below `path` (what `--data` takes) once and look for what would spoil a study with `k` folds.

    Unreadable scans are collected, not raised. `reading(total)` returns a function to call after each scan. Raises
    BusError where the layout itself cannot be understood, or no scan can be read.
    """
    listing = list_source(str(path))
    seen, unreadable = _read_all(listing, reading(len(listing.scans)))
    if not seen:
        raise BusError(
            f"None of the {len(listing.scans)} scans below {path} can be read. The first: {unreadable[0][1]}"
        )
    entries = [scan.entry for scan in seen]
    names, sources = cohort.find_groups(entries)
    conflicts = cohort.contradictions(entries, names)
    kept = [row for row, name in enumerate(names) if name not in conflicts]
    probes, inflation = _probe([seen[row] for row in kept], [names[row] for row in kept], seed)
    contradictions = _contradictions(entries, names, sources, conflicts)
    named = {file for found in contradictions for file, _ in found.scans}
    return Findings(
        name=listing.name,
        path=str(path),
        layout=listing.layout,
        classes=tuple(
            _summarise(seen, names, set(conflicts), label) for label in sorted({e.label for e in entries})
        ),
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
        notes=(
            *(item.sentence for item in known(listing, entries)),
            *_notes(entries, names, sources, contradictions),
        ),
        unsound=[*_misread(unreadable), *_leaking(entries, names), *_uncuttable(entries, names, kept, k)],
        pictures={scan.entry.file: scan.square for scan in seen if scan.entry.file in named},
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
    entry, square = look(scan, rgb, SIZE)
    grey = scans.to_grey(rgb)
    histogram = np.bincount(grey.ravel() // (256 // LEVELS), minlength=LEVELS) / grey.size
    return Seen(entry, square, find_marks(rgb), histogram)


def _probe(seen: Sequence[Seen], names: Sequence[str], seed: int) -> tuple[list[Probe], Inflation | None]:
    """Probe the classes with FEWEST groups or more; nothing where fewer than two classes have so many."""
    usable = shortcuts.measurable((scan.entry.label, name) for scan, name in zip(seen, names, strict=True))
    rows = [row for row, scan in enumerate(seen) if scan.entry.label in usable]
    if not rows:
        return [], None
    seen, names = [seen[row] for row in rows], [names[row] for row in rows]
    entries = [scan.entry for scan in seen]
    folds = splits.assign_folds(
        [e.sha256 for e in entries], [e.label for e in entries], names, k=FOLDS, seed=seed
    )
    return shortcuts.probe(seen, folds, seed=seed), shortcuts.inflation(seen, folds, k=FOLDS, seed=seed)


def _summarise(seen: Sequence[Seen], names: Sequence[str], conflicts: set[str], label: str) -> ClassSummary:
    rows = [row for row, scan in enumerate(seen) if scan.entry.label == label]
    kept = [row for row in rows if names[row] not in conflicts]
    shapes = np.array([seen[row].entry.shape for row in rows])
    height, width = ((int(side.min()), int(np.median(side)), int(side.max())) for side in shapes.T)
    return ClassSummary(
        label,
        len(rows),
        len({names[row] for row in rows}),
        len(kept),
        len({names[row] for row in kept}),
        sum(seen[row].marks.burned_in for row in rows) / len(rows),
        sum(seen[row].marks.corner > 0 for row in rows) / len(rows),
        width,
        height,
    )


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
        found.append(
            Contradiction(name, sources[rows[0]], tuple(files), any(len(of) > 1 for of in labels.values()))
        )
    return tuple(sorted(found, key=lambda one: (not one.same_pixels, one.scans)))


def _duplicates(entries: Sequence[Entry]) -> tuple[tuple[str, ...], ...]:
    files = defaultdict(list)
    for entry in entries:
        files[entry.sha256].append(entry.file)
    return tuple(sorted(tuple(sorted(same)) for same in files.values() if len(same) > 1))


def _notes(
    entries: Sequence[Entry],
    names: Sequence[str],
    sources: Sequence[str],
    contradictions: Sequence[Contradiction],
) -> Iterator[str]:
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
    if alike := list(_alike_across(entries, names, sources)):
        pairs = "; ".join(" and ".join(files) for files in alike[:NAMED])
        yield (
            f"The detector takes scans of different given groups for one scene, {len(alike)} times: {pairs}. "
            "Look at them; if they are one patient, give them one group."
        )


def _alike_across(
    entries: Sequence[Entry], names: Sequence[str], sources: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Files that the near-duplicate detector joins although the user gave them different groups."""
    given = [row for row, source in enumerate(sources) if source == "given"]
    if not given:
        return
    numbers = groups.near_duplicates(np.stack([entries[row].descriptor for row in given]))
    joined = defaultdict(list)
    for row, number in zip(given, numbers, strict=True):
        joined[number].append(row)
    for rows in joined.values():
        if len({names[row] for row in rows}) > 1:
            yield tuple(sorted(entries[row].file for row in rows))


def _misread(unreadable: Sequence[tuple[str, str]]) -> Iterator[str]:
    if unreadable:
        yield (
            f"{_count(len(unreadable), 'scan')} cannot be read, the first {unreadable[0][0]}. Copy from the source again, "
            "or remove what stays unreadable."
        )


def _leaking(entries: Sequence[Entry], names: Sequence[str]) -> Iterator[str]:
    """Identical pixels in several groups, which only groups given by the user can cause."""
    rows = defaultdict(list)
    for row, entry in enumerate(entries):
        rows[entry.sha256].append(row)
    torn = [same for same in rows.values() if len({names[row] for row in same}) > 1]
    if torn:
        files = " and ".join(sorted(f"{entries[row].file} ({entries[row].label})" for row in torn[0]))
        yield (
            f"{_count(len(torn), 'picture')} with identical pixels lie in several of the given groups, such as {files}; a split "
            "leaks them. Give them one group in the labels.csv, or remove the copies."
        )


def _uncuttable(entries: Sequence[Entry], names: Sequence[str], kept: Sequence[int], k: int) -> Iterator[str]:
    """Why cohort clean cannot be cut into folds."""
    labels, inside = [entries[row].label for row in kept], [names[row] for row in kept]
    if gone := sorted({entry.label for entry in entries} - set(labels)):
        yield f"Nothing is left of {', '.join(gone)} without contradicting groups. Correct the labels, or use --cohort raw."
    if len(set(labels)) < 2:
        yield f"The usable scans hold {_count(len(set(labels)), 'class', 'classes')}. Add scans of another class."
        return
    try:
        if any(entry.fold is not None for entry in entries):
            splits.check_given_folds(
                [entries[row].fold for row in kept], inside, [entries[row].file for row in kept]
            )
        else:
            splits.require_groups(labels, inside, k)
    except BusError as error:
        yield str(error)


def as_dict(findings: Findings) -> dict[str, Any]:
    """The findings as plain values, for `bus data check --json`."""
    found = {item.name: getattr(findings, item.name) for item in fields(findings) if item.name != "pictures"}
    plain = {name: _plain(value) for name, value in found.items()}
    return {"scans": findings.scans, "siblings": findings.siblings, **plain}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(part) for key, part in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def lines(findings: Findings) -> Iterator[str]:
    """The findings on one screen of a console."""
    yield f"{findings.name}: {_count(findings.scans, 'scan')}, {findings.layout}, {_count(findings.sizes, 'native size')}"
    yield f"{'':12}{'class':<16}{'scans':>6}{'clean':>7}{'groups':>8}{'marked':>8}{'corner':>8}   median size"
    for one in findings.classes:
        yield (
            f"{'':12}{one.label:<16}{one.scans:>6}{one.clean_scans:>7}{one.clean_groups:>8}{one.marked:>8.0%}{one.corner:>8.0%}"
            f"   {one.width[1]} × {one.height[1]}"
        )
    sources = ", ".join(
        f"{cohort.GROUP_SOURCES[source]} ({n})" for source, n in findings.group_sources.items()
    )
    yield f"Groups      {sources}; {findings.siblings / findings.scans:.0%} of the scans have a sibling"
    yield f"Leak        a split per image (80/20) leaves {findings.leak:.0%} of the test scans with a sibling in training"
    if found := findings.inflation:
        yield f"Inflation   nearest neighbour: accuracy {found.random:.3f} in folds per image, {found.grouped:.3f} by group"
    yield f"Marks       {_count(len(findings.marked), 'scan')} marked; on BUSI the detector has recall {RECALL:.2f}, precision {PRECISION:.2f}"
    for probe in findings.probes:
        areas = ", ".join(f"{label} {area:.2f}" for label, area in probe.auc.items())
        yield f"Shortcut    AUC of {probe.name} alone: {areas}"
    for contradiction in findings.contradictions[:NAMED]:
        what = "same pixels" if contradiction.same_pixels else "same scene"
        yield f"Contradict  {'; '.join(file + ': ' + label for file, label in contradiction.scans)} ({what})"
    if (rest := len(findings.contradictions) - NAMED) > 0:
        yield f"{'':12}and {_count(rest, 'group')} more, on the page"
    yield from _named("Duplicates", [" = ".join(files) for files in findings.duplicates])
    yield from _named("Unreadable", [why for _, why in findings.unreadable])
    yield from _named("Ignored", [f"{file} ({why})" for file, why in findings.ignored])
    yield from (f"Note        {note}" for note in findings.notes)
    yield from (f"Unsound     {reason}" for reason in findings.unsound)
    if not findings.unsound:
        yield "Sound       Nothing stands against a study on these scans."


def _named(what: str, names: Sequence[str]) -> Iterator[str]:
    yield from (f"{what:<12}{name}" for name in names[:NAMED])
    if len(names) > NAMED:
        yield f"{'':12}and {len(names) - NAMED} more, on the page"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
