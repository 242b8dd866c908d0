"""Privacy: who the patient of a DICOM file is reaches no file and no output; what is synthetic says so."""

import csv
import logging
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from bus.cli.app import main
from PIL import Image
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

pytestmark = pytest.mark.filterwarnings("ignore")

NAME, IDENTITY = "Zyxwvut^Quentin", "SECRET-4711"
SECRETS = ("zyxwvut", "quentin", "secret-4711", "19560701")
TEXTS = {
    "AE",
    "CS",
    "LO",
    "LT",
    "PN",
    "SH",
    "ST",
    "UC",
    "UT",
    "DA",
}  # value representations that hold text or dates
NEEDED = {
    "PhotometricInterpretation",
    "TransferSyntaxUID",
    "SpecificCharacterSet",
}  # others would spoil the file


def with_identity() -> Dataset:
    """A data set with the patient's identity in every tag that holds text."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    planted = 0
    for tag, (representation, *_) in DicomDictionary.items():
        word = keyword_for_tag(tag)
        if representation in TEXTS and word and word not in NEEDED and tag >> 16 not in (0, 2):
            value = {
                "PN": NAME,
                "DA": "19560701",
                "CS": "ZYXWVUT QUENTIN",
                "AE": "ZYXWVUT",
                "SH": IDENTITY,
            }.get(representation, f"{NAME} {IDENTITY} 19560701")
            setattr(data, word, value)
            planted += 1
    assert planted > 1000
    return data


def write(data: Dataset, path: Path, seed: int) -> None:
    """Write an ultrasound file of one patient."""
    data.PatientID = f"{IDENTITY}-{seed}"
    data.BurnedInAnnotation = "NO"
    data.SOPClassUID, data.SOPInstanceUID, data.StudyInstanceUID = (
        UltrasoundImageStorage,
        generate_uid(),
        generate_uid(),
    )
    data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 48, 64, 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8), np.uint8)
    data.PixelData = np.asarray(Image.fromarray(coarse).resize((64, 48))).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DICOM files of 12 patients; some are called by name, id or birth date, with other files beside them."""
    root = tmp_path_factory.mktemp("patients") / "data"
    odd = {0: f"{IDENTITY}-0.dcm", 1: "zyxwvut_quentin.dcm", 2: "Quentin/IM0001", 3: "scan 19560701.dcm"}
    data = with_identity()
    for seed in range(12):
        label = ("benign", "malignant")[seed % 2]
        write(data, root / label / odd.get(seed, f"IM{seed}.dcm"), seed)
    report = pydicom.dcmread(root / "benign" / f"{IDENTITY}-0.dcm")
    del report.PixelData, report.Rows, report.Columns
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
    report.save_as(root / "benign" / "zyxwvut report.dcm")
    (root / "benign" / "letter to Quentin.txt").write_text("x")
    (root / "malignant" / "zyxwvut orphan_mask.png").write_bytes(
        (root / "benign" / "letter to Quentin.txt").read_bytes()
    )
    return root


@pytest.mark.long
@pytest.mark.usefixtures("few_steps")
def test_no_identity_in_any_file_or_output(
    patients: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    train = (
        f"gan train --data {patients} --size 32 --k 2 --preset demo --pairs 40 --method published "
        "--set channels=4 --set blocks=1"
    )
    commands = [
        f"data check {patients} --k 2 --page page.html",
        train,
        "synth --n 8 --extractor efficientnet-lite0",
        "benchmark --preset demo --models simplecnn --arms original,cyclegan --jobs 1",
        "status",
    ]
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for command in commands:
            with pytest.raises(SystemExit) as stop:
                main(command.split())
            assert stop.value.code == 0, command
    said = "".join(capfd.readouterr()) + caplog.text + str([str(warning.message) for warning in warned])
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"study.json", "manifest.csv", "predictions.csv", "index.html", "page.html"} <= {
        path.name for path in written
    }
    for secret in SECRETS:
        assert secret not in said.casefold()
        for path in written:
            assert secret not in str(path.relative_to(tmp_path)).casefold()
            assert secret.encode() not in path.read_bytes().lower(), path
    assert "Paths of DICOM files that hold the patient's id or name: 4" in " ".join(said.split())


def test_whatever_leaves_the_translator_says_synthetic(finished_study: Path) -> None:
    folder = finished_study / "fold-0/synth/seed-0/malignant"
    rows = list(csv.DictReader((folder / "manifest.csv").open()))
    assert len(rows) == 30
    assert {row["synthetic"] for row in rows} == {"SYNTHETIC, not a patient"}
    pictures = [
        *folder.glob("*.png"),
        *(finished_study / "fold-0/gan/malignant/seed-0/samples").glob("*.png"),
        *(finished_study / "report/1/figures").glob("pairs-*.png"),
    ]
    assert len(pictures) == 32
    for path in pictures:
        with Image.open(path) as image:
            assert "SYNTHETIC" in image.text["Description"], path
            assert "no patient" in image.text["Description"]
