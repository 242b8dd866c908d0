"""The report says what the summary says, escapes every name, asks nothing of the network and is made the
same twice."""

import base64
import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from bus.benchmark.arms import Arm
from bus.benchmark.report import terms, translator
from bus.benchmark.report.checklist import items
from bus.benchmark.report.effects import split_contrasts
from bus.benchmark.report.errors import worst_errors
from bus.benchmark.report.external import SHOWN
from bus.benchmark.report.model import Block, Gallery, walk
from bus.benchmark.report.performance import curves, fold_zero
from bus.benchmark.report.study_report import write_report
from bus.benchmark.results import wording
from bus.benchmark.results.untouched import development_scans
from bus.core.files import read_csv
from bus.data import shortcuts
from bus.data.cohort import busi_list
from bus.data.study import Study
from bus.gan.manifest import SyntheticSet
from bus.gan.scores.model import METRICS, HeldOutScores, WarningKind
from bus.gan.translator import Translator

HOSTILE = "<script>alert(1)</script> $x$ *a* | `b`"
ADDRESSES = {"src", "href", "srcset", "action", "data", "poster", "xlink:href"}


class Page(HTMLParser):
    """All start tags of a page with their attributes, its text, its style sheet and its script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text, self.style, self.script, self.inside = "", "", "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.inside == "style":
            self.style += data
            self.inside = ""
        elif self.inside == "script":
            self.script += data
            self.inside = ""
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def full(made_up: Callable[..., Any]) -> Any:
    made = made_up(banners=("Numbers of made-up answers mean nothing.",))
    write_report(made.study, made.summary, cells=made.cells, checks=made.checks, commands=["bus benchmark"])
    return made


@pytest.fixture(scope="module")
def bare(made_up: Callable[..., Any]) -> Any:
    """No translator, no contrasts, and a class whose name is meant to break things."""
    made = made_up(
        folds=(0,), arms=("original", "weighted"), translator=False, benign=HOSTILE, preset="demo", heat=False
    )
    write_report(
        made.study, made.summary, cells=made.cells, commands=[f"bus benchmark --data '{HOSTILE}'\n```"]
    )
    return made


def html(made: Any) -> str:
    return str((made.study.path / "report" / "index.html").read_text(encoding="utf-8"))


def markdown(made: Any) -> str:
    return str((made.study.path / "report" / "report.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["full", "bare"])
def test_asks_nothing_and_runs_its_own_script_alone(name: str, request: pytest.FixtureRequest) -> None:
    text = html(request.getfixturevalue(name))
    found = Page(text)
    assert found.all("script") == [{}] and not found.all("iframe") and not found.all("object")
    addresses = [value for _, tag in found.tags for key, value in tag.items() if key in ADDRESSES]
    beside = {path.name for path in (request.getfixturevalue(name).study.path / "report").iterdir()}
    assert addresses and all(value.startswith(("data:", "#")) or value in beside for value in addresses)
    assert "url(" not in found.style and "@import" not in found.style
    keys = {key for _, tag in found.tags for key in tag}
    assert "style" not in keys and not any(key.startswith("on") for key in keys)
    policy = next(tag["content"] for tag in found.all("meta") if "http-equiv" in tag)
    assert policy.startswith("default-src 'none'")
    for kind, content in (("style", found.style), ("script", found.script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "http" not in found.script and "fetch" not in found.script


@pytest.mark.parametrize("name", ["full", "bare"])
def test_ids_are_unique_and_references_resolve(name: str, request: pytest.FixtureRequest) -> None:
    text = html(request.getfixturevalue(name))
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    wanted = re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', text)
    assert wanted and set(wanted) <= set(ids)


def test_hostile_names_are_only_text(bare: Any) -> None:
    before, block, after = markdown(bare).split("\n```\n")  # inside a fenced block nothing has a meaning
    assert html(bare).count("<script") == 1 and "<script" not in before + after and HOSTILE in block
    assert HOSTILE in Page(html(bare)).text
    rows = [line for line in markdown(bare).splitlines() if line.startswith("|") and "script" in line]
    table = next(line for line in rows if "always" in line)
    header = next(line for line in markdown(bare).splitlines() if line.startswith("| model | arm |"))
    assert len(re.findall(r"(?<!\\)\|", table)) == len(re.findall(r"(?<!\\)\|", header))


def test_says_the_verdicts_first(full: Any) -> None:
    text = re.sub(r"\s+", " ", Page(html(full)).text)
    for verdict in full.summary.verdicts.values():
        short, _, rest = wording.sentence(verdict).partition(": ")
        assert f"{short[0].upper()}{short[1:]}." in text and rest[1:].rstrip(".") in text
        assert rest[1:20] in markdown(full)
    first = wording.headline(full.summary.verdicts["simplecnn"]).capitalize() + "."
    for later in ("Tested on", "The translator’s own contribution", "Answering “benign”"):
        assert text.index(first) < text.index(later)
    assert text.index("Numbers of made-up answers mean nothing.") < text.index(first)


def test_collapse_is_flagged_wherever_its_numbers_stand(full: Any) -> None:
    flagged = terms.collapse_flags(full.summary)
    assert set(flagged) == {(Arm("original"), "vgg19")}
    folder = full.study.path / "report" / "figures"
    assert (
        "†" in (folder / "roc-vgg19.svg").read_text() and "†" not in (folder / "roc-resnet18.svg").read_text()
    )
    assert "VGG19 †" in (folder / "forest-gain.svg").read_text()
    for name, _, line in ((m, a, x) for m, a, x in _md_rows(markdown(full)) if a.startswith("original")):
        assert ("†" in line) == (name == "VGG19")
    shown_in = ("results", "the same networks asked otherwise", "fold 0 alone", "confusion matrix", "heat")
    assert html(full).count("† collapsed</span>") == len(shown_in)


def _md_rows(text: str) -> list[tuple[str, str, str]]:
    cells = [
        [part.strip() for part in line.split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return [
        (c[1], c[2], "|".join(c))
        for c in cells
        if len(c) > 8 and c[1] in ("SimpleCNN", "VGG19", "ResNet18") and "−" not in c[2]
    ]


def test_results_table_holds_the_summary(full: Any) -> None:
    group = next(g for g in full.summary.table if (g.arm, g.model) == (Arm("cyclegan"), "resnet18"))
    row = next(
        line for name, arm, line in _md_rows(markdown(full)) if (name, arm) == ("ResNet18", "cyclegan")
    )
    low, high = group.intervals["macro_f1"]
    assert f"{100 * group.metrics['macro_f1']:.1f} ({100 * low:.1f}–{100 * high:.1f})" in row
    for share in group.recall.values():
        assert f"{100 * share:.1f}" in row


def test_confusion_matrices_count_every_test_scan(full: Any) -> None:
    matrices = re.findall(r'aria-label="Confusion matrix of.*?</table>', html(full), re.S)
    assert len(matrices) == len(full.summary.table)
    for matrix in matrices:
        assert (
            sum(float(n) for n in re.findall(r'<td class="n s\d+[^>]*>([\d.]+)<', matrix))
            == full.summary.scans
        )


def test_gallery_shows_the_very_source_of_each_synthetic_scan(full: Any) -> None:
    study = full.study
    manifest = read_csv(SyntheticSet(study, 0, "malignant", 0).folder / "manifest.csv")
    (gallery,) = (
        block
        for block in blocks_of_first_translator(study)
        if isinstance(block, Gallery) and block.name == "pairs-0"
    )
    assert len(gallery.exhibits) == min(translator.SHOWN, len(manifest))
    for row, exhibit in zip(manifest, gallery.exhibits, strict=False):
        source, made = exhibit.pictures
        pixels = cv2.imdecode(np.frombuffer(source.png, np.uint8), cv2.IMREAD_UNCHANGED)
        place = next(i for i, scan in enumerate(study.scans) if scan.sha256 == row["source_sha256"])
        np.testing.assert_array_equal(pixels, study.pixels[place])
        assert source.uri in html(full) and made.uri in html(full)


def blocks_of_first_translator(study: Study) -> list[Block]:
    translators = translator.read_translators(study, [0], [0], ["malignant"])
    return list(walk(translator.translator_section(translators).blocks))


def test_absent_parts_are_said_to_be_absent(bare: Any, full: Any) -> None:
    sentences = (
        "No heat maps",
        "No CycleGAN was trained",
        "No outcome of an audit",
        "Neither contrast could be made",
    )
    for sentence in sentences:
        assert sentence in html(bare) and sentence in markdown(bare)
        assert sentence not in html(full) and sentence not in markdown(full)
    assert "preset demo" in html(bare).lower() and "Preset demo" not in html(full)


def test_same_study_gives_the_same_bytes(full: Any) -> None:
    folder = full.study.path / "report"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = Study.open(full.study.path)
    write_report(again, full.summary, cells=full.cells, checks=full.checks, commands=["bus benchmark"])
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_csv_has_a_row_a_cell(full: Any) -> None:
    rows = read_csv(full.study.path / "report" / "results.csv", ["arm", "model", "fold", "seed", "macro_f1"])
    assert len(rows) == len(full.cells)
    wanted = {(str(c.arm), c.model, str(c.fold), str(c.seed)) for c in full.cells}
    assert {(r["arm"], r["model"], r["fold"], r["seed"]) for r in rows} == wanted


def test_markdown_links_to_figures_that_exist(full: Any) -> None:
    links = re.findall(r"\]\((figures/[^)]+)\)", markdown(full))
    assert links and all((full.study.path / "report" / link).is_file() for link in links)


def test_every_figure_has_its_alternative_text(full: Any) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html(full), re.S)
    assert len(drawings) == 4 + 2 * 3 + 2 * 2  # forests, ROC and calibration, score and losses of two folds
    for drawing in drawings:
        assert (
            'role="img"' in drawing and len(re.findall(r"<title id=[^>]*>([^<]{20,})</title>", drawing)) == 1
        )


def test_doses_and_source_classes_stand_in_results_and_effects(made_up: Callable[..., Any]) -> None:
    made = made_up(
        folds=(0,), arms=("original", "oversampled", "cyclegan@0.5", "cyclegan", "cyclegan:normal")
    )
    write_report(made.study, made.summary, cells=made.cells)
    text = Page(html(made)).text
    assert "made from normal alone" in text and "0.5 times what balance needs" in text
    leading, _ = split_contrasts(made.summary)
    pairs = {f"{contrast.first} − {contrast.second}" for contrast in leading}
    assert {"cyclegan − original", "cyclegan@0.5 − original", "cyclegan:normal − oversampled"} <= pairs
    for name in ("cyclegan@0.5", "cyclegan:normal"):
        assert f"| {name} |" in markdown(made).replace("\\", "")
    drawn = [figure.svg for model in made.summary.models for figure in curves(made.summary, model, {})]
    assert drawn and not any("cyclegan@" in svg for svg in drawn)


def test_every_column_is_explained_on_the_page_and_in_the_docs(full: Any) -> None:
    text = Page((full.study.path / "report" / "index.html").read_text()).text
    docs = " ".join((Path(__file__).parents[3] / "docs" / "report.md").read_text().replace("`", "").split())
    assert set(terms.METRICS.values()) <= set(terms.MEANINGS)
    for name, meaning in (*terms.MEANINGS.items(), *terms.COLUMNS.items()):
        assert " ".join(meaning.split()) in " ".join(text.split()), name
    for name in (*terms.METRICS.values(), *terms.COLUMNS, *SHOWN.values(), *METRICS, *shortcuts.OF_STUDY):
        assert name.replace("frechet", "FID").casefold() in docs.casefold(), name


def test_claim_names_an_external_test_only_where_there_is_one() -> None:
    with_it, without = ({item.number: item.section for item in items(external)} for external in (True, False))
    assert (with_it[33], without[33]) == ("external", "limits")
    assert list(with_it) == list(without) == sorted(without)


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


def test_a_translator_to_another_class_is_shown_with_its_warnings(made_up: Callable[..., Any]) -> None:
    made = made_up(folds=(0,), arms=("original", "oversampled", "cyclegan"))
    study, place = made.study, SyntheticSet(made.study, 0, "normal", 0).folder
    shutil.copytree(Translator(study, 0, "malignant", 0).folder, Translator(study, 0, "normal", 0).folder)
    shutil.copytree(SyntheticSet(study, 0, "malignant", 0).folder, place)
    scans = SyntheticSet(study, 0, "normal", 0)
    scores = scans.scores
    assert scores
    tested = HeldOutScores(
        manifest=scans.sha256, tests=7, kid=scores.kid, precision=scores.precision, recall=scores.recall
    )
    scans.write_test_scores(tested)
    scans.write_scores(replace(scores, target="normal", warnings=(WarningKind.MODE_COLLAPSE,)))
    cells = [replace(cell, added={"malignant": 30, "normal": 40}) for cell in made.cells]
    for before, after in zip(made.cells, cells, strict=True):
        shutil.copytree(before.path, after.path, dirs_exist_ok=True)
    write_report(study, made.summary, cells=cells)
    for text in (Page(html(made)).text, markdown(made)):
        assert (
            "Fold 0, to normal" in text
            and "10 synthetic scans are as varied as 6 entirely different ones" in text
            and "10 synthetic normal scans" in text
        )
        assert (
            "7 real normal scans of the test part" in text
            and "Normalised KID 1.47 ± 0.20" in text
            and "precision 0.40 (real 0.70, sources 0.50)" in text
        )
    names = [path.name for path in (study.path / "report" / "figures").iterdir()]
    assert {"training-0.svg", "training-0-2.svg", "pairs-0.png", "pairs-0-2.png"} <= set(names)


def test_every_file_of_the_folder_is_explained_beside_it(full: Any) -> None:
    folder = full.study.path / "report"
    said = (folder / "README.md").read_text()
    for path in folder.iterdir():
        name = f"{path.name}/" if path.is_dir() else path.name
        assert name == "README.md" or f"`{name}`" in said, name


def test_predictions_hold_every_answer_of_every_cell(full: Any) -> None:
    rows = read_csv(full.study.path / "report" / "predictions.csv", ["arm", "model", "sha256", "predicted"])
    assert len(rows) == sum(len(full.study.test(cell.fold)) for cell in full.cells)
    cell = full.cells[-1]
    key = (str(cell.fold), str(cell.arm), cell.model, str(cell.seed))
    own = [row for row in rows if (row["fold"], row["arm"], row["model"], row["seed"]) == key]
    kept = read_csv(cell.path / "predictions.csv")
    for row, answer in zip(own, kept, strict=True):
        assert (row["sha256"], row["predicted"]) == (answer["sha256"], answer["predicted"])
        assert float(row["p_malignant"]) == pytest.approx(float(answer["p_malignant"]), abs=1e-6)


def test_the_worst_errors_are_the_surest_wrong_answers(full: Any) -> None:
    study, arm = full.study, Arm("cyclegan")
    expected = sorted(
        (-max(float(row[f"p_{name}"]) for name in study.classes), row["file"])
        for cell in full.cells
        if (cell.arm, cell.model) == (arm, "resnet18")
        for row in read_csv(cell.path / "predictions.csv")
        if row["predicted"] != row["label"]
    )
    worst, total = worst_errors(study, full.cells, arm, "resnet18")
    assert total == len(expected) > 0
    assert [error.file for error in worst] == [file for _, file in expected[: len(worst)]]
    assert all(error.file in Page(html(full)).text for error in worst)


def test_the_paragraph_on_methods_cites_what_lies_beside_it(full: Any, bare: Any) -> None:
    for made, translated in ((full, True), (bare, False)):
        keys = re.findall(r"\[@(\w+)\]", Page(html(made)).text)
        known = re.findall(r"@\w+\{(\w+),", (made.study.path / "report" / "methods.bib").read_text())
        assert keys and list(dict.fromkeys(keys)) == known
        assert ("zhu2017" in keys) == translated, "only what the study did"


def test_the_appendix_is_folded_and_can_be_reached(full: Any) -> None:
    for key in ("cost", "repeat", "files", "claim"):
        assert re.search(
            rf'<section class="appendix">\s*<details><summary>.*?<div id="{key}">', html(full), re.S
        )
        assert f'href="#{key}"' in html(full)
