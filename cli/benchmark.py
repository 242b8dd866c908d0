"""The commands about classifiers: `bus benchmark`, `demo`, `status`, `report`, `predict`."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import BusError, UsageError, did_you_mean
from ..core.files import read_json
from ..core.switches import split
from .options import (
    COMPUTE,
    WORK,
    Cohort,
    Data,
    Device,
    DryRun,
    Extractor,
    FidWeights,
    Folds,
    FoldText,
    Frames,
    GanSeed,
    Inner,
    Json,
    Precision,
    PresetName,
    Quiet,
    Size,
    SplitSeed,
    StudyPath,
    Target,
    default_preset,
    describe,
    duration,
    fold_numbers,
    given,
    names,
    print_json,
    use_study,
)

if TYPE_CHECKING:
    from ..core.compute import Compute
    from ..data.study import Study

FORMATS = ("table", "json", "html")  # of bus predict
PLAN_TAKES = {  # parameters of bus benchmark that go with --plan; all else the plan says itself
    "study",
    "data",
    "cohort",
    "size",
    "k",
    "seed",
    "target",
    "inner",
    "frames",
    "fold",
    "seeds",
    "ablation",
    "dry_run",
    "jobs",
    "device",
    "precision",
    "quiet",
}
PLAN_MAKES = {"preset", "extractor", "fid_weights"}  # also, where an arm of the plan needs synthetic scans


def benchmark(
    ctx: typer.Context,
    study: StudyPath = Path("study"),
    data: Data = None,
    cohort: Cohort = None,
    size: Size = None,
    k: Folds = None,
    seed: SplitSeed = None,
    target: Target = None,
    inner: Inner = None,
    frames: Frames = None,
    fold: FoldText = "0",
    arms: Annotated[
        str,
        typer.Option(
            help="Comma-separated: original, weighted, oversampled, cyclegan, relabelled; cyclegan:normal adds only scans made from normal ones.",
            show_default="all but relabelled",
            rich_help_panel=WORK,
        ),
    ] = "original,weighted,oversampled,cyclegan",
    dose: Annotated[
        str,
        typer.Option(
            help="Comma-separated shares of what balance needs, such as 0.25,0.5,1,2.", rich_help_panel=WORK
        ),
    ] = "1",
    balance: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated classes to raise; the study's target unless given.", rich_help_panel=WORK
        ),
    ] = None,
    models: Annotated[
        str, typer.Option(help="Comma-separated: simplecnn, vgg19, resnet18.", rich_help_panel=WORK)
    ] = "simplecnn,vgg19,resnet18",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of every cell.", rich_help_panel=WORK)] = 1,
    gan_seed: GanSeed = 0,
    preset: PresetName = None,
    init: Annotated[
        str,
        typer.Option(
            help="First weights: none, phantom (first trained on simulated scans), imagenet, or a safetensors file.",
            rich_help_panel=WORK,
        ),
    ] = "none",
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change one field of the training recipe (docs/benchmark.md); may be repeated.",
            rich_help_panel=WORK,
        ),
    ] = None,
    keep_weights: Annotated[
        bool,
        typer.Option(
            "--keep-weights", metavar="", help="Keep the classifiers' weights.", rich_help_panel=WORK
        ),
    ] = False,
    ablation: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="PLAN",
            help="Run a plan instead: a TOML file, ablation-1 or ablation-2.",
            rich_help_panel=WORK,
        ),
    ] = None,
    synthetic: Annotated[
        Path | None,
        typer.Option(
            "--synthetic",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Another generator's scans of the target class, as the arm unverified.",
            rich_help_panel=WORK,
        ),
    ] = None,
    inflation: Annotated[
        bool,
        typer.Option(
            "--inflation",
            metavar="",
            help="Show also what a split per image would have claimed.",
            rich_help_panel=WORK,
        ),
    ] = False,
    external: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Class folders, zip or labels.csv of scans from elsewhere, on which every cell is tested too.",
            rich_help_panel=WORK,
        ),
    ] = None,
    extractor: Extractor = "auto",
    fid_weights: FidWeights = None,
    dry_run: DryRun = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Cells at once, one thread each; the cores unless given.", rich_help_panel=COMPUTE
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Retrain the classifiers on every arm of a fold and write the report; makes translator and scans where missing."""
    from ..benchmark import cells as plan
    from ..benchmark import pipeline
    from ..benchmark.arms import Arm, doses, with_doses
    from ..benchmark.arms import chosen as choose_arms
    from ..classify.models import INITS, KNOWN, check_init
    from ..classify.recipe import check_changes
    from ..core.compute import cores, resolve
    from ..gan.workflow import Judge

    _check_together(given(ctx), ablation)
    compute, judge = resolve(device, precision), Judge(extractor, fid_weights)
    kinds = choose_arms(arms)  # their source classes are checked when the study is open
    chosen = names(models, KNOWN, "--models")
    check_init(chosen, init)
    shares = doses(dose)
    if inflation and 1 not in shares:
        raise UsageError(
            f"--inflation compares the full dose, which --dose {dose} leaves out. Add 1 to it, or leave --inflation out."
        )
    if inflation and not (
        set(pipeline.INFLATED) & set(chosen) and {Arm("original"), Arm("cyclegan")} <= set(kinds)
    ):
        raise UsageError(
            "--inflation compares original and cyclegan of SimpleCNN and ResNet18: name both arms and one of these models, or leave it out."
        )
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
    opened = use_study(study, asked, preset=preset)
    wish = plan.Wish(
        tuple(fold_numbers(fold, opened)),
        with_doses((*choose_arms(arms, opened.classes), *[Arm("unverified")] * bool(synthetic)), shares),
        chosen,
        seeds,
        default_preset(preset, compute),
        init if init in INITS else str(Path(init).resolve()),
        gan_seed,
        names(balance, opened.classes, "--balance") if balance else (),
        tuple(check_changes(split(changes or [], "batch=16")).items()),
        synthetic.resolve() if synthetic else None,
    )
    jobs = jobs or (cores() if compute.device == "cpu" else 1)
    command = shlex.join(["bus", *sys.argv[1:]])
    if ablation and dry_run:
        _print_ablation(opened, ablation, wish, compute, jobs)
        return
    if ablation:
        pipeline.run_plan(opened, ablation, wish, compute, jobs=jobs, judge=judge, command=command)
        return
    if dry_run:
        _print_plan(opened, wish, compute, jobs)
        return
    page = pipeline.benchmark(
        opened,
        wish,
        compute,
        jobs=jobs,
        keep_weights=keep_weights,
        judge=judge,
        command=command,
        extras=pipeline.Extras(external or "", inflation),
    )
    if as_json:
        print_json({"study": str(study), "report": str(page), **read_json(page.parent / "summary.json")})


