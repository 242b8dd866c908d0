"""Where the classifiers look: heat maps over scans, and how much of the heat lies in the lesions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...classify.explain import enlarge
from ...core.errors import BusError
from ...data.pictures import png
from ...data.store import Pixels
from ...data.study import Study
from ..arms import Arm
from ..cell import Cell
from .model import (
    Block,
    Cells,
    Column,
    Exhibit,
    Gallery,
    Heading,
    Heads,
    Paragraph,
    Picture,
    Section,
    TableCell,
    number,
    table,
)
from .numbers import percent
from .pictures import in_words, overlay, stack
from .terms import Flags, title

SHOWN = 6  # scans a model on which the two arms disagree: the first ones, never a choice
ARMS = (Arm("original"), Arm("cyclegan"))
METHOD = (
    "Grad-CAM (for SimpleCNN without averaging over places, HiResCAM): how much each place of a test scan "
    "spoke for the answer that was given. It shows where, not what or why, and a plausible map is no proof "
    "of a right reason."
)
SHARES = (
    "Means over answers to test scans with a lesion in their mask, whether right or wrong. The last column "
    "is chance: what heat spread evenly would give. The one before it is habit: lesions mostly lie in the "
    "same part of a scan, and looking there without seeing anything gives that much. Only what exceeds both "
    "says that the lesion itself was found."
)


@dataclass(frozen=True)
class SeenByCell:
    """One cell's answers on its test scans (N) and where it looked for them (N×g×g uint8)."""

    cell: Cell
    arm: Arm
    rows: list[int]  # of the study
    answers: list[str]
    shares: list[float]  # probability of the answer
    heat: Pixels


@dataclass(frozen=True)
class LesionShares:
    """How much of the heat of an arm of a model lies in lesions; shares are means over scans."""

    model: str
    arm: Arm
    scans: int  # with heat and a lesion in their mask
    lesions: int  # with a lesion in their mask
    own: float  # of the heat, in the scan's own lesion
    others: float  # in the other scans' lesions
    area: float  # of the square, that is lesion


@dataclass(frozen=True)
class Side:
    """What one arm says of a scan."""

    arm: Arm
    answer: str
    share: float
    right: bool
    middle: str  # of its heat, in words
    picture: Pixels


@dataclass(frozen=True)
class Disagreement:
    """A test scan that two arms answer differently."""

    file: str
    truth: str
    fold: int
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class Disagreements:
    """All test scans that two arms of a model answer differently, the first of them shown."""

    model: str
    count: int
    total: int  # test scans
    shown: list[Disagreement]


def read_heat(study: Study, cell: Cell) -> SeenByCell | None:
    """A cell's heat with its answers; None for cells trained before heat was kept. BusError if damaged."""
    heat = cell.heat()
    if heat is None:
        return None
    answers = cell.answers(study.classes)
    known = [study.row_of.get((sha256, label)) for _, sha256, label, _ in answers.scans]
    rows = [row for row in known if row is not None]
    if not len(heat) == len(rows) == len(known):
        raise BusError(
            f"{cell.path} holds heat of {len(heat)} scans and answers on {len(known)}, which must be the "
            "study's. Delete the folder and run bus benchmark again."
        )
    shares = answers.probabilities[range(len(rows)), answers.given].tolist()
    given = [study.classes[label] for label in answers.given]
    return SeenByCell(cell, cell.arm, rows, given, shares, heat)


