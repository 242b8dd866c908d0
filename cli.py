"""The commands of `bus`. Torch and friends are imported inside them, so that --help answers at once."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__
from .errors import BusError, UsageError

if TYPE_CHECKING:
    from .compute import Compute
    from .data.study import Study

app = typer.Typer(
    name="bus", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
    help="Balance a breast-ultrasound data set with a CycleGAN and measure what that does to three classifiers. "
    "Research use only.",
)  # fmt: skip
gan_app = typer.Typer(no_args_is_help=True, help="Train a translator that turns scans into target-class scans.")
app.add_typer(gan_app, name="gan")
data_app = typer.Typer(no_args_is_help=True, help="Look at a data set, or simulate one.")
app.add_typer(data_app, name="data")

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
    bool, typer.Option("--dry-run", help="Say what would be done, for how long, and stop.", rich_help_panel=WORK)
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
        "--fold", help="0, or 0,2, or all; none trains on every scan (no benchmark then).", rich_help_panel=WORK
    ),
]


def _study(path: Path, asked: dict[str, Any], *, preset: str | None = None) -> "Study":
    """Open or create the study and show what every reader must know about its data."""
    from .console import Bars, console
    from .data import study as studies

    new = not (path / "study.json").exists()
    phantoms = 240 if preset == "demo" else studies.PHANTOMS
    with Bars("Reading scans") as bars:
        study = studies.open_or_create(path, asked, phantoms=phantoms, say=console.print, reading=bars.start)
    if new:
        console.print(f"New study {path}: {_describe(study)}")
    for banner in study.settings.banners:
        console.print(f"Note: {banner}", style="yellow")
    return study


def _describe(study: "Study") -> str:
    used = study.used()
    counts = ", ".join(f"{len(study.rows_of(used, [name]))} {name}" for name in study.classes)
    groups = len({study.groups[row] for row in used})
    return f"{study.settings.data.name}, cohort {study.settings.cohort}, {counts}; {groups} groups in {study.settings.k} folds."


def _folds(text: str, study: "Study") -> list[int | None]:
    from .benchmark.plan import fold_numbers

    return [None] if text == "none" else list(fold_numbers(text, study))


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
    frames: Frames = None, fold: FoldOrNone = "0", gan_seed: GanSeed = 0,
    preset: PresetName = None,
    pairs: Annotated[int | None, typer.Option(help="Pairs of scans to show, instead of the preset's.", min=1, rich_help_panel=WORK)] = None,
    method: Annotated[str | None, typer.Option(help="projected, or published (CycleGAN of 2017); projected unless --preset paper.", rich_help_panel=WORK)] = None,
    switches: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change one switch of the method (docs/translator.md); may be repeated.", rich_help_panel=WORK)] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Set the old translator and its scans aside and start anew.", rich_help_panel=WORK)] = False,
    dry_run: DryRun = False, device: Device = "auto", precision: Precision = "auto",
) -> None:  # fmt: skip
    """Train a CycleGAN on the training part of a fold. The same command goes on where it stopped."""
    from .compute import resolve
    from .console import console
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
    ask = workflow.Ask(preset, pairs, method, _switches(switches or []))
    for number in _folds(fold, opened):
        place = opened.gan_path(number, opened.target, gan_seed)
        config, here = workflow.plan_gan(
            opened, compute, fold=number, target=opened.target, seed=gan_seed, ask=ask, preset=_preset(None, compute),
            redo=redo, insist=(device, precision) != ("auto", "auto"),
        )  # fmt: skip
        if dry_run:
            seconds = config.steps * train.time_step(opened, config, here)
            console.print(
                f"Would train {place}: {config.pairs:,} pairs in {config.steps:,} steps, about {_duration(seconds)}."
            )
        else:
            workflow.train_gan(opened, config, here, redo=redo)


@gan_app.command("score", epilog="Example: bus gan score study/fold-0/synth/seed-0/malignant real/malignant")
def gan_score(
    synthetic: Annotated[Path, typer.Argument(help="Folder of generated scans.", exists=True, file_okay=False)],
    real: Annotated[Path, typer.Argument(help="Folder of real scans.", exists=True, file_okay=False)],
    size: Annotated[int, typer.Option(help="Side to which all are letterboxed, in pixels.", min=32)] = 64,
    extractor: Extractor = "auto", fid_weights: FidWeights = None,
) -> None:  # fmt: skip
    """Compare any two folders of scans: FID or FD, KID, precision, recall, density, coverage."""
    from .compute import resolve
    from .console import console
    from .gan import workflow

    compute = resolve()
    compute.start()
    for line in workflow.compare_folders(synthetic, real, size, workflow.Judge(extractor, fid_weights), compute):
        console.print(line)


@app.command(epilog="Example: bus synth --n 500")
def synth(
    study: StudyPath = Path("study"),
    n: Annotated[int, typer.Option("--n", min=1, help="At least so many synthetic scans.", rich_help_panel=WORK)] = 500,
    fold: FoldOrNone = "0", gan_seed: GanSeed = 0, extractor: Extractor = "auto", fid_weights: FidWeights = None,
    device: Device = "auto", precision: Precision = "auto",
) -> None:  # fmt: skip
    """Make synthetic scans of the target class, each with its provenance, and score them."""
    from .compute import resolve
    from .data.study import Study
    from .gan import workflow

    compute = resolve(device, precision)
    if not (study / "study.json").exists():
        raise BusError(f"There is no study in {study}. Run bus gan train first, or give its folder with --study.")
    opened = Study.open(study)
    for number in _folds(fold, opened):
        workflow.make_scans(
            opened, compute, fold=number, target=opened.target, gan_seed=gan_seed, count=n,
            judge=workflow.Judge(extractor, fid_weights),
        )  # fmt: skip


@app.command(epilog="Example: bus benchmark --fold all --seeds 3 --jobs 4")
def benchmark(
    study: StudyPath = Path("study"), data: Data = None, cohort: Cohort = None, size: Size = None, k: Folds = None,
    seed: SplitSeed = None, target: Target = None, inner: Inner = None,
    frames: Frames = None, fold: FoldText = "0",
    arms: Annotated[str, typer.Option(help="Comma-separated: original, weighted, oversampled, cyclegan, relabelled.", rich_help_panel=WORK)]
    = "original,weighted,oversampled,cyclegan",
    models: Annotated[str, typer.Option(help="Comma-separated: simplecnn, vgg19, resnet18.", rich_help_panel=WORK)]
    = "simplecnn,vgg19,resnet18",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of every cell.", rich_help_panel=WORK)] = 1,
    gan_seed: GanSeed = 0, preset: PresetName = None,
    init: Annotated[str, typer.Option(help="First weights: none, imagenet, or a safetensors file.", rich_help_panel=WORK)] = "none",
    keep_weights: Annotated[bool, typer.Option("--keep-weights", help="Keep the classifiers' weights.", rich_help_panel=WORK)] = False,
    extractor: Extractor = "auto", fid_weights: FidWeights = None, dry_run: DryRun = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells at once, one thread each; the cores unless given.", rich_help_panel=COMPUTE)] = None,
    device: Device = "auto", precision: Precision = "auto",
) -> None:  # fmt: skip
    """Retrain the classifiers on every arm of a fold and write the report; makes translator and scans where missing."""
    from .benchmark import pipeline, plan
    from .classify.models import MODELS, check_init
    from .compute import cores, resolve
    from .gan.workflow import Judge

    compute = resolve(device, precision)
    chosen = plan.names(models, MODELS, "--models")
    check_init(chosen, init)
    arm_names = plan.names(arms, tuple(plan.ARMS), "--arms")
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
        tuple(plan.fold_numbers(fold, opened)), arm_names, chosen, seeds, _preset(preset, compute), init, gan_seed
    )
    jobs = jobs or (cores() if compute.device == "cpu" else 1)
    if dry_run:
        _print_plan(opened, wish, compute, jobs)
        return
    pipeline.benchmark(
        opened, wish, compute, jobs=jobs, keep_weights=keep_weights, judge=Judge(extractor, fid_weights),
        command=shlex.join(["bus", *sys.argv[1:]]),
    )  # fmt: skip


def _print_plan(study: "Study", wish: Any, compute: "Compute", jobs: int) -> None:
    """Show the cells of a benchmark, what each model's step takes here, and the time and disk of the whole."""
    from .benchmark import plan, run
    from .console import console
    from .gan import train

    cells = plan.cells(study, wish, compute)
    todo = run.missing(cells, keep_weights=False)
    step = {
        model: run.time_step(
            next(cell for cell in cells if cell.model == model), study.settings.size, len(study.classes)
        )
        for model in wish.models
    }
    seconds = sum(step[cell.model] * cell.recipe.steps for cell in todo) / min(jobs, max(1, len(todo)))
    console.print(
        f"{len(cells)} cells ({', '.join(wish.arms)} × {', '.join(wish.models)} × {wish.seeds} seed(s)), {len(todo)} to train."
    )
    for model in wish.models:
        console.print(f"  {model}: {step[model]:.2f} s a step")
    if {"cyclegan", "relabelled"} & set(wish.arms):
        for fold in wish.folds:
            if not train.is_done(study.gan_path(fold, study.target, wish.gan_seed)):
                config = train.configure(
                    study, compute, fold=fold, target=study.target, seed=wish.gan_seed, preset=wish.preset
                )
                more = config.steps * train.time_step(study, config, compute)
                seconds += more
                console.print(f"  fold {fold}: a translator first, about {_duration(more)}")
    console.print(f"About {_duration(seconds)} with {jobs} job(s), and {1 + len(todo) // 20} MB of disk.")


