"""Scores of synthetic scans: how far from real, between which marks, and what to be warned of.

docs/scores.md explains the terms.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import BusError
from ...data.store import Pixels
from ..extractors import LITE0
from .checks import (
    Copies,
    Floats,
    blurred,
    changed,
    changed_blocks,
    copies,
    reader_probabilities,
    regained,
    vendi,
)
from .distances import SPLITS, TooFewGroups, against_reference, distances, kid
from .features import Extractor, Features, features, lite0
from .judges import CALLED, ask_all
from .model import (
    SEED,
    Comparison,
    CopyShares,
    Counts,
    Distances,
    Distinct,
    Filtered,
    Identity,
    Looker,
    Metric,
    NearPair,
    Opinion,
    Pair,
    ReaderShares,
    Scores,
    StrongestBlocks,
    SubsetKid,
    WarningKind,
)
from .scans import Making, RealScans, Rows, SyntheticScans

COPY_SHARE = 0.10  # twice what the 5th percentile finds among unrelated real scans
DISTINCT_SHARE = (
    0.45  # of the real scans' number: merely blurred BUSI scans keep 0.53, 20 scans repeated 0.32
)
STRONGEST = 3  # blocks of the 64 of a scan: a lesion of 5 % of it
BLOCK_PERCENTILE = 99.0  # of the changes that blur and gain make
WORST = 5  # nearest pairs that are listed
REFERENCE = "target scans of the training part"  # nothing may be chosen by test scans


def compare(first: Pixels, second: Pixels, extractor: Extractor) -> Comparison:
    """Distances between any two sets of scans: `first` generated, `second` real (uint8 N×S×S and M×T×T,
    grey).

    What a set is too small for is None, with a note.
    """
    one, two = features(first, extractor), features(second, extractor)
    values = distances(one, two)
    notes = [
        f"No {name}: too few scans ({len(one)} and {len(two)})."
        for name, value in values.items()
        if value is None
    ]
    others = {name: value for name, value in values.items() if name != Metric.KID}
    kernel = SubsetKid(*kid(one, two)) if values[Metric.KID] is not None else None
    return Comparison(_looker(extractor), Pair(len(one), len(two)), kernel, **others, notes=tuple(notes))


def score_synthetic(
    synthetic: SyntheticScans, real: RealScans, making: Making, extractor: Extractor, *, splits: int = SPLITS
) -> Scores:
    """Everything that is said about one translator's synthetic scans.

    What cannot be computed is None, with a note. BusError where there are no real scans of target or sources.
    """
    rows, labels = np.asarray(synthetic.source_rows, np.int64), np.asarray(real.labels)
    of_target, of_sources = real.rows_of([making.target]), real.rows_of(making.sources)
    if not len(of_target) or not len(of_sources):
        raise BusError(
            f"Scores need real scans of {making.target} and of {', '.join(making.sources)}; found "
            f"{sorted(set(real.labels))}."
        )

    # how far from real
    seen, made = features(real.pixels, extractor), features(synthetic.pixels, extractor)
    target_groups = [real.groups[row] for row in of_target]
    found = against_reference(
        made,
        [str(label) for label in labels[rows]],
        seen[of_sources],
        [str(label) for label in labels[of_sources]],
        seen[of_target],
        target_groups,
        splits=splits,
    )
    notes = list(found.distances.notes)

    # what distances between sets cannot see
    identity = _identity(synthetic, real)
    if identity is None:
        notes.append(
            "No comparison with the own sources: none of these scans was made from an unchanged source."
        )
    shares = calls = None
    try:
        near = copies(synthetic.pixels, made, real.pixels[of_target], seen[of_target], target_groups)
        shares = _copies(near, synthetic.files, [real.files[row] for row in of_target])
    except TooFewGroups as error:
        notes.append(f"No copy check: {error}.")
    try:
        eyes = (seen, made)
        if extractor.name != LITE0:
            eyes = (features(real.pixels, lite0()), features(synthetic.pixels, lite0()))
        is_target = [label == making.target for label in real.labels]
        chances = reader_probabilities(eyes[0], is_target, real.groups, eyes[1], rows)
        calls = _reader(*chances, labels, rows, making)
    except TooFewGroups as error:
        notes.append(f"No reader: {error}.")

    # what judges say that are not related to what trained the translator
    looks = [(extractor.name, seen, made)]
    if extractor.name != LITE0 and calls:
        looks.append((LITE0, *eyes))
    scales, judges = _agreed(found.distances, ask_all(looks, synthetic, real, making))

    filtered = Filtered(making.confidence, making.accepted) if making.confidence else None
    scores = Scores(
        **{**vars(scales), "notes": tuple(notes)},
        extractor=_looker(extractor),
        n=Counts(len(made), len(of_sources), len(of_target), found.half, splits),
        target=making.target,
        reference=REFERENCE,
        trained_with=making.trained_with,
        filter=filtered,
        identity=identity,
        copies=shares,
        reader=calls,
        distinct=_distinct(made, rows, seen, seen[of_target]),
        judges=judges,
    )
    return replace(scores, warnings=tuple(warnings(scores)))


def _agreed(found: Distances, judges: Sequence[Opinion]) -> tuple[Distances, tuple[Opinion, ...]]:
    """One normalised KID for distances and first judge, with the uncertainty of all marks."""
    first, *others = judges
    if not found.kid or not found.kid.normalised:
        return found, (replace(first, kid=None), *others)
    sure = first.kid.spread if first.kid else found.kid.normalised.spread
    value = replace(found.kid.normalised, spread=sure)
    return replace(found, kid=replace(found.kid, normalised=value)), (replace(first, kid=value), *others)


def _looker(extractor: Extractor) -> Looker:
    return Looker(extractor.name, extractor.label, extractor.reason)


def _identity(synthetic: SyntheticScans, real: RealScans) -> Identity | None:
    """Mean distance to the own source, beside that of the same sources merely blurred and re-gained."""
    plain = synthetic.plain
    if not len(plain):
        return None
    rows = synthetic.source_rows[plain]
    sources, inside = real.pixels[rows], [real.boxes[row] for row in rows]
    versions = (synthetic.pixels[plain], blurred(sources, inside), regained(sources))
    means = [float(changed(version, sources, inside).mean()) for version in versions]
    blocks = [changed_blocks(version, sources, inside) for version in versions]
    strongest = [float(values[:, :STRONGEST].mean()) for values in blocks]
    usual = max(np.percentile(values, BLOCK_PERCENTILE) for values in blocks[1:])
    area = float((blocks[0] > usual).mean())
    return Identity(
        means[0], means[1], means[2], StrongestBlocks(strongest[0], strongest[1], strongest[2], area)
    )


def _returned(identity: Identity) -> bool:
    """Whether sources come back nearly unchanged: as a whole, and in the blocks that changed most.

    A translator that changes a lesion alone changes the whole scan little.
    """
    strongest = identity.strongest
    return identity.synthetic <= max(identity.blurred, identity.regained) and (
        strongest is None or strongest.synthetic <= max(strongest.blurred, strongest.regained)
    )


def _distinct(made: Features, rows: Rows, seen: Features, target: Features) -> Distinct:
    """Effective number of distinct scans: of all, and of as many as there are real target scans beside
    those."""
    count, centre = min(len(made), len(target)), seen.mean(0)
    rng = np.random.default_rng((SEED, 8))
    some, others = (values[rng.permutation(len(values))[:count]] for values in (made, target))
    return Distinct(
        effective=vendi(made, centre),
        n=len(made),
        sources=len(np.unique(rows)),
        compared=count,
        synthetic=vendi(some, centre),
        target=vendi(others, centre),
    )


def _copies(near: Copies, names: Sequence[str], target_names: Sequence[str]) -> CopyShares:
    nearest = np.argsort(near.synthetic, kind="stable")[:WORST]
    worst = [
        NearPair(names[row], target_names[int(near.nearest[row])], float(near.synthetic[row]))
        for row in nearest
    ]
    return CopyShares(near.threshold, near.share(near.synthetic), near.share(near.held_out), tuple(worst))


def _reader(
    real: Floats, synthetic: Floats, labels: NDArray[np.str_], rows: Rows, making: Making
) -> ReaderShares:
    """Shares that the reader calls target, among real scans it had not seen and among synthetic ones."""

    def called(chances: Floats) -> float | None:
        return float((chances >= CALLED).mean()) if len(chances) else None

    others = {str(name) for name in labels} - {making.target}
    return ReaderShares(
        target=called(real[labels == making.target]),
        sources=called(real[np.unique(rows)]),
        synthetic=called(synthetic),
        others={name: called(real[labels == name]) for name in sorted(others)},
        synthetic_from={name: called(synthetic[labels[rows] == name]) for name in making.sources},
    )


def warnings(scores: Scores) -> list[WarningKind]:
    """What a person must be told before believing the scores."""
    identity, near, distinct = scores.identity, scores.copies, scores.distinct
    kernel = scores.kid and scores.kid.normalised
    worse = bool(kernel and kernel.mean - kernel.spread > 1)
    disagree = [judge.disagrees for judge in scores.judges]
    judges = {scores.extractor.name, *([LITE0] if scores.reader else [])}
    rules = {
        WarningKind.COLLAPSE: identity and _returned(identity),
        WarningKind.COPYING: near and near.synthetic > max(COPY_SHARE, 2 * near.held_out),
        WarningKind.MODE_COLLAPSE: distinct and distinct.synthetic < DISTINCT_SHARE * distinct.target,
        WarningKind.WORSE: worse,
        WarningKind.DISAGREE: any(disagree) and not (worse and all(disagree)),  # else WORSE says it
        WarningKind.TEACHER: scores.trained_with in judges,
        WarningKind.FILTER: scores.filter,
    }
    return [kind for kind, broken in rules.items() if broken]
