"""What a study holds, as values and as lines."""

import shutil
from pathlib import Path

from bus.benchmark.status import overview
from bus.data.study import Study


def test_a_new_study_says_what_comes_first(tiny_study: Path) -> None:
    state = overview(Study.open(tiny_study))
    assert (state.translators, state.synthetic, state.cells, state.report) == ([], [], [], None)
    assert list(state.lines()) == ["report: none yet; bus benchmark writes it"]


def test_a_finished_study_counts_what_was_made(finished_study: Path, tmp_path: Path) -> None:
    study = Study.open(Path(shutil.copytree(finished_study, tmp_path / "study")))
    state = overview(study)
    assert [(made.target, made.done) for made in state.translators] == [("malignant", 1.0)]
    assert [(scans.scans, scans.scored) for scans in state.synthetic] == [(30, True)]
    assert {(cells.arm, cells.trained) for cells in state.cells} == {("original", 1), ("cyclegan", 1)}
    told = state.as_json
    assert told["report"] == str(state.report) and told["study"] == str(study.path)
    assert len(list(state.lines())) == 5

    shutil.rmtree(next(study.path.glob("fold-0/gan/*/seed-0")) / "samples")
    next(study.path.glob("fold-0/gan/*/seed-0/DONE")).unlink()
    (made,) = overview(study).translators
    assert made.seconds is None and made.done < 1
    assert "under way" in next(iter(overview(study).lines()))
