"""The same trainings on two machines: the table comes from the bank and the first report."""

import io
import tarfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "busi-study"
LABELS = ("benign", "malignant", "normal", "benign")


def answers(given: tuple[str, ...]) -> str:
    rows = zip(LABELS, given, strict=True)
    lines = [f"scan {place},{place},{label},{answer}" for place, (label, answer) in enumerate(rows)]
    return "\n".join(["file,sha256,label,predicted", *lines]) + "\n"


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    return import_module("machines")


def test_a_seed_is_held_against_the_same_and_against_others(
    machines: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bank").mkdir()
    (tmp_path / "report-1").mkdir()
    right, one_off = LABELS, ("malignant", *LABELS[1:])
    content = answers(right).encode()
    with tarfile.open(tmp_path / "bank" / "01.tar.xz", "w:xz") as archive:
        member = tarfile.TarInfo("fold-0/cells/original/simplecnn/seed-0-abc/predictions.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    lines = ["model,arm,seed,file,sha256,label,predicted"]
    for seed, given in enumerate((one_off, right, right)):
        lines += [f"simplecnn,original,{seed},{row}" for row in answers(given).splitlines()[1:]]
    (tmp_path / "report-1" / "predictions.csv").write_text("\n".join(lines) + "\n")
    machines.main(tmp_path)
    _, row = capsys.readouterr().out.splitlines()
    model, arm, scans, processor, card, same, others, same_others = row.split(",")
    assert (model, arm, scans, processor, same) == ("simplecnn", "original", "4", "1.0000", "0.7500")
    assert card == f"{(2 / 3 + 2 / 3 + 1) / 3:.4f}" and others == "1.0000/1.0000"
    assert same_others == f"{(0.75 + 0.75 + 1) / 3:.4f}"
