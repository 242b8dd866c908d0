"""The study as a user of Python meets it, beside the files that the commands wrote."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import bus
import numpy as np
import pytest
from bus.benchmark import pipeline
from bus.core.files import read_csv
from bus.data import study as studies


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, time; begun = time.perf_counter(); import bus; spent = time.perf_counter() - begun; "
        "assert dir(bus) and bus.__version__; "
        "heavy = {'torch', 'numpy', 'pandas', 'typer', 'rich'} & set(sys.modules); assert not heavy, heavy; "
        "assert spent < 0.1, spent"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_can_be_used_and_others_are_refused() -> None:
    assert {name for name in dir(bus) if not hasattr(bus, name)} == set()
    with pytest.raises(AttributeError, match="train_gan"):
        _ = bus.train_gan


def test_a_study_lists_its_scans_as_its_table_has_them(tiny_study: Path) -> None:
    study = bus.study(tiny_study)
    rows = read_csv(tiny_study / "cohort.csv")
    scans = study.scans()
    assert scans["sha256"].tolist() == [row["sha256"] for row in rows]
    assert scans["fold"].notna().tolist() == [row["fold"] != "" for row in rows]
    assert study.pixels.shape == (len(scans), 32, 32) and study.pixels.dtype == np.uint8
    assert "Simulated phantoms" in study._repr_html_() and str(tiny_study) in repr(study)


def test_other_options_than_the_studys_are_refused(tiny_study: Path) -> None:
    with pytest.raises(bus.UsageError, match="frozen"):
        bus.study(tiny_study, size=64)
    assert bus.study(tiny_study, size=32, k=3).classes == ["benign", "malignant", "normal"]


def test_a_part_of_a_fold_holds_the_folds_scans(tiny_study: Path) -> None:
    study, opened = bus.study(tiny_study), studies.Study.open(tiny_study)
    test = study.dataset(fold=1, part="test", arm="oversampled")
    assert np.array_equal(test.pixels, opened.pixels[opened.test(1)]) and test.real == len(test)
    groups = study.scans()["group"]
    train = study.dataset(fold=1)
    assert len(train) + len(test) == len(opened.used())
    assert not set(groups[opened.test(1)]) & set(groups[opened.train(1)])
    with pytest.raises(bus.UsageError, match="folds are 0 to 2"):
        study.dataset(fold=3)


def test_an_arm_adds_what_balance_needs(tiny_study: Path, finished_study: Path) -> None:
    for arm, path in (("oversampled", tiny_study), ("cyclegan", finished_study)):
        balanced = bus.study(path).dataset(fold=0, arm=arm)
        assert balanced.counts["malignant"] == max(balanced.counts.values()) and balanced.real < len(balanced)
    with pytest.raises(bus.BusError, match=r"synthetic malignant scans.*Run bus gan train and bus synth"):
        bus.study(tiny_study).dataset(fold=0, arm="cyclegan")


@pytest.mark.parametrize(
    ("call", "options", "words"),
    [
        ("train_translator", {"presett": "demo"}, "no such option.*Did you mean preset"),
        ("train_translator", {"pairs": 0}, "pairs=0: expected 1 or more"),
        ("train_translator", {"sources": ()}, "sources=.*expected one name"),
        ("train_translator", {"fold": 9}, "fold=9: the study's folds are 0 to 2"),
        ("train_translator", {"preset": "fast"}, "--preset fast is unknown"),
        ("translator", {"fold": "all"}, "fold='all': the study's folds are 0 to 2"),
        ("dataset", {"arm": "original,oversampled"}, "a data set is of one arm"),
        ("benchmark", {"fold": 1}, "no such option.*Did you mean folds"),
        ("benchmark", {"recipe": {"batch": 8}}, "no such option"),
        ("benchmark", {"set": ["batch=8"]}, "no such option"),
        ("benchmark", {"plan": "ways"}, "no such option"),
        ("benchmark", {"no_report": True}, "no such option"),
        ("benchmark", {"folds": [9]}, "fold=9: the study's folds are 0 to 2"),
        ("benchmark", {"folds": "0,2"}, "expected numbers, such as"),
        ("benchmark", {"folds": []}, "expected numbers, such as"),
        ("benchmark", {"models": ""}, "models='': expected one name"),
        ("benchmark", {"models": "simplecn"}, "Did you mean simplecnn"),
        ("benchmark", {"balance": "malignent"}, "balance='malignent'.*Did you mean malignant"),
        ("benchmark", {"synthetic": "nowhere"}, "synthetic='nowhere': there is no such folder"),
        ("benchmark", {"external_alike": "drop"}, "does nothing without external"),
        ("benchmark", {"dose": "much"}, "expected numbers above 0"),
        ("benchmark", {"preset": "fast"}, "--preset fast is unknown"),
        ("benchmark", {"jobs": 0}, "jobs=0: expected 1 or more"),
    ],
)
def test_what_would_do_nothing_or_something_else_is_refused(
    tiny_study: Path, monkeypatch: pytest.MonkeyPatch, call: str, options: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(pipeline, "benchmark", lambda *asked: pytest.fail("the work begins"))
    with pytest.raises(bus.UsageError, match=words):
        getattr(bus.study(tiny_study), call)(**options)


def test_an_option_that_no_study_has_is_refused_before_one_is_made(tmp_path: Path) -> None:
    options: dict[str, Any] = {"sise": 32}
    with pytest.raises(bus.UsageError, match=r"bus\.study has no such option.*Did you mean size"):
        bus.study(tmp_path / "study", **options)
    assert not (tmp_path / "study").exists()


def test_names_folds_and_doses_are_taken_as_the_commands_take_them(
    tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def keep(study: Any, request: Any) -> None:
        asked.append(request)
        raise bus.BusError("enough")

    monkeypatch.setattr(pipeline, "benchmark", keep)
    ways: tuple[dict[str, Any], ...] = (
        {"models": "simplecnn", "arms": "original,cyclegan", "balance": "malignant", "folds": "all"},
        {
            "models": ["simplecnn"],
            "arms": ["original", "cyclegan"],
            "balance": ["malignant"],
            "folds": [2, 0, 1],
        },
    )
    for options in (*ways, {"synthetic": tmp_path, "dose": 0.5, "folds": 1}):
        with pytest.raises(bus.BusError, match="enough"):
            bus.study(tiny_study).benchmark(**options)
    text, listed, theirs = asked
    assert (
        replace(text, command="") == replace(listed, command="")
        and text.models == ("simplecnn",)
        and text.folds == (0, 1, 2)
    )
    assert text.balance == ("malignant",) and [str(arm) for arm in text.arms] == ["original", "cyclegan"]
    assert "unverified@0.5" in map(str, theirs.arms) and theirs.folder == tmp_path and theirs.folds == (1,)


def test_a_translator_of_a_fold_that_there_is_not_trains_on_nothing(tiny_study: Path, tmp_path: Path) -> None:
    study = bus.study(Path(shutil.copytree(tiny_study, tmp_path / "study")))
    with pytest.raises(bus.UsageError, match="fold=-1"):
        study.train_translator(fold=-1)
    assert not list((tmp_path / "study").glob("fold-*"))
    with pytest.raises(bus.UsageError, match="n=0: expected 1 or more"):
        study.translator(fold=None).synthesise(0)
