"""The way from cells to a report: whatever was looked at counts, and is listed."""

import csv
import json
import pickle
import shutil
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import bus
import pytest
from bus.benchmark import pipeline, run
from bus.benchmark.arms import Arm
from bus.benchmark.cells import DEMO_STEPS, STEPS, cells_of
from bus.benchmark.per_image import per_image
from bus.benchmark.request import BESIDE, EXTRAS, Request
from bus.benchmark.results import summary
from bus.core.compute import Compute, cores
from bus.core.errors import BusError, UsageError
from bus.data.study import Study
from bus.gan import synth, train
from bus.gan.config import configure

CPU = Compute("cpu", "float32", 1)
ARMS = (Arm("original"), Arm("weighted"))


@pytest.fixture
def study(tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_process: None) -> Study:
    """A study of its own, whose cells take two steps."""
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    monkeypatch.setitem(DEMO_STEPS, "resnet18", 2)
    return Study.open(Path(shutil.copytree(tiny_study, tmp_path / "study")))


def benchmark(study: Study, models: Sequence[str]) -> Path:
    wish = Request((0, 1, 2), ARMS, tuple(models), preset="demo", recipe=(("batch", 4),))
    return pipeline.benchmark(study, replace(wish, command=f"bus benchmark {'+'.join(models)}"))


