"""What is asked of a translator, beside what it was begun with."""

import shutil
from dataclasses import asdict, replace

import pytest
import torch
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import UsageError
from bus.data.study import Study, open_or_create
from bus.gan.config import configure
from bus.gan.request import Ask, plan_gan
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
    for insist in (False, True):
        assert begun_plan(study, config, today, insist=insist) == (config, replace(today, threads=8))
    other, _ = begun_plan(study, config, replace(today, precision="bfloat16"), insist=True)
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
    first.write_config(replace(planned(0), method="published", generator="published", init="none"))
    assert planned(1).init == "phantoms-1", "another method says nothing"
