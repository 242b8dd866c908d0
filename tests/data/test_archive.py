"""Zips: read like the folder they were made from, and refused where they are hostile or damaged."""

import io
import stat
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.core.errors import BusError
from bus.data import archive
from bus.data.scans import list_scans, read_mask, read_scan
from hypothesis import given, settings
from hypothesis import strategies as st


def png(value: int, *, mask: bool = False) -> bytes:
    noise = np.random.default_rng(value).integers(0, 256, (20, 24), np.uint8)
    noise = np.where(noise > 127, 255, 0).astype(np.uint8) if mask else noise
    return cv2.imencode(".png", noise)[1].tobytes()


SCANS = {
    f"{label}/{label} ({number}){suffix}.png": png(number, mask=bool(suffix))
    for label in ("benign", "malignant", "정상")
    for number in (1, 2, 3)
    for suffix in ("", "_mask")
}


def pack(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def unpack(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def test_a_zip_reads_like_its_folder(tmp_path: Path) -> None:
    files = {f"Dataset_BUSI_with_GT/{name}": content for name, content in SCANS.items()}
    folder = list_scans(unpack(tmp_path / "archive", files))
    packed = list_scans(pack(tmp_path / "archive.zip", files))
    before = sorted(tmp_path.rglob("*"))
    assert packed.scans == folder.scans
    assert packed.name == folder.name == "archive"
    assert packed.root == tmp_path / "archive.zip" / "Dataset_BUSI_with_GT"
    for scan in packed.scans:
        assert (read_scan(packed, scan) == read_scan(folder, scan)).all()
        assert np.array_equal(read_mask(packed, scan), read_mask(folder, scan))
    assert sorted(tmp_path.rglob("*")) == before, "a zip is never unpacked"


def test_many_threads_may_read_one_zip(tmp_path: Path) -> None:
    listing = list_scans(pack(tmp_path / "a.zip", SCANS))
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda scan: read_scan(listing, scan), listing.scans * 10))
    for scan, pixels in zip(listing.scans * 10, read, strict=True):
        assert (pixels == read_scan(listing, scan)).all()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(tmp_path: Path, method: int) -> None:
    listing = list_scans(pack(tmp_path / "a.zip", SCANS, method))
    assert read_scan(listing, listing.scans[0]).shape == (20, 24, 3)


def test_a_table_in_a_zip(tmp_path: Path) -> None:
    rows = "".join(f"{name},{name[0]},{name[0]}_mask.png\n" for name in ("a.png", "b.png"))
    files = {"set/labels.csv": f"file,label,mask\n{rows}".encode()}
    files |= {f"set/{name}": png(1) for name in ("a.png", "b.png", "a_mask.png", "b_mask.png")}
    listing = list_scans(pack(tmp_path / "x.zip", files))
    assert [(s.file, s.label, s.masks) for s in listing.scans] == [
        ("a.png", "a", ("a_mask.png",)),
        ("b.png", "b", ("b_mask.png",)),
    ]


