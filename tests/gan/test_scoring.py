"""From a translator to scored scans: the datasheet says what scores.json holds, and old files are scored
anew."""

import json

import pytest
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import BusError
from bus.data.study import Study
from bus.gan.manifest import SyntheticSet
from bus.gan.request import Judge
from bus.gan.scoring import score_again, told
from bus.gan.synth import make_scans
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)


@pytest.fixture(scope="module")
def scans(study: Study) -> SyntheticSet:
    """Synthetic scans that were scored on two splits and then on three."""
    translator = Translator(study, 0, "malignant", 0)
    make_scans(translator, CPU, Judge("efficientnet-lite0", splits=2), count=12)
    score_again(translator.scans, CPU, Judge("efficientnet-lite0", splits=3))
    return translator.scans


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


def test_scores_that_are_none_are_refused_by_name(scans: SyntheticSet) -> None:
    path = scans.folder / "scores.json"
    kept = path.read_bytes()
    files.write_json(path, {**json.loads(kept), "n": "many"})
    with pytest.raises(BusError, match=r"scores\.json does not hold .* bus gan score"):
        told(scans)
    path.write_bytes(kept)
