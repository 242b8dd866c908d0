"""The recomputation of a report's tables by other code: it agrees, and it sees what was changed."""

import shutil
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bus.benchmark import external
from bus.benchmark.report.study_report import write_report
from bus.benchmark.results.export import write_tables
from bus.benchmark.results.predictions import write_predictions
from bus.benchmark.results.summary import summarise
from bus.data.cohort import KnownScan

SCRIPT = Path(__file__).parents[2] / "study_check.py"
FURTHER = Path(__file__).parents[3] / "docs" / "busi-study" / "further.py"


def load(path: Path) -> Any:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def check() -> Any:
    return load(SCRIPT)


@pytest.fixture(scope="module")
def folder(made_up: Callable[..., Any]) -> Path:
    made = made_up(arms=("original", "oversampled", "cyclegan"), translator=False, heat=False, seeds=3)
    summary = summarise(made.study, made.cells)  # with as many draws as a report has
    return write_report(made.study, summary, cells=made.cells, commands=["bus benchmark"]).parent


def wrong(check: Any, folder: Path, *parts: str, translators: int | None = None) -> list[str]:
    tables = check.read(folder, "malignant", 5, translators)
    for part in parts or ("check_trainings", "check_contrasts"):
        getattr(check, part)(tables)
    assert tables.checked > 100
    return tables.wrong


def test_it_shares_no_code_with_the_program():
    assert "bus" not in SCRIPT.read_text().replace("bus benchmark", "").replace("busi_groups", "")


@pytest.mark.long
def test_another_computation_gives_the_same_numbers(check, folder):
    assert wrong(check, folder) == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("results", "macro_f1", "results.csv, .*macro_f1"),
        ("results", "recall_normal", "results.csv, .*recall_normal"),
        ("metrics", "value", "metrics.csv"),
        ("contrasts", "estimate", "estimate"),
        ("contrasts", "low", "low"),
        ("contrasts", "high", "high"),
        ("contrasts", "low_fold_zero", "low_fold_zero"),
        ("contrasts", "p_holm", "p_holm"),
    ],
)
def test_a_planted_difference_is_found(check, folder, tmp_path, table, column, words):
    shutil.copytree(folder, tmp_path / "report")
    place = tmp_path / "report" / f"{table}.csv"
    content = pd.read_csv(place)
    row = int(content[column].notna().to_numpy().argmax())
    content.loc[row, column] += 0.15 if column.startswith(("low", "high")) else 0.001
    content.to_csv(place, index=False)
    part = "check_contrasts" if table == "contrasts" else "check_trainings"
    (line,) = wrong(check, tmp_path / "report", part)
    assert pd.Series([line]).str.contains(words).all()


@pytest.mark.long
@pytest.mark.parametrize("column", ["estimate", "low_retrained", "p_holm", "detectable"])
def test_a_planted_difference_in_the_mean_of_the_networks_is_found(check, folder, tmp_path, column):
    shutil.copytree(folder, tmp_path / "report")
    content = pd.read_csv(tmp_path / "report" / "contrasts.csv")
    mean = (content["model"] == "mean") & content[column].notna()
    content.loc[mean.idxmax(), column] += 0.1 if column in ("low_retrained", "detectable") else 0.01
    content.to_csv(tmp_path / "report" / "contrasts.csv", index=False)
    (line,) = wrong(check, tmp_path / "report", "check_contrasts")
    assert "mean" in line and column in line


@pytest.mark.parametrize("change", ["missing", "twice"])
def test_a_row_too_few_or_too_many_is_found(check, folder, tmp_path, change):
    shutil.copytree(folder, tmp_path / "report")
    place = tmp_path / "report" / "metrics.csv"
    content = pd.read_csv(place)
    changed = content.iloc[1:] if change == "missing" else pd.concat([content, content.iloc[:1]])
    changed.to_csv(place, index=False)
    (line,) = wrong(check, tmp_path / "report", "check_trainings")
    assert change in line


def tables(made: Any, cells: Any, folder: Path) -> Any:
    """The tables of some cells in a new folder, as a report writes them; returns their summary."""
    summary = summarise(made.study, cells)
    write_tables(folder, made.study, summary)
    write_predictions(folder / "predictions.csv", made.study, cells)
    return summary


@pytest.fixture(scope="module")
def four_seeds(made_up: Callable[..., Any]) -> Any:
    arms = ("original", "oversampled", "cyclegan", "pooled")
    return made_up(arms=arms, folds=(0, 1, 2), translator=False, heat=False, seeds=4, translators=2)


