"""From a translator to scored scans: the datasheet says what scores.json holds, and old files are scored
anew."""

import json
from collections import Counter

import pytest
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import BusError
from bus.gan import scoring
from bus.gan.manifest import SyntheticSet
from bus.gan.request import Judge
from bus.gan.scores import scans as judged
from bus.gan.scoring import score_again, told

CPU = Compute("cpu", "float32", 1)


def test_scores_of_another_version_are_made_again(scans: SyntheticSet) -> None:
    path, judge = scans.folder / "scores.json", Judge("efficientnet-lite0", splits=3)
    kept = path.read_bytes()
    score_again(scans, CPU, judge)
    assert path.read_bytes() == kept
    content = json.loads(kept)
    del content["key"]["version"], content["target"]
    files.write_json(path, content)
    score_again(scans, CPU, judge)
    assert path.read_bytes() == kept


def test_of_very_many_scans_some_are_judged_with_all_their_sources(
    scans: SyntheticSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (scoring, judged):
        monkeypatch.setattr(module, "JUDGED", 5)
    synthetic, real, _ = scoring.material(scans)
    study, counts = scans.study, Counter(scoring.material(scans)[1].labels)
    assert list(synthetic.files) == [row.file for row in scans.rows[:5]]
    sources = {row.source_file for row in scans.rows[:5]}
    assert sources <= set(real.files) and len(real.files) < len(study.train(0))
    assert counts[scans.label] == 5 and all(5 <= count <= 5 + len(sources) for count in counts.values())
    assert [real.files[row] for row in synthetic.source_rows] == [row.source_file for row in scans.rows[:5]]
    assert scoring._part(scans, 5, len(real.files))[0].startswith("Judged were 5 of 12 synthetic scans")


def test_scores_know_the_training_part_and_no_test_scan(scans: SyntheticSet) -> None:
    study, (_, real, _) = scans.study, scoring.material(scans)
    assert sorted(real.files) == sorted(study.scans[row].file for row in study.train(0))
    assert not set(real.files) & {study.scans[row].file for row in study.test(0)}


def test_scores_that_are_none_are_refused_by_name(scans: SyntheticSet) -> None:
    path = scans.folder / "scores.json"
    kept = path.read_bytes()
    files.write_json(path, {**json.loads(kept), "n": "many"})
    with pytest.raises(BusError, match=r"scores\.json does not hold .* bus gan score"):
        told(scans)
    path.write_bytes(kept)
