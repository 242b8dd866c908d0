"""Masks: told from scans by names, folders and content, paired whatever the spelling, by every reader."""

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.core.errors import BusError
from bus.data import unlabelled
from bus.data.masks import looks_like_mask, pair
from bus.data.scans import Listing, list_scans, read_mask, read_scan
from bus.gan.scoring import pictures
from hypothesis import given
from hypothesis import strategies as st

NOISE = np.random.default_rng(0)
LESION = np.zeros((20, 24), np.uint8)
LESION[5:12, 6:15] = 255


def scan(path: Path) -> Path:
    """Write a picture of noise."""
    return write(path, NOISE.integers(20, 200, (20, 24), np.uint8))


def mask(path: Path) -> Path:
    """Write a lesion mask."""
    return write(path, LESION)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix if path.suffix in (".bmp", ".tif", ".jpg") else ".png"
    path.write_bytes(cv2.imencode(suffix, pixels)[1].tobytes())
    return path


# names of one picture

STEMS = (
    "benign (1)",
    "case001",
    "환자 3",
    "IM-0001-0003",
    "img 12",
    "p7_2_L",
    "Scan-4",
    "a",
    "1.2.840",
    "x y",
)
WORDS = (
    "mask", "Mask", "MASK", "masks", "seg", "SEG", "segmentation", "tumor", "tumour", "lesion", "gt", "GT",
    "ground truth", "Ground_Truth", "GroundTruth", "label", "roi", "ROI", "contour", "annotation",
    "lesion_mask", "tumor seg",
)  # fmt: skip
SEPARATORS = ("_", "-", ".", " ", "__", " - ")
NUMBERS = ("", "1", "_1", " (1)", "_0002", "-3", "_1_2")


@given(
    st.sampled_from(STEMS), st.sampled_from(WORDS), st.sampled_from(SEPARATORS), st.sampled_from(NUMBERS),
    st.sampled_from([".png", ".tif", ".BMP"]), st.booleans(),
)  # fmt: skip
def test_a_mask_word_after_or_before_a_name_makes_its_mask(
    stem: str, word: str, separator: str, number: str, suffix: str, before: bool
) -> None:
    name = f"{word}{separator}{stem}" if before else f"{stem}{separator}{word}{number}"
    found = pair([f"b/{stem}.png", f"b/{name}{suffix}", "b/another scan 77.png", "c/nothing.png"])
    assert found.masks == {f"b/{stem}.png": (f"b/{name}{suffix}",)}
    assert found.scans == (f"b/{stem}.png", "b/another scan 77.png", "c/nothing.png")
    assert not found.unused


@pytest.mark.parametrize("name", ["X(mask)", "X [mask]", "XMask", "X_mask_left", "X_left_mask", "X1mask"])
def test_other_spellings_are_no_scans(name: str) -> None:
    found = pair(["b/X.png", f"b/{name}.png"])
    assert found.scans == ("b/X.png",)


@given(
    st.lists(st.sampled_from(["tumor", "lesion", "roi", "label", "unmasked", "Gtest"]), min_size=1), st.data()
)
def test_words_that_name_what_a_scan_shows_make_no_mask_by_themselves(
    words: list[str], data: st.DataObject
) -> None:
    names = {f"class {word}/{word} ({data.draw(st.integers(1, 99))}).png" for word in words}
    found = pair(sorted(names))
    assert set(found.scans) == names
    assert not found.masks
    assert not found.unused


@pytest.mark.parametrize("word", ["tumor", "lesion", "roi", "label", "GT", "contour", "other"])
@pytest.mark.parametrize("name", ["{}_1", "{} (1)", "{}1", "x {} 2", "{}"])
@pytest.mark.parametrize("of_mask", ["{}_mask", "{} mask (1)", "{}_mask_1", "{}-segmentation"])
def test_a_scan_that_is_called_by_such_a_word_keeps_its_mask(word: str, name: str, of_mask: str) -> None:
    stem = name.format(word)
    named = [f"b/{stem}.png", f"b/{of_mask.format(stem)}.png"]
    found = pair([*named, "b/9.png"])
    assert found.scans == (named[0], "b/9.png") and found.masks == {named[0]: (named[1],)}


