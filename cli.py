"""The commands of `bus`. Torch and friends are imported inside them, so that --help answers at once."""

import gc
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from . import __version__
from .errors import BusError, UsageError, did_you_mean
from .files import read_json

if TYPE_CHECKING:
    from .compute import Compute
    from .data.study import Study

ORDER = ("gan", "synth", "benchmark", "demo", "data", "status", "report", "predict", "doctor")  # in the help


class InOrder(TyperGroup):
    """Commands in the order a newcomer needs them; typer would list groups last."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    name="bus", cls=InOrder, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
    help="Balance a breast-ultrasound data set with a CycleGAN and measure what that does to three classifiers. "
    "Research use only.",
    epilog="Example: bus demo\n\nExit codes: 0 done, 1 the work failed, 2 a wrong option or one that contradicts the study, "
    "130 stopped by Ctrl-C (the same command goes on).",
)  # fmt: skip
MAIN, DATA, LOOK = "The main job", "Data", "Look"  # panels of the commands
gan_app = typer.Typer(no_args_is_help=True, help="Train a translator that turns scans into target-class scans.",
                      epilog="Example: bus gan train --data Dataset_BUSI_with_GT")  # fmt: skip
app.add_typer(gan_app, name="gan", rich_help_panel=MAIN)
data_app = typer.Typer(no_args_is_help=True, help="Look at a data set, or simulate one.",
                       epilog="Example: bus data check Dataset_BUSI_with_GT")  # fmt: skip
app.add_typer(data_app, name="data", rich_help_panel=DATA)

STOPPED = "Stopped; what was finished is kept. Run the same command again to go on."
INTACT = "What was finished before is intact; the same command goes on."
FORMATS = ("table", "json", "html")  # of bus predict
STUDY, WORK, COMPUTE = "Study (frozen when it is created)", "Work", "Computing"
StudyPath = Annotated[Path, typer.Option("--study", help="Folder of the study.", rich_help_panel=STUDY)]
Data = Annotated[
    str | None,
    typer.Option(
        help="Folder or zip of class folders (BUSI's layout too), labels.csv, or phantom.", rich_help_panel=STUDY
    ),
]
Cohort = Annotated[
    str | None, typer.Option(help="raw, clean, strict or curated; clean unless given.", rich_help_panel=STUDY)
]
Size = Annotated[
    int | None, typer.Option(help="Side of the letterboxed scans in pixels; 64 unless given.", rich_help_panel=STUDY)
]
Folds = Annotated[int | None, typer.Option("--k", help="Number of folds; 5 unless given.", rich_help_panel=STUDY)]
SplitSeed = Annotated[
    int | None, typer.Option("--seed", help="Seed of the split; 0 unless given.", rich_help_panel=STUDY)
]
Target = Annotated[str | None, typer.Option(help="Class to balance; malignant unless given.", rich_help_panel=STUDY)]
Inner = Annotated[
    int | None,
    typer.Option(help="Make the study of this outer fold's training part alone (development).", rich_help_panel=STUDY),
]
Frames = Annotated[
    str | None, typer.Option(help="Of DICOM loops: middle or all; middle unless given.", rich_help_panel=STUDY)
]
ToClass = Annotated[
    str | None, typer.Option("--to", metavar="CLASS", help="Class to make; the study's target unless given.", rich_help_panel=WORK)
]
GanSeed = Annotated[int, typer.Option(help="Seed of the translator.", rich_help_panel=WORK)]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Effort: demo, quick, standard or paper; quick on a CPU, standard on a GPU.",
        rich_help_panel=WORK,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", metavar="", help="Say what would be done, for how long, and stop.", rich_help_panel=WORK)
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=COMPUTE)]
Precision = Annotated[str, typer.Option(help="auto, float32 or bfloat16.", rich_help_panel=COMPUTE)]
Extractor = Annotated[
    str,
    typer.Option(help="Network that judges: auto, inception (FID) or efficientnet-lite0 (FD).", rich_help_panel=WORK),
]
FidWeights = Annotated[
    Path | None,
    typer.Option(help="File with the Inception weights of FID.", exists=True, dir_okay=False, rich_help_panel=WORK),
]
FoldText = Annotated[str, typer.Option("--fold", help="0, or 0,2, or all.", rich_help_panel=WORK)]
FoldOrNone = Annotated[
    str,
    typer.Option(
        "--fold", help="0, or 0,2, or all; none: all scans, without a test part (no benchmark then).", rich_help_panel=WORK
    ),
]


def _machine(asked: bool) -> bool:
    """Callback of --json: from here on everything but the answer goes to stderr."""
    if asked:
        from .console import console, speak

        speak(quiet=console.quiet, machine=True)
    return asked


Json = Annotated[
    bool,
    typer.Option("--json", metavar="", callback=_machine, help="Print the answer as JSON, everything else on stderr.", rich_help_panel=WORK),
]  # fmt: skip


def _hush(asked: bool) -> bool:
    """Callback of --quiet: from here on only results and errors are said."""
    if asked:
        from .console import results, speak

        speak(quiet=True, machine=results.stderr)
    return asked


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", metavar="", callback=_hush, help="Say nothing but results and errors.")
]


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=2, allow_nan=False))  # escaped to ASCII: any locale's pipe can carry it


def _study(path: Path, asked: dict[str, Any], *, preset: str | None = None) -> "Study":
    """Open or create the study and show what every reader must know about its data."""
    from .console import Bars, console
    from .data import study as studies
    from .gan.config import check_preset

    if preset:
        check_preset(preset)
    new = not (path / "study.json").exists()
    phantoms = 240 if preset == "demo" else studies.PHANTOMS
    with Bars("Reading scans") as bars:
        study = studies.open_or_create(path, asked, phantoms=phantoms, say=console.print, reading=bars.start)
    if new:
        console.print(f"New study {path}: {_describe(study)}")
    for banner in study.settings.banners:
        console.print(f"Note: {banner}", style="yellow")
    return study


def _open(path: Path) -> "Study":
    from .data.study import Study

    if not (path / "study.json").exists():
        raise BusError(f"There is no study in {path}. Run bus gan train first, or give its folder with --study.")
    return Study.open(path)


def _describe(study: "Study") -> str:
    used = study.used()
    counts = ", ".join(f"{len(study.rows_of(used, [name]))} {name}" for name in study.classes)
    groups = len({study.groups[row] for row in used})
    return f"{study.settings.data.name}, cohort {study.settings.cohort}, {counts}; {groups} groups in {study.settings.k} folds."


def _folds(text: str, study: "Study") -> list[int | None]:
    from .benchmark.plan import fold_numbers

    return [None] if text == "none" else list(fold_numbers(text, study))


def _target(name: str | None, study: "Study") -> str:
    from .gan.config import check_target

    return check_target(study, name or study.target)


def _preset(name: str | None, compute: "Compute") -> str:
    return name or ("quick" if compute.device == "cpu" else "standard")


def _switches(texts: list[str]) -> dict[str, str]:
    """Split NAME=VALUE; UsageError for anything else."""
    if bad := [text for text in texts if "=" not in text]:
        raise UsageError(f"--set {bad[0]}: expected NAME=VALUE, such as --set cycle=10.")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


@gan_app.command("train", epilog="Example: bus gan train --data Dataset_BUSI_with_GT --fold 0")
def gan_train(
    study: StudyPath = Path("study"), data: Data = None, cohort: Cohort = None, size: Size = None, k: Folds = None,
    seed: SplitSeed = None, target: Target = None, inner: Inner = None,
    frames: Frames = None, fold: FoldOrNone = "0", to: ToClass = None,
    sources: Annotated[str | None, typer.Option("--from", metavar="CLASSES", help="Comma-separated classes to translate from; all others unless given.", rich_help_panel=WORK)] = None,
    gan_seed: GanSeed = 0, preset: PresetName = None,
    pairs: Annotated[int | None, typer.Option(help="Pairs of scans to show, instead of the preset's.", min=1, rich_help_panel=WORK)] = None,
    method: Annotated[str | None, typer.Option(help="projected, or published (CycleGAN of 2017); projected unless --preset paper.", rich_help_panel=WORK)] = None,
    switches: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change one switch of the method (docs/translator.md); may be repeated.", rich_help_panel=WORK)] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", metavar="", help="Write the curves for TensorBoard too (an extra).", rich_help_panel=WORK)] = False,
    redo: Annotated[bool, typer.Option("--redo", metavar="", help="Set the old translator and its scans aside and start anew.", rich_help_panel=WORK)] = False,
    dry_run: DryRun = False, device: Device = "auto", precision: Precision = "auto", quiet: Quiet = False,
) -> None:  # fmt: skip
    """Train a CycleGAN on the training part of a fold. The same command goes on where it stopped."""
    from .compute import resolve
    from .console import results
    from .gan import train, workflow

    compute = resolve(device, precision)
    asked = {
        "data": data,
        "cohort": cohort,
        "size": size,
        "k": k,
        "seed": seed,
        "target": target,
        "inner": inner,
        "frames": frames,
    }
    opened = _study(study, asked, preset=preset)
    names = tuple(name.strip() for name in sources.split(",")) if sources else None
    ask, to = workflow.Ask(preset, pairs, names, method, _switches(switches or [])), _target(to, opened)
    for number in _folds(fold, opened):
        place = opened.gan_path(number, to, gan_seed)
        config, here = workflow.plan_gan(
            opened, compute, fold=number, target=to, seed=gan_seed, ask=ask, preset=_preset(None, compute),
            redo=redo, insist=(device, precision) != ("auto", "auto"),
        )  # fmt: skip
        if dry_run:
            seconds = config.steps * train.time_step(opened, config, here)
            results.print(
                f"Would train {place}: {config.pairs:,} pairs in {config.steps:,} steps, about {_duration(seconds)}."
            )
        else:
            workflow.train_gan(opened, config, here, redo=redo, tensorboard=tensorboard)


@gan_app.command("score", epilog="Example: bus gan score made/malignant real/malignant")
def gan_score(
    synthetic: Annotated[Path | None, typer.Argument(help="Folder of generated scans.", exists=True, file_okay=False)] = None,
    real: Annotated[Path | None, typer.Argument(help="Folder of real scans.", exists=True, file_okay=False)] = None,
    study: StudyPath = Path("study"), fold: FoldOrNone = "0", to: ToClass = None, gan_seed: GanSeed = 0,
    size: Annotated[int, typer.Option(help="Side to which the scans of two folders are letterboxed, in pixels.", min=32)] = 64,
    extractor: Extractor = "auto", fid_weights: FidWeights = None, as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Score a study's synthetic scans, or compare any two folders: FID or FD, KID, precision, recall, density, coverage."""
    from .compute import resolve
    from .console import results
    from .gan import workflow

    compute, judge = resolve(), workflow.Judge(extractor, fid_weights)
    compute.start()
    if synthetic and not real:
        raise UsageError(f"One folder ({synthetic}) was given: expected two, generated then real, or none for a study.")
    if synthetic and real:
        found = workflow.compare_folders(synthetic, real, size, judge, compute)
        lines = workflow.comparison(found)
    else:
        opened = _open(study)
        numbers, to = _folds(fold, opened), _target(to, opened)
        for number in numbers:
            workflow.score_again(opened, compute, fold=number, target=to, gan_seed=gan_seed, judge=judge)
        found = {"study": str(study), "sets": [workflow.describe(opened, number, to, gan_seed) for number in numbers]}
        lines = iter(())
    if as_json:
        _print_json(found)
        return
    for line in lines:
        results.print(line)


