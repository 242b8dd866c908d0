"""A plan from its runs to its page."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from bus.benchmark import pipeline, plan, run, run_plan
from bus.benchmark.arms import Arm, parse
from bus.benchmark.cell import WEIGHTS
from bus.benchmark.cells import STEPS, cells_of, needed, training_rows
from bus.benchmark.few import few
from bus.benchmark.history import HISTORY
from bus.benchmark.per_image import per_image, preview
from bus.benchmark.report.terms import METRICS
from bus.benchmark.request import Request
from bus.benchmark.results import summary
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.core.progress import Interrupted
from bus.data.cohort import LeftOut
from bus.data.study import Study, open_or_create
from bus.gan import synth, train
from bus.gan.config import PRESETS, configure
from bus.gan.manifest import SyntheticSet
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)

WISH = Request((0,), preset="demo", command="bus benchmark --plan mine.toml")


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


def test_a_plan_ends_with_both_splits_beside_the_reported_numbers(study, tmp_path, in_process):
    path = tmp_path / "mine.toml"
    path.write_text(
        "title = 'Mine | <b>'\n[all]\nmodel = 'simplecnn'\nepochs = 1\nvalidation = true\nbatch = 16\n"
        "[[runs]]\nname = 'first'\naccuracy = 55.35\n[[runs]]\nname = 'same'\n"
        "[[runs]]\nname = 'watched'\nschedule = 'plateau'\narm = 'weighted'\n"
    )
    page = run_plan.run_plan(study, str(path), WISH)
    text = page.read_text()
    assert page == study.path / "report" / "1" / "index.html" and "55.35" in text and "<b>" not in text
    assert text.count('<tr><th scope="row">') == 3 + 1 + 3, "runs, yardstick, audit"
    assert "All runs: validation = True" in text and "no group is in both" in text
    assert "split per image" in text and "folds by group" in text
    sub = per_image(study)
    assert (
        len(list((study.path / "fold-0/cells").rglob("DONE")))
        == len(list((sub.path / "fold-0/cells").rglob("DONE")))
        == 2
    )
    config = json.loads(next((study.path / "fold-0/cells/weighted").rglob("config.json")).read_text())
    assert config["recipe"]["schedule"] == "plateau"
    assert (
        "| first |" in page.with_name("report.md").read_text()
        and "| watched − first | weighted − original |" not in text
    ), "schedules differ"
    history = json.loads((study.path / HISTORY).read_text())["benchmarks"]
    assert [(one["command"], one["cells"]) for one in history] == [("bus benchmark --plan mine.toml", 4)]
    run_plan.run_plan(study, str(path), WISH)
    assert len(json.loads((study.path / HISTORY).read_text())["benchmarks"]) == 1, "looked at once"


@pytest.fixture
def translated(study, monkeypatch):
    """The study with a tiny translator of fold 0; synthetic scans come unscored."""
    config = configure(
        study, CPU, fold=0, target="malignant", seed=0, preset="demo", pairs=4, method="published"
    )
    train.train(study, replace(config, channels=4, blocks=1), CPU)
    monkeypatch.setattr(
        pipeline,
        "make_scans",
        lambda translator, compute, judge, **options: synth.synthesise(translator, compute, **options),
    )
    return study


SHORT = "[all]\nmodel = 'simplecnn'\nepochs = 1\nbatch = 32\n"
PUBLISHED = (
    "[[runs]]\nname = 'made'\narm = 'cyclegan'\nmethod = 'published'\n"
    "switches = { phantoms = 0, channels = 4, blocks = 1 }\n"
)


@pytest.fixture
def few_pairs(monkeypatch):
    """Translators of four pairs, whose scans are made but not scored."""
    monkeypatch.setitem(PRESETS, "demo", replace(PRESETS["demo"], pairs=4))
    monkeypatch.setattr(
        pipeline,
        "make_scans",
        lambda translator, compute, judge, **options: synth.synthesise(translator, compute, **options),
    )


ADDING = (
    "[all]\nmodel = 'simplecnn'\nepochs = 12\nbatch = 16\n[[runs]]\nname = 'as it is'\n"
    "[[runs]]\nname = 'half'\narm = 'cyclegan@0.5'\n[[runs]]\nname = 'again'\narm = 'oversampled@0.5'\n"
)


@pytest.mark.long
def test_arms_that_add_scans_train_on_folds_by_group_alone(translated, tmp_path, in_process):
    path = tmp_path / "mine.toml"
    path.write_text(ADDING)
    page = run_plan.run_plan(translated, str(path), WISH)
    chosen = plan.read(str(path))
    (first, half, again), wanted = (
        (cell for _, cell in run_plan.cells(translated, chosen, WISH)),
        needed(translated, 0, "malignant"),
    )
    assert first.is_done and half.is_done and again.is_done
    assert (first.added, half.added, again.added) == (
        {},
        {"malignant": round(wanted / 2)},
        {"malignant": round(wanted / 2)},
    )
    assert half.synthetic and not first.synthetic
    sub = per_image(translated)
    assert [folder.name for folder in (sub.path / "fold-0/cells").iterdir()] == ["original"]
    text, plain = page.read_text(), page.with_name("report.md").read_text()
    assert (
        "<td>cyclegan@0.5</td>" in text
        and "folds by group alone" in text
        and "| again | SimpleCNN | oversampled@0.5 |" in plain
    )
    own = len(translated.train(0))
    assert f"{own} / 0 / {len(translated.test(0))}; {own + half.added['malignant']} / 0" in plain
    again_line = next(line for line in plain.splitlines() if line.startswith("| again"))
    assert again_line.count(" – |") == 2, (
        "nothing on the split per image, nor a column of what nobody reported"
    )
    assert "(1 of" not in plain
    row, auc, _ = (line for line in plain.splitlines() if line.startswith("| half − again |"))
    assert "| target AUC |" in auc
    blocks = [
        summary.pool("simplecnn", [cell.answers(translated.classes) for cell in pair], 1)
        for pair in ((half, again),)
    ]
    (block,) = blocks
    made, repeated = (block.mean(parse(arm), "macro_f1") for arm in ("cyclegan@0.5", "oversampled@0.5"))
    gain = 100 * (made - repeated)[0]
    points = f"{gain:+.1f}".replace("-", "−")
    said = f"| cyclegan@0.5 − oversampled@0.5 | macro-F1 | {points} | "
    assert gain and said in row.replace(" †", ""), "one training: no interval beside it, but for other scans"
    compared = [line.split(" | ")[0] for line in plain.splitlines() if " − " in line[:20]]
    assert list(dict.fromkeys(compared)) == ["| half − as it is", "| half − again", "| again − as it is"]
    assert "| yardstick |" in plain and "| every source is a training scan" in plain


def test_a_plan_that_cannot_be_run_is_refused_before_a_translator_is_trained(study, tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    monkeypatch.setattr(pipeline, "train_gan", lambda *_, **__: pytest.fail("it trained"))
    for arm, words in (
        ("cyclegan:cyst", "no cyst scans"),
        ("cyclegan:malignant", "adds nothing: malignant is the class that is raised"),
    ):
        path.write_text(
            "[all]\nmodel = 'simplecnn'\nepochs = 1\n[[runs]]\nname = 'a'\narm = 'cyclegan'\n"
            f"[[runs]]\nname = 'b'\narm = '{arm}'\n"
        )
        with pytest.raises(UsageError, match=words):
            run_plan.run_plan(study, str(path), WISH)
    path.write_text(
        "[[runs]]\nname = 'a'\nmodel = 'simplecnn'\nepochs = 1\narm = 'cyclegan'\ninit = 'phantom'\n"
    )
    monkeypatch.setattr(study, "classes", ["benign", "malignant"])
    with pytest.raises(UsageError, match="--init phantom: phantoms are"):
        run_plan.run_plan(study, str(path), WISH)


def test_a_plan_refuses_a_leak_before_it_trains(translated, tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_text(ADDING)
    synth.synthesise(Translator(translated, 0, "malignant", 0), CPU, count=needed(translated, 0, "malignant"))
    test = translated.scans[translated.test(0)[0]].group
    scans = SyntheticSet(translated, 0, "malignant", 0)
    scans.write_rows([replace(scans.rows[0], source_group=test), *scans.rows[1:]])
    monkeypatch.setattr(run, "run", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(BusError, match="Leak in fold 0"):
        run_plan.run_plan(translated, str(path), WISH)


@pytest.mark.long
def test_a_plan_refuses_first_weights_that_saw_the_test_scans(study, tmp_path, monkeypatch):
    path, wish = (
        tmp_path / "mine.toml",
        replace(WISH, folds=(1,), arms=(Arm("original"),), models=("simplecnn",)),
    )
    monkeypatch.setitem(STEPS, "demo", (1, 1))
    (seen,) = cells_of(study, wish)
    run.run(study, [seen], jobs=1, threads=1, keep_weights=True)
    path.write_text(
        f"[[runs]]\nname = 'a'\nmodel = 'simplecnn'\nepochs = 1\ninit = '{seen.path / WEIGHTS}'\n"
    )
    with pytest.raises(BusError, match=r"Leak in fold 0.*weights"):
        run_plan.run_plan(study, str(path), WISH)


def test_an_interrupted_plan_goes_on_with_what_is_missing(study, tmp_path, in_process, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_text(
        "[all]\nmodel = 'simplecnn'\nepochs = 1\nbatch = 32\n[[runs]]\nname = 'a'\n"
        "[[runs]]\nname = 'b'\nlearning_rate = 0.01\n"
    )
    two = replace(WISH, jobs=2)
    sound, asked = run.run, []

    def first_only(place, cells, **how):
        asked.append((how["jobs"], len(run.missing(cells, False))))
        sound(place, cells[:1], **how)
        raise Interrupted("Stopped")

    with monkeypatch.context() as stopped:
        stopped.setattr(run, "run", first_only)
        with pytest.raises(Interrupted):
            run_plan.run_plan(study, str(path), two)
    (done,) = study.path.rglob("DONE")
    trained = done.stat().st_mtime_ns
    monkeypatch.setattr(
        run,
        "run",
        lambda place, cells, **how: (
            asked.append((how["jobs"], len(run.missing(cells, False)))) or sound(place, cells, **how)
        ),
    )
    run_plan.run_plan(study, str(path), two)
    run_plan.run_plan(study, str(path), two)
    assert asked == [(2, 2), (2, 1), (2, 2), (2, 0), (2, 0)]
    assert done.stat().st_mtime_ns == trained


def test_a_plan_says_how_its_translator_is_trained_and_takes_no_other(
    study, tmp_path, in_process, few_pairs, monkeypatch
):
    path = tmp_path / "mine.toml"
    path.write_text(f"per_image = false\n{SHORT}[[runs]]\nname = 'plain'\n{PUBLISHED}gan_seed = 7\n")
    page = run_plan.run_plan(study, str(path), WISH)
    config = Translator(study, 0, "malignant", 7).known_config
    assert (config.method, config.phantoms, config.channels, config.pairs) == ("published", 0, 4, 4)
    plain = page.with_name("report.md").read_text()
    assert "gan\\_seed = 7, method = published, phantoms = 0, channels = 4, blocks = 1" in plain
    assert "| reported |" not in plain and "split per image" not in plain
    row, *_ = (line for line in plain.splitlines() if line.startswith("| made − plain |"))
    assert row.count("(") == 0, (
        "one training cannot know what another would give; for other scans alone it can"
    )

    monkeypatch.setattr(pipeline, "train_gan", lambda *_, **__: pytest.fail("it trained"))
    path.write_text(path.read_text().replace("channels = 4", "channels = 8"))
    with pytest.raises(UsageError, match="channels 4 there, 8 asked"):
        run_plan.run_plan(study, str(path), WISH)
    path.write_text(path.read_text() + "[[runs]]\nname = 'as is'\narm = 'cyclegan'\ngan_seed = 7\n")
    with pytest.raises(UsageError, match="made and as is ask for different translators of one seed"):
        run_plan.run_plan(study, str(path), WISH)


@pytest.mark.long
def test_a_plan_shows_both_intervals_where_there_are_trainings_enough(study, tmp_path, in_process):
    path = tmp_path / "mine.toml"
    path.write_text(
        "per_image = false\n[all]\nmodel = 'simplecnn'\nepochs = 2\nbatch = 32\n[[runs]]\nname = 'plain'\n"
        "[[runs]]\nname = 'again'\narm = 'oversampled'\n"
    )
    page = run_plan.run_plan(study, str(path), replace(WISH, seeds=3))
    text = page.with_name("report.md").read_text()
    row, *_ = (line for line in text.splitlines() if "again − plain" in line)
    _, _, arms, _, decides, scans, *_ = (part.strip() for part in row.split("|"))
    assert (
        arms.startswith("oversampled − original") and " to " in decides.partition("(")[2] and " to " in scans
    )
    assert decides.partition("(")[2].rstrip(")") != scans


def test_a_plan_on_an_inner_study_never_sees_what_is_locked_away(tmp_path):
    inner = open_or_create(tmp_path / "study", {"size": 32, "k": 3, "inner": 0}, phantoms=60)
    locked = {row for row, scan in enumerate(inner.scans) if scan.left_out == LeftOut("locked", "0")}
    sub = preview(inner)
    assert locked and not (inner.path / "per-image").exists(), "a dry run writes nothing"
    for place, fold in ((inner, 0), (inner, 2), (sub, 0)):
        pairs = list(run_plan.cells(place, plan.read("ablation-1"), replace(WISH, folds=(fold,))))
        train, watched = training_rows(place, fold, pairs[0][1].recipe)
        assert not locked & {*train, *watched, *place.test(fold)} and train and watched
        assert {cell.fold for _, cell in pairs} == {fold}
        assert {cell.test_pixels for _, cell in pairs} == {place.pixels_sha256(place.test(fold))}
    made = per_image(inner)
    assert preview(inner).path == made.path and made.pixels_sha256(made.test(0)) == sub.pixels_sha256(
        sub.test(0)
    )


@pytest.mark.long
def test_a_plan_compares_recipes_of_one_arm(translated, tmp_path, in_process):
    """Two runs of `original` that differ in their recipe: each metric's difference is that of their rows."""
    path = tmp_path / "mine.toml"
    path.write_text(
        "per_image = false\n[all]\nmodel = 'simplecnn'\nepochs = 6\nbatch = 16\n[[runs]]\nname = 'as it is'\n"
        "[[runs]]\nname = 'wide'\nrotation = 30.0\nagainst = 'as it is'\n"
    )
    page = run_plan.run_plan(translated, str(path), replace(WISH, seeds=2))
    plain = page.with_name("report.md").read_text()
    chosen = plan.read(str(path))
    cells = [(line.name, cell) for line, cell in run_plan.cells(translated, chosen, replace(WISH, seeds=2))]
    scored = {
        name: np.mean([cell.scores["target_auc"] for other, cell in cells if other == name])
        for name in ("as it is", "wide")
    }
    rows = [line for line in plain.splitlines() if line.startswith("| wide − as it is |")]
    assert [row.split(" | ")[2] for row in rows] == [
        METRICS[name] for name in ("macro_f1", "target_auc", "sensitivity_at_90_specificity")
    ]
    gain = f"{100 * (scored['wide'] - scored['as it is']):+.1f}".replace("-", "−")
    assert rows[1].replace(" †", "").startswith(f"| wide − as it is | original | target AUC | {gain} ")