def heat_section(study: Study, cells: Sequence[Cell], flags: Flags) -> Section:
    """Shares of the heat in lesions, scans on which two arms disagree, and what is missing."""
    key, name = "looks", "Where the classifiers look"
    trained = [cell for cell in cells if cell.arm.trains]  # others have no network of their own
    seen = [heat for cell in trained if (heat := read_heat(study, cell)) is not None]
    if not seen:
        words = (
            "No heat maps: these cells were trained by a version that did not keep them. A new training does."
        )
        return Section(key, name, [Paragraph(words, "absent")])
    sizes = (f"{title(one.cell.model)} {'×'.join(map(str, one.heat.shape[1:]))}" for one in seen)
    grids = ", ".join(dict.fromkeys(sizes))
    blocks: list[Block] = [Paragraph(f"{METHOD} Cells of a map: {grids}; finer detail is interpolation.")]
    if missing := len(trained) - len(seen):
        words = f"{missing} of {len(trained)} cells have no heat maps and are left out here."
        blocks.append(Paragraph(words, "note"))
    blocks += [Heading("How much of the heat lies in the lesion"), *_lesion_blocks(study, seen, flags)]
    parts = [part for model in _models(seen) if (part := disagreements(study, seen, model))]
    for part in parts:
        blocks += _disagreement_blocks(part, flags, study.masks is not None)
    if not parts:
        words = (
            "No model has heat maps of both arms, original and cyclegan, on one fold: no disagreement can be "
        )
        blocks.append(Paragraph(f"{words}shown.", "absent"))
    return Section(key, name, blocks)


def _models(seen: Sequence[SeenByCell]) -> list[str]:
    return list(dict.fromkeys(one.cell.model for one in seen))


def _lesion_blocks(study: Study, seen: Sequence[SeenByCell], flags: Flags) -> list[Block]:
    # what is missing
    if study.masks is None:
        words = (
            "These data came without lesion masks, or the study was made before masks were kept: nothing to "
            "compare the heat with."
        )
        return [Paragraph(words, "absent")]
    shares = lesion_shares(study, seen)
    if not shares:
        return [Paragraph("Too few test scans have both a lesion in their mask and heat.", "absent")]

    # a row a model and arm
    columns: Heads = [
        "model",
        "arm",
        number("answers with heat"),
        number("heat in the scan’s lesion, %"),
        number("the same heat in other scans’ lesions, %"),
        number("lesion’s share of the area, %"),
    ]
    rows: list[Cells] = [
        [
            title(line.model),
            TableCell(str(line.arm), collapsed=flags.get((line.arm, line.model), "")),
            f"{line.scans} of {line.lesions}",
            *map(percent, (line.own, line.others, line.area)),
        ]
        for line in shares
    ]
    return [table("Share of the heat that lies in the lesion", columns, rows), Paragraph(SHARES, "note")]


def lesion_shares(study: Study, seen: Sequence[SeenByCell]) -> list[LesionShares]:
    """A row a model and arm: how much of the heat lies in lesions, beside what chance and habit would
    give."""
    if study.masks is None:
        return []
    models = _models(seen)
    parts: dict[tuple[int, Arm], list[SeenByCell]] = {}
    for cell in seen:
        parts.setdefault((models.index(cell.cell.model), cell.arm), []).append(cell)
    rows = []
    for (model, arm), part in sorted(parts.items(), key=lambda item: (item[0][0], item[0][1].order)):
        measured = [shares for cell in part if (shares := inside(study, cell)) is not None]
        if measured:
            own, others, area = np.concatenate(measured, axis=1)
            lesions = sum(int((study.masks[cell.rows] == 1).any((1, 2)).sum()) for cell in part)
            means = (float(values.mean()) for values in (own, others, area))
            rows.append(LesionShares(models[model], arm, len(own), lesions, *means))
    return rows


def inside(study: Study, seen: SeenByCell) -> NDArray[np.float64] | None:
    """Three shares of every test scan that shows heat and has a lesion in its mask (3×N); None where fewer
    than two do.

    The heat's share inside the scan's own lesion; inside the other scans' lesions, on average, which is what
    looking at the usual place gives; and the lesion's share of the square, which is what even heat gives.
    """
    if study.masks is None:
        return None
    lesions = study.masks[seen.rows] == 1
    heat = enlarge(seen.heat, study.settings.size).astype(np.float64)
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


