"""What is said about a study's cells: table, contrasts, verdicts, and what is refused."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bus.benchmark.arms import Arm, parse
from bus.benchmark.cell import Answered
from bus.benchmark.results import statistics as stats
from bus.benchmark.results import summary, thresholds
from bus.benchmark.results.export import result_columns, result_rows
from bus.benchmark.results.model import MEAN, BelowYardstick, Incomplete, VerdictKind, Way
from bus.benchmark.results.retraining import retrained
from bus.benchmark.results.wording import note, sentence
from bus.classify import metrics
from bus.core.errors import BusError
from bus.core.files import write_csv, write_json
from numpy.typing import NDArray

CLASSES = ["benign", "malignant", "normal"]
SKILL = {"original": 1.0, "cyclegan": 1.6}
STUDY: Any = SimpleNamespace(classes=CLASSES, target="malignant", settings=SimpleNamespace(k=5))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell(Answered):
    arm: Arm
    model: str
    fold: int
    seed: int
    path: Path = Path()
    gan_seed: int = 0


def labels_of(fold: int, scans: int = 60) -> NDArray[np.int64]:
    return np.random.default_rng([1, fold]).choice(3, p=[0.56, 0.27, 0.17], size=scans)


def answered(arm: str, fold: int, seed: int, skill: float, scans: int = 60) -> Floats:
    """Probabilities that favour the truth by `skill`; scans are easy or hard for all arms alike."""
    ease = np.random.default_rng([2, fold]).normal(size=(scans, 3))
    own = np.random.default_rng([3, fold, seed, *arm.encode()]).normal(size=(scans, 3))
    scores = np.exp(skill * np.eye(3)[labels_of(fold, scans)] + 0.7 * ease + 0.5 * own)
    return scores / scores.sum(axis=1, keepdims=True)


def write(cell: Cell, probabilities: Floats, labels: NDArray[np.int64] | None = None) -> Cell:
    """A finished cell on disk; scans 2i and 2i+1 share a group."""
    labels = labels_of(cell.fold, len(probabilities)) if labels is None else labels
    rows = [
        [
            f"{cell.fold}-{i}.png",
            f"hash{i}",
            CLASSES[label],
            f"g{cell.fold}-{i // 2}",
            cell.fold,
            CLASSES[share.argmax()],
            *(f"{value:.8f}" for value in share),
        ]
        for i, (label, share) in enumerate(zip(labels, probabilities, strict=True))
    ]
    header = ["file", "sha256", "label", "group", "fold", "predicted", *(f"p_{name}" for name in CLASSES)]
    write_csv(cell.path / "predictions.csv", header, rows)
    write_json(cell.path / "metrics.json", {"seconds": 2.5, "steps": 600})
    return cell


Make = Callable[..., list[Cell]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write cells of all given arms (arm → skill), models, folds and seeds."""

    def build(
        arms: dict[str, float], models: Sequence[str] = ("resnet18",), folds: int = 2, seeds: int = 1
    ) -> list[Cell]:
        return [
            write(
                Cell(parse(arm), model, fold, seed, tmp_path / f"{fold}-{arm}-{model}-{seed}"),
                answered(arm + model, fold, seed, skill),
            )
            for fold in range(folds)
            for arm, skill in arms.items()
            for model in models
            for seed in range(seeds)
        ]

    return build


