"""The scores in words, made once: console, datasheet and report say the same."""

from collections.abc import Iterator
from typing import Any


def comparison(found: dict[str, Any]) -> Iterator[str]:
    """What `compare_folders` found, a line each."""
    yield f"{found['n']['first']} against {found['n']['second']} scans, judged by {found['extractor']['name']}"
    if found["frechet"] is not None:
        yield f"{found['extractor']['label']}: {found['frechet']:.2f}"
    if found["kid"] is not None:
        yield f"KID: {found['kid']['mean']:.5f} ± {found['kid']['spread']:.5f} (subsets of {found['kid']['subset']})"
    yield from (
        f"{name}: {found[name]:.3f}"
        for name in ("precision", "recall", "density", "coverage")
        if found[name] is not None
    )
    yield from found["notes"]


def sentences(scores: dict[str, Any]) -> Iterator[str]:
    """The scores in words, a line each: how far from real, what stands beside that, what is missing, and every warning."""
    kid, n = scores["kid"], scores["n"]
    yield f"{n['synthetic']} synthetic scans against {n['target']} real ones ({scores['reference']}); judge: {scores['extractor']['name']}."
    if kid:
        scale = kid["normalised"]
        lead = (
            f"Normalised KID {scale['mean']:.2f} ± {scale['spread']:.2f} (0 real, 1 did nothing); "
            if scale
            else ""
        )
        yield f"{lead}KID {kid['score']['mean']:.4f} between {kid['floor']['mean']:.4f} (real) and {kid['ceiling']['mean']:.4f} (did nothing)."
    if scores["frechet"]:
        yield f"{scores['extractor']['label']}: {scores['frechet']['score']['mean']:.1f}."
    yield from _shares(scores)
    if chosen := scores.get("filter"):
        yield f"Filter: the reader gave {chosen['accepted']:.0%} of the translator's scans {chosen['confidence']:g} or more; only these were kept."
    yield from scores["notes"]
    yield from (f"Warning, {warning['name']}: {warning['text']}" for warning in scores["warnings"])


def _shares(scores: dict[str, Any]) -> Iterator[str]:
    """What stands beside the distances, each with what real scans or a blur give; nothing for what was not computed."""
    shares = [
        f"{name} {found['score']['mean']:.2f} (real {found['floor']['mean']:.2f}, sources {found['ceiling']['mean']:.2f})"
        for name in ("precision", "recall", "density", "coverage")
        if (found := scores[name])
    ]
    if shares:
        yield f"{', '.join(shares)}.".capitalize()
    if found := scores["identity"]:
        yield f"Distance to the own source {found['synthetic']:.1f} grey levels (merely blurred: {found['blurred']:.1f})."
    if found := scores["copies"]:
        yield f"Copies {found['synthetic']:.1%} (held-out real scans: {found['held_out']:.1%})."
    if found := scores["reader"]:
        yield (
            f"The reader takes {found['synthetic']:.0%} for the class (real ones: {found['target']:.0%}, "
            f"their sources: {found['sources']:.0%})."
        )
    found = scores["distinct"]
    yield f"Effective number {found['synthetic']:.0f} of {found['compared']} (as many real scans: {found['target']:.0f})."
