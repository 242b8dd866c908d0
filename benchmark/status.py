"""What a study holds, what is under way and what is missing: as plain values for scripts, and as lines of text."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..data.study import Study
from ..gan.manifest import SyntheticSet
from ..gan.train import REPORTS
from ..gan.translator import Translator
from .cell import finished_folders

Json = dict[str, Any]


def overview(study: Study) -> Json:
    """What `bus status --json` prints; a fold is null where a translator was trained on every scan."""
    folders = sorted(study.path.glob("fold-*"))
    settings, report = study.settings, study.path / "report" / "index.html"
    used = study.used()
    return {
        "study": str(study.path),
        **{key: getattr(settings, key) for key in ("cohort", "size", "k", "seed", "target", "inner")},
        "data": settings.data.name,
        "banners": list(settings.banners),
        "classes": {name: len(study.rows_of(used, [name])) for name in study.classes},
        "groups": len({study.groups[row] for row in used}),
        "translators": [_translator(translator) for translator in Translator.all_of(study)],
        "synthetic": [_synthetic(scans) for scans in SyntheticSet.all_of(study)],
        "cells": [found for folder in folders for found in _cells(folder)],
        "report": str(report) if report.exists() else None,
    }


def lines(found: Json) -> Iterator[str]:
    """One line for every translator, every set of synthetic scans, every arm with cells, and the report."""
    for one in found["translators"]:
        state = f"under way, about {one['done']:.0%} done; bus gan train goes on"
        if one["done"] == 1:
            spent = "" if one["seconds"] is None else f" in {one['seconds'] / 60:.1f} min"
            state = f"trained, {one['pairs']:,} pairs{spent}"
        yield f"{_name(one)} translator to {one['target']} (seed {one['gan_seed']}, {one['preset']}): {state}"
    for one in found["synthetic"]:
        scored = "scored" if one["scored"] else "not scored; bus synth does that"
        yield f"{_name(one)} synthetic {one['target']} scans (seed {one['gan_seed']}): {one['scans']}, {scored}"
    for one in found["cells"]:
        yield f"{_name(one)} cells of {one['arm']}: {one['trained']} trained"
    yield f"report: {found['report'] or 'none yet; bus benchmark writes it'}"


def _name(one: Json) -> str:
    return f"fold-{'none' if one['fold'] is None else one['fold']}"


def _fold(folder: Path) -> int | None:
    text = folder.name.removeprefix("fold-")
    return None if text == "none" else int(text)


def _translator(translator: Translator) -> Json:
    config, done = translator.known_config, translator.is_done
    return {
        "fold": translator.fold,
        "target": translator.target,
        "gan_seed": translator.seed,
        "preset": config.preset,
        "pairs": config.pairs,
        "done": 1.0 if done else min(0.99, translator.told / REPORTS),
        "seconds": translator.seconds if done else None,
        "folder": str(translator.folder),
    }


def _synthetic(scans: SyntheticSet) -> Json:
    return {
        "fold": scans.fold,
        "target": scans.label,
        "gan_seed": scans.seed,
        "scans": len(scans.rows),
        "scored": scans.scores is not None,
        "folder": str(scans.folder),
    }


def _cells(folder: Path) -> Iterator[Json]:
    done = Counter(arm for arm, _ in finished_folders(folder / "cells"))
    for arm in sorted(done):
        yield {"fold": _fold(folder), "arm": arm, "trained": done[arm]}