def test_table_holds_the_metrics_of_the_pooled_answers(make: Make) -> None:
    found = summary.summarise(STUDY, make({"original": 1.5, "cyclegan": 1.5}, folds=2, seeds=2))
    assert (found.folds, found.seeds, found.scans, found.groups) == ([0, 1], 2, 120, 60)
    assert (found.arms, found.models) == ([Arm("original"), Arm("cyclegan")], ["resnet18"])
    labels = np.concatenate([labels_of(0), labels_of(1)])
    for row in found.table:
        seeds = [np.vstack([answered(str(row.arm) + row.model, f, s, 1.5) for f in (0, 1)]) for s in (0, 1)]
        for name in ("macro_f1", "accuracy", "target_recall", "balanced_accuracy", "brier"):
            expected = np.mean([metrics.METRICS[name](labels, one, 1) for one in seeds])
            assert row.metrics[name] == pytest.approx(expected, abs=1e-6)
        areas = [
            metrics.target_auc(labels_of(f), answered(str(row.arm) + row.model, f, s, 1.5), 1)
            for f in (0, 1)
            for s in (0, 1)
        ]
        assert row.metrics["target_auc"] == pytest.approx(np.mean(areas))
        assert row.confusion == np.mean([metrics.confusion(labels, one) for one in seeds], axis=0).tolist()
        assert row.recall["malignant"] == pytest.approx(row.metrics["target_recall"])
        assert np.mean([one["macro_f1"] for one in row.per_seed]) == pytest.approx(row.metrics["macro_f1"])
        alone = [
            metrics.macro_f1(labels_of(0), answered(str(row.arm) + row.model, 0, s, 1.5), 1) for s in (0, 1)
        ]
        assert row.fold_zero is not None and row.fold_zero["macro_f1"] == pytest.approx(np.mean(alone))
        assert all(low <= row.metrics[name] <= high for name, (low, high) in row.intervals.items())
        assert sum(count for *_, count in row.calibration) == 2 * 120
        assert row.roc[-1] == (1.0, 1.0) and all(a[1] <= b[1] for a, b in pairwise(row.roc))
        assert (row.cells, row.collapsed, row.collapsed_class) == (4, 0, None)


def test_contrasts_are_differences_of_the_table(make: Make) -> None:
    arms = {
        "original": 1.0,
        "weighted": 1.0,
        "oversampled": 1.2,
        "cyclegan": 1.6,
        "relabelled": 0.7,
        "dose-2": 1.0,
    }
    found = summary.summarise(STUDY, make(arms))
    assert [str(arm) for arm in found.arms] == [*arms]
    table = {row.arm: row.metrics for row in found.table}
    named = {(c.kind, str(c.first), str(c.second)) for c in found.contrasts}
    assert named == {
        ("gain", "cyclegan", "original"),
        ("translator", "cyclegan", "oversampled"),
        ("weighted − original", "weighted", "original"),
        ("oversampled − original", "oversampled", "original"),
        ("relabelled − oversampled", "relabelled", "oversampled"),
        ("dose-2 − original", "dose-2", "original"),
    }
    assert len(found.contrasts) == len(named) * (len(metrics.METRICS) + len(thresholds.COMPARED))
    for c in (one for one in found.contrasts if one.metric in metrics.METRICS):
        assert c.interval.estimate == pytest.approx(table[c.first][c.metric] - table[c.second][c.metric])
        assert c.interval.low <= c.interval.estimate <= c.interval.high
        assert c.interval.p_holm == c.interval.p  # one model: nothing to correct
        assert c.interval.second_opinion_p is not None


def test_thresholds_of_equal_specificity_stand_beside_every_arm(make: Make) -> None:
    found = summary.summarise(STUDY, make({"original": 1.0, "cyclegan": 1.6}, folds=3, seeds=2))
    rows = {row.arm.kind: row.further[Way.MATCHED] for row in found.table}
    for name in ("macro_f1", "target_recall"):
        contrast = next(c for c in found.contrasts if c.metric == f"matched_{name}")
        assert contrast.interval.estimate == pytest.approx(
            rows["cyclegan"][name].value - rows["original"][name].value  # type: ignore[operator]
        )
        assert contrast.retrained is not None and contrast.fold_zero is None
    alone = summary.summarise(STUDY, make({"original": 1.0, "cyclegan": 1.6}, folds=1))
    assert all(row.further == {} for row in alone.table), "one fold has no others to set a threshold on"


