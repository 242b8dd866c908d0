"""A benchmark cut into tasks: all of it, in an order that holds, each known again by its name."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from bus.benchmark import tasks
from bus.benchmark.arms import Arm
from bus.benchmark.cells import cells_of, synthetic_needed
from bus.benchmark.request import Request
from bus.core.errors import UsageError
from bus.data.study import Study

WISH = Request(
    (0, 1),
    (Arm("original"), Arm("adjusted"), Arm("cyclegan")),
    ("simplecnn", "vgg19"),
    seeds=2,
    gan_seeds=2,
    preset="demo",
)


@pytest.fixture
def study(tiny_study: Path) -> Study:
    return Study.open(tiny_study)


def test_every_piece_of_work_is_in_one_task_after_what_it_needs(study: Study) -> None:
    found = tasks.tasks_of(study, WISH, cells_per_task=4)
    names = [task.name for task in found]
    assert len(set(names)) == len(names)
    seen: set[str] = set()
    for task in found:
        assert set(task.after) <= seen, "what is needed comes first"
        seen.add(task.name)
    needs = synthetic_needed(study, WISH)
    assert len(needs) == 4
    assert [task.place for task in found if isinstance(task, tasks.TranslatorTask)] == list(needs)
    assert {task.place: task.count for task in found if isinstance(task, tasks.ScansTask)} == needs

    # cells: every one that is trained, once, the costly ones first
    bundles = [task.numbers for task in found if isinstance(task, tasks.CellsTask)]
    cells = tasks.trained(study, WISH)
    assert len(cells) == 16 == len([cell for cell in cells_of(study, WISH) if cell.arm.trains])
    assert sorted(number for bundle in bundles for number in bundle) == list(range(16))
    assert max(map(len, bundles)) == 4
    models = [cells[number].model for bundle in bundles for number in bundle]
    assert models == ["vgg19"] * 8 + ["simplecnn"] * 8
    audit = next(task for task in found if isinstance(task, tasks.AuditTask))
    assert set(audit.after) == {task.name for task in found if isinstance(task, tasks.ScansTask)}
    assert all(task.after == ("audit",) for task in found if isinstance(task, tasks.CellsTask))

    # each is found by its name alone
    for task in found:
        again = tasks.named(study, WISH, task.name)
        assert (type(again), again.name) == (type(task), task.name)


def test_what_is_done_is_no_task(finished_study: Path) -> None:
    study = Study.open(finished_study)
    wish = Request((0,), (Arm("original"), Arm("cyclegan")), ("simplecnn",), preset="demo")
    assert tasks.tasks_of(study, wish, (), cells_per_task=1) == []
    more = replace(wish, gan_seeds=2, seeds=2)
    count = synthetic_needed(study, more)[0, "malignant", 1]
    names = [task.name for task in tasks.tasks_of(study, more, (), cells_per_task=1)]
    assert names == ["translator-0-malignant-1", f"scans-0-malignant-1-{count}"]


def test_numbers_are_told_and_read() -> None:
    assert tasks.spans((0, 1, 2, 5, 7, 8)) == "0-2+5+7-8"
    assert tasks.numbers_in("cells-0-2+5+7-8") == (0, 1, 2, 5, 7, 8)
    for other in ("cells-", "cells-x", "audit", "cells-1-2-3", "cells-0-9999999999"):
        assert tasks.numbers_in(other) == ()


def test_a_name_of_no_task_is_refused(study: Study) -> None:
    for name in ("cells-16", "translator-9-malignant-0", "nonsense"):
        with pytest.raises(UsageError, match="no such task"):
            tasks.named(study, WISH, name)


def test_cells_are_the_same_bytes_in_bundles_as_at_once(
    tiny_study: Path, tmp_path: Path, few_steps: None, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers, and of which cells weights are kept: one a model and arm of all, not of each bundle."""
    wish = Request(
        (0,),
        (Arm("original"), Arm("weighted")),
        ("simplecnn",),
        seeds=2,
        preset="demo",
        recipe=(("batch", 4),),
    )

    monkeypatch.setattr(tasks, "check", lambda *about: [])
    made = []
    for number, size in enumerate((4, 1)):
        study = Study.open(Path(shutil.copytree(tiny_study, tmp_path / str(number))))
        for task in tasks.tasks_of(study, wish, cells_per_task=size):
            tasks.Work(study.path, wish, task, None)()
        folders = [cell.path for cell in tasks.trained(study, wish)]
        made.append(
            {
                f"{folder.relative_to(study.path)}/{path.name}": path.read_bytes()
                for folder in folders
                for path in folder.iterdir()
                if path.name != "metrics.json"
            }
        )
    assert made[0] == made[1] and sum(name.endswith(".safetensors") for name in made[0]) == 2
