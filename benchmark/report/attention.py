"""Where the classifiers look: heat maps over scans, and how much of the heat lies in the lesions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...classify.explain import Heat, enlarge
from ...core.errors import BusError
from ...data.store import Pixels
from ...data.study import Study
from ..arms import Arm
from ..cell import Cell
from .gallery import encode, png_uri
from .sections import Flags, Json, title

SHOWN = 6  # scans a model on which the two arms disagree: the first ones, never a choice
ARMS = (Arm("original"), Arm("cyclegan"))
SIDE = 128  # px of a picture with heat, at least
OPACITY = 0.65  # of the hottest place


@dataclass(frozen=True)
class Looked:
    """One cell's answers on its test scans (N) and where it looked for them (N×g×g uint8)."""

    cell: Cell
    rows: list[int]  # of the study
    answers: list[str]
    shares: list[float]  # probability of the answer
    heat: Pixels


def read_looks(study: Study, cell: Cell) -> Looked | None:
    """A cell's heat with its answers; None for cells that were trained before heat was kept. BusError if damaged."""
    heat = cell.heat()
    if heat is None:
        return None
    answers = cell.answers(study.classes)
    row_of = {(scan.sha256, scan.label): row for row, scan in enumerate(study.scans)}
    known = [row_of.get((sha256, label)) for _, sha256, label, _ in answers.scans]
    rows = [row for row in known if row is not None]
    if not len(heat) == len(rows) == len(known):
        raise BusError(
            f"{cell.path} holds heat of {len(heat)} scans and answers on {len(known)}, which must be the study's. "
            "Delete the folder and run bus benchmark again."
        )
    shares = answers.probabilities[range(len(rows)), answers.given].tolist()
    return Looked(cell, rows, [study.classes[number] for number in answers.given], shares, heat)


def looks(study: Study, cells: Sequence[Cell], flagged: Flags) -> Json:
    """Everything the report says of heat: shares in lesions, disagreements of two arms, what is missing."""
    found = [one for cell in cells if (one := read_looks(study, cell)) is not None]
    models = list(dict.fromkeys(one.cell.model for one in found))
    shown = [
        (model, _disagreements(study, [one for one in found if one.cell.model == model])) for model in models
    ]
    return {
        "cells": len(found),
        "missing": len(cells) - len(found),
        "rows": _share_rows(study, found, flagged),
        "masks": study.masks is not None,
        "apart": [
            {
                "model": title(model),
                "slug": re.sub(r"\W+", "-", model),
                "flags": _flags(model, flagged),
                **part,
            }
            for model, part in shown
            if part
        ],
        "grids": ", ".join(
            dict.fromkeys(
                f"{title(one.cell.model)} {'×'.join(map(str, one.heat.shape[1:]))}" for one in found
            )
        ),
    }


def _flags(model: str, flagged: Flags) -> list[tuple[str, str]]:
    """Which of the two arms rest on a collapsed model, and how."""
    return [(str(arm), flagged[arm, model]) for arm in ARMS if (arm, model) in flagged]


def _share_rows(study: Study, found: Sequence[Looked], flagged: Flags) -> list[Json]:
    """A row a model and arm: how much of the heat lies in the lesions, beside what chance and habit would give."""
    if study.masks is None:
        return []
    models = list(dict.fromkeys(one.cell.model for one in found))
    parts: dict[tuple[str, Arm], list[Looked]] = {}
    for one in found:
        parts.setdefault((one.cell.model, one.cell.arm), []).append(one)
    rows = []
    for (model, arm), part in sorted(
        parts.items(), key=lambda item: (models.index(item[0][0]), item[0][1].order)
    ):
        measured = [values for one in part if (values := inside(study, one)) is not None]
        if measured:
            own, others, area = np.concatenate(measured, axis=1)
            rows.append(
                {
                    "model": title(model),
                    "arm": str(arm),
                    "flag": flagged.get((arm, model), ""),
                    "scans": len(own),
                    "lesions": sum(int((study.masks[one.rows] == 1).any((1, 2)).sum()) for one in part),
                    "own": float(own.mean()),
                    "others": float(others.mean()),
                    "area": float(area.mean()),
                }
            )
    return rows


