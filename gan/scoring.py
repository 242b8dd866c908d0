"""Scoring a set of synthetic scans, or the pictures of any two folders."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core import files
from ..core.compute import Compute
from ..core.errors import BusError
from ..core.progress import detail, note, result
from ..data.scans import to_grey
from ..data.store import Pixels, letterbox
from ..data.study import Study
from ..data.unlabelled import find
from . import datasheet
from .manifest import Synthetic, SyntheticSet, acceptance
from .request import Judge
from .scores.model import VERSION, Asked, Comparison, Scores, to_json
from .scores.scans import JUDGED, Making, RealScans, SyntheticScans, some
from .scores.sentences import details, headline, opinions, sentences, warnings
from .translator import Translator


def score_again(scans: SyntheticSet, compute: Compute, judge: Judge) -> None:
    """Score a study's synthetic scans by the network asked for, and tell the scores.

    BusError where there are no scans.
    """
    rows = scans.rows
    if not rows:
        raise BusError(
            f"{scans.folder} holds no synthetic scans. Run bus synth with the same --study and --fold first."
        )
    with scans.held():
        scored = score_set(scans, compute, judge)
    if scans.scores:
        if not scored:
            tell(scans.scores)
        for line in opinions(scans.scores):
            result(line)
    if not scored:
        result(f"Nothing to do: the scores in {scans.folder} speak of these {len(rows)} scans.")


def score_set(scans: SyntheticSet, compute: Compute, judge: Judge) -> bool:
    """Score a set, unless its scores speak of these scans already, and write them into its datasheet too.

    Returns whether it was scored now.
    """
    asked = Asked(
        manifest=scans.sha256,
        asked=judge.extractor,
        weights=files.sha256_file(judge.weights) if judge.weights else None,
        splits=judge.splits,
        confidence=scans.confidence,
        version=VERSION,
    )
    fresh = not scans.scores or scans.scores.key != asked
    if fresh:
        from .scores.features import choose_extractor  # late: torch-fidelity takes seconds to import
        from .scores.score import score_synthetic

        extractor = choose_extractor(judge.extractor, judge.weights, device=compute.device)
        synthetic, real, making = material(scans)
        compute.start()
        note("Scoring the synthetic scans against the target scans of the training part …")
        scores = score_synthetic(synthetic, real, making, extractor, splits=judge.splits)
        notes = (*scores.notes, *_part(scans, len(synthetic.files), len(real.files)))
        scores = replace(scores, notes=notes)
        scans.write_scores(replace(scores, key=asked))
        tell(scores)
    if fresh or not scans.has_datasheet:
        datasheet.write(scans, told(scans))
    return fresh


def told(scans: SyntheticSet) -> list[str]:
    """The scores of a set in sentences; none where it has no scores."""
    return list(sentences(scans.scores)) if scans.scores else []


def tell(scores: Scores) -> None:
    """Tell scores: a plain sentence, then every warning; all else to those who want to hear it."""
    result(headline(scores))
    for line in details(scores):
        detail(line)
    for line in warnings(scores):
        result(line)


def material(scans: SyntheticSet) -> tuple[SyntheticScans, RealScans, Making]:
    """What is judged: a set's scans, the real ones of its training part, and how they were made.

    Of more than JUDGED scans the first of the set, their sources, and by chance as many real ones a class.
    """
    study, rows = scans.study, scans.rows[:JUDGED]
    config = Translator(study, scans.fold, scans.label, scans.seed).known_config
    used = _judged(study, study.train(scans.fold), rows)
    known = [study.scans[row] for row in used]
    number = {(scan.sha256, scan.label): at for at, scan in enumerate(known)}
    synthetic = SyntheticScans(
        scans.pixels(rows),
        np.array([number[row.source_sha256, row.source_label] for row in rows], np.int64),
        [row.file for row in rows],
        [row.variant for row in rows],
    )
    accepted = acceptance(scans.rows)
    making = Making(scans.label, config.sources, config.trained_with, scans.confidence, accepted)
    return synthetic, RealScans.of(study, used), making


def _part(scans: SyntheticSet, made: int, real: int) -> list[str]:
    """That only so many scans were judged, where there are more."""
    all_made, all_real = len(scans.rows), len(scans.study.train(scans.fold))
    if (made, real) == (all_made, all_real):
        return []
    return [f"Judged were {made:,} of {all_made:,} synthetic scans and {real:,} of {all_real:,} real ones."]


def _judged(study: Study, train: Sequence[int], made: Sequence[Synthetic]) -> list[int]:
    """The rows of a training part that are judged: at most JUDGED a class, and the sources of `made`."""
    sources = {(row.source_sha256, row.source_label) for row in made}
    chosen = {row for row in train if (study.scans[row].sha256, study.scans[row].label) in sources}
    for label in study.classes:
        of_class = study.rows_of(train, [label])
        chosen |= {of_class[place] for place in some(len(of_class))}
    return [row for row in train if row in chosen]


def describe(scans: SyntheticSet) -> Mapping[str, files.Json]:
    """One set of synthetic scans as plain values, for `bus synth --json`; BusError where it has no scores."""
    rows = scans.rows
    return {
        "fold": scans.fold,
        "target": scans.label,
        "gan_seed": scans.seed,
        "folder": str(scans.folder),
        "scans": len(rows),
        "distinct_sources": len({row.source_sha256 for row in rows}),
        "scores": to_json(scans.scores),
    }


def compare_folders(first: Path, second: Path, size: int, judge: Judge, compute: Compute) -> Comparison:
    """The distances between the pictures of two folders (`first` generated, `second` real)."""
    from .scores.features import choose_extractor
    from .scores.score import compare

    extractor = choose_extractor(judge.extractor, judge.weights, device=compute.device)
    return compare(pictures(first, size), pictures(second, size), extractor)


def pictures(folder: Path, size: int) -> Pixels:
    """All scans below a folder by name, letterboxed (N×S×S uint8); BusError where there are none."""
    scans = find([folder]).scans
    if not scans:
        raise BusError(f"{folder} holds no scans. Give a folder with pictures in it.")
    return np.stack([letterbox(to_grey(scan.read()), size)[0] for scan in scans])