def _print_ablation(study: "Study", source: str, wish: Any, compute: "Compute", jobs: int) -> None:
    """Show the runs of a plan, what is missing of them on the asked folds and on the split per image, and for how long."""
    from ..benchmark import pipeline, run, warm_start
    from ..benchmark import plan as ablation
    from ..benchmark.per_image import preview
    from .terminal import results

    paces: dict[tuple[str, int], run.Pace] = {}
    chosen, total = ablation.read(source), 0.0
    sets = pipeline.plan_sets(study, preview(study), chosen, wish.folds, wish.seeds, compute)
    for name, (place, pairs) in sets.items():
        cells = pipeline.distinct(pairs)
        todo = run.missing(cells, keep_weights=False)
        seconds = run.wall_seconds(run.outlook(place, todo + warm_start.untrained(place, todo), paces), jobs)
        total += seconds
        results.print(
            f"{chosen.title}, {name}: {len(cells)} cells, {len(todo)} to train, about {duration(seconds)}."
        )
        first = {id(one): (one, cell) for one, cell in reversed(pairs)}  # of its folds and seeds
        for one, cell in reversed(first.values()) if todo else []:
            results.print(
                f"  {one.name}: {cell.model}, {cell.arm}, {cell.recipe.steps:,} steps of {cell.recipe.batch}"
            )
    total += sum(
        _translators(study, [one.wish(wish.folds, wish.seeds, wish.preset) for one in chosen.runs], compute)
    )
    results.print(f"About {duration(total)} with {jobs} job(s).")


