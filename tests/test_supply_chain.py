"""What is installed is known: the lock, the list of components made from it, the lowest versions, the CI."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from bus.gan.scores import features
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

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


def test_every_lower_bound_becomes_a_pin() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "pins.py"), "oldest", str(ROOT / "pyproject.toml")]
    pins = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {item.replace(">=", "==") for item in wanted} <= set(pins)


def test_ci_runs_the_one_script_on_three_systems() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert re.search(r"os: \[ubuntu-latest, macos-latest, windows-latest\]", text)
    assert "- run: .ci/run" in text and Path(ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_inception_is_known_by_its_whole_hash() -> None:
    """Of the file that torch-fidelity names, whose name carries the first digits."""
    whole = features.expected_sha256(URL_INCEPTION_V3)
    assert len(whole) == 64 and f"-{whole[:8]}.pth" in URL_INCEPTION_V3
    assert features.expected_sha256("https://example.org/net-0123abcd.pth") == "0123abcd"
