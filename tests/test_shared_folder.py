"""Machines that share a study's folder: three processes, each of which takes itself for another host."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bus.benchmark import run
from bus.benchmark.arms import Arm
from bus.benchmark.cells import STEPS, cells_of
from bus.benchmark.request import Request
from bus.data.study import Study

STEP_COUNT = (20, 1)
ARMS = (Arm("original"), Arm("weighted"))
WISH = Request((0, 1), ARMS, ("simplecnn",), seeds=2, preset="demo", recipe=(("batch", 4),))
MACHINE = """
import json, pickle, platform, sys
from pathlib import Path
platform.node = lambda: sys.argv[1]
from bus.core import files
assert files.HOST == sys.argv[1]
from bus.benchmark import run
from bus.benchmark.cells import STEPS, cells_of
from bus.data.study import Study
WISH, STEPS["demo"] = pickle.loads(bytes.fromhex(sys.argv[3]))
study = Study.open(Path(sys.argv[2]))
trained = []
real = run._train_cell
def noted(path, cell, *rest, **options):
    trained.append(str(cell.path.relative_to(path)))
    return real(path, cell, *rest, **options)
run._train_cell = noted
print("ready", flush=True)
sys.stdin.readline()
todo = cells_of(study, WISH)
while todo:  # as run.run does, in this process: what another is at comes again
    todo = [cell for cell in todo if not run.run_cell(study.path, cell, 1, keep_weights=True)]
print(json.dumps(trained))
"""


@pytest.mark.slow
def test_three_machines_share_the_cells_of_a_study(
    tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cell is trained once, by one of them; files are those of one machine; no lock is left."""
    monkeypatch.setitem(STEPS, "demo", STEP_COUNT)
    alone, shared = (Study.open(Path(shutil.copytree(tiny_study, tmp_path / name))) for name in ("a", "b"))
    for cell in cells_of(alone, WISH):
        run.run_cell(alone.path, cell, 1, keep_weights=True)

    # all three begin at once
    wish = pickle.dumps((WISH, STEP_COUNT)).hex()
    machines = [
        subprocess.Popen(
            [sys.executable, "-c", MACHINE, name, str(shared.path), wish],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("north", "south", "east")
    ]
    for machine in machines:
        assert machine.stdout is not None and machine.stdout.readline() == "ready\n"
    answers = [machine.communicate("go\n", timeout=300)[0] for machine in machines]
    trained = [json.loads(answer) for answer in answers]
    cells = cells_of(shared, WISH)
    assert sorted(path for paths in trained for path in paths) == sorted(
        str(cell.path.relative_to(shared.path)) for cell in cells
    )

    # the same bytes, and nothing beside them
    for cell, other in zip(cells, cells_of(alone, WISH), strict=True):
        for name in ("config.json", "predictions.csv", "heat.npy", "classifier.safetensors"):
            assert (cell.path / name).read_bytes() == (other.path / name).read_bytes()
    assert [path for path in shared.path.rglob(".*") if path.suffix in (".lock", ".part")] == []
