"""Sub-studies with a share of the target: nested, whole in their test parts, made once."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bus.benchmark.few import few, preview
from bus.data.study import Study


def of_target(study: Study, fold: int) -> set[str]:
    return {study.groups[row] for row in study.rows_of(study.train(fold), [study.target])}


def test_a_share_is_a_part_of_a_larger_one_and_tests_stay_whole(study: Study) -> None:
    subs = [few(study, share) for share in (0.25, 0.5, 1.0)]
    assert subs[-1] is study
    for fold in study.folds:
        known = [of_target(sub, fold) for sub in subs]
        assert known[0] < known[1] < known[2]
        assert [len(groups) / len(known[2]) for groups in known[:2]] == pytest.approx([0.25, 0.5], abs=0.1)
        others = [name for name in study.classes if name != study.target]
        kept = {study.groups[row] for row in study.rows_of(study.train(fold), others)}
        gone = known[2] - known[0]
        assert {subs[0].groups[row] for row in subs[0].rows_of(subs[0].train(fold), others)} == kept - gone
        assert all(sub.test(fold) == study.test(fold) for sub in subs)
        parts = set(subs[0].parts(fold).values())
        assert parts == {"training", "test", "left out"}
        assert not {subs[0].groups[row] for row in subs[0].train(fold)} & gone
    assert "25 % of the malignant groups" in subs[0].settings.banners[-1]
    assert subs[0].masks is not None


def test_a_sub_study_is_made_once_and_anew_for_another_study(study: Study) -> None:
    first = few(study, 0.5)
    made = (first.path / "study.json").stat().st_mtime_ns
    assert few(study, 0.5).path == first.path
    assert (first.path / "study.json").stat().st_mtime_ns == made
    (first.path / "study.json").write_text((study.path / "study.json").read_text())
    assert few(study, 0.5).settings.share == 0.5, "what lay there was another study"


def test_two_that_ask_at_once_make_it_once(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """The squares that one has opened must not be written over by the other."""
    made = []
    copy = shutil.copyfile

    def slowly(*paths: Path) -> None:
        made.append(paths)
        time.sleep(0.2)
        copy(*paths)

    monkeypatch.setattr("bus.data.study.shutil.copyfile", slowly)
    with ThreadPoolExecutor(2) as pool:
        subs = list(pool.map(lambda _: few(study, 0.25), range(2)))
    assert len(made) == 2, "squares and masks, each once"
    assert subs[0].path == subs[1].path and not list(subs[0].path.glob(".*"))
    assert [sub.settings.files for sub in subs] == [subs[0].settings.files] * 2


def test_a_look_ahead_writes_nothing_and_sees_the_same(study: Study, tmp_path: Path) -> None:
    before = sorted(study.path.rglob("*"))
    ahead = preview(study, 0.5)
    assert sorted(study.path.rglob("*")) == before
    made = few(study, 0.5)
    assert made.path == ahead.path and made.train(0) == ahead.train(0)
    assert made.pixels_sha256(made.train(0)) == ahead.pixels_sha256(ahead.train(0))
    assert preview(study, 0.5).settings == made.settings