@given(st.permutations(["1.png", "1_tumor.png", "1_tumor_mask.png", "tumor_2.png", "tumor_2_mask.png"]))
def test_a_mask_of_a_mask_is_its_scans(names: list[str]) -> None:
    found = pair(names)
    assert set(found.scans) == {"1.png", "tumor_2.png"}
    assert found.masks == {"1.png": ("1_tumor_mask.png",), "tumor_2.png": ("tumor_2_mask.png",)}
    assert found.unused == {"1_tumor.png": "another annotation of its scan"}


@given(
    st.permutations(["a/1.png", "a/1_mask.png", "a/2.png", "a/2_tumor.png", "b/3_tumor.png", "b/x mask.png"])
)
def test_the_order_of_files_changes_nothing(names: list[str]) -> None:
    found = pair(names)
    assert set(found.scans) == {"a/1.png", "a/2.png", "b/3_tumor.png"}
    assert found.masks == {"a/1.png": ("a/1_mask.png",), "a/2.png": ("a/2_tumor.png",)}
    assert found.unused == {"b/x mask.png": "a mask without a scan"}


PARTS = st.sampled_from(
    [
        "mask",
        "Ground",
        "Truth",
        "GT",
        "tumor",
        "b",
        "mode",
        "image",
        "1",
        "007",
        "a",
        "악성",
        "é",
        "ß",
        "_",
        "-",
        " ",
        ".",
        "(",
        ")",
    ]
)
NAMES = st.lists(PARTS, min_size=1, max_size=6).map("".join) | st.text(min_size=1, max_size=8).filter(
    lambda text: "/" not in text
)
PATHS = st.tuples(st.lists(NAMES, max_size=3), NAMES).map(lambda path: "/".join([*path[0], f"{path[1]}.png"]))


@given(st.lists(PATHS, max_size=12, unique=True))
def test_every_picture_is_a_scan_a_mask_or_unused(names: list[str]) -> None:
    found = pair(names)
    masks = [mask for several in found.masks.values() for mask in several]
    assert set(found.masks) <= set(found.scans)
    assert sorted([*found.scans, *set(masks), *found.unused]) == sorted(names)
    assert pair(sorted(names, reverse=True)).masks == found.masks


def test_where_most_files_with_a_word_lie_beside_a_scan_the_others_are_masks_too() -> None:
    names = [f"a/{number}{end}.png" for number in (1, 2, 3) for end in ("", "_tumor")] + ["a/9_tumor.png"]
    assert pair(names).unused == {"a/9_tumor.png": "a mask without a scan"}


def test_a_mask_that_fits_several_scans_belongs_to_none() -> None:
    found = pair(["a/x-1.png", "a/x_1.png", "a/x 1 mask.png", "b/2.png", "b/2.bmp", "b/2_mask.png"])
    assert found.unused == {"a/x 1 mask.png": "a mask whose name fits several scans"}
    assert found.masks == {"b/2.png": ("b/2_mask.png",), "b/2.bmp": ("b/2_mask.png",)}, (
        "one scan in two formats"
    )


def test_of_several_annotations_the_mask_is_taken() -> None:
    names = ["1 Benign Image.bmp", "1 Benign Lesion.bmp", "1 Benign Mask.tif"]
    found = pair([f"Benign/{name}" for name in names])
    assert found.masks == {"Benign/1 Benign Image.bmp": ("Benign/1 Benign Mask.tif",)}
    assert found.unused == {"Benign/1 Benign Lesion.bmp": "another annotation of its scan"}
    found = pair(["case1.png", "case1_tumor.png", "case1_other1.png", "case1_tumor2.png"])
    assert found.masks == {"case1.png": ("case1_tumor.png", "case1_tumor2.png")}


# folders

FOLDERS = ("mask", "masks", "Masks", "GT", "gt", "Ground Truth", "ground_truth", "segmentation",
           "annotations", "labels", "lesion_masks", "mask_png")  # fmt: skip
