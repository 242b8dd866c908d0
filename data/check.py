"""Checks of a data set before anything is trained on it: what it holds, contradicts, leaks, gives away."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..core.compute import cores
from ..core.errors import BusError, UsageError
from ..core.progress import progress
from . import cohort, pictures, scans, shortcuts, splits
from .caution import Caution, caution, of_weight
from .grouping import find_groups
from .marks import find_marks
from .reading import READING, Entry, is_download, known, list_source, look
from .scans import Listing, ScanFile
from .shortcuts import FEWEST, LEVELS, Inflation, Probe, Seen
from .store import Pixels, letterbox

SIZE = 64  # px of the squares that the probes see
TELLING = 0.6  # AUC from which a shortcut is worth a sentence
FOLDS = 5  # of the probes
SHOWN = 128  # px a side of the pictures for a reader
CASES = 20  # cases of a caution, and scans of a list, whose pictures are kept
GROUPS = 12  # the largest ones, whose pictures are kept


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
class FoldCounts:
    """One class of cohort clean in the folds of a study: a number for each fold."""

    label: str
    scans: tuple[int, ...]
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Scans that are never split between training and test."""

    name: str
    source: str  # a key of cohort.GROUP_SOURCES
    scans: tuple[tuple[str, str], ...]  # file, label


@dataclass(frozen=True)
class Contradiction(Group):
    """A group whose scans carry several labels."""

    same_pixels: bool  # two labels on identical pixels, rather than on one scene


@dataclass(frozen=True)
class Findings:
    """All that `check` found out about a data set."""

    name: str
    path: str
    layout: str
    classes: tuple[ClassSummary, ...]
    folds: tuple[FoldCounts, ...]  # of each class; none where no folds can be cut
    sizes: int  # distinct native sizes
    group_sources: dict[str, int]  # keys of cohort.GROUP_SOURCES -> scans
    group_sizes: dict[int, int]  # scans in a group -> number of such groups
    largest: tuple[Group, ...]  # the GROUPS largest of two scans or more
    contradictions: tuple[Contradiction, ...]
    duplicates: tuple[tuple[str, ...], ...]  # files with identical pixels
    marked: tuple[str, ...]  # files with burned-in marks
    probes: tuple[Probe, ...]
    leak: float  # share of test scans with a sibling in training, were the split per image
    inflation: Inflation | None
    unreadable: tuple[tuple[str, str], ...]  # file, why
    ignored: tuple[tuple[str, str], ...]  # file, why it was not taken for a scan
    cautions: tuple[Caution, ...]  # what makes a study wrong first, then what to be careful about, then notes
    pictures: dict[str, Pixels] = field(repr=False, compare=False)  # SHOWN² of some of the files named above

    @property
    def scans(self) -> int:
        """Readable scans."""
        return sum(summary.scans for summary in self.classes)

    @property
    def siblings(self) -> int:
        """Scans that share their group with another."""
        return sum(size * count for size, count in self.group_sizes.items() if size > 1)

    @property
    def unsound(self) -> list[Caution]:
        """Why a study on it would be refused or wrong."""
        return of_weight(self.cautions, "wrong")

    @property
    def telling(self) -> list[Probe]:
        """The shortcuts that tell a class apart, most telling first."""
        return telling(self.probes)

    @property
    def verdict(self) -> str:
        """The last word: whether a study may be made, and of what to be careful."""
        reasons, careful = self.unsound, of_weight(self.cautions, "caution")
        with_cautions = f"with {_count(len(careful), 'caution')}: {_listed(careful)}"
        if reasons:
            because = f"Unsound, for {_count(len(reasons), 'reason')}: {_listed(reasons)}"
            return f"{because}; {with_cautions}." if careful else f"{because}."
        return (
            f"Sound, {with_cautions}." if careful else "Sound: nothing stands against a study on these scans."
        )


