"""A set of synthetic scans: its rows, and what is refused."""

import shutil

import pytest
from bus.core.compute import Compute
from bus.core.errors import BusError
from bus.data.study import Study
from bus.gan.manifest import COLUMNS, SyntheticSet
from bus.gan.synth import synthesise
from bus.gan.translator import Translator


@pytest.fixture
def scans(study, tmp_path):
    shutil.copytree(study.path, tmp_path / "study")
    translator = Translator(Study.open(tmp_path / "study"), 0, "malignant", 0)
    synthesise(translator, Compute("cpu", "float32", 1), count=3)
    return translator.scans


def test_what_is_written_is_read(scans):
    rows = scans.rows
    scans.write_rows(rows[:2])
    assert scans.rows == rows[:2]
    assert [(known.fold, known.label, known.seed) for known in SyntheticSet.all_of(scans.study)] == [
        (0, "malignant", 0)
    ]
    assert SyntheticSet(scans.study, 1, "malignant", 0).rows == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("index", "-1"),
        ("index", "1" * 5000),
        ("seed", "x"),
        ("fold", "1.5"),
        ("file", ""),
        ("file", "../a.png"),
    ],
)
def test_a_manifest_with_impossible_values_is_refused(scans, column, value):
    cells = [vars(row) | {"fold": row.fold} for row in scans.rows]
    cells[1][column] = value
    lines = [",".join(COLUMNS), *(",".join(f'"{row[name]}"' for name in COLUMNS) for row in cells)]
    (scans.folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(BusError, match=r"manifest\.csv is damaged"):
        scans.rows  # noqa: B018


@pytest.mark.parametrize("value", ["2", "-0.1", "NaN", "1e999", '"x"', "[]", "1" * 401])
def test_a_filter_that_no_set_has_is_refused(scans, value):
    (scans.folder / "filter.json").write_text(f'{{"confidence": {value}}}')
    with pytest.raises(BusError, match=r"filter\.json"):
        scans.confidence  # noqa: B018


def test_a_picture_outside_the_folder_is_not_shown(scans):
    shutil.copy(scans.folder / scans.rows[0].file, scans.study.path / "private.png")
    assert scans.picture(scans.rows[0].file).shape == (32, 32)
    for file in (str(scans.study.path / "private.png"), "../../../../private.png", "none.png", "", "a\0b"):
        assert scans.picture(file) is None
