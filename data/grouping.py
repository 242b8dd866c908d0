"""Groups: which scans show one scene or patient, from what is given, published and seen."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from . import copies, names
from .caution import Caution, caution
from .cohort import busi_list
from .copies import Pair
from .reading import Entry

Group = tuple[str, str]  # how it is known (a key of cohort.GROUP_SOURCES), and what identifies it there
IDENTICAL = 1 - 1e-6  # likeness above which scans are taken for the same
LONGEST = 60  # characters of the name of merged groups


@dataclass(frozen=True)
class Grouping:
    """The group of every scan, and what stands against it."""

    names: list[str]  # of the group of each scan
    sources: list[str]  # how each scan's group was found: keys of cohort.GROUP_SOURCES
    alike: list[tuple[int, ...]] = field(default_factory=list)  # scans of one scene in several groups
    merged: list[tuple[int, ...]] = field(default_factory=list)  # the same, but their groups were merged
    spelt: list[tuple[str, ...]] = field(default_factory=list)  # given names that differ in zeros alone

    def cautions(self, entries: Sequence[Entry]) -> list[Caution]:
        """What a reader must know of the groups of these scans, by which they were found."""
        unknown = self.sources.count("detected")
        return [
            *([Caution("no group known", unknown, total=len(entries))] if unknown else []),
            *caution("alike", (_files(rows, entries) for rows in self.alike)),
            *caution("groups merged", (_files(rows, entries) for rows in self.merged)),
            *caution("names alike", self.spelt),
        ]


def _files(rows: Sequence[int], entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(sorted(entries[row].file for row in rows))


def find_groups(entries: Sequence[Entry], *, merge_alike: bool = False) -> Grouping:
    """Give every scan a group: what the user gives, else the list for BUSI, else what the detector sees.

    Names that differ in capitals, blanks or Unicode's composition are one group; the frames of one DICOM file
    are, too. The detector compares every scan with every other. Scans without a group that it takes for one
    scene are one group, and join the known group that one of them resembles most. One that the list joins
    with scans of a given group joins that. Scans of several given
    groups that it takes for one scene are named in `alike`; with `merge_alike`, their groups are one.
    """
    # what is known of each, and which look alike
    listed = busi_list()
    own = [None if entry.group is None else ("given", names.key(entry.group)) for entry in entries]
    about = [listed.get((entry.sha256, names.key(entry.label))) for entry in entries]
    named: defaultdict[str, set[Group]] = defaultdict(set)  # group of the list → those that the user gave
    for group, scene in zip(own, about, strict=True):
        if group and scene:
            named[scene.group].add(group)
    known: list[Group | None] = []
    for group, scene in zip(own, about, strict=True):
        given = min(named[scene.group], default=("list", scene.group)) if scene else None
        known.append(group or given)
    pairs = _pairs(entries)
    groups_of = _joined(entries, known, pairs)
    doubted = [  # two groups of the published list were told apart by eye
        pair for pair in pairs if {groups_of[pair.first][0], groups_of[pair.second][0]} != {"list"}
    ]

    # scans of several groups that look like one scene
    rows_of = defaultdict(list)
    for row, number in enumerate(copies.joined(len(entries), (pair[:2] for pair in doubted))):
        rows_of[number].append(row)
    sets = [tuple(rows) for rows in rows_of.values() if len({groups_of[row] for row in rows}) > 1]
    shown = _shown(entries, groups_of, sets if merge_alike else [])
    return Grouping(
        [shown[group] for group in groups_of],
        [group[0] if group else "detected" for group in known],
        [] if merge_alike else sets,
        sets if merge_alike else [],
        _spelt_alike(shown),
    )


def _pairs(entries: Sequence[Entry]) -> list[Pair]:
    """Scans that the detector takes for one scene, or frames of one file."""
    rows = [row for row, entry in enumerate(entries) if entry.descriptor.size]
    seen = copies.alike(np.stack([entries[row].descriptor for row in rows])) if rows else []
    loops: dict[str, int] = {}
    frames = [
        Pair(first, row, 1.0)
        for row, entry in enumerate(entries)
        if entry.loop and (first := loops.setdefault(entry.loop, row)) != row
    ]
    return [*frames, *(Pair(rows[pair.first], rows[pair.second], pair.likeness) for pair in seen)]


def _joined(entries: Sequence[Entry], known: Sequence[Group | None], pairs: Sequence[Pair]) -> list[Group]:
    """The group of every scan: its own, or of those without one the group that they resemble most."""
    count = len(entries)
    # identical scans stand for each other, in whichever order they were compared
    same = copies.joined(count, (pair[:2] for pair in pairs if pair.likeness > IDENTICAL))
    of_same: dict[int, set[Group]] = defaultdict(set)
    unknown: dict[int, int] = {}  # the first scan without a group of each set of identical ones
    links = []
    for row, group in enumerate(known):
        if group is not None:
            of_same[same[row]].add(group)
        else:
            links.append((unknown.setdefault(same[row], row), row))
    links += [
        (unknown[same[pair.first]], unknown[same[pair.second]])
        for pair in pairs
        if same[pair.first] in unknown and same[pair.second] in unknown
    ]
    part = copies.joined(count, links)

    # each part of scans without a group takes the likeliest known one, or one of its own
    nearest: dict[int, tuple[float, Group]] = {}
    within = [Pair(row, row, 1.0) for row in unknown.values()]
    for first, second, likeness in [*within, *pairs]:
        for one, other in ((first, second), (second, first)):
            if same[one] in unknown:
                number = part[unknown[same[one]]]
                best = [(-likeness, group) for group in of_same[same[other]]]
                best += [nearest[number]] if number in nearest else []
                if best:
                    nearest[number] = min(best)
    own: dict[int, Group] = {}
    for row, entry in enumerate(entries):
        name = f"scan-{entry.sha256[:12]}"
        own[part[row]] = min(own.get(part[row], ("detected", name)), ("detected", name))
    return [group or nearest.get(part[row], (0, own[part[row]]))[1] for row, group in enumerate(known)]


def _shown(
    entries: Sequence[Entry], groups_of: Sequence[Group], merged: Sequence[Sequence[int]]
) -> dict[Group, str]:
    """The name of every group: the first of its spellings, or of all groups that these scans merge."""
    spellings: dict[Group, str] = {}
    for entry, group in zip(entries, groups_of, strict=True):
        spelling = names.clean(entry.group) if group[0] == "given" and entry.group else group[1]
        spellings[group] = min(spelling, spellings.get(group, spelling))
    order = sorted(spellings)
    number = {group: place for place, group in enumerate(order)}
    together = defaultdict(list)
    links = ((number[groups_of[rows[0]]], number[groups_of[row]]) for rows in merged for row in rows)
    for group, part in zip(order, copies.joined(len(order), links), strict=True):
        together[part].append(group)
    shown = {}
    for parts in together.values():
        name = " + ".join(sorted(spellings[group] for group in parts))
        if len(name) > LONGEST and len(parts) > 1:
            name = f"{min(spellings[group] for group in parts)} + {len(parts) - 1} others"
        shown.update(dict.fromkeys(parts, name))
    return shown


def _spelt_alike(shown: dict[Group, str]) -> list[tuple[str, ...]]:
    """Given names that are one but for zeros at the beginning of a number, and are not one group."""
    plain = defaultdict(set)
    for (source, key), name in shown.items():
        if source == "given":
            plain[re.sub(r"\d+", lambda digits: digits[0].lstrip("0") or "0", key)].add(name)
    return sorted(tuple(sorted(same)) for same in plain.values() if len(same) > 1)
