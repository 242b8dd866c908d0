"""`bus benchmark`: the classifiers, trained on every arm, and the report."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from ..core.files import read_json
from ..core.switches import split
from .dry_run import print_benchmark, print_plan
from .options import (
    FROZEN,
    MORE,
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
    Jobs,
    Json,
    MergeAlike,
    Precision,
    PresetName,
    Quiet,
    Size,
    SplitSeed,
    StudyPath,
    Target,
    again,
    fold_numbers,
    frozen,
    given,
    model_names,
    names,
)
from .studies import use_study
from .terminal import print_json, results, suggest

if TYPE_CHECKING:
    from ..benchmark.request import Request
    from ..benchmark.site import Site
    from ..core.compute import Compute
    from ..data.study import Study

PLAN_TAKES = {  # parameters of bus benchmark that go with --plan; all else the plan says itself
    *FROZEN,
    "study",
    "fold",
    "seeds",
    "ablation",
    "dry_run",
    "jobs",
    "device",
    "precision",
    "quiet",
}
ELSEWHERE = ("executor", "workflow", "task", "slurm", "max_parallel", "cells_per_job")  # jobs elsewhere
PLAN_MAKES = {"preset", "extractor", "fid_weights"}  # also, where an arm of the plan needs synthetic scans
PLAN_LASTS = {"preset"}  # also, where a run of the plan does not say its epochs


def _list_models(models: str) -> str:
    """Callback of --models: `help` lists all names that it takes, with the size of torchvision's networks."""
    if models != "help":
        return models
    from rich.columns import Columns

    from ..classify.catalogue import KNOWN, TITLES
    from ..classify.torchvision_networks import described

    results.print(f"Of this program: {', '.join(f'{name} ({TITLES[name]})' for name in KNOWN)}.")
    results.print("Of torchvision, with the millions of weights that each has for ImageNet:")
    listed = [f"{name} {millions:.1f}" for name, millions in described() if name not in KNOWN]
    results.print(Columns(listed, padding=(0, 3), column_first=True))
    results.print("--init imagenet takes their published weights, all but the head's; a download.")
    raise typer.Exit


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
    merge_alike: MergeAlike = None,
    fold: FoldText = "0",
    arms: Annotated[
        str,
        typer.Option(
            help="Comma-separated: original, weighted, adjusted, oversampled, cyclegan, pooled, pasted, "
            "relabelled; cyclegan:normal adds only scans made from normal ones.",
            show_default="all but pooled, pasted and relabelled",
        ),
    ] = "original,weighted,adjusted,oversampled,cyclegan",
    dose: Annotated[
        str,
        typer.Option(
            help="Comma-separated shares of what balance needs, such as 0.25,0.5,1,2.", rich_help_panel=MORE
        ),
    ] = "1",
    balance: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated classes to raise; the study's target unless given.", rich_help_panel=MORE
        ),
    ] = None,
    models: Annotated[
        str,
        typer.Option(
            callback=_list_models,
            help="Comma-separated: simplecnn, vgg19, resnet18; also efficientnet-lite0, fine-tuned, or any "
            "classification network of torchvision; help lists them.",
        ),
    ] = "simplecnn,vgg19,resnet18",
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings of every model and arm, each with other random numbers.")
    ] = 1,
    gan_seed: GanSeed = 0,
    gan_seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Translators of a fold, from --gan-seed on; a classifier's seeds take them in turn.",
            rich_help_panel=MORE,
        ),
    ] = 1,
    preset: PresetName = None,
    init: Annotated[
        str,
        typer.Option(
            help="First weights: usual (ImageNet's for EfficientNet-Lite0, whose come with a package), none, "
            "phantom (first trained on simulated scans), imagenet, or a safetensors file.",
            rich_help_panel=MORE,
        ),
    ] = "usual",
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change one field of the training recipe (docs/benchmark.md); may be repeated.",
            rich_help_panel=MORE,
        ),
    ] = None,
    keep_weights: Annotated[
        bool,
        typer.Option(
            "--keep-weights",
            metavar="",
            help="Keep all weights, whole; else one seed's a model and arm, in half precision.",
            rich_help_panel=MORE,
        ),
    ] = False,
    ablation: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="PLAN",
            help="Run a plan instead: a TOML file, or ablation-1, ablation-2, fine-tuned, "
            "learning-curve, recipes, sensitivity, ways.",
            rich_help_panel=MORE,
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
            rich_help_panel=MORE,
        ),
    ] = None,
    inflation: Annotated[
        bool,
        typer.Option(
            "--inflation",
            metavar="",
            help="Show also what a split per image would have claimed.",
            rich_help_panel=MORE,
        ),
    ] = False,
    external: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Class folders, zip or labels.csv of scans from elsewhere, on which every network is "
            "tested too.",
            rich_help_panel=MORE,
        ),
    ] = None,
    external_alike: Annotated[
        str,
        typer.Option(
            metavar="refuse|drop",
            help="What to do with external scans that look like the study's own.",
            rich_help_panel=MORE,
        ),
    ] = "refuse",
    extractor: Extractor = "auto",
    fid_weights: FidWeights = None,
    dry_run: DryRun = False,
    jobs: Jobs = None,
    device: Device = "auto",
    precision: Precision = "auto",
    executor: Annotated[
        str,
        typer.Option(
            metavar="local|slurm",
            help="Where the work is done: on this machine, or by jobs of a Slurm cluster (docs/cluster.md).",
            rich_help_panel=MORE,
        ),
    ] = "local",
    slurm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An option of sbatch, such as partition=gpu or gpus_per_node=1; may be repeated.",
            rich_help_panel=MORE,
        ),
    ] = None,
    max_parallel: Annotated[
        int, typer.Option(min=1, help="Jobs of one kind that run at once on a cluster.", rich_help_panel=MORE)
    ] = 32,
    cells_per_job: Annotated[
        int, typer.Option(min=1, help="Trainings of one job on a cluster.", rich_help_panel=MORE)
    ] = 8,
    workflow: Annotated[
        str | None,
        typer.Option(
            "--export-workflow",
            metavar="snakemake",
            help="Write the work as a Snakefile into the study, and stop.",
            rich_help_panel=MORE,
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(hidden=True, help="Do this task of a workflow alone.")] = None,
    no_report: Annotated[
        bool,
        typer.Option(
            "--no-report",
            metavar="",
            help="Only train: nobody looks at an answer before the same command without it.",
            rich_help_panel=MORE,
        ),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Retrain the classifiers on every arm of a fold and write the report.

    Makes translator and scans where they are missing."""
    from ..benchmark.arms import Arm, check_inflation, chosen, doses, with_doses
    from ..classify.catalogue import INITS, check_init
    from ..classify.recipe import check_changes
    from ..core.compute import check_names, usual_jobs
    from ..gan.config import check_preset, usual_preset
    from ..gan.extractors import check_extractor

    # slips are refused before torch is imported, which takes seconds, and before any scan is read
    _check_together(given(ctx), ablation)
    away = executor == "slurm"
    there = _elsewhere(given(ctx), executor, workflow, slurm or (), max_parallel, cells_per_job)
    check_names(device, precision)
    check_extractor(extractor)
    check_preset(preset or "quick")
    wanted_models, wanted_arms, shares = model_names(models), chosen(arms), doses(dose)
    check_init(wanted_models, init)
    if inflation:
        check_inflation(wanted_models, wanted_arms, shares)
    recipe = check_changes(split(changes or [], "batch=16"))
    if fold == "none":
        raise UsageError("--fold none: a benchmark needs test scans. Use --fold 0, 0,2 or all.")

    # what is asked
    from ..benchmark import run_plan
    from ..benchmark.external import check_alike
    from ..benchmark.request import Request
    from ..benchmark.tasks import do_named
    from ..benchmark.workflow import export_workflow
    from ..gan.request import Judge

    compute = there.compute(device, precision) if away else _compute_of(study, device, precision)
    check_alike(external_alike)
    with use_study(study, frozen(ctx), preset=preset, dry_run=dry_run) as opened:
        kinds = (*chosen(arms, opened.classes), *[Arm("unverified")] * bool(synthetic))
        request = Request(
            folds=tuple(fold_numbers(fold, opened)),
            arms=with_doses(kinds, shares),
            models=wanted_models,
            seeds=seeds,
            preset=preset or usual_preset(compute.device),
            init=init if init in INITS else str(Path(init).resolve()),
            gan_seed=gan_seed,
            gan_seeds=gan_seeds,
            balance=names(balance, opened.classes, "--balance") if balance else (),
            recipe=tuple(recipe.items()),
            folder=synthetic.resolve() if synthetic else None,
            external=external or "",
            external_alike=external_alike,
            inflation=inflation,
            compute=compute,
            jobs=jobs or (there.threads if away else usual_jobs(compute.device)),
            keep_weights=keep_weights,
            judge=Judge(extractor, fid_weights),
            command=shlex.join(["bus", *sys.argv[1:]]),
        )

        # shown, or done
        if dry_run:
            print_plan(opened, ablation, request) if ablation else print_benchmark(opened, request)
            suggest("benchmark", None, *again(ctx))
        elif ablation:
            run_plan.run_plan(opened, ablation, request)
            suggest("status", study)
        elif workflow:
            export_workflow(opened, request, cells_per_job)
        elif task:
            do_named(opened, request, task)
        else:
            _work(opened, study, request, there if away else None, as_json=as_json, look=not no_report)


def _work(
    opened: "Study", study: Path, request: "Request", there: "Site | None", *, as_json: bool, look: bool
) -> None:
    """Do all of it, on a cluster where one is named; say what came out, and what is next, if one may look."""
    from ..benchmark import pipeline
    from ..benchmark.report_folder import SUMMARY
    from ..benchmark.slurm import Slurm

    executor = Slurm(there) if there else pipeline.HERE
    if not look:
        pipeline.train(opened, request, executor)
        return
    page = pipeline.benchmark(opened, request, executor)
    if as_json:
        print_json({"study": str(study), "report": str(page), **read_json(page.with_name(SUMMARY))})
    suggest("report", study, "--open")


def _check_together(typed: dict[str, str], source: str | None) -> None:
    """UsageError for options of bus benchmark of which one would do nothing; `source` is of the plan."""
    from ..benchmark.arms import TRANSLATED
    from ..benchmark.plan import read

    if source is not None and (away := [typed[name] for name in ELSEWHERE if name in typed]):
        raise UsageError(
            f"{', '.join(away)} does not go with --plan: each run of a plan is a benchmark of its own, done "
            "by the machine that is asked. Leave it out; the same command on several machines that share the "
            "study's folder does the work together (docs/cluster.md)."
        )
    runs = read(source).runs if source is not None else ()
    taken = PLAN_TAKES.union(
        PLAN_MAKES if any(run.arm.kind in TRANSLATED for run in runs) else (),
        () if all(run.epochs for run in runs) else PLAN_LASTS,
    )
    if source is not None and (idle := [text for name, text in typed.items() if name not in taken]):
        raise UsageError(
            f"{', '.join(idle)} does not go with --plan: a plan says itself which models, arms and recipes "
            "are trained. Write it into a plan of your own (docs/benchmark.md), or leave --plan out."
        )
    if "inflation" in typed and (unequal := [typed[name] for name in ("init", "balance") if name in typed]):
        raise UsageError(
            f"--inflation does not go with {', '.join(unequal)}: a split per image is trained without, and "
            "the true figures beside it would differ in more than the split. Leave one of them out."
        )
    if {"dry_run", "as_json"} <= set(typed):
        raise UsageError(
            "--json does not go with --dry-run, which has no answer to print. Leave one of them out."
        )
    if "as_json" in typed and (silent := [typed[name] for name in ("workflow", "task") if name in typed]):
        raise UsageError(
            f"--json does not go with {silent[0]}, which has no answer to print. Leave one of them out."
        )
    if "external_alike" in typed and "external" not in typed:
        raise UsageError("--external-alike does nothing without --external. Leave it out, or add the other.")
    looking = [typed[name] for name in ("as_json", "inflation", "workflow", "task") if typed.get(name)]
    if "no_report" in typed and looking:
        raise UsageError(
            f"--no-report does not go with {looking[0]}: nothing is looked at yet. Leave one of them out."
        )


def _compute_of(study: Path, device: str, precision: str) -> "Compute":
    """Where and how on this machine; a study that is there may be done, and needs no device to report."""
    from ..core.compute import named, resolve
    from ..data.settings import FILE

    return (named if (study / FILE).exists() else resolve)(device, precision)


def _elsewhere(
    typed: dict[str, str],
    executor: str,
    workflow: str | None,
    options: Sequence[str],
    max_parallel: int,
    cells_per_job: int,
) -> "Site":
    """What was said of a cluster; UsageError for options of which one would do nothing, or cannot be."""
    from ..benchmark.site import check_executor, site

    if workflow not in (None, "snakemake"):
        raise UsageError(f"--export-workflow {workflow} is unknown; snakemake is the only one.")
    idle = [typed[name] for name in ("slurm", "max_parallel") if name in typed and executor != "slurm"]
    if "cells_per_job" in typed and executor != "slurm" and workflow is None:
        idle.append(typed["cells_per_job"])
    if idle:
        raise UsageError(f"{', '.join(idle)} does nothing without --executor slurm.")
    away = [typed[name] for name in ("executor", "workflow", "task") if typed.get(name)]
    if executor == "local" and "executor" in typed:
        away.remove(typed["executor"])
    if len(away) > 1:
        raise UsageError(f"{' and '.join(away)} do not go together. Leave one of them out.")
    if away and "inflation" in typed:
        raise UsageError(
            f"--inflation does not go with {away[0]}: it trains on another split, on this machine. Run the "
            "same command with it, and without the other, once all is done."
        )
    check_executor(executor)
    return site(options, max_parallel, cells_per_job)
