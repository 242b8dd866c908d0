"""What is asked of a translator: presets, switches, refusals, and the command that asks again."""

import json
import shlex
import shutil
import unicodedata
from dataclasses import asdict, replace

import pytest
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.data.study import Study, open_or_create
from bus.gan import train
from bus.gan.config import (
    METHOD,
    METHODS,
    changes_of,
    check_target,
    configure,
    from_json,
    options,
    usual_train_size,
)
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


def usual(study):
    return configure(study, CPU, fold=0, target="malignant", seed=0, preset="demo")


def test_unknown_presets_methods_and_switches_are_refused(study):
    def asked(**options):
        configure(study, CPU, fold=0, target="malignant", seed=0, **{"preset": "demo", **options})

    for wish, words in (
        ({"preset": "fast"}, "demo, quick, standard, paper"),
        ({"method": "pix2pix"}, "published, projected"),
        ({"preset": "paper", "method": "projected"}, "preset paper is the published method"),
        ({"changes": {"cyle": "3"}}, "cyle is unknown; known are .*generator, .*Did you mean cycle"),
        ({"changes": {"cycle": "high"}}, "--set cycle=high: expected a number of 0 or more, such as 10"),
        ({"changes": {"cycle": "-1"}}, "expected a number of 0 or more"),
        ({"changes": {"augmentation": "maybe"}}, "expected true or false"),
        ({"changes": {"discriminator": "pixel"}}, r"expected patch, projected or both"),
        ({"changes": {"phantoms": "1.5"}}, "phantoms=1.5: expected a number from 0 to 1"),
        ({"changes": {"average": "1"}}, "average=1: expected a number of 0 or more and below 1"),
        ({"changes": {"diversity": "10"}}, "diversity is unknown"),
        ({"changes": {"noise": "8", "generator": "published"}}, "noise=8 does nothing.*generator=compact"),
        ({"method": "published", "changes": {"noise": "8"}}, "noise=8 does nothing"),
        ({"changes": {"noise": "8"}}, "noise=8 does nothing.*generator=compact"),
        ({"method": "projected", "changes": {"reach": "3"}}, "reach=3 does nothing.*generator=detail"),
        ({"changes": {"from_size": "16"}}, "--from-size 16: for 32 px expected none"),
        (
            {"method": "projected", "changes": {"from_size": "16"}},
            "from_size=16 does nothing.*generator=detail",
        ),
        ({"changes": {"train_size": "16"}}, "--set train_size=16: for 32 px expected none"),
        (
            {"method": "projected", "changes": {"train_size": "16"}},
            "train_size=16 does nothing.*generator=detail",
        ),
        (
            {"changes": {"recorded": "true"}},
            "recorded=true: a CUDA graph needs a graphics card, and this is cpu",
        ),
        ({"method": "published", "changes": {"recorded": "true"}}, "recorded=true does nothing.*buffer=0"),
        ({"changes": {"reach": "32"}}, "reach=32: .* here have 32 px; expected 31 or less"),
        (
            {"method": "projected", "changes": {"channels": "1"}},
            "channels=1: the generator compact .* expected 2 or more",
        ),
        (
            {"changes": {"upsampling": "transposed"}},
            "upsampling=transposed does nothing.*generator=published",
        ),
    ):
        with pytest.raises(UsageError, match=words):
            asked(**wish)
    asked(changes={"reach": "31"})
    asked(method="projected", changes={"channels": "2"})
    asked(method="projected", changes={"noise": "8", "phantoms": "1", "average": "0"})
    asked(
        preset="paper", changes={"generator": "compact"}
    )  # its transposed upsampling is the preset's, not the user's


