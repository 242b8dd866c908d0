"""What is asked of a benchmark, and what a study remembers of it."""

import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bus.benchmark import request
from bus.benchmark.arms import Arm
from bus.benchmark.request import LAST, Request, placeless
from bus.core.compute import Compute
from bus.core.errors import BusError

ASKED = Request(
    (0, 2),
    (Arm("original"), Arm("cyclegan", "normal", 0.5)),
    ("resnet18",),
    seeds=4,
    gan_seeds=2,
    recipe=(("batch", 16),),
    external="elsewhere",
    compute=Compute("cpu", "bfloat16", 1),
    jobs=3,
    command="bus benchmark …",
)


@pytest.fixture
def study(tmp_path: Path) -> Any:
    """A study as far as its last benchmark is concerned."""
    return SimpleNamespace(path=tmp_path, target="malignant")


def test_what_was_asked_is_recalled_without_how_it_was_computed(study: Any) -> None:
    with pytest.raises(BusError, match="holds no benchmark"):
        Request.recall(study)
    ASKED.remember(study)
    written = (study.path / LAST).stat().st_mtime_ns
    recalled = Request.recall(study)
    assert replace(recalled, command="", jobs=3) == replace(ASKED, command="")
    replace(ASKED, jobs=1, command="again").remember(study)
    assert (study.path / LAST).stat().st_mtime_ns == written, "the same again leaves the file alone"


def test_the_command_that_asks_again_quotes_every_word(study: Any) -> None:
    words = shlex.split(replace(ASKED, external="a folder; ls").typed(study))
    assert words[:4] == ["bus", "benchmark", "--study", str(study.path)]
    options = dict(zip(words[2::2], words[3::2], strict=False))
    assert options["--arms"] == "original,cyclegan:normal" and options["--dose"] == "0.5"
    assert options["--external"] == "a folder; ls" and options["--set"] == "batch=16"


def test_the_command_says_how_it_is_computed_where_this_machine_would_do_otherwise(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "resolve", lambda: Compute("cpu", "bfloat16", 8))
    assert "--device" not in ASKED.typed(study) and "--precision" not in ASKED.typed(study)
    for device, precision in (("cpu", "float32"), ("cuda", "bfloat16")):
        typed = replace(ASKED, compute=Compute(device, precision, 1)).typed(study)
        assert f"--device {device} --precision {precision}" in typed
    flags = replace(ASKED, keep_weights=True, recipe=(("augment", False),)).typed(study)
    assert flags.endswith("--set augment=false --keep-weights")


def test_the_seeds_of_a_classifier_take_translators_in_turn() -> None:
    assert [replace(ASKED, gan_seed=5).translator_of(seed) for seed in range(4)] == [5, 6, 5, 6]
    assert ASKED.raised(SimpleNamespace(target="malignant")) == ("malignant",)  # type: ignore[arg-type]


def test_a_damaged_memory_is_refused_by_name(study: Any) -> None:
    (study.path / LAST).write_text('{"wish": 3}')
    with pytest.raises(BusError, match=r"benchmark\.json does not hold what this version wrote"):
        Request.recall(study)


def test_a_command_is_told_without_whole_paths() -> None:
    typed = "bus benchmark --study /home/me/s --data '/a b/c' --dose 1 --init=/w.pt --external data/e"
    told = "bus benchmark --study STUDY --data DATA --dose 1 --init=INIT --external data/e"
    assert placeless(typed) == told and placeless(told) == told