@app.command(epilog="Example: bus synth --n 500", rich_help_panel=MAIN)
def synth(
    study: StudyPath = Path("study"),
    n: Annotated[int, typer.Option("--n", min=1, help="At least so many synthetic scans.", rich_help_panel=WORK)] = 500,
    fold: FoldOrNone = "0", to: ToClass = None, gan_seed: GanSeed = 0,
    extractor: Extractor = "auto", fid_weights: FidWeights = None,
    device: Device = "auto", precision: Precision = "auto", as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Make synthetic scans of the target class, each with its provenance, and score them."""
    from .compute import resolve
    from .gan import workflow

    compute, judge = resolve(device, precision), workflow.Judge(extractor, fid_weights)
    opened = _open(study)
    numbers, to = _folds(fold, opened), _target(to, opened)
    for number in numbers:
        workflow.make_scans(
            opened, compute, fold=number, target=to, gan_seed=gan_seed, count=n, judge=judge
        )
    if as_json:
        _print_json({"study": str(study), "sets": [workflow.describe(opened, number, to, gan_seed) for number in numbers]})


@app.command(epilog="Example: bus benchmark --fold all --seeds 3 --jobs 4", rich_help_panel=MAIN)
def benchmark(
    study: StudyPath = Path("study"), data: Data = None, cohort: Cohort = None, size: Size = None, k: Folds = None,
    seed: SplitSeed = None, target: Target = None, inner: Inner = None,
    frames: Frames = None, fold: FoldText = "0",
    arms: Annotated[str, typer.Option(help="Comma-separated: original, weighted, oversampled, cyclegan, relabelled; cyclegan:normal adds only scans made from normal ones.", show_default="all but relabelled", rich_help_panel=WORK)]
    = "original,weighted,oversampled,cyclegan",
    dose: Annotated[str, typer.Option(help="Comma-separated shares of what balance needs, such as 0.25,0.5,1,2.", rich_help_panel=WORK)] = "1",
    balance: Annotated[str | None, typer.Option(help="Comma-separated classes to raise; the study's target unless given.", rich_help_panel=WORK)] = None,
    models: Annotated[str, typer.Option(help="Comma-separated: simplecnn, vgg19, resnet18.", rich_help_panel=WORK)]
    = "simplecnn,vgg19,resnet18",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of every cell.", rich_help_panel=WORK)] = 1,
    gan_seed: GanSeed = 0, preset: PresetName = None,
    init: Annotated[str, typer.Option(help="First weights: none, phantom (first trained on simulated scans), imagenet, or a safetensors file.", rich_help_panel=WORK)] = "none",
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change one field of the training recipe (docs/benchmark.md); may be repeated.", rich_help_panel=WORK)] = None,
    keep_weights: Annotated[bool, typer.Option("--keep-weights", metavar="", help="Keep the classifiers' weights.", rich_help_panel=WORK)] = False,
    ablation: Annotated[str | None, typer.Option("--plan", metavar="PLAN", help="Run a plan instead: a TOML file, ablation-1 or ablation-2.", rich_help_panel=WORK)] = None,
    synthetic: Annotated[Path | None, typer.Option("--synthetic", metavar="FOLDER", exists=True, file_okay=False, help="Another generator's scans of the target class, as the arm unverified.", rich_help_panel=WORK)] = None,
    inflation: Annotated[bool, typer.Option("--inflation", metavar="", help="Show also what a split per image would have claimed.", rich_help_panel=WORK)] = False,
    external: Annotated[str | None, typer.Option(metavar="PATH", help="Class folders, zip or labels.csv of scans from elsewhere, on which every cell is tested too.", rich_help_panel=WORK)] = None,
    extractor: Extractor = "auto", fid_weights: FidWeights = None, dry_run: DryRun = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells at once, one thread each; the cores unless given.", rich_help_panel=COMPUTE)] = None,
    device: Device = "auto", precision: Precision = "auto", as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Retrain the classifiers on every arm of a fold and write the report; makes translator and scans where missing."""
    from .benchmark import pipeline, plan
    from .benchmark.arms import Arm, doses, with_doses
    from .benchmark.arms import chosen as choose_arms
    from .classify.models import KNOWN, check_init
    from .classify.recipe import check_changes
    from .compute import cores, resolve
    from .gan.workflow import Judge

    compute, judge = resolve(device, precision), Judge(extractor, fid_weights)
    choose_arms(arms)  # their source classes are checked when the study is open
    chosen = plan.names(models, KNOWN, "--models")
    check_init(chosen, init)
    shares = doses(dose)
    if fold == "none":
        raise UsageError("--fold none: a benchmark needs test scans. Use --fold 0, 0,2 or all.")
    asked = {
        "data": data,
        "cohort": cohort,
        "size": size,
        "k": k,
        "seed": seed,
        "target": target,
        "inner": inner,
        "frames": frames,
    }
    opened = _study(study, asked, preset=preset)
    wish = plan.Wish(
        tuple(plan.fold_numbers(fold, opened)), with_doses((*choose_arms(arms, opened.classes), *[Arm("unverified")] * bool(synthetic)), shares),
        chosen, seeds,
        _preset(preset, compute), init, gan_seed, plan.names(balance, opened.classes, "--balance") if balance else (),
        tuple(check_changes(_switches(changes or []), "--set").items()), synthetic.resolve() if synthetic else None,
    )  # fmt: skip
    jobs = jobs or (cores() if compute.device == "cpu" else 1)
    command = shlex.join(["bus", *sys.argv[1:]])
    if ablation and dry_run:
        _print_ablation(opened, ablation, wish, compute, jobs)
        return
    if ablation:
        pipeline.run_plan(opened, ablation, wish.folds, seeds, compute, jobs=jobs, command=command)
        return
    if dry_run:
        _print_plan(opened, wish, compute, jobs)
        return
    page = pipeline.benchmark(
        opened, wish, compute, jobs=jobs, keep_weights=keep_weights, judge=judge,
        command=command, extras=pipeline.Extras(external or "", inflation),
    )  # fmt: skip
    if as_json:
        _print_json({"study": str(study), "report": str(page), **read_json(page.parent / "summary.json")})


def _print_ablation(study: "Study", source: str, wish: Any, compute: "Compute", jobs: int) -> None:
    """Show the runs of a plan and how long they would take on the asked folds and on the split per image."""
    from .benchmark import ablation, run
    from .console import results

    chosen = ablation.read(source)
    pairs = list(ablation.cells(study, chosen, wish.folds, wish.seeds, compute))
    kinds = {(cell.model, cell.recipe.batch): cell for _, cell in pairs}
    step = {kind: run.time_step(cell, study.settings.size, len(study.classes), 1) for kind, cell in kinds.items()}
    seconds = [step[cell.model, cell.recipe.batch] * cell.recipe.steps for _, cell in pairs]
    for (one, cell), spent in list(zip(pairs, seconds, strict=True))[: len(chosen.runs)]:
        results.print(f"  {one.name}: {cell.model}, {cell.arm}, {cell.recipe.steps:,} steps of {cell.recipe.batch}, {_duration(spent)}")
    total = sum(seconds) * (1 + 1 / len(wish.folds)) / jobs
    results.print(f"{chosen.title}: {len(pairs)} trainings on folds by group and as many a fold on a split per image, about {_duration(total)}.")


def _print_plan(study: "Study", wish: Any, compute: "Compute", jobs: int) -> None:
    """Show the cells of a benchmark, what each model's step takes here, and the time and disk of the whole."""
    from .benchmark import plan, run
    from .console import results
    from .gan import train
    from .gan.config import configure

    cells = plan.cells(study, wish, compute)
    todo = run.missing(cells, keep_weights=False)
    step = {
        model: run.time_step(
            next(cell for cell in cells if cell.model == model), study.settings.size, len(study.classes)
        )
        for model in wish.models
    }
    seconds = sum(step[cell.model] * cell.recipe.steps for cell in todo) / min(jobs, max(1, len(todo)))
    results.print(
        f"{len(cells)} cells ({', '.join(map(str, wish.arms))} × {', '.join(wish.models)} × {wish.seeds} seed(s)), {len(todo)} to train."
    )
    for model in wish.models:
        results.print(f"  {model}: {step[model]:.2f} s a step")
    for fold, label in wish.synthetic(study):
        if not train.is_done(study.gan_path(fold, label, wish.gan_seed)):
            config = configure(study, compute, fold=fold, target=label, seed=wish.gan_seed, preset=wish.preset)
            more = config.steps * train.time_step(study, config, compute)
            seconds += more
            results.print(f"  fold {fold}: a translator first, to {label}, about {_duration(more)}")
    results.print(f"About {_duration(seconds)} with {jobs} job(s), and {1 + len(todo) // 20} MB of disk.")


@app.command(epilog="Example: bus predict scans/ --format html", rich_help_panel=LOOK)
def predict(
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN…", help="Files, folders with all that is in them, zips.")],
    study: StudyPath = Path("study"),
    fold: Annotated[int, typer.Option(min=0, help="Fold whose classifier answers.", rich_help_panel=WORK)] = 0,
    model: Annotated[str, typer.Option(help="simplecnn, vgg19 or resnet18.", rich_help_panel=WORK)] = "resnet18",
    arm: Annotated[str, typer.Option(help="Arm that it was trained on.", rich_help_panel=WORK)] = "cyclegan",
    seed: Annotated[int, typer.Option(min=0, help="Seed of its training.", rich_help_panel=WORK)] = 0,
    form: Annotated[str, typer.Option("--format", help="table, json or html.", rich_help_panel=WORK)] = "table",
    out: Annotated[Path | None, typer.Option(help="File for json or html; predict.html unless given.", rich_help_panel=WORK)] = None,
    heat: Annotated[bool | None, typer.Option("--heat/--no-heat", metavar="", help="Show where it looked; in html unless switched off.", rich_help_panel=WORK)] = None,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Let a trained classifier answer scans, and show where it looked. Research use only."""
    from .benchmark import plan
    from .benchmark import predict as answering
    from .benchmark.arms import CHOSEN
    from .classify.models import MODELS
    from .compute import resolve
    from .data import loose
    from .data.study import Study

    for option, name, known in (("format", form, FORMATS), ("model", model, MODELS), ("arm", arm, CHOSEN)):
        if name not in known:
            raise UsageError(f"--{option} {name} is unknown; choose one of {', '.join(known)}.{did_you_mean(name, known)}")
    if form == "table" and (heat or out):
        raise UsageError(f"--{'heat' if heat else 'out'} needs --format html or json; a table has no place for it.")
    if out and out.suffix.casefold() != f".{form}":
        raise UsageError(f"--out {out}: expected a name that ends in .{form}, so that no scan is overwritten by mistake.")
    opened = Study.open(study)
    plan.fold_numbers(str(fold), opened)
    found = loose.find(scans)
    if not found.scans:
        raise UsageError(f"There is no scan among these; {len(found.passed)} files passed over (masks and others).")
    trained = answering.find_trained(opened, fold=fold, model=model, arm=arm, seed=seed)
    compute = resolve()
    compute.start()
    answers = answering.answer(trained, found.scans, compute, heat=form == "html" if heat is None else heat)
    _show_answers(answers, form, out)
    if found.passed:
        typer.echo(f"{len(found.passed)} files passed over (masks and others).", err=True)
    for _, reason in answers.unreadable:
        typer.echo(f"unreadable: {reason}", err=True)
    if answers.unreadable:
        raise typer.Exit(1)


def _show_answers(answers: Any, form: str, out: Path | None) -> None:
    """Write or print what a classifier answered."""
    from rich.console import Console

    from .benchmark import predict as answering
    from .benchmark.predict_page import write_page
    from .console import results
    from .files import write_json

    if form == "html":
        results.print(f"Page: {write_page(answers, out or Path('predict.html'))}")
    elif form == "json" and out:
        write_json(out, answering.as_json(answers))
        results.print(f"Written: {out}")
    elif form == "json":
        typer.echo(json.dumps(answering.as_json(answers), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        for remark in answers.trained.remarks:
            results.print(f"Note: {remark}", style="yellow")
        wide = results if results.is_terminal else Console(width=200)  # so that a file or pipe gets whole names
        wide.print(answering.table(answers))


@app.command(epilog="Example: bus status --study study", rich_help_panel=LOOK)
def status(study: StudyPath = Path("study"), as_json: Json = False, quiet: Quiet = False) -> None:
    """Say what a study holds and what is missing or under way."""
    from .benchmark import status as state
    from .console import results
    from .data.study import Study

    opened = Study.open(study)
    found = state.overview(opened)
    if as_json:
        _print_json(found)
        return
    results.print(f"{study}: {_describe(opened)}")
    for banner in opened.settings.banners:
        results.print(f"Note: {banner}", style="yellow")
    for line in state.lines(found):
        results.print(line)


@app.command(epilog="Example: bus report --open", rich_help_panel=LOOK)
def report(
    study: StudyPath = Path("study"),
    show: Annotated[bool, typer.Option("--open", metavar="", help="Show the page in the browser.", rich_help_panel=WORK)] = False,
    quiet: Quiet = False,
) -> None:
    """Write the report of the last benchmark again from the cells that are finished; trains nothing."""
    import webbrowser

    from .benchmark import pipeline
    from .data.study import Study

    page = pipeline.rewrite(Study.open(study))
    if show and not webbrowser.open(page.resolve().as_uri()):
        raise BusError(f"No browser could be started here. Open {page} in one.")


@app.command(epilog="Example: bus doctor", rich_help_panel=LOOK)
def doctor(as_json: Json = False, quiet: Quiet = False) -> None:
    """Say what this machine has, what bus would choose on it and why, and what would be slow."""
    from .console import findings
    from .doctor import examine, lines

    found = examine(Path.cwd())
    if as_json:
        _print_json(found)
        return
    findings(lines(found))


@app.command(epilog="Example: bus demo", rich_help_panel=MAIN)
def demo(
    study: StudyPath = Path("demo-study"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells at once; the cores unless given.", rich_help_panel=COMPUTE)] = None,
    quiet: Quiet = False,
) -> None:
    """Run the whole way once on simulated phantoms, in minutes. Its numbers mean nothing; its report shows the form."""
    from .benchmark import pipeline, plan
    from .compute import cores, resolve
    from .gan import workflow

    compute = resolve()
    opened = _study(study, {"data": "phantom"}, preset="demo")
    config, here = workflow.plan_gan(
        opened, compute, fold=0, target=opened.target, seed=0, ask=workflow.Ask(), preset="demo"
    )
    workflow.train_gan(opened, config, here)
    judge = workflow.Judge()
    workflow.make_scans(opened, compute, fold=0, target=opened.target, gan_seed=0, count=60, judge=judge)
    wish = plan.Wish((0,), preset="demo")
    pipeline.benchmark(
        opened, wish, compute, jobs=jobs or cores(), keep_weights=False, judge=judge,
        command=f"bus demo --study {shlex.quote(str(study))}",
    )  # fmt: skip


@data_app.command("check", epilog="Example: bus data check Dataset_BUSI_with_GT")
def data_check(
    data: Annotated[str, typer.Argument(metavar="PATH", help="What you would give as --data.")],
    page: Annotated[Path, typer.Option(help="The HTML page to write.")] = Path("data-check.html"),
    k: Annotated[int, typer.Option("--k", min=2, help="Folds that a study would have.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Audit a data set before a study: groups, contradictions, burned-in marks, shortcuts, leaks. Exit code 1: unsound."""
    from .benchmark.check_page import write_page
    from .console import Bars, results
    from .console import findings as show
    from .data import check

    with Bars("Reading scans") as bars:
        findings = check.check(data, k=k, seed=seed, reading=bars.start)
    written = write_page(findings, page)
    if as_json:
        _print_json({**check.as_dict(findings), "page": str(written)})
    show([] if as_json else check.lines(findings))
    results.print(f"Page: {written}")
    if findings.unsound:
        raise typer.Exit(1)


@data_app.command("phantom", epilog="Example: bus data phantom phantoms --n 780")
def data_phantom(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of scans.")] = 780,
    size: Annotated[int, typer.Option(help="Side in pixels.")] = 128,
    seed: Annotated[int, typer.Option(help="Seed of the cohort.")] = 0,
    scanner: Annotated[str, typer.Option(help="linear-7, linear-10 or linear-14.")] = "linear-10",
    paired: Annotated[bool, typer.Option("--paired", metavar="", help="The same anatomy benign and malignant.")] = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a cohort and write it in BUSI's layout, with masks, groups and lesion parameters."""
    from .compute import cores
    from .console import progress, results
    from .data import phantom

    jobs = cores() if n > 200 else 1  # below that, starting processes takes longer than they save
    with progress(f"Simulating {n} phantoms", n) as advance:
        phantom.write_cohort(
            out, n, seed=seed, size=size, scanner=scanner, paired=paired, jobs=jobs, progress=lambda done: advance()
        )
    results.print(f"{n} phantoms in {out}; use them with --data {shlex.quote(str(out))}.")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"bus-balance {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    from .console import speak

    speak(quiet=quiet)  # also loud again, for a caller that runs several commands


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exit codes: 0 done, 1 the work failed, 2 a wrong option, 130 stopped by the user."""
    from .console import Interrupted, results

    try:
        app(arguments, prog_name="bus")
    except UsageError as error:
        _fail(str(error), 2)
    except BusError as error:
        _fail(str(error), 1)
    except (Interrupted, KeyboardInterrupt) as stop:
        results.print(str(stop) or STOPPED)
        gc.freeze()  # or Python looks through all of torch once more before it ends, for a second and longer
        sys.exit(130)
    except SystemExit as end:  # typer turns a Ctrl-C outside of our loops into this
        if end.code == 130:
            results.print(STOPPED)
        raise
    except OSError as error:
        _fail(f"{error.filename or 'The work'}: {error.strerror or error}. {INTACT}", 1)
    except MemoryError:
        _fail(f"Memory ran out. Use fewer --jobs, or a smaller --size in a new study. {INTACT}", 1)


def _fail(text: str, code: int) -> None:
    typer.echo(f"bus: {text}", err=True)
    sys.exit(code)
