"""Listings: which files are scans, of which class, in every layout; tables; refusals and their words."""

import csv
import tempfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.core.errors import BusError, UsageError, printable
from bus.data.names import clean
from bus.data.scans import Listing, list_scans, read_mask, read_scan
from bus.data.study import Study
from hypothesis import given, settings
from hypothesis import strategies as st


def put(path: Path, value: int = 100, shape: tuple[int, int] = (20, 24)) -> Path:
    """Write a grey PNG of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full(shape, value, np.uint8))[1].tobytes())
    return path


def busi(root: Path) -> Path:
    """A folder in BUSI's layout: two scans a class, masks beside them, one scan with two masks."""
    for number, label in enumerate(("benign", "malignant", "normal")):
        for scan in (1, 2):
            put(root / label / f"{label} ({scan}).png", 10 * number + scan)
            put(root / label / f"{label} ({scan})_mask.png", 0)
    put(root / "benign" / "benign (1)_mask_1.png", 255)
    return root


def labels(listing: Listing) -> dict[str, str]:
    return {scan.file: scan.label for scan in listing.scans}


def table(root: Path, text: str, name: str = "labels.csv") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root / name


def refused(path: Path, *words: str) -> str:
    """The message with which `path` is refused; it holds all `words`."""
    with pytest.raises(BusError) as caught:
        list_scans(path)
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


def test_busi_is_found_below_the_given_path(tmp_path: Path) -> None:
    busi(tmp_path / "download" / "Dataset_BUSI_with_GT")
    (tmp_path / "groups.csv").write_text("x")
    listing = list_scans(tmp_path)
    assert listing.root == tmp_path / "download" / "Dataset_BUSI_with_GT"
    assert listing.layout == "class folders"
    assert Counter(labels(listing).values()) == {"benign": 2, "malignant": 2, "normal": 2}
    assert listing.scans[0].file == "benign/benign (1).png"
    assert listing.scans[0].masks == ("benign/benign (1)_mask.png", "benign/benign (1)_mask_1.png")
    assert listing.ignored == (("groups.csv", "not a picture"),)
    assert list_scans(listing.root).scans == listing.scans


def test_masks_are_united_and_must_fit(tmp_path: Path) -> None:
    folder = busi(tmp_path)
    left, right = np.zeros((2, 20, 24), np.uint8)
    left[:, :10], right[5:, 14:] = 255, 255
    for name, mask in (("mask", left), ("mask_1", right)):
        path = folder / "benign" / f"benign (1)_{name}.png"
        path.write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    listing = list_scans(folder)
    union = read_mask(listing, listing.scans[0])
    assert union is not None
    assert (union == ((left | right) > 0)).all()
    put(folder / "benign" / "benign (1)_mask_1.png", 255, (20, 25))
    with pytest.raises(BusError, match=r"benign \(1\)_mask_1.png has 25×20 pixels.*24×20"):
        read_mask(listing, listing.scans[0])
    put(tmp_path / "plain" / "a" / "1.png")
    put(tmp_path / "plain" / "b" / "1.png")
    listing = list_scans(tmp_path / "plain")
    assert read_mask(listing, listing.scans[0]) is None


def test_nothing_but_scans_is_taken_for_scans(tmp_path: Path) -> None:
    folder = busi(tmp_path / "data")
    before = list_scans(folder)
    put(folder / "benign" / "._benign (1).png")
    put(folder / "__MACOSX" / "benign" / "benign (1).png")
    put(folder / ".hidden" / "x.png")
    put(folder / "benign" / "benign (9)_mask.png")
    put(folder / "cover.png")
    put(folder / "benign" / "line\nend.png")
    (folder / "benign" / "Thumbs.db").write_bytes(b"x")
    (folder / "benign" / "notes.txt").write_text("x")
    after = list_scans(folder)
    assert after.scans == before.scans
    assert dict(after.ignored) == {
        ".hidden": "hidden or made by the system",
        "__MACOSX": "hidden or made by the system",
        "benign/._benign (1).png": "hidden or made by the system",
        "benign/Thumbs.db": "hidden or made by the system",
        "benign/benign (9)_mask.png": "a mask without a scan",
        "benign/line\\nend.png": "its name holds control characters or is not valid Unicode; rename it",
        "benign/notes.txt": "not a picture",
        "cover.png": "not in a class folder",
    }


