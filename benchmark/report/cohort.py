"""Who was tested: scans per class and fold, who was left out, what gives classes away, and that nothing
leaked."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ...data.cohort import COHORT_FILE, GROUP_SOURCES
from ...data.shortcuts import Probe
from ...data.study import Study
from ..audit import Check
from .check_page import probe_table
from .model import (
    Block,
    Cells,
    Flag,
    Fold,
    Heading,
    Heads,
    Paragraph,
    Section,
    Table,
    TableCell,
    number,
    table,
)
from .numbers import percent

PROBES = (
    "How well a random forest tells a class from the others that sees no lesion, only what the second column "
    "names: AUC, mean over the study’s folds; 0.5 is chance, and less only means few groups. Whatever is "
    "well above, a classifier can use too."
)


def cohort_section(study: Study, probes: Sequence[Probe]) -> Section:
    """Counts, groups, who was left out and why, and the shortcuts."""
    used = [study.scans[row] for row in study.used()]
    sizes, copies = (Counter(getattr(scan, key) for scan in used) for key in ("group", "sha256"))
    siblings = sum(sizes[scan.group] > 1 for scan in used)
    same = sum(copies[scan.sha256] > 1 for scan in used)
    names = "; ".join(GROUP_SOURCES.get(name, name) for name in study.settings.data.group_sources)
    words = (
        f"{len(used)} scans in {len(sizes)} groups; a group, the scans of one patient or scene, is never "
        f"split between training and test. Groups: {names}. {siblings} scans "
        f"({percent(siblings / len(used), 0)} %) share their group with another, {same} have the same pixels "
        "as another."
    )
    blocks: list[Block] = [Paragraph(words), _counts(study)]

    # who was left out
    out = sorted((scan for scan in study.scans if scan.fold is None), key=lambda scan: (scan.why, scan.file))
    if out:
        reasons = Counter(scan.left_out.short for scan in out if scan.left_out)
        said = ", ".join(f"{count} ({reason})" for reason, count in sorted(reasons.items()))
        rows: list[Cells] = [[scan.file, scan.label, scan.why] for scan in out]
        whole = table("Scans left out", ["scan", "class", "why"], rows)
        instead = f"Each is named, with the reason, in {COHORT_FILE}."
        blocks.append(Paragraph(f"Left out: {said}."))
        blocks.append(Fold(f"Every scan left out ({len(out)})", [whole], instead=instead))
    else:
        blocks.append(Paragraph("No scan was left out."))
    if ignored := study.settings.data.ignored:
        words = f"{ignored} files below the data folder were not taken for scans (masks and others)."
        blocks.append(Paragraph(words))

    # what else tells the classes
    blocks.append(Heading("Shortcuts"))
    if probes:
        blocks += [Paragraph(PROBES, "note"), probe_table(probes)]
    else:
        blocks.append(Paragraph("Not measured: fewer than two classes have enough groups.", "absent"))
    return Section("cohort", "The cohort", blocks)


def _counts(study: Study) -> Table:
    """Scans, and in small print groups, of every class in every fold."""
    used = [study.scans[row] for row in study.used()]

    def cell(label: str | None, fold: int | None) -> TableCell:
        part = [s for s in used if label in (None, s.label) and fold in (None, s.fold)]
        groups = len({scan.group for scan in part})
        return TableCell(str(len(part)), remark=f"{groups} group{'s' * (groups != 1)}")

    places = [*study.folds, None]
    rows: list[Cells] = [
        [label + " (target)" * (label == study.target), *(cell(label, fold) for fold in places)]
        for label in study.classes
    ]
    foot: Cells = ["all", *(cell(None, fold) for fold in places)]
    columns: Heads = ["class", *(number(f"fold {fold}") for fold in study.folds), number("all folds")]
    return table("Scans and groups per class and fold", columns, rows, foot=foot)


def audit_section(checks: Sequence[Check] | None) -> Section:
    """The outcome of the leak audit: what was checked, of all folds and translators in one row."""
    if not checks:
        words = "No outcome of an audit came with this report."
        return Section("audit", "Leak audit", [Paragraph(words, "absent")])
    alike: dict[tuple[str, bool], list[Check]] = {}
    for check in checks:
        alike.setdefault((check.name, check.ok), []).append(check)
    rows: list[Cells] = [
        [
            name,
            _places(check.fold for check in same),
            _places(check.gan_seed for check in same),
            str(sum(check.count for check in same)),
            _outcome(same) if ok else Flag("violated"),
        ]
        for (name, ok), same in alike.items()
    ]
    columns: Heads = ["check", "folds", "translators’ seeds", number("checked"), "outcome"]
    words = (
        "Checked before any training; a violation would have stopped it. Scans are counted once in every "
        "fold, and for every translator that is named."
    )
    shown = table("Leak audit", columns, rows, "prosaic")
    return Section("audit", "Leak audit", [Paragraph(words), shown])


def _places(numbers: Iterable[int | None]) -> str:
    """Folds or seeds, each once; empty where a check is of none."""
    return ", ".join(map(str, sorted({number for number in numbers if number is not None})))


def _outcome(checks: Sequence[Check]) -> str:
    """That they hold, and of how many scans to the bit where that was asked."""
    exact = [check.exact for check in checks if check.exact is not None]
    return f"holds, {sum(exact)} bit for bit" if exact else "holds"
