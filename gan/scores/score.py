"""Scores of synthetic scans: how far from real, between which marks, and what to be warned of. Terms: docs/scores.md."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import BusError
from ..imagenet import LITE0
from .checks import (
    Box,
    Copies,
    Floats,
    Pixels,
    blurred,
    changed,
    copies,
    reader_probabilities,
    regained,
    vendi,
)
from .distances import SPLITS, TooFewGroups, against_reference, distances, kid
from .features import Extractor, Features, features, lite0

COPY_SHARE = 0.10  # twice what the 5th percentile finds among unrelated real scans
DISTINCT_SHARE = (
    0.45  # of the real scans' effective number: merely blurred BUSI scans keep 0.53, 20 scans repeated 0.32
)
WORST = 5  # nearest pairs that are listed
REFERENCE = "target scans of the training part"  # nothing may be chosen by test scans
CALLED = 0.5  # probability from which the reader says "target"

Scores = dict[str, Any]


def compare(first: Pixels, second: Pixels, extractor: Extractor) -> Scores:
    """Distances between any two sets of scans: `first` generated, `second` real (uint8 N×S×S and M×T×T, grey).

    Keys: extractor, n, kid (mean, spread over subsets, subset), frechet, precision, recall, density, coverage, notes;
    None with a note where a set is too small.
    """
    one, two = features(first, extractor), features(second, extractor)
    values: Scores = dict(distances(one, two))
    notes = [
        f"No {name}: too few scans ({len(one)} and {len(two)})."
        for name, value in values.items()
        if value is None
    ]
    if values["kid"] is not None:
        mean, deviation, subset = kid(one, two)
        values["kid"] = {"mean": mean, "spread": deviation, "subset": subset}
    return {
        "extractor": _named(extractor),
        "n": {"first": len(one), "second": len(two)},
        **values,
        "notes": notes,
    }


def score_synthetic(
    *,
    synthetic: Pixels,
    source_rows: Sequence[int],
    real: Pixels,
    labels: Sequence[str],
    groups: Sequence[str],
    boxes: Sequence[Box],
    target: str,
    sources: Sequence[str],
    extractor: Extractor,
    synthetic_files: Sequence[str],
    real_files: Sequence[str],
    variants: Sequence[str] | None = None,
    trained_with: str | None = None,
    confidence: float = 0,
    accepted: float = 1,
    seed: int = 0,
    splits: int = SPLITS,
) -> Scores:
    """Everything that scores.json says about one translator's synthetic scans (docs/scores.md explains each number).

    `synthetic` uint8 N×S×S, made from the rows `source_rows` of `real` (uint8 M×S×S), whose class, group, file and
    box (top, left, height, width) stand in the four lists of length M. `variants`: only the "plain" ones are compared
    with their sources (without it, the first scan of each source). `trained_with`: extractor that trained the
    translator, if any. `confidence`, `accepted`: what the reader had to give a scan for it to be kept (0: no filter), and
    the share that was. Parts that cannot be computed are None, with a sentence in "notes".
    """
    rows = [int(row) for row in source_rows]
    _check(synthetic, rows, real, [labels, groups, boxes, real_files], synthetic_files)
    of_target = [row for row, label in enumerate(labels) if label == target]
    of_sources = [row for row, label in enumerate(labels) if label in sources]
    if not of_target or not of_sources:
        raise BusError(
            f"Scores need real scans of {target} and of {', '.join(sources)}; found {sorted(set(labels))}."
        )
    made_from = [labels[row] for row in rows]
    target_groups = [groups[row] for row in of_target]
    seen, made = features(real, extractor), features(synthetic, extractor)
    found = against_reference(
        made,
        made_from,
        seen[of_sources],
        [labels[row] for row in of_sources],
        seen[of_target],
        target_groups,
        splits=splits,
        seed=seed,
    )
    notes = list(found.notes)
    scores: Scores = {
        "extractor": _named(extractor),
        "trained_with": trained_with,
        "n": {
            "synthetic": len(made),
            "sources": len(of_sources),
            "target": len(of_target),
            "half": found.half,
            "splits": splits,
        },
        "filter": {"confidence": confidence, "accepted": accepted} if confidence else None,
        "reference": REFERENCE,
        **found.scores,
        "identity": _identity(synthetic, rows, real, boxes, variants),
        "copies": None,
        "reader": None,
        "distinct": _distinct(made, rows, seen, seen[of_target], seed),
    }
    if scores["identity"] is None:
        notes.append(
            "No comparison with the own sources: none of these scans was made from an unchanged source."
        )
    try:
        near = copies(synthetic, made, real[of_target], seen[of_target], target_groups)
        scores["copies"] = _copies(near, synthetic_files, [real_files[row] for row in of_target])
    except TooFewGroups as error:
        notes.append(f"No copy check: {error}.")
    try:
        eyes = (
            (seen, made)
            if extractor.name == LITE0
            else (features(real, lite0()), features(synthetic, lite0()))
        )
        chances = reader_probabilities(eyes[0], [label == target for label in labels], groups, eyes[1], rows)
        scores["reader"] = _reader(*chances, np.array(labels), rows, target, sources)
    except TooFewGroups as error:
        notes.append(f"No independent reader: {error}.")
    return {**scores, "warnings": warnings(scores, target), "notes": notes}


def _check(
    synthetic: Pixels, rows: list[int], real: Pixels, per_real: list[Sequence[Any]], names: Sequence[str]
) -> None:
    if not len(synthetic) == len(rows) == len(names) or any(len(values) != len(real) for values in per_real):
        raise BusError(
            f"Scores need one source and one file per synthetic scan ({len(synthetic)}), and one label, group, box and "
            f"file per real scan ({len(real)}); found {len(rows)}, {len(names)} and {[len(values) for values in per_real]}."
        )


def _named(extractor: Extractor) -> dict[str, str]:
    return {"name": extractor.name, "label": extractor.label, "reason": extractor.reason}


def _identity(
    synthetic: Pixels, rows: list[int], real: Pixels, boxes: Sequence[Box], variants: Sequence[str] | None
) -> dict[str, float] | None:
    """Mean distance to the own source, beside that of the same sources merely blurred and re-gained (grey levels)."""
    plain = [int(first) for first in np.unique(rows, return_index=True)[1]]
    if variants is not None:
        plain = [place for place, variant in enumerate(variants) if variant == "plain"]
    if not plain:
        return None
    sources, inside = real[[rows[place] for place in plain]], [boxes[rows[place]] for place in plain]
    versions = {
        "synthetic": synthetic[plain],
        "blurred": blurred(sources, inside),
        "regained": regained(sources),
    }
    return {name: float(changed(version, sources, inside).mean()) for name, version in versions.items()}


def _distinct(
    made: Features, rows: list[int], seen: Features, target: Features, seed: int
) -> dict[str, float]:
    """Effective number of distinct scans: of all, and of as many as there are real target scans beside those."""
    count, centre = min(len(made), len(target)), seen.mean(0)
    rng = np.random.default_rng((seed, 8))
    some, others = (values[rng.permutation(len(values))[:count]] for values in (made, target))
    return {
        "effective": vendi(made, centre),
        "n": len(made),
        "sources": len(np.unique(rows)),
        "compared": count,
        "synthetic": vendi(some, centre),
        "target": vendi(others, centre),
    }


def _copies(near: Copies, names: Sequence[str], target_names: Sequence[str]) -> Scores:
    worst = [
        {
            "file": names[row],
            "nearest": target_names[int(near.nearest[row])],
            "distance": float(near.synthetic[row]),
        }
        for row in np.argsort(near.synthetic, kind="stable")[:WORST]
    ]
    return {
        "threshold": near.threshold,
        "synthetic": near.share(near.synthetic),
        "held_out": near.share(near.held_out),
        "worst": worst,
    }


def _reader(
    real: Floats,
    synthetic: Floats,
    kinds: NDArray[np.str_],
    rows: list[int],
    target: str,
    sources: Sequence[str],
) -> Scores:
    """Shares that the reader calls target, among real scans it had not seen and among synthetic ones."""

    def called(chances: Floats) -> float | None:
        return float((chances >= CALLED).mean()) if len(chances) else None

    return {
        "target": called(real[kinds == target]),
        "others": {str(kind): called(real[kinds == kind]) for kind in np.unique(kinds) if kind != target},
        "sources": called(real[np.unique(rows)]),
        "synthetic": called(synthetic),
        "synthetic_from": {kind: called(synthetic[kinds[rows] == kind]) for kind in sources},
    }


def warnings(scores: Scores, target: str) -> list[dict[str, str]]:
    """The named warnings that a person must see, each with a sentence in plain words."""
    found = {}
    identity, near, distinct = scores["identity"], scores["copies"], scores["distinct"]
    kernel = (scores["kid"] or {}).get("normalised")
    if identity is not None and identity["synthetic"] <= max(identity["blurred"], identity["regained"]):
        found["collapse to the source"] = (
            f"The translator changes its sources by {identity['synthetic']:.1f} grey levels, no more than a slight blur "
            f"({identity['blurred']:.1f}): it returns them instead of making {target} scans."
        )
    if near is not None and near["synthetic"] > max(COPY_SHARE, 2 * near["held_out"]):
        found["copying"] = (
            f"{near['synthetic']:.0%} of the synthetic scans are closer to a training scan than unrelated real scans "
            f"are to each other ({near['held_out']:.0%}): the translator may be reproducing patients."
        )
    if distinct["synthetic"] < DISTINCT_SHARE * distinct["target"]:
        found["mode collapse"] = (
            f"{distinct['compared']} synthetic scans are as varied as {distinct['synthetic']:.0f} entirely different ones, "
            f"as many real {target} scans as {distinct['target']:.0f}: the translator repeats itself."
        )
    if kernel and kernel["mean"] - kernel["spread"] > 1:
        found["worse than nothing"] = (
            f"The synthetic scans are {kernel['mean']:.1f} times as far from real {target} scans as their untranslated "
            "sources are (normalised KID: 0 is real, 1 is doing nothing)."
        )
    judges = {scores["extractor"]["name"]: "measures these distances"}
    if scores["reader"] is not None:
        judges.setdefault(LITE0, "is the eyes of the reader")
    if scores["trained_with"] in judges:
        found["judged by its teacher"] = (
            f"{scores['trained_with']} trained the translator and also {judges[scores['trained_with']]}, which flatters "
            "it: train with another network, or choose another --extractor."
        )
    if scores["filter"]:
        found["judged by its filter"] = (
            f"The reader chose these scans ({scores['filter']['accepted']:.0%} passed), so what it calls them says nothing; distances "
            f"by {LITE0}, whose features it reads, are flattered too."
        )
    return [{"name": name, "text": text} for name, text in found.items()]
