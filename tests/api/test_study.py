"""The study as a user of Python meets it, beside the files that the commands wrote."""

import subprocess
import sys
from pathlib import Path

import bus
import numpy as np
import pytest
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
    with pytest.raises(bus.BusError, match="synthetic malignant scans"):
        bus.study(tiny_study).dataset(fold=0, arm="cyclegan")
