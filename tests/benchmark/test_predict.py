"""`bus predict` as a user runs it: the benchmark's own answers, no leak, every bad file named."""

import csv
import json
import re
import shutil
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from bus.benchmark import predict as predicting
from bus.benchmark import request as requests
from bus.benchmark import run
from bus.benchmark.arms import Arm
from bus.benchmark.cell import HEAT, Cell
from bus.benchmark.cells import STEPS, asked_by, cells_of, training_rows
from bus.benchmark.request import Request
from bus.classify.predict import load
from bus.classify.train import predict as answers_of
from bus.cli.app import main
from bus.core import files
from bus.core.compute import Compute
from bus.core.progress import note
from bus.data import phantom
from bus.data.settings import freeze
from bus.data.study import Study
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid
from safetensors.torch import save_file

CPU = Compute("cpu", "float32", 1)
HOSTILE = "<script>alert(1) & 'x'.png"


def predict(capsys, *arguments):
    """Run `bus predict`; returns exit code, standard output, standard error."""
    code = 0
    try:
        main(["predict", *(str(argument) for argument in arguments)])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.fixture(scope="module")
def trained(tiny_study, tmp_path_factory) -> Study:
    """A study with one SimpleCNN on arm original of fold 0, trained for a few steps, its weights kept."""
    path = tmp_path_factory.mktemp("predict") / "내 study"
    shutil.copytree(tiny_study, path)
    study = Study.open(path)
    run.run_cell(path, first_cell(study), 1, keep_weights=True)
    return study


def first_cell(study: Study) -> Cell:
    (cell,) = cells_of(study, Request((0,), arms=(Arm("original"),), models=("simplecnn",), preset="demo"))
    return replace(cell, recipe=replace(cell.recipe, steps=8))


@pytest.fixture(scope="module")
def cell(trained) -> Cell:
    return first_cell(trained)


@pytest.fixture
def options(trained):
    return ["--study", trained.path, "--model", "simplecnn", "--arm", "original"]


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """The study's phantoms as files, with their masks, below a folder with a space and Korean letters."""
    return phantom.write_cohort(tmp_path_factory.mktemp("scans") / "초음파 scans", 60)


