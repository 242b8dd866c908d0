"""The yardstick, a linear model on frozen features."""

import pytest
from bus.benchmark import yardstick
from bus.core.compute import Compute
from bus.gan.scores import features

CPU = Compute("cpu", "float32", 1)
pytestmark = pytest.mark.usefixtures("seen_anew")


def test_the_yardstick_reads_the_training_part_alone_and_is_cached(study, monkeypatch):
    """Features of all scans are kept; other labels on the test part change no answer."""
    places = yardstick.yardsticks(study, [0, 1], CPU)
    first = [(place.path / "predictions.csv").read_text() for place in places]
    monkeypatch.setattr(features, "features", None)  # would fail if it were called again
    kept = study.labels.copy()
    study.labels[study.test(0)] = (kept[study.test(0)] + 1) % 3
    yardstick.yardsticks(study, [0], CPU)
    assert (places[0].path / "predictions.csv").read_text() == first[0]
    study.labels[study.train(0)] = (kept[study.train(0)] + 1) % 3
    yardstick.yardsticks(study, [0], CPU)
    assert (places[0].path / "predictions.csv").read_text() != first[0]