@pytest.mark.long
def test_a_learning_curve_trains_everything_on_each_share(study, tmp_path, in_process, few_pairs):
    """Translators too: with half of the target they saw half of it, and arms add more scans."""
    path = tmp_path / "mine.toml"
    path.write_text(f"per_image = false\nshares = [1.0, 0.5]\n{SHORT}[[runs]]\nname = 'plain'\n{PUBLISHED}")
    page = run_plan.run_plan(study, str(path), WISH)
    plain, half = page.with_name("report.md").read_text(), few(study, 0.5)
    cells = {home: run_plan.cells(home, plan.read(str(path)), WISH) for home in (half, study)}
    assert all(cell.is_done for pairs in cells.values() for _, cell in pairs)
    added = [pairs[1][1].added["malignant"] for pairs in cells.values()]
    assert added == [needed(half, 0, "malignant"), needed(study, 0, "malignant")] and added[0] > added[1]
    for home in cells:
        config = Translator(home, 0, "malignant", 0).known_config
        assert config.training_pixels == home.pixels_sha256(home.train(0))
    heads = [line for line in plain.splitlines() if line.startswith("## ")]
    assert heads[:3] == [
        "## Learning curve",
        "## Runs, 50 % of the target",
        "## Differences, 50 % of the target",
    ]
    assert " with 50 % of the target; " in plain and " with 100 % of the target scans (training" in plain
    rows = [line for line in plain.splitlines() if line.startswith("| 50 % of the target")]
    groups = len({half.groups[row] for row in half.rows_of(half.train(0), ["malignant"])})
    assert len(rows) == 2 and all(f"| 50 % of the target | {groups} |" in row for row in rows)
    trained = study.path.rglob("DONE")
    times = {done: done.stat().st_mtime_ns for done in trained if "cells" in done.parts}
    run_plan.run_plan(study, str(path), WISH)
    assert times == {done: done.stat().st_mtime_ns for done in times}, "the second time nothing is trained"
