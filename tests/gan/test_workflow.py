"""From a translator to scored scans: the datasheet and the console say what scores.json holds."""

import json
from typing import Any

import pytest
from bus.compute import Compute
from bus.data.study import Study
from bus.gan.workflow import Judge, make_scans, score_again, sentences

CPU = Compute("cpu", "float32", 1)


@pytest.fixture(scope="module")
def scored(study: Study) -> tuple[Study, dict[str, Any]]:
    """A study whose synthetic scans were scored on two splits and then on three."""
    wish: dict[str, Any] = {"fold": 0, "target": "malignant", "gan_seed": 0}
    make_scans(study, CPU, **wish, count=12, judge=Judge("efficientnet-lite0", splits=2))
    score_again(study, CPU, **wish, judge=Judge("efficientnet-lite0", splits=3))
    return study, json.loads((study.synth_path(0, "malignant", 0) / "scores.json").read_text())


def test_scans_that_are_scored_again_get_another_datasheet(scored: tuple[Study, dict[str, Any]]) -> None:
    study, scores = scored
    assert scores["n"]["splits"] == 3
    text = (study.synth_path(0, "malignant", 0) / "DATASHEET.md").read_text()
    lines = list(sentences(scores))
    assert lines and all(f"- {line}\n" in text for line in lines)
