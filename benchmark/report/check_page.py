"""The page of `bus data check`: the findings in the report's look."""

from collections.abc import Sequence
from pathlib import Path

from ...core.files import write_text
from ...data.caution import of_weight
from ...data.check import CASES, TELLING, Findings
from ...data.cohort import GROUP_SOURCES
from ...data.marks import MEASURED
from ...data.pictures import png
from ...data.shortcuts import Probe, tint
from .model import (
    Block,
    Bullets,
    Card,
    Cards,
    Cells,
    Definitions,
    Exhibit,
    Fold,
    Gallery,
    Heading,
    Heads,
    Line,
    Mood,
    Page,
    Paragraph,
    Picture,
    Section,
    Strong,
    Table,
    TableCell,
    number,
    table,
)
from .numbers import decimal, percent
from .pages import html

SHOWN = 60  # contradicting scans that are shown as pictures
OF_GROUP = 4  # scans of a group that are shown
OPEN = 12  # items of a list that are shown at once
PROBES = (
    "What tells the classes apart without a lesion being looked at. A random forest saw nothing but what the "
    "second column names. Its AUC (that class against the rest) is the mean over folds that split no group; "
    "0.5 is chance, and less only means few groups. Whatever is well above, a classifier can learn too."
)


def write_page(findings: Findings, path: Path) -> Path:
    """Write the findings as one self-contained page, which holds pictures of contradicting scans only."""
    banners: list[Line] = [[Strong("Unsound."), f" {item.sentence}"] for item in findings.unsound]
    page = Page(
        title=f"{findings.name}: data check",
        kicker="bus · data check",
        heading=f"Can {findings.name} be trusted with a study?",
        sections=[
            _verdict(findings),
            _classes(findings),
            _folds(findings),
            _groups(findings),
            _cases(findings),
            _labels(findings),
            _shortcuts(findings),
            _marks(findings),
            _files(findings),
        ],
        banners=banners,
    )
    write_text(path, html(page))
    return path


def _verdict(findings: Findings) -> Section:
    """The answer in three cards: may a study use it, what would leak, what gives the classes away."""
    careful, notes = of_weight(findings.cautions, "caution"), of_weight(findings.cautions, "note")
    mood: Mood = "loss" if findings.unsound else "care" if careful else "gain"
    counts = [(len(findings.unsound), "reason"), (len(careful), "caution")]
    said = " and ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count)
    whole = (
        "Nothing stands against it."
        if not said
        else f"{said}, listed {'above and ' * bool(findings.unsound)}below."
    )
    headline = "unsound" if findings.unsound else "sound"
    leak = (
        f"{percent(findings.leak)} % of the test scans of a split per image would have a sibling in training."
    )
    if findings.inflation:
        leak += (
            f" A nearest neighbour is right for {percent(findings.inflation.random)} % of the scans then, "
            f"for {percent(findings.inflation.grouped)} % in folds by group."
        )
    told = ", ".join(f"{probe.name} alone ({probe.worst:.2f})" for probe in findings.telling)
    shortcuts = f"Highest AUC of a class: {told}." if told else f"None reaches an AUC of {TELLING}."
    if not findings.probes:
        shortcuts = "Not measured: too few groups in all classes but one."
    cards = [
        Card("A study on it", mood, headline, whole),
        Card("A split per image", "care" if findings.leak > 0.01 else "gain", "", leak),
        Card("Shortcuts", "care" if told or not findings.probes else "gain", "", shortcuts),
    ]
    sources = ", ".join(f"{GROUP_SOURCES[name]} ({n} scans)" for name, n in findings.group_sources.items())
    ignored, unreadable = len(findings.ignored), len(findings.unreadable)
    files = f"{findings.scans} readable, {unreadable} unreadable, {ignored} other file"
    files += f"{'s' * (ignored != 1)} ignored"
    about = [("Data", f"{findings.name} ({findings.layout})"), ("Scans", files), ("Groups", sources)]
    blocks: list[Block] = [Cards(cards), Definitions(about, "about")]
    for name, items in (("Cautions", careful), ("Notes", notes)):
        if items:
            lines: list[Line] = [[Strong(f"{item.counted}."), f" {item.rest}"] for item in items]
            blocks += [Heading(name), Bullets(lines)]
    return Section("verdict", "Verdict", blocks)


