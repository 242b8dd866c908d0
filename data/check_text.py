"""The findings of a check in words: on one screen of a console, and as plain values for scripts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass

import numpy as np

from .caution import Caution, of_weight
from .check import Findings
from .cohort import GROUP_SOURCES
from .marks import PRECISION, RECALL

NAMED = 6  # files that one heading of the console names
Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]  # what JSON can hold


def as_json(findings: Findings) -> dict[str, Plain]:
    """The findings as plain values, for `bus data check --json`: everything but the pictures."""
    values = {item.name: getattr(findings, item.name) for item in fields(findings) if item.name != "pictures"}
    whole = {"scans": findings.scans, "siblings": findings.siblings, "sound": not findings.unsound}
    return {**whole, **{name: _plain(value) for name, value in values.items()}, "verdict": findings.verdict}


def _plain(value: object) -> Plain:
    match value:
        case str() | bool() | int() | float() | None:
            return value
        case np.generic():
            return _plain(value.item())
        case Mapping():
            return {str(key): _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
    if not is_dataclass(value):
        raise TypeError(f"no plain value: {value!r}")
    content = {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Caution):
        content |= {"weight": value.weight, "sentence": value.sentence}
    return content


def lines(findings: Findings) -> Iterator[str]:
    """The findings on one screen of a console; the verdict is the last line, its reasons stand before it."""
    sizes = f"{findings.sizes} native size{'s' * (findings.sizes != 1)}"
    yield f"{findings.name}: {findings.scans} scans, {findings.layout}, {sizes}"
    yield from _classes(findings)

    # groups, and what a split that ignores them would do
    sources = ", ".join(f"{GROUP_SOURCES[source]} ({n})" for source, n in findings.group_sources.items())
    share = findings.siblings / findings.scans
    yield f"Groups      {sources}; {share:.0%} of the scans have a sibling"
    for counts in findings.folds:
        each = ", ".join(f"{n} ({g})" for n, g in zip(counts.scans, counts.groups, strict=True))
        yield f"Folds       scans (groups) of {counts.label}: {each}"
    yield (
        f"Leak        a split per image (80/20) leaves {findings.leak:.0%} of the test scans with a sibling "
        "in training"
    )
    if inflation := findings.inflation:
        yield (
            f"Inflation   nearest neighbour: accuracy {inflation.random:.3f} in folds per image, "
            f"{inflation.grouped:.3f} by group, among {' and '.join(inflation.classes)}"
        )

    # what gives classes away
    yield (
        f"Marks       {len(findings.marked)} scans marked; on BUSI the detector has recall {RECALL:.2f}, "
        f"precision {PRECISION:.2f}"
    )
    for probe in findings.probes:
        areas = ", ".join(f"{label} {area:.2f}" for label, area in probe.auc.items())
        yield f"Shortcut    AUC of {probe.name} alone: {areas}"

    # single files, and what to think of it all
    for group in findings.contradictions[:NAMED]:
        what = "same pixels" if group.same_pixels else "same scene"
        yield f"Contradict  {'; '.join(file + ': ' + label for file, label in group.scans)} ({what})"
    if (rest := len(findings.contradictions) - NAMED) > 0:
        yield f"{'':12}and {rest} group{'s' * (rest != 1)} more, on the page"
    yield from _named("Duplicates", [" = ".join(files) for files in findings.duplicates])
    yield from _named("Unreadable", [why for _, why in findings.unreadable])
    yield from _named("Ignored", [f"{file} ({why})" for file, why in findings.ignored])
    yield from (f"Note        {item.sentence}" for item in of_weight(findings.cautions, "note"))
    yield from (f"Unsound     {item.sentence}" for item in findings.unsound)
    yield from (f"Caution     {item.sentence}" for item in of_weight(findings.cautions, "caution"))
    yield findings.verdict


def _classes(findings: Findings) -> Iterator[str]:
    heads = f"{'scans':>6}{'clean':>7}{'groups':>8}{'marked':>8}{'corner':>8}"
    yield f"{'':12}{'class':<16}{heads}   median size"
    for of in findings.classes:
        counts = f"{of.scans:>6}{of.clean_scans:>7}{of.clean_groups:>8}{of.marked:>8.0%}{of.corner:>8.0%}"
        yield f"{'':12}{of.label:<16}{counts}   {of.width[1]} × {of.height[1]}"


def _named(what: str, names: Sequence[str]) -> Iterator[str]:
    yield from (f"{what:<12}{name}" for name in names[:NAMED])
    if len(names) > NAMED:
        yield f"{'':12}and {len(names) - NAMED} more, on the page"
