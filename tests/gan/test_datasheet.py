"""The sheet that goes with synthetic scans."""

import pytest
from bus.core.compute import Compute
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


def test_scans_that_are_scored_again_get_another_datasheet(scans: SyntheticSet) -> None:
    assert scans.scores and scans.scores.n.splits == 3
    text, lines = (scans.folder / "DATASHEET.md").read_text(), told(scans)
    assert lines and all(f"- {line}\n" in text for line in lines)
