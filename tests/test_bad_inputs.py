"""Bad inputs, generated: each gives pixels, a refusal that names the file, or a line in a list.

Never a traceback. The readers of pictures, DICOM, zips and tables have generated tests of their own in
tests/data (bit flips, truncations, hostile names, bombs: about 1,400 inputs). Here whole commands and a
study's own files are tried.
"""

import io
import json
import os
import random
import shutil
import signal
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.benchmark import status
from bus.benchmark.arms import Arm
from bus.benchmark.audit import audit
from bus.benchmark.cells import cells_of
from bus.benchmark.report.translator import read_translators
from bus.benchmark.request import Request
from bus.classify.models import build
from bus.core import files
from bus.core.compute import Compute
from bus.core.errors import BusError
from bus.data import splits
from bus.data.study import Study, class_folder, open_or_create
from bus.gan import train
from bus.gan.manifest import SyntheticSet
from bus.gan.translator import Translator
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CPU = Compute("cpu", "float32", 1)
GAN, MADE, CELL = (
    "fold-0/gan/malignant/seed-0",
    "fold-0/synth/seed-0/malignant",
    "fold-0/cells/original/simplecnn",
)
DAMAGES = (
    "empty",
    "first half",
    "all but a byte",
    "one bit",
    "three bits",
    "a hole",
    "twice",
    "noise",
    "text",
    "[]",
    "{}",
    "nested",
    "numbers turned to text",
    "wide characters",
)
SECONDS = 60  # none may take longer


