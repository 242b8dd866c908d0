"""What a finished study leaves for others: reports, tables, the answer, and how it was run."""

import csv
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from bus.cli.app import main
from bus.data.study import Study

FOLDER = Path(__file__).parents[1] / "docs" / "busi-study"
TRAINED = (
    "gan train --preset demo --pairs 40 --method published --set channels=4 --set blocks=1",
    "synth --n 30 --extractor efficientnet-lite0",
    "benchmark --preset demo --models simplecnn --arms original,oversampled,cyclegan --jobs 1 --inflation "
    "--extractor efficientnet-lite0",
)


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module("publish")


def bus(study: Path, command: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--study", str(study)])
    assert stop.value.code == 0, command


def log(bank: Path) -> None:
    """A log of one command, stopped once."""
    events = [("10:00", "start"), ("11:00", "stopped"), ("12:00", "start"), ("12:30", "done")]
    rows = [(f"2026-01-01T{at}:00+00:00", event, "bus benchmark", "abc", "1234") for at, event in events]
    bank.mkdir()
    with (bank / "log.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("time", "event", "command", "commit", "plan_sha256", "machine", "versions"))
        table.writerows((*row, "a laptop", "torch 2") for row in rows)


@pytest.mark.long
@pytest.mark.usefixtures("few_steps", "in_process")
def test_all_that_was_run_is_published_and_a_published_report_stays(
    publish: Any, tiny_study: Path, tmp_path: Path
) -> None:
    study, into = tmp_path / "study", tmp_path / "published"
    shutil.copytree(tiny_study, study)
    for command in TRAINED:
        bus(study, command)
    log(tmp_path / "bank")
    publish.publish(Study.open(study), tmp_path / "bank", into)
    figures = {f"contrasts-{name}.svg" for name in ("macro-f1", "auc", "sensitivity")}
    made = {"report-1", "per-image.csv", "further.csv", "answer.md", "log.csv", "run.md"} | figures
    assert {path.name for path in into.iterdir()} == made
    assert not [*into.rglob("*.png")], "no pixels"
    assert "No verdict" in (into / "answer.md").read_text(), "one training tells nothing of others"
    told = (into / "run.md").read_text()
    assert "| 2 | 0 | 90.0 |" in told and "1 translator, 2 classifiers" in told and "a laptop" in told
    with (into / "per-image.csv").open(encoding="utf-8") as file:
        assert {(row["arm"], row["model"]) for row in csv.DictReader(file)} == {
            ("original", "simplecnn"),
            ("cyclegan", "simplecnn"),
        }

    # more is trained, and published beside it
    before = {path: path.read_bytes() for path in (into / "report-1").rglob("*") if path.is_file()}
    bus(study, TRAINED[-1].replace("simplecnn", "resnet18").replace(" --inflation", ""))
    (into / "per-image.csv").unlink()
    publish.publish(Study.open(study), tmp_path / "bank", into)
    assert {path.name for path in into.iterdir()} == made | {"report-2"}
    assert all(path.read_bytes() == content for path, content in before.items())
    assert "6 classifiers" in (into / "run.md").read_text()