def _listed(cautions: Sequence[Caution]) -> str:
    return "; ".join(item.short.rstrip(".") for item in cautions)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def check(
    path: str | Path, *, k: int = 5, seed: int = 0, frames: str = "middle", merge_alike: bool = False
) -> Findings:
    """Read every scan below `path` (what `--data` takes) once; look for what would spoil a study of `k`
    folds.

    `frames` and `merge_alike` as a study would have them. Unreadable scans are collected, not raised. Raises
    BusError where the layout itself cannot be understood, or no scan can be read; UsageError for the word
    `phantom`, which names no files.
    """
    if path == "phantom":
        raise UsageError(
            "phantom is the built-in simulated cohort, not files that can be checked. Write it with bus data "
            "phantom FOLDER and check that folder; give a folder of that name as ./phantom."
        )
    if seed < 0:
        raise UsageError(f"--seed {seed}: expected 0 or more.")
    listing = list_source(str(path), frames, collect=True)
    seen, unreadable = _read_all(listing)
    if not seen:
        raise BusError(
            f"None of the {len(listing.scans)} scans below {path} can be read. The first: {unreadable[0][1]}"
        )
    entries = [scan.entry for scan in seen]
    if is_download(str(path)):
        cohort.check_busi(entries)
    grouping = find_groups(entries, merge_alike=merge_alike)
    names, sources = grouping.names, grouping.sources

    # cohort clean: its probes and its folds
    conflicts = cohort.contradictions(entries, names)
    kept = [row for row, name in enumerate(names) if name not in conflicts]
    probes, inflation = _probe([seen[row] for row in kept], [names[row] for row in kept], seed)
    folds, uncut = _fold([entries[row] for row in kept], [names[row] for row in kept], k, seed)

    # groups, and what to say of them
    members = _groups(entries, names, sources)
    contradictions = _contradictions(entries, members, conflicts)
    cautions = (
        *caution("unreadable", [file for file, _ in unreadable], total=len(listing.scans)),
        *_torn(entries, names),
        *_gone(entries, kept),
        *uncut,
        *grouping.cautions(entries),
        *_contradicting(contradictions),
        *_few_groups(folds),
        *_telling(probes),
        *known(listing, entries),
    )
    marked = tuple(sorted(scan.entry.file for scan in seen if scan.marks.burned_in))
    largest = sorted(members.values(), key=lambda group: (-len(group.scans), group.scans))[:GROUPS]
    largest = [group for group in largest if len(group.scans) > 1]
    return Findings(
        name=listing.name,
        path=str(path),
        layout=listing.layout,
        classes=tuple(
            _summarise(seen, names, set(conflicts), label) for label in sorted({e.label for e in entries})
        ),
        folds=folds,
        sizes=len({entry.shape for entry in entries}),
        group_sources=dict(Counter(sources).most_common()),
        group_sizes=dict(sorted(Counter(Counter(names).values()).items())),
        largest=tuple(largest),
        contradictions=contradictions,
        duplicates=_duplicates(entries),
        marked=marked,
        probes=tuple(probes),
        leak=shortcuts.leak([entry.label for entry in entries], names, seed=seed),
        inflation=inflation,
        unreadable=tuple(unreadable),
        ignored=listing.ignored,
        cautions=tuple(
            item for weight in ("wrong", "caution", "note") for item in of_weight(cautions, weight)
        ),
        pictures=_pictures(listing, _shown(cautions, [*largest, *contradictions], marked, listing.ignored)),
    )


def _read_all(listing: Listing) -> tuple[list[Seen], list[tuple[str, str]]]:
    """Every scan that can be read, in an order that depends on content only, and why the others cannot."""

    def read(scan: ScanFile) -> Seen | tuple[str, str]:
        try:
            return _see(scan, scans.read_scan(listing, scan))
        except BusError as error:
            return scan.file, str(error)
        finally:
            advance()

    with progress(READING, len(listing.scans)) as advance, ThreadPoolExecutor(cores()) as pool:
        answers = list(pool.map(read, listing.scans))
    seen = [scan for scan in answers if isinstance(scan, Seen)]
    seen.sort(key=lambda scan: (scan.entry.sha256, scan.entry.label, scan.entry.file))
    return seen, [scan for scan in answers if not isinstance(scan, Seen)]


def _see(scan: ScanFile, rgb: Pixels) -> Seen:
    entry, square = look(scan, rgb, SIZE)
    grey = scans.to_grey(rgb)
    histogram = pictures.histogram(grey).reshape(LEVELS, -1).sum(1) / grey.size
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


def _fold(
    entries: Sequence[Entry], names: Sequence[str], k: int, seed: int
) -> tuple[tuple[FoldCounts, ...], tuple[Caution, ...]]:
    """Scans and groups of each class in each fold of a study; or why none can be cut."""
    labels = [entry.label for entry in entries]
    if len(set(labels)) < 2:
        return (), (Caution("few classes", len(set(labels))),)
    given = [entry.fold for entry in entries]
    try:
        files, hashes = [entry.file for entry in entries], [entry.sha256 for entry in entries]
        folds = splits.folds_of(given, files, hashes, labels, names, k=k, seed=seed)
    except BusError as error:
        return (), (Caution("refused", detail=str(error)),)
    numbers = range(max(folds) + 1)
    rows = list(zip(folds, labels, names, strict=True))
    scans_in, groups_in = (Counter((fold, label) for fold, label, _ in of) for of in (rows, set(rows)))
    return tuple(
        FoldCounts(
            label,
            tuple(scans_in[fold, label] for fold in numbers),
            tuple(groups_in[fold, label] for fold in numbers),
        )
        for label in sorted(set(labels))
    ), ()


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


