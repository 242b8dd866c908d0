"""DICOM: pixels of every ultrasound interpretation, frames, groups, and no identity anywhere."""

import io
import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bus.core.errors import BusError
from bus.data import dicom
from bus.data.check import check
from bus.data.scans import Listing, list_scans, read_mask, read_scan
from bus.data.study import Study, open_or_create
from bus.data.unlabelled import find
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import (
    ComprehensiveSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

NAME, IDENTITY, BORN = "Zyxwvut^Quentin", "SECRET-4711", "19560701"
SECRETS = ("zyxwvut", "quentin", "secret", "4711", BORN)
GREY = np.random.default_rng(0).integers(0, 256, (20, 24), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (20, 24, 3), np.uint8)
LOOP = np.random.default_rng(2).integers(0, 256, (5, 20, 24), np.uint8)


def make(
    pixels: np.ndarray,
    photometric: str = "MONOCHROME2",
    *,
    patient: str = IDENTITY,
    colour: bool = False,
    **tags: object,
) -> Dataset:
    """An ultrasound file: H×W or N×H×W pixels, with a last axis of 3 if `colour`."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = UltrasoundMultiFrameImageStorage
    data.SOPInstanceUID = generate_uid(entropy_srcs=[pixels.tobytes().hex()[:60]])
    data.PatientName, data.PatientID, data.PatientBirthDate = NAME, patient, BORN
    *frames, data.Rows, data.Columns = pixels.shape[:-1] if colour else pixels.shape
    if frames:
        data.NumberOfFrames = frames[0]
    data.SamplesPerPixel = 3 if colour else 1
    if colour:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = photometric
    data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
    data.PixelRepresentation = 0
    data.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    data.HighBit = data.BitsStored - 1
    return data


def encoded(data: Dataset) -> bytes:
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def decode(data: Dataset, frame: int | None = None) -> np.ndarray:
    return dicom.decode_rgb(encoded(data), frame, "x.dcm")


def cohort(root: Path, files: dict[str, Dataset]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(data))
    return root


def kinds(listing: Listing) -> dict[str, int]:
    """Cautions of a listing: their kinds and counts."""
    return {item.kind: item.count for item in listing.cautions}


def repeated(grey: np.ndarray) -> np.ndarray:
    return np.stack([grey] * 3, -1)


def test_grey() -> None:
    assert (decode(make(GREY)) == repeated(GREY)).all()
    assert (decode(make(GREY, "MONOCHROME1")) == repeated(255 - GREY)).all()


@pytest.mark.parametrize("stored", [10, 12, 16])
def test_deep_grey_is_scaled_by_the_stored_bits(stored: int) -> None:
    full = 2**stored - 1
    deep = np.random.default_rng(3).integers(0, full + 1, (20, 24)).astype(np.uint16)
    deep[0, :2] = 0, full
    expected = np.floor(deep * (255 / full) + 0.5)
    assert (decode(make(deep, BitsStored=stored)) == repeated(expected)).all()
    inverted = decode(make(deep, "MONOCHROME1", BitsStored=stored)).astype(int)
    assert (abs(inverted - repeated(255 - expected)) <= 1).all()


def test_signed_grey_is_shifted_to_zero() -> None:
    signed = (GREY.astype(np.int16) - 128) * 256
    assert (abs(decode(make(signed, PixelRepresentation=1)).astype(int) - repeated(GREY)) <= 1).all()


def test_colour() -> None:
    assert (decode(make(COLOUR, "RGB", colour=True)) == COLOUR).all()
    planes = make(COLOUR, "RGB", colour=True, PlanarConfiguration=1)
    planes.PixelData = COLOUR.transpose(2, 0, 1).tobytes()
    assert (decode(planes) == COLOUR).all()
    ybr = convert_color_space(COLOUR, "RGB", "YBR_FULL")
    assert (abs(decode(make(ybr, "YBR_FULL", colour=True)).astype(int) - COLOUR) <= 3).all()


def test_ybr_full_422_halves_the_colour() -> None:
    flat = np.broadcast_to(COLOUR[:, :1], COLOUR.shape)
    ybr = convert_color_space(np.ascontiguousarray(flat), "RGB", "YBR_FULL")
    pairs = np.stack([ybr[:, 0::2, 0], ybr[:, 1::2, 0], ybr[:, 0::2, 1], ybr[:, 0::2, 2]], -1)
    data = make(COLOUR, "YBR_FULL_422", colour=True)
    data.PixelData = pairs.tobytes()
    assert (abs(decode(data).astype(int) - flat) <= 3).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_palette_colour(bits: int) -> None:
    tables = np.random.default_rng(4).integers(0, 2**bits, (3, 256)).astype(f"<u{bits // 8}")
    data = make(GREY, "PALETTE COLOR")
    for name, values in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(data, f"{name}PaletteColorLookupTableDescriptor", [256, 0, bits])
        setattr(data, f"{name}PaletteColorLookupTableData", values.tobytes())
    expected = tables[:, GREY].transpose(1, 2, 0) / (257 if bits == 16 else 1)
    assert (abs(decode(data) - expected) <= 0.51).all()


def test_compressed() -> None:
    rle = make(COLOUR, "RGB", colour=True)
    rle.compress(RLELossless)
    assert (decode(rle) == COLOUR).all()
    smooth = np.broadcast_to(np.linspace(0, 255, 24).astype(np.uint8)[:, None], (20, 24, 3))
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, "JPEG", quality=95)
    jpeg = make(smooth, "YBR_FULL_422", colour=True)
    jpeg.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    jpeg.PixelData = encapsulate([buffer.getvalue()])
    assert (abs(decode(jpeg).astype(int) - smooth) < 8).all()


@pytest.mark.parametrize("tag", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_jpeg_is_read_by_its_stream_not_its_tag(tag: str, subsampling: int) -> None:
    scan = np.repeat(np.linspace(0, 255, 48).astype(np.uint8)[:, None, None], 3, 2).repeat(40, 1)
    scan[8:16, 8:16] = (200, 40, 30)  # a Doppler mark
    buffer = io.BytesIO()
    Image.fromarray(scan).save(buffer, "JPEG", quality=95, subsampling=subsampling)
    stream = buffer.getvalue()
    marker = stream.index(b"\xff\xe0")  # JFIF's, which would say YCbCr
    bare = stream[:marker] + stream[marker + 2 + int.from_bytes(stream[marker + 2 : marker + 4], "big") :]
    for content in (stream, bare):
        data = make(scan, tag, colour=True)
        data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        data.PixelData = encapsulate([content])
        assert abs(decode(data).astype(int) - scan).mean() < 2


def test_an_rgb_jpeg_stays_rgb() -> None:
    scan = np.repeat(np.linspace(0, 255, 48).astype(np.uint8)[:, None, None], 3, 2).repeat(40, 1)
    buffer = io.BytesIO()
    Image.fromarray(scan).save(buffer, "JPEG", quality=95, keep_rgb=True)
    data = make(scan, "RGB", colour=True)
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data.PixelData = encapsulate([buffer.getvalue()])
    assert abs(decode(data).astype(int) - scan).mean() < 2


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_files_without_a_preamble_are_read(tmp_path: Path, syntax: str) -> None:
    for number, name in enumerate(("a/IM1", "a/x.dcm", "b/IM2")):
        data = make(GREY, patient=f"p{number}")
        data.file_meta.TransferSyntaxUID = syntax
        content = encoded(data)
        start = content.index(
            b"\x08\x00\x16\x00"
        )  # SOPClassUID, the first element after the meta information
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content[start:] if number else content[132:])
    listing = list_scans(tmp_path)
    assert [scan.file for scan in listing.scans] == ["a/IM1", "a/x.dcm", "b/IM2"]
    assert len({scan.group for scan in listing.scans}) == 3
    for scan in listing.scans:
        assert (read_scan(listing, scan) == repeated(GREY)).all()


@pytest.mark.parametrize("word", ["ANONYMOUS", "unknown", "NA", "-"])
def test_a_word_for_unknown_is_no_patient(tmp_path: Path, word: str) -> None:
    files = {f"{'ab'[n % 2]}/{n}.dcm": make(GREY, patient=word if n < 4 else f"id {n}") for n in range(8)}
    files["a/s.dcm"] = make(GREY, patient=word, StudyInstanceUID="1.2.3")
    listing = list_scans(cohort(tmp_path, files))
    assert Counter(scan.group for scan in listing.scans)[None] == 4
    assert len({scan.group for scan in listing.scans}) == 6, "none, four patients and a study"
    assert kinds(listing)["placeholder patients"] == 5


def test_one_id_for_most_is_a_placeholder_and_gives_way_to_studies(tmp_path: Path) -> None:
    files = {
        f"{'ab'[n % 2]}/{n}.dcm": make(
            GREY, patient="CLINIC" if n < 12 else f"id {n}", StudyInstanceUID=f"1.2.{n // 2}"
        )
        for n in range(16)
    }
    listing = list_scans(cohort(tmp_path, files))
    assert kinds(listing)["placeholder patients"] == 12
    sizes = Counter(scan.group for scan in listing.scans)
    assert sorted(sizes.values()) == [1] * 4 + [2] * 6


def test_frames(tmp_path: Path) -> None:
    files = {"a/loop.dcm": make(LOOP), "b/one.dcm": make(GREY, patient="other")}
    cohort(tmp_path, files)
    middle = list_scans(tmp_path)
    assert [scan.file for scan in middle.scans] == ["a/loop.dcm", "b/one.dcm"]
    assert (read_scan(middle, middle.scans[0]) == repeated(LOOP[2])).all()
    every = list_scans(tmp_path, frames="all")
    assert [scan.file for scan in every.scans] == [*(f"a/loop.dcm#{n}" for n in range(1, 6)), "b/one.dcm"]
    assert len({scan.group for scan in every.scans}) == 2
    for frame, scan in zip(LOOP, every.scans, strict=False):
        assert (read_scan(every, scan) == repeated(frame)).all()
    with pytest.raises(BusError, match="5 frames; there is no frame 6"):
        decode(make(LOOP), 6)


def test_frames_of_a_loop_stay_together_whoever_the_patient_is(
    tmp_path: Path, run_bus: Callable[..., tuple[int, str]]
) -> None:
    """Loops of one placeholder patient, frames that share nothing: each file is a group, for a check too."""
    rng, files = np.random.default_rng(5), {}
    for number in range(8):
        loop = rng.integers(0, 256, (3, 24, 24), np.uint8)
        files[f"{('benign', 'malignant')[number % 2]}/{number}.dcm"] = make(loop, patient="ANONYMOUS")
    data, study = cohort(tmp_path / "data", files), tmp_path / "study"
    code, text = run_bus("data", "check", data, "--frames", "all", "--k", 2, "--page", tmp_path / "page.html")
    assert (code, "24 scans" in text) == (0, True), text
    assert "scans (groups) of benign: 6 (2), 6 (2)" in text
    assert "Patient ids in DICOM files that most files share, or that are a word for unknown: 8 of 8" in text
    made = open_or_create(study, {"data": str(data), "frames": "all", "k": 2, "size": 32})
    assert "placeholder patients" in [item.kind for item in made.settings.cautions]
    folds: dict[str, set[int | None]] = {}
    for scan in Study.open(study).scans:
        folds.setdefault(scan.file.partition("#")[0], set()).add(scan.fold)
    assert len(folds) == 8 and all(len(of) == 1 for of in folds.values())
    assert len({scan.group for scan in Study.open(study).scans}) == 8


def test_groups_are_patients(tmp_path: Path) -> None:
    files = {f"{'ab'[n % 2]}/{n}.dcm": make(GREY, patient=f"id {n // 2}") for n in range(6)}
    listing = list_scans(cohort(tmp_path / "x", files))
    assert [scan.group for scan in listing.scans] == [dicom.pseudonym(f"id {n}") for n in (0, 1, 2, 0, 1, 2)]
    assert sorted(Counter(scan.group for scan in listing.scans).values()) == [2, 2, 2]
    (tmp_path / "x" / "labels.csv").write_text("file,label,group\na/0.dcm,a,mine\nb/1.dcm,b,\n")
    groups = [scan.group for scan in list_scans(tmp_path / "x").scans]
    assert groups[0] == "mine", "what the user gives wins"
    table = "file,label,group\na/0.dcm,a,mine\nb/1.dcm,b,\na/2.dcm,a,\n"
    (tmp_path / "x" / "labels.csv").write_text(table)
    groups = [scan.group for scan in list_scans(tmp_path / "x").scans]
    assert groups == ["mine", dicom.pseudonym("id 1"), "mine"], "one patient is not torn apart"


def test_one_id_for_all_is_a_placeholder(tmp_path: Path) -> None:
    listing = list_scans(cohort(tmp_path, dict.fromkeys(("a/1.dcm", "b/1.dcm", "b/2.dcm"), make(GREY))))
    assert {scan.group for scan in listing.scans} == {None}
    assert kinds(listing) == {"DICOM": 3, "placeholder patients": 3}


def test_a_study_stands_in_for_a_missing_patient(tmp_path: Path) -> None:
    studies = {"a/1.dcm": "1.2.3", "b/1.dcm": "1.2.3", "a/2.dcm": "1.2.4", "b/2.dcm": "1.2.4"}
    files = {name: make(GREY, patient="", StudyInstanceUID=study) for name, study in studies.items()}
    listing = list_scans(cohort(tmp_path, files))
    assert sorted(Counter(scan.group for scan in listing.scans).values()) == [2, 2]


def test_burned_in_marks_are_told(tmp_path: Path) -> None:
    files = {"a/1.dcm": make(GREY, BurnedInAnnotation="YES"), "a/2.dcm": make(GREY, BurnedInAnnotation="NO")}
    listing = list_scans(cohort(tmp_path, files | {"b/1.dcm": make(GREY)}))
    assert [scan.burned_in for scan in listing.scans] == [True, False, None]
    assert "YES in 1, NO in 1, absent in 1" in listing.cautions[0].sentence


def without_image(data: Dataset) -> Dataset:
    """A report about the same patient."""
    del data.PixelData, data.Rows, data.Columns
    data.SOPClassUID = ComprehensiveSRStorage
    return data


def test_files_without_suffix_masks_and_reports(tmp_path: Path) -> None:
    report = without_image(make(GREY))
    files = {name: make(GREY) for name in ("a/IM0001", "a/1.2.840.55", "b/x.dcm")}
    cohort(tmp_path, files | {"b/sr.dcm": report})
    Image.fromarray(GREY > 99).save(tmp_path / "b" / "x_mask.png")
    listing = list_scans(tmp_path)
    assert [scan.file for scan in listing.scans] == ["a/1.2.840.55", "a/IM0001", "b/x.dcm"]
    assert listing.ignored == (("b/sr.dcm", "DICOM without an image"),)
    assert np.array_equal(read_mask(listing, listing.scans[2]), GREY > 99)


@pytest.mark.parametrize("known", ["SOPClassUID", "MediaStorageSOPClassUID"])
def test_an_image_that_was_cut_before_its_size_is_damaged(tmp_path: Path, known: str) -> None:
    """pydicom reads such a file to its end without a word, as if it were a report."""
    cut = make(GREY, SOPClassUID=UltrasoundImageStorage)
    del cut.PixelData, cut.Rows, cut.Columns
    if known != "SOPClassUID":
        cut.file_meta.MediaStorageSOPClassUID = cut.SOPClassUID
        del cut.SOPClassUID
    cohort(tmp_path, {f"{label}/{n}.dcm": make(GREY) for label in "ab" for n in (1, 2)} | {"a/9.dcm": cut})
    with pytest.raises(BusError, match=r"a/9\.dcm ends before its image\. Copy it again"):
        list_scans(tmp_path)


def everything_said(listing: Listing) -> str:
    places = [listing.where(scan.file) for scan in listing.scans]
    return f"{listing!r} {listing.places.keys()} {places}".casefold()


def test_identity_is_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    files = {f"{label}/{n}.dcm": make(GREY, patient=f"{IDENTITY}-{n}") for label in "ab" for n in (1, 2)}
    files[f"a/{NAME.split('^')[0]}/{IDENTITY}.dcm"] = make(COLOUR, "RGB", colour=True)
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        listing = list_scans(cohort(tmp_path, files))
        for scan in listing.scans:
            read_scan(listing, scan)
    said = everything_said(listing) + caplog.text + str([str(warning.message) for warning in warned])
    said = (said + "".join(capfd.readouterr())).casefold()
    for secret in SECRETS:
        assert secret not in said
    hashed = next(scan for scan in listing.scans if scan.file.startswith("a/dicom-"))
    assert (read_scan(listing, hashed) == COLOUR).all()
    assert kinds(listing)["named paths"] == 1


def header(path: str, **tags: object) -> dicom.Header:
    """The header of a file of this name, of a patient about whom only `tags` are known."""
    data = make(GREY, patient="")
    del data.PatientName, data.PatientBirthDate
    for name, value in tags.items():
        setattr(data, name, value)
    data.SpecificCharacterSet = "ISO_IR 192"
    return dicom.read_header(io.BytesIO(encoded(data)), path, path)


@pytest.mark.parametrize(
    ("path", "tags"),
    [
        ("양성/김철수.dcm", {"PatientName": "X^Y==김^철수"}),
        ("benign/철수 1.dcm", {"PatientName": "Kim^Cheolsoo==김^철수"}),
        ("benign/王伟.dcm", {"PatientName": "Wang^XiaoMing==王^伟"}),
        ("benign/伟_王_2.dcm", {"PatientName": "王^伟"}),
        ("benign/cheol_soo.dcm", {"PatientName": "Kim^CheolSoo"}),
        ("benign/bo-li.dcm", {"PatientName": "Li^Bo^^Dr"}),
        ("benign/1980-01-31.dcm", {"PatientBirthDate": "19800131"}),
        ("benign/31.01.1980 left.dcm", {"PatientBirthDate": "19800131"}),
        ("1980/01/31/1.dcm", {"PatientBirthDate": "19800131"}),
        ("benign/12345678.dcm", {"PatientID": "1234-5678"}),
        ("benign/1234 5678.dcm", {"PatientID": "12345678"}),
        ("benign/12345678.dcm", {"PatientID": "0012345678"}),
        ("benign/0012345678.dcm", {"PatientID": "12345678"}),
        ("zyxwvut/benign/1.dcm", {"PatientName": "Zyxwvut^Quentin"}),
    ],
)
def test_a_patient_is_known_in_a_path_however_spelt(path: str, tags: dict[str, str]) -> None:
    assert header(path, **tags).named > 0


@pytest.mark.parametrize(
    ("path", "tags"),
    [
        ("benign/li (12).dcm", {"PatientName": "Li^Wu", "PatientID": "12"}),
        ("malignant/al.dcm", {"PatientName": "Ma^Al"}),
        ("benign/1.dcm", {"PatientID": "0001", "PatientBirthDate": "19800131"}),
        ("양성/1.dcm", {"PatientName": "양^수"}),
        ("anonymous/1.dcm", {"PatientName": "ANONYMOUS", "PatientID": "Anonymous"}),
        ("12/3/x.dcm", {"PatientID": "123"}),
    ],
)
def test_short_parts_and_words_for_unknown_are_no_identity(path: str, tags: dict[str, str]) -> None:
    assert header(path, **tags).named == 0


def test_what_lies_beside_a_patients_file_is_called_by_a_hash(tmp_path: Path) -> None:
    """Scans, masks and what is left out, beside a file and below a folder that are named after a patient."""
    files = {f"a/x/{NAME.replace('^', '_')}_9.dcm": make(GREY, patient="x")}
    files |= {"b/zyxwvut q/dicom/1.dcm": make(GREY, patient="y"), "b/other/1.dcm": make(GREY, patient="z")}
    cohort(tmp_path, files)
    (tmp_path / "b/zyxwvut q/png").mkdir()
    for name in ("a/x/zyxwvut_0", "a/x/quentin", "a/x/quentin_mask", "b/zyxwvut q/png/2", "b/other/3"):
        Image.fromarray(GREY if "mask" not in name else (GREY > 99)).save(tmp_path / f"{name}.png")
    for name in ("a/x/zyxwvut.mp4", "a/x/1.Quentin"):
        (tmp_path / name).write_bytes(b"x")
    listing = list_scans(tmp_path)
    said = everything_said(listing)
    assert not [secret for secret in SECRETS if secret in said]
    assert {scan.file for scan in listing.scans if "dicom-" not in scan.file} == {
        "b/other/1.dcm",
        "b/other/3.png",
    }
    assert Counter(scan.file[:8] for scan in listing.scans)["a/dicom-"] == 3
    assert Counter(scan.file[:8] for scan in listing.scans)["b/dicom-"] == 2
    (masked,) = (scan for scan in listing.scans if scan.masks and scan.file.startswith("a/"))
    assert np.array_equal(read_mask(listing, masked), GREY > 99)
    for scan in listing.scans:
        assert (read_scan(listing, scan) == repeated(GREY)).all()
    loose = find([tmp_path])
    shown = f"{[scan.name for scan in loose.scans]} {loose.passed}".casefold()
    assert len(loose.scans) == 7 and not [secret for secret in SECRETS if secret in shown]


def test_a_report_named_after_a_patient_is_called_by_a_hash(tmp_path: Path) -> None:
    """With what lies beside it, though it holds no image and is not read."""
    report = without_image(make(GREY, patient="x"))
    files = {"a/1.dcm": make(GREY, patient="x"), "b/1.dcm": make(GREY, patient="y")}
    cohort(tmp_path, files | {f"a/{NAME.replace('^', ' ')} SR.dcm": report})
    listing = list_scans(tmp_path)
    loose = find([tmp_path])
    for said in (everything_said(listing), f"{listing.ignored} {loose.passed}".casefold()):
        assert not [secret for secret in SECRETS if secret in said]
    ((name, why),) = listing.ignored
    assert why == "DICOM without an image" and name.startswith("dicom-") and name.endswith(".dcm")
    assert [scan.file for scan in listing.scans if "dicom-" not in scan.file] == ["b/1.dcm"]


def test_a_damaged_file_stops_only_those_who_use_it(tmp_path: Path) -> None:
    files = {f"{label}/{n}.dcm": make(GREY + n, patient=f"{label}{n}") for label in "ab" for n in (1, 2)}
    cohort(tmp_path, files)
    damaged = tmp_path / "a" / "9.dcm"
    damaged.write_bytes(b"no DICOM")
    with pytest.raises(BusError, match=r"a/9\.dcm could not be read"):
        list_scans(tmp_path)
    assert [file for file, _ in check(tmp_path, k=2).unreadable] == ["a/9.dcm"]
    # where no table names it, or no class holds it, it is left out
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + "".join(f"{name},{name[0]}\n" for name in files))
    listing = list_scans(tmp_path)
    assert len(listing.scans) == 4 and listing.ignored == (("a/9.dcm", "not in the table"),)
    table.unlink()
    damaged.rename(tmp_path / "9.dcm")
    listing = list_scans(tmp_path)
    assert len(listing.scans) == 4 and ("9.dcm", "not in a class folder") in listing.ignored
    # a folder with nothing else in it: the file is what is wrong, not the layout
    (tmp_path / "c").mkdir()
    (tmp_path / "9.dcm").rename(tmp_path / "c" / "9.dcm")
    with pytest.raises(BusError, match=r"c/9\.dcm could not be read"):
        list_scans(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"no DICOM", "whole DICOM file"),
        (encoded(make(GREY))[:-100], "whole DICOM file"),
        (encoded(make(GREY))[:200], "whole DICOM file"),
        (encoded(make(GREY[:, :8])), "8×20 pixels; a scan has 16"),
        (encoded(make(GREY, Rows=60_000, Columns=60_000)), "60000×60000 pixels; at most 64 million"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_refusals_name_the_file(content: bytes, words: str) -> None:
    with pytest.raises(BusError, match=words) as caught:
        dicom.decode_rgb(content, None, "a/초음파 1.dcm")
    assert str(caught.value).startswith("a/초음파 1.dcm ")


def test_missing_decoders_deflation_and_endless_loops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = make(GREY)
    unknown.file_meta.TransferSyntaxUID = JPEGLSLossless
    unknown.PixelData = encapsulate([b"\xff\xd8\xff\xf7" + bytes(100)])
    monkeypatch.setattr(dicom, "get_decoder", lambda syntax: type("Decoder", (), {"is_available": False}))
    with pytest.raises(BusError, match=r"compressed by JPEG-LS Lossless.*pyjpegls"):
        decode(unknown)
    deflated = make(GREY)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    with pytest.raises(BusError, match="deflated"):
        decode(deflated)
    cohort(tmp_path, {"a/1.dcm": make(GREY, NumberOfFrames=2**31 - 1), "b/1.dcm": make(GREY)})
    with pytest.raises(BusError, match=r"a/1\.dcm declares 2147483647 frames"):
        list_scans(tmp_path, frames="all")


LOOP_RLE = make(LOOP)
LOOP_RLE.compress(RLELossless)
SOUND = [encoded(make(GREY)), encoded(make(COLOUR, "YBR_FULL", colour=True)), encoded(LOOP_RLE)]


@settings(max_examples=300)
@given(
    st.sampled_from(SOUND),
    st.floats(0, 1.5),
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=5),
)
def test_damaged_files_give_pixels_or_a_clear_error(
    content: bytes, end: float, flips: list[tuple[float, int]]
) -> None:
    """Most flips fall into the header: its bytes are where things go wrong."""
    damaged = bytearray(content)
    for place, change in flips:
        damaged[int(place**3 * (len(damaged) - 1))] ^= change
    damaged = damaged[: int(end * len(damaged))]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a/1.dcm", "b/1.dcm"):
            Path(folder, name).parent.mkdir()
            Path(folder, name).write_bytes(damaged)
        try:
            listing = list_scans(Path(folder), frames="all")
            for scan in listing.scans[:3]:
                pixels = read_scan(listing, scan)
                assert pixels.dtype == np.uint8
                assert pixels.shape[2] == 3
        except BusError as error:
            assert folder in str(error)
            for secret in SECRETS:
                assert secret not in str(error).casefold()