def disagreements(study: Study, seen: Sequence[SeenByCell], model: str) -> Disagreements | None:
    """The test scans that the two arms of a model answer differently; None where no fold has both arms."""
    at = {(one.cell.fold, one.cell.seed, one.arm): one for one in seen if one.cell.model == model}
    both = sorted((fold, seed) for fold, seed, arm in at if arm == ARMS[0] and (fold, seed, ARMS[1]) in at)
    if not both:
        return None
    least = min(seed for _, seed in both)
    pairs = [(at[fold, seed, ARMS[0]], at[fold, seed, ARMS[1]]) for fold, seed in both if seed == least]
    apart = [
        (*pair, row)
        for pair in pairs
        for row in range(len(pair[0].rows))
        if pair[0].answers[row] != pair[1].answers[row]
    ]
    shown = [_disagreement(study, *item) for item in apart[:SHOWN]]
    return Disagreements(model, len(apart), sum(len(first.rows) for first, _ in pairs), shown)


def _disagreement(study: Study, first: SeenByCell, second: SeenByCell, row: int) -> Disagreement:
    index = first.rows[row]
    scan, masks = study.scans[index], study.masks
    lesion = None if masks is None else np.asarray(masks[index] == 1)

    def side(seen: SeenByCell) -> Side:
        heat = enlarge(seen.heat[row : row + 1], study.settings.size)[0]
        answer = seen.answers[row]
        picture = overlay(study.pixels[index], heat, lesion)
        return Side(seen.arm, answer, seen.shares[row], answer == scan.label, in_words(heat), picture)

    return Disagreement(scan.file, scan.label, first.cell.fold, (side(first), side(second)))


def _disagreement_blocks(part: Disagreements, flags: Flags, masks: bool) -> list[Block]:
    heading = Heading(f"{title(part.model)}: where original and cyclegan disagree")
    if not part.shown:
        return [heading, Paragraph(f"They answer all {part.total} test scans alike.")]
    which = f"The first {len(part.shown)}" if part.count > len(part.shown) else "All"
    outline = "; white outline: the lesion’s mask, where there is one" * masks
    note = (
        f"They answer {part.count} of {part.total} test scans differently. {which}, in the order of the "
        f"scans’ hashes, not a choice. Yellow: most heat; grey: none{outline}."
    )
    flagged = [
        Paragraph(f"† {arm} {flags[arm, part.model]}", "flagged")
        for arm in ARMS
        if (arm, part.model) in flags
    ]
    return [heading, Paragraph(note, "note"), *flagged, _gallery(part)]


def _gallery(part: Disagreements) -> Gallery:
    exhibits = [
        Exhibit(
            [_picture(side, scan) for side in scan.sides],
            f"truth: {scan.truth}; fold {scan.fold}; {scan.file}",
        )
        for scan in part.shown
    ]
    slug = re.sub(r"\W+", "-", part.model)
    images = [[scan.sides[side].picture for scan in part.shown] for side in range(len(ARMS))]
    alt = "Heat of original above, of cyclegan below, over the scans of the table in their order"
    rows: list[Cells] = [
        [
            scan.file,
            scan.truth,
            *(f"{side.answer} ({percent(side.share, 0)} %), heat {side.middle}" for side in scan.sides),
        ]
        for scan in part.shown
    ]
    columns: Heads = ["scan", "truth", *(Column(str(arm)) for arm in ARMS)]
    sides = table(f"Disagreements of {title(part.model)}", columns, rows)
    return Gallery(exhibits, Picture(png(stack(images)), alt), f"looks-{slug}", sides)


def _picture(side: Side, scan: Disagreement) -> Picture:
    outcome = "right" if side.right else "wrong"
    label = f"{side.arm}: {side.answer} {percent(side.share, 0)}\u00a0%, {outcome}"
    alt = (
        f"heat of {side.arm} over {scan.file}: answered {side.answer}, truth {scan.truth}, middle of the "
        f"heat {side.middle}"
    )
    return Picture(png(side.picture), alt, label)
