"""The paragraph on methods tells how this study decided, and cites what it names."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from bus.benchmark.arms import Arm
from bus.benchmark.report.methods import cited, methods_paragraph
from bus.benchmark.report.references import bibtex
from bus.benchmark.results.model import GAIN, TRANSLATOR, Retrained
from bus.data.cohort import busi_list

WAY = {"sources": ("benign", "normal"), "target": "malignant"}
WAYS = {"seeds": "between the seeds of a fold", "folds": "from the means of the folds"}


def paragraph(answers_alone, basis=None) -> str:
    """Of a made-up study whose deciding intervals rest on `basis`; None: there are none."""
    made = answers_alone
    contrasts = [
        replace(c, retrained=Retrained(**vars(c.interval), freedom=4.0, basis=basis) if basis else None)
        for c in made.summary.contrasts
    ]
    return methods_paragraph(made.study, replace(made.summary, contrasts=contrasts), made.cells, [])


@pytest.mark.parametrize("basis", WAYS)
def test_it_tells_what_the_deciding_interval_rests_on(answers_alone, basis):
    text = paragraph(answers_alone, basis)
    assert WAYS[basis] in text
    assert not any(way in text for other, way in WAYS.items() if other != basis)
    assert "Too few trainings" not in text


def test_without_a_deciding_interval_nothing_is_claimed(answers_alone):
    text = paragraph(answers_alone)
    assert "Too few trainings" in text
    assert "holm1979" not in text


def test_arms_of_no_claim_are_told_how_they_were_compared(answers_alone):
    """Where no synthetic scans were added, or only those of another generator."""
    made = answers_alone
    others = [
        replace(c, retrained=Retrained(**vars(c.interval), freedom=4.0, basis="folds"))
        for c in made.summary.contrasts
        if c.kind not in (GAIN, TRANSLATOR)
    ]
    text = methods_paragraph(made.study, replace(made.summary, contrasts=others), made.cells, [])
    assert others and WAYS["folds"] in text and "Too few" not in text
    none = methods_paragraph(made.study, replace(made.summary, contrasts=[]), made.cells, [])
    assert "No two arms were compared." in none and "Too few" not in none


@pytest.mark.parametrize("basis", [None, *WAYS])
def test_every_key_is_a_reference(answers_alone, basis):
    keys = cited(paragraph(answers_alone, basis))
    assert bibtex(keys).count("@") >= len(keys)


def test_it_says_which_network_saw_scans_enlarged(answers_alone):
    made = answers_alone
    side = 2 * made.study.settings.size
    cells = [
        replace(cell, recipe=replace(cell.recipe, enlarge=side)) if cell.model == "resnet18" else cell
        for cell in made.cells
    ]
    text = methods_paragraph(made.study, made.summary, cells, [])
    assert f"ResNet18 saw scans enlarged to {side} px." in text and text.count("enlarged") == 1
    assert "enlarged" not in methods_paragraph(made.study, made.summary, made.cells, [])


def test_busi_is_cited_where_its_scans_are_used_whatever_the_folder_is_called(answers_alone):
    made = answers_alone
    assert made.study.settings.data.name == "busi"
    assert "aldhabyani2020" not in paragraph(answers_alone), "scans of that name alone are not BUSI's"
    (sha256, label), *_ = busi_list()
    settings = replace(made.study.settings, data=replace(made.study.settings.data, name="elsewhere"))
    study = SimpleNamespace(
        settings=settings,
        target="malignant",
        scans=[replace(made.study.scans[0], sha256=sha256, label=label)],
    )
    text = methods_paragraph(study, made.summary, made.cells, [])
    assert "We used elsewhere [@aldhabyani2020]" in text


@pytest.mark.parametrize(("seeds", "words"), [((None,), "a CycleGAN"), ((0, 1, 2), "three CycleGANs")])
def test_the_translators_of_a_fold_are_counted_and_their_start_is_told(answers_alone, seeds, words):
    made = answers_alone
    config = SimpleNamespace(**WAY, pairs=6000, phantoms=0.15, init="none", side=64)
    translators = [SimpleNamespace(seed=seed, config=config) for seed in seeds]
    text = methods_paragraph(made.study, made.summary, made.cells, translators)
    assert f"For each fold {words} [@zhu2017]" in text and "beginning with simulated scans" in text
    assert ("took them in turn" in text) == (len(seeds) > 1)
    mixed = replace(made.summary, arms=(Arm("original"), Arm("pooled")))
    assert "took them in turn" not in methods_paragraph(made.study, mixed, made.cells, translators)
    for init, told in (("none", False), ("phantoms-1", True)):
        config = SimpleNamespace(**WAY, pairs=6000, phantoms=0.0, init=init, side=64)
        text = methods_paragraph(
            made.study, made.summary, made.cells, [SimpleNamespace(seed=None, config=config)]
        )
        assert ("generators that were trained on simulated scans of other seeds" in text) == told


def test_a_translator_is_told_as_it_was_asked_and_only_where_its_scans_were_added(answers_alone):
    made = answers_alone

    def text(*ways, arms=None):
        configs = [SimpleNamespace(**way, pairs=6000, phantoms=0.0, init="none", side=64) for way in ways]
        summary = replace(made.summary, arms=arms) if arms else made.summary
        facts = [SimpleNamespace(seed=0, config=config) for config in configs]
        return methods_paragraph(made.study, summary, made.cells, facts)

    assert "to turn scans of the other classes into malignant ones" in text(WAY)
    normal = {"sources": ("normal",), "target": "malignant"}
    assert "to turn normal scans into malignant ones" in text(normal)
    other = {"sources": ("benign", "malignant"), "target": "normal"}
    assert "to turn benign and malignant scans into normal ones" in text(other)
    both = "benign and malignant scans into normal ones; benign and normal scans into malignant ones"
    assert both in text(WAY, other)
    assert "CycleGAN" not in text(WAY, arms=[Arm("original"), Arm("oversampled"), Arm("relabelled")])


HOSTILE = "<script>alert(1)</script> $x$ *a* | `b`"


def test_the_paragraph_on_methods_cites_what_lies_beside_it(parsed: Any, full: Any, bare: Any) -> None:
    for made, translated in ((full, True), (bare, False)):
        keys = re.findall(r"\[@(\w+)\]", parsed(made.html).text)
        known = re.findall(r"@\w+\{(\w+),", (made.study.path / "report" / "1" / "methods.bib").read_text())
        assert keys and list(dict.fromkeys(keys)) == known
        assert ("zhu2017" in keys) == translated, "only what the study did"


def test_the_side_at_which_a_translator_was_trained_is_told_where_scans_are_larger(answers_alone):
    made, size = answers_alone, answers_alone.study.settings.size
    for side in (size, size // 2):
        config = SimpleNamespace(**WAY, pairs=6000, phantoms=0.0, init="none", side=side)
        translators = [SimpleNamespace(seed=0, config=config)]
        text = methods_paragraph(made.study, made.summary, made.cells, translators)
        assert (f"on 6,000 pairs of scans, reduced to {side} × {side} pixels, to turn" in text) == (
            side < size
        )
