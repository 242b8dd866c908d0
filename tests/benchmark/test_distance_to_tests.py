"""How far synthetic scans are from the test scans."""

import pytest
from bus.benchmark import distance_to_tests
from bus.gan.manifest import SyntheticSet
from bus.gan.reader import real_features
from bus.gan.scores import features, scans
from bus.gan.scores.distances import against_reference


def test_synthetic_scans_are_held_against_the_test_scans_once_and_late(edit_manifest, study, monkeypatch):
    found = distance_to_tests.score(study, 0, "malignant", 0, "cpu")
    tested, sources = (
        study.rows_of(study.test(0), ["malignant"]),
        study.rows_of(study.train(0), ["benign", "normal"]),
    )
    made_scans = SyntheticSet(study, 0, "malignant", 0)
    rows = made_scans.rows
    made = features.features(made_scans.pixels(rows), features.lite0("cpu"))
    seen = real_features(study, "cpu")
    labels = [study.scans[row].label for row in sources]
    expected = against_reference(
        made,
        [row.source_label for row in rows],
        seen[sources],
        labels,
        seen[tested],
        [study.groups[row] for row in tested],
    )
    assert found.tests == len(tested) and found.kid == expected.distances.kid and found.kid is not None
    monkeypatch.setattr(distance_to_tests, "real_features", None)  # would fail if it were called again
    assert distance_to_tests.score(study, 0, "malignant", 0, "cpu") == found
    edit_manifest(study, lambda row: row.update(variant="flipped"))
    with pytest.raises(TypeError):
        distance_to_tests.score(study, 0, "malignant", 0, "cpu")


def test_of_very_many_scans_some_are_compared(study, monkeypatch):
    monkeypatch.setattr(scans, "JUDGED", 4)
    monkeypatch.setattr(distance_to_tests, "JUDGED", 4)
    looked, seen = [], real_features(study, "cpu")
    monkeypatch.setattr(features, "features", lambda squares, eyes: looked.append(len(squares)) or seen[:4])
    found = distance_to_tests.score(study, 0, "malignant", 0, "cpu")
    assert looked == [4] and found.tests == 4 < len(study.rows_of(study.test(0), ["malignant"]))
