"""Whatever lies at a path, it is opened only if it is an ordinary file, and read up to a bound."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bus.core import opener
from bus.core.errors import BusError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
Maker = Callable[[Path], object]


def listen(path: Path) -> None:
    """Leave a socket at `path`, relative since its path has few characters."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


ODD: dict[str, Maker] = {
    "a named pipe": os.mkfifo,
    "a socket": listen,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused_unopened_and_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "study.json"
    ODD[kind](path)
    for read in (opener.read_bytes, opener.open_file, opener.require_file):
        with pytest.raises(BusError, match=rf"study\.json is {kind}"):
            read(path)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"x" * 1000)
    assert opener.read_bytes(path, 1000) == b"x" * 1000
    with pytest.raises(BusError, match="the most that is read"):
        opener.read_bytes(path, 999)
    with pytest.raises(FileNotFoundError):
        opener.read_bytes(tmp_path / "missing")
    assert opener.require_file(tmp_path / "missing") == tmp_path / "missing"


@pytest.mark.parametrize(
    "kind", ["a link", "a named pipe", "a socket", "a link to a folder", "a dangling link"]
)
def test_a_tree_holds_files_and_folders_alone(tmp_path: Path, kind: str) -> None:
    study, elsewhere = tmp_path / "study", tmp_path / "elsewhere"
    (study / "fold-0" / "deep").mkdir(parents=True)
    elsewhere.mkdir()
    (study / "fold-0" / "a.csv").touch()
    opener.check_tree(study)
    makers: dict[str, Maker] = {
        **ODD,
        "a link": lambda path: path.symlink_to("/etc/hostname"),
        "a link to a folder": lambda path: path.symlink_to(elsewhere),
        "a dangling link": lambda path: path.symlink_to(tmp_path / "nowhere"),
    }
    makers[kind](study / "fold-0" / "deep" / ".odd")
    with pytest.raises(BusError, match=r"\.odd is a (link|named pipe|socket)"):
        opener.check_tree(study)
    (tmp_path / "moved").symlink_to(study / "fold-0")  # the user's own way to a study is theirs
    (study / "fold-0" / "deep" / ".odd").unlink()
    opener.check_tree(tmp_path / "moved")