def _classes(findings: Findings) -> Section:
    names = ("scans", "groups", "scans, cohort clean", "groups, cohort clean")
    sides = (f"{side}, px: median (range)" for side in ("width", "height"))
    rows: list[Cells] = [
        [
            kind.label,
            *map(str, (kind.scans, kind.groups, kind.clean_scans, kind.clean_groups)),
            *(f"{median} ({least}–{most})" for least, median, most in (kind.width, kind.height)),
        ]
        for kind in findings.classes
    ]
    note = (
        f"{findings.sizes} native size{'s' * (findings.sizes != 1)}. Cohort clean leaves out groups with "
        "contradicting labels; it is the default."
    )
    columns: Heads = ["class", *map(number, (*names, *sides))]
    return Section("classes", "Classes", [table("Classes", columns, rows), Paragraph(note, "note")])


def _folds(findings: Findings) -> Section:
    key, name = "folds", "Folds"
    if not findings.folds:
        return Section(key, name, [Paragraph("No folds can be cut from cohort clean.", "absent")])
    rows: list[Cells] = [
        [
            counts.label,
            *(
                TableCell(str(scans), remark=f"{groups} group{'s' * (groups != 1)}")
                for scans, groups in zip(counts.scans, counts.groups, strict=True)
            ),
        ]
        for counts in findings.folds
    ]
    columns: Heads = ["class", *(number(f"fold {fold}") for fold in range(len(findings.folds[0].scans)))]
    words = "Scans, and in small print groups, that each fold of a study on cohort clean would test."
    return Section(key, name, [Paragraph(words, "note"), table("Scans and groups per fold", columns, rows)])


def _groups(findings: Findings) -> Section:
    share = percent(findings.siblings / findings.scans)
    blocks: list[Block] = [
        Paragraph(
            f"Scans of one scene or patient form a group; {findings.siblings} of {findings.scans} scans "
            f"({share} %) share theirs with another. Had the split been per image (stratified, 80/20), "
            f"{percent(findings.leak)} % of the test scans would have had a sibling in training."
        )
    ]
    if inflation := findings.inflation:
        words = (
            "What that would inflate: a nearest neighbour on 32 × 32 pixels reaches an accuracy of "
            f"{decimal(inflation.random)} in folds per image and {decimal(inflation.grouped)} in folds by "
            f"group; always answering the largest class, {decimal(inflation.majority)}; among the scans of "
            f"{' and '.join(inflation.classes)}."
        )
        blocks.append(Paragraph(words))
    rows: list[Cells] = [[str(size), str(count)] for size, count in findings.group_sizes.items()]
    columns: Heads = [number("scans in a group"), number("such groups")]
    blocks.append(table("Sizes of groups", columns, rows, "narrow"))
    if findings.largest:
        exhibits = [
            Exhibit(
                [_picture(findings, file, label) for file, label in group.scans[:OF_GROUP]],
                f"{group.name}: {len(group.scans)} scans, {GROUP_SOURCES[group.source]}",
            )
            for group in findings.largest
        ]
        blocks += [Heading("The largest groups"), Gallery(exhibits)]
    return Section("groups", "Groups and leaks", blocks)


def _cases(findings: Findings) -> Section:
    """The files that cautions are about, as pictures; contradictions have their own part."""
    blocks: list[Block] = []
    for item in findings.cautions:
        if item.kind in ("contradicting", "several findings") or not item.cases:
            continue
        cases = item.cases[:CASES]
        if all(len(case) == 1 for case in cases):  # single scans stand side by side
            cases = _in_twos([file for (file,) in cases])
        exhibits = [Exhibit([_picture(findings, file) for file in case]) for case in cases]
        if not any(picture.png for exhibit in exhibits for picture in exhibit.pictures):
            continue
        blocks += [Heading(item.counted), Paragraph(item.words.advice, "note"), Gallery(exhibits)]
        if len(item.cases) > CASES:
            blocks.append(_several([" and ".join(case) for case in item.cases[CASES:]], "Others"))
    return Section(
        "cases", "To look at", blocks or [Paragraph("No caution is about single scans.", "absent")]
    )


def _in_twos(files: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(files[start : start + 2]) for start in range(0, len(files), 2))