@pytest.mark.long
def test_a_training_that_failed_takes_its_seed_from_its_network_and_from_the_mean(
    check, four_seeds, tmp_path
):
    lost = {("vgg19", 1, 2, "cyclegan"), ("simplecnn", 0, 3, "cyclegan")}
    cells = [c for c in four_seeds.cells if c.model != "resnet18" and c.arm.kind != "pooled"]
    cells = [c for c in cells if (c.model, c.fold, c.seed, str(c.arm)) not in lost]
    summary = tables(four_seeds, cells, tmp_path)
    assert summary.together is not None and summary.together.shared == (3, 2)
    assert wrong(check, tmp_path, "check_contrasts", translators=2) == []

    # what the study on BUSI shows beside averages the same seeds
    further = load(FURTHER)
    answers = further.read(tmp_path / "predictions.csv", lambda sha256, label: True)
    beside = [contrast for pooled in further.pools(answers, 1) for contrast in further.of(pooled)]
    found = {(one.model, one.kind, one.metric): one.interval for one in beside}
    for contrast in summary.contrasts:
        if one := found.pop((contrast.model, contrast.kind, contrast.metric), None):
            assert one.estimate == pytest.approx(contrast.interval.estimate, abs=1e-6)
    assert not found

    content = pd.read_csv(tmp_path / "contrasts.csv")
    content[content["model"] != "mean"].to_csv(tmp_path / "contrasts.csv", index=False)
    lines = wrong(check, tmp_path, "check_contrasts", translators=2)
    assert "their mean is missing" in lines[0] and len(lines) == 1 + 2 * 3


@pytest.mark.long
def test_seeds_of_one_translator_count_once_where_its_scans_were_taken_and_there_alone(
    check, four_seeds, tmp_path
):
    tables(four_seeds, [c for c in four_seeds.cells if c.model == "simplecnn"], tmp_path)
    assert wrong(check, tmp_path, "check_contrasts", translators=2) == []
    assert wrong(check, tmp_path, "check_contrasts"), "each seed its own translator: another study"


@pytest.mark.long
def test_numbers_on_scans_from_elsewhere_are_computed_again(check, made_up, elsewhere, tmp_path):
    arms = ("original", "oversampled", "cyclegan")
    made = made_up(arms=arms, folds=(0,), translator=False, heat=False, seeds=2)
    found = external.read(str(elsewhere), made.study)
    rng = np.random.default_rng(0)
    for cell in made.cells:
        chances = rng.dirichlet([1, 1, 1], len(found.rows))
        cell.write_external(found.answered(made.study.classes, chances))
    written = write_report(made.study, made.summary, cells=made.cells, external=found).parent
    assert wrong(check, written, "check_external") == []
    table = pd.read_csv(written / "external.csv")
    assert set(table["model"]) == {"mean", "simplecnn", "vgg19", "resnet18"}
    gains = table[table["second"].notna() & (table["metric"] == "target_auc")].set_index(["model", "second"])
    single = gains.loc[["simplecnn", "vgg19", "resnet18"], "estimate"].groupby("second").mean()
    for second, mean in single.items():
        assert gains.loc[("mean", second), "estimate"] == pytest.approx(mean)
    table.loc[0, "estimate"] += 0.001
    table.to_csv(written / "external.csv", index=False)
    (line,) = wrong(check, written, "check_external")
    assert "external.csv" in line and "estimate" in line

    kept = [cell for cell in made.cells if (cell.model, cell.seed, str(cell.arm)) != ("vgg19", 1, "cyclegan")]
    summary = summarise(made.study, kept)
    fewer = write_report(made.study, summary, cells=kept, external=found).parent
    assert wrong(check, fewer, "check_external") == [], "the mean is of seed 0, as VGG19 is"


def test_a_changed_answer_is_found(check, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "report")
    content = pd.read_csv(tmp_path / "report" / "predictions.csv")
    content.loc[0, "predicted"] = "normal" if content.loc[0, "predicted"] != "normal" else "benign"
    content.to_csv(tmp_path / "report" / "predictions.csv", index=False)
    assert wrong(check, tmp_path / "report", "check_trainings")


@pytest.mark.long
def test_what_the_study_on_busi_shows_beside_agrees_with_the_report_where_it_must(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All answers give the report's numbers; without the seeds of a collapsed network none are left here."""
    further = load(FURTHER)
    answers = pd.read_csv(folder / "predictions.csv")
    first = answers["sha256"][0]
    label = answers["label"][0]
    monkeypatch.setattr(further, "busi_list", lambda: {(first, label): KnownScan("busi-1", "", "text", True)})
    further.write(folder)
    rows = pd.read_csv(StringIO(capsys.readouterr().out))
    report = pd.read_csv(folder / "contrasts.csv")
    joined = rows[rows["part"] == "all"].merge(
        report, on=["model", "contrast", "metric"], suffixes=("", "_there")
    )
    assert len(joined) == 4 * 2 * 2, "of three networks and their mean, in two metrics"
    for name in ("estimate", "low", "high", "low_retrained", "high_retrained"):
        assert joined[name].to_numpy() == pytest.approx(joined[f"{name}_there"].to_numpy(), abs=1e-4)
    scans = rows.groupby("part")["scans"].first()
    assert scans["unmarked"] == scans["all"] - 1 and "not collapsed" not in scans

    # by other code the same, and what is changed is seen
    tables = load(SCRIPT).read(folder, "malignant", 5, None)
    load(SCRIPT).check_further(tables, rows, {first})
    assert tables.checked > 100 and tables.wrong == []
    changed = rows.assign(estimate=rows["estimate"] + 0.001 * (rows.index == len(rows) - 1))
    load(SCRIPT).check_further(tables, changed, {first})
    (line,) = tables.wrong
    assert line.startswith("further.csv, unmarked") and "estimate" in line