BESIDE = ("images", "Images", "img", "original", "Original", "scans", "us")


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_of_masks(folder: str) -> None:
    for image in BESIDE:
        for root in ("", "benign/", "train/benign/"):
            scans = (f"{root}{image}/1.png", f"{root}{image}/0022.png")
            found = pair([*scans, f"{root}{folder}/1.png", f"{root}{folder}/22_mask.png"])
            assert found.masks == {
                scans[0]: (f"{root}{folder}/1.png",),
                scans[1]: (f"{root}{folder}/22_mask.png",),
            }
    assert pair(["benign/1.png", f"benign/{folder}/1.png"]).masks == {
        "benign/1.png": (f"benign/{folder}/1.png",)
    }
    split = pair(["images/benign/1.png", "images/malignant/1.png", f"{folder}/benign/1.png"])
    assert split.masks == {"images/benign/1.png": (f"{folder}/benign/1.png",)}
    flat = pair(["images/benign/1.png", "images/malignant/2.png", f"{folder}/2.png"])
    assert flat.masks == {"images/malignant/2.png": (f"{folder}/2.png",)}


@pytest.mark.parametrize(
    ("scans_in", "masks_in"),
    [("benign", "benign_masks"), ("benign", "mask benign"), ("benign images", "benign masks"),
     ("benign", "Benign-GT"), ("images_benign", "segmentation_benign"), ("양성", "양성 mask")],
)  # fmt: skip
def test_folders_of_masks_named_as_those_of_the_scans(tmp_path: Path, scans_in: str, masks_in: str) -> None:
    for folder in (scans_in, "normal"):
        scan(tmp_path / folder / "1.png")
    mask(tmp_path / masks_in / "1.png")
    listing = list_scans(tmp_path)
    assert {item.file: item.masks for item in listing.scans} == {
        f"{scans_in}/1.png": (f"{masks_in}/1.png",),
        "normal/1.png": (),
    }


def test_a_folder_called_so_without_scans_beside_it_holds_scans() -> None:
    names = ["gt/benign/1.png", "gt/malignant/2.png"]
    assert pair(names).scans == tuple(names)


def test_normals_may_have_no_masks(tmp_path: Path) -> None:
    for label in ("benign", "malignant", "normal"):
        scan(tmp_path / label / "images" / "1.png")
    mask(tmp_path / "benign" / "masks" / "1.png")
    mask(tmp_path / "malignant" / "masks" / "1.png")
    listing = list_scans(tmp_path)
    assert [(item.label, len(item.masks)) for item in listing.scans] == [
        ("benign", 1),
        ("malignant", 1),
        ("normal", 0),
    ]
    assert listing.ignored == ()


# content


