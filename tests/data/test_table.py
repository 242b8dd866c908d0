"""Tables of scans."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.core.errors import BusError
from bus.data.scans import list_scans, read_scan
from hypothesis import given, settings
from hypothesis import strategies as st


def put(path: Path, value: int = 100, shape: tuple[int, int] = (20, 24)) -> Path:
    """Write a grey PNG of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full(shape, value, np.uint8))[1].tobytes())
    return path


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


def test_a_table_rules_over_folders(tmp_path: Path) -> None:
    for name in ("images/1.png", "images/2.png", "images/3.png", "masks/1 left.png", "masks/1 right.png"):
        put(tmp_path / "set" / name)
    path = table(
        tmp_path / "set",
        "\ufeffFile, label ,age,patient,mask,fold\n"
        "images/1.png,benign,50,p1,masks/1 left.png; masks/1 right.png,0\n\n"
        ".\\images\\2.png,malignant,60,,,1\n",
    )
    for given_path in (tmp_path, tmp_path / "set", path):
        listing = list_scans(given_path)
        assert listing.root == tmp_path / "set"
        assert listing.layout == "labels.csv"
        assert [(s.file, s.label, s.group, s.fold) for s in listing.scans] == [
            ("images/1.png", "benign", "p1", 0),
            ("images/2.png", "malignant", None, 1),
        ]
        assert listing.scans[0].masks == ("masks/1 left.png", "masks/1 right.png")
        assert listing.ignored == (("images/3.png", "not in the table"),)
        assert read_scan(listing, listing.scans[1]).shape == (20, 24, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["(none)", "file and label"]),
        ("file,label\n", ["no rows"]),
        ("name,label\na.png,x\n", ["name, label", "file and label"]),
        ("file label\na.png x\n", ["file label", "commas"]),
        ("file,label,Label\na.png,x,x\n", ["label stands there twice"]),
        ("file,label\na.png,x\nb.png\n", ["row 3", "1 cells"]),
        ("file,label\na.png,x\nb.png,y,z\n", ["row 3", "3 cells"]),
        ("file,label\na.png,x\n,y\n", ["row 3", "file is empty"]),
        ("file,label\na.png,x\nb.png, \n", ["row 3", "label is empty"]),
        ("file,label\na.png,x\nb.png,\x1b[31my\n", ["row 3", "control characters"]),
        ("file,label\na.png,x\nc.png,y\n", ["row 3", "c.png", "no such file"]),
        ("file,label\na.png,x\nB.PNG,y\n", ["row 3", "Did you mean b.png"]),
        ("file,label\na.png,x\n./a.png,y\n", ["row 3", "row 2"]),
        ("file,label\na.png,x\n../b.png,y\n", ["row 3", "outside"]),
        ("file,label\na.png,x\n/b.png,y\n", ["row 3", "absolute"]),
        ("file,label\na.png,x\nC:\\b.png,y\n", ["row 3", "absolute"]),
        ("file,label\na.png,x\n.b.png,y\n", ["row 3", "hidden"]),
        ("file,label,mask\na.png,x,m.png\nb.png,y,\n", ["row 2", "m.png"]),
        ("file,label\na.png,x\nb.png,x\n", ["one label only (x)"]),
        ("file,label\na.png,x\nb.png,X\n", ["differ in case"]),
        ("file,label,fold\na.png,x,0\nb.png,y,1.0\n", ["row 3", "1.0", "whole number"]),
        ("file,label,fold\na.png,x,0\nb.png,y,-1\n", ["row 3", "-1"]),
        ("file,label,fold\na.png,x,0\nb.png,y,٣\n", ["row 3", "whole number"]),
        ("file,label,fold\na.png,x,0\nb.png,y,\n", ["row 3", "b.png has no fold"]),
        ('file,label\na.png,"x\n', ["CSV"]),
    ],
)
def test_wrong_tables_name_the_row(tmp_path: Path, text: str, words: list[str]) -> None:
    put(tmp_path / "a.png")
    put(tmp_path / "b.png")
    refused(table(tmp_path, text), str(tmp_path / "labels.csv"), *words)


@pytest.mark.parametrize("encoding", ["utf-16", "cp949", "latin-1"])
def test_other_encodings_are_refused(tmp_path: Path, encoding: str) -> None:
    text = {"cp949": "file,label\n스캔.png,x\n"}.get(encoding, "file,label\nsé.png,x\n")
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    refused(tmp_path, "labels.csv is not UTF-8", "CSV UTF-8")


def test_names_with_any_blanks_are_found(tmp_path: Path) -> None:
    """Two blanks, the narrow one of macOS's screenshots; as they are, or with other blanks where one fits."""
    for name in ("a/x  1.png", "b/shot 1.02\u202fPM.png", "a/y z.png", "b/y  z.png", "b/m\u00a0 1.png"):
        put(tmp_path / name)
    rows = ("a/x  1.png,a,b/m\u00a0 1.png", " b/shot 1.02\u202fPM.png ,b,", "a/y z.png,a,", "b/y  z.png,b,")
    table(tmp_path, "\n".join(["file,label,mask", *rows]))
    listing = list_scans(tmp_path)
    assert {scan.file: scan.masks for scan in listing.scans} == {
        "a/x  1.png": ("b/m\u00a0 1.png",),
        "a/y z.png": (),
        "b/shot 1.02\u202fPM.png": (),
        "b/y  z.png": (),
    }
    table(tmp_path, "file,label\na/x 1.png,a\nb/shot 1.02 PM.png,b\n")
    assert [scan.file for scan in list_scans(tmp_path).scans] == ["a/x  1.png", "b/shot 1.02\u202fPM.png"]
    put(tmp_path / "a/x\u00a01.png")
    refused(tmp_path, "a/x 1.png fits 2 files")


def written(rows: list[tuple[str, ...]]) -> bytes:
    return "\n".join(["file,label", *map(",".join, rows)]).encode()


SPELT = st.sampled_from(["{}.png", "{}", " {}.png ", "./{}.png", ".\\{}.png"])
LABELS = st.sampled_from(["x", "y", " y ", "X", ""])
SOUND = st.tuples(SPELT, SPELT, st.permutations(["x", "y", "unused"])).map(
    lambda drawn: written([(drawn[0].format("a"), drawn[2][0]), (drawn[1].format("b"), drawn[2][1])])
)
ODD = st.lists(st.tuples(st.sampled_from(["a", "b.png", "c.png", ""]), LABELS), max_size=3).map(written)


def test_any_table_is_read_or_refused() -> None:
    """Rows of two real names, odd ones, and noise; both ends are met."""
    seen = {"read": 0, "refused": 0}

    @settings(max_examples=100)
    @given(SOUND | ODD | st.binary(max_size=300))
    def check(content: bytes) -> None:
        with tempfile.TemporaryDirectory() as place:
            for name in ("a.png", "b.png"):
                put(Path(place, name))
            Path(place, "labels.csv").write_bytes(content)
            try:
                listing = list_scans(Path(place))
            except BusError as error:
                assert "labels.csv" in str(error)
                seen["refused"] += 1
            else:
                assert {scan.file for scan in listing.scans} == {"a.png", "b.png"}
                assert len({scan.label for scan in listing.scans}) == 2
                seen["read"] += 1

    check()
    assert min(seen.values()) >= 20, seen