def p_values(page: Path, model: str) -> dict[tuple[str, str], tuple[str, str]]:
    with (page.parent / "contrasts.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == model]
    return {(row["contrast"], row["metric"]): (row["p_holm"], row["p_holm_retrained"]) for row in rows}


def looks(study: Study) -> list[dict[str, object]]:
    return list(json.loads((study.path / "benchmarks.json").read_text())["benchmarks"])


def test_the_command_that_asks_again_holds_all_that_was_asked(study: Study) -> None:
    """One changed field after the other: each has its option, so that none is forgotten in a report."""
    plain = Request((0,), ARMS, ("simplecnn",), preset="demo")
    changed: dict[str, object] = {
        "folds": (0, 1),
        "arms": (Arm("original"), Arm("cyclegan", "normal", 0.5)),
        "models": ("resnet18",),
        "seeds": 4,
        "preset": "quick",
        "init": "phantom",
        "gan_seed": 1,
        "gan_seeds": 2,
        "balance": ("normal",),
        "recipe": (("batch", 4),),
        "folder": Path("elsewhere"),
        "external": "others.zip",
        "external_alike": "drop",
        "inflation": True,
    }
    assert {item.name for item in fields(Request)} - changed.keys() == (BESIDE - {*EXTRAS}) | {"epochs"}
    for name, value in changed.items():
        typed = replace(plain, **{name: value}).typed(study)  # type: ignore[arg-type]
        option = {"folds": "fold", "folder": "synthetic", "recipe": "set"}.get(name, name).replace("_", "-")
        assert f"--{option}" in typed and typed != plain.typed(study)


@pytest.mark.long
def test_every_finished_model_counts_and_every_look_is_kept(study: Study) -> None:
    alone = p_values(benchmark(study, ["simplecnn"]), "simplecnn")
    both = p_values(benchmark(study, ["simplecnn", "resnet18"]), "simplecnn")
    assert both and p_values(benchmark(study, ["simplecnn"]), "simplecnn") == both, "asked again for a part"
    table = bus.study(study.path).result().contrasts
    said = table.set_index(["contrast", "metric"])[["p_holm", "p_holm_retrained"]].astype(float)
    for key, values in both.items():
        assert said.loc[key].tolist() == pytest.approx(
            [float(value or "nan") for value in values], nan_ok=True
        )
    assert all(float(both[key][0]) >= float(alone[key][0]) for key in alone) and both != alone
    assert [look["cells"] for look in looks(study)] == [6, 12] and not any(
        "partial" in x for x in looks(study)
    )

    benchmark(study, ["simplecnn", "resnet18"])
    next(study.cells_path(2).glob("*/resnet18/*/DONE")).unlink()
    page = pipeline.rewrite(study)
    assert [look.get("partial", False) for look in looks(study)] == [False, False, True]
    assert "11 cells, while others were missing" in page.with_name("report.md").read_text()
    pipeline.rewrite(study)
    assert len(looks(study)) == 3, "the same look is listed once"


@pytest.mark.long
def test_inflation_stands_beside_the_true_figure(study, in_process, monkeypatch):
    """A tiny translator is put in its place in both; what is claimed is what the sub-study sums up to."""
    monkeypatch.setitem(STEPS, "demo", (2, 1))
    wish = Request(
        (0,), tuple(map(Arm, ("original", "cyclegan"))), ("simplecnn",), preset="demo", recipe=(("batch", 4),)
    )
    for place in (study, per_image(study)):
        config = configure(
            place, CPU, fold=0, target="malignant", seed=0, preset="demo", pairs=4, method="published"
        )
        train.train(place, replace(config, channels=4, blocks=1), CPU)
    monkeypatch.setattr(
        pipeline,
        "make_scans",
        lambda translator, compute, judge, **options: synth.synthesise(translator, compute, **options),
    )
    asked = replace(wish, inflation=True, command="bus benchmark")
    sound, mark = run.run, study.path / "report" / "1" / "DONE"
    with monkeypatch.context() as broken:
        broken.setattr(
            run,
            "run",
            lambda place, cells, **how: (
                ["a cell broke"] if place.path.name == "per-image" else sound(place, cells, **how)
            ),
        )
        with pytest.raises(BusError, match="1 cell failed"):
            pipeline.benchmark(study, asked)
    assert mark.with_name("index.html").exists() and not mark.exists(), (
        "a failed cell of the split per image is not passed over"
    )
    page = pipeline.benchmark(study, asked)
    assert mark.exists()
    text = page.read_text()
    assert "Not a result." in text and "gain per image" in text
    assert "What a split per image would have claimed" in page.with_name("report.md").read_text()
    sub = per_image(study)
    claimed = summary.summarise(sub, cells_of(sub, wish))
    assert f"{100 * claimed.table[0].metrics['accuracy']:.1f}" in text
    assert not (sub.path / "fold-0/cells/original/resnet18").exists(), "nobody asked for it"


def test_a_finished_network_that_cannot_have_these_settings_is_passed_over(study, monkeypatch):
    """It ended a benchmark after its last training."""
    request = Request((0,), (Arm("original"),), ("simplecnn",), recipe=(("refit", 100),))
    found = study.cells_path(0) / "original" / "squeezenet1_1" / "seed-0-12345678"
    monkeypatch.setattr(pipeline, "finished_folders", lambda path: [("original", found)])
    with pytest.raises(UsageError, match="squeezenet1_1"):
        cells_of(study, replace(request, models=("squeezenet1_1",)))
    assert pipeline.looked_at(study, request) == []


def test_what_is_simplecnns_alone_is_not_asked_of_other_finished_networks(study, monkeypatch):
    """They are looked for after the trainings, so that this must not fail."""
    request = Request((0,), (Arm("original"),), ("simplecnn",), recipe=(("standardise", True),))
    found = study.cells_path(0) / "original" / "resnet18" / "seed-0-12345678"
    monkeypatch.setattr(pipeline, "finished_folders", lambda path: [("original", found)])
    assert pipeline.looked_at(study, request) == []
    with pytest.raises(UsageError, match="SimpleCNN's alone; resnet18 does not have it"):
        cells_of(study, replace(request, models=("simplecnn", "resnet18")))


def test_what_a_card_trained_is_reported_where_there_is_none(
    study: Study, run_bus: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("benchmark", "--study", study.path, "--preset", "demo", "--models", "simplecnn")
    words += ("--arms", "original,oversampled", "--device", "cuda", "--precision", "float32")
    for place in (study.path, fresh := study.path.with_name("new")):
        code, said = run_bus(*words, "--study", place)
        assert code == 2 and "torch finds none on this machine" in said
    assert not fresh.exists()
    with monkeypatch.context() as card:  # a processor stands in for it
        card.setattr(run, "require", lambda device: None)
        card.setattr(run, "Compute", lambda device, *rest: Compute("cpu", *rest))
        code, said = run_bus(*words, "--no-report")
        assert code == 0, said
    code, said = run_bus(*words)
    assert code == 0 and "Report: " in said
    code, said = run_bus(*words, "--seeds", 2)
    assert code == 2 and "torch finds none on this machine" in said


@pytest.mark.parametrize(
    ("device", "jobs", "at_once"), [("cuda", 3, 3), ("cuda", 9, 4), ("cuda", 1, 0), ("cpu", 3, 0)]
)
def test_a_card_trains_its_translators_beside_each_other(study, monkeypatch, device, jobs, at_once):
    """Two seeds of two folds; on a processor, or unless it is asked for, one after another."""
    seen, alone = [], []
    monkeypatch.setattr(pipeline.processes, "beside", lambda works, jobs, text: seen.append((works, jobs)))
    monkeypatch.setattr(pipeline, "make_translator", lambda study, request, place: alone.append(place))
    monkeypatch.setattr(pipeline, "make_synthetic", lambda study, request, place, needed: None)
    wish = Request((0, 1), (Arm("cyclegan"),), ("simplecnn",), gan_seeds=2, preset="demo", jobs=jobs)
    pipeline.prepare(study, replace(wish, compute=Compute(device, "float32", 8)))
    places = [(fold, "malignant", seed) for fold in (0, 1) for seed in (0, 1)]
    assert alone == places  # whoever made them, they are looked at again
    assert [at for _, at in seen] == ([at_once] if at_once else [])
    for works, _ in seen:
        kept = [pickle.loads(pickle.dumps(work)) for work in works.values()]
        assert [work.args[2] for work in kept] == places
        assert all(work.args[1].compute.threads == max(1, cores() // at_once) for work in kept)