def test_content_tells_masks_from_scans() -> None:
    grey = NOISE.integers(0, 256, (40, 40), np.uint8)
    for picture, expected in (
        (LESION, True), (LESION // 255, True), (LESION // 255 * 3, True), (grey, False), (grey // 8, False),
        (np.full_like(grey, 7), False), (grey // 32 * 30, True),
    ):  # fmt: skip
        assert looks_like_mask(np.stack([picture] * 3, -1)) is expected
    large = cv2.resize(LESION, (240, 200), interpolation=cv2.INTER_NEAREST)
    blurred = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    jpeg = cv2.imdecode(blurred, cv2.IMREAD_COLOR)
    assert len(np.unique(jpeg)) > 8
    assert looks_like_mask(jpeg)
    coloured = np.zeros((20, 24, 3), np.uint8)
    coloured[LESION > 0] = (0, 255, 0)
    assert looks_like_mask(coloured)


def test_real_scans_hold_more_than_masks(datasets: Path) -> None:
    listing = list_scans(datasets / "busi")
    for item in listing.scans[::25]:
        read_scan(listing, item)  # raises where it looks like a mask


def test_what_no_name_tells_is_refused_by_its_content(tmp_path: Path) -> None:
    for number in (1, 2):
        scan(tmp_path / "benign" / f"{number}.png")
        mask(tmp_path / "lesions outlined" / f"{number}.png")
    listing = list_scans(tmp_path)
    with pytest.raises(BusError, match=r"lesions outlined/1\.png holds 2 grey levels.*NAME_mask\.png"):
        read_scan(listing, listing.scans[2])


@pytest.mark.parametrize("kind", ["resized", "jpeg", "empty"])
def test_a_picture_that_holds_little_beside_a_scan_of_its_name_and_size_is_its_mask(
    tmp_path: Path, kind: str
) -> None:
    """Masks with soft edges, or of a normal, in a folder whose name says nothing; alone they may be scans."""
    small = np.zeros((6, 6), np.uint8)
    small[1:5, 2:5] = 255
    small = cv2.resize(small, (60, 60), interpolation=cv2.INTER_NEAREST)
    soft = cv2.resize(small, (200, 160), interpolation=cv2.INTER_LINEAR)  # 29 levels, 96 % nearly 0 or 255
    picture = {"resized": soft, "jpeg": soft, "empty": soft * 0}[kind]
    suffix = ".jpg" if kind == "jpeg" else ".png"
    big = NOISE.integers(20, 200, (160, 200), np.uint8)
    for number in (1, 2):
        write(tmp_path / "benign" / f"Case {number}.png", big)
        write(tmp_path / "outlined by hand" / f"case {number}{suffix}", picture)
    listing = list_scans(tmp_path)
    scans, others = listing.scans[:2], listing.scans[2:]
    for item in scans:
        assert read_scan(listing, item).shape == (160, 200, 3)
    for item in others:
        with pytest.raises(BusError, match=r"name and size of benign/Case \d\.png.*NAME_mask\.png"):
            read_scan(listing, item)
    answered = {scan.name: scan for scan in unlabelled.find([tmp_path]).scans}
    with pytest.raises(BusError, match="name and size of benign/Case 1"):
        answered[f"{tmp_path}/outlined by hand/case 1{suffix}"].read()
    answered[f"{tmp_path}/benign/Case 1.png"].read()
    (tmp_path / "benign" / "Case 1.png").unlink()
    write(tmp_path / "benign" / "Case 2.png", big[:, :150])  # of another size
    listing = list_scans(tmp_path)
    for item in listing.scans[1:]:
        read_scan(listing, item)


# every reader


def everything(root: Path) -> Path:
    for number in (1, 2):
        scan(root / f"{number}.png")
    for name in ("1_tumor", "2 mask (1)", "2-GT", "mask_1", "7_mask"):
        mask(root / f"{name}.png")
    (root / "._1.png").write_bytes(b"")
    scan(root / "@eaDir" / "1.png")
    (root / "Thumbs.db").write_bytes(b"")
    return root


def by_study(root: Path) -> int:
    scan(root / "other" / "3.png")
    listing: Listing = list_scans(root)
    for item in listing.scans:
        read_mask(listing, item)
    return len(listing.scans) - 1


def by_predict(root: Path) -> int:
    return len(unlabelled.find([root / "benign"]).scans)


def by_predict_file_by_file(root: Path) -> int:
    return len(unlabelled.find(sorted((root / "benign").glob("[!._@]*.png"))).scans)


def by_score(root: Path) -> int:
    return len(pictures(root / "benign", 32))


@pytest.mark.parametrize("reader", [by_study, by_predict, by_predict_file_by_file, by_score])
def test_every_reader_lists_by_one_rule(tmp_path: Path, reader: Callable[[Path], int]) -> None:
    everything(tmp_path / "benign")
    assert reader(tmp_path) == 2


def test_predict_says_what_was_passed_over(tmp_path: Path) -> None:
    found = unlabelled.find([everything(tmp_path / "x")])
    passed = {Path(name).name: why for name, why in found.passed}
    assert passed["mask_1.png"] == "a lesion mask of 1.png"
    assert passed["1_tumor.png"] == "another annotation of its scan"
    assert passed["7_mask.png"] == "a mask without a scan"
    assert passed["@eaDir"] == "hidden or made by the system"
    (tmp_path / "y" / "masks").mkdir(parents=True)
    scan(tmp_path / "y" / "images" / "1.png")
    alone = unlabelled.find([mask(tmp_path / "y" / "masks" / "1.png")])
    assert (alone.scans, [why for _, why in alone.passed]) == ([], ["a lesion mask of images/1.png"])
    (drawn,) = unlabelled.find([mask(tmp_path / "z" / "drawn.png")]).scans
    with pytest.raises(BusError, match=r"drawn\.png holds 2 grey levels"):
        drawn.read()


@pytest.mark.parametrize(
    ("row", "said"), [("1_mask.png", "mask of 1.png"), ("7_mask.png", "mask by its name")]
)
def test_rows_that_name_masks_are_refused(tmp_path: Path, row: str, said: str) -> None:
    scan(tmp_path / "1.png")
    mask(tmp_path / "1_mask.png")
    mask(tmp_path / "7_mask.png")
    with (tmp_path / "labels.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["file", "label"], ["1.png", "benign"], [row, "malignant"]])
    with pytest.raises(BusError, match=rf"row 3: {row} is a lesion {said}.*column mask"):
        list_scans(tmp_path)