@contextmanager
def in_time() -> Iterator[None]:
    """Fail where something hangs."""

    def late(number: int, frame: object) -> None:
        raise AssertionError(f"took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def damaged(content: bytes, kind: str, seed: str) -> bytes:
    """The content of a file after something has happened to it."""
    rng = random.Random(f"{kind} {seed}")
    out = bytearray(content)
    if kind in ("one bit", "three bits"):
        for _ in range(1 if kind == "one bit" else 3):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    elif kind == "a hole":
        begin = rng.randrange(len(out))
        out[begin : begin + 64] = bytes(len(out[begin : begin + 64]))
    elif kind == "numbers turned to text":
        out = bytearray(
            content.replace(b": 0", b': "zero"').replace(b": 3", b': "three"').replace(b",0,", b",zero,")
        )
    else:
        whole = {
            "empty": b"",
            "first half": content[: len(content) // 2],
            "all but a byte": content[:-1],
            "twice": content * 2,
            "noise": rng.randbytes(500),
            "text": b"no such thing\n",
            "[]": b"[]\n",
            "{}": b"{}\n",
            "nested": b"[" * 100_000,
            "wide characters": content.decode("latin-1").encode("utf-16"),
        }
        out = bytearray(whole[kind])
    return bytes(out)


def read_study(study: Path) -> object:
    opened = Study.open(study)
    return (
        opened.pixels[opened.used()].sum(),
        opened.pixels_sha256(opened.train(0)),
        list(status.overview(opened).lines()),
    )


def translator_of(study: Path) -> Translator:
    return Translator(Study.open(study), 0, "malignant", 0)


def read_gan(study: Path) -> object:
    translator = translator_of(study)
    return translator.is_done, translator.known_config, list(status.overview(Study.open(study)).lines())


def go_on(study: Path) -> object:
    (study / GAN / "DONE").unlink()
    return train.train(Study.open(study), translator_of(study).known_config, CPU)


def read_generator(study: Path) -> object:
    translator = translator_of(study)
    if translator.is_done:
        assert files.read_json(study / GAN / "DONE")["generator"] == files.sha256_file(
            study / GAN / "generator.safetensors"
        )
    return translator.load("cpu")


def read_scans(study: Path) -> object:
    opened = Study.open(study)
    return audit(opened, 0, Request((0,), (Arm("cyclegan"),))), read_translators(
        opened, [0], [0], ["malignant"]
    )


def read_cell(study: Path) -> object:
    opened = Study.open(study)
    wish = Request((0,), (Arm("original"),), ("simplecnn",), preset="demo")
    cell = cells_of(opened, wish)[0]
    assert cell.path.exists()
    return cell.is_done, cell.answers(opened.classes), cell.effort


def read_weights(study: Path) -> object:
    return build("simplecnn", 3, str(next(study.glob(f"{CELL}/*/classifier.safetensors"))), 0)


READERS: dict[str, Callable[[Path], object]] = {
    "study.json": read_study,
    "cohort.csv": read_study,
    "pixels.npy": read_study,
    f"{GAN}/config.json": read_gan,
    f"{GAN}/DONE": read_gan,
    f"{GAN}/metrics.jsonl": read_scans,
    f"{GAN}/checkpoint.pt": go_on,
    f"{GAN}/generator.safetensors": read_generator,
    f"{GAN}/samples/pairs-000040.png": read_scans,
    f"{MADE}/manifest.csv": read_scans,
    f"{MADE}/scores.json": read_scans,
    f"{MADE}/synthetic-0003.png": read_scans,
    f"{CELL}/*/predictions.csv": read_cell,
    f"{CELL}/*/metrics.json": read_cell,
    f"{CELL}/*/DONE": read_cell,
    f"{CELL}/*/classifier.safetensors": read_weights,
}


@pytest.fixture(scope="module")
def study(finished_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study whose cells were made in the arithmetic of this file's plan."""
    path = tmp_path_factory.mktemp("bad") / "study"
    shutil.copytree(finished_study, path)
    cell = cells_of(Study.open(path), Request((0,), (Arm("original"),), ("simplecnn",), preset="demo"))[0]
    cell = replace(cell, recipe=replace(cell.recipe, steps=4))  # as in `few_steps`
    old = next((path / CELL).iterdir())
    if old != cell.path:  # this processor trains in bfloat16
        old.rename(cell.path)
        files.write_json(
            cell.path / "DONE",
            {**files.read_json(cell.path / "DONE"), "config": files.sha256_json(cell.config)},
        )
    return path


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_of_a_study_is_named_or_harmless(
    study: Path, tmp_path: Path, name: str, kind: str
) -> None:
    """224 inputs; what cannot be told from sound content must do nothing else than sound content does."""
    copy = tmp_path / "study"
    shutil.copytree(study, copy, copy_function=os.link if name != f"{GAN}/checkpoint.pt" else shutil.copy2)
    path = next(copy.glob(name))
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(damaged(content, kind, name))
    before = {place for place in copy.rglob("*") if place.is_file()}
    with in_time():
        try:
            READERS[name](copy)
        except BusError as error:
            said = str(error)
            assert str(copy) in said or "Leak in fold 0" in said
            assert path.name in said or path.parent.name in said or "manifest.csv" in said or "Leak" in said
    assert [place.name for place in tmp_path.iterdir()] == ["study"]
    if READERS[name] is not go_on:
        assert {place for place in copy.rglob("*") if place.is_file()} == before, "reading writes nothing"


@pytest.mark.usefixtures("few_steps")
def test_the_same_readers_accept_what_is_sound(study: Path, tmp_path: Path) -> None:
    for number, reader in enumerate(dict.fromkeys(READERS.values())):
        shutil.copytree(study, tmp_path / str(number))
        reader(tmp_path / str(number))


def picture(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def claims(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )


NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
GREY = Image.fromarray(NOISE[..., 0])
BAD_SCANS = {
    "0 bytes.png": b"",
    "0 bytes.dcm": b"",
    "text.png": b"hello",
    "text.jpg": b"hello",
    "text.dcm": b"hello",
    "half.png": picture(GREY)[:900],
    "half.jpg": picture(GREY, "JPEG")[:500],
    "half.tif": picture(GREY, "TIFF")[:900],
    "1x1.png": picture(Image.new("L", (1, 1))),
    "1x30000.png": picture(Image.new("L", (1, 30_000))),
    "30000x30000.png": claims(30_000, 30_000),
    "200000x200000.png": claims(200_000, 200_000),
    "0x0.png": claims(0, 0),
    "float.tif": picture(Image.fromarray(NOISE[..., 0].astype(np.float32)), "TIFF"),
    "int32.tif": picture(Image.fromarray(NOISE[..., 0].astype(np.int32)), "TIFF"),
    "pages.tif": picture(GREY, "TIFF", save_all=True, append_images=[GREY]),
    "black or white.png": picture(GREY.convert("1")),  # a lesion mask, it seems
    "zip named.png": b"PK\x05\x06" + bytes(18),
    "html named.jpg": b"<script>alert(1)</script>",
}
GOOD_SCANS = {
    "cmyk.jpg": picture(Image.fromarray(NOISE).convert("CMYK"), "JPEG"),
    "palette.png": picture(GREY.convert("P")),
    "gif named.png": picture(GREY, "GIF"),
    "16 bit.png": picture(Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257)),
    "alpha.png": picture(GREY.convert("LA")),
    "png named.jpg": picture(GREY),
    "long.png": picture(GREY.resize((2000, 16))),
}
ODD_NAMES = (
    "a b",
    "é",
    "e\u0301",
    "스캔",
    "🩻",
    "'quote'",
    '"double"',
    "$(touch ran)",
    "`touch ran`",
    "; touch ran",
    "%s%n",
    "{0.__class__}",
    "<script>",
    "[bold]x",
    "-rf",
    "~",
    "*",
    "?",
    "#1",
    "&amp;",
    "a" * 150,
    "\u202etxt",
    "CON",
    "\\",
    "|",
    "=1+1",
    "@x",
)
BROKEN_NAMES = ("new\nline", "tab\t", "\x1b[31mred", "\x7f", "\udcff")


def scans(root: Path, count: int = 6, labels: tuple[str, ...] = ("benign", "malignant")) -> Path:
    """A folder of sound scans."""
    for label in labels:
        rng = np.random.default_rng(zlib.crc32(label.encode()))
        (root / label).mkdir(parents=True)
        for number in range(count):
            coarse = rng.integers(0, 255, (6, 8)).astype(np.uint8)
            cv2.imwrite(str(root / label / f"{label} ({number}).png"), cv2.resize(coarse, (80, 60)))
    return root


def outside(place: Path, *known: str) -> list[str]:
    """What lies in a folder beyond what is known there."""
    return sorted(entry.name for entry in place.iterdir() if entry.name not in known)


@pytest.mark.long
@pytest.mark.parametrize("name", BAD_SCANS)
def test_a_bad_scan_is_named_by_a_study_and_listed_by_a_check(
    tmp_path: Path, run_bus: Callable[..., tuple[int, str]], name: str
) -> None:
    data = scans(tmp_path / "data")
    (data / "benign" / name).write_bytes(BAD_SCANS[name])
    with in_time():
        code, text = run_bus(
            "gan", "train", "--data", data, "--study", tmp_path / "study", "--size", 32, "--k", 2
        )
        assert (code, name in text, "Traceback" in text) == (1, True, False), text
        assert outside(tmp_path, "data") == []
        code, text = run_bus("data", "check", data, "--k", 2, "--page", tmp_path / "page.html")
    assert (code, name in text, "Traceback" in text) == (1, True, False), text
    if not name.endswith(".dcm"):  # a damaged header stops the listing itself
        assert outside(tmp_path, "data") == ["page.html"]
        assert name in (tmp_path / "page.html").read_text()


def test_unusual_scans_are_read(tmp_path: Path) -> None:
    data = scans(tmp_path / "data")
    for name, content in GOOD_SCANS.items():
        (data / "benign" / name).write_bytes(content)
    made = open_or_create(tmp_path / "study", {"data": str(data), "size": 32, "k": 2})
    assert {f"benign/{name}" for name in GOOD_SCANS} < {scan.file for scan in made.scans}


def test_odd_names_are_kept_and_broken_ones_listed(
    tmp_path: Path, run_bus: Callable[..., tuple[int, str]]
) -> None:
    data = scans(tmp_path / "data")
    for number, name in enumerate((*ODD_NAMES, *BROKEN_NAMES)):
        grey = np.random.default_rng(number).integers(0, 255, (6, 8)).astype(np.uint8)
        content = picture(Image.fromarray(cv2.resize(grey, (80, 60))))
        (data / "benign" / f"{name}.png").write_bytes(content)
    made = open_or_create(tmp_path / "study", {"data": str(data), "size": 32, "k": 2})
    assert {f"benign/{name}.png" for name in ODD_NAMES} < {scan.file for scan in made.scans}
    again = Study.open(tmp_path / "study")
    assert [scan.file for scan in again.scans] == [scan.file for scan in made.scans]
    code, text = run_bus("data", "check", data, "--k", 2, "--page", tmp_path / "page.html")
    assert code == 0, text
    assert text.count("control characters or is not valid Unicode") >= 3
    assert "\x1b" not in text
    assert "<script>.png" not in (tmp_path / "page.html").read_text()
    assert outside(tmp_path, "data", "study", "page.html") == []
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    "label", ["../../evil", "..", "/etc", "a/b", "C:\\x", "con*?", "x" * 250, ". .", "malignant"]
)
def test_a_class_name_never_leaves_the_study(tmp_path: Path, label: str) -> None:
    data = tmp_path / "data"
    scans(data, 5, ("one", "two"))
    rows = [
        f'{path.relative_to(data)},"{label if path.parent.name == "one" else "other"}"'
        for path in sorted(data.rglob("*.png"))
    ]
    (data / "labels.csv").write_text("file,label\n" + "\n".join(rows) + "\n")
    made = open_or_create(tmp_path / "study", {"data": str(data), "size": 32, "k": 2, "target": label})
    for place in (Translator(made, 0, label, 0).folder, SyntheticSet(made, 0, label, 0).folder):
        assert place.resolve().is_relative_to((tmp_path / "study").resolve())
        place.mkdir(parents=True)
    assert Translator(made, 0, label, 0).folder.name == "seed-0"
    assert (Translator(made, 0, label, 0).folder.parent.name == label) == (label == "malignant")


@given(st.text(min_size=1), st.text(min_size=1))
def test_class_folders_are_plain_and_distinct(first: str, second: str) -> None:
    for label in (first, second):
        name = class_folder(label)
        assert name not in ("", ".", "..")
        assert "/" not in name
        assert "\\" not in name
        assert "\0" not in name
        assert len(name.encode("utf-8", "surrogatepass")) < 255
    assert first == second or class_folder(first) != class_folder(second)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"benign": 6, "malignant": 0}, "malignant"),
        ({"benign": 6}, "one class only"),
        ({}, "no scans"),
        ({"benign": 6, "malignant": 1}, "malignant"),
        ({"benign": 1, "malignant": 1}, "1 group of scans"),
        ({"benign": 6, "normal": 6}, "--target malignant"),
    ],
)
def test_classes_that_cannot_be_split_are_refused(
    tmp_path: Path, run_bus: Callable[..., tuple[int, str]], counts: dict[str, int], words: str
) -> None:
    for label, count in counts.items():
        scans(tmp_path / "data", count, (label,))
    (tmp_path / "data").mkdir(exist_ok=True)
    code, text = run_bus(
        "gan", "train", "--data", tmp_path / "data", "--study", tmp_path / "study", "--size", 32, "--k", 2
    )
    assert code in (1, 2)
    assert words in text
    assert "Traceback" not in text
    assert outside(tmp_path, "data") == []


