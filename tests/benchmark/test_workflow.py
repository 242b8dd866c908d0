"""A benchmark as a Snakefile: its rules, as text; that Snakemake runs it is tested with a real one."""

import re
import shlex
from pathlib import Path

import pytest
from bus.benchmark import tasks, workflow
from bus.benchmark.arms import Arm
from bus.benchmark.request import Request
from bus.data.study import Study


@pytest.fixture
def request_of(tiny_study: Path) -> Request:
    command = f"bus benchmark --study {tiny_study} --arms original,cyclegan:normal --set 'x={{y}}' --jobs 2"
    arms = (Arm("original"), Arm("cyclegan", "normal"))
    typed = f"{command} --export-workflow=snakemake --cells-per-job 1"
    return Request((0,), arms, ("simplecnn",), preset="demo", command=typed)


def test_every_task_is_a_rule_and_the_report_needs_all(tiny_study: Path, request_of: Request) -> None:
    study = Study.open(tiny_study)
    found = tasks.tasks_of(study, request_of, cells_per_task=1, all_of_them=True)
    text = workflow.snakefile(study, request_of, found)
    rules = re.findall(r"^rule (\w+):$", text, re.MULTILINE)
    assert len(rules) == len(set(rules)) == len(found) + 2, "each task, the report, and all"
    commands = [eval(line.split(": ", 1)[1]) for line in text.splitlines() if line.startswith("    shell")]
    asked = [shlex.split(line.removeprefix("{BUS} ").format()) for line in commands]
    assert [words[-1] for words in asked[:-1]] == [task.name for task in found]
    assert all(words[:3] == ["benchmark", "--study", str(tiny_study)] for words in asked)
    assert all("x={y}" in words and "--export-workflow=snakemake" not in words for words in asked)
    assert all(words.count("--jobs") == 1 and "--cells-per-job" not in words for words in asked)
    assert "--task" not in asked[-1]
    report = text.rpartition("rule report:")[2]
    assert all(f"cluster/done/{task.name}'" in report for task in found)
    assert "threads: 2" in text and "threads: workflow.cores" in text


def test_a_class_of_any_name_has_a_rule_of_its_own() -> None:
    names = [workflow._identifier(f"translator-0-{label}-0") for label in ("악성", "양성", "a b", "a_b")]
    assert len(set(names)) == 4 and all(name.isidentifier() and name.isascii() for name in names)
