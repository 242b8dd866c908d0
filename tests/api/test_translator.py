"""Translators and synthetic scans as objects."""

from pathlib import Path

import bus
import numpy as np
import pytest
from bus.core.files import read_csv


def test_a_translator_and_its_scans_say_what_lies_in_their_folders(finished_study: Path) -> None:
    translator = bus.study(finished_study).translator(fold=0)
    assert translator.is_done and translator.config.pairs == 40
    assert translator.losses()["pairs"].max() == 40
    synthetic = translator.synthetic
    assert synthetic.table()["sha256"].tolist() == [
        row["sha256"] for row in read_csv(synthetic.folder / "manifest.csv")
    ]
    assert synthetic.pixels.shape == (len(synthetic), 32, 32) and len(synthetic) == 30
    assert "data:image/png" in translator._repr_html_() and "data:image/png" in synthetic._repr_html_()


def test_translate_keeps_the_form_and_depends_on_no_neighbour(finished_study: Path) -> None:
    study = bus.study(finished_study)
    translator, scans = study.translator(fold=0), study.pixels[:3]
    made = translator.translate(scans)
    assert made.shape == scans.shape and made.dtype == np.uint8 and (made != scans).any()
    assert np.array_equal(translator.translate(scans[1:2])[0], made[1])


def test_what_is_done_is_not_done_again(finished_study: Path) -> None:
    heard: list[str] = []

    class Heard(bus.Listener):
        def result(self, text: str, *, failed: bool = False) -> None:
            heard.append(text)

    study = bus.study(finished_study, listener=Heard())
    assert study.train_translator(fold=0).is_done
    assert len(study.translator(fold=0).synthesise(20, extractor="efficientnet-lite0")) == 30
    assert [text.startswith("Nothing to do") for text in heard] == [True, True]


def test_a_translator_that_was_never_trained_says_so(tiny_study: Path) -> None:
    translator = bus.study(tiny_study).translator(fold=2)
    assert not translator.is_done and "not trained yet" in translator._repr_html_()
    with pytest.raises(bus.BusError, match="gan train"):
        translator.synthesise(5)
