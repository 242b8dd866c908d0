"""The page of `bus predict`: every scan beside the heat of its answer, in the report's look."""

import os
from collections.abc import Sequence
from pathlib import Path

from ...classify.explain import enlarge
from ...core.files import write_text
from ...data.pictures import png
from ...data.store import Pixels
from ..predict import PARTS, AnsweredScan, AnsweredScans
from .model import (
    Block,
    Bullets,
    Definitions,
    Exhibit,
    Flag,
    Fold,
    Gallery,
    Heading,
    Heads,
    Line,
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
from .pictures import SIDE, in_words, overlay

PICTURED = 200  # scans shown as pictures; the table holds all
OPEN = 12  # answers in a table that is not folded


def write_page(answers: AnsweredScans, path: Path) -> Path:
    """Write the answers as one self-contained page that asks nobody for anything."""
    count = len(answers.scans)
    sections = [_answers(answers), Section("reading", "How to read them", [Bullets(_reading(answers))])]
    if answers.unreadable:
        said = Bullets([why for _, why in answers.unreadable])
        sections.append(Section("unreadable", "Unreadable files", [said]))
    page = Page(
        title=f"Answers of {answers.trained.name}",
        kicker="bus · answers",
        heading=f"What a trained classifier says of {count} scan{'s' * (count != 1)}",
        sections=sections,
        banners=[[Strong("Note."), f" {remark}"] for remark in answers.trained.remarks],
    )
    write_text(path, html(page))
    return path


def _answers(answers: AnsweredScans) -> Section:
    """Who answered, every answer with its probabilities, and the first scans as pictures."""
    folder, scans = _folder([scan.file for scan in answers.scans]), answers.scans
    about = [*_about(answers), *([("In", folder)] if folder else [])]
    blocks: list[Block] = [Definitions(about, "about")]
    if not scans:
        return Section("answers", "Answers", [*blocks, Paragraph("No file could be read.", "absent")])
    if grid := _grid(scans):
        note = (
            "Right: the scan under the heat of the answer. Yellow: most heat; grey: none. The map has "
            f"{grid} cells; finer detail is interpolation."
        )
        heading = Heading("Scan, and where the classifier looked for its answer")
        blocks += [heading, Paragraph(note, "note")]
    else:
        blocks.append(Heading("The scans"))
    if len(scans) > PICTURED:
        words = f"The first {PICTURED} of {len(scans)}; the table below holds all."
        blocks.append(Paragraph(words, "note"))
    blocks.append(Gallery([_exhibit(scan, folder) for scan in scans[:PICTURED]]))
    table_of_all = Fold(f"All {len(scans)} answers", [_table(answers, folder)], is_open=len(scans) <= OPEN)
    blocks.append(table_of_all)
    return Section("answers", "Answers", blocks)


def _folder(names: list[str]) -> str:
    """The folders that all names have in front, with the last slash; said once, to leave a phone room."""
    common = os.path.commonprefix(names)  # noqa: RUF071 - cut at a slash below
    return common[: common.rfind("/") + 1]


def _grid(scans: Sequence[AnsweredScan]) -> str:
    """The cells of a heat map; "" without one."""
    return next((f"{len(scan.heat)}×{len(scan.heat)}" for scan in scans if scan.heat is not None), "")


def _about(answers: AnsweredScans) -> list[tuple[str, str]]:
    trained, settings = answers.trained, answers.trained.study.settings
    facts = [
        ("Classifier", trained.name),
        ("Trained on", f"{settings.data.name} (content {settings.data.sha256[:12]}), {settings.size} px"),
        ("On the test scans of its fold", f"macro-F1 {decimal(trained.cell.scores['macro_f1'])}"),
        ("Scans", f"{len(answers.scans)} answered, {len(answers.unreadable)} unreadable"),
    ]
    if seen := sum(scan.seen for scan in answers.scans):
        facts.append(("Seen in training", f"{seen}: their answers say nothing of its skill"))
    return facts


def _table(answers: AnsweredScans, folder: str) -> Table:
    classes = answers.trained.study.classes
    rows: list[list[TableCell | Line]] = []
    for scan in answers.scans:
        shares = [
            TableCell(percent(share), shade=round(10 * share), strong=name == scan.answer)
            for name, share in ((name, scan.probabilities[name]) for name in classes)
        ]
        answer = TableCell(scan.answer, strong=True)
        part = PARTS[scan.part] if scan.part else "–"  # a dash for scans from elsewhere
        rows.append([scan.file.removeprefix(folder), answer, *shares, Flag(part) if scan.seen else part])
    columns: Heads = ["scan", "answer", *(number(f"{name}, %") for name in classes), "in the study"]
    return table("Answers and probabilities", columns, rows)


def _exhibit(scan: AnsweredScan, folder: str) -> Exhibit:
    """A scan and its overlay without letterbox bars."""
    scale = max(1, -(-SIDE // len(scan.square)))
    inside = tuple(slice(scale * part.start, scale * part.stop) for part in scan.box.inside)
    plain = scan.square.repeat(scale, 0).repeat(scale, 1)[inside]
    height, width = plain.shape
    pictures = [Picture(png(plain), f"scan {scan.file}", "scan", width, height)]
    if scan.heat is not None:
        heat = enlarge(scan.heat[None], len(scan.square))[0]
        shown: Pixels = overlay(scan.square, heat)[inside]
        alt = f"heat over {scan.file}: answered {scan.answer}, middle of the heat {in_words(heat)}"
        label = f"{scan.answer} {percent(scan.probabilities[scan.answer], 0)} %"
        pictures.append(Picture(png(shown), alt, label, width, height))
    name = scan.file.removeprefix(folder)
    return Exhibit(pictures, [f"{name} ", Flag(PARTS[scan.part])] if scan.seen and scan.part else name)


def _reading(answers: AnsweredScans) -> list[str]:
    """What an answer is, and what it is not."""
    study = answers.trained.study
    said = [
        f"The answer is the most probable of {', '.join(study.classes)}. The classifier knows nothing else: "
        "a scan of something else gets one of these answers too, however sure it looks.",
        "Probabilities are the network’s own and are not corrected. Training on a balanced set raises that "
        f"of {study.target}; see the calibration in the study’s report.",
        "Seen in training: these very pixels were among its training scans. Another file of the same scan, "
        "scaled or cropped, is not recognised.",
    ]
    if _grid(answers.scans):
        said.append(
            "The heat is Grad-CAM (Selvaraju et al. 2017; for SimpleCNN HiResCAM, Draelos and Carin 2020): "
            "how much each place spoke for the answer that was given, scaled so that the hottest place of "
            "each scan is 1. It shows where, not what or why, and two scans’ heat cannot be compared in "
            "strength."
        )
    return said
