"""Studies: frozen when created, found again by content, refused when contradicted."""

import json
import shutil

import cv2
import numpy as np
import pytest
from bus.benchmark.results.untouched import development_scans
from bus.core import files
from bus.core.errors import BusError, UsageError
from bus.data import creation, phantom
from bus.data.check import check
from bus.data.store import UNKNOWN, letterbox_mask
from bus.data.study import Study, open_or_create


def write_scans(folder, names=("benign", "malignant"), count=6, seed=0):
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            coarse = rng.integers(0, 255, (6, 8)).astype(np.uint8)
            cv2.imwrite(str(folder / name / f"{name} ({number}).png"), cv2.resize(coarse, (80, 60)))
    return folder


def test_a_study_is_opened_as_it_was_created(tiny_study):
    study = Study.open(tiny_study)
    assert study.classes == ["benign", "malignant", "normal"]
    assert len(study.scans) == len(study.pixels) == 60
    assert sorted(study.train(1) + study.test(1)) == study.used()
    assert not {study.groups[row] for row in study.train(1)} & {study.groups[row] for row in study.test(1)}
    assert "phantoms" in study.settings.banners[0]


def test_the_same_options_again_are_fine_and_others_refused(tiny_study):
    open_or_create(tiny_study, {"data": "phantom", "size": 32})
    with pytest.raises(UsageError, match=r"--size 64 \(the study has 32\).*another --study"):
        open_or_create(tiny_study, {"size": 64})
    with pytest.raises(UsageError, match="made from other scans"):
        open_or_create(tiny_study, {"data": str(tiny_study.parent)})


def test_data_are_recognised_by_content_not_by_path(tmp_path):
    first = write_scans(tmp_path / "first")
    options = {"size": 32, "k": 2}
    study = open_or_create(tmp_path / "study", {"data": str(first), **options})
    moved = tmp_path / "Größe 초음파"
    shutil.copytree(first, moved)
    again = open_or_create(tmp_path / "study", {"data": str(moved)})
    assert again.settings == study.settings
    other = write_scans(tmp_path / "other", seed=1)
    with pytest.raises(UsageError, match="made from other scans"):
        open_or_create(tmp_path / "study", {"data": str(other)})


def test_a_folder_called_phantom_is_no_simulation(tmp_path, monkeypatch):
    """What was chosen decides, not what a folder is called."""
    monkeypatch.chdir(tmp_path)
    scans = str(write_scans(tmp_path / "phantom"))
    study = open_or_create(tmp_path / "study", {"data": scans, "size": 32, "k": 2})
    assert study.settings.data.name == "phantom" and not study.settings.data.simulated
    assert study.settings.data.group_sources == ("detected",)
    assert [item.kind for item in study.settings.cautions] == ["no group known"]
    assert open_or_create(tmp_path / "study", {"data": "./phantom"}).settings == study.settings
    with pytest.raises(UsageError, match="made from other scans"):
        open_or_create(tmp_path / "study", {"data": "phantom"})


def test_the_built_in_cohort_is_no_folder_called_phantom(tiny_study, tmp_path):
    assert Study.open(tiny_study).settings.data.simulated
    with pytest.raises(UsageError, match="made from other scans"):
        open_or_create(tiny_study, {"data": str(write_scans(tmp_path / "phantom"))})


def test_a_seed_below_zero_is_refused_before_scans_are_read(tmp_path):
    with pytest.raises(UsageError, match="--seed -1: expected 0 or more"):
        open_or_create(tmp_path / "study", {"data": str(tmp_path / "nothing"), "seed": -1})


def test_names_and_order_of_files_change_no_fold(tmp_path):
    first = write_scans(tmp_path / "first")
    second = tmp_path / "second"
    for path in first.rglob("*.png"):
        place = second / path.parent.name / f"{abs(hash(path.stem)) % 997}-{path.stem[::-1]}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    folds = []
    for folder in (first, second):
        study = open_or_create(
            tmp_path / f"study of {folder.name}", {"data": str(folder), "size": 32, "k": 2}
        )
        folds.append([(scan.sha256, scan.fold) for scan in study.scans])
    assert folds[0] == folds[1]