def test_answers_averaged_with_those_to_mirror_images_have_rows_where_all_cells_kept_them(make: Make) -> None:
    cells = make({"original": 1.0, "cyclegan": 1.6}, folds=2)
    kept = [cell for cell in cells if cell.arm.kind == "original"]
    for cell in kept:
        shutil.copy(cell.path / "predictions.csv", cell.path / "flipped.csv")
    rows = {row.arm.kind: row for row in summary.summarise(STUDY, cells).table}
    shown = rows["original"].further[Way.FLIPPED]
    assert {name: shown[name].value for name in metrics.METRICS} == rows["original"].metrics
    assert Way.FLIPPED not in rows["cyclegan"].further
    path = kept[0].path / "flipped.csv"
    path.write_text(path.read_text().replace("hash3,", "hash4,"))
    with pytest.raises(BusError, match="other scans"):
        summary.summarise(STUDY, cells)


def test_the_average_of_the_seeds_is_a_classifier_of_its_own(make: Make) -> None:
    found = summary.summarise(STUDY, make({"original": 1.0, "cyclegan": 1.6}, folds=2, seeds=3))
    labels = np.concatenate([labels_of(0), labels_of(1)])
    for row in found.table:
        seeds = [
            np.vstack([answered(str(row.arm) + row.model, f, s, SKILL[row.arm.kind]) for f in (0, 1)])
            for s in range(3)
        ]
        shown = row.further[Way.ENSEMBLE]["macro_f1"]
        assert shown.value == pytest.approx(metrics.macro_f1(labels, np.mean(seeds, axis=0), 1), abs=1e-6)
        assert shown.low <= shown.value <= shown.high  # type: ignore[operator]
    single = summary.summarise(STUDY, make({"original": 1.0}, folds=2))
    assert Way.ENSEMBLE not in single.table[0].further


def test_p_values_are_corrected_over_the_models(make: Make) -> None:
    found = summary.summarise(
        STUDY, make({"original": 1.0, "cyclegan": 1.5}, ("simplecnn", "vgg19", "resnet18"))
    )
    for metric in (*metrics.METRICS, *thresholds.COMPARED):
        own = [c for c in found.contrasts if c.model != MEAN]
        family = [c.interval for c in own if c.metric == metric and c.kind == "gain"]
        assert len(family) == 3
        assert [one.p_holm for one in family] == stats.holm([one.p for one in family])


@pytest.mark.long
def test_the_mean_of_the_networks_is_one_training_of_all_of_them(make: Make) -> None:
    """Its differences are means of theirs, seed by seed and draw by draw; nothing is corrected."""
    skill, models = {"original": 1.0, "oversampled": 1.1, "cyclegan": 1.5}, ("simplecnn", "vgg19", "resnet18")
    cells = [
        replace(cell, gan_seed=cell.seed if cell.arm.kind == "cyclegan" else 0)
        for cell in make(skill, models, folds=3, seeds=3)
    ]
    found = summary.summarise(STUDY, cells)
    pooled = {
        model: summary.pool(model, [c.answers(CLASSES) for c in cells if c.model == model], 1)
        for model in models
    }
    means = [c for c in found.contrasts if c.model == MEAN]
    assert {(c.kind, c.metric) for c in means} == {(c.kind, c.metric) for c in found.contrasts}
    for contrast in means:
        values = np.mean(
            [
                pooled[model].of_seeds(contrast.first, contrast.metric)
                - pooled[model].of_seeds(contrast.second, contrast.metric)
                for model in models
            ],
            axis=0,
        )
        own = [found.contrast(contrast.kind, model, contrast.metric) for model in models]
        assert contrast.interval.estimate == pytest.approx(np.mean([c.interval.estimate for c in own if c]))
        assert contrast.interval.p_holm == contrast.interval.p
        again = retrained(pooled["vgg19"].sample, values, (0, 1, 2))
        assert contrast.retrained and again
        assert contrast.retrained.standard_error == pytest.approx(again.standard_error)
        assert contrast.retrained.basis == "seeds"
        if contrast.fold_zero:
            assert contrast.fold_zero.estimate == pytest.approx(np.mean([c.fold_zero.estimate for c in own]))
    widths = [c.retrained.half_width for c in found.contrasts if c.kind == "gain" and c.metric == "macro_f1"]
    assert widths[0] < min(widths[1:]), "three networks together are surer than each alone"
    together = found.together
    assert together and together.cells == 81 and together.gain == found.contrast("gain", MEAN)
    assert list(found.judged) == [MEAN, *models]


