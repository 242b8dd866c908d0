"""Determinism: same machine, precision and threads, same bytes, whatever jobs, order of files and folder."""

import random
import shutil
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from bus.data.phantom.simulation import write_cohort

spec = spec_from_file_location("chaos", Path(__file__).with_name("chaos.py"))
assert spec is not None and spec.loader is not None
chaos: Any = module_from_spec(spec)
spec.loader.exec_module(chaos)


def shuffled_copy(source: Path, place: Path, seed: int) -> Path:
    """The same files, written in another order, so that the folder lists them in another order."""
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    random.Random(seed).shuffle(paths)
    for path in paths:
        (place / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / path.relative_to(source))
    return place


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_jobs_order_of_files_and_folder_change_no_byte(
    tmp_path: Path, run_bus: Callable[..., tuple[int, str]]
) -> None:
    write_cohort(tmp_path / "cohort", 60, seed=5, size=64)
    (tmp_path / "cohort" / "labels.csv").unlink()  # class folders, which the disk lists in its own order
    found = []
    for jobs, name in enumerate(("first", "another one/초음파"), start=1):
        data = shuffled_copy(tmp_path / "cohort", tmp_path / name / "data", jobs)
        study = ("--study", tmp_path / name / "study")
        small = [
            "--preset",
            "demo",
            "--method",
            "published",
            "--set",
            "channels=4",
            "--set",
            "blocks=1",
            "--pairs",
            "40",
        ]
        cells = [
            "--preset",
            "demo",
            "--models",
            "simplecnn",
            "--arms",
            "original,cyclegan",
            "--keep-weights",
            "--extractor",
            "efficientnet-lite0",
        ]
        for command in (
            ("gan", "train", "--data", data, "--size", 32, "--k", 2, *small, *study),
            ("synth", "--n", 24, "--extractor", "efficientnet-lite0", *study),
            ("benchmark", *cells, "--jobs", jobs, *study),
        ):
            code, text = run_bus(*command)
            assert code == 0, text
        files = chaos.snapshot(tmp_path / name / "study")
        found.append(
            {
                file: content
                for file, content in files.items()
                if file.startswith(("fold-0/", "cohort.csv", "pixels.npy"))
            }
        )
    assert len(found[0]) > 40
    assert chaos.differences(*found) == []
