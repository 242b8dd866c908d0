"""Layouts: the public sets of breast ultrasound, other tools' folders, names however they are composed."""

import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.core.errors import BusError
from bus.data.scans import Listing, list_scans, read_mask, read_scan
from hypothesis import given, settings
from hypothesis import strategies as st

NOISE = np.random.default_rng(0)
LESION = np.zeros((20, 24), np.uint8)
LESION[5:12, 6:15] = 255


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = ".bmp" if path.suffix == ".bmp" else ".tif" if path.suffix == ".tif" else ".png"
    path.write_bytes(cv2.imencode(suffix, pixels)[1].tobytes())


def scans(root: Path, *names: str) -> None:
    for name in names:
        write(root / name, NOISE.integers(20, 200, (20, 24), np.uint8))


def masks(root: Path, *names: str) -> None:
    for name in names:
        write(root / name, LESION)


def text(root: Path, name: str, *lines: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def sheet(root: Path, name: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"PK\x03\x04 a spreadsheet")


# public sets, made up: names and folders as they are published, never their pixels


def busi(root: Path) -> None:
    for label in ("benign", "malignant", "normal"):
        for number in (1, 2, 3):
            scans(root, f"Dataset_BUSI_with_GT/{label}/{label} ({number}).png")
            masks(root, f"Dataset_BUSI_with_GT/{label}/{label} ({number})_mask.png")
    masks(root, "Dataset_BUSI_with_GT/benign/benign (1)_mask_1.png")


def bus_bra(root: Path) -> None:
    rows = ["ID,Case,Histology,Pathology,BIRADS,Device,Width,Height,Side,BBOX"]
    for number in (1, 2, 3, 4):
        for side in "lr":
            scans(root, f"BUSBRA/Images/bus_{number:04}-{side}.png")
            masks(root, f"BUSBRA/Masks/mask_{number:04}-{side}.png")
            label = "malignant" if number > 2 else "benign"
            rows.append(f'bus_{number:04}-{side},{number},x,{label},4,GE,24,20,left,"[1,2,3,4]"')
    text(root / "BUSBRA", "bus_data.csv", *rows)
    text(root / "BUSBRA", "5-fold-cv.csv", "ID,Pathology,kFold", "bus_0001-l,benign,1")


def bus_uclm(root: Path) -> None:
    rows = ["Image;Resolution;Label;Doppler;Marks;Combined"]
    for patient, label in (("ALWI", "Normal"), ("ANFO", "Benign"), ("CEBE", "Malignant")):
        for number in (0, 1):
            scans(root, f"BUS-UCLM/images/{patient}_{number:03}.png")
            masks(root, f"BUS-UCLM/masks/{patient}_{number:03}.png")
            rows.append(f"{patient}_{number:03}.png;24x20;{label};No;No;No")
    text(root / "BUS-UCLM", "INFO.csv", *rows)


def bus_uc(root: Path) -> None:
    for label, numbers in (("Benign", (1, 2)), ("Malignant", (3, 4))):
        for number in numbers:
            for folder in ("All", label):
                scans(root, f"BUS_UC/{folder}/images/{number:03}.png")
                masks(root, f"BUS_UC/{folder}/masks/{number:03}.png")


def buid(root: Path) -> None:
    for label in ("Benign", "Malignant"):
        for number in (1, 2, 11):
            scans(root, f"{label}/{number} {label} Image.bmp", f"{label}/{number} {label} Lesion.bmp")
            masks(root, f"{label}/{number} {label} Mask.tif")


def breast(root: Path) -> None:
    for number in (1, 2, 3, 4):
        scans(root, f"BrEaST-Lesions_USG-images_and_masks/case{number:03}.png")
        masks(root, f"BrEaST-Lesions_USG-images_and_masks/case{number:03}_tumor.png")
    masks(root, "BrEaST-Lesions_USG-images_and_masks/case001_other1.png")
    sheet(root, "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx")


def breast_as_csv(root: Path) -> None:
    breast(root)
    rows = [
        f"{number},case{number:03}.png,case{number:03}_tumor.png,,{'benign' if number < 3 else 'malignant'}"
        for number in (1, 2, 3, 4)
    ]
    text(
        root,
        "labels.csv",
        "CaseID,Image_filename,Mask_tumor_filename,Mask_other_filename,Classification",
        *rows,
    )


def yap(root: Path) -> None:
    for number in (1, 2, 3, 12):
        scans(root, f"BUS/original/{number:06}.png")
        masks(root, f"BUS/GT/{number:06}.png")
    sheet(root / "BUS", "DatasetB.xlsx")


def yap_as_csv(root: Path) -> None:
    yap(root)
    rows = [f"{number};{'Benign' if number < 3 else 'Malignant'}" for number in (1, 2, 3, 12)]
    text(root / "BUS", "labels.csv", "Image;Type", *rows)


def busis(root: Path) -> None:
    for number in (1, 2, 3):
        scans(root, f"BUSIS/original/case{number:03}.bmp")
        masks(root, f"BUSIS/GT/case{number}_GT.bmp")
    sheet(root / "BUSIS", "tumor types.xlsx")


def oasbud(root: Path) -> None:
    (root / "OASBUD.mat").write_bytes(b"MATLAB 5.0 MAT-file")


def oasbud_pictures(root: Path) -> None:
    for label in ("benign", "malignant"):
        for number in (1, 2, 3):
            for plane in (1, 2):
                scans(root, f"OASBUD/{label}/{number}_{plane}.png")
                masks(root, f"OASBUD/{label}/{number}_{plane}_roi.png")


READ = {  # scans of each class, scans with a mask, groups
    busi: ({"benign": 3, "malignant": 3, "normal": 3}, 9, 0),
    bus_bra: ({"benign": 4, "malignant": 4}, 8, 4),
    bus_uclm: ({"Normal": 2, "Benign": 2, "Malignant": 2}, 6, 3),
    bus_uc: ({"Benign": 2, "Malignant": 2}, 4, 0),
    buid: ({"Benign": 3, "Malignant": 3}, 6, 0),
    breast_as_csv: ({"benign": 2, "malignant": 2}, 4, 4),
    yap_as_csv: ({"Benign": 2, "Malignant": 2}, 4, 0),
    oasbud_pictures: ({"benign": 6, "malignant": 6}, 12, 0),
}
REFUSED = {  # what the refusal says
    breast: ["one class only", "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx", "file,label"],
    yap: ["original is no class", "BUS/DatasetB.xlsx", "save it as CSV", "BUS/DatasetB.csv"],
    busis: ["original is no class", "BUSIS/tumor types.xlsx", "labels.csv"],
    oasbud: ["no scans", "OASBUD.mat", "PNG"],
}


def everything_fits(listing: Listing) -> None:
    """Every scan and every mask can be read, none is of the other kind."""
    for scan in listing.scans:
        assert len(np.unique(read_scan(listing, scan))) > 9
        mask = read_mask(listing, scan)
        assert mask is None or (mask == (LESION > 0)).all()


@pytest.mark.parametrize("layout", READ, ids=lambda layout: layout.__name__)
def test_public_sets_are_read_as_they_are_published(tmp_path: Path, layout: Callable[[Path], None]) -> None:
    classes, with_masks, groups = READ[layout]
    layout(tmp_path)
    listing = list_scans(tmp_path)
    assert Counter(scan.label for scan in listing.scans) == classes
    assert sum(bool(scan.masks) for scan in listing.scans) == with_masks
    assert len({scan.group for scan in listing.scans if scan.group}) == groups
    everything_fits(listing)


@pytest.mark.parametrize("layout", REFUSED, ids=lambda layout: layout.__name__)
def test_others_are_refused_and_the_file_to_give_is_named(
    tmp_path: Path, layout: Callable[[Path], None]
) -> None:
    layout(tmp_path)
    with pytest.raises(BusError) as caught:
        list_scans(tmp_path)
    for words in REFUSED[layout]:
        assert words in str(caught.value)


def test_a_folder_that_repeats_the_classes_is_said_to_be_left_out(tmp_path: Path) -> None:
    bus_uc(tmp_path)
    (left,) = list_scans(tmp_path).cautions
    assert left.sentence.startswith(
        "Scans left out: 4 (not in a class folder), such as BUS_UC/All/images/001.png"
    )


def test_a_table_may_be_given_by_its_name(tmp_path: Path) -> None:
    breast_as_csv(tmp_path)
    table = (tmp_path / "labels.csv").rename(tmp_path / "clinical data.csv")
    assert len(list_scans(table).scans) == 4


# folders of other tools


def test_folders_of_cyclegan_are_two_classes(tmp_path: Path) -> None:
    scans(
        tmp_path,
        *(f"{folder}/{number}.png" for folder in ("trainA", "trainB", "testA", "testB") for number in "12"),
    )
    listing = list_scans(tmp_path)
    assert Counter(scan.label for scan in listing.scans) == {"A": 4, "B": 4}
    assert [item.kind for item in listing.cautions] == ["merged"]


@pytest.mark.parametrize("thumbnails", ["@eaDir", ".@__thumb", "__MACOSX", "#recycle"])
def test_thumbnails_of_servers_are_no_scans(tmp_path: Path, thumbnails: str) -> None:
    scans(tmp_path, "a/1.png", "b/1.png", f"a/{thumbnails}/1.png", f"{thumbnails}/1.png")
    listing = list_scans(tmp_path)
    assert [scan.file for scan in listing.scans] == ["a/1.png", "b/1.png"]
    assert dict(listing.ignored)[f"a/{thumbnails}"] == "hidden or made by the system"


def test_what_may_hold_scans_is_said_to_be_left_out(tmp_path: Path) -> None:
    scans(tmp_path, "a/1.png", "b/1.png", "cover.png")
    masks(tmp_path, "b/7_mask.png")
    for name in (
        "a/2.npz",
        "a/3.mat",
        "b/loop.mp4",
        "b/more.zip",
        "notes.xlsx",
        "a/4.jp2",
        "README.md",
        "groups.csv",
    ):
        (tmp_path / name).write_bytes(b"x" * 200)
    listing = list_scans(tmp_path)
    said = {item.kind: [file for case in item.cases for file in case] for item in listing.cautions}
    assert said == {
        "arrays": ["a/2.npz", "a/3.mat"],
        "videos": ["b/loop.mp4"],
        "packed": ["b/more.zip"],
        "spreadsheets": ["notes.xlsx"],
        "other pictures": ["a/4.jp2"],
        "lone masks": ["b/7_mask.png"],
        "outside": ["cover.png"],
    }
    assert {"README.md", "groups.csv"} <= set(dict(listing.ignored)), (
        "no data of their own: listed, not warned of"
    )


def test_a_folder_that_holds_only_a_zip_names_it(tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(b"PK")
    with pytest.raises(BusError, match=rf"no scans.*There is archive\.zip: .*--data {tmp_path}/archive\.zip"):
        list_scans(tmp_path)


# names

LABELS = ("악성", "양성", "정상", "bénin", "Krebs Å")


@settings(max_examples=30)
@given(st.lists(st.sampled_from(LABELS), min_size=2, max_size=3, unique=True), st.data())
def test_class_folders_meet_however_they_are_composed(labels: list[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        for number, label in enumerate(labels):
            for form in ("NFC", "NFD"):
                spelt = unicodedata.normalize(form, label) + data.draw(st.sampled_from(["", " ", "  "]))
                scans(Path(place), f"{spelt}/{number} {form}.png")
        listing = list_scans(Path(place))
        assert Counter(scan.label for scan in listing.scans) == dict.fromkeys(labels, 2)
        everything_fits(listing)


def test_labels_and_patients_of_a_table_meet_however_they_are_composed(tmp_path: Path) -> None:
    scans(tmp_path, *(f"{number}.png" for number in range(4)))
    rows = [("악성", "김 하나"), ("악성 ", "김 하나"), ("양성", "이 둘"), ("양성", " 이  둘")]
    forms = ("NFC", "NFD", "NFD", "NFC")
    lines = [
        f"{number}.png,{unicodedata.normalize(form, label)},{unicodedata.normalize(form, patient)}"
        for number, ((label, patient), form) in enumerate(zip(rows, forms, strict=True))
    ]
    text(tmp_path, "labels.csv", "file,label,patient", *lines)
    listing = list_scans(tmp_path)
    assert Counter((scan.label, scan.group) for scan in listing.scans) == {
        ("악성", "김 하나"): 2,
        ("양성", "이 둘"): 2,
    }


# tables

UNKNOWN = ("NA", "none", "unknown", "ANONYMOUS", "-", "n/a", "?", "미상")


@pytest.mark.parametrize("word", [*UNKNOWN, "0", "999"])
def test_a_word_for_unknown_is_no_patient(tmp_path: Path, word: str) -> None:
    names = [f"{number:02}.png" for number in range(20)]
    scans(tmp_path, *names)
    patients = [word if number % 2 else f"p{number}" for number in range(20)]
    lines = [f"{name},{'ab'[number // 10]},{patients[number]}" for number, name in enumerate(names)]
    text(tmp_path, "labels.csv", "file,label,patient", *lines)
    listing = list_scans(tmp_path)
    assert sum(scan.group is None for scan in listing.scans) == 10
    (said,) = listing.cautions
    assert said.sentence.startswith(f"Scans whose patient or group is a word for unknown: 10 of 20 ({word})")


def test_patients_counted_from_0_are_patients(tmp_path: Path) -> None:
    names = [f"{number:02}.png" for number in range(20)]
    scans(tmp_path, *names)
    lines = [f"{name},{'ab'[number // 10]},{number // 2}" for number, name in enumerate(names)]
    text(tmp_path, "labels.csv", "file,label,patient", *lines)
    listing = list_scans(tmp_path)
    assert len({scan.group for scan in listing.scans}) == 10
    assert listing.cautions == ()


def test_one_patient_of_many_scans_and_classes_stops_the_work(tmp_path: Path) -> None:
    names = [f"{number:02}.png" for number in range(30)]
    scans(tmp_path, *names)
    lines = [
        f"{name},{'ab'[number % 2]},{'clinic' if number < 12 else number}"
        for number, name in enumerate(names)
    ]
    text(tmp_path, "labels.csv", "file,label,patient", *lines)
    with pytest.raises(
        BusError, match=r"group, clinic, holds 12 of the 30 scans.*\(a, b\).*leave its cells empty"
    ):
        list_scans(tmp_path)


@pytest.mark.parametrize("entry", ["images/one", "one.png", "one", "images\\one.png", " images/one.png "])
def test_a_file_may_be_named_short_where_only_one_is_meant(tmp_path: Path, entry: str) -> None:
    scans(tmp_path, "images/one.png", "images/two.png")
    masks(tmp_path, "masks/one.png")
    text(tmp_path, "labels.csv", "file,label", f"{entry},a", "two,b")
    listing = list_scans(tmp_path)
    assert [(scan.file, scan.masks) for scan in listing.scans] == [
        ("images/one.png", ("masks/one.png",)),
        ("images/two.png", ()),
    ]


def test_a_short_name_of_several_files_is_refused(tmp_path: Path) -> None:
    scans(tmp_path, "x/one.png", "y/one.png", "two.png")
    text(tmp_path, "labels.csv", "file,label", "one,a", "two,b")
    with pytest.raises(BusError, match=r"row 2: one fits 2 files, such as x/one\.png and y/one\.png"):
        list_scans(tmp_path)


def test_other_columns_of_a_table_of_ones_own_mean_nothing(tmp_path: Path) -> None:
    scans(tmp_path, "1.png", "2.png")
    text(tmp_path, "labels.csv", "file,label,case,type,id", "1.png,a,9,x,2", "2.png,b,9,y,1")
    assert [(scan.label, scan.group) for scan in list_scans(tmp_path).scans] == [("a", None), ("b", None)]


@pytest.mark.parametrize("layout", ["train/{}/images", "{}/images", "{}", "images/{}", "images/train/{}"])
def test_masks_in_folders_of_their_own_are_read(tmp_path: Path, layout: str) -> None:
    folder = "masks" if "images" in layout else "mask"
    for label in ("benign", "malignant"):
        scans(tmp_path, f"{layout.format(label)}/1.png")
        of_masks = layout.replace("images", folder) if "images" in layout else f"{layout}/{folder}"
        masks(tmp_path, f"{of_masks.format(label)}/1.png")
    listing = list_scans(tmp_path)
    assert [(scan.label, len(scan.masks)) for scan in listing.scans] == [("benign", 1), ("malignant", 1)]
    assert listing.ignored == ()
    everything_fits(listing)


@pytest.mark.parametrize("name", ["labels.csv", "Labels.CSV"])
@pytest.mark.parametrize(
    ("public", "header"), [("bus_data.csv", "ID,Case,Pathology"), ("INFO.csv", "Image,Label,Doppler")]
)
def test_a_table_of_ones_own_rules_over_a_published_one(
    tmp_path: Path, name: str, public: str, header: str
) -> None:
    scans(tmp_path, "1.png", "2.png")
    text(tmp_path, public, header, "1.png,b,c", "2.png,d,e")
    text(tmp_path, name, "file,label", "1.png,mine", "2.png,other")
    listing = list_scans(tmp_path)
    assert listing.layout == name and [scan.label for scan in listing.scans] == ["mine", "other"]


def test_two_tables_of_which_none_rules_are_refused_by_name(tmp_path: Path) -> None:
    scans(tmp_path, "1.png", "2.png")
    text(tmp_path, "bus_data.csv", "ID,Case,Pathology", "1,a,b", "2,c,d")
    text(tmp_path, "INFO.csv", "Image,Label,Doppler", "1,a,b", "2,c,d")
    with pytest.raises(BusError, match=r"several tables, INFO\.csv and bus_data\.csv"):
        list_scans(tmp_path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_of_spreadsheets(tmp_path: Path, separator: str) -> None:
    scans(tmp_path, "1.png", "2.png")
    text(
        tmp_path,
        "labels.csv",
        *(separator.join(cells) for cells in (("file", "label"), ("1.png", "a"), ("2.png", "b"))),
    )
    assert len(list_scans(tmp_path).scans) == 2
