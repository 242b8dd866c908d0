"""Logs and losses of translators, as the report reads them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from bus.benchmark.report import translator
from bus.benchmark.report.model import Block, Gallery, walk
from bus.benchmark.report.study_report import write_report
from bus.core.files import read_csv
from bus.data.study import Study
from bus.gan.manifest import SyntheticSet
from bus.gan.scores.model import HeldOutScores, Measured, WarningKind
from bus.gan.translator import Looks, Stretch, Translator


def test_distances_on_the_way_are_drawn_where_they_were_measured() -> None:
    plain = [Stretch(4 * step, {"cycle": 1 / step, "adversarial": 1.0}) for step in range(1, 5)]
    measured = [*plain[:3], replace(plain[3], looks=Looks(Measured(1.25, 0.2)))]
    without, drawn = translator.losses_figure("0", plain), translator.losses_figure("0", measured)
    assert without is not None and drawn is not None
    assert (
        "KID by EfficientNet-Lite0 (0 real, 1 did nothing): 1.25 ± 0.20 after 16 pairs." in drawn.alt
        and "KID" not in without.alt
    )
    for words in ("normalised KID", "did nothing", "real"):
        assert f">{words}</text>" in drawn.svg and f">{words}</text>" not in without.svg
    higher = translator.losses_figure("0", [*plain[:3], replace(plain[3], looks=Looks(Measured(1.25, 0.4)))])
    assert higher is not None and higher.svg != drawn.svg, "the spread is drawn"
    both = Looks(Measured(1.25, 0.2), Measured(0.5, 0.1))
    two = translator.losses_figure("0", [*plain[:3], replace(plain[3], looks=both)])
    assert two is not None and "by hand-made features (0 real, 1 did nothing): 0.50 ± 0.10" in two.alt
    assert ">hand-made features</text>" in two.svg and ">hand-made features</text>" not in drawn.svg


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
        assert source.uri in full.html and made.uri in full.html


def blocks_of_first_translator(study: Study) -> list[Block]:
    translators = translator.read_translators(study, [0], [0], ["malignant"])
    return list(walk(translator.translator_section(translators).blocks))


@pytest.mark.long
def test_a_translator_to_another_class_is_shown_with_its_warnings(
    parsed: Any, made_up: Callable[..., Any]
) -> None:
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
    for text in (parsed(made.html).text, made.markdown):
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
    names = [path.name for path in (study.path / "report" / "1" / "figures").iterdir()]
    assert {"training-0.svg", "training-0-2.svg", "pairs-0.png", "pairs-0-2.png"} <= set(names)


def test_who_judged_and_why_stand_in_one_sentence(full: Any) -> None:
    said = " ".join(map(str, blocks_of_first_translator(full.study)))
    assert "Judged by the network efficientnet-lite0 (No Inception weights). " in said