def _print_plan(study: "Study", wish: Any, compute: "Compute", jobs: int) -> None:
    """Show the cells of a benchmark, what each model's step takes here, and the time and disk of the whole."""
    from ..benchmark import cells as plan
    from ..benchmark import pipeline, run, warm_start
    from .terminal import results

    paces: dict[tuple[str, int], run.Pace] = {}
    cells = plan.cells(study, wish, compute)
    todo = run.missing(cells, keep_weights=False)
    seconds = run.wall_seconds(run.outlook(study, todo + warm_start.untrained(study, todo), paces), jobs)
    results.print(
        f"{len(cells)} cells ({', '.join(map(str, wish.arms))} × {', '.join(wish.models)} × {wish.seeds} seed(s)), {len(todo)} to train."
    )
    for (model, _), pace in paces.items():
        results.print(
            f"  {model}: {pace.step:.2f} s a step, {1000 * (pace.predict + pace.heat):.0f} ms to answer a scan"
        )
    seconds += sum(_translators(study, [wish], compute))
    results.print(f"About {duration(seconds)} with {jobs} job(s), and {1 + len(todo) // 20} MB of disk.")
    results.print(pipeline.expectation(study, wish))


def _translators(study: "Study", wishes: Sequence[Any], compute: "Compute") -> Iterator[float]:
    """Show the translators that are missing; the seconds that each will take."""
    from ..gan import train
    from ..gan.config import configure
    from .terminal import results

    for fold, label, seed, preset in dict.fromkeys(
        (*place, wish.gan_seed, wish.preset) for wish in wishes for place in wish.synthetic(study)
    ):
        if not train.is_done(study.gan_path(fold, label, seed)):
            config = configure(study, compute, fold=fold, target=label, seed=seed, preset=preset)
            seconds = config.steps * train.time_step(study, config, compute)
            results.print(f"  fold {fold}: a translator first, to {label}, about {duration(seconds)}")
            yield seconds


def _check_together(typed: dict[str, str], source: str | None) -> None:
    """UsageError for options of bus benchmark of which one would silently do nothing; `source` is the plan's."""
    from ..benchmark.arms import TRANSLATED
    from ..benchmark.plan import read

    makes = source is not None and any(run.arm.kind in TRANSLATED for run in read(source).runs)
    if source is not None and (
        idle := [
            text for name, text in typed.items() if name not in PLAN_TAKES | (PLAN_MAKES if makes else set())
        ]
    ):
        raise UsageError(
            f"{', '.join(idle)} does not go with --plan: a plan says itself which models, arms and recipes are trained. "
            "Write it into a plan of your own (docs/benchmark.md), or leave --plan out."
        )
    if "inflation" in typed and (unequal := [typed[name] for name in ("init", "balance") if name in typed]):
        raise UsageError(
            f"--inflation does not go with {', '.join(unequal)}: a split per image is trained without, and the true figures beside it "
            "would differ in more than the split. Leave one of them out."
        )
    if {"dry_run", "as_json"} <= set(typed):
        raise UsageError(
            "--json does not go with --dry-run, which has no answer to print. Leave one of them out."
        )


