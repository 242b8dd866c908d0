"""From a translator to scored scans: the datasheet and the console say what scores.json holds."""

import json
from typing import Any

import pytest
from bus.core.compute import Compute
from bus.data.study import Study
from bus.gan.manifest import SyntheticSet
from bus.gan.request import Judge
from bus.gan.scores.sentences import sentences
from bus.gan.scoring import score_again
from bus.gan.synth import make_scans
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)


@pytest.fixture(scope="module")
def scored(study: Study) -> tuple[Study, dict[str, Any]]:
    """A study whose synthetic scans were scored on two splits and then on three."""
    translator = Translator(study, 0, "malignant", 0)
    make_scans(translator, CPU, Judge("efficientnet-lite0", splits=2), count=12)
    score_again(translator.scans, CPU, Judge("efficientnet-lite0", splits=3))
    return study, json.loads((SyntheticSet(study, 0, "malignant", 0).folder / "scores.json").read_text())


def test_scans_that_are_scored_again_get_another_datasheet(scored: tuple[Study, dict[str, Any]]) -> None:
    study, scores = scored
    assert scores["n"]["splits"] == 3
    text = (SyntheticSet(study, 0, "malignant", 0).folder / "DATASHEET.md").read_text()
    lines = list(sentences(scores))
    assert lines and all(f"- {line}\n" in text for line in lines)


def test_the_scores_are_told_with_what_real_scans_give(scored: tuple[Study, dict[str, Any]]) -> None:
    _, scores = scored
    normal = {"mean": 0.5, "spread": 0.1}
    text = "\n".join(
        sentences({**scores, "kid": {**scores["kid"], "normalised": normal}, "notes": ["A note."]})
    )
    raw = f"KID {scores['kid']['score']['mean']:.4f} between {scores['kid']['floor']['mean']:.4f} (real)"
    for words in (
        f"12 synthetic scans against {scores['n']['target']} real ones (target scans of the training part)",
        f"Normalised KID 0.50 ± 0.10 (0 real, 1 did nothing); {raw}",
        "FD (EfficientNet-Lite0): ",
        f"Distance to the own source {scores['identity']['synthetic']:.1f} grey levels",
        f"Copies {scores['copies']['synthetic']:.1%} "
        f"(held-out real scans: {scores['copies']['held_out']:.1%})",
        f"The reader takes {scores['reader']['synthetic']:.0%} for the class",
        "their sources: ",
        f"Effective number {scores['distinct']['synthetic']:.0f} of {scores['distinct']['compared']}",
        "A note.",
    ):
        assert words in text
    place = {"score": {"mean": 0.4}, "floor": {"mean": 0.8}, "ceiling": {"mean": 0.7}}
    shares = sentences({**scores, "precision": place, "recall": None, "density": place, "coverage": None})
    assert "Precision 0.40 (real 0.80, sources 0.70), density 0.40 (real 0.80, sources 0.70)." in shares


def test_what_was_not_computed_is_not_told(scored: tuple[Study, dict[str, Any]]) -> None:
    _, scores = scored
    plain = next(
        line for line in sentences({**scores, "kid": {**scores["kid"], "normalised": None}}) if "KID" in line
    )
    assert plain.startswith("KID ")
    none = dict.fromkeys(
        ("kid", "frechet", "precision", "recall", "density", "coverage", "identity", "copies", "reader")
    )
    lines = list(sentences({**scores, **none, "notes": ["No distances."], "warnings": []}))
    assert len(lines) == 3 and lines[1].startswith("Effective number") and lines[2] == "No distances."
