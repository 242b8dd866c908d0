"""What a cell trains on: the fold's real scans, and what its arm adds to the raised classes."""

from dataclasses import dataclass

import numpy as np

from ..classify.augmentation import Examples
from ..core import files
from ..data.store import Pixels
from ..data.study import Study
from ..gan.manifest import SyntheticSet
from ..gan.synth import source_of
from . import foreign, pasting
from .arms import ADDING
from .cell import Cell
from .cells import picked, shares, training_rows


def key(digest: str) -> int:
    """A number for a scan that is the same in every arm and study."""
    return int(digest[:15], 16)


def examples(study: Study, cell: Cell) -> Examples:
    """The training part of one cell: the fold's real scans, then what its arm adds to the raised classes."""
    own, arm = own_examples(study, training_rows(study, cell.fold, cell.recipe)[0]), cell.arm
    pixels, labels, keys, sources = [own.pixels], [own.labels], list(own.keys), [own.labels]
    place = {row: at for at, row in enumerate(training_rows(study, cell.fold, cell.recipe)[0])}
    partners, given = [np.full(len(own.labels), -1)], [own.pixels[:0]]
    for label, number in cell.added.items() if arm.kind in ADDING else ():
        added = ADDED.get(arm.kind, _synthetic)(study, cell, label, number)
        pixels.append(added.squares)
        labels.append(np.full(len(added.squares), study.classes.index(label)))
        keys += added.keys
        sources.append(np.array([study.classes.index(name) for name in added.sources], np.int64))
        partners.append(np.array([place.get(row, -1) for row in added.rows], np.int64))
        given.append(added.squares if added.given is None else added.given)
    return Examples(
        np.concatenate(pixels),
        np.concatenate(labels),
        keys,
        len(own.labels),
        np.concatenate(sources),
        np.concatenate(partners),
        np.concatenate(given) if cell.recipe.pairs else None,
    )


@dataclass(frozen=True)
class Added:
    """What an arm adds to a class: squares (N×S×S uint8), a key for each, and the class it was made from.

    `rows` are those of the study's scans that they were made from; −1 for copies and for what nobody knows.
    `given` are these scans as they were when that was done (N×S×S uint8), where such are known.
    """

    squares: Pixels
    keys: list[int]
    sources: list[str]
    rows: list[int]
    given: Pixels | None = None


def own_examples(study: Study, rows: list[int]) -> Examples:
    """Real scans as they are."""
    return Examples(study.pixels[rows], study.labels[rows], [key(study.scans[row].sha256) for row in rows])


def _repeated(study: Study, cell: Cell, label: str, number: int) -> Added:
    """Real scans of class `label` again, each as often as the others or once more, with keys of their own."""
    own = study.rows_of(study.train(cell.fold), [label])
    order = np.random.default_rng((cell.draw, 12, study.classes.index(label))).permutation(len(own))
    extra = [own[order[turn % len(own)]] for turn in range(number)]
    keys = [key(study.scans[row].sha256) + 1 + turn for turn, row in enumerate(extra)]
    return Added(study.pixels[extra], keys, [label] * number, [-1] * number)


def _pasted(study: Study, cell: Cell, label: str, number: int) -> Added:
    """Real scans of other classes with real lesions of class `label`."""
    made = pasting.pasted(study, cell.fold, label, number, cell.draw, cell.arm.source)
    squares = np.array([one.square for one in made])
    keys = [key(files.sha256_bytes(square.tobytes())) for square in squares]
    rows = [one.background for one in made]
    return Added(squares, keys, [study.scans[row].label for row in rows], rows, study.pixels[rows])


def _synthetic(study: Study, cell: Cell, label: str, number: int) -> Added:
    """The first synthetic scans of class `label`, or in the arm `relabelled` what they were made from."""
    arm = cell.arm
    if cell.folder:
        squares = foreign.load(study, cell.folder, number)
        keys = [key(files.sha256_bytes(square.tobytes())) for square in squares]
        return Added(squares, keys, [label] * len(squares), [-1] * len(squares))
    parts = [
        (SyntheticSet(study, cell.fold, label, seed), picked(study, cell.fold, label, seed, arm.source, part))
        for seed, part in enumerate(shares(number, cell.pooled), cell.gan_seed)
    ]
    made = [row for _, rows in parts for row in rows]
    keys, sources = [key(row.sha256) for row in made], [row.source_label for row in made]
    rows = [study.row_of.get((row.source_sha256, row.source_label), -1) for row in made]
    given = np.array([source_of(study, row, one) for row, one in zip(rows, made, strict=True)])
    if arm.kind == "relabelled":
        return Added(given, keys, sources, rows, given)
    squares = np.concatenate([scans.pixels(part) for scans, part in parts])
    return Added(squares, keys, sources, rows, given)


ADDED = {"oversampled": _repeated, "pasted": _pasted}  # the others' scans lie in files