def inside(study: Study, looked: Looked) -> NDArray[np.float64] | None:
    """Three shares of every test scan that shows heat and has a lesion in its mask (3×N); None where fewer than two do.

    The heat's share inside the scan's own lesion; inside the other scans' lesions, on average, which is what looking at
    the usual place gives; and the lesion's share of the square, which is what heat spread evenly gives.
    """
    if study.masks is None:
        return None
    lesions = study.masks[looked.rows] == 1
    heat = enlarge(looked.heat, study.settings.size).astype(np.float64)
    kept = lesions.any((1, 2)) & heat.any((1, 2))
    count = int(kept.sum())
    if count < 2:
        return None
    regions = lesions[kept].reshape(count, -1).astype(np.float64)
    spread = heat[kept].reshape(count, -1)
    spread /= spread.sum(1, keepdims=True)
    own = (spread * regions).sum(1)
    every = spread @ regions.sum(0)  # the heat's shares in all lesions, added up
    return np.stack([own, (every - own) / (count - 1), regions.mean(1)])


def _disagreements(study: Study, found: Sequence[Looked]) -> Json | None:
    """How many test scans two arms answer differently, of how many, and the first of them; None without such a pair."""
    at = {(one.cell.fold, one.cell.seed, one.cell.arm): one for one in found}
    places = sorted({(fold, seed) for fold, seed, _ in at})
    seed = min((seed for _, seed in places), default=0)
    pairs = [
        (at[fold, seed, ARMS[0]], at[fold, seed, ARMS[1]])
        for fold, one in places
        if one == seed and all((fold, seed, arm) in at for arm in ARMS)
    ]
    if not pairs:
        return None
    apart = [
        (*pair, row)
        for pair in pairs
        for row in range(len(pair[0].rows))
        if len({one.answers[row] for one in pair}) > 1
    ]
    total = sum(len(first.rows) for first, _ in pairs)
    return {"count": len(apart), "total": total, "scans": list(_shown(study, apart[:SHOWN]))}


def _shown(study: Study, apart: Sequence[tuple[Looked, Looked, int]]) -> Iterator[Json]:
    masks = study.masks
    for first, second, row in apart:
        place = first.rows[row]
        scan = study.scans[place]
        lesion = None if masks is None else np.asarray(masks[place] == 1)
        sides = []
        for one in (first, second):
            heat = enlarge(one.heat[row : row + 1], study.settings.size)[0]
            picture = overlay(study.pixels[place], heat, lesion)
            sides.append(
                {
                    "arm": str(one.cell.arm),
                    "answer": one.answers[row],
                    "share": one.shares[row],
                    "picture": picture,
                    "uri": png_uri(picture),
                    "right": one.answers[row] == scan.label,
                    "where": in_words(heat),
                }
            )
        yield {"file": scan.file, "truth": scan.label, "fold": first.cell.fold, "sides": sides}


def overlay(square: Pixels, heat: Heat, lesion: NDArray[np.bool_] | None = None) -> Pixels:
    """A scan (S×S) under its heat, as colour picture (BGR): no heat leaves the scan as it is, the hottest place is yellow.

    A lesion is outlined in white.
    """
    scale = max(1, -(-SIDE // len(square)))
    side = scale * len(square)
    grey = cv2.cvtColor(square.repeat(scale, 0).repeat(scale, 1), cv2.COLOR_GRAY2BGR).astype(np.float32)
    level = cv2.resize(heat, (side, side), interpolation=cv2.INTER_LINEAR)
    colour = cv2.applyColorMap((255 * level).round().astype(np.uint8), cv2.COLORMAP_INFERNO).astype(
        np.float32
    )
    alpha = OPACITY * level[..., None]
    out = np.ascontiguousarray(((1 - alpha) * grey + alpha * colour).round().astype(np.uint8))
    if lesion is not None and lesion.any():
        region = lesion.astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
        outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, outlines, -1, (255, 255, 255), 1)
    return np.asarray(out, np.uint8)


def in_words(heat: Heat) -> str:
    """Where the middle of a scan's heat lies, for those who cannot see it: `upper left`, `middle` …"""
    total = float(heat.sum())
    if not total:
        return "nowhere"
    places = (np.arange(len(heat)) + 0.5) / len(heat)
    down, right = float(heat.sum(1) @ places) / total, float(heat.sum(0) @ places) / total
    names = [("upper", "", "lower")[min(2, int(3 * down))], ("left", "", "right")[min(2, int(3 * right))]]
    return " ".join(name for name in names if name) or "middle"


def contact_sheet(shown: Sequence[Mapping[str, Any]]) -> bytes | None:
    """One PNG: a column a scan, the heat of the first arm above that of the second."""
    if not shown:
        return None
    rows = [np.hstack([item["sides"][side]["picture"] for item in shown]) for side in range(len(ARMS))]
    return encode(np.vstack(rows))
