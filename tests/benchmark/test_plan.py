"""Plans from TOML, the seed project's two as shipped, and the split per image: what it would have claimed."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import pytest
from bus.benchmark import pipeline, plan, run, run_plan
from bus.benchmark.arms import Arm, parse
from bus.benchmark.cell import WEIGHTS
from bus.benchmark.cells import STEPS, cells_of, needed, training_rows
from bus.benchmark.history import HISTORY
from bus.benchmark.per_image import per_image, preview, split
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
from bus.gan.request import Ask
from bus.gan.translator import Translator

CPU = Compute("cpu", "float32", 1)
WISH = Request((0,), preset="demo", command="bus benchmark --plan mine.toml")
# model, optimiser, rate, batch, epochs, schedule, accuracy: the tables of the seed project, typed in again
SEED = {
    "ablation-1": [
        ("simplecnn", "adam", 1e-3, 16, 10, "multistep", 64.15),
        ("vgg16", "adam", 1e-3, 16, 10, "multistep", 55.35),
        ("resnet18", "adam", 1e-3, 16, 10, "multistep", 52.20),
        ("simplecnn", "adam", 1e-3, 8, 10, "multistep", 63.52),
        ("simplecnn", "adam", 1e-3, 16, 10, "step", 64.78),
        ("simplecnn", "adam", 1e-4, 16, 10, "step", 62.26),
        ("simplecnn", "sgd", 1e-3, 16, 10, "multistep", 55.35),
    ],
    "ablation-2": [
        ("resnet18", "adam", 1e-3, 16, 17, "step", 55.35),
        ("resnet18", "adam", 1e-3, 16, 10, "plateau", 30.8),
        ("resnet18", "adam", 1e-3, 32, 23, "step", 55.35),
        ("resnet18", "adam", 1e-3, 8, 12, "step", 55.35),
        ("resnet18", "adam", 1e-3, 8, 12, "step", 55.35),
        ("resnet18", "adam", 1e-3, 64, 50, "step", 49.69),
    ],
}


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


@pytest.mark.parametrize("name", SEED)
def test_the_shipped_plans_are_the_seeds_tables(name, study):
    found = plan.read(name)
    pairs = list(run_plan.cells(study, found, WISH))
    rows = [
        (
            cell.model,
            cell.recipe.optimiser,
            cell.recipe.learning_rate,
            cell.recipe.batch,
            round(cell.recipe.steps / cell.recipe.epoch),
            cell.recipe.schedule,
            one.accuracy,
        )
        for one, cell in pairs
    ]
    assert rows == SEED[name]
    assert {cell.recipe.weighted for _, cell in pairs} == {name == "ablation-2"}
    for _, cell in pairs:
        own = len(training_rows(study, 0, cell.recipe)[0])
        assert cell.recipe.epoch == -(-own // cell.recipe.batch), (
            "an epoch shows every scan of the training part"
        )
        assert not cell.recipe.augment and cell.recipe.smoothing == cell.recipe.weight_decay == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\nlerning_rate=1",
            r"lerning_rate is unknown; .*Did you mean learning_rate\?",
        ),
        ("[[run]]\nname='a'", r"run is unknown; .*Did you mean runs\?"),
        ("[[runs]]\nname='a'\nmodel='resnet'\nepochs=1", "Did you mean resnet18"),
        ("[[runs]]\nname='a'\nmodel='resnet18'", "epochs is missing"),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs='ten'",
            "epochs = ten: expected a whole number above 0",
        ),
        ("[[runs]]\nname='a'\nmodel='resnet18'\nepochs=0", "epochs = 0: expected a whole number above 0"),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegam'",
            r"expected one of original, .*Did you mean cyclegan\?",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='oversampled:normal'",
            "perhaps a source class",
        ),
        ("[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='weighted@0.5'", "perhaps a dose"),
        ("[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegan@-1'", "a dose up to 10"),
        (
            "[[runs]]\nname='a'\nmodel='simplecnn'\nepochs=1\ninit='imagenet'",
            "SimpleCNN has no ImageNet weights",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\nschedule='linear'",
            "expected cosine, multistep, step or plateau",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\nmethod='published'",
            "original takes no translator, so that method and switches do nothing",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegan'\nmethod='publised'",
            "Did you mean published",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegan'\nswitches={phantom=0}",
            "run 1: .*phantom is unknown; .*Did you mean phantoms",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\narm='cyclegan'\nswitches=0",
            "switches = 0: expected a table such as",
        ),
        (
            "[[runs]]\nname='a'\nmodel='resnet18'\nepochs=1\nprior='arm'\nrecalibration=0",
            "prior = arm does nothing: nothing is measured anew",
        ),
        ("per_image=0\n[[runs]]\nname='a'", "per_image = 0: expected true or false"),
        ("title='empty'", r"one or more tables \[\[runs\]\]"),
        ("runs=[1]", r"one or more tables"),
        ("[[runs]", "could not be read as TOML"),
        ("[all]\nmodel='resnet18'\nepochs=1\n[[runs]]\nname='a'\n[[runs]]\nname='a'", "the same name"),
    ],
)
def test_a_plan_that_says_something_else_is_refused_by_name(tmp_path, text, words):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        plan.read(str(path))


def test_a_plan_that_is_not_there_names_the_shipped_ones():
    with pytest.raises(UsageError, match="Did you mean ablation-1"):
        plan.read("ablation1")


def test_a_split_per_image_has_the_seeds_sizes():
    labels = ["benign"] * 437 + ["malignant"] * 210 + ["normal"] * 133
    folds = split(labels, 0)
    assert Counter(folds) == {0: 159, 1: 127, 2: 494}
    for fold, expected in ((0, (88, 43, 28)), (1, (71, 34, 22)), (2, (278, 133, 83))):
        counts = Counter(label for label, place in zip(labels, folds, strict=True) if place == fold)
        assert [counts[name] for name in ("benign", "malignant", "normal")] == pytest.approx(
            expected, abs=1.01
        )
    assert split(labels, 0) == folds != split(labels, 1)


def test_the_sub_study_holds_the_same_scans_and_nothing_locked_away(study):
    out = study.used()[0]
    study.scans[out] = replace(study.scans[out], fold=None, left_out=LeftOut("locked", "0"))
    sub = per_image(study)
    assert sub.used() == study.used() and out not in sub.used()
    assert sub.pixels_sha256(sub.used()) == study.pixels_sha256(study.used())
    assert len({sub.groups[row] for row in sub.used()}) == len(sub.used())
    shared = {study.groups[row] for row in sub.test(0)} & {study.groups[row] for row in sub.train(0)}
    assert shared, "patients stand on both sides: that is its point"
    before = (sub.path / "study.json").stat().st_mtime_ns
    assert per_image(study).path == sub.path and (sub.path / "study.json").stat().st_mtime_ns == before
    assert any("too good" in banner for banner in sub.settings.banners)


def test_a_plan_ends_with_both_splits_beside_the_reported_numbers(study, tmp_path, in_process):
    path = tmp_path / "mine.toml"
    path.write_text(
        "title = 'Mine | <b>'\n[all]\nmodel = 'simplecnn'\nepochs = 1\nvalidation = true\nbatch = 16\n"
        "[[runs]]\nname = 'first'\naccuracy = 55.35\n[[runs]]\nname = 'same'\n"
        "[[runs]]\nname = 'watched'\nschedule = 'plateau'\narm = 'weighted'\n"
    )
    page = run_plan.run_plan(study, str(path), WISH)
    text = page.read_text()
    assert page.name == "plan-mine.html" and "55.35" in text and "<b>" not in text
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
        "| first |" in page.with_suffix(".md").read_text()
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


ADDING = (
    "[all]\nmodel = 'simplecnn'\nepochs = 30\nbatch = 16\n[[runs]]\nname = 'as it is'\n"
    "[[runs]]\nname = 'half'\narm = 'cyclegan@0.5'\n[[runs]]\nname = 'again'\narm = 'oversampled@0.5'\n"
)


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
    text, plain = page.read_text(), page.with_suffix(".md").read_text()
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
    (row,) = (line for line in plain.splitlines() if line.startswith("| half − again |"))
    blocks = [
        summary.pool("simplecnn", [cell.answers(translated.classes) for cell in pair], 1)
        for pair in ((half, again),)
    ]
    (block,) = blocks
    made, repeated = (block.mean(parse(arm), "macro_f1") for arm in ("cyclegan@0.5", "oversampled@0.5"))
    gain = 100 * (made - repeated)[0]
    said = f"| cyclegan@0.5 − oversampled@0.5 | {gain:+.1f} | ".replace("-", "−")
    assert gain and said in row.replace("†", ""), "one training: no interval beside it, but for other scans"
    assert [line.split(" | ")[0] for line in plain.splitlines() if " − " in line[:20]] == [
        "| half − as it is",
        "| half − again",
        "| again − as it is",
    ]
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
    manifest, first = scans.folder / "manifest.csv", scans.rows[0]
    manifest.write_text(manifest.read_text().replace(f",{first.source_group},", f",{test},", 1))
    monkeypatch.setattr(run, "run", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(BusError, match="Leak in fold 0"):
        run_plan.run_plan(translated, str(path), WISH)


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


def test_the_plan_for_sensitivity_takes_apart_what_the_translator_adds(study):
    """Each way of training has the arms of a claim; one translator knows neither ImageNet nor phantoms."""
    chosen = plan.read("sensitivity")
    assert [run_plan.plan_sets(study, study, chosen, WISH).keys()] == [{"folds by group"}]
    ways = {}
    for line in chosen.runs:
        way = (line.changes.get("recalibration", 20), line.changes.get("prior", "fold"), line.method)
        ways.setdefault(way, []).append(str(line.arm))
    claim = ["original", "oversampled", "cyclegan"]
    assert ways == {
        (20, "fold", None): claim,
        (0, "fold", None): claim,
        (20, "arm", None): claim,
        (20, "fold", "published"): ["cyclegan"],
    }
    plain, own = (
        line for line in chosen.runs if line.adds and line.arm.kind == "cyclegan" and not line.changes
    )
    assert own.request(WISH).ask == Ask(method="published", changes={"phantoms": "0"})
    assert plain.request(WISH).ask.is_empty and plain.gan_seed != own.gan_seed
    controls = [line.name for line in chosen.runs if own.like(line)]
    assert controls == ["original", "repeated"], "its controls are those of the default translator"
    run_plan.check_one_each(chosen)


def test_a_plan_says_how_its_translator_is_trained_and_takes_no_other(
    study, tmp_path, in_process, monkeypatch
):
    path = tmp_path / "mine.toml"
    path.write_text(
        "per_image = false\n[all]\nmodel = 'simplecnn'\nepochs = 1\nbatch = 32\n[[runs]]\nname = 'plain'\n"
        "[[runs]]\nname = 'made'\narm = 'cyclegan'\ngan_seed = 7\nmethod = 'published'\n"
        "switches = { phantoms = 0, channels = 4, blocks = 1 }\n"
    )
    monkeypatch.setitem(PRESETS, "demo", replace(PRESETS["demo"], pairs=4))
    monkeypatch.setattr(
        pipeline,
        "make_scans",
        lambda translator, compute, judge, **options: synth.synthesise(translator, compute, **options),
    )
    page = run_plan.run_plan(study, str(path), WISH)
    config = Translator(study, 0, "malignant", 7).known_config
    assert (config.method, config.phantoms, config.channels, config.pairs) == ("published", 0, 4, 4)
    plain = page.with_suffix(".md").read_text()
    assert "gan\\_seed = 7, method = published, phantoms = 0, channels = 4, blocks = 1" in plain
    assert "| reported |" not in plain and "split per image" not in plain
    (row,) = (line for line in plain.splitlines() if line.startswith("| made − plain |"))
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


def test_a_plan_shows_both_intervals_where_there_are_trainings_enough(study, tmp_path, in_process):
    path = tmp_path / "mine.toml"
    path.write_text(
        "per_image = false\n[all]\nmodel = 'simplecnn'\nepochs = 2\nbatch = 32\n[[runs]]\nname = 'plain'\n"
        "[[runs]]\nname = 'again'\narm = 'oversampled'\n"
    )
    page = run_plan.run_plan(study, str(path), replace(WISH, seeds=3))
    (row,) = (line for line in page.with_suffix(".md").read_text().splitlines() if "again − plain" in line)
    _, _, arms, decides, scans, *_ = (part.strip() for part in row.split("|"))
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
    sound, mark = run.run, study.path / "report" / "DONE"
    with monkeypatch.context() as broken:
        broken.setattr(
            run,
            "run",
            lambda place, cells, **how: (
                ["a cell broke"] if place.path.name == "per-image" else sound(place, cells, **how)
            ),
        )
        with pytest.raises(BusError, match="1 cells failed"):
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
