"""The page of `bus predict`: every scan beside the heat of its answer, in the report's look."""

import os
from pathlib import Path
from typing import Any

from ...classify.explain import enlarge
from ...core.files import write_text
from ...data.store import Pixels
from ..predict import PARTS, Answers, Scan
from .attention import SIDE, in_words, overlay
from .gallery import png_uri
from .pages import render_page
from .sections import decimal

PICTURED = 200  # scans shown as pictures; the table holds all


def write_page(answers: Answers, path: Path) -> Path:
    """Write the answers as one self-contained page without scripts and requests."""
    trained = answers.trained
    folder = _folder([scan.file for scan in answers.scans])
    content = {
        "trained": trained,
        "classes": trained.study.classes,
        "about": [*_about(answers), *([("In", folder)] if folder else [])],
        "short": lambda file: file.removeprefix(folder),
        "scans": answers.scans,
        "parts": PARTS,
        "pictures": [_picture(scan) for scan in answers.scans[:PICTURED]],
        "grid": next(
            (f"{len(scan.heat)}×{len(scan.heat)}" for scan in answers.scans if scan.heat is not None), ""
        ),
        "unreadable": answers.unreadable,
    }
    write_text(path, render_page("predict.html.j2", content))
    return path


def _folder(names: list[str]) -> str:
    """The folders that all names have in front, with the last slash; said once, so that a phone has room for the rest."""
    common = os.path.commonprefix(names)  # noqa: RUF071 - cut at a slash below
    return common[: common.rfind("/") + 1]


def _about(answers: Answers) -> list[tuple[str, str]]:
    trained, settings = answers.trained, answers.trained.study.settings
    scores = trained.cell.scores["macro_f1"]
    seen = sum(scan.seen for scan in answers.scans)
    found = [
        ("Classifier", trained.name),
        ("Trained on", f"{settings.data.name} (content {settings.data.sha256[:12]}), {settings.size} px"),
        ("On the test scans of its fold", f"macro-F1 {decimal(scores)}"),
        ("Scans", f"{len(answers.scans)} answered, {len(answers.unreadable)} unreadable"),
    ]
    return (
        [*found, ("Seen in training", f"{seen}: their answers say nothing of its skill")] if seen else found
    )


def _picture(scan: Scan) -> dict[str, Any]:
    """A scan and its overlay without letterbox bars, as inline pictures."""
    scale = max(1, -(-SIDE // len(scan.square)))
    inside = tuple(slice(scale * part.start, scale * part.stop) for part in scan.box.inside)
    plain = scan.square.repeat(scale, 0).repeat(scale, 1)[inside]
    found: dict[str, Any] = {
        "scan": scan,
        "shape": plain.shape[::-1],
        "uri": png_uri(plain),
        "heat_uri": "",
        "where": "",
    }
    if scan.heat is not None:
        heat = enlarge(scan.heat[None], len(scan.square))[0]
        shown: Pixels = overlay(scan.square, heat)[inside]
        found |= {"heat_uri": png_uri(shown), "where": in_words(heat)}
    return found