def _groups(entries: Sequence[Entry], names: Sequence[str], sources: Sequence[str]) -> dict[str, Group]:
    """Every group by its name."""
    rows = defaultdict(list)
    for row, name in enumerate(names):
        rows[name].append(row)
    return {
        name: Group(
            name, sources[of[0]], tuple(sorted((entries[row].file, entries[row].label) for row in of))
        )
        for name, of in rows.items()
    }


def _contradictions(
    entries: Sequence[Entry], members: dict[str, Group], conflicts: dict[str, list[str]]
) -> tuple[Contradiction, ...]:
    """Groups with several labels; first those with two labels on the same pixels."""
    pixels = {(entry.file, entry.label): entry.sha256 for entry in entries}
    groups_found = []
    for name in conflicts:
        group, labels = members[name], defaultdict(set)
        for file, label in group.scans:
            labels[pixels[file, label]].add(label)
        same = any(len(of) > 1 for of in labels.values())
        groups_found.append(Contradiction(name, group.source, group.scans, same))
    return tuple(sorted(groups_found, key=lambda group: (not group.same_pixels, group.scans)))


def _duplicates(entries: Sequence[Entry]) -> tuple[tuple[str, ...], ...]:
    files = defaultdict(list)
    for entry in entries:
        files[entry.sha256].append(entry.file)
    return tuple(sorted(tuple(sorted(same)) for same in files.values() if len(same) > 1))


def _contradicting(contradictions: Sequence[Contradiction]) -> Iterator[Caution]:
    """Groups given with the data may be patients with several findings; others hold a wrong label."""
    given = [group for group in contradictions if group.source == "given"]
    others = [group for group in contradictions if group.source != "given"]
    for kind, of in (("several findings", given), ("contradicting", others)):
        yield from caution(kind, [tuple(file for file, _ in group.scans) for group in of])


def _torn(entries: Sequence[Entry], names: Sequence[str]) -> Iterator[Caution]:
    """Identical pixels in several groups, which only groups given by the user can cause."""
    rows = defaultdict(list)
    for row, entry in enumerate(entries):
        rows[entry.sha256].append(row)
    torn = [same for same in rows.values() if len({names[row] for row in same}) > 1]
    yield from caution("torn", [tuple(sorted(entries[row].file for row in same)) for same in torn])


def _gone(entries: Sequence[Entry], kept: Sequence[int]) -> Iterator[Caution]:
    """Classes that cohort clean loses as a whole."""
    if gone := sorted({entry.label for entry in entries} - {entries[row].label for row in kept}):
        yield Caution("class gone", len(gone), detail=", ".join(gone))


def _few_groups(folds: Sequence[FoldCounts]) -> Iterator[Caution]:
    """Classes of which some fold tests too few groups for a verdict on that fold alone."""
    few = [counts for counts in folds if min(counts.groups) < FEWEST]
    if few:
        said = "; ".join(f"{counts.label} {_range(counts.groups)}" for counts in few)
        yield Caution("few groups", len(few), total=len(folds), detail=said)


def _range(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least} to {most}" if least < most else str(least)


def telling(probes: Sequence[Probe]) -> list[Probe]:
    """The shortcuts that tell a class apart, most telling first."""
    return sorted((probe for probe in probes if probe.worst >= TELLING), key=lambda probe: -probe.worst)


def _telling(probes: Sequence[Probe]) -> Iterator[Caution]:
    if told := telling(probes):
        said = ", ".join(f"{probe.name} {probe.worst:.2f}" for probe in told)
        yield Caution("shortcuts", len(told), total=len(probes), detail=f"highest AUC of a class: {said}")


def _shown(
    cautions: Sequence[Caution],
    members: Sequence[Group],
    marked: Sequence[str],
    ignored: Sequence[tuple[str, str]],
) -> list[str]:
    """The files of which a reader wants to see a picture."""
    files = [file for item in cautions for case in item.cases[:CASES] for file in case]
    files += [file for group in members for file, _ in group.scans]
    return list(dict.fromkeys([*files, *marked[:CASES], *(file for file, _ in ignored[:CASES])]))


def _pictures(listing: Listing, files: Sequence[str]) -> dict[str, Pixels]:
    """Squares of those files that are pictures, scans or not; nothing for what cannot be read."""
    by_name = listing.by_name
    first = listing.scans[0]
    root = listing.places[first.file].removesuffix(first.file)  # of the scans, in their source

    def read(file: str) -> Pixels | None:
        try:
            if file in by_name:
                rgb = scans.read_scan(listing, by_name[file])
            elif Path(file).suffix.casefold() in pictures.SUFFIXES:
                rgb = pictures.decode_rgb(listing.source.read(root + file), file)
            else:
                return None
        except (BusError, OSError, KeyError):
            return None
        return letterbox(scans.to_grey(rgb), SHOWN)[0]

    with ThreadPoolExecutor(cores()) as pool:
        squares = dict(zip(files, pool.map(read, files), strict=True))
    return {file: square for file, square in squares.items() if square is not None}