def test_networks_without_common_trainings_have_no_mean(make: Make) -> None:
    skill = {"original": 1.0, "cyclegan": 1.5}
    assert summary.summarise(STUDY, make(skill)).together is None, "of one network"
    cells = make(skill, ("vgg19", "resnet18"), folds=3)
    apart = [cell for cell in cells if (cell.model == "vgg19") == (cell.fold == 2)]
    found = summary.summarise(STUDY, apart)
    assert found.together is None and MEAN not in {c.model for c in found.contrasts}


@pytest.mark.long
def test_the_mean_is_over_the_trainings_that_all_networks_have(make: Make) -> None:
    """One training that failed takes its seed from the mean, and nothing else; what is left is said."""
    cells = make(
        {"original": 1.0, "oversampled": 1.1, "cyclegan": 1.5}, ("vgg19", "resnet18"), folds=3, seeds=4
    )
    lost = [
        c for c in cells if not (c.model == "vgg19" and (c.fold, c.seed, c.arm.kind) == (1, 2, "cyclegan"))
    ]
    fewer = summary.summarise(STUDY, lost)
    kept = summary.summarise(STUDY, [c for c in cells if c.seed != 2])
    assert fewer.contrast("gain", MEAN) == kept.contrast("gain", MEAN)
    assert fewer.together and fewer.together.shared == (3, 3)
    assert "It holds the 3 folds and 3 seeds that all networks have." in sentence(fewer.together)
    assert kept.together and replace(fewer.together, shared=None) == kept.together
    alone = summary.summarise(
        STUDY, lost, family=make({"original": 1.0, "cyclegan": 1.5}, ("simplecnn",), folds=3)
    )
    assert alone.together and "The mean leaves out SimpleCNN" in sentence(alone.together)


def test_a_network_is_judged_by_the_folds_that_it_was_tested_on(make: Make) -> None:
    """Whether a test was too small to judge is not for the folds of other networks to say."""
    cells = make({"original": 1.0, "cyclegan": 1.5}, ("vgg19", "resnet18"), folds=3)
    found = summary.summarise(STUDY, [cell for cell in cells if cell.model == "vgg19" or cell.fold == 0])
    tested = {model: verdict.target_groups for model, verdict in found.judged.items()}
    assert tested["vgg19"] == found.target_groups > tested["resnet18"] == tested[MEAN] > 0


def test_scans_that_a_translator_was_given_count_once_too(make: Make) -> None:
    """`relabelled` takes its scans, and their order, from the translator of a seed."""
    cells = make({"oversampled": 1.0, "relabelled": 1.2}, folds=1, seeds=3)
    own = [replace(cell, gan_seed=cell.seed if cell.arm.kind == "relabelled" else 0) for cell in cells]
    kind = "relabelled − oversampled"
    alike, apart = (summary.summarise(STUDY, some).contrast(kind, "resnet18") for some in (cells, own))
    assert alike and apart and alike.retrained is None
    assert apart.retrained and apart.retrained.basis == "seeds"


def test_order_of_cells_changes_nothing(make: Make) -> None:
    cells = make({"original": 1.0, "oversampled": 1.1, "cyclegan": 1.5}, folds=3, seeds=2)
    there, back = summary.summarise(STUDY, cells), summary.summarise(STUDY, cells[::-1])
    assert (there.table, there.contrasts, there.verdicts) == (back.table, back.contrasts, back.verdicts)


