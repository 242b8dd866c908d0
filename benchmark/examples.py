"""What a cell trains on: the fold's real scans, and what its arm adds to the raised classes."""

import numpy as np

from ..classify.augmentation import Examples
from ..core import files
from ..data.store import Pixels
from ..data.study import Study
from ..gan.manifest import SyntheticSet
from . import foreign
from .arms import ADDING
from .cell import Cell
from .cells import picked, training_rows


def key(digest: str) -> int:
    """A number for a scan that is the same in every arm and study."""
    return int(digest[:15], 16)


def examples(study: Study, cell: Cell) -> Examples:
    """The training part of one cell: the fold's real scans, then what its arm adds to the raised classes."""
    own, arm = own_examples(study, training_rows(study, cell.fold, cell.recipe)[0]), cell.arm
    pixels, labels, keys = [own.pixels], [own.labels], list(own.keys)
    for label, number in cell.added.items() if arm.kind in ADDING else ():
        added = _repeated if arm.kind == "oversampled" else _synthetic
        squares, numbers = added(study, cell, label, number)
        pixels.append(squares)
        labels.append(np.full(len(squares), study.classes.index(label)))
        keys += numbers
    return Examples(np.concatenate(pixels), np.concatenate(labels), keys, len(own.labels))


def own_examples(study: Study, rows: list[int]) -> Examples:
    """Real scans as they are."""
    return Examples(study.pixels[rows], study.labels[rows], [key(study.scans[row].sha256) for row in rows])


def _repeated(study: Study, cell: Cell, label: str, number: int) -> tuple[Pixels, list[int]]:
    """Real scans of class `label` again, each as often as the others or once more, with keys of their own."""
    own = study.rows_of(study.train(cell.fold), [label])
    order = np.random.default_rng((cell.draw, 12, study.classes.index(label))).permutation(len(own))
    extra = [own[order[turn % len(own)]] for turn in range(number)]
    keys = [key(study.scans[row].sha256) + 1 + turn for turn, row in enumerate(extra)]
    return study.pixels[extra], keys


def _synthetic(study: Study, cell: Cell, label: str, number: int) -> tuple[Pixels, list[int]]:
    """The first synthetic scans of class `label`, or in the arm `relabelled` their sources as they were."""
    arm = cell.arm
    if cell.folder:
        squares = foreign.load(study, cell.folder, number)
        return squares, [key(files.sha256_bytes(square.tobytes())) for square in squares]
    made = picked(study, cell.fold, label, cell.gan_seed, arm.source, number)
    keys = [key(row.sha256) for row in made]
    if arm.kind == "cyclegan":
        return SyntheticSet(study, cell.fold, label, cell.gan_seed).pixels(made), keys
    row_of = {(scan.sha256, scan.label): row for row, scan in enumerate(study.scans)}
    return study.pixels[[row_of[row.source_sha256, row.source_label] for row in made]], keys