def test_scans_without_known_groups_carry_a_banner(tmp_path):
    study = open_or_create(
        tmp_path / "study", {"data": str(write_scans(tmp_path / "scans")), "size": 32, "k": 2}
    )
    assert study.settings.data.groups == "detected"
    assert "Scans without a known group: 12 of 12." in study.settings.banners[0]


def test_the_side_of_a_study_changes_no_group(tmp_path):
    """The detector reads scans at their native size, whatever side the study's squares have."""
    phantom.write_cohort(tmp_path / "data", 40, size=96)
    for table in ("labels.csv", "parameters.csv"):
        (tmp_path / "data" / table).unlink()
    studies = [
        open_or_create(tmp_path / str(size), {"data": str(tmp_path / "data"), "size": size, "k": 2})
        for size in (32, 64, 128)
    ]
    first, *others = ({scan.file: scan.group for scan in study.scans} for study in studies)
    assert all(groups == first for groups in others) and len(set(first.values())) < 40


def test_a_missing_target_names_the_classes(tmp_path):
    scans = write_scans(tmp_path / "scans", names=("cyst", "mass"))
    with pytest.raises(UsageError, match="classes cyst, mass"):
        open_or_create(tmp_path / "study", {"data": str(scans), "size": 32, "k": 2})
    assert not (tmp_path / "study").exists()


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="other things in it"):
        open_or_create(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_study_is_named(tiny_study, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(tiny_study, copy)
    (copy / "study.json").write_text("{")
    with pytest.raises(BusError, match=r"study\.json could not be read"):
        Study.open(copy)
    settings = json.loads((tiny_study / "study.json").read_text())
    files.write_json(copy / "study.json", {**settings, "surprise": 1})
    with pytest.raises(BusError, match="damaged"):
        Study.open(copy)


def test_an_inner_study_never_sees_the_outer_test_scans(tmp_path):
    options = {"size": 32, "k": 3}
    scans = str(write_scans(tmp_path / "scans", count=20))
    outer = open_or_create(tmp_path / "outer", {**options, "data": scans})
    inner = open_or_create(tmp_path / "inner", {**options, "data": scans, "inner": 0})
    locked = {outer.scans[row].sha256 for row in outer.test(0)}
    assert locked
    assert not locked & {inner.scans[row].sha256 for row in inner.used()}
    assert {inner.scans[row].sha256 for row in inner.used()} == {
        outer.scans[row].sha256 for row in outer.train(0)
    }
    reasons = {scan.why for scan in inner.scans if scan.sha256 in locked}
    assert reasons == {"test scans of outer fold 0 are locked away (--inner)"}


def test_contradicting_labels_leave_the_clean_cohort_with_a_reason(busi_study):
    study = busi_study
    out = {scan.file: scan.why for scan in study.scans if scan.left_out}
    assert len(out) == 20
    assert "benign, malignant" in out["benign/benign (433).png"]
    assert study.settings.data.groups == "list"
    assert study.settings.banners == ()
    assert len(study.used()) == 760 and len({study.groups[row] for row in study.used()}) == 567
    trained = {(study.scans[row].sha256, study.scans[row].label) for row in study.train(0)}
    assert trained == development_scans(), "fold 0 is what it is from the list alone"


def test_a_class_that_contradictions_take_away_is_refused_before_a_folder_is_made(tmp_path):
    scans = write_scans(tmp_path / "scans", names=("benign", "malignant", "normal"))
    for number in range(6):
        shutil.copy(scans / f"normal/normal ({number}).png", scans / f"benign/n{number}.png")
    with pytest.raises(BusError, match=r"No scan of normal .* cohort clean.*--cohort raw"):
        open_or_create(tmp_path / "study", {"data": str(scans), "size": 32, "k": 2})
    assert not (tmp_path / "study").exists()
    raw = open_or_create(tmp_path / "study", {"data": str(scans), "size": 32, "k": 2, "cohort": "raw"})
    assert raw.classes == ["benign", "malignant", "normal"]


def with_folds(folder, fold_of):
    """A table of scans whose column fold holds what `fold_of` says of a class and a number."""
    rows = [(name, number) for name in ("benign", "malignant") for number in range(6)]
    text = [f"{name}/{name} ({number}).png,{name},{fold_of(name, number)}" for name, number in rows]
    (folder / "labels.csv").write_text("\n".join(["file,label,fold", *text]) + "\n")
    return str(folder)


def test_a_k_that_contradicts_given_folds_is_refused_at_once(tmp_path, monkeypatch):
    data = with_folds(write_scans(tmp_path / "scans"), lambda name, number: number % 3)
    options = {"data": data, "size": 32}

    monkeypatch.setattr(creation, "read_listing", lambda *given, **how: pytest.fail("scans were read"))
    with pytest.raises(UsageError, match=r"--k 5: the column fold .* holds 3 folds.*Leave --k out"):
        open_or_create(tmp_path / "study", {**options, "k": 5})
    monkeypatch.undo()
    for asked in (options, {**options, "k": 3}):
        assert open_or_create(tmp_path / "study", asked).settings.k == 3
    assert open_or_create(tmp_path / "asked", {**options, "k": 3}).settings.k == 3
    with pytest.raises(UsageError, match=r"--inner 3: the study's folds are 0 to 2"):
        open_or_create(tmp_path / "inner", {**options, "inner": 3, "k": 2})
    inner = open_or_create(tmp_path / "inner", {**options, "inner": 2, "k": 2})
    assert inner.settings.k == 2 and len(inner.used()) == 8


def test_given_folds_that_lack_a_class_are_refused_and_unsound(tmp_path):
    data = with_folds(
        write_scans(tmp_path / "scans"), lambda name, number: number % 2 if name == "benign" else 0
    )
    with pytest.raises(BusError, match=r"Fold 1 .* no usable scan of malignant"):
        open_or_create(tmp_path / "study", {"data": data, "size": 32})
    assert not (tmp_path / "study").exists()
    assert [item.kind for item in check(data).unsound] == ["refused"]


def test_lesion_masks_are_kept_where_there_are_some(tmp_path):
    scans = write_scans(tmp_path / "scans")
    assert open_or_create(tmp_path / "without", {"data": str(scans), "size": 32, "k": 2}).masks is None
    first = np.zeros((60, 80), np.uint8)
    first[:30, :20] = 255
    second = np.roll(first, 40, axis=1)
    for name, mask in (
        ("benign (0)_mask", first),
        ("benign (0)_mask_1", second),
        ("benign (1)_mask", first * 0),
    ):
        cv2.imwrite(str(scans / "benign" / f"{name}.png"), mask)
    cv2.imwrite(str(scans / "benign" / "benign (2)_mask.png"), first[:50])
    study = open_or_create(tmp_path / "with", {"data": str(scans), "size": 32, "k": 2})
    row_of = {scan.file: row for row, scan in enumerate(study.scans)}
    united = study.masks[row_of["benign/benign (0).png"]]
    expected = np.zeros((32, 32), np.uint8)
    expected[4:16, :8] = expected[4:16, 16:24] = 1  # 80×60 px become 32×24, with bars of 4 px above and below
    assert (united == expected).all()
    assert not study.masks[row_of["benign/benign (1).png"]].any(), "known to have no lesion"
    for file in ("benign/benign (2).png", "malignant/malignant (0).png"):
        assert (study.masks[row_of[file]] == UNKNOWN).all()
    assert "or of another size than their scan: 1, namely benign/benign (2).png" in study.settings.banners[-1]


def test_masks_lie_on_their_phantoms(tiny_study):
    study = Study.open(tiny_study)
    assert study.masks.shape == study.pixels.shape
    for row, scan in enumerate(study.scans):
        assert study.masks[row].any() == (scan.label != "normal")
    made = {spec.file: spec for spec in phantom.specs(60)}
    scan = study.scans[5]
    assert (study.masks[5] == letterbox_mask(phantom.simulate(made[scan.file]).mask > 0, 32)).all()
