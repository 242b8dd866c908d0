"""The doctor looks at this machine, and its advice follows from what it found."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from bus.cli import doctor
from bus.cli.doctor import Chosen, Disk, Machine, Memory, Processor, Timing, Weights
from bus.core.compute import cores, resolve


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return doctor.examine(tmp_path_factory.mktemp("doctor"))


def test_it_tells_what_would_be_chosen_here(found: Machine) -> None:
    chosen = resolve()
    assert found.compute == Chosen(chosen.device, chosen.precision, cores())
    assert found.versions["torch"] in (torch.__version__, torch.__version__.partition("+")[0])
    assert all(seconds > 0 for seconds in found.probe.seconds.values())
    assert set(found.probe.seconds) == {"float32", "bfloat16"}
    assert 0 < (found.memory.available or 0) <= (found.memory.total or 0)
    told = found.as_json
    assert json.loads(json.dumps(told)) == told
    assert {"versions", "optional", "processor", "compute", "probe", "advice"} < set(told)


def test_it_finds_the_weights_where_they_are_looked_for(
    found: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bus.gan.scores.features import URL_INCEPTION_V3

    assert URL_INCEPTION_V3.endswith("/" + doctor.INCEPTION)
    assert [weights.found for weights in found.weights[1:]] == [True, True]  # dependencies of the package
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert not doctor._weights()[0].found
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / doctor.INCEPTION).write_bytes(b"weights")
    assert doctor._weights()[0].found


HEALTHY = Machine(
    versions={"torch": "2.14.1"},
    optional={},
    processor=Processor("a processor", 8, [], 1.0, None, ""),
    compute=Chosen("cuda", "bfloat16", 8),
    probe=Timing(1024, {"float32": 0.02, "bfloat16": 0.01}),
    memory=Memory(64 * 2**30, 32 * 2**30),
    disk=Disk("study", 100 * 2**30),
    weights=[Weights("Inception (FID)", True, "")],
)


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
    assert list(doctor.advice(HEALTHY)) == []
    whole = getattr(HEALTHY, part)
    ill = {**whole, **changes} if isinstance(whole, dict) else replace(whole, **changes)
    said = list(doctor.advice(replace(HEALTHY, **{part: ill})))
    assert words in " ".join(said) and len(said) <= 2


def test_the_memory_of_a_job_is_the_least_that_any_of_its_groups_may_take(tmp_path: Path) -> None:
    """Slurm limits a group above that of the process; files that were read take no room for long."""
    own, step = tmp_path / "cgroup", tmp_path / "groups" / "job" / "step"
    step.mkdir(parents=True)
    own.write_text("4:memory:/old\n0::/job/step\n")
    (step / "memory.max").write_text("max\n")
    (step.parent / "memory.max").write_text("4000\n")
    (step.parent / "memory.current").write_text("1500\n")
    (step.parent / "memory.stat").write_text("anon 900\ninactive_file 600\n")
    assert list(doctor._limits(tmp_path / "groups", own)) == [(4000, 900)]
    assert list(doctor._limits(tmp_path / "groups", tmp_path / "none")) == []
