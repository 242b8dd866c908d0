"""What a study holds, what is under way and what is missing, as lines of text."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .. import files
from ..data.study import Study
from ..gan import synth, train


def lines(study: Study) -> Iterator[str]:
    """One line for every translator, every set of synthetic scans, every arm with cells, and the report."""
    for folder in sorted(study.path.glob("fold-*")):
        yield from _translators(folder)
        yield from _synthetic(folder)
        yield from _cells(folder)
    report = study.path / "report" / "index.html"
    yield f"report: {report}" if report.exists() else "report: none yet; bus benchmark writes it"


def _translators(folder: Path) -> Iterator[str]:
    for place in sorted(folder.glob("gan/*/seed-*")):
        config = train.read_config(place)
        if train.is_done(place):
            seconds = files.read_json(place / "DONE").get("seconds")
            spent = f" in {seconds / 60:.1f} min" if isinstance(seconds, int | float) else ""
            state = f"trained, {config.pairs:,} pairs{spent}"
        else:
            log = place / "metrics.jsonl"
            told = log.read_bytes().count(b"\n") if log.exists() else 0
            state = f"under way, about {told / train.REPORTS:.0%} done; bus gan train goes on"
        yield f"{folder.name} translator to {config.target} (seed {config.seed}, {config.preset}): {state}"


def _synthetic(folder: Path) -> Iterator[str]:
    for manifest in sorted(folder.glob("synth/*/*/manifest.csv")):
        scored = "scored" if (manifest.parent / "scores.json").exists() else "not scored; bus synth does that"
        rows = synth.read_manifest(manifest.parent)
        yield f"{folder.name} synthetic {manifest.parent.name} scans ({manifest.parent.parent.name}): {len(rows)}, {scored}"


def _cells(folder: Path) -> Iterator[str]:
    done = Counter(place.parent.parent.parent.name for place in folder.glob("cells/*/*/*/DONE"))
    for arm in sorted(done):
        yield f"{folder.name} cells of {arm}: {done[arm]} trained"
