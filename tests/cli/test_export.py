"""What leaves a study for other programs: scans in folders, networks as ONNX, each with its card."""

import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from bus.benchmark import export_network
from bus.benchmark.export_scans import export_scans
from bus.benchmark.predict import Wanted, find_trained
from bus.classify import predict
from bus.core.compute import Compute
from bus.core.files import sha256_bytes
from bus.data.study import Study
from bus.gan.pixels import to_tensor
from bus.gan.translator import Translator
from PIL import Image
from torchvision.datasets import ImageFolder


@pytest.fixture(scope="module")
def exported(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fold 0 of a finished study under the arm cyclegan."""
    folder = tmp_path_factory.mktemp("export") / "균형 set"
    export_scans(Study.open(finished), 0, "cyclegan", folder)
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "provenance.csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_a_fold_is_balanced_traced_and_its_test_part_kept_apart(exported: Path, finished: Path) -> None:
    study, rows = Study.open(finished), rows_of(exported)
    made = {row.file: row for row in Translator(study, 0, "malignant", 0).scans.rows}
    counts = Counter(row["label"] for row in rows if row["part"] == "train")
    assert counts["malignant"] == max(counts.values())
    assert [row["source_sha256"] for row in rows if row["part"] == "test"] == [
        study.scans[row].sha256 for row in study.test(0)
    ]
    groups = [{row["group"] for row in rows if row["part"] == part} for part in ("train", "test")]
    assert not groups[0] & groups[1]
    for row in rows:
        with Image.open(exported / row["file"]) as picture:
            assert sha256_bytes(np.asarray(picture).tobytes()) == row["sha256"]
            assert ("SYNTHETIC" in str(picture.info)) == bool(row["synthetic"])
        assert row["file"].split("/")[1] == row["label"]
        if row["synthetic"]:
            source = made[Path(row["file"]).name]
            assert row["part"] == "train" and row["source_sha256"] == source.source_sha256
            assert row["generator_sha256"] == source.generator_sha256


def test_the_command_says_what_it_wrote(exported: Path, finished: Path, tmp_path: Path, run_bus) -> None:
    code, text = run_bus("export", "--study", finished, "--to", tmp_path / "a", "--arm", "original")
    assert code == 0 and "0 of them synthetic" in text and "Next: bus status --study" in text, text
    assert not any(row["synthetic"] for row in rows_of(tmp_path / "a"))
    code, text = run_bus("export", "--study", finished, "--to", tmp_path / "b")
    many = sum(bool(row["synthetic"]) for row in rows_of(exported))
    assert code == 0 and many and f"{many} of them synthetic and marked so" in text
    files = [path.relative_to(exported) for path in exported.rglob("*") if path.is_file()]
    assert all((tmp_path / "b" / file).read_bytes() == (exported / file).read_bytes() for file in files)


def test_torchvision_reads_it_as_it_is(exported: Path) -> None:
    rows = rows_of(exported)
    for part in ("train", "test"):
        read = ImageFolder(str(exported / part))
        assert read.classes == ["benign", "malignant", "normal"]
        labels = Counter(read.classes[label] for label in read.targets)
        assert labels == Counter(row["label"] for row in rows if row["part"] == part)


def test_its_card_says_what_it_is_and_that_test_scans_are_in_it(exported: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    head = card.split("---\n")[1]
    assert all(re.match(r"^(- |  )*[\w-]+(: .+|:)?$|^- [\w-]+$", line) for line in head.splitlines()), head
    assert "the study's test scans of this fold" in card and "SYNTHETIC and show no patient" in card
    for part in ("train", "test"):
        text = (exported / part / "metadata.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        assert all((exported / part / line["file_name"]).is_file() for line in lines)
        kinds = {tuple((name, type(value)) for name, value in line.items()) for line in lines}
        assert len(kinds) == 1 and type(None) not in dict(*kinds).values(), "columns of one kind alone"
        assert len(lines) == sum(row["part"] == part for row in rows_of(exported))


def test_hugging_face_reads_it_as_it_is(exported: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    read = datasets.load_dataset(str(exported), cache_dir=str(tmp_path))
    for part in ("train", "test"):
        kept = [row for row in rows_of(exported) if row["part"] == part]
        assert Counter(read[part]["label"]) == Counter(row["label"] for row in kept)
        scan = read[part][0]
        assert scan["image"].size == (32, 32)
        digests = {row["sha256"] for row in kept}
        assert sha256_bytes(np.asarray(scan["image"]).tobytes()) == scan["sha256"]
        assert scan["sha256"] in digests


def test_refusals_leave_nothing(finished: Path, exported: Path, tmp_path: Path, run_bus) -> None:
    before = sorted(exported.rglob("*"))
    for options, code, words in (
        (["--to", exported], 2, "holds something"),
        (["--to", tmp_path / "a", "--arm", "oversampled"], 2, "expected original or cyclegan"),
        (["--to", tmp_path / "a", "--arm", "cyclegan:cyst"], 2, "the classes are"),
        (["--to", tmp_path / "a", "--arm", "cyclegan@9"], 1, "are needed"),
        (["--to", tmp_path / "a", "--what", "networks"], 2, "expected scans, generator, classifier"),
        (["--to", tmp_path / "a", "--model", "resnet18"], 2, "--model does not go with --what scans"),
        (["--to", tmp_path / "a", "--fold", "all"], 2, "name one"),
        (["--to", tmp_path / "a", "--fold", "none"], 2, "has no test part"),
        (["--to", tmp_path / "a", "--fold", "1"], 1, "0 synthetic malignant scans"),
    ):
        found, text = run_bus("export", "--study", finished, *options)
        assert (found, words in text) == (code, True), text
    assert sorted(exported.rglob("*")) == before and not any(tmp_path.iterdir())


def test_a_damaged_scan_is_never_exported(finished: Path, tmp_path: Path, run_bus) -> None:
    shutil.copytree(finished, tmp_path / "study")
    scans = Translator(Study.open(tmp_path / "study"), 0, "malignant", 0).scans
    victim = scans.folder / scans.rows[0].file
    Image.new("L", (32, 32)).save(victim)
    code, text = run_bus("export", "--study", tmp_path / "study", "--to", tmp_path / "out")
    assert code == 1 and victim.name in text
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_a_missing_extra_is_named(finished: Path, tmp_path: Path, run_bus, monkeypatch) -> None:
    monkeypatch.setattr(export_network, "PACKAGES", ("a_package_that_nobody_has",))
    code, text = run_bus("export", "--what", "generator", "--study", finished, "--to", tmp_path / "a")
    assert code == 1 and "pip install a_package_that_nobody_has" in text and not (tmp_path / "a").exists()


@pytest.fixture
def session():
    """Opens an ONNX file in onnxruntime."""
    for package in export_network.PACKAGES:
        pytest.importorskip(package)
    import onnxruntime

    return lambda path: onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_a_translator_as_onnx_says_what_torch_says(finished: Path, tmp_path: Path, run_bus, session) -> None:
    code, text = run_bus("export", "--what", "generator", "--study", finished, "--to", tmp_path / "a")
    assert code == 0 and "Checked on 8 scans against torch" in text, text
    study = Study.open(finished)
    squares = study.pixels[study.test(0)[:3]]
    loaded = session(tmp_path / "a" / "generator.onnx")
    (made,) = loaded.run(None, {"scans": squares[:, None].astype(np.float32)})
    with torch.inference_mode():
        expected = Translator(study, 0, "malignant", 0).load("cpu")(to_tensor(squares)).numpy()
    assert np.abs(made / 127.5 - 1 - expected).max() < 1e-4
    card = (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
    assert "SYNTHETIC" in card and Translator(study, 0, "malignant", 0).generator_sha256 in card


def test_a_classifier_as_onnx_says_what_torch_says(finished: Path, tmp_path: Path, run_bus, session) -> None:
    options = ["--what", "classifier", "--arm", "oversampled", "--study", finished, "--to", tmp_path / "a"]
    code, text = run_bus("export", *options)
    assert code == 0 and "SimpleCNN, arm oversampled" in text, text
    study = Study.open(finished)
    trained = find_trained(study, Wanted(0, None, "oversampled", None))
    squares = study.pixels[study.test(0)[:3]]
    loaded = session(tmp_path / "a" / "classifier.onnx")
    (given,) = loaded.run(None, {"scans": squares[:, None].astype(np.float32)})
    network = predict.load(trained.cell.weights, trained.cell.model, 3, None, "cpu")
    expected = predict.predict(network, squares, Compute("cpu", "float32", 1))
    assert np.abs(given - expected).max() < 1e-4
    assert loaded.get_modelmeta().custom_metadata_map["classes"] == "benign, malignant, normal"
    assert "test scans of its fold: macro_f1" in (tmp_path / "a" / "README.md").read_text(encoding="utf-8")


def test_a_classifier_that_enlarges_says_the_same_as_onnx(
    finished: Path, tmp_path: Path, run_bus, session
) -> None:
    """Its squares stay of the study's side; `export` holds both answers against each other."""
    shutil.copytree(finished, tmp_path / "study")
    options = ["--study", tmp_path / "study", "--fold", "0", "--models", "simplecnn", "--arms", "original"]
    changed = ["--preset", "demo", "--set", "enlarge=48", "--keep-weights"]
    code, text = run_bus("benchmark", *options, *changed)
    assert code == 0, text
    wanted = ["--what", "classifier", "--arm", "original", "--study", tmp_path / "study"]
    code, text = run_bus("export", *wanted, "--to", tmp_path / "a")
    assert code == 0 and "Checked on 8 scans against torch" in text, text
    nodes = session(tmp_path / "a" / "classifier.onnx").get_inputs()
    assert nodes[0].shape[2:] == [32, 32]
    assert b"Resize" in (tmp_path / "a" / "classifier.onnx").read_bytes()
