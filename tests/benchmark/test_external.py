"""The external test: which scans count, how answers are scaled, and that every cell gives them."""

import shutil
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
from bus.benchmark import external, pipeline, run
from bus.benchmark.arms import Arm
from bus.benchmark.cell import WEIGHTS, external_file
from bus.benchmark.cells import STEPS, cells_of
from bus.benchmark.external import External
from bus.benchmark.request import Request
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.data import phantom
from bus.data.study import Study, open_or_create

CPU = Compute("cpu", "float32", 1)


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


def short_cells(study, *kinds):
    wish = Request((0,), tuple(map(Arm, kinds)), ("simplecnn",), preset="demo")
    return [replace(cell, recipe=replace(cell.recipe, steps=1)) for cell in cells_of(study, wish)]


def test_scans_without_a_lesion_are_left_out_and_counted(study, elsewhere):
    found = external.read(str(elsewhere), study)
    assert {row["label"] for row in found.rows} == {"benign", "malignant"}
    normal = len(list((elsewhere / "normal").glob("normal (*).png")))
    assert found.left_out == {
        "normal": sum("mask" not in path.name for path in (elsewhere / "normal").iterdir())
    }
    assert len(found.rows) + found.left_out["normal"] == 30 and normal
    assert found.pixels.shape == (len(found.rows), 32, 32)
    assert external.read(str(elsewhere), study).rows == found.rows, "the same again"


@pytest.mark.long
def test_real_scans_of_other_hospitals_are_read_by_patient(study, datasets):
    """Their classes and patients alone: what classifiers make of them is looked at in the final study
    only."""
    found = external.read(str(datasets / "breast-lesions-usg"), study)
    assert Counter(row["label"] for row in found.rows) == {
        "benign": 154,
        "malignant": 98,
    } and found.left_out == {"normal": 4}
    assert len({row["group"] for row in found.rows}) == 252 and found.groups == "given with the data"
    assert found.pixels.shape == (252, 32, 32) and found.pixels.std(axis=(1, 2)).min() > 1


@pytest.mark.long
def test_the_studys_own_scans_are_refused(tmp_path):
    phantom.write_cohort(tmp_path / "cohort", 60, size=48)
    study = open_or_create(tmp_path / "study", {"data": str(tmp_path / "cohort"), "size": 32, "k": 3})
    with pytest.raises(BusError, match="the study's own"):
        external.read(str(tmp_path / "cohort"), study)
    with pytest.raises(UsageError, match="no test from elsewhere"):
        external.read("phantom", study)


