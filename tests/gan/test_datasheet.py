"""The sheet that goes with synthetic scans."""

from dataclasses import replace

import pytest
from bus.gan import datasheet
from bus.gan.manifest import SyntheticSet
from bus.gan.scoring import told
from bus.gan.translator import Translator


def test_scans_that_are_scored_again_get_another_datasheet(scans: SyntheticSet) -> None:
    assert scans.scores and scans.scores.n.splits == 3
    text, lines = (scans.folder / "DATASHEET.md").read_text(), told(scans)
    assert lines and all(f"- {line}\n" in text for line in lines)


def test_scans_of_classes_that_were_left_out_are_none_that_it_was_trained_on(
    scans: SyntheticSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = scans.study
    known = Translator(study, 0, "malignant", 0).known_config
    for sources in (known.sources, known.sources[:1]):
        monkeypatch.setattr(Translator, "known_config", replace(known, sources=sources))
        datasheet.write(scans, [])
        seen = [row for row in study.train(0) if study.scans[row].label in (*sources, "malignant")]
        assert f"trained on {len(seen)} real scans" in (scans.folder / "DATASHEET.md").read_text()
    assert len(seen) < len(study.train(0))


def test_the_side_at_which_the_translator_was_trained_is_told(
    scans: SyntheticSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Translator(scans.study, 0, "malignant", 0).known_config
    for side in (0, 16):
        monkeypatch.setattr(Translator, "known_config", replace(known, train_size=side))
        datasheet.write(scans, [])
        assert ("real scans, reduced to 16 px" in (scans.folder / "DATASHEET.md").read_text()) == (side > 0)
