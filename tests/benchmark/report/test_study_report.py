"""The report says what the summary says, escapes every name, asks nothing of the network and is made the
same twice."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bus.benchmark.arms import Arm
from bus.benchmark.report import terms
from bus.benchmark.report.effects import split_contrasts
from bus.benchmark.report.external import SHOWN
from bus.benchmark.report.performance import curves, fold_zero
from bus.benchmark.report.study_report import write_report
from bus.benchmark.results import wording
from bus.benchmark.results.untouched import development_scans
from bus.core.files import read_csv
from bus.data import shortcuts
from bus.data.cohort import busi_list
from bus.data.study import Study
from bus.gan.scores.model import METRICS

HOSTILE = "<script>alert(1)</script> $x$ *a* | `b`"


def test_says_the_verdicts_first(parsed: Any, full: Any) -> None:
    text = re.sub(r"\s+", " ", parsed(full.html).text)
    for verdict in full.summary.verdicts.values():
        short, _, rest = wording.sentence(verdict).partition(": ")
        assert f"{short[0].upper()}{short[1:]}." in text and rest[1:].rstrip(".") in text
        assert rest[1:20] in full.markdown
    first = wording.headline(full.summary.verdicts["simplecnn"]).capitalize() + "."
    for later in ("Tested on", "The translator’s own contribution", "Answering “benign”"):
        assert text.index(first) < text.index(later)
    assert text.index("Numbers of made-up answers mean nothing.") < text.index(first)


def test_collapse_is_flagged_wherever_its_numbers_stand(full: Any) -> None:
    flagged = terms.collapse_flags(full.summary)
    assert set(flagged) == {(Arm("original"), "vgg19")}
    folder = full.study.path / "report" / "1" / "figures"
    assert (
        "†" in (folder / "roc-vgg19.svg").read_text() and "†" not in (folder / "roc-resnet18.svg").read_text()
    )
    assert "VGG19 †" in (folder / "forest-gain.svg").read_text()
    for name, _, line in ((m, a, x) for m, a, x in _md_rows(full.markdown) if a.startswith("original")):
        assert ("†" in line) == (name == "VGG19")
    shown_in = ["results", "the same networks asked otherwise", "fold 0 alone", "confusion matrix", "heat"]
    shown_in += ["which scans change"]
    assert full.html.count("† collapsed</span>") == len(shown_in)


def _md_rows(text: str) -> list[tuple[str, str, str]]:
    cells = [
        [part.strip() for part in line.split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return [
        (c[1], c[2], "|".join(c))
        for c in cells
        if len(c) > 8 and c[1] in ("SimpleCNN", "VGG19", "ResNet18") and "−" not in c[2]
    ]


def test_absent_parts_are_said_to_be_absent(bare: Any, full: Any) -> None:
    sentences = (
        "No heat maps",
        "No CycleGAN was trained",
        "No outcome of an audit",
        "Neither contrast could be made",
    )
    for sentence in sentences:
        assert sentence in bare.html and sentence in bare.markdown
        assert sentence not in full.html and sentence not in full.markdown
    assert "preset demo" in bare.html.lower() and "Preset demo" not in full.html


def test_same_study_gives_the_same_bytes(full: Any) -> None:
    folder = full.study.path / "report" / "1"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = Study.open(full.study.path)
    write_report(again, full.summary, cells=full.cells, checks=full.checks, commands=["bus benchmark"])
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_copy_to_be_handed_on_shows_no_scan_and_every_number(full: Any, tmp_path: Path) -> None:
    write_report(
        full.study,
        full.summary,
        folder=tmp_path / "copy",
        cells=full.cells,
        checks=full.checks,
        commands=["bus benchmark"],
        pictures=False,
    )
    copy = (tmp_path / "copy" / "index.html").read_text(encoding="utf-8")
    assert "data:image/png" in full.html and "data:image/png" not in copy
    assert len(re.findall("pictures? of scans, left out of this copy", copy)) >= 3
    files = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".png"]
    listed = (tmp_path / "copy" / "README.md").read_text(encoding="utf-8")
    assert all(
        f"`{path.name}`" in listed
        for path in files
        if path.parent.name != "figures" and path.name != "README.md"
    )
    assert not re.findall(r"`(about.json|DONE)`", listed) and 'href="../' not in copy
    tables = [re.findall(r"<tbody>.*?</tbody>", text, re.DOTALL) for text in (full.html, copy)]
    assert set(tables[0]) <= set(tables[1])
    for name in ("results.csv", "contrasts.csv", "predictions.csv", "metrics.csv"):
        assert (tmp_path / "copy" / name).read_bytes() == (
            full.study.path / "report" / "1" / name
        ).read_bytes()


def test_csv_has_a_row_a_cell(full: Any) -> None:
    table = full.study.path / "report" / "1" / "results.csv"
    rows = read_csv(table, ["arm", "model", "fold", "seed", "macro_f1"])
    assert len(rows) == len(full.cells)
    wanted = {(str(c.arm), c.model, str(c.fold), str(c.seed)) for c in full.cells}
    assert {(r["arm"], r["model"], r["fold"], r["seed"]) for r in rows} == wanted


@pytest.mark.long
def test_doses_and_source_classes_stand_in_results_and_effects(
    parsed: Any, made_up: Callable[..., Any]
) -> None:
    made = made_up(
        folds=(0,), arms=("original", "oversampled", "cyclegan@0.5", "cyclegan", "cyclegan:normal")
    )
    write_report(made.study, made.summary, cells=made.cells)
    text = parsed(made.html).text
    assert "made from normal alone" in text and "0.5 times what balance needs" in text
    leading, _ = split_contrasts(made.summary)
    pairs = {f"{contrast.first} − {contrast.second}" for contrast in leading}
    assert {"cyclegan − original", "cyclegan@0.5 − original", "cyclegan:normal − oversampled"} <= pairs
    for name in ("cyclegan@0.5", "cyclegan:normal"):
        assert f"| {name} |" in made.markdown.replace("\\", "")
    drawn = [figure.svg for model in made.summary.models for figure in curves(made.summary, model, {})]
    assert drawn and not any("cyclegan@" in svg for svg in drawn)


def test_every_column_is_explained_on_the_page_and_in_the_docs(parsed: Any, full: Any) -> None:
    text = parsed((full.study.path / "report" / "1" / "index.html").read_text()).text
    docs = " ".join((Path(__file__).parents[3] / "docs" / "report.md").read_text().replace("`", "").split())
    assert set(terms.METRICS.values()) <= set(terms.MEANINGS)
    for name, meaning in (*terms.MEANINGS.items(), *terms.COLUMNS.items()):
        assert " ".join(meaning.split()) in " ".join(text.split()), name
    for name in (*terms.METRICS.values(), *terms.COLUMNS, *SHOWN.values(), *METRICS, *shortcuts.OF_STUDY):
        assert name.replace("frechet", "FID").casefold() in docs.casefold(), name


def test_only_the_pinned_fold_is_said_to_be_unseen(full: Any) -> None:
    """Development scans, and other cohorts' fold 0, are no lockbox."""
    study = full.study
    assert not fold_zero(study), "scans that are not BUSI's, whatever the data set is called"
    untouched = [key for key in busi_list() if key not in development_scans()][:30]
    scans = [replace(study.scans[0], sha256=sha256, label=label) for sha256, label in untouched]
    pinned: Any = SimpleNamespace(settings=study.settings, scans=scans, folds=[0], test=lambda _: range(30))
    assert "none of these choices saw the test scans" in fold_zero(pinned)
    inner: Any = SimpleNamespace(settings=replace(study.settings, inner=0))
    assert fold_zero(inner).startswith("Development data")


def test_every_file_of_the_folder_is_explained_beside_it(full: Any) -> None:
    folder = full.study.path / "report" / "1"
    said = (folder / "README.md").read_text()
    for path in folder.iterdir():
        name = f"{path.name}/" if path.is_dir() else path.name
        assert name == "README.md" or f"`{name}`" in said, name


def test_the_appendix_is_folded_and_can_be_reached(full: Any) -> None:
    for key in ("cost", "repeat", "files", "claim"):
        assert re.search(
            rf'<section class="appendix">\s*<details><summary>.*?<div id="{key}">', full.html, re.S
        )
        assert f'href="#{key}"' in full.html