def _picture(findings: Findings, file: str, label: str = "") -> Picture:
    """A scan of the findings; only its name where no picture of it was kept."""
    square = findings.pictures.get(file)
    said = f"{label}: {file}" if label else file
    labelled = f"scan {file}, labelled {label}" if label else f"scan {file}"
    return Picture(b"" if square is None else png(square), labelled, said)


def _labels(findings: Findings) -> Section:
    key, name = "labels", "Contradicting labels"
    if not findings.contradictions:
        return Section(key, name, [Paragraph("No group carries more than one label.", "absent")])
    words = (
        "One scene, several labels: at most one is right, and the same echoes would be trained and tested as "
        "two classes. A patient with several findings may rightly have several."
    )
    shown = set([file for group in findings.contradictions for file, _ in group.scans][:SHOWN])
    blocks: list[Block] = [Paragraph(words)]
    for group in findings.contradictions:
        what = (
            "the same pixels under several labels" if group.same_pixels else "one group under several labels"
        )
        pictures = [
            _picture(findings, file, label) if file in shown else Picture(b"", file, f"{label}: {file}")
            for file, label in group.scans
        ]
        exhibits = [Exhibit(pictures[start : start + 2]) for start in range(0, len(pictures), 2)]
        source = Paragraph(f"The group: {GROUP_SOURCES[group.source]}.", "note")
        blocks += [Heading(f"Group {group.name}: {what}"), source, Gallery(exhibits)]
    return Section(key, name, blocks)


def _shortcuts(findings: Findings) -> Section:
    if findings.probes:
        shown: Block = probe_table(findings.probes)
    else:
        shown = Paragraph("Not measured: fewer than two classes have enough groups.", "absent")
    return Section("shortcuts", "Shortcuts", [Paragraph(PROBES), shown])


def probe_table(probes: Sequence[Probe]) -> Table:
    """What tells classes apart without a lesion: one row a shortcut, shaded where it tells much."""
    columns: Heads = ["shortcut", "sees only", *(number(f"AUC, {label}") for label in probes[0].auc)]
    rows: list[Cells] = [
        [probe.name, probe.sees, *(TableCell(f"{area:.2f}", shade=tint(area)) for area in probe.auc.values())]
        for probe in probes
    ]
    return table("Shortcuts", columns, rows, "prosaic")


def _marks(findings: Findings) -> Section:
    rows: list[Cells] = [
        [kind.label, f"{percent(kind.marked)} %", f"{percent(kind.corner)} %"] for kind in findings.classes
    ]
    columns: Heads = ["class", number("text, calipers, colour"), number("orientation mark in a corner")]
    blocks: list[Block] = [Paragraph(MEASURED), table("Burned-in marks by class", columns, rows, "narrow")]
    if findings.marked:
        shown = [file for file in findings.marked if file in findings.pictures][:CASES]
        pairs = _in_twos(shown)
        blocks += [
            Gallery([Exhibit([_picture(findings, file) for file in pair]) for pair in pairs]),
            _several(findings.marked, "Marked scans"),
        ]
    return Section("marks", "Burned-in marks", blocks)


def _files(findings: Findings) -> Section:
    blocks: list[Block] = []
    if findings.unreadable:
        blocks += [Heading("Unreadable"), Bullets([why for _, why in findings.unreadable])]
    else:
        blocks.append(Paragraph("Every scan could be read."))
    if findings.duplicates:
        blocks += [Heading("Identical pixels"), Bullets([" = ".join(files) for files in findings.duplicates])]
    else:
        blocks.append(Paragraph("No two scans have identical pixels."))
    if findings.ignored:
        said = [f"{file}: {why}" for file, why in findings.ignored]
        blocks.append(Heading("Not taken for scans"))
        shown = [(file, why) for file, why in findings.ignored if file in findings.pictures][:CASES]
        if shown:
            blocks.append(Gallery([Exhibit([_picture(findings, file)], why) for file, why in shown]))
        blocks.append(_several(said, "Files left out"))
    return Section("files", "Files", blocks)


def _several(items: Sequence[str], summary: str) -> Fold:
    return Fold(f"{summary} ({len(items)})", [Bullets(items)], is_open=len(items) <= OPEN)
