"""`bus benchmark` with all that may stand beside its cells, as a user runs it, on a tiny study."""

import json
import shutil
from dataclasses import replace

import pytest
from bus.benchmark import forecast, pipeline, plan, run, run_plan
from bus.benchmark.arms import Arm
from bus.benchmark.cells import needed
from bus.benchmark.estimate import Outlook
from bus.benchmark.per_image import per_image
from bus.benchmark.request import Request
from bus.cli import dry_run
from bus.core.errors import BusError
from bus.data import phantom
from bus.data.pictures import synthetic_png
from bus.data.settings import freeze
from bus.data.study import Study
from bus.gan.manifest import SyntheticSet

TINY = [
    "--preset",
    "demo",
    "--method",
    "published",
    "--set",
    "channels=4",
    "--set",
    "blocks=1",
    "--pairs",
    "4",
]
LITE0 = ["--extractor", "efficientnet-lite0"]


@pytest.fixture
def study(finished_study, tmp_path):
    shutil.copytree(finished_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


@pytest.mark.long
@pytest.mark.usefixtures("few_steps", "in_process")
def test_doses_sources_another_generator_an_external_set_and_inflation_in_one_report(
    study, tmp_path, run_bus
):
    phantom.write_cohort(tmp_path / "elsewhere", 24, seed=9, size=48, scanner="linear-7")
    (tmp_path / "theirs").mkdir()
    for place, row in enumerate(study.rows_of(study.train(0), ["benign"])[: needed(study, 0, "malignant")]):
        (tmp_path / "theirs" / f"{place:03}.png").write_bytes(synthetic_png(study.pixels[row][:, ::-1]))
    assert run_bus("gan", "train", "--study", per_image(study).path, *TINY)[0] == 0
    command = [
        "benchmark",
        "--study",
        study.path,
        "--preset",
        "demo",
        "--models",
        "simplecnn",
        "--jobs",
        1,
        *LITE0,
        "--arms",
        "original,oversampled,cyclegan,cyclegan:normal",
        "--dose",
        "0.5,1",
        "--synthetic",
        tmp_path / "theirs",
        "--external",
        tmp_path / "elsewhere",
        "--inflation",
    ]
    code, text = run_bus(*command, "--dry-run")
    assert code == 0 and "9 cells" in text and "7 to train" in text, "original and cyclegan are there already"
    code, text = run_bus(*command)
    assert code == 0, text
    report = study.path / "report" / "2"
    for page in ((report / "index.html").read_text(), (report / "report.md").read_text()):
        for words in (
            "cyclegan:normal@0.5",
            "oversampled@0.5",
            "unverified",
            "External test",
            "What a split per image would have claimed",
        ):
            assert words in page, words
    summary = json.loads((report / "summary.json").read_text())
    assert len(summary["arms"]) == 9
    kept = json.loads((study.path / "benchmarks.json").read_text())["benchmarks"]
    assert [one["cells"] for one in kept] == [2, 9], (
        "every finished benchmark is remembered, and listed in the report"
    )
    assert all(f"{one['cells']} cells. SimpleCNN: " in (report / "report.md").read_text() for one in kept)
    code, text = run_bus(*command)
    assert code == 0 and "Nothing to do: all 9 cells are done" in text
    scans = SyntheticSet(study, 0, "malignant", 0)
    assert (scans.folder / "scores-test.json").exists() and scans.scores
    scans.write_scores(replace(scans.scores, notes=("Scored anew.",)))
    code, _ = run_bus(*command)
    assert code == 0 and "Scored anew." in (report / "report.md").read_text(), "a report follows its scores"
    (study.path / "benchmarks.json").write_text('{"benchmarks": [1]}')
    code, text = run_bus("report", "--study", study.path)
    assert code == 1 and "benchmarks.json does not hold what this version wrote" in " ".join(text.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--external", "nowhere"], "--external nowhere: there is no such file"),
        (["--set", "validation=true"], "original and weighted"),
        (["--set", "schedule=plateau", "--arms", "original,cyclegan"], "watches a validation part"),
        (["--inflation", "--balance", "normal"], "--inflation does not go with --balance"),
        (["--inflation", "--dose", "0.5"], "Add 1 to it"),
    ],
)
def test_what_can_be_refused_is_refused_before_a_translator_is_trained(
    study, run_bus, monkeypatch, options, words
):
    monkeypatch.setattr(pipeline, "prepare", lambda *given: pytest.fail("hours of training"))
    code, text = run_bus("benchmark", "--study", study.path, "--fold", 1, "--preset", "demo", *options)
    assert code in (1, 2) and words in text


@pytest.mark.long
def test_leaks_and_the_width_to_expect_come_before_a_translator_is_trained(study, run_bus, monkeypatch):
    monkeypatch.setattr(pipeline, "prepare", lambda *given: pytest.fail("hours of training"))
    group = study.groups[study.test(1)[0]]
    moved = study.train(1)[0]
    scans = [replace(scan, group=group) if row == moved else scan for row, scan in enumerate(study.scans)]
    freeze(study.path, study.settings, scans)
    code, text = run_bus("benchmark", "--study", study.path, "--fold", 1, "--preset", "demo")
    assert code == 1 and "no group is in both" in text
    code, text = run_bus(
        "benchmark",
        "--study",
        study.path,
        "--fold",
        1,
        "--preset",
        "demo",
        "--models",
        "simplecnn",
        "--dry-run",
    )
    assert code == 0 and "expect intervals of about ±" in text


