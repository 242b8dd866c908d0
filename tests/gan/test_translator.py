"""A translator's folder: when it is done, what is read of it, what lies beside it."""

import json
import shutil

import pytest
from bus.core import files
from bus.core.errors import BusError
from bus.data.study import Study
from bus.gan.scores.model import Measured
from bus.gan.translator import Looks, Stretch, Translator, set_aside


@pytest.fixture
def translator(study, tmp_path):
    shutil.copytree(study.path, tmp_path / "study")
    return Translator(Study.open(tmp_path / "study"), 0, "malignant", 0)


def test_a_translator_is_done_while_configuration_and_generator_are_those_it_was_finished_with(translator):
    assert translator.is_done and translator.seconds >= 0
    assert [known.folder for known in Translator.all_of(translator.study)] == [translator.folder]
    path = translator.folder / "config.json"
    files.write_json(path, {**json.loads(path.read_text()), "pairs": 9})
    assert not translator.is_done
    assert not Translator(translator.study, 1, "malignant", 0).is_done


def test_a_damaged_generator_is_refused_by_name(translator):
    path = translator.folder / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    assert not translator.is_done
    with pytest.raises(BusError, match=r"generator\.safetensors is damaged .*--redo"):
        translator.load("cpu")


def test_an_interrupted_log_is_read_to_its_last_whole_line(translator):
    log = translator.folder / "metrics.jsonl"
    log.write_text('{"step": 1, "pairs": 4, "cycle": 0.5}\n{"step": 2, "pa')
    assert translator.lines == [{"step": 1.0, "pairs": 4.0, "cycle": 0.5}]
    for damage in ('{"step": 1, "pa', '{"cycle": NaN}', '{"cycle": 1e999}', "[]", "{" * 5000):
        log.write_text(damage + '\n{"step": 2}\n')
        with pytest.raises(BusError, match="line 1"):
            translator.lines  # noqa: B018


def test_what_is_set_aside_keeps_its_place_and_its_content(translator):
    content = (translator.folder / "generator.safetensors").read_bytes()
    aside = translator.set_aside()
    kept = aside / translator.folder.relative_to(translator.study.path) / "generator.safetensors"
    assert kept.read_bytes() == content and translator.config is None and not translator.is_done
    assert set_aside(translator.study, [translator.folder]) is None


def test_a_stretch_of_the_training_is_written_and_read_alike() -> None:
    kid = Measured(0.3, 0.1)
    for looks in (Looks(), Looks(kid), Looks(None, kid), Looks(kid, kid, 0.6)):
        stretch = Stretch(12, {"cycle": 0.5, "identity": 0.25}, 1.5, looks)
        assert Stretch.read(stretch.line(3)) == stretch


def test_the_last_sheet_is_that_of_the_most_pairs(translator) -> None:
    for pairs in (200_000, 1_000_000):
        files.write_bytes(translator.sheet(pairs), b"")
    assert translator.sheets[-1] == translator.sheet(1_000_000)