def test_one_fold_and_one_arm_are_enough_for_a_table(make: Make) -> None:
    found = summary.summarise(STUDY, make({"original": 1.5}, folds=1))
    assert [row.fold_zero for row in found.table] == [None]
    assert found.contrasts == [] and found.verdicts["resnet18"].kind is VerdictKind.UNPAIRED
    pair = summary.summarise(STUDY, make({"original": 1.5, "cyclegan": 1.5}, folds=1))
    assert pair.contrasts and all(c.interval.second_opinion_p is None for c in pair.contrasts)


def test_a_class_that_a_fold_lacks_leaves_no_nan(make: Make, tmp_path: Path) -> None:
    cells = make({"original": 1.5, "cyclegan": 1.5}, folds=1)
    labels = np.zeros(30, int)
    cells += [
        write(Cell(parse(arm), "resnet18", 1, 0, tmp_path / f"1-{arm}"), answered(arm, 1, 0, 1.0, 30), labels)
        for arm in ("original", "cyclegan")
    ]
    found = summary.summarise(STUDY, cells)
    measured = [row.metrics for row in found.table] + [cell.metrics for cell in found.cells]
    write_json(tmp_path / "whole.json", {"all": measured})  # no NaN
    bare = [cell for cell in found.cells if cell.fold == 1]
    assert all(cell.metrics["target_auc"] is None and cell.recall["malignant"] is None for cell in bare)
    assert found.table[0].metrics["target_auc"] == found.table[0].fold_zero["target_auc"]  # type: ignore[index]


def test_a_target_that_never_occurs_has_no_numbers(tmp_path: Path) -> None:
    cells = [
        write(
            Cell(parse(arm), "resnet18", 0, 0, tmp_path / arm),
            answered(arm, 0, 0, 1.0),
            np.resize([0, 2], 60),
        )
        for arm in ("original", "cyclegan")
    ]
    found = summary.summarise(STUDY, cells)
    assert found.table[0].metrics["target_auc"] is None and "target_auc" not in found.table[0].intervals
    assert found.table[0].recall["malignant"] is None and found.table[0].roc == []
    assert {c.metric for c in found.contrasts} == {"macro_f1", "balanced_accuracy", "accuracy", "brier"}


def test_an_always_benign_model_is_named(tmp_path: Path) -> None:
    labels = np.repeat([0, 1, 2], [426, 203, 131])  # class counts like BUSI `clean`
    constant = np.tile([0.5, 0.3, 0.2], (760, 1))
    cells = [
        write(Cell(parse("original"), "vgg19", 0, 0, tmp_path / "a"), constant, labels),
        write(Cell(parse("cyclegan"), "vgg19", 0, 0, tmp_path / "b"), answered("b", 0, 0, 1.0, 760), labels),
    ]
    found = summary.summarise(STUDY, cells)
    row = found.table[0]
    assert (row.collapsed, row.cells, row.collapsed_class) == (1, 1, "benign")
    assert [cell.collapsed_class for cell in found.cells] == ["benign", None]
    assert (found.constant.label, found.constant.metrics["accuracy"]) == ("benign", row.metrics["accuracy"])
    assert "VGG19 on original (1 of 1 cells, “benign”)" in note(found.notes[0])
    assert "accuracy of 56.1 %" in note(found.notes[1])
    assert "1 of the 2 cells behind this gave 90 % of the answers to one class." in sentence(
        found.verdicts["vgg19"]
    )


def test_cells_without_counterpart_are_left_out_and_said(make: Make) -> None:
    cells = make({"original": 1.5, "cyclegan": 1.5, "weighted": 1.0}, folds=3)
    lost = [c for c in cells if not (c.arm.kind == "cyclegan" and c.fold == 2)]
    found = summary.summarise(STUDY, lost)
    kept = summary.summarise(STUDY, [c for c in cells if c.fold < 2])
    assert (found.folds, found.table, found.contrasts) == ([0, 1], kept.table, kept.contrasts)
    assert len(found.cells) == 8 and Incomplete(2, 8) in found.notes
    assert not any(isinstance(remark, Incomplete) for remark in kept.notes)


