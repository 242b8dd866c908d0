"""The short form of `make corrupt`: what status looks at is named whatever happens to it."""

import importlib.util
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def load(path: Path) -> Any:
    """A script that is no part of the package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


corrupt = load(Path(__file__).with_name("corrupt.py"))
LOOKED_AT = [
    name
    for name, commands in corrupt.KINDS.items()
    if "status" in commands and not name.startswith(corrupt.HALF) and not name.endswith("flipped.csv")
]


@pytest.mark.long
@pytest.mark.parametrize("name", LOOKED_AT)
def test_what_status_reads_is_named_or_as_it_was(
    finished_study: Path, tmp_path: Path, run_bus: Callable[..., tuple[int, str]], name: str
) -> None:
    sound = run_bus("status", "--study", finished_study)[1].replace(str(finished_study), "")
    for number, kind in enumerate(("in the middle", "cut in half", "deleted", "another file's")):
        study = Path(shutil.copytree(finished_study, tmp_path / str(number) / "study"))
        path = min(study.glob(name))
        assert corrupt.damage(path, kind, tmp_path / f"{number}.moved", random.Random(number))
        code, said = run_bus("status", "--study", study)
        assert "Traceback" not in said and "Nobody foresaw" not in said
        named = path.name in said or str(path.parent) in said
        fewer = kind == "deleted" and path.name == "DONE" and said.replace(str(study), "") != sound
        assert (code in (1, 2) and named) or fewer, (kind, said)


def test_the_trial_tells_a_silent_end_from_others(tmp_path: Path) -> None:
    """Its own judgement: a file is damaged as it says, and a kind that does nothing is passed over."""
    path = tmp_path / "numbers.json"
    path.write_text('{"a": 1.5}')
    assert corrupt.damage(path, "huge number", tmp_path / "x", random.Random(0))
    assert path.read_text() == '{"a": ' + "9" * 401 + "}"
    (tmp_path / "text.md").write_text("text")
    assert not corrupt.damage(tmp_path / "text.md", "NaN", tmp_path / "x", random.Random(0))
    assert corrupt.damage(path, "a link", tmp_path / "moved", random.Random(0)) and path.is_symlink()
    assert set(corrupt.LETTERS) == {"named", "healed", "told", "unaffected"}


def test_what_may_differ_of_a_killed_study_is_found_where_it_stands(finished_study: Path) -> None:
    """`make chaos` leaves out minutes and times of files, by where they are; moved ones are seen here."""
    chaos, report = corrupt.chaos, finished_study / "report" / "1"
    for name in ("index.html", "report.md"):
        text, rest = (report / name).read_text(encoding="utf-8"), chaos.timeless(report / name)
        assert "minutes in all" in text and "minutes in all" not in rest and len(rest) > 0.9 * len(text)
    settings = chaos.timeless(finished_study / "study.json")
    assert {"name", "sha256", "bytes"} == {key for file in settings["files"] for key in file}
