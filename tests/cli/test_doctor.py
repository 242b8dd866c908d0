"""The doctor looks at this machine, and its advice follows from what it found."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from bus.cli import doctor
from bus.core.compute import cores, resolve


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return doctor.examine(tmp_path_factory.mktemp("doctor"))


def test_it_tells_what_would_be_chosen_here(found: dict[str, Any]) -> None:
    chosen = resolve()
    assert found["compute"] == {"device": chosen.device, "precision": chosen.precision, "threads": cores()}
    assert (
        found["versions"]["torch"] == torch.__version__.partition("+")[0]
        or found["versions"]["torch"] == torch.__version__
    )
    assert all(seconds > 0 for seconds in found["probe"]["seconds"].values())
    assert set(found["probe"]["seconds"]) == {"float32", "bfloat16"}
    assert 0 < found["memory"]["available"] <= found["memory"]["total"]
    assert json.loads(json.dumps(found)) == found


def test_it_finds_the_weights_where_they_are_looked_for(
    found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bus.gan.scores.features import URL_INCEPTION_V3

    assert URL_INCEPTION_V3.endswith("/" + doctor.INCEPTION)
    assert [weights["found"] for weights in found["weights"][1:]] == [
        True,
        True,
    ]  # dependencies of the package
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert not doctor._weights()[0]["found"]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / doctor.INCEPTION).write_bytes(b"weights")
    assert doctor._weights()[0]["found"]


def healthy() -> dict[str, Any]:
    return {
        "versions": {"torch": "2.14.1"},
        "processor": {"cores": 8, "load": 1.0},
        "compute": {"device": "cuda", "precision": "bfloat16", "threads": 8},
        "probe": {"seconds": {"float32": 0.02, "bfloat16": 0.01}},
        "memory": {"total": 64 * 2**30, "available": 32 * 2**30},
        "disk": {"free": 100 * 2**30},
        "weights": [{"found": True}],
    }


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("compute", {"device": "cpu"}, "the default is preset quick"),
        ("compute", {"device": "cpu", "precision": "float32"}, "no bfloat16"),
        ("probe", {"seconds": {"float32": 0.01, "bfloat16": 0.02}}, "try --precision float32"),
        ("processor", {"load": 13.0}, "Other processes"),
        ("memory", {"available": int(3.2 * 2**30)}, "use --jobs 2"),
        ("disk", {"free": 2**30}, "Less than 2 GB"),
        ("versions", {"pydicom": None}, "pydicom is missing"),
    ],
)
def test_advice_names_what_is_wrong_and_nothing_else(part: str, changes: dict[str, Any], words: str) -> None:
    assert list(doctor.advice(healthy())) == []
    ill = healthy()
    ill[part] = {**ill[part], **changes}
    said = list(doctor.advice(ill))
    assert words in " ".join(said) and len(said) <= 2