def test_rows_for_results(make: Make) -> None:
    cells = make({"original": 1.5, "cyclegan": 1.5}, folds=2, seeds=2)
    found = summary.summarise(STUDY, cells)
    assert len(found.cells) == len(cells)
    assert list(found.cells[0].metrics) == [*metrics.METRICS] and list(found.cells[0].recall) == CLASSES
    columns = result_columns(CLASSES)
    assert all(len(row) == len(columns) for row in result_rows(found))
    assert [cell.seconds for cell in found.cells] == [2.5] * 8


def damage(cell: Cell, old: str, new: str) -> None:
    path = cell.path / "predictions.csv"
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0-3.png", "other.png", "tested on different scans of fold 0"),
        ("hash3", "hash4", "tested on different scans of fold 0"),
        ("g0-1", "g0-9", "tested on different scans of fold 0"),
        ("hash3,", "hash3,x", "does not hold answers|something else"),
        (",0,", ",4,", "1 of 60 are others"),
        (",0.", ",1.", "don't add up to 1"),
        (",0.", ",nan0.", "something else than answers"),
        ("p_normal", "p_other", "p_normal is missing"),
    ],
)
def test_damaged_predictions_are_refused(make: Make, old: str, new: str, message: str) -> None:
    cells = make({"original": 1.5, "cyclegan": 1.5}, folds=1)
    damage(cells[1], old, new)
    with pytest.raises(BusError, match=message):
        summary.summarise(STUDY, cells)


def test_an_answer_that_is_not_the_most_probable_class_is_refused(tmp_path: Path) -> None:
    cell = write(Cell(parse("original"), "resnet18", 0, 0, tmp_path), np.tile([0.2, 0.7, 0.1], (4, 1)))
    damage(cell, ",malignant,0.2", ",normal,0.2")
    with pytest.raises(BusError, match="not the most probable"):
        summary.summarise(STUDY, [cell])


def test_other_orders_and_twins_are_refused(make: Make, tmp_path: Path) -> None:
    cells = make({"original": 1.5, "cyclegan": 1.5}, folds=1)
    twin = write(replace(cells[0], path=tmp_path / "twin"), answered("twin", 0, 0, 1.0))
    with pytest.raises(BusError, match="two results for one cell"):
        summary.summarise(STUDY, [*cells, twin])
    path = cells[1].path / "predictions.csv"
    header, *rows = path.read_text().splitlines(keepends=True)
    path.write_text(header + "".join(rows[::-1]))
    with pytest.raises(BusError, match="another order"):
        summary.summarise(STUDY, cells)


def test_no_cells_and_missing_files_are_errors(make: Make) -> None:
    with pytest.raises(BusError, match="no finished cells"):
        summary.summarise(STUDY, [])
    cells = make({"original": 1.5}, folds=1)
    (cells[0].path / "predictions.csv").unlink()
    with pytest.raises(BusError, match=r"predictions\.csv is missing"):
        summary.summarise(STUDY, cells)


def test_a_planted_gain_is_shown_and_its_absence_is_not(make: Make) -> None:
    skill = {"original": 0.6, "oversampled": 0.6, "cyclegan": 2.5}
    strong = summary.summarise(STUDY, make(skill, folds=4)).verdicts["resnet18"]
    assert (strong.kind, strong.seeds, strong.cells) == (VerdictKind.GAIN, 1, 12)
    assert strong.gain and strong.gain.retrained and strong.gain.retrained.basis == "folds"
    assert "One training per place stands behind it; repeat it with --seeds 3" in sentence(strong)
    same = {"original": 1.5, "oversampled": 0.6, "cyclegan": 1.5}
    weak = summary.summarise(STUDY, make(same, folds=4)).verdicts["resnet18"]
    assert weak.kind is VerdictKind.NO_GAIN and "One training" not in sentence(weak)