def test_links_stay_inside(tmp_path: Path) -> None:
    folder = busi(tmp_path / "data")
    outside = put(tmp_path / "secret" / "x.png")
    (folder / "benign" / "inside.png").symlink_to(folder / "benign" / "benign (1).png")
    (folder / "benign" / "outside.png").symlink_to(outside)
    (folder / "benign" / "nowhere.png").symlink_to(folder / "nothing.png")
    (folder / "benign" / "loop.png").symlink_to(folder / "benign" / "loop.png")
    (folder / "benign" / "outside").symlink_to(outside.parent)
    listing = list_scans(folder)
    assert "benign/inside.png" in labels(listing)
    assert {name: why.split(";")[0] for name, why in listing.ignored} == {
        "benign/outside.png": "a link that leads outside of the folder",
        "benign/nowhere.png": "a link that leads nowhere",
        "benign/loop.png": "a link that leads nowhere",
        "benign/outside": "a link that leads outside of the folder",
    }
    (tmp_path / "link").symlink_to(folder)
    assert list_scans(tmp_path / "link").scans == listing.scans
    (folder / "linked class").symlink_to(outside.parent)
    refused(folder, "folder linked class without a single scan", "links to folders are not followed")


def test_train_and_test_are_merged(tmp_path: Path) -> None:
    for split, label in (("train", "a"), ("train", "b"), ("Test", "a"), ("val", "b")):
        put(tmp_path / split / label / "1.png")
    (tmp_path / "Test" / "b").mkdir()
    listing = list_scans(tmp_path)
    merged = {"Test/a/1.png": "a", "train/a/1.png": "a", "train/b/1.png": "b", "val/b/1.png": "b"}
    assert labels(listing) == merged
    assert listing.layout == "train and test folders"
    (merged_folders,) = listing.cautions
    assert merged_folders.cases == (("Test",), ("train",), ("val",))
    assert "were merged: 3, namely Test; train; val. Their split is not used" in merged_folders.sentence
    (tmp_path / "train" / "c").mkdir()
    refused(tmp_path, "folder c without a single scan")


def test_folders_below_classes_are_read(tmp_path: Path) -> None:
    for name in ("a/p1/1.png", "a/p2/1.png", "b/p3/1.png"):
        put(tmp_path / name)
    assert labels(list_scans(tmp_path)) == {"a/p1/1.png": "a", "a/p2/1.png": "a", "b/p3/1.png": "b"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], ["no scans", "two or more folders", "labels.csv"]),
        (["1.png", "2.png"], ["2 scans but no class folders"]),
        (["a/1.png"], ["one class only (a)"]),
        (["a/1.png", "b/"], ["folder b without a single scan"]),
        (["a/1.png", "b/1.png", "c/1_mask.png"], ["folder c without a single scan"]),
        (["images/1.png", "masks/1.png"], ["images is no class", "labels.csv"]),
        (["a/1.png", "A/1.png"], ["upper and lower case"]),
        (["x/a/1.png", "x/b/1.png", "y/a/1.png", "y/b/1.png"], ["several data sets"]),
        (["x/a/1.png", "x/b/1.png", "y/1.png"], ["several data sets"]),
        (["x/a/1.png", "y/1.png", "y/labels.csv"], ["y/labels.csv lies below"]),
        (["train/1.png", "test/1.png"], ["test is no class"]),
    ],
)
def test_unclear_layouts_are_refused(tmp_path: Path, files: list[str], words: list[str]) -> None:
    for name in files:
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            put(tmp_path / name)
    refused(tmp_path, str(tmp_path), *words)