def test_a_file_with_switches_that_are_refused_today_is_read(study, tmp_path):
    config = replace(usual(study), average=1.0, phantoms=2.0)
    assert from_json(json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize("fold", [None, 0, 2])
def test_a_configuration_is_read_as_it_was_written(study, fold):
    config = configure(study, CPU, fold=fold, target="malignant", seed=0, preset="demo")
    translator = Translator(study, fold, "malignant", 0)
    translator.write_config(config)
    assert "fold" in config.json and Translator(study, fold, "malignant", 0).known_config == config


def test_a_translator_of_another_fold_draws_other_numbers_and_an_older_one_goes_on(study):
    zero, one = (
        configure(study, CPU, fold=fold, target="malignant", seed=3, preset="demo") for fold in (0, 1)
    )
    assert zero.draw == 3 and one.draw != 3 and "drawn_from" not in zero.json
    kept = json.loads(json.dumps(one.json))
    older = from_json({name: value for name, value in kept.items() if name != "drawn_from"})
    assert older.draw == 3, "as it was begun"


def test_a_switch_that_is_gone_is_read_where_it_asked_for_nothing_and_refused_elsewhere(study):
    config = usual(study)
    translator = Translator(study, 0, "malignant", 0)
    translator.write_config(config)
    path = translator.folder / "config.json"
    begun = json.loads(path.read_text())
    files.write_json(path, begun | {"negatives": 0.0, "diversity": 0})
    assert translator.config == config
    for name in ("negatives", "diversity"):
        files.write_json(path, begun | {name: 0.5})
        with pytest.raises(
            BusError, match=rf"config\.json .* with {name}=0\.5, a switch that is gone.*--redo"
        ):
            translator.config  # noqa: B018


def test_what_was_asked_holds_for_the_smaller_side_too_and_what_was_not_follows_it(tmp_path):
    study = open_or_create(tmp_path / "study", {"size": 128, "k": 3}, phantoms=40)

    def smaller(**changes):
        asked = {"from_size": "64", **changes}
        config = configure(
            study, CPU, fold=0, target="malignant", seed=0, preset="quick", changes=asked
        ).smaller
        return config.shift, config.eyes

    assert smaller() == (4, 128)
    assert smaller(shift="3") == (3, 128) and smaller(eyes="96") == (4, 96)
    with pytest.raises(UsageError, match=r"reach=64: .* the smallest ones here have 64 px"):
        smaller(reach="64")


@pytest.mark.parametrize(
    ("size", "changes", "side", "shift", "eyes"),
    [
        (64, {}, 64, 4, 128),
        (128, {}, 64, 4, 128),
        (128, {"train_size": "0"}, 128, 8, 160),
        (96, {}, 96, 6, 160),
        (256, {}, 64, 4, 128),
        (256, {"train_size": "0"}, 256, 16, 224),
        (256, {"train_size": "128", "shift": "3"}, 128, 3, 160),
        (256, {"from_size": "64"}, 256, 16, 224),
        (256, {"from_size": "64", "train_size": "128"}, 128, 8, 160),
    ],
)
def test_large_scans_are_made_by_a_translator_of_64_px(tmp_path, size, changes, side, shift, eyes):
    """Its other switches follow the side at which it is trained, and its commands ask for the same again."""
    study = open_or_create(tmp_path / "study", {"size": size, "k": 3}, phantoms=40)
    asked = {"fold": 0, "target": "malignant", "seed": 0, "preset": "quick"}
    config = configure(study, CPU, **asked, changes=changes)
    assert (config.size, config.side, config.shift, config.eyes) == (size, side, shift, eyes)
    assert config.init == "phantoms-1"
    assert changes_of(config) == changes
    assert configure(study, CPU, **asked, changes=changes_of(config)) == config
    assert from_json(json.loads(json.dumps(config.json))) == config


def test_the_side_of_training_is_a_half_or_a_quarter_of_64_px_or_more():
    sides = {32: 0, 64: 0, 96: 0, 128: 64, 131: 0, 150: 0, 192: 96, 224: 112, 256: 64, 512: 64}
    assert {size: usual_train_size(size) for size in sides} == sides


def test_paper_counts_epochs_and_takes_the_published_architecture(study):
    config = configure(study, CPU, fold=0, target="malignant", seed=0, preset="paper")
    sources = study.rows_of(study.train(0), ["benign", "normal"])
    assert config.pairs == 200 * len(sources)
    assert (config.batch, config.channels, config.blocks, config.upsampling) == (1, 64, 6, "transposed")


def test_a_class_without_phantoms_trains_without_the_warm_start(study, monkeypatch, said):
    """Preset quick of the default method begins on phantoms, which are benign and malignant."""
    monkeypatch.setattr(train, "PHANTOM_PAIRS", 4)

    def asked(target, **options):
        return configure(study, CPU, fold=0, target=target, seed=0, preset="quick", **options)

    warm, cold = asked("malignant"), asked("normal")
    assert (warm.phantoms, cold.phantoms) == (METHODS[METHOD].phantoms, 0)
    assert options(warm, study) == options(cold, study) == "--preset quick", "the commands reproduce either"
    assert set(train._pools(study, warm)) == {"source", "target", "source phantom", "target phantom"}
    assert set(train._pools(study, cold)) == {"source", "target"}
    assert any("No warm start" in text for text in said)
    assert asked("normal", changes={"phantoms": "0"}) == cold
    with pytest.raises(UsageError, match=r"--set phantoms=0\.2.*none of normal"):
        asked("normal", changes={"phantoms": "0.2"})
    with pytest.raises(UsageError, match=r"none of normal.*--redo"):
        train._pools(study, replace(cold, phantoms=0.15))


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"preset": "quick"}, "--preset quick"),
        ({"preset": "quick", "sources": ("benign",)}, "--preset quick --from benign"),
        (
            {"preset": "demo", "pairs": 12, "method": "published"},
            "--preset demo --method published --pairs 12",
        ),
        ({"preset": "paper"}, "--preset paper"),
        ({"preset": "paper", "pairs": 12}, "--preset paper --pairs 12"),
        (
            {"preset": "paper", "sources": ("normal",), "changes": {"batch": "2"}},
            "--preset paper --from normal --set batch=2",
        ),
        (
            {"preset": "quick", "target": "normal", "changes": {"reach": "3", "augmentation": "false"}},
            "--preset quick --set augmentation=false --set reach=3",
        ),
        (
            {"preset": "quick", "changes": {"upsampling": "nearest"}},
            "--preset quick --set upsampling=nearest",
        ),
        (
            {"preset": "quick", "method": "projected", "changes": {"noise": "8"}},
            "--preset quick --method projected --set noise=8",
        ),
    ],
)
def test_the_options_of_a_configuration_ask_for_it_again(study, wish, words):
    given = {"fold": 0, "target": "malignant", "seed": 0, **wish}
    config = configure(study, CPU, **given)
    assert options(config, study) == words
    typed = shlex.split(words)
    pairs = list(zip(typed[::2], typed[1::2], strict=True))
    found = {name.removeprefix("--"): text for name, text in pairs if name != "--set"}
    assert config == configure(
        study,
        CPU,
        fold=0,
        target=given["target"],
        seed=0,
        preset=found["preset"],
        method=found.get("method"),
        pairs=int(found["pairs"]) if "pairs" in found else None,
        sources=found["from"].split(",") if "from" in found else None,
        changes=dict(text.split("=") for name, text in pairs if name == "--set"),
    )


def test_a_class_is_known_however_it_is_composed_and_refused_by_the_option_that_named_it(study):
    study.classes = ["악성", "양성"]
    assert check_target(study, unicodedata.normalize("NFD", "악성")) == "악성"
    with pytest.raises(UsageError, match="--class 악셩: the study's classes are 악성, 양성"):
        check_target(study, "악셩", "--class")