def dicom(path, pixels, patient="SECRET-4711", name="Zyxwvut^Quentin"):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = UltrasoundImageStorage, generate_uid(entropy_srcs=["bus"])
    data.PatientName, data.PatientID = name, patient
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def test_answers_equal_those_of_the_benchmark(trained, cell, options, scans, capsys):
    code, out, err = predict(capsys, scans, *options, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert "62 files passed over" in err, "60 masks, labels.csv, parameters.csv"
    assert len(found["scans"]) == 60
    by_hash = {scan["sha256"]: scan for scan in found["scans"]}
    with (cell.path / "predictions.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert rows
    for row in rows:
        scan = by_hash[row["sha256"]]
        assert scan["answer"] == row["predicted"]
        assert scan["part"] == "test"
        assert not scan["seen_in_training"]
        assert all(
            scan["probabilities"][name] == pytest.approx(float(row[f"p_{name}"]), abs=1e-5)
            for name in trained.classes
        )
    seen = {scan["sha256"] for scan in found["scans"] if scan["seen_in_training"]}
    assert seen == {trained.scans[row].sha256 for row in trained.train(0)}
    assert found["schema"] == "bus.predict/1"
    assert found["research_use_only"] is True
    assert list(found) == [
        "schema",
        "research_use_only",
        "remarks",
        "classifier",
        "study",
        "classes",
        "scans",
        "unreadable",
    ]
    assert list(found["scans"][0]) == [
        "file",
        "sha256",
        "answer",
        "probabilities",
        "seen_in_training",
        "part",
    ]
    assert "Research use only" in found["remarks"][0]


def test_heat_equals_that_of_the_benchmark(trained, cell, options, scans, capsys):
    row = trained.test(0)[3]
    _, out, _ = predict(capsys, scans / trained.scans[row].file, *options, "--format", "json", "--heat")
    heat = np.round(255 * np.array(json.loads(out)["scans"][0]["heat"]))
    assert np.abs(heat - np.load(cell.path / HEAT)[3]).max() <= 1


def test_folder_zip_and_single_files_answer_alike(options, scans, tmp_path, capsys):
    folder = scans / "benign"
    with zipfile.ZipFile(tmp_path / "some scans.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"deep/er/{file.name}")
    answers = []
    for paths in (
        [folder],
        [tmp_path / "some scans.zip"],
        sorted(folder.glob("*.png")),
    ):  # the glob holds the masks too
        code, out, _ = predict(capsys, *paths, *options, "--format", "json")
        assert code == 0
        answers.append([(scan["sha256"], scan["probabilities"]) for scan in json.loads(out)["scans"]])
    assert answers[0] == answers[1] == answers[2]


def test_the_table_says_what_a_reader_must_know(options, scans, capsys, monkeypatch):
    monkeypatch.chdir(scans)
    code, out, _ = predict(capsys, "benign/benign (1).png", *options)
    text = " ".join(out.split())
    assert code == 0
    assert "Research use only" in text
    assert "benign (1).png" in text
    assert "SimpleCNN, arm original, fold 0, seed 0, preset demo" in text
    assert re.search(r"seen in|held out", text)


def test_the_page_asks_nothing_and_escapes_names(options, scans, tmp_path, capsys):
    place = tmp_path / "한글 folder"
    place.mkdir()
    shutil.copy(scans / "benign" / "benign (1).png", place / HOSTILE)
    wide = np.random.default_rng(0).integers(0, 255, (60, 200)).astype(np.uint8)
    cv2.imwrite(str(place / "wide.png"), wide)
    page = tmp_path / "out" / "page.html"
    code, out, _ = predict(capsys, place, *options, "--format", "html", "--out", page)
    text = page.read_text(encoding="utf-8")
    assert code == 0
    assert "page.html" in out
    assert text.count("<script") == 1, "the page's own, not the file's name"
    assert "&lt;script&gt;alert(1) &amp; &#39;x&#39;.png" in text
    assert "한글 folder" in text
    assert "default-src 'none'" in text
    assert "Research use only" in text
    assert set(re.findall(r'(?:src|href)="(data:|#|[^"]*)', text)) <= {"data:", "#"}
    assert not re.search(r"\sstyle=|\son\w+=|https?://", text)
    assert text.count("<img") == 4
    assert text.count('alt="heat over') == 2
    assert 'width="128" height="40"' in text, "bars are cut off"
    predict(capsys, place, *options, "--format", "html", "--out", page, "--no-heat")
    assert page.read_text(encoding="utf-8").count("<img") == 2


def test_a_word_about_the_choice_of_weights_is_no_part_of_the_json(options, scans, capsys, monkeypatch):
    whole = predicting.find_trained

    def telling(*given):
        note("another answers", warning=True)
        return whole(*given)

    monkeypatch.setattr(predicting, "find_trained", telling)
    code, out, err = predict(capsys, scans / "benign" / "benign (1).png", *options, "--format", "json")
    assert (code, len(json.loads(out)["scans"])) == (0, 1) and "another answers" in err


def test_bad_files_are_named_and_the_others_answered(options, scans, tmp_path, capsys):
    shutil.copy(scans / "benign" / "benign (1).png", tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:90])
    (tmp_path / "empty.png").write_bytes(b"")
    whole = dicom(tmp_path / "IM0001.dcm", np.zeros((64, 64), np.uint8)).read_bytes()
    (tmp_path / "IM0001.dcm").write_bytes(whole[:-3000])
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "notes.txt").write_text("no scan")
    code, out, err = predict(capsys, tmp_path, *options, "--format", "json")
    found = json.loads(out)
    assert code == 1
    assert [scan["file"] for scan in found["scans"]] == [f"{tmp_path}/good.png"]
    assert sorted(entry["file"].rpartition("/")[2] for entry in found["unreadable"]) == [
        "IM0001.dcm",
        "broken.png",
        "empty.png",
    ]
    assert all(name in err for name in ("broken.png", "empty.png", "IM0001.dcm", "2 files passed over"))
    assert "Traceback" not in err
    for name in ("notes.txt", "DICOMDIR"):  # asked for by name: no longer passed over
        code, out, err = predict(capsys, tmp_path / name, *options, "--format", "json")
        assert (code, json.loads(out)["scans"]) == (1, [])
        assert name in err


def test_no_identity_of_a_dicom_file_leaves(options, scans, tmp_path, capsys):
    pixels = cv2.imread(str(scans / "malignant" / "malignant (1).png"), cv2.IMREAD_GRAYSCALE)
    dicom(tmp_path / "Zyxwvut Quentin" / "SECRET-4711.dcm", pixels)
    dicom(tmp_path / "plain" / "IM0001", pixels)
    page = tmp_path / "page.html"
    told = []
    for form in (["table"], ["json"], ["html", "--out", page]):
        code, out, err = predict(
            capsys, tmp_path / "Zyxwvut Quentin", tmp_path / "plain", *options, "--format", *form
        )
        assert code == 0
        told.append(out + err)
    told.append(page.read_text(encoding="utf-8"))
    assert not [
        word for word in ("zyxwvut", "quentin", "4711") if any(word in text.casefold() for text in told)
    ]
    files = [scan["file"] for scan in json.loads(told[1])["scans"]]
    assert re.fullmatch(r"dicom-[0-9a-f]{16}\.dcm", files[0])
    assert files[1].endswith("plain/IM0001")
    code, out, _ = predict(capsys, scans / "malignant" / "malignant (1).png", *options, "--format", "json")
    assert json.loads(out)["scans"][0]["sha256"] == json.loads(told[1])["scans"][0]["sha256"]


@pytest.mark.long
def test_missing_weights_name_the_command_that_makes_them(
    trained, cell, scans, tmp_path, capsys, monkeypatch
):
    scan = scans / "benign" / "benign (1).png"
    wanted_one = ("--model", "resnet18", "--arm", "cyclegan")
    code, _, err = predict(capsys, scan, "--study", trained.path, *wanted_one)
    assert code == 1
    wanted = "--fold 0 --models resnet18 --arms cyclegan --keep-weights"
    assert wanted in err
    assert f"bus benchmark --study '{trained.path}'" in err
    assert "original/simplecnn" in err
    copy = tmp_path / "study"
    shutil.copytree(trained.path, copy)
    (copy / cell.path.relative_to(trained.path) / "classifier.safetensors").unlink()
    monkeypatch.setitem(STEPS, "demo", (8, 8, 8))
    code, _, err = predict(capsys, scan, "--study", copy, "--model", "simplecnn", "--arm", "original")
    assert code == 1
    assert "its weights were not kept" in err
    command = next(line for line in err.splitlines() if line.startswith("  bus"))
    with pytest.raises(SystemExit) as stop:
        main([*command.split()[1:], "--jobs", "1"])
    assert stop.value.code == 0
    again = copy / cell.path.relative_to(trained.path)
    assert [done.parent for done in copy.rglob("DONE") if "cells" in done.parts] == [again], "the very cell"
    capsys.readouterr()
    code, out, _ = predict(capsys, scan, "--study", copy, "--model", "simplecnn", "--arm", "original")
    assert code == 0
    assert "benign" in out


@pytest.mark.parametrize("evil", ["pickle", "other network", "nan", "cut off"])
def test_hostile_weights_are_refused(trained, cell, scans, tmp_path, capsys, evil):
    copy = tmp_path / "study"
    shutil.copytree(trained.path, copy)
    place = copy / cell.path.relative_to(trained.path)
    weights, whole = place / "classifier.safetensors", (place / "classifier.safetensors").read_bytes()
    if evil == "pickle":
        weights.write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    elif evil == "other network":
        save_file({"features.0.weight": torch.zeros(3, 3)}, weights)
    elif evil == "nan":
        weights.write_bytes(whole[:-400] + np.full(100, np.nan, np.float32).tobytes())
    else:
        weights.write_bytes(whole[: len(whole) // 2])
    arguments = [
        scans / "benign" / "benign (1).png",
        "--study",
        copy,
        "--model",
        "simplecnn",
        "--arm",
        "original",
    ]
    code, out, err = predict(capsys, *arguments)
    assert (code, out) == (1, "")
    assert "its hash differs" in err
    done = json.loads((place / "DONE").read_text())
    done.pop("weights")  # as if an attacker had touched the mark as well
    files.write_json(place / "DONE", done)
    code, out, err = predict(capsys, *arguments)
    assert (code, out) == (1, "")
    assert (
        "no numbers" in err
        if evil == "nan"
        else "does not hold the weights of simplecnn for 3 classes" in err
    )


def test_a_network_that_watched_a_validation_part_answers_and_says_so(tiny_study, scans, tmp_path, capsys):
    path = tmp_path / "study"
    shutil.copytree(tiny_study, path)
    study = Study.open(path)
    request = Request((0,), (Arm("original"),), ("simplecnn",), preset="demo", recipe=(("validation", True),))
    (cell,) = cells_of(study, request)
    cell = replace(cell, recipe=replace(cell.recipe, steps=2))
    run.run_cell(path, cell, 1, keep_weights=True)
    code, out, _ = predict(capsys, scans, "--study", path, "--format", "json")
    parts = {scan["sha256"]: (scan["part"], scan["seen_in_training"]) for scan in json.loads(out)["scans"]}
    rows, watched = training_rows(study, 0, cell.recipe)
    assert code == 0 and watched
    for part, place in (("training", rows), ("validation", watched), ("test", study.test(0))):
        assert {parts[study.scans[row].sha256] for row in place} == {(part, part == "training")}
    code, out, _ = predict(capsys, scans / study.scans[watched[0]].file, "--study", path)
    assert code == 0 and "validation part" in " ".join(out.split())


def test_a_cell_of_another_split_is_refused(trained, cell, scans, tmp_path, capsys):
    copy = tmp_path / "study"
    shutil.copytree(trained.path, copy)
    study = Study.open(copy)
    freeze(
        copy,
        study.settings,
        [replace(scan, fold=scan.fold and scan.fold - (scan.fold == 1)) for scan in study.scans],
    )
    code, _, err = predict(capsys, scans, "--study", copy, "--model", "simplecnn", "--arm", "original")
    assert code == 1
    assert "other scans than fold 0" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "vit"], "choose among simplecnn, vgg19, resnet18"),
        (["--arm", "smote"], "choose one of original"),
        (["--format", "xml"], "choose one of table, json, html"),
        (["--fold", "9"], "choose among 0, 1, 2"),
        (["--heat"], "--heat needs --format html or json"),
        (["--format", "html", "--out", "scan.png"], "ends in .html"),
        (["nowhere.png"], "nowhere.png: there is no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_get_a_sentence(options, scans, capsys, arguments, words):
    code, out, err = predict(capsys, scans, *options, *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_folder_without_scans_is_a_wrong_argument(options, scans, tmp_path, capsys):
    shutil.copy(scans / "benign" / "benign (1)_mask.png", tmp_path)
    code, _, err = predict(capsys, tmp_path, *options)
    assert code == 2
    assert "There is no scan among these; 1 files passed over" in err


def test_who_is_there_answers_where_nobody_is_named(trained, scans, capsys):
    code, out, _ = predict(
        capsys, scans / "benign" / "benign (1).png", "--study", trained.path, "--format", "json"
    )
    said = json.loads(out)["classifier"]
    assert (code, said["model"], said["arm"], said["fold"]) == (0, "simplecnn", "original", 0)


def test_one_training_a_model_and_arm_is_kept_in_half_precision_and_answers_alike(
    tiny_study, tmp_path, capsys
):
    path = tmp_path / "study"
    shutil.copytree(tiny_study, path)
    study = Study.open(path)
    arms = (Arm("original"), Arm("weighted"))
    request = Request((0, 1), arms=arms, models=("simplecnn",), seeds=2, preset="demo")
    cells = cells_of(study, request)
    kept = run.kept_of(cells)
    assert [(cell.fold, cell.seed, cell.arm) for cell in kept] == [(0, 0, arm) for arm in arms]
    cell = replace(kept[0], recipe=replace(kept[0].recipe, steps=8))
    run.run_cell(path, cell, 1, keep_weights=False, compact=True)
    assert cell.weights and not cell.has_whole_weights
    assert run.missing([cell], keep_weights=False) == [] and run.missing([cell], keep_weights=True) == [cell]
    small = cell.weights.stat().st_size
    network = load(cell.weights, "simplecnn", 3, cell.done.hashes["weights"], "cpu")
    again = answers_of(network, study.pixels[study.test(0)], CPU)
    assert np.abs(again - cell.answers(study.classes).probabilities).max() <= run.HALF_ERROR
    run.run_cell(path, cell, 1, keep_weights=True)
    assert cell.has_whole_weights and 0.4 < small / cell.weights.stat().st_size < 0.6


def test_weights_that_half_precision_would_change_are_kept_as_they_were_trained(
    tiny_study, tmp_path, monkeypatch
):
    path = tmp_path / "study"
    shutil.copytree(tiny_study, path)
    study = Study.open(path)
    (cell,) = cells_of(study, Request((0,), (Arm("original"),), ("simplecnn",), preset="demo"))
    cell = replace(cell, recipe=replace(cell.recipe, steps=8))
    monkeypatch.setattr(run, "HALF_ERROR", -1.0)
    run.run_cell(path, cell, 1, keep_weights=False, compact=True)
    assert cell.has_whole_weights
    network = load(cell.weights, "simplecnn", 3, cell.done.hashes["weights"], "cpu")
    assert any((value != value.half()).any() for value in network.parameters()), "not rounded"
    again = answers_of(network, study.pixels[study.test(0)], CPU)
    np.testing.assert_allclose(again, cell.answers(study.classes).probabilities, atol=1e-6)


def test_the_command_for_missing_weights_makes_the_very_training(tiny_study, tmp_path, monkeypatch):
    path = tmp_path / "study"
    shutil.copytree(tiny_study, path)
    study, weights = Study.open(path), tmp_path / "w.safetensors"
    weights.write_bytes(b"x")
    plain = Request((1,), (Arm("original"), Arm("oversampled", dose=0.5)), ("simplecnn",), preset="quick")
    asked = [
        plain,
        replace(plain, init="phantom", seeds=2, compute=Compute("cpu", "bfloat16", 1)),
        replace(plain, models=("resnet18",), recipe=(("enlarge", 0), ("batch", 8), ("augment", False))),
        replace(plain, models=("efficientnet-lite0",), init="none", balance=("malignant", "normal")),
        replace(plain, arms=(Arm("original"), Arm("cyclegan", "normal", 0.5)), gan_seed=2, preset="demo"),
        replace(plain, arms=(Arm("pooled"),), gan_seeds=3, seeds=6, recipe=(("soft", 0.25),)),
        replace(plain, arms=(Arm("weighted"),), recipe=(("validation", True), ("schedule", "plateau"))),
        replace(plain, init=str(weights)),
    ]
    for wish in asked:
        for cell in cells_of(study, wish):
            found = asked_by(study, cell)
            assert found is not None and found.keep_weights
            again = replace(found, init=str(weights)) if cell.first else found
            assert cell.path in {one.path for one in cells_of(study, again)}
            assert asked_by(study, replace(cell, preset="plan")) is None
    (cell,) = cells_of(study, asked[4])[1:]
    files.write_json(cell.path / "config.json", cell.config)
    files.write_json(cell.path / "DONE", {"config": files.sha256_json(cell.config)})
    monkeypatch.setattr(requests, "resolve", lambda: Compute("cpu", "bfloat16", 2))
    text = predicting._no_weights(
        study, predicting.Wanted(fold=1, model="simplecnn", arm="cyclegan:normal@0.5")
    )
    assert "was trained, but its weights were not kept" in text
    assert (
        "--fold 1 --models simplecnn --arms cyclegan:normal --dose 0.5 --preset demo --gan-seed 2 "
        "--device cpu --precision float32 --keep-weights\n"
    ) in text
    (cell, _) = cells_of(study, asked[7])
    files.write_json(cell.path / "config.json", cell.config)
    files.write_json(cell.path / "DONE", {"config": files.sha256_json(cell.config)})
    text = predicting._no_weights(study, predicting.Wanted(fold=1, model="simplecnn", arm="original"))
    assert "--init WEIGHTS" in text and f"the file with the hash {files.sha256_file(weights)}" in text
    text = predicting._no_weights(study, predicting.Wanted(fold=0, model="simplecnn", arm="pooled", seed=3))
    assert "not trained yet" in text and "--seeds 6 --gan-seeds 3" in text


@pytest.mark.parametrize("arm", ["cyclegan@0.5", "cyclegan:normal", "unverified"])
def test_every_arm_that_a_benchmark_writes_can_be_asked(tmp_path, run_bus, arm):
    code, text = run_bus("predict", tmp_path, "--study", tmp_path / "none", "--arm", arm)
    assert code == 1 and "There is no study in" in text, text
    code, text = run_bus("predict", tmp_path, "--study", tmp_path / "none", "--arm", arm.replace("e", "a"))
    assert code == 2 and f"--arm {arm.replace('e', 'a')} is unknown; choose one of original" in text, text
