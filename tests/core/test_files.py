"""JSON that notices changes, numbers and texts that are checked when read, tables that run nothing."""

import csv
import errno
import json
import re
import shlex
from pathlib import Path

import pytest
from bus.core import files
from bus.core.errors import BusError, retyped
from hypothesis import given
from hypothesis import strategies as st

CONTENT = {"a": 0.458, "steps": 600, "names": ["benign", "두"], "deep": {"b": None, "1": [1.5, True]}}
NUMBERS = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(content=st.dictionaries(st.text(max_size=5).filter(lambda key: key != files.SEAL), PLAIN, max_size=5))
def test_what_is_written_is_read_but_for_control_characters(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    files.write_json(path, content)
    kept = files.read_json(path)
    if json.dumps(kept, sort_keys=True) != json.dumps(content, sort_keys=True):
        assert re.search(r"\\\\(u00|x|[ntr])|\\\\u20(28|29)", json.dumps(kept)), "only escapes may differ"
    files.write_json(path, kept)
    assert files.read_json(path) == kept


@pytest.mark.parametrize("place", range(0, 1000, 7))
def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, CONTENT)
    raw = bytearray(path.read_bytes())
    raw[place % len(raw)] ^= 1 << place % 8
    path.write_bytes(raw)
    try:
        found = files.read_json(path)
    except BusError as error:
        assert str(path) in str(error)
    else:
        assert {name: found[name] for name in CONTENT} == CONTENT


STRANGE = [
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": -Infinity}',
    '{"a": ' + "9" * 401 + "}",
    '{"a": ' + "[" * 5000,
    '{"a": "\\u001b[31m"}',
    '{"a": [["\\u0000"]]}',
    '{"\\u2028": 1}',
    "[1]",
    "\xff",
    "",
]


@pytest.mark.parametrize("text", STRANGE)
def test_what_no_file_of_ours_holds_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BusError, match=r"a\.json could not be read as JSON"):
        files.read_json(path)


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "=HYPERLINK(0)"])
def test_no_text_of_an_export_runs_in_a_spreadsheet(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "a.csv"
    files.export_csv(path, ["name", "value"], [[cell, "-0.25"], ["benign", -1.5], ["=", "+1e-3"]])
    with path.open(newline="") as handle:
        rows = list(csv.reader(handle))
    assert rows == [["name", "value"], [f"'{cell}", "-0.25"], ["benign", "-1.5"], ["'=", "+1e-3"]]


def test_the_cause_decides_what_is_advised() -> None:
    advice = {
        name: files.mend(OSError(getattr(errno, name), ""))
        for name in ("ENOSPC", "EROFS", "EACCES", "EISDIR")
    }
    assert not any("--study" in text for text in advice.values()), "it may be any command's file"
    assert "choose another name" in advice["EISDIR"]
    assert [name for name, text in advice.items() if "Free some space" in text] == ["ENOSPC"]
    assert "only be read" in advice["EROFS"] and "writable" in advice["EACCES"]


@given(st.text())
def test_a_retyped_command_is_words_for_bus_alone(command: str) -> None:
    words = shlex.split(retyped(command).replace("help(bus)", "bus --help"))
    assert words[0] == "bus" and shlex.join(words) in (retyped(command), "bus --help")


def test_a_call_of_the_python_interface_is_told_again_and_no_other() -> None:
    call = "bus.study('a b').benchmark(folds=[0, 1], models=('vgg19',))"
    assert retyped(call) == call
    for forged in (
        "bus.study(__import__('os').system('id'))",
        "bus.x if bus else bus.y",
        "bus.study(",
        "bus." + "(" * 500,
    ):
        assert retyped(forged) == "help(bus)"
