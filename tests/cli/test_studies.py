"""bus status and bus report."""

import importlib
import shutil
from pathlib import Path

import pytest
from bus.benchmark import status
from bus.benchmark.status import Overview, SyntheticState, TranslatorState
from bus.core import files
from bus.core.errors import BusError
from bus.data.study import Study


def test_status_says_what_is_there(finished, run_bus):
    code, text = run_bus("status", "--study", finished)
    assert code == 0
    assert "translator to malignant (seed 0, demo): trained, 8 pairs" in text
    assert "30, scored" in text
    assert "cells of cyclegan: 1 trained" in text


@pytest.mark.long
def test_the_report_is_written_again_without_training(commands, finished, tmp_path, run_bus, monkeypatch):
    path = tmp_path / "moved 연구"
    shutil.copytree(finished, path)
    report = path / "report" / "1"
    before = {file.name: file.read_bytes() for file in report.iterdir() if file.suffix == ".csv"}
    shutil.rmtree(report.parent)
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)) or True)
    code, text = run_bus("report", "--open", "--study", path)
    assert code == 0, text
    assert "SimpleCNN: " in text
    assert opened == [(report / "index.html").resolve().as_uri()]
    assert {file.name: file.read_bytes() for file in report.iterdir() if file.suffix == ".csv"} == before
    assert "Nothing to do" in run_bus(*commands[2], "--study", path)[1]
    for done in path.glob("fold-0/cells/cyclegan/*/*/DONE"):
        done.unlink()
    code, text = run_bus("report", "--study", path)
    assert code == 0
    assert "2 of 3 cells are trained" in text
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    code, text = run_bus("report", "--open", "--study", path)
    assert code == 0 and "No browser could be started here" in " ".join(text.split())
    for done in path.glob("fold-0/cells/*/*/*/DONE"):
        done.unlink()
    code, text = run_bus("report", "--study", path)
    assert code == 1
    assert "None of the 3 cells" in text


def test_a_report_is_handed_on_without_scans(commands, finished, tmp_path, run_bus):
    path = shutil.copytree(finished, tmp_path / "study")
    before = {file: file.read_bytes() for file in (path / "report").rglob("*") if file.is_file()}
    code, text = run_bus("report", "--study", path, "--hand-on", tmp_path / "copy")
    assert code == 0 and "without pictures of scans" in text, text
    copy = (tmp_path / "copy" / "index.html").read_text(encoding="utf-8")
    assert "data:image/png" not in copy and "left out of this copy" in copy
    pages = [copy, (tmp_path / "copy" / "report.md").read_text(encoding="utf-8")]
    assert all("--study STUDY" in page and str(tmp_path) not in page for page in pages)
    assert before == {file: file.read_bytes() for file in (path / "report").rglob("*") if file.is_file()}
    code, text = run_bus("report", "--study", path, "--hand-on", tmp_path / "copy")
    assert code == 2 and "holds something. Give a new folder" in " ".join(text.split())
    code, text = run_bus("report", "--study", path, "--hand-on", tmp_path / "other", "--open")
    assert code == 2 and "--hand-on goes with --of alone" in " ".join(text.split())
    next((path / "fold-0").glob("cells/*/*/*/DONE")).unlink()
    code, text = run_bus("report", "--study", path, "--hand-on", tmp_path / "other")
    assert code == 1 and "a report to be handed on is whole" in " ".join(text.split())
    assert not (tmp_path / "other").exists()