CHANGES = {
    "JPEG": lambda grey: cv2.imdecode(
        cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 92])[1], cv2.IMREAD_GRAYSCALE
    ),
    "smaller": lambda grey: cv2.resize(grey, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA),
    "mirrored": lambda grey: np.ascontiguousarray(grey[:, ::-1]),
}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A study of a cohort on the disk."""
    folder = tmp_path_factory.mktemp("own")
    phantom.write_cohort(folder / "cohort", 60, size=96)
    options = {"data": str(folder / "cohort"), "size": 64, "k": 3}
    return folder / "cohort", open_or_create(folder / "study", options)


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
def test_copies_of_the_studys_scans_are_refused_or_left_out_and_counted(own, tmp_path, change):
    cohort, study = own
    phantom.write_cohort(tmp_path / "set", 30, seed=9, size=96, scanner="linear-7")
    apart = external.read(str(tmp_path / "set"), study)
    assert apart.alike == 0
    (tmp_path / "set" / "labels.csv").unlink()
    copied = [path for path in sorted(cohort.glob("*/*.png")) if "mask" not in path.name][::2]
    copied = [path for path in copied if path.parent.name != "normal"]
    for path in copied:
        changed = CHANGES[change](cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        cv2.imwrite(str(tmp_path / "set" / path.parent.name / f"copy of {path.name}"), changed)
    with pytest.raises(BusError, match=r"--external-alike drop") as error:
        external.read(str(tmp_path / "set"), study)
    assert f"{len(copied)} of {len(copied) + len(apart.rows)} scans" in str(error.value)
    request = Request((0,), external=str(tmp_path / "set"), external_alike="drop")
    left = pipeline.read_external(study, request)
    assert left.alike == len(copied)
    assert {row["sha256"] for row in left.rows} == {row["sha256"] for row in apart.rows}
    assert External.open(left.folder) == left


def test_another_choice_than_refuse_or_drop_is_a_slip(own):
    with pytest.raises(UsageError, match="choose refuse or drop"):
        external.read(str(own[0]), own[1], alike="keep")


def test_classes_spelt_otherwise_are_the_studys(study, elsewhere, tmp_path):
    shutil.copytree(elsewhere, tmp_path / "other")
    table = tmp_path / "other" / "labels.csv"
    for old, new in (("benign", "Benign "), ("malignant", "MALIGNANT")):
        table.write_text(table.read_text().replace(f",{old},", f",{new},"))
    found, same = (external.read(str(folder), study) for folder in (tmp_path / "other", elsewhere))
    assert found.rows == same.rows and found.left_out == same.left_out
    assert external.foresee(str(tmp_path / "other"), study).endswith("of other classes.")


def test_what_is_left_out_of_an_external_set_is_said(study, elsewhere, tmp_path, said):
    shutil.copytree(elsewhere, tmp_path / "other")
    (tmp_path / "other" / "malignant" / "more.npz").write_bytes(b"x")
    external.read(str(tmp_path / "other"), study)
    assert any("Array files" in line and "more.npz" in line and "other:" in line for line in said)
    with pytest.raises(UsageError, match="no test from elsewhere"):
        external.foresee("phantom", study)


def test_a_dry_run_refuses_what_the_run_would(study, tmp_path, run_bus):
    from PIL import Image

    for label in ("cyst", "malignant"):
        (tmp_path / "set" / label).mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 256, (20, 24), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "set" / label / "1.png")
    code, said = run_bus(
        "benchmark", "--study", study.path, "--preset", "demo", "--arms", "original",
        "--external", tmp_path / "set", "--dry-run",
    )  # fmt: skip
    assert code == 1 and "holds the classes cyst, malignant; malignant and at least one more" in said


def test_a_set_without_the_target_is_refused(study, elsewhere, tmp_path):
    shutil.copytree(elsewhere, tmp_path / "part")
    shutil.rmtree(tmp_path / "part" / "malignant")
    (tmp_path / "part" / "labels.csv").unlink()
    with pytest.raises(BusError, match="malignant and at least one more"):
        external.read(str(tmp_path / "part"), study)


def test_cells_answer_when_trained_and_later_from_kept_weights(study, elsewhere):
    """Kept weights give the answers that training gave; without weights the cell is trained again, to the
    same answers."""
    found = external.read(str(elsewhere), study)
    (cell,) = short_cells(study, "original")
    run.run_cell(study.path, cell, 1, keep_weights=True)
    assert run.missing([cell], False) == [] and run.missing([cell], False, found) == [cell]
    trained = (cell.path / "predictions.csv").stat().st_mtime_ns
    run.run_cell(study.path, cell, 1, keep_weights=False, external=found.folder)
    assert (cell.path / "predictions.csv").stat().st_mtime_ns == trained
    late = (cell.path / external_file(found.sha256)).read_text()
    shutil.rmtree(cell.path)
    run.run_cell(study.path, cell, 1, keep_weights=False, external=found.folder)
    assert (cell.path / external_file(found.sha256)).read_text() == late
    assert run.missing([cell], False, found) == []
    (cell.path / external_file(found.sha256)).write_text(late.replace("malignant", "benign", 1))
    assert run.missing([cell], False, found) == [cell], "edited answers do not count"
    run.run_cell(study.path, cell, 1, keep_weights=True, external=found.folder)
    (cell.path / external_file(found.sha256)).unlink()
    (cell.path / WEIGHTS).write_bytes((cell.path / WEIGHTS).read_bytes()[:-4] + b"0000")
    with pytest.raises(BusError, match="was changed since it was written"):
        run.run_cell(study.path, cell, 1, keep_weights=False, external=found.folder)


def test_answers_are_shared_among_the_kinds_of_lesion_alone(study, elsewhere):
    """What a network gives to normal, which no external scan is, goes to the others in their proportion."""
    found = external.read(str(elsewhere), study)
    (cell,) = short_cells(study, "original")
    assert study.classes == ["benign", "malignant", "normal"]
    cell.write_external(found.answered(study.classes, np.tile([0.40, 0.35, 0.25], (len(found.rows), 1))))
    assert external.answers(found, study, cell) == pytest.approx(
        np.tile([0.40 / 0.75, 0.35 / 0.75], (len(found.rows), 1))
    )


@pytest.mark.long
def test_a_benchmark_reports_the_external_test(study, elsewhere, in_process, monkeypatch):
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    wish = Request((0,), (Arm("original"),), ("simplecnn",), preset="demo", recipe=(("batch", 2),))
    page = pipeline.benchmark(study, wish)
    assert "External test</h2>" not in page.read_text()
    page = pipeline.benchmark(study, replace(wish, external=str(elsewhere)))
    text = page.read_text()
    assert "External test</h2>" in text and "Left out" in text
    assert "## External test" in page.with_name("report.md").read_text()
    assert "below the yardstick" in text and "yardstick</th>" in text
