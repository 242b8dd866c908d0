"""Where the difference of balancing goes: recalls and changed answers, counted by hand."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from bus.core.files import read_csv

FOLDER = Path(__file__).parents[1] / "docs" / "busi-study"
LABELS = ("benign", "benign", "malignant", "normal")
GIVEN = {  # arm → answers of two seeds
    "original": (("benign", "benign", "benign", "normal"), ("benign", "normal", "malignant", "normal")),
    "oversampled": (("benign", "benign", "malignant", "normal"), ("benign", "benign", "malignant", "normal")),
    "cyclegan": (
        ("benign", "malignant", "malignant", "benign"),
        ("benign", "malignant", "malignant", "normal"),
    ),
}


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    return import_module("where")


def test_recalls_and_changes_are_those_of_the_answers(where: Any, tmp_path: Path) -> None:
    lines = ["model,arm,fold,seed,file,sha256,label,group,predicted"]
    for arm, seeds in GIVEN.items():
        for seed, answers in enumerate(seeds):
            for number, (label, answer) in enumerate(zip(LABELS, answers, strict=True)):
                lines.append(f"vgg19,{arm},0,{seed},scan {number},{number},{label},,{answer}")
    for report in ("report-1", "report-2"):  # the same trainings in two reports count once
        (tmp_path / report).mkdir()
        (tmp_path / report / "predictions.csv").write_text("\n".join(lines) + "\n")
    where.main(tmp_path)
    shares = {row["arm"]: row for row in read_csv(tmp_path / "where.csv")}
    assert [shares["original"][name] for name in ("benign", "malignant", "normal")] == [
        "0.7500",
        "0.5000",
        "1.0000",
    ]
    assert shares["cyclegan"]["says malignant"] == "0.5000" and shares["cyclegan"]["normal"] == "0.5000"
    changes = {(row["from"], row["class"]): row for row in read_csv(tmp_path / "flips.csv")}
    assert len(changes) == 6
    wanted = {  # better, worse, otherwise wrong; of both seeds together, halved
        ("original", "benign"): ("0.0", "0.5", "0.5"),
        ("original", "malignant"): ("0.5", "0.0", "0.0"),
        ("original", "normal"): ("0.0", "0.5", "0.0"),
        ("oversampled", "benign"): ("0.0", "1.0", "0.0"),
    }
    for place, numbers in wanted.items():
        assert tuple(changes[place][kind] for kind in where.KINDS) == numbers
    moved = {(row["from"], row["class"]): row for row in read_csv(tmp_path / "moved.csv")}
    assert set(moved) == {(arm, label) for arm in where.HELD for label in ("all", *LABELS)}
    told = {place: (row["scans"], row["better"], row["worse"]) for place, row in moved.items()}
    assert told["original", "all"] == ("4", "1", "2")  # one of two trainings is half of them
    assert told["original", "malignant"] == ("1", "1", "0")
    assert told["oversampled", "benign"] == ("2", "0", "1")
    assert {row["by chance"] for row in moved.values()} == {""}  # two trainings tell nothing
