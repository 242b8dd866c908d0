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


def test_a_machine_without_the_card_that_trained_fits_it_too(study, monkeypatch):
    asked, whole = [], yardstick.real_features

    def recorded(study, device):
        asked.append(device)
        return whole(study, "cpu")

    monkeypatch.setattr(yardstick, "real_features", recorded)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert yardstick.yardsticks(study, [0], Compute("cuda", "float32", 1)) and asked == ["cpu"]