def test_data_that_contradict_themselves_are_refused(
    tmp_path: Path, run_bus: Callable[..., tuple[int, str]]
) -> None:
    data = scans(tmp_path / "data", 3, ("benign",))
    shutil.copytree(data / "benign", data / "malignant")
    code, text = run_bus(
        "gan", "train", "--data", data, "--study", tmp_path / "study", "--size", 32, "--k", 2
    )
    assert code == 1
    assert "every group holds contradicting labels" in text


def test_a_translator_without_scans_of_a_side_is_refused(
    tmp_path: Path, run_bus: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folds that lack a class make no study; one of an earlier version may hold such folds."""
    data, study = scans(tmp_path / "data"), tmp_path / "study"
    listed = [
        f"{path.relative_to(data)},{path.parent.name},{int(path.parent.name == 'benign')}"
        for path in sorted(data.rglob("*.png"))
    ]
    (data / "labels.csv").write_text("file,label,fold\n" + "\n".join(listed) + "\n")
    words = ["gan", "train", "--data", data, "--study", study, "--size", 32, "--preset", "demo", "--pairs", 4]
    words += ["--method", "published", "--set", "channels=4"]
    code, text = run_bus(*words)
    assert code == 1 and "every fold must test each class" in text
    assert not study.exists()
    monkeypatch.setattr(splits, "check_given_folds", lambda *given: None)
    for fold in (0, 1):
        code, text = run_bus(*words, "--fold", fold)
        assert code == 1
        assert "a translator needs both" in text


@pytest.mark.parametrize("kind", ["bytes", "files", "ratio"])
def test_zip_bombs_are_refused_by_the_command(
    tmp_path: Path, run_bus: Callable[..., tuple[int, str]], kind: str
) -> None:
    path = tmp_path / "bomb.zip"
    block = bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        if kind == "files":
            for number in range(3000):
                packed.writestr(f"a/{number}.png", b"")
        for number in range({"bytes": 1, "files": 0, "ratio": 4}[kind]):
            with packed.open(f"{'ab'[number % 2]}/{number}.png", "w", force_zip64=True) as handle:
                for _ in range(520 if kind == "bytes" else 300):
                    handle.write(block)
    with in_time():
        code, text = run_bus("gan", "train", "--data", path, "--study", tmp_path / "study")
    assert code == 1
    assert "bomb.zip" in text
    assert "Traceback" not in text
    assert outside(tmp_path, "bomb.zip") == []


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("file", ["../../../../pixels.npy", "/etc/hostname", "..\\x.png", "sub/x.png"])
def test_a_manifest_never_leads_out_of_its_folder(study: Path, tmp_path: Path, file: str) -> None:
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    path = copy / MADE / "manifest.csv"
    path.write_text(path.read_text().replace("synthetic-0001.png", file, 1))
    with pytest.raises(BusError, match=r"manifest\.csv is damaged.*no file of this folder"):
        translator_of(copy).scans.rows  # noqa: B018


@pytest.mark.parametrize(
    "change",
    [
        "batch=0",
        "channels=0",
        "blocks=-1",
        "learning_rate=0",
        "cycle=nan",
        "batch=1e3",
        "noise=-1",
        "generator=evil",
        "augmentation=2",
        "device=cuda",
        "x",
        "=",
        "batch=",
    ],
)
def test_switches_that_no_training_has_are_refused(
    tiny_study: Path, tmp_path: Path, run_bus: Callable[..., tuple[int, str]], change: str
) -> None:
    shutil.copytree(tiny_study, tmp_path / "study")
    code, text = run_bus("gan", "train", "--study", tmp_path / "study", "--set", change)
    assert code == 2, text
    assert change.partition("=")[0] in text
    assert not (tmp_path / "study" / "fold-0").exists()


@pytest.mark.parametrize(
    "value",
    [{"batch": 0}, {"batch": "4"}, {"pairs": -3}, {"sources": "benign"}, {"cycle": None}, {"fold": "0"}],
)
def test_a_configuration_with_impossible_values_is_refused(
    study: Path, tmp_path: Path, value: dict[str, object]
) -> None:
    shutil.copytree(study, tmp_path / "study")
    files.write_json(
        tmp_path / "study" / GAN / "config.json",
        {**json.loads((study / GAN / "config.json").read_text()), **value},
    )
    with pytest.raises(
        BusError, match=r"config\.json is not a translator's configuration.*" + next(iter(value))
    ):
        translator_of(tmp_path / "study").config  # noqa: B018