def test_names_that_lead_outside_are_listed_not_read(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("benign/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = pack(tmp_path / "a.zip", SCANS)
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr(link, "/etc/passwd")
        for name in ("../evil.png", "/evil.png", "C:\\evil.png", "a/../../evil.png", "__MACOSX/a/._1.png"):
            packed.writestr(name, png(9))
        packed.writestr("benign\\windows.png", png(9))
    listing = list_scans(path)
    assert dict(listing.ignored) == {
        "benign/link.png": "a link",
        "../evil.png": "leads outside of the folder",
        "/evil.png": "an absolute path",
        "C:/evil.png": "an absolute path",
        "a/../../evil.png": "leads outside of the folder",
        "__MACOSX/a/._1.png": "hidden or made by the system",
    }
    assert len(listing.scans) == 10
    assert "benign/windows.png" in {scan.file for scan in listing.scans}
    assert list(tmp_path.iterdir()) == [path]


def test_encrypted_zips_are_refused(tmp_path: Path) -> None:
    content = bytearray(pack(tmp_path / "a.zip", SCANS).read_bytes())
    place = content.index(b"PK\x01\x02")  # of the first central entry; its flags follow 8 bytes later
    content[place + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(BusError, match=r"a\.zip is encrypted .*password"):
        list_scans(tmp_path / "a.zip")


def test_a_file_packed_twice_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", SCANS)
    with zipfile.ZipFile(path, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr("benign/benign (1).png", png(8))
    with pytest.raises(BusError, match=r"benign \(1\).png twice"):
        list_scans(path)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = pack(tmp_path / "bomb.zip", {**SCANS, "benign/big.png": bytes(1 << 24)})
    monkeypatch.setattr(archive, "MAX_TOTAL", 1 << 20)
    with pytest.raises(BusError, match=r"would grow from .* kB to 16 MB"):
        list_scans(bomb)
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    with pytest.raises(BusError, match=r"benign/big.png with 16 MB; at most 1 MB"):
        list_scans(bomb)
    monkeypatch.setattr(archive, "MAX_FILES", 5)
    with pytest.raises(BusError, match="more than 5 files"):
        list_scans(bomb)


def test_no_more_is_unpacked_than_a_member_declares(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("benign/a.png", bytes(1 << 26))
    content = path.read_bytes()
    real, claimed = (1 << 26).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert content.count(real) == 2, "in the header of the file and in the directory"
    path.write_bytes(content.replace(real, claimed))
    source = archive.open_source(path)
    tracemalloc.start()
    try:
        with pytest.raises(BusError, match=r"benign/a.png could not be read .*Copy it again"):
            source.read("benign/a.png")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_large_files_and_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = unpack(tmp_path / "data", SCANS)
    monkeypatch.setattr(archive, "MAX_BYTES", 100)
    listing = list_scans(folder)
    with pytest.raises(BusError, match="holds more than 0 MB"):
        read_scan(listing, listing.scans[0])
    monkeypatch.setattr(archive, "MAX_FILES", 5)
    with pytest.raises(BusError, match="more than 5 files"):
        list_scans(folder)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(17), b"no zip at all", bytes(1000)])
def test_what_is_no_zip_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(BusError, match=r"a.zip could not be read as a zip"):
        list_scans(tmp_path / "a.zip")


def sound_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in SCANS.items():
            packed.writestr(name, content)
    return buffer.getvalue()


SOUND = sound_zip()
PLACES = st.integers(0, len(SOUND) - 1) | st.integers(SOUND.index(b"PK\x01\x02"), len(SOUND) - 1)


@settings(max_examples=300)
@given(
    st.integers(0, len(SOUND)) | st.just(len(SOUND)),
    st.lists(st.tuples(PLACES, st.integers(1, 255)), max_size=4),
)
def test_damaged_zips_give_pixels_or_a_clear_error(end: int, flips: list[tuple[int, int]]) -> None:
    content = bytearray(SOUND)
    for place, change in flips:
        content[place] ^= change
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.zip")
        path.write_bytes(content[:end])
        reads: list[Callable[[], object]] = []
        try:
            listing = list_scans(path)
            reads = [lambda scan=scan: read_scan(listing, scan) for scan in listing.scans]
        except BusError as error:
            assert "a.zip" in str(error)
        for read in reads:
            try:
                assert read().dtype == np.uint8
            except BusError as error:
                assert "a.zip/" in str(error)


def unmarked(path: Path, names: list[str], encoding: str) -> Path:
    """A zip whose names are in `encoding` without the flag that says UTF-8, as Windows and macOS pack it."""
    with zipfile.ZipFile(path, "w") as packed:
        for number, name in enumerate(names):
            info = type("Entry", (zipfile.ZipInfo,), {})(name)
            type(info)._encodeFilenameFlags = lambda self, name=name: (name.encode(encoding), 0)
            packed.writestr(info, png(number))
    return path


KOREAN = st.text("가각갂간악성양정상뷁힣묽", min_size=1, max_size=8)


@settings(max_examples=40)
@given(st.lists(KOREAN, min_size=2, max_size=4, unique=True), st.sampled_from(["cp949", "utf-8"]))
def test_korean_names_without_the_flag_are_decoded(words: list[str], encoding: str) -> None:
    names = [f"{word}양성 자료/{word} ({number}).png" for number, word in enumerate(words)]
    with tempfile.TemporaryDirectory() as folder:
        listing = list_scans(unmarked(Path(folder, "a.zip"), names, encoding))
        assert sorted(scan.file for scan in listing.scans) == sorted(names)
        assert all(read_scan(listing, scan).any() for scan in listing.scans)
        assert [item.detail for item in listing.cautions] == ["read as CP949 (Korean)"] * (
            encoding == "cp949"
        )


def test_other_names_without_the_flag_are_said(tmp_path: Path) -> None:
    names = ["bénigne/1.png", "malà/2.png", "ñandú/3.png"]
    listing = list_scans(unmarked(tmp_path / "a.zip", names, "cp437"))
    assert [scan.file for scan in listing.scans] == names
    (said,) = listing.cautions
    assert "not marked as UTF-8 (read as code page 437). If they look wrong" in said.sentence
    assert list_scans(pack(tmp_path / "b.zip", SCANS)).cautions == ()
