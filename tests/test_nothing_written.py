"""What fails or runs dry writes nothing: names, bytes and times of all files stay as they were."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bus.benchmark import estimate
from bus.cli.app import app
from typer.main import get_command

Run = Callable[..., tuple[int, str]]
Tree = dict[str, tuple[bytes, int] | None]
SMALL, QUICK = "--size 32 --k 2", "--method published --set channels=4 --set blocks=1"


def tree(root: Path) -> Tree:
    """Every folder, and every file with its content and the time of its last change."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        if path.is_file()
        else None
        for path in root.rglob("*")
    }


DRY = (  # in a folder without a study, and on a finished one
    f"gan train --dry-run --preset demo {QUICK} {SMALL} --data data --study new/study",
    f"gan train --dry-run --preset demo {QUICK} --fold 1",
    f"gan train --dry-run --preset demo {QUICK} --redo",
    f"benchmark --dry-run --preset demo {SMALL} --data data --study new --models simplecnn",
    "benchmark --dry-run --preset demo --models simplecnn",
    "benchmark --dry-run --plan mine.toml",
    "benchmark --dry-run --plan mine.toml --data data --study new --size 32 --k 2",
    "benchmark --dry-run --preset demo --models simplecnn --arms original,cyclegan --inflation",
)
WRONG = (  # command → exit code 2
    # of a study that would be new
    f"gan train --preset demo {SMALL} --data data --study new/study --fold 9",
    f"gan train --preset demo {SMALL} --data data --study new/study --to nothing",
    f"gan train --preset demo {SMALL} --data data --study new/study --from nothing",
    f"gan train --preset demo {SMALL} --data data --study new --target nothing",
    f"gan train --preset demo {SMALL} --data data --study new --set ngf=1",
    f"gan train --preset demo {SMALL} --data data --study new --cohort strict",
    "gan train --size 33 --data data --study new/study",
    "gan train --data nothing --study new",
    "gan train --data data --study full",
    "gan train --data data --study data/labels.csv",
    "gan train --device tpu --study new",
    f"gan train --from-size 7 --study new --data data {SMALL}",
    f"benchmark {SMALL} --data data --study new/study --fold 9",
    f"benchmark {SMALL} --data data --study new --balance nothing",
    f"benchmark {SMALL} --data data --study new --arms cyclegan:nothing",
    f"benchmark {SMALL} --data data --study new --external data --external-alike keep",
    f"benchmark {SMALL} --data data --study new --fold none",
    "benchmark --study new --models alexnett",
    "benchmark --study new --init nothing.safetensors",
    "benchmark --study new --plan nothing.toml",
    "benchmark --study new --plan ablation-1 --arms original",
    "benchmark --study new --seeds 0",
    "benchmark --study new --set lr=1",
    "demo --study full",
    # of the finished one
    "gan train --size 64",
    "gan train --data data",
    "gan train --pairs 48 --fold 1,0",
    "synth --fold 3",
    "synth --to nothing",
    "synth --extractor nothing",
    "synth --confidence 0.5",
    "synth --n 0",
    "gan score data",
    "gan score --size 64",
    "gan score --require kidd=1",
    "gan score --fold 9",
    "benchmark --preset demo --set batch=0",
    "benchmark --preset demo --inflation --init phantom",
    "benchmark --preset demo --fold 0,9",
    "benchmark --json --dry-run",
    "predict nothing.png",
    "predict data --model alexnett",
    "predict data --fold 9",
    "predict data --format json --out answers.html",
    "predict data --heat",
    "translate data --to new --fold 0,1",
    "translate data --to new --class nothing",
    "translate nothing.png --to new",
    "compare --figure gains.png study",
    "data check nothing",
    "data check data --k 1",
    "data phantom new --size 5",
    "data phantom new --scanner nothing",
    "data phantom new --n 0",
    "report --of x",
    "export --to new --fold 9",
    "export --to new --arm nothing",
    "export --to full",
    "status --nothing",
    "doctor --nothing",
    "data phantom full",
)
FAILED = (  # exit code 1, before there was anything to do
    "synth --fold 1",
    "synth --fold 1 --confidence 0.5",
    "synth --study new/study",
    "gan score --fold 2",
    "status --study new",
    "report --study new",
    "predict data --fold 1",
    "translate data --to new --fold 1",
    "compare new",
)


@pytest.fixture
def room(finished_study: Path, tmp_path: Path, run_bus: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished study, data, and a folder with other things in it."""
    shutil.copytree(finished_study, tmp_path / "study")
    assert run_bus("data", "phantom", tmp_path / "data", "--n", 24, "--size", 32)[0] == 0
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "mine.toml").write_text("[[runs]]\nname = 'a'\nmodel = 'simplecnn'\nepochs = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "TIMED_STEPS", 1)  # how long it takes is not the point
    return tmp_path


@pytest.mark.long
@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize(("commands", "expected"), [(DRY, 0), (WRONG, 2), (FAILED, 1)])
def test_a_dry_run_and_a_refusal_write_nothing(
    room: Path, run_bus: Run, commands: tuple[str, ...], expected: int
) -> None:
    before, wrong = tree(room), []
    for command in commands:
        code, said = run_bus(*command.split())
        after = tree(room)
        changed = [name for name in before.keys() | after.keys() if before.get(name, 0) != after.get(name, 0)]
        if code != expected or changed or "Traceback" in said:
            wrong.append(f"{command}: {code}, {changed[:5]}, {said[-300:]}")
            before = after
    assert not wrong, "\n".join(wrong)


def test_every_command_is_tried() -> None:
    def names(command: Any, words: tuple[str, ...]) -> list[str]:
        inside = getattr(command, "commands", {})
        return [name for key in inside for name in names(inside[key], (*words, key))] or [" ".join(words)]

    tried = (*DRY, *WRONG)
    assert all(any(line.startswith(name) for line in tried) for name in names(get_command(app), ()))
