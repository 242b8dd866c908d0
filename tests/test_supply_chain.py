"""What is installed is known: the lock, the list of components made from it, the lowest versions, the CI."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKED = re.compile(r"(\S+)==(\S+) --hash=sha256:([0-9a-f]{64})")


def test_the_components_are_those_of_the_lock() -> None:
    """Each with its version and the hash of its file."""
    locked = {found.groups() for found in map(LOCKED.match, (ROOT / "requirements.lock").open()) if found}
    content = json.loads((ROOT / "sbom.cdx.json").read_text())
    assert content["bomFormat"] == "CycloneDX" and content["metadata"]["component"]["name"] == "bus-balance"
    listed = {
        (item["name"], item["version"], item["externalReferences"][0]["hashes"][0]["content"])
        for item in content["components"]
    }
    assert listed == locked and len(locked) > 50


def oldest(*free: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / ".ci" / "pins.py"), "oldest", str(ROOT / "pyproject.toml"), *free]
    return subprocess.run(command, capture_output=True, text=True)


def test_every_lower_bound_becomes_a_pin() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pins, with_any_torch = oldest().stdout.split(), oldest("torch").stdout.split()
    assert {item.replace(">=", "==") for item in wanted} <= set(pins)
    differ = [pair for pair in zip(pins, with_any_torch, strict=True) if pair[0] != pair[1]]
    assert [pin.replace("==", ">=") for pin, _ in differ] == [free for _, free in differ]
    assert [free.split(">=")[0] for _, free in differ] == ["torch"]
    assert "tortch: no requirement" in oldest("tortch").stderr


def test_ci_runs_the_one_script_on_three_systems() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert re.search(r"os: \[ubuntu-latest, macos-latest, windows-latest\]", text)
    assert "- run: .ci/run" in text and Path(ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_nobody_is_told_to_install_this_package_from_an_index_that_lacks_it() -> None:
    """Its name there is free: whoever takes it would be installed instead."""
    texts = [
        path for kind in ("*.py", "*.md", "*.ipynb") for path in ROOT.rglob(kind) if ".venv" not in path.parts
    ]
    told = re.compile(r"pip install[^\n]*[ '\"]bus-balance\b")
    assert [str(path) for path in texts if told.search(path.read_text(encoding="utf-8"))] == []