@app.command(epilog="Example: bus predict scans/ --format html")
def predict(
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN…", help="Files, folders with all that is in them, zips.")],
    study: StudyPath = Path("study"),
    fold: Annotated[int, typer.Option(min=0, help="Fold whose classifier answers.", rich_help_panel=WORK)] = 0,
    model: Annotated[str, typer.Option(help="simplecnn, vgg19 or resnet18.", rich_help_panel=WORK)] = "resnet18",
    arm: Annotated[str, typer.Option(help="Arm that it was trained on.", rich_help_panel=WORK)] = "cyclegan",
    seed: Annotated[int, typer.Option(min=0, help="Seed of its training.", rich_help_panel=WORK)] = 0,
    form: Annotated[str, typer.Option("--format", help="table, json or html.", rich_help_panel=WORK)] = "table",
    out: Annotated[Path | None, typer.Option(help="File for json or html; predict.html unless given.", rich_help_panel=WORK)] = None,
    heat: Annotated[bool | None, typer.Option("--heat/--no-heat", help="Show where it looked; in html unless switched off.", rich_help_panel=WORK)] = None,
) -> None:  # fmt: skip
    """Let a trained classifier answer scans, and show where it looked. Research use only."""
    from .benchmark import plan
    from .benchmark import predict as answering
    from .classify.models import MODELS
    from .compute import resolve
    from .data import loose
    from .data.study import Study

    for option, name, known in (("format", form, FORMATS), ("model", model, MODELS), ("arm", arm, tuple(plan.ARMS))):
        if name not in known:
            raise UsageError(f"--{option} {name} is unknown; choose one of {', '.join(known)}.")
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
    from .console import console
    from .files import write_json

    if form == "html":
        console.print(f"Page: {write_page(answers, out or Path('predict.html'))}")
    elif form == "json" and out:
        write_json(out, answering.as_json(answers))
        console.print(f"Written: {out}")
    elif form == "json":
        typer.echo(json.dumps(answering.as_json(answers), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        for remark in answers.trained.remarks:
            console.print(f"Note: {remark}", style="yellow")
        wide = console if console.is_terminal else Console(width=200)  # so that a file or pipe gets whole names
        wide.print(answering.table(answers))


@app.command(epilog="Example: bus status --study study")
def status(study: StudyPath = Path("study")) -> None:
    """Say what a study holds and what is missing or under way."""
    from .benchmark import status as overview
    from .console import console
    from .data.study import Study

    opened = Study.open(study)
    console.print(f"{study}: {_describe(opened)}")
    for banner in opened.settings.banners:
        console.print(f"Note: {banner}", style="yellow")
    for line in overview.lines(opened):
        console.print(line)


@app.command(epilog="Example: bus demo")
def demo(
    study: StudyPath = Path("demo-study"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells at once.")] = None,
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
) -> None:
    """Audit a data set before a study: groups, contradictions, burned-in marks, shortcuts, leaks. Exit code 1: unsound."""
    from .benchmark.check_page import write_page
    from .console import Bars, console
    from .data import check

    with Bars("Reading scans") as bars:
        findings = check.check(data, k=k, seed=seed, reading=bars.start)
    for line in check.lines(findings):
        console.print(line)
    console.print(f"Page: {write_page(findings, page)}")
    if findings.unsound:
        raise typer.Exit(1)


@data_app.command("phantom", epilog="Example: bus data phantom phantoms --n 780")
def data_phantom(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of scans.")] = 780,
    size: Annotated[int, typer.Option(help="Side in pixels.")] = 128,
    seed: Annotated[int, typer.Option(help="Seed of the cohort.")] = 0,
    scanner: Annotated[str, typer.Option(help="linear-7, linear-10 or linear-14.")] = "linear-10",
    paired: Annotated[bool, typer.Option("--paired", help="The same anatomy benign and malignant.")] = False,
) -> None:
    """Simulate a cohort and write it in BUSI's layout, with masks, groups and lesion parameters."""
    from .compute import cores
    from .console import console, progress
    from .data import phantom

    jobs = cores() if n > 200 else 1  # below that, starting processes takes longer than they save
    with progress(f"Simulating {n} phantoms", n) as advance:
        phantom.write_cohort(
            out, n, seed=seed, size=size, scanner=scanner, paired=paired, jobs=jobs, progress=lambda done: advance()
        )
    console.print(f"{n} phantoms in {out}; use them with --data {shlex.quote(str(out))}.")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"bus-balance {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exit codes: 0 done, 1 the work failed, 2 a wrong option, 130 stopped by the user."""
    from .console import Interrupted, console

    try:
        app(arguments, prog_name="bus")
    except UsageError as error:
        _fail(str(error), 2)
    except BusError as error:
        _fail(str(error), 1)
    except (Interrupted, KeyboardInterrupt) as stop:
        console.print(str(stop) or "Stopped.")
        sys.exit(130)


def _fail(text: str, code: int) -> None:
    typer.echo(f"bus: {text}", err=True)
    sys.exit(code)
