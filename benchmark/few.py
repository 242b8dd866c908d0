"""Sub-studies whose training parts keep a share of the target's groups: what fewer real scans would give."""

from dataclasses import replace
from pathlib import Path

from ..data.caution import Caution
from ..data.settings import Settings
from ..data.store import MASKS_FILE, PIXELS_FILE
from ..data.study import Study, derived, foreseen


def few(study: Study, share: float) -> Study:
    """Make, or open, the sub-study of the same scans and folds; the study itself where all are kept.

    Its translators and classifiers train on the share alone; test parts are those of the study.
    """
    if share == study.settings.share:
        return study

    def like(sub: Study) -> bool:
        return replace(sub.settings, files=(), cautions=()) == replace(
            study.settings, files=(), cautions=(), share=share, format=sub.settings.format
        ) and sub.pixels_sha256(sub.used()) == study.pixels_sha256(study.used())

    return derived(
        study,
        _path(study, share),
        like,
        lambda: (_shared(study, share), study.scans),
        (PIXELS_FILE, MASKS_FILE),
    )


def preview(study: Study, share: float) -> Study:
    """The sub-study, or one that exists in memory only, for a look ahead that writes nothing."""
    if share == study.settings.share:
        return study
    return foreseen(study, _path(study, share), lambda: (_shared(study, share), study.scans))


def _path(study: Study, share: float) -> Path:
    return study.path / f"few-{share:g}"


def _shared(study: Study, share: float) -> Settings:
    caution = Caution("few", detail=f"{100 * share:g} % of the {study.target} groups")
    return replace(study.settings, share=share, cautions=(*study.settings.cautions, caution))