def test_one_training_on_one_fold_shows_no_gain_however_large(make: Make) -> None:
    found = summary.summarise(STUDY, make({"original": 0.6, "oversampled": 0.6, "cyclegan": 3.5}, folds=1))
    assert found.verdicts["resnet18"].kind is VerdictKind.NOT_REPEATED
    assert "nobody can know" in sentence(found.verdicts["resnet18"])
    assert all(c.retrained is None and c.fold_zero is None for c in found.contrasts)


def test_seeds_tell_of_translators_only_where_each_has_its_own(make: Make) -> None:
    cells = make({"original": 1.0, "oversampled": 1.0, "cyclegan": 1.2}, folds=3, seeds=2)
    shared = summary.summarise(STUDY, cells)
    bases = {c.kind: c.retrained.basis for c in shared.contrasts if c.retrained and c.metric == "macro_f1"}
    assert bases == {"gain": "folds", "translator": "folds", "oversampled − original": "seeds"}
    own = [replace(c, gan_seed=c.seed if c.arm.kind == "cyclegan" else 0) for c in cells]
    assert {c.retrained.basis for c in summary.summarise(STUDY, own).contrasts if c.retrained} == {"seeds"}


def test_fold_zero_is_compared_as_if_nothing_else_was_tested(make: Make) -> None:
    skill = {"original": 1.0, "oversampled": 1.0, "cyclegan": 1.6}
    cells = make(skill, folds=3)
    every = summary.summarise(STUDY, cells).contrasts
    alone = summary.summarise(STUDY, [cell for cell in cells if cell.fold == 0]).contrasts
    shared = [c for c in every if c.metric not in thresholds.COMPARED]
    for whole, part in zip(shared, alone, strict=True):
        assert whole.fold_zero is not None
        assert whole.fold_zero.estimate == pytest.approx(part.interval.estimate)
        assert (whole.fold_zero.low, whole.fold_zero.high) == pytest.approx(
            (part.interval.low, part.interval.high)
        )


def test_no_interval_holds_what_cannot_be(make: Make) -> None:
    found = summary.summarise(STUDY, make({"original": 0.0, "oversampled": 0.2, "cyclegan": 9.0}, folds=3))
    for contrast in found.contrasts:
        most = metrics.HIGHEST.get(contrast.metric, 1.0)
        for span in (contrast.interval, contrast.retrained, contrast.fold_zero):
            assert span is None or -most <= span.low <= span.estimate <= span.high <= most


def test_asking_for_a_part_changes_no_p(make: Make) -> None:
    """All models that were looked at count, whichever of them a report is asked for."""
    cells = make(
        {"original": 1.0, "oversampled": 1.1, "cyclegan": 1.5}, ("simplecnn", "vgg19", "resnet18"), 3
    )
    every = summary.summarise(STUDY, cells)
    part = [cell for cell in cells if cell.model == "resnet18"]
    again = summary.summarise(STUDY, part, family=cells)
    assert again.models == ["resnet18"] and {row.model for row in again.table} == {"resnet18"}
    assert again.contrasts == [c for c in every.contrasts if c.model == "resnet18"]
    assert again.verdicts["resnet18"] == every.verdicts["resnet18"]


def test_what_is_below_the_yardstick_is_named(make: Make, tmp_path: Path) -> None:
    cells = make({"original": 0.2, "cyclegan": 4.0}, folds=2)
    marks = [
        write(
            Cell(parse("original"), "yardstick", fold, 0, tmp_path / f"y{fold}"),
            answered("yardstick", fold, 0, 1.5),
        )
        for fold in range(3)
    ]
    found = summary.summarise(STUDY, cells, marks)
    assert found.yardstick is not None and found.yardstick.cells == 2, "on the folds that were tested alone"
    assert [row.arm for row in summary.below(found.table, found.yardstick)] == [Arm("original")]
    assert isinstance(found.notes[-1], BelowYardstick) and "ResNet18 on original" in note(found.notes[-1])
    assert summary.summarise(STUDY, cells).yardstick is None