def demo(
    study: StudyPath = Path("demo-study"),
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Cells at once; the cores unless given.", rich_help_panel=COMPUTE),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run the whole way once on simulated phantoms, in minutes. Its numbers mean nothing; its report shows the form."""
    from ..benchmark import cells as plan
    from ..benchmark import pipeline
    from ..core.compute import cores, resolve
    from ..gan import workflow

    compute = resolve()
    opened = use_study(study, {"data": "phantom"}, preset="demo")
    config, here = workflow.plan_gan(
        opened, compute, fold=0, target=opened.target, seed=0, ask=workflow.Ask(), preset="demo"
    )
    workflow.train_gan(opened, config, here)
    judge = workflow.Judge()
    workflow.make_scans(opened, compute, fold=0, target=opened.target, gan_seed=0, count=60, judge=judge)
    wish = plan.Wish((0,), preset="demo")
    pipeline.benchmark(
        opened,
        wish,
        compute,
        jobs=jobs or cores(),
        keep_weights=False,
        judge=judge,
        command=f"bus demo --study {shlex.quote(str(study))}",
    )


def status(study: StudyPath = Path("study"), as_json: Json = False, quiet: Quiet = False) -> None:
    """Say what a study holds and what is missing or under way."""
    from ..benchmark import status as state
    from ..data.study import Study
    from .terminal import results

    opened = Study.open(study)
    found = state.overview(opened)
    if as_json:
        print_json(found)
        return
    results.print(f"{study}: {describe(opened)}")
    for banner in opened.settings.banners:
        results.print(f"Note: {banner}", style="yellow")
    for line in state.lines(found):
        results.print(line)


def report(
    study: StudyPath = Path("study"),
    show: Annotated[
        bool, typer.Option("--open", metavar="", help="Show the page in the browser.", rich_help_panel=WORK)
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write the report of the last benchmark again from the cells that are finished; trains nothing."""
    import webbrowser

    from ..benchmark import pipeline
    from ..data.study import Study

    page = pipeline.rewrite(Study.open(study))
    if show and not webbrowser.open(page.resolve().as_uri()):
        raise BusError(f"No browser could be started here. Open {page} in one.")


def predict(
    scans: Annotated[
        list[Path], typer.Argument(metavar="SCAN…", help="Files, folders with all that is in them, zips.")
    ],
    study: StudyPath = Path("study"),
    fold: Annotated[
        int, typer.Option(min=0, help="Fold whose classifier answers.", rich_help_panel=WORK)
    ] = 0,
    model: Annotated[
        str, typer.Option(help="simplecnn, vgg19 or resnet18.", rich_help_panel=WORK)
    ] = "resnet18",
    arm: Annotated[str, typer.Option(help="Arm that it was trained on.", rich_help_panel=WORK)] = "cyclegan",
    seed: Annotated[int, typer.Option(min=0, help="Seed of its training.", rich_help_panel=WORK)] = 0,
    form: Annotated[
        str, typer.Option("--format", help="table, json or html.", rich_help_panel=WORK)
    ] = "table",
    out: Annotated[
        Path | None,
        typer.Option(help="File for json or html; predict.html unless given.", rich_help_panel=WORK),
    ] = None,
    heat: Annotated[
        bool | None,
        typer.Option(
            "--heat/--no-heat",
            metavar="",
            help="Show where it looked; in html unless switched off.",
            rich_help_panel=WORK,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Let a trained classifier answer scans, and show where it looked. Research use only."""
    from ..benchmark import predict as answering
    from ..benchmark.arms import CHOSEN
    from ..classify.models import MODELS
    from ..core.compute import resolve
    from ..data import unlabelled as loose
    from ..data.study import Study

    for option, name, known in (("format", form, FORMATS), ("model", model, MODELS), ("arm", arm, CHOSEN)):
        if name not in known:
            raise UsageError(
                f"--{option} {name} is unknown; choose one of {', '.join(known)}.{did_you_mean(name, known)}"
            )
    if form == "table" and (heat or out):
        raise UsageError(
            f"--{'heat' if heat else 'out'} needs --format html or json; a table has no place for it."
        )
    if out and out.suffix.casefold() != f".{form}":
        raise UsageError(
            f"--out {out}: expected a name that ends in .{form}, so that no scan is overwritten by mistake."
        )
    opened = Study.open(study)
    fold_numbers(str(fold), opened)
    found = loose.find(scans)
    if not found.scans:
        raise UsageError(
            f"There is no scan among these; {len(found.passed)} files passed over (masks and others)."
        )
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

    from ..benchmark import predict as answering
    from ..benchmark.report.predict_page import write_page
    from ..core.files import write_json
    from .terminal import results

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
        wide = (
            results if results.is_terminal else Console(width=200)
        )  # so that a file or pipe gets whole names
        wide.print(answering.table(answers))
