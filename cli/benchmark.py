"""`bus benchmark`: the classifiers, trained on every arm, and the report."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from ..core.files import read_json
from ..core.switches import split
from .dry_run import print_benchmark, print_plan
from .options import (
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
    "merge_alike",
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
            help="Comma-separated: original, weighted, adjusted, oversampled, cyclegan, pasted, relabelled; "
            "cyclegan:normal adds only scans made from normal ones.",
            show_default="all but pasted and relabelled",
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
            help="Run a plan instead: a TOML file, or ablation-1, ablation-2, learning-curve, recipes, "
            "sensitivity.",
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
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trainings at once, one thread each; the cores unless given.")
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Retrain the classifiers on every arm of a fold and write the report.

    Makes translator and scans where they are missing."""
    from ..benchmark.arms import Arm, check_inflation, chosen, doses, with_doses
    from ..classify.catalogue import INITS, check_init
    from ..classify.recipe import check_changes
    from ..core.compute import check_names, cores, resolve
    from ..gan.config import check_preset, usual_preset
    from ..gan.extractors import check_extractor

    # slips are refused before torch is imported, which takes seconds, and before any scan is read
    _check_together(given(ctx), ablation)
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
    from ..benchmark import pipeline, run_plan
    from ..benchmark.external import check_alike
    from ..benchmark.report_folder import SUMMARY
    from ..benchmark.request import Request
    from ..gan.request import Judge

    compute = resolve(device, precision)
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
            jobs=jobs or (cores() if compute.device == "cpu" else 1),
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
        else:
            page = pipeline.benchmark(opened, request)
            if as_json:
                summary = read_json(page.with_name(SUMMARY))
                print_json({"study": str(study), "report": str(page), **summary})
            suggest("report", study, "--open")


def _check_together(typed: dict[str, str], source: str | None) -> None:
    """UsageError for options of bus benchmark of which one would do nothing; `source` is of the plan."""
    from ..benchmark.arms import TRANSLATED
    from ..benchmark.plan import read

    makes = source is not None and any(run.arm.kind in TRANSLATED for run in read(source).runs)
    if source is not None and (
        idle := [
            text for name, text in typed.items() if name not in PLAN_TAKES | (PLAN_MAKES if makes else set())
        ]
    ):
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
