"""Another generator's scans: used unverified, and refused where they are test scans."""

import os
from dataclasses import astuple, replace

import numpy as np
import pytest
from bus.benchmark import foreign
from bus.benchmark.arms import Arm
from bus.benchmark.audit import audit
from bus.benchmark.cells import cells_of, needed
from bus.benchmark.examples import examples
from bus.benchmark.request import Request
from bus.core import files
from bus.core.errors import BusError, UsageError
from bus.data.pictures import synthetic_png
from bus.gan.manifest import COLUMNS, SyntheticSet, TranslatedScan, write_translated


def test_another_generators_scans_are_used_unverified_but_never_test_scans(study, tmp_path):
    folder = tmp_path / "others"
    number = needed(study, 0, "malignant")
    rng = np.random.default_rng(0)
    made = rng.integers(0, 255, (number, 32, 32), dtype=np.uint8)
    for place, square in enumerate(made):
        files.write_bytes(folder / f"{place:03}.png", synthetic_png(square))
    wish = Request((0,), (Arm("original"), Arm("unverified")), ("simplecnn",), preset="demo", folder=folder)
    checks = audit(study, 0, wish)
    assert "unverified" in checks[-1].name and checks[-1].count == number
    cell = cells_of(study, wish)[1]
    found = examples(study, cell)
    assert (found.pixels[len(study.train(0)) :] == made).all() and "folder" not in cell.config
    assert (found.labels[len(study.train(0)) :] == study.classes.index("malignant")).all()
    files.write_bytes(folder / "000.png", synthetic_png(study.pixels[study.test(0)[0]]))
    assert cells_of(study, wish)[1].path != cell.path
    with pytest.raises(BusError, match=r"no scan of others looks like a test scan .*000.png like"):
        audit(study, 0, wish)
    (folder / "001.png").unlink()
    with pytest.raises(UsageError, match=f"holds {number - 1} scans; {number} are needed"):
        cells_of(study, wish)


@pytest.mark.parametrize("change", ["gamma", "mirrored", "moved"])
def test_copies_of_test_scans_are_no_synthetic_ones(study, tmp_path, change):
    """A folder that holds the fold's own test scans, changed a little; each of them is found."""
    for row in study.test(0):
        square = study.pixels[row]
        changed = {
            "gamma": np.round(255 * (square / 255) ** 0.98).astype(np.uint8),
            "mirrored": np.ascontiguousarray(square[:, ::-1]),
            "moved": np.roll(square, 1, axis=1),
        }[change]
        files.write_bytes(tmp_path / "others" / f"{row}.png", synthetic_png(changed))
    found = foreign.copies(study, tmp_path / "others", len(study.test(0)), 0)
    own = {(f"{row}.png", study.scans[row].file) for row in study.test(0)}
    assert own <= set(found)
    request = Request((0,), (Arm("unverified"),), ("simplecnn",), folder=tmp_path / "others")
    assert needed(study, 0, "malignant") <= len(own), "or the audit would refuse too few scans"
    with pytest.raises(BusError, match="looks like a test scan"):
        audit(study, 0, request)


def test_a_manifest_among_another_generators_scans_is_believed(study, tmp_path):
    """The scans of fold 1's generator, given by hand to fold 0: it saw fold 0's test scans."""
    folder = SyntheticSet(study, 1, "malignant", 0).folder
    number = len(SyntheticSet(study, 1, "malignant", 0).rows)
    told = foreign.told(study, folder, number, 0)
    assert told.count == len(told.leaking) == number and told.elsewhere == 0
    own = foreign.told(study, SyntheticSet(study, 0, "malignant", 0).folder, 3, 0)
    assert (own.count, own.leaking, own.elsewhere) == (3, [], 0)
    request = Request((0,), (Arm("unverified"),), ("simplecnn",), folder=folder)
    with pytest.raises(BusError, match=r"a generator that translated a test scan|looks like"):
        audit(study, 0, request)


@pytest.mark.parametrize("source", ["tested", "other data"])
def test_a_fold_of_the_same_number_of_another_split_is_told_by_any_of_its_rows(study, tmp_path, source):
    """A manifest that says fold 0 as this one's does; only its last row, whose scan is not used, tells."""
    made = SyntheticSet(study, 0, "malignant", 0)
    rows, folder, number = made.rows, tmp_path / "others", needed(study, 0, "malignant")
    for row in rows[:number]:
        files.write_bytes(folder / row.file, synthetic_png(made.pixels([row])[0]))
    hidden = {"tested": study.scans[study.test(0)[0]].sha256, "other data": "f" * 64}[source]
    last = replace(rows[-1], file="not copied.png", source_sha256=hidden)
    listed = [
        replace(row, source_sha256="f" * 64) if source == "other data" else row for row in rows[:number]
    ]
    files.write_csv(folder / "manifest.csv", COLUMNS, (astuple(row) for row in (*listed, last)))
    request = Request((0,), (Arm("unverified"),), ("simplecnn",), folder=folder)
    if source == "tested":
        with pytest.raises(BusError, match=f"translated a test scan.*{rows[0].file}"):
            audit(study, 0, request)
    else:
        (check,) = [check for check in audit(study, 0, request) if "of another fold" in check.name]
        assert f"({number} of the scans come from other data" in check.name and check.ok


def test_translations_are_taken_and_tell_of_their_sources(study, tmp_path):
    """What `bus translate` wrote has a manifest of its own; that of another program says nothing to us."""
    folder, number = tmp_path / "translated", needed(study, 0, "malignant")
    rng = np.random.default_rng(0)
    rows = []
    for place, square in enumerate(rng.integers(0, 255, (number, 32, 32), dtype=np.uint8)):
        name = f"{place:03}.png"
        files.write_bytes(folder / name, synthetic_png(square))
        rows.append(TranslatedScan(name, "", "a.png", "ab" * 32, "", "malignant", f"{place % 2}" * 64))
    write_translated(folder, rows)
    told = foreign.told(study, folder, number, 0)
    assert (told.count, told.leaking, told.elsewhere) == (number, [], number)
    source = study.scans[study.test(0)[0]].sha256
    write_translated(folder, [*rows[:-1], replace(rows[-1], source_sha256=source, in_study="test")])
    os.utime(folder / "000.png")  # read again
    generator = rows[-1].generator_sha256
    leaking = [row.file for row in rows if row.generator_sha256 == generator]
    assert foreign.told(study, folder, number, 0).leaking == leaking
    (folder / "manifest.csv").write_text("image,prompt\n000.png,a tumour\n")
    assert foreign.told(study, folder, number, 0).count == 0
    (folder / "manifest.csv").write_text("file,generator_sha256\n")
    assert foreign.told(study, folder, number, 0).count == 0, "a header alone"
    (folder / "manifest.csv").write_text("file,generator_sha256\n000.png,ab\n")
    with pytest.raises(BusError, match=r"source_sha256.* is missing"):
        foreign.told(study, folder, number, 0)
