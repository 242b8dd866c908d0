"""What a study froze: a changed byte is named as damage; a copy opens, and a study of the first format."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bus.core.errors import BusError
from bus.core.files import read_json, write_json
from bus.data import settings
from bus.data.study import Study, open_or_create
from hypothesis import given
from hypothesis import strategies as st

FILES = ("study.json", "cohort.csv", "pixels.npy", "masks.npy")


@pytest.fixture
def copy(tiny_study: Path, tmp_path: Path) -> Path:
    """A study whose files have other times than when it was made, as after a download."""
    return Path(shutil.copytree(tiny_study, tmp_path / "study", copy_function=shutil.copyfile))


def checked(path: Path) -> Study:
    study = Study.open(path)
    study.verify()
    return study


@given(st.sampled_from(FILES), st.sampled_from([0, 0.1, 0.5, 0.9, 1]), st.integers(1, 255))
def test_a_changed_byte_is_named_as_damage(
    tiny_study: Path, tmp_path_factory: pytest.TempPathFactory, name: str, position: float, change: int
) -> None:
    """Whatever the time of the file says; only spaces and the like of study.json may change."""
    path = tmp_path_factory.mktemp("copy") / "study"
    shutil.copytree(tiny_study, path)
    file, about = path / name, (path / name).stat()
    content = bytearray(file.read_bytes())
    at = round(position * (len(content) - 1))
    content[at] ^= change
    file.write_bytes(content)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    try:
        found = checked(path)
    except BusError as error:
        assert "could not be read" in str(error) or (name in str(error) and "damaged" in str(error))
    else:
        assert name == "study.json" and found.settings == Study.open(tiny_study).settings


def test_a_cut_or_missing_file_is_named_when_the_study_is_opened(copy: Path) -> None:
    for name in ("cohort.csv", "pixels.npy", "masks.npy"):
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[:-1])
        with pytest.raises(BusError, match=rf"{name} is damaged.*Restore it"):
            Study.open(copy)
        (copy / name).unlink()
        with pytest.raises(BusError, match=rf"{name} is missing.*Restore it"):
            Study.open(copy)
        (copy / name).write_bytes(content)
    assert checked(copy)


def test_content_is_read_once_in_a_process(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked(copy)
    monkeypatch.setattr(settings, "sha256_file", lambda path: pytest.fail("read again"))
    checked(copy)


def edit(copy: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the settings as somebody with a text editor does."""
    content = json.loads((copy / "study.json").read_text(encoding="utf-8"))
    change(content)
    (copy / "study.json").write_text(json.dumps(content), encoding="utf-8")


def test_an_edited_setting_is_damage(copy: Path) -> None:
    edit(copy, lambda content: content.update(seed=1))
    with pytest.raises(BusError, match=r"study\.json is damaged"):
        Study.open(copy)


def test_hashes_cannot_be_left_out(copy: Path) -> None:
    """Nor can they name files elsewhere, even with a seal that fits."""
    for files in ([], [{"name": "../../secret", "sha256": "", "bytes": 1, "time": 1}]):
        content = read_json(copy / "study.json") | {"files": files}
        write_json(copy / "study.json", content)
        with pytest.raises(BusError, match="files of another study"):
            Study.open(copy)


def test_a_study_of_the_first_format_opens_and_says_what_it_lacks(copy: Path) -> None:
    def older(content: dict[str, object]) -> None:
        del content["seal"], content["files"], content["cautions"]
        content.update(format=1, banners=["A sentence of then."])

    edit(copy, older)
    study = open_or_create(copy, {"size": 32})
    assert study.settings.banners[0] == "A sentence of then."
    assert "no hashes" in study.settings.banners[1] and "new study" in study.settings.banners[1]
    edit(copy, lambda content: content.update(format=3))
    with pytest.raises(BusError, match="format 3; this version reads 1 and 2"):
        Study.open(copy)


def test_cautions_stand_in_the_study_as_values(copy: Path) -> None:
    kept = json.loads((copy / "study.json").read_text(encoding="utf-8"))["cautions"]
    assert kept == [
        {"kind": "phantoms", "count": 60, "cases": [], "total": 0, "detail": "no --data was given"}
    ]
    assert Study.open(copy).settings.banners == (
        "Simulated phantoms, not patients: 60 (no --data was given). The numbers show how the tool works and "
        "mean nothing medical.",
    )