def test_paths_that_are_no_data_are_wrong_options(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", put(tmp_path / "scan.png"), Path("/dev/null")):
        with pytest.raises(UsageError, match=str(path)):
            list_scans(path)
    with pytest.raises(UsageError, match="middle or all"):
        list_scans(tmp_path, frames="first")


def test_composed_and_decomposed_names_meet(tmp_path: Path) -> None:
    put(tmp_path / "\u1109\u1173\u110f\u1162\u11ab.png")  # as macOS writes it
    put(tmp_path / "b.png")
    table(tmp_path, "file,label,group\n\uc2a4\uce94.png,x,1\nb.png,y,2\n")  # as Windows writes it
    assert len(list_scans(tmp_path).scans) == 2


def test_a_scan_that_vanishes_is_named(tmp_path: Path) -> None:
    listing = list_scans(busi(tmp_path))
    (tmp_path / listing.scans[0].file).unlink()
    with pytest.raises(BusError, match=r"benign \(1\).png could not be read"):
        read_scan(listing, listing.scans[0])


NAMES = st.text(min_size=1, max_size=40).filter(
    lambda name: "/" not in name and "\0" not in name and name not in (".", "..") and len(name.encode()) < 200
)


PLAIN = st.text("abcÄéß스캔 ()[]{}#%&'+,;=@~^$!", min_size=1, max_size=12).map(lambda name: f"x{name}x")


def test_every_file_is_a_scan_a_mask_or_ignored() -> None:
    """Plain names, and any others among them; data sets that are read and some that are refused."""
    seen = {"read": 0, "refused": 0}

    @settings(max_examples=60)
    @given(
        classes=st.lists(PLAIN | PLAIN | NAMES, min_size=1, max_size=4, unique_by=str.casefold),
        files=st.lists(PLAIN | NAMES, min_size=1, max_size=5, unique_by=str.casefold),
    )
    def check(classes: list[str], files: list[str]) -> None:
        with tempfile.TemporaryDirectory() as place:
            root = Path(place, "data")
            written = [put(root / label / f"{file}.png") for label in classes for file in files]
            try:
                listing = list_scans(root)
            except BusError as error:
                assert printable(str(error)) == str(error)
                seen["refused"] += 1
                return
            seen["read"] += 1
            masks = {mask for scan in listing.scans for mask in scan.masks}
            for scan in listing.scans:
                assert (root / scan.file) in written
                folder = scan.file.split("/")[0]
                assert scan.label == (clean(folder) or folder)
                assert read_scan(listing, scan).shape == (20, 24, 3)
            hidden = sum(len(files) for name, _ in listing.ignored if "/" not in name)  # whole folders
            inside = sum("/" in name for name, _ in listing.ignored)
            assert len(listing.scans) + len(masks) + hidden + inside == len(written)

    check()
    assert min(seen.values()) >= 10, seen


def test_plain_names_are_never_refused() -> None:
    @settings(max_examples=30)
    @given(
        classes=st.lists(PLAIN, min_size=2, max_size=3, unique_by=str.casefold),
        files=st.lists(PLAIN, min_size=1, max_size=4, unique_by=str.casefold),
    )
    def check(classes: list[str], files: list[str]) -> None:
        with tempfile.TemporaryDirectory() as place:
            for label in classes:
                for file in files:
                    put(Path(place, label, f"{file}.png"))
            expected = {f"{label}/{file}.png": label for label in classes for file in files}
            assert labels(list_scans(Path(place))) == expected

    check()


def test_real_counts(datasets: Path) -> None:
    busi_listing = list_scans(datasets / "busi")
    assert Counter(labels(busi_listing).values()) == {"benign": 437, "malignant": 210, "normal": 133}
    assert sum(len(scan.masks) for scan in busi_listing.scans) == 798
    breast = list_scans(datasets / "breast-lesions-usg")
    assert Counter(labels(breast).values()) == {"benign": 154, "malignant": 98, "normal": 4}
    assert len({scan.group for scan in breast.scans}) == 256
    assert breast.ignored == ()


def test_real_pixels_have_the_published_hashes(datasets: Path, busi_study: Study) -> None:
    with (datasets / "busi" / "groups.csv").open(newline="") as handle:
        expected = {row["file"]: row["rgb_sha256"] for row in csv.DictReader(handle)}
    assert {scan.file: scan.sha256 for scan in busi_study.scans} == expected


def test_real_masks_are_empty_for_normal_scans_only(datasets: Path) -> None:
    listing = list_scans(datasets / "busi")
    several = [scan for scan in listing.scans if len(scan.masks) > 1]
    assert len(several) == 17
    for scan in [*several, *listing.scans[::40]]:
        mask = read_mask(listing, scan)
        assert mask is not None
        assert mask.any() == (scan.label != "normal")
