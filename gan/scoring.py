"""Scoring a set of synthetic scans, or the pictures of any two folders."""

from pathlib import Path
from typing import Any

import numpy as np

from ..core import files
from ..core.compute import Compute
from ..core.errors import BusError
from ..core.progress import note, result
from ..data.pictures import SUFFIXES, decode_rgb
from ..data.scans import MASK_NAME, to_grey
from ..data.store import Pixels, letterbox
from . import datasheet
from .manifest import SyntheticSet, acceptance
from .request import Judge
from .scores.sentences import sentences
from .translator import Translator


def score_again(scans: SyntheticSet, compute: Compute, judge: Judge) -> None:
    """Score a study's synthetic scans by the network asked for and tell the scores; BusError where there are none."""
    rows = scans.rows
    if not rows:
        raise BusError(
            f"{scans.folder} holds no synthetic scans. Run bus synth with the same --study and --fold first."
        )
    with scans.held():
        scored = score_set(scans, compute, judge)
    if not scored:
        for line in sentences(scans.scores or {}):
            result(line)
        result(f"Nothing to do: the scores in {scans.folder} speak of these {len(rows)} scans.")


def score_set(scans: SyntheticSet, compute: Compute, judge: Judge) -> bool:
    """Score a set and write the scores into its datasheet too; returns whether it was done now."""
    scored = _score(scans, compute, judge)
    if scored or not scans.has_datasheet:
        datasheet.write(scans, sentences(scans.scores or {}))
    return scored


def _score(scans: SyntheticSet, compute: Compute, judge: Judge) -> bool:
    """Score a set unless its scores speak of these scans already; returns whether it was done now."""
    confidence = scans.confidence
    key = {
        "manifest": scans.sha256,
        "asked": judge.extractor,
        "weights": files.sha256_file(judge.weights) if judge.weights else None,
        "splits": judge.splits,
        **({"confidence": confidence} if confidence else {}),
    }
    if (scans.scores or {}).get("key") == key:
        return False
    from .scores import score  # late: torch-fidelity takes seconds to import
    from .scores.features import choose_extractor

    extractor = choose_extractor(judge.extractor, judge.weights, device=compute.device)
    study, rows = scans.study, scans.rows
    config = Translator(study, scans.fold, scans.label, scans.seed).known_config
    used = study.train(scans.fold)
    number = {(study.scans[row].sha256, study.scans[row].label): at for at, row in enumerate(used)}
    compute.start()
    note("Scoring the synthetic scans against the target scans of the training part …")
    scores = score.score_synthetic(
        synthetic=scans.pixels(rows),
        source_rows=[number[row.source_sha256, row.source_label] for row in rows],
        real=study.pixels[used],
        labels=[study.scans[row].label for row in used],
        groups=[study.scans[row].group for row in used],
        boxes=[study.scans[row].box for row in used],
        synthetic_files=[row.file for row in rows],
        variants=[row.variant for row in rows],
        real_files=[study.scans[row].file for row in used],
        target=scans.label,
        sources=config.sources,
        extractor=extractor,
        trained_with=config.trained_with,
        confidence=confidence,
        accepted=acceptance(rows),
        splits=judge.splits,
    )
    scans.write_scores({"key": key, **scores})
    for line in sentences(scores):
        result(line)
    return True


def describe(scans: SyntheticSet) -> dict[str, Any]:
    """One set of synthetic scans as plain values, for `bus synth --json`; BusError where it has no scores."""
    rows = scans.rows
    return {
        "fold": scans.fold,
        "target": scans.label,
        "gan_seed": scans.seed,
        "folder": str(scans.folder),
        "scans": len(rows),
        "distinct_sources": len({row.source_sha256 for row in rows}),
        "scores": scans.scores,
    }


def compare_folders(first: Path, second: Path, size: int, judge: Judge, compute: Compute) -> dict[str, Any]:
    """The distances between the pictures of two folders (`first` generated, `second` real)."""
    from .scores import score
    from .scores.features import choose_extractor

    extractor = choose_extractor(judge.extractor, judge.weights, device=compute.device)
    return score.compare(pictures(first, size), pictures(second, size), extractor)


def pictures(folder: Path, size: int) -> Pixels:
    """All scans that lie in one folder, letterboxed (N×S×S uint8); BusError where there are none."""
    listed = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.casefold() in SUFFIXES and not MASK_NAME.fullmatch(path.stem)
    )
    if not listed:
        raise BusError(f"{folder} holds no pictures. Give a folder whose scans lie directly in it.")
    return np.stack(
        [letterbox(to_grey(decode_rgb(path.read_bytes(), str(path))), size)[0] for path in listed]
    )
