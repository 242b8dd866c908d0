"""What is asked of a translator, beside what it was begun with."""

import shutil
from dataclasses import asdict, replace

import pytest
import torch
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import UsageError
from bus.data.study import Study, open_or_create
from bus.gan import train
from bus.gan.config import configure
from bus.gan.request import Ask, plan_gan
from bus.gan.train import train_gan
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


def usual(study):
    return configure(study, CPU, fold=0, target="malignant", seed=0, preset="demo")


def begun_plan(study, config, compute=CPU, **options):
    """What `plan_gan` makes of a translator that `config` began."""
    folder = Translator(study, 0, "malignant", 0).folder
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "config.json", asdict(config))
    return plan_gan(Translator(study, 0, "malignant", 0), Ask(), compute, preset="demo", **options)


def test_a_typed_precision_does_not_bring_todays_threads_into_an_old_translator(study):
    config, today = replace(usual(study), threads=8), Compute("cpu", "float32", 2)
    for insist in ((), ("device",), ("device", "precision")):
        assert begun_plan(study, config, today, insist=insist) == (config, replace(today, threads=8))
    best = replace(today, precision="bfloat16")
    assert begun_plan(study, config, best, insist=["device"])[0] == config, "nobody typed a precision"
    other, _ = begun_plan(study, config, best, insist=["precision"])
    with pytest.raises(UsageError, match=r"other options: precision float32 there, bfloat16 asked\."):
        Translator(study, 0, "malignant", 0).check_unchanged(other)


def test_a_translator_of_a_missing_device_is_refused_unless_it_is_finished(study, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = replace(usual(study), device="cuda")
    with pytest.raises(UsageError, match="--device cuda: torch finds none on this machine"):
        begun_plan(study, config)
    monkeypatch.setattr(Translator, "is_done", True)
    assert begun_plan(study, config)[0] == config


def test_a_study_goes_on_without_first_weights_where_it_began_without(tmp_path):
    """Before they were the default; all translators of an arm begin alike."""
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=40)

    def planned(fold, **options):
        return plan_gan(Translator(study, fold, "malignant", 0), Ask(**options), CPU, preset="quick")[0]

    assert planned(0).init == "phantoms-1"
    first = Translator(study, 0, "malignant", 0)
    first.write_config(replace(planned(0), init="none"))
    assert planned(0).init == planned(1).init == "none" and planned(0, preset="quick").init == "none"
    assert planned(1, changes={"init": "phantoms-1"}).init == "phantoms-1"
    assert planned(1, method="published").init == "none"
    assert planned(1, preset="standard").init == "phantoms-1", "another effort is another arm"
    first.write_config(replace(planned(0), channels=16, init="none"))
    assert planned(1).init == "phantoms-1", "for 16 channels there are no first weights"
    first.write_config(replace(planned(0), channels=32, init="none"))
    assert planned(1).init == "none"
    first.write_config(replace(planned(0), method="published", generator="published", init="none"))
    assert planned(1).init == "phantoms-1", "another method says nothing"


def test_a_study_goes_on_at_the_side_at_which_its_translators_were_trained(tmp_path):
    """Before 64 px were the default for larger scans; all translators of an arm are trained alike."""
    study = open_or_create(tmp_path / "study", {"size": 256, "k": 3}, phantoms=40)
    asked = {"target": "malignant", "seed": 0, "preset": "demo"}
    old, new = Translator(study, 0, "malignant", 0), Translator(study, 1, "malignant", 0)
    assert plan_gan(new, Ask(), CPU, preset="demo")[0].train_size == 64
    old.write_config(configure(study, CPU, fold=0, **asked, changes={"train_size": "0"}))
    assert plan_gan(new, Ask(), CPU, preset="demo")[0].train_size == 0
    assert plan_gan(new, Ask(changes={"train_size": "128"}), CPU, preset="demo")[0].train_size == 128
    assert plan_gan(new, Ask(changes={"from_size": "64"}), CPU, preset="demo")[0].train_size == 0
    assert plan_gan(new, Ask(preset="quick"), CPU, preset="demo")[0].train_size == 64, "another arm"
    old.write_config(configure(study, CPU, fold=0, **asked, changes={"generator": "compact"}))
    assert plan_gan(new, Ask(), CPU, preset="demo")[0].train_size == 64, "another generator is none"


def test_a_translator_that_begins_as_drawn_since_others_did_says_so(tmp_path, said, monkeypatch):
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=40)
    monkeypatch.setattr(train, "train", lambda *_: None)

    def begun(fold, **options):
        said.clear()
        translator = Translator(study, fold, "malignant", 0)
        config, _ = plan_gan(translator, Ask(**options), CPU, preset="quick")
        train_gan(study, config, CPU)
        translator.write_config(config)
        return [text for text in said if "No first weights" in text]

    assert not begun(0, changes={"init": "none"})
    assert "--set init=phantoms-1 takes them" in begun(1)[0]
    assert not begun(2, changes={"init": "phantoms-1"})


def test_what_was_not_asked_stays_as_it_was_begun(study):
    begun = Ask(pairs=40, method="projected", changes={"cycle": "5"}, sources=["normal"])
    translator = Translator(study, 0, "malignant", 0)

    def planned(ask):
        return plan_gan(translator, ask, CPU, preset="demo")[0]

    config = planned(begun)
    translator.write_config(config)
    for ask in (
        begun,
        Ask(),
        Ask(pairs=40),
        Ask(preset="demo"),
        Ask(method="projected", pairs=40),
        Ask(changes={"cycle": "5.0"}),
        Ask(sources=["normal"]),
    ):
        assert planned(ask) == config
    for ask, difference in (
        (Ask(pairs=50), "pairs 40 there, 50 asked"),
        (Ask(changes={"identity": "2"}), "identity 4.0 there, 2.0 asked"),
        (Ask(sources=["benign"]), r"sources \('normal',\) there, \('benign',\) asked"),
    ):
        with pytest.raises(UsageError, match=rf"other options: {difference}\. Give"):
            translator.check_unchanged(planned(ask))
    with pytest.raises(UsageError, match="method projected there, published asked"):
        translator.check_unchanged(planned(Ask(method="published")))
    with pytest.raises(UsageError, match="--set cycle=high: expected a number"):
        planned(Ask(changes={"cycle": "high"}))