def test_the_study_on_busi_is_published_without_scans(commands, finished, tmp_path, run_bus, monkeypatch):
    """By docs/busi-study/publish.py: reports, what stands beside them, a figure, and how it was run."""
    folder = Path(__file__).parents[2] / "docs" / "busi-study"
    monkeypatch.syspath_prepend(str(folder))
    path = Path(shutil.copytree(finished, tmp_path / "study"))
    lines = [
        "time,event,command,commit,plan_sha256,machine,versions",
        "2026-11-28T10:00:00+00:00,start,bus benchmark,abc,ff,one core,torch 2",
        "2026-11-28T11:30:00+00:00,stopped,bus benchmark,abc,ff,one core,torch 2",
        "2026-11-28T12:00:00+00:00,start,bus benchmark,def,ff,one core,torch 2",
        "2026-11-28T12:15:00+00:00,done,bus benchmark,def,ff,one core,torch 2",
    ]
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    publish = importlib.import_module("publish")
    (tmp_path / "into").mkdir()
    for _ in range(2):  # anew each time
        publish.publish(Study.open(path), tmp_path / "bank", tmp_path / "into")
    run = (tmp_path / "into" / "run.md").read_text(encoding="utf-8")
    assert (
        "| `bus benchmark` | 2026-11-28T10:00:00+00:00 | 2026-11-28T12:15:00+00:00 | 2 | 0 | 105.0 |" in run
    )
    assert "abc, def" in run and Study.open(path).settings.data.sha256 in run
    page = (tmp_path / "into" / "report-1" / "index.html").read_text(encoding="utf-8")
    assert "data:image/png" not in page and not list((tmp_path / "into").rglob("*.png"))
    drawn = (tmp_path / "into" / "contrasts-macro-f1.svg").read_text(encoding="utf-8")
    assert "− original" in drawn and "cyclegan − …, points of macro-F1" in drawn
    rows = (tmp_path / "into" / "further.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("part,scans,folds,seeds,model") and rows[1].startswith("all,")


def test_a_study_without_a_benchmark_has_no_report(tiny_study, run_bus):
    code, text = run_bus("report", "--study", tiny_study)
    assert code == 1
    assert "Run bus benchmark first" in text


@pytest.mark.long
def test_a_report_is_never_overwritten_by_another(finished, commands, tmp_path, run_bus):
    """Other arms get another number; each is written again in its own place; the list leads to the newest."""
    path = tmp_path / "study"
    shutil.copytree(finished, path)
    report = path / "report"
    first = (report / "1" / "index.html").read_bytes()
    others = "benchmark --preset demo --models simplecnn --arms original,oversampled --jobs 1"
    code, text = run_bus(*others.split(" "), "--study", path)
    assert code == 0 and "report/2/index.html" in text, text
    assert (report / "1" / "index.html").read_bytes() == first
    page = (report / "index.html").read_text()
    assert 'content="0; url=2/index.html"' in page and page.index("2/index.html") < page.index("1/index.html")
    assert 'href="../1/index.html"' in (report / "2" / "index.html").read_text(), "the list links to them"
    code, text = run_bus("report", "--of", 1, "--study", path)
    assert code == 0 and "report/1/index.html" in text
    assert 'content="0; url=1/index.html"' in (report / "index.html").read_text()
    assert 'href="../2/index.html"' in (report / "1" / "index.html").read_text()
    assert sorted(place.name for place in report.iterdir()) == ["1", "2", "index.html", "latest.json"]

    # the same again, of a damaged page, and of what is there no more
    code, text = run_bus(*commands[2], "--study", path)
    assert code == 0 and "Nothing to do" in text
    (report / "1" / "metrics.csv").write_text("0.99")
    code, text = run_bus(*commands[2], "--study", path)
    assert code == 0 and "Nothing to do: all" not in text, text
    assert (report / "1" / "metrics.csv").read_text() != "0.99"
    code, text = run_bus("report", "--of", 3, "--study", path)
    assert code == 2 and "There are: 1, 2" in text
    before, about = (report / "1" / "index.html").read_bytes(), report / "1" / "about.json"
    (report / "1" / "DONE").unlink()  # it would tell that the file was changed
    for changes, words in (({"inputs": "other"}, "is there no more"), ({"asked": None}, "stays as it was")):
        files.write_json(about, {**files.read_json(about), **changes})
        code, text = run_bus("report", "--of", 1, "--study", path)
        assert code == (1 if "inputs" in changes else 0) and words in text, text
        assert (report / "1" / "index.html").read_bytes() == before
    assert not (report / "3").exists()


def test_what_is_no_study_is_called_what_it_is(tiny_study, tmp_path, run_bus, monkeypatch):
    """And the studies nearby are named."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_study, tmp_path / "mine")
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    shutil.copytree(tiny_study, tmp_path / "part", ignore=shutil.ignore_patterns("study.json"))
    for path, words in (
        ("file", "file is an ordinary file; a study is a folder"),
        ("link", f"link is a link to {tmp_path}/gone, which does not exist"),
        ("empty", "There is no study in empty. Run bus gan train first"),
        ("nowhere", "Studies nearby: mine."),
        ("mine/study.json", "Did you mean --study mine?"),
        ("part", "part/study.json is missing. Restore it from a copy of the study"),
    ):
        for command in ("status", "report", "synth", "gan score"):
            code, text = run_bus(*command.split(), "--study", path)
            assert code == 1 and words in text, text
    for path, words in (("file", "is an ordinary file"), ("link", "which does not exist")):
        code, text = run_bus("gan", "train", "--study", path)
        assert code == 2 and words in text and "other things in it" not in text, text
    with pytest.raises(BusError, match="There is no study in nowhere"):
        Study.open(Path("nowhere"))


def test_status_names_what_was_damaged_or_deleted(finished, tmp_path, run_bus):
    """Every finished thing is read: a translator, its scans, cells, reports."""
    cell = next(path.parent for path in finished.glob("fold-0/cells/original/*/*/DONE")).relative_to(finished)
    gan, made = "fold-0/gan/malignant/seed-0", "fold-0/synth/seed-0/malignant"
    for number, (name, mend) in enumerate(
        {
            f"{gan}/generator.safetensors": "bus gan train --redo",
            f"{gan}/config.json": "",
            f"{made}/synthetic-0003.png": "bus synth --redo",
            f"{made}/scores.json": "",
            f"{cell}/predictions.csv": "bus benchmark",
            f"{cell}/heat.npy": "bus benchmark",
            f"{cell}/metrics.json": "",
            "report/1/figures/roc-simplecnn.svg": "bus report --of 1",
            "report/1/metrics.csv": "bus report --of 1",
        }.items()
    ):
        copy = shutil.copytree(finished, tmp_path / str(number))
        path = copy / name
        if not path.exists():
            path = sorted(path.parent.iterdir())[0]
        content = bytearray(path.read_bytes())
        for damage in ("flipped", "deleted") if mend else ("flipped",):
            content[len(content) // 2] ^= 1
            path.write_bytes(content) if damage == "flipped" else path.unlink()
            code, text = run_bus("status", "--study", copy)
            assert code == 1 and "damaged: " in text and path.name in text and mend in text, (name, text)
        shutil.rmtree(copy)


def translator(fold, seed, done=1.0, target="malignant"):
    return TranslatorState(fold, target, seed, "quick", 400, done, None, "")


def scans(fold, seed, scored=True, target="malignant"):
    return SyntheticState(fold, target, seed, 30, scored, "")


@pytest.mark.parametrize(
    ("translators", "synthetic", "report", "following"),
    [
        ([], [], False, "gan train"),
        ([translator(0, 0, 0.3)], [], False, "gan train"),
        ([translator(0, 0), translator(2, 1, 0.3)], [], False, "gan train --fold 2 --gan-seed 1"),
        ([translator(None, 0, 0.3, "normal")], [], False, "gan train --fold none --to normal"),
        ([translator(0, 0), translator(2, 1)], [scans(0, 0)], True, "synth --fold 2 --gan-seed 1"),
        ([translator(0, 0)], [scans(0, 0, scored=False)], False, "synth"),
        ([translator(2, 1)], [scans(2, 1)], False, "benchmark --fold 2 --gan-seed 1 --preset quick"),
        ([translator(None, 0)], [scans(None, 0)], False, "gan score --fold none"),
        ([translator(1, 0)], [scans(1, 0)], True, "report --open"),
    ],
)
def test_status_names_the_command_that_goes_on(
    tiny_study, tmp_path, run_bus, monkeypatch, translators, synthetic, report, following
):
    page = tmp_path / "index.html" if report else None
    monkeypatch.setattr(
        status, "overview", lambda study: Overview(study, translators, synthetic, [], page, [])
    )
    code, text = run_bus("status", "--study", tiny_study)
    command, _, options = following.partition(" --")
    assert code == 0
    expected = f"Next: bus {command} --study {tiny_study}" + f" --{options}" * bool(options)
    assert text.endswith(expected), text
