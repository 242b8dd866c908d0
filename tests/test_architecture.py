"""How the house is built: who may import whom, who prints, where the tests of a module are."""

import ast
import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent


def load(path: Path) -> Any:
    """A script that is no part of the package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


house = load(TESTS / "speed" / "house.py")
MODULES = house.modules(ROOT)
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LIBRARY = [module for name, module in MODULES.items() if module.room not in ("cli", "__main__")]
TESTED_BY: dict[str, str] = {  # module → where its tests are, if not under its own name
    "__main__": "test_docs.py",  # the tutorial runs python -m bus
    "benchmark.export_network": "cli/test_export.py",
    "benchmark.export_scans": "cli/test_export.py",
    "benchmark.report.check_page": "benchmark/report/test_report_browser.py",
    "benchmark.report.plan_page": "benchmark/test_run_plan.py",
    "benchmark.report.predict_page": "benchmark/report/test_report_browser.py",
    "benchmark.results.compare": "cli/test_compare.py",
    "benchmark.report.compare_figure": "cli/test_compare.py",
    "benchmark.results.model": "benchmark/results/test_summary.py",
    "benchmark.results.plan_result": "benchmark/test_run_plan.py",
    "cli.predict": "benchmark/test_predict.py",
    "gan.translate": "cli/test_translate.py",
    "gan.scores.scans": "gan/scores/test_score.py",
    "data.check_text": "data/test_check.py",
    "data.creation": "data/test_study.py",
    "data.phantom.anatomy": "data/phantom/test_simulation.py",
    "data.phantom.lesion": "data/phantom/test_simulation.py",
    "data.stock": "data/test_scans.py",
    "data.shortcuts": "data/test_check.py",
    "data.unlabelled": "benchmark/test_predict.py",
}
OWNERS = {  # file of a study → who knows it by name; several have files of the same name in their folders
    "study.json": {"data.settings"},
    "cohort.csv": {"data.cohort"},
    "pixels.npy": {"data.store"},
    "masks.npy": {"data.store"},
    "shortcuts.json": {"data.shortcuts"},
    "config.json": {"gan.translator", "benchmark.cell"},
    "metrics.jsonl": {"gan.translator"},
    "auc_handmade": {"gan.translator"},  # one of its keys
    "checkpoint.pt": {"gan.translator"},
    "generator.safetensors": {"gan.translator"},
    "DONE": {"gan.translator", "benchmark.cell", "benchmark.report_folder"},
    "manifest.csv": {"gan.manifest"},
    "scores.json": {"gan.manifest"},
    "scores-test.json": {"gan.manifest"},
    "filter.json": {"gan.manifest"},
    "remade.json": {"gan.manifest"},
    "reader.json": {"gan.manifest"},
    "DATASHEET.md": {"gan.manifest"},
    "features.npy": {"gan.reader"},
    "predictions.csv": {"benchmark.cell", "benchmark.report_folder"},
    "flipped.csv": {"benchmark.cell"},
    "metrics.json": {"benchmark.cell"},
    "heat.npy": {"benchmark.cell"},
    "classifier.safetensors": {"benchmark.cell"},
    "p_": {"benchmark.cell"},  # column of a probability
    "jobs.json": {"benchmark.slurm"},
    "benchmark.json": {"benchmark.request"},
    "benchmarks.json": {"benchmark.history"},
    "external.json": {"benchmark.external"},
    "scans.csv": {"benchmark.external"},
    "index.html": {"benchmark.report_folder"},
    "results.csv": {"benchmark.report_folder"},
    "metrics.csv": {"benchmark.report_folder"},
    "contrasts.csv": {"benchmark.report_folder"},
    "summary.json": {"benchmark.report_folder"},
}
UNTYPED = {"core.files.read_json", "core.files.read_sealed"}  # what a file holds shows when it is read
LONG: dict[str, str] = {}  # function of the library beyond the limit → why
WHOLE = {  # tests within a room that are of several of its modules
    "data/test_traps.py",  # a check of one set with every trap at once
    "benchmark/report/test_study_check.py",  # the recomputation of study_check.py, on a report of the program
    "gan/test_published_step.py",  # a step against the published implementation
    "cluster/test_slurm_site.py",  # the whole benchmark, on Slurm and by Snakemake
    "benchmark/report/test_report_browser.py",  # all pages, in Chromium
}


def test_imports_go_down_only() -> None:
    """cli → api → benchmark → … → core; within benchmark pipeline → report → results → the rest."""
    assert [str(step) for step in house.upward(MODULES)] == []


def test_no_modules_import_each_other() -> None:
    """At their heads: an import inside a function that closes a circle is listed by make house."""
    assert house.circles(MODULES) == []


def test_only_the_command_line_prints_exits_and_handles_signals() -> None:
    guilty = []
    for module in LIBRARY:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else [name.name for name in node.names]
                )
                found = {name.split(".")[0] for name in names} & {"typer", "rich", "click"}
            else:
                called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                found = {called} & {"print", "exit", "sys.exit", "os._exit", "signal.signal"}
            guilty += [f"{module.name}, line {node.lineno}: {name}" for name in found]
    # a worker process leaves Ctrl-C to the process that started it, and ends with it
    worker = re.compile(r"core\.processes, .*(signal\.signal|os\._exit)|benchmark\.predict, .*rich")
    assert [line for line in guilty if not worker.match(line)] == []


def test_every_module_has_its_tests_where_its_name_leads() -> None:
    missing = []
    for name, module in MODULES.items():
        parts = name.split(".")
        expected = TESTS.joinpath(*parts[:-1], f"test_{parts[-1]}.py")
        if module.path.stem != "__init__" and expected.exists() == (name in TESTED_BY):
            missing.append(f"{name}: {expected.relative_to(TESTS)}")
    assert missing == [], "a test is missing, or is there and still listed as elsewhere"
    assert [
        name for name, path in TESTED_BY.items() if not (TESTS / path).exists() or name not in MODULES
    ] == []


def test_a_function_of_the_library_fits_a_screen_and_its_callers_memory() -> None:
    """70 lines of body and 12 parameters at most; what is longer stands in `LONG` with its reason."""
    long = {name for count, name in house.lengths(MODULES) if count > 70}
    wide = {name for count, name in house.parameters(MODULES) if count > 12}  # commands apart: their options
    assert (long | wide) - set(LONG) == set()
    assert set(LONG) - long - wide == set(), "no longer needed"


@pytest.mark.long
@pytest.mark.parametrize("name", OWNERS)
def test_a_file_of_a_study_is_known_to_its_owner_alone(name: str) -> None:
    assert set(house.knowers(MODULES, (name,))) == OWNERS[name]


def test_what_is_returned_has_a_type() -> None:
    """No function hands out a dictionary of anything but those that parse a file."""
    assert set(house.untyped(MODULES)) == UNTYPED


def test_every_test_is_of_a_module() -> None:
    """A test in a room is named for a module there; what is about the whole lies at the top."""
    strays = []
    for path in TESTS.rglob("test_*.py"):
        parts = path.relative_to(TESTS).with_suffix("").parts
        name = ".".join([*parts[:-1], parts[-1].removeprefix("test_")])
        if len(parts) > 1 and name not in MODULES:
            strays.append(path.relative_to(TESTS).as_posix())
    assert sorted(set(strays) - WHOLE) == []


def test_the_packages_are_the_folders() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "packages"
    ]
    folders = {module.path.parent.relative_to(ROOT) for module in MODULES.values()}
    assert sorted(listed) == sorted(".".join(["bus", *folder.parts]) for folder in folders)
    assert all((ROOT / folder / "__init__.py").exists() for folder in folders)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_nothing_outside_the_repository(path: Path) -> None:
    assert not OUTSIDE.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_files_that_exist(path: Path) -> None:
    """Files and rooms of the repository in backticks, and modules by their names."""
    text = path.read_text(encoding="utf-8")
    files = {
        name
        for name in re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text)
        if (ROOT / name.split("/")[0]).is_dir()
    }
    named = {
        name for name in re.findall(r"`bus\.(\w+(?:\.\w+)+)", text) if name.split(".")[0] in house.FLOORS
    }
    assert {name for name in files if not (ROOT / name).exists()} == set()
    assert {name for name in named if not {name, name.rpartition(".")[0]} & set(MODULES)} == set()


OUTSIDE = re.compile(
    r"\b(DESIGN|STYLE|RECIPES)(\.md\b| \d)|\bSEED\.md"
)  # plans and folders of those who develop; a reader has none of them