def test_every_missing_translator_is_foreseen_with_what_its_plan_asks(study, monkeypatch, capsys):
    asked = []

    def lasting(_, config, compute, rates, begun):
        asked.append((config.seed, config.method, config.phantoms))
        return Outlook(60, 60, 60)

    monkeypatch.setattr(forecast, "training", lasting)
    shutil.rmtree(study.path / "fold-0" / "gan")
    several = Request((0,), (Arm("cyclegan"),), ("simplecnn",), preset="quick", seeds=2, gan_seeds=2)
    planned = [run.request(Request((0,), preset="quick")) for run in plan.read("sensitivity").runs]
    assert len(list(dry_run._translators(study, [several, *planned], forecast.Rates()))) == 3
    assert asked == [(0, "detail", 0.15), (1, "detail", 0.15), (1000, "published", 0.0)]
    said = capsys.readouterr().out
    assert all(f"a translator of seed {seed} first" in said for seed in (0, 1, 1000))


@pytest.mark.parametrize("what", ["benchmark", "plan"])
def test_the_width_to_expect_is_said_before_the_work_begins(study, tmp_path, run_bus, monkeypatch, what):
    def begin(*_):
        raise BusError("the work begins")

    monkeypatch.setattr(run_plan if what == "plan" else pipeline, "prepare", begin)
    path = tmp_path / "mine.toml"
    path.write_text("[[runs]]\nname = 'a'\nmodel = 'simplecnn'\nepochs = 1\narm = 'cyclegan'\n")
    options = ["--plan", path] if what == "plan" else ["--preset", "demo", "--models", "simplecnn"]
    code, text = run_bus("benchmark", "--study", study.path, "--fold", 1, *options)
    assert code == 1 and 0 < text.find("expect intervals of about ±") < text.find("the work begins")


@pytest.mark.long
@pytest.mark.usefixtures("in_process")
def test_a_plan_of_ones_own_is_shown_run_and_done(study, tmp_path, run_bus):
    path = tmp_path / "mine.toml"
    path.write_text(
        "title = 'Mine'\n[all]\nmodel = 'simplecnn'\nepochs = 1\nbatch = 32\n[[runs]]\nname = 'a'\naccuracy "
        "= 60\n[[runs]]\nname = 'b'\nlearning_rate = 0.01\n"
    )
    command = ["benchmark", "--study", study.path, "--plan", path, "--fold", "0,1", "--jobs", 1]
    before = sorted(study.path.rglob("*"))
    code, text = run_bus(*command, "--dry-run")
    assert code == 0 and sorted(study.path.rglob("*")) == before
    assert (
        "Mine, split per image: 2 cells, 2 to train" in text
        and "Mine, folds by group: 4 cells, 4 to train" in text
    )
    code, text = run_bus(*command)
    assert code == 0 and "report/2/index.html" in text
    page = (study.path / "report" / "2" / "index.html").read_text()
    assert "split per image" in page and "folds by group" in page and "60.0" in page
    code, text = run_bus(*command, "--dry-run")
    assert code == 0 and "2 cells, 0 to train" in text and "4 cells, 0 to train" in text


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_first_weights_from_phantoms_and_the_readers_word_in_processes_of_their_own(study, run_bus):
    command = [
        "benchmark",
        "--study",
        study.path,
        "--preset",
        "demo",
        "--models",
        "simplecnn",
        "--jobs",
        2,
        *LITE0,
        "--arms",
        "original,cyclegan",
        "--init",
        "phantom",
    ]
    code, text = run_bus(*command)
    assert code == 0, text
    assert len(list((study.path / "phantom-start").glob("*.safetensors"))) == 1
    assert "Nothing to do" in run_bus(*command)[1]


CELLS = [
    "--preset",
    "demo",
    "--models",
    "simplecnn",
    "--seeds",
    "2",
    "--jobs",
    "1",
    "--arms",
    "original,cyclegan",
]


@pytest.mark.usefixtures("few_steps", "in_process")
def test_with_no_report_all_is_trained_and_nobody_looks(study, run_bus):
    names = ("benchmark.json", "benchmarks.json", "report/latest.json")
    kept = {name: (study.path / name).read_bytes() for name in names}
    asked = ("benchmark", "--study", study.path, *CELLS, *LITE0)
    code, text = run_bus(*asked, "--no-report")
    assert code == 0 and "All 4 cells are done. Nobody looked" in text and "macro-F1 (" not in text, text
    assert {name: (study.path / name).read_bytes() for name in names} == kept
    assert len(list(study.path.glob("fold-0/cells/*/simplecnn/seed-1-*/DONE"))) == 2
    code, text = run_bus(*asked)
    assert code == 0 and "to train" not in text and "report/2" in text, text


@pytest.mark.usefixtures("few_steps")
def test_where_trainings_fail_the_scans_are_judged_all_the_same(study, run_bus, monkeypatch):
    """They may be taken out before the failed ones are trained, or passed over."""
    judged = next(study.path.glob("fold-0/synth/seed-0/malignant/scores-test.json"))
    judged.unlink()
    monkeypatch.setattr(run, "run", lambda *cells, **how: ["a cell broke"])
    code, text = run_bus("benchmark", "--study", study.path, *CELLS, *LITE0, "--no-report")
    assert code == 1 and "1 of 4 cells failed" in text, text
    assert judged.exists()


@pytest.mark.parametrize("other", [("--json",), ("--inflation", "--models", "simplecnn")])
def test_no_report_goes_with_nothing_that_looks(tmp_path, run_bus, other):
    code, text = run_bus("benchmark", "--study", tmp_path / "none", "--no-report", *other)
    assert code == 2 and f"--no-report does not go with {other[0]}" in text, text


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("--json", "--export-workflow", "snakemake"), "--json does not go with --export-workflow"),
        (("--external-alike", "drop"), "--external-alike does nothing without --external"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(tmp_path, run_bus, typed, words):
    code, text = run_bus("benchmark", "--study", tmp_path / "none", *typed)
    assert code == 2 and words in text and not (tmp_path / "none").exists(), text
