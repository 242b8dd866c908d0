"""The command that runs the study on BUSI: what its plan says, logged, in as many sittings as it takes."""

import csv
import io
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bus.cli.app import main
from bus.data.phantom import write_cohort
from typer.core import TyperGroup
from typer.main import get_command

SCRIPT = Path(__file__).parents[1] / "docs" / "busi-study" / "study.py"
FIRST = "```bash\nbus --version\nbus doctor --help\n```"
PLAN = f"# Plan\n\n## Commands\n\nFirst:\n\n{FIRST}\n\nThen:\n\n```bash\n{{}}\n```\n\n## After\n"


@pytest.fixture(scope="module")
def study() -> Any:
    spec = spec_from_file_location("busi_study", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(folder: Path, plan: str) -> list[str]:
    (folder / "plan.md").write_text(plan)
    words = ("--study", folder / "study", "--data", folder / "data", "--external", "other", "--jobs", "2")
    return [sys.executable, str(SCRIPT), *map(str, words), "--plan", str(folder / "plan.md")]


def log(folder: Path) -> list[tuple[str, str]]:
    rows = csv.DictReader((folder / "study-bank" / "log.csv").open(encoding="utf-8"))
    return [(row["event"], row["command"]) for row in rows]


def test_commands_are_those_below_their_heading(study: Any) -> None:
    assert study.stages(PLAN.format("bus status")) == [["bus --version", "bus doctor --help"], ["bus status"]]
    with pytest.raises(SystemExit, match="expected a section"):
        study.stages("# Plan\n\n```bash\nbus status\n```\n")


def test_every_command_of_the_plan_is_one(study: Any) -> None:
    from bus.cli.app import app

    whole = get_command(app)
    assert isinstance(whole, TyperGroup)
    for block in study.stages((SCRIPT.parent / "plan.md").read_text(encoding="utf-8")):
        for line in block:
            _, name, *words = line.split()
            command = whole.commands[name]
            if isinstance(command, TyperGroup):
                command = command.commands[words.pop(0)]
            command.make_context(name, words)  # refuses what it does not know


def test_every_command_is_logged_and_a_failure_stops_what_follows(tmp_path: Path) -> None:
    plan = PLAN.format("bus status --study STUDY\nbus data --help")
    ended = subprocess.run(command(tmp_path, plan), capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "failed (see above)" in ended.stderr, ended.stderr
    events = log(tmp_path)
    first = {("start", "bus --version"), ("start", "bus doctor --help")}
    assert set(events[:2]) == first and {("done", line) for _, line in first} <= set(events)
    assert ("failed", "bus status --study STUDY") in events and str(tmp_path) not in str(events)


@pytest.mark.long
def test_it_may_be_stopped_and_keeps_to_its_plan(tmp_path: Path) -> None:
    words = command(tmp_path, PLAN.format("bus data phantom DATA --n 100000 --quiet"))
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    long = "bus data phantom DATA --n 100000 --quiet"
    end = time.monotonic() + 120
    while not (tmp_path / "study-bank" / "log.csv").exists() or ("start", long) not in log(tmp_path):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "run the same again to go on" in errors
    assert log(tmp_path)[-1] == ("stopped", long)
    changed = command(tmp_path, PLAN.format("bus --version"))
    ended = subprocess.run(changed, capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "A study keeps its plan" in ended.stderr


@pytest.fixture
def phantoms(tmp_path: Path) -> None:
    """A data set for the commands of a plan."""
    write_cohort(tmp_path / "data", 40, size=64)


class Here:
    """In place of a process of its own: a command of bus, done in this one by the time it is begun."""

    def __init__(self, words: list[str], env: object) -> None:
        with pytest.raises(SystemExit) as stop:
            main(words[3:])  # behind python -m bus
        self.returncode = int(stop.value.code or 0)

    def poll(self) -> int:
        return self.returncode

    def wait(self) -> int:
        return self.returncode


@pytest.fixture
def run_plan(
    study: Any, monkeypatch: pytest.MonkeyPatch, few_steps: None, in_process: None
) -> Callable[[Path, str], None]:
    """The script with its commands in this process; SystemExit as it ends with."""

    def run(folder: Path, plan: str) -> None:
        monkeypatch.setattr(study, "subprocess", SimpleNamespace(Popen=Here))
        monkeypatch.setattr(study.signal, "signal", lambda *handler: None)
        monkeypatch.setattr(study, "commit", lambda: "0000000")
        monkeypatch.setattr(sys, "argv", command(folder, plan)[1:])
        study.main()

    return run


@pytest.mark.usefixtures("phantoms")
def test_its_first_command_may_make_the_study(tmp_path: Path, run_plan: Callable[[Path, str], None]) -> None:
    train = (
        "bus gan train --study STUDY --data DATA --size 32 --k 3 --preset demo --pairs 4 --method published"
    )
    run_plan(tmp_path, PLAN.format(train))
    assert log(tmp_path)[-1] == ("done", train)
    assert (tmp_path / "study" / "fold-0" / "gan" / "malignant" / "seed-0" / "DONE").exists()


@pytest.mark.long
@pytest.mark.usefixtures("phantoms")
def test_it_goes_on_where_its_folder_is_gone(
    tmp_path: Path, run_plan: Callable[[Path, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """As on another machine, to which the bank alone was carried."""
    asked = "bus benchmark --study STUDY --data DATA --size 32 --k 3 --preset demo --models simplecnn"
    first = f"{asked} --arms original --no-report"
    plan = PLAN.format(first) + f"\n\n```bash\n{asked} --arms original\n```\n"
    plan = plan.replace("\n## After\n", "")
    with pytest.raises(SystemExit, match=r"Report 1 is written\. Publish it before more is trained"):
        run_plan(tmp_path, plan)
    assert log(tmp_path)[-4:-2] == [("done", first), ("banked", first)]
    (tmp_path / "report-1").mkdir()
    run_plan(tmp_path, plan)
    assert "All of the plan is done." in capsys.readouterr().out
    before = (tmp_path / "study" / "report" / "1" / "predictions.csv").read_text()
    assert [path.name for path in (tmp_path / "study-bank").glob("*.xz")] == ["01.tar.xz"]

    shutil.rmtree(tmp_path / "study")
    lines = len(log(tmp_path))
    run_plan(tmp_path, plan)
    assert "to train" not in capsys.readouterr().err
    assert {line for _, line in log(tmp_path)[lines:]} == {f"{asked} --arms original"}
    assert (tmp_path / "study" / "report" / "1" / "predictions.csv").read_text() == before
    assert not list((tmp_path / "study").glob("fold-*/**/*.safetensors"))


def test_a_bank_holds_neither_scans_nor_weights_and_no_cell_is_trained_again(
    study: Any,
    finished_study: Path,
    tiny_study: Path,
    tmp_path: Path,
    few_steps: None,
    run_bus: Callable[..., tuple[int, str]],
) -> None:
    bank, there = study.Bank(tmp_path / "bank"), tmp_path / "there"
    here = Path(shutil.copytree(finished_study, tmp_path / "here"))
    bank.put(here)
    assert {Path(name).suffix for name in bank.held} == {"", ".json", ".jsonl", ".csv", ".npy"}
    shutil.copytree(tiny_study, there)
    for name, content in bank.held.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(content)
    again = study.Bank(tmp_path / "again")
    again.put(there)
    options = ("--preset", "demo", "--models", "simplecnn", "--jobs", 1, "--extractor", "efficientnet-lite0")
    code, text = run_bus("benchmark", "--study", there, *options, "--arms", "original,cyclegan")
    assert code == 0 and "to train" not in text, text
    pages = [path / "report" / "1" / "predictions.csv" for path in (finished_study, there)]
    assert pages[0].read_text() == pages[1].read_text()
    report = (there / "report" / "1" / "report.md").read_text()
    assert "before both were taken out of this study" in report
    assert run_bus("status", "--study", there)[0] == 0
    again.put(there)
    assert list(again.archives) == ["01.tar.xz"], "nothing was made anew"


@pytest.fixture
def banked(study: Any, tiny_study: Path, tmp_path: Path) -> tuple[Any, Path]:
    """A bank with two archives of one file that changed, and the folder of the study."""
    bank, path = study.Bank(tmp_path / "bank"), Path(shutil.copytree(tiny_study, tmp_path / "study"))
    file = path / "fold-0" / "synth" / "remade.json"
    file.parent.mkdir(parents=True)
    for number in ("1", "2"):
        file.write_text(number)
        bank.put(path)
    return bank, path


MAKING = "bus gan train --study STUDY --data DATA --size 32 --k 3"


def test_what_is_put_in_later_counts(banked: tuple[Any, Path]) -> None:
    bank, path = banked
    assert bank.held == {"fold-0/synth/remade.json": b"2"}
    (bank.folder / "01.tar.xz").unlink()  # was not copied; the next one takes nobody's place
    (path / "fold-0" / "synth" / "remade.json").write_text("3")
    bank.put(path)
    assert list(bank.archives) == ["02.tar.xz", "03.tar.xz"]
    bank.put_back(path, "phantom", MAKING)  # its own folder is not behind


def test_a_folder_that_is_behind_its_bank_is_refused(banked: tuple[Any, Path], tiny_study: Path) -> None:
    bank, path = banked
    behind = Path(shutil.copytree(tiny_study, path.with_name("behind")))
    with pytest.raises(SystemExit, match="the study went on elsewhere"):
        bank.put_back(behind, "phantom", MAKING)
    assert not (behind / "fold-0").exists()


@pytest.mark.usefixtures("phantoms")
def test_other_data_than_the_banks_are_refused(banked: tuple[Any, Path], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"is not what the trainings in .* saw"):
        banked[0].put_back(tmp_path / "there", str(tmp_path / "data"), MAKING)
    assert not list((tmp_path / "there").glob("*"))


@pytest.mark.long
def test_a_benchmark_that_failed_twice_is_passed_over_where_asked(study: Any, tmp_path: Path) -> None:
    (tmp_path / "bank").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "study.json").write_text("{}")
    line = f"bus benchmark --no-report --study {tmp_path / 'damaged'}"
    log = study.Log(tmp_path / "bank", b"plan")
    commands = {line: ["bus", *line.split()[1:]]}
    with pytest.raises(SystemExit, match="failed"):  # once alone may be chance
        study.run(commands, 1, log, lambda: False, go_on=True)
    study.run(commands, 1, log, lambda: False, go_on=True)
    log.say("banked", line)
    assert [row["event"] for row in log.rows if row["event"] != "start"] == [
        *["failed"] * 2,
        "passed over",
        "banked",
    ]
    assert log.banked == {line}


def test_a_bank_with_a_file_that_leads_elsewhere_is_refused(study: Any, tmp_path: Path) -> None:
    content = b"x"
    member = tarfile.TarInfo("fold-0/../../x.json")
    member.size = len(content)
    with tarfile.open(tmp_path / "01.tar.xz", "w:xz") as archive:
        archive.addfile(member, io.BytesIO(content))
    with pytest.raises(SystemExit, match="no file of a fold"):
        study.Bank(tmp_path).put_back(tmp_path / "study", "phantom", "bus gan train")
