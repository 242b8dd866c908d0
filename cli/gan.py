"""The commands that make synthetic scans: `bus gan train`, `bus gan score`, `bus synth`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from ..core.switches import split
from ..data.names import clean
from .dry_run import print_training
from .options import (
    MORE,
    Cohort,
    Data,
    Device,
    DryRun,
    Extractor,
    FidWeights,
    FoldOrNone,
    Folds,
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
    ToClass,
    Verbose,
    again,
    folds_of,
    frozen,
    given,
    translator_options,
)
from .studies import open_study, require_study, use_study
from .terminal import print_json, results, suggest

app = typer.Typer(
    no_args_is_help=True,
    help="Train a translator that turns scans into target-class scans.",
    epilog="Example: bus gan train --data Dataset_BUSI_with_GT",
)


@app.command("train", epilog="Example: bus gan train --data Dataset_BUSI_with_GT --fold 0")
def gan_train(
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
    fold: FoldOrNone = "0",
    to: ToClass = None,
    sources: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="CLASSES",
            help="Comma-separated classes to translate from; all others unless given.",
            rich_help_panel=MORE,
        ),
    ] = None,
    gan_seed: GanSeed = 0,
    preset: PresetName = None,
    pairs: Annotated[
        int | None,
        typer.Option(help="Pairs of scans to show, instead of the preset's.", min=1, rich_help_panel=MORE),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="detail (keeps the source's speckle), projected (paints the whole scan) or published "
            "(CycleGAN of 2017); detail unless --preset paper.",
            rich_help_panel=MORE,
        ),
    ] = None,
    from_size: Annotated[
        int | None,
        typer.Option(
            "--from-size",
            help="Train at this smaller side first, with half as many pairs more; start from its weights.",
            rich_help_panel=MORE,
        ),
    ] = None,
    switches: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change one switch of the method (docs/translator.md); may be repeated.",
            rich_help_panel=MORE,
        ),
    ] = None,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            metavar="",
            help="Write the curves for TensorBoard too (an extra).",
            rich_help_panel=MORE,
        ),
    ] = False,
    redo: Annotated[
        bool,
        typer.Option(
            "--redo",
            metavar="",
            help="Set the old translator and its scans aside and start anew.",
            rich_help_panel=MORE,
        ),
    ] = False,
    dry_run: DryRun = False,
    device: Device = "auto",
    precision: Precision = "auto",
    jobs: Annotated[
        int, typer.Option(min=1, help="Translators at once, of several folds.", rich_help_panel=MORE)
    ] = 1,
    quiet: Quiet = False,
) -> None:
    """Train a CycleGAN on the training part of a fold. The same command goes on where it stopped."""
    from ..core.compute import check_names, resolve
    from ..gan.config import check_options, check_target, usual_preset

    # slips are refused before torch is imported, which takes seconds, and before any scan is read
    check_names(device, precision)
    grown = [] if from_size is None else [f"from_size={from_size}"]
    changes = split([*(switches or []), *grown], "cycle=10")
    check_options(preset, method, changes)

    from ..gan.monitor import require_tensorboard
    from ..gan.request import Ask, plan_gan
    from ..gan.train import train_all
    from ..gan.translator import Translator

    # what is asked
    if tensorboard:
        require_tensorboard()
    compute = resolve(device, precision)
    insist = [name for name, given in (("device", device), ("precision", precision)) if given != "auto"]
    names = tuple(clean(name) for name in sources.split(",")) if sources else None
    ask, usual = Ask(preset, pairs, names, method, changes), usual_preset(compute.device)
    with use_study(study, frozen(ctx), preset=preset, dry_run=dry_run) as opened:
        label = check_target(opened, to or opened.target)

        # what is wrong is refused before the first fold is trained
        plans, numbers = [], folds_of(fold, opened)
        at_once = min(jobs, len(numbers))
        compute = replace(compute, threads=max(1, compute.threads // at_once))
        for number in numbers:
            translator = Translator(opened, number, label, gan_seed)
            config, arithmetic = plan_gan(translator, ask, compute, preset=usual, redo=redo, insist=insist)
            if not redo:
                translator.check_unchanged(config)
            plans.append((translator, config, arithmetic))

        # fold by fold
        if dry_run:
            for translator, config, arithmetic in plans:
                print_training(study, translator, config, arithmetic, redo=redo)
            suggest("gan train", None, *again(ctx))
        else:
            asked = [(config, arithmetic) for _, config, arithmetic in plans]
            train_all(opened, asked, at_once, redo=redo, curves=tensorboard)
            suggest("synth", study, *translator_options(opened, fold, label, gan_seed))


@app.command("score", epilog="Example: bus gan score made/malignant real/malignant")
def gan_score(
    ctx: typer.Context,
    synthetic: Annotated[
        Path | None, typer.Argument(help="Folder of generated scans.", exists=True, file_okay=False)
    ] = None,
    real: Annotated[
        Path | None, typer.Argument(help="Folder of real scans.", exists=True, file_okay=False)
    ] = None,
    study: StudyPath = Path("study"),
    fold: FoldOrNone = "0",
    to: ToClass = None,
    gan_seed: GanSeed = 0,
    size: Annotated[
        int, typer.Option(help="Side to which the scans of two folders are letterboxed, in pixels.", min=32)
    ] = 64,
    require: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=LIMIT,…",
            help="Exit code 1 where a limit is missed: kid, frechet and copies at most, precision, recall, "
            "density and coverage at least, such as kid=0.5,copies=real.",
        ),
    ] = None,
    extractor: Extractor = "auto",
    fid_weights: FidWeights = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Score a study's synthetic scans, or compare any two folders.

    Tells FID or FD, KID, precision, recall, density and coverage.
    """
    from ..gan.extractors import check_extractor
    from ..gan.scores.require import missed, parse

    check_extractor(extractor)
    requirements = parse(require) if require is not None else []
    from ..core.compute import resolve
    from ..gan.config import check_target
    from ..gan.manifest import SyntheticSet
    from ..gan.request import Judge
    from ..gan.scores.model import to_json
    from ..gan.scores.sentences import comparison
    from ..gan.scoring import compare_folders, describe, score_again

    # what is asked
    if synthetic and not real:
        raise UsageError(
            f"One folder ({synthetic}) was given: expected two, generated then real, or none for a study."
        )
    _refuse_idle(given(ctx))
    compute, judge = resolve(), Judge(extractor, fid_weights)
    compute.start()

    # two folders, or a study
    if synthetic and real:
        compared = compare_folders(synthetic, real, size, judge, compute)
        answer, lines = to_json(compared), comparison(compared)
        misses = list(missed(requirements, compared))
    else:
        opened = open_study(study)
        numbers, to = folds_of(fold, opened), check_target(opened, to or opened.target)
        sets = [SyntheticSet(opened, number, to, gan_seed) for number in numbers]
        for scans in sets:
            score_again(scans, compute, judge)
        answer = {"study": str(study), "sets": [describe(scans) for scans in sets]}
        lines = iter(())
        misses = [
            f"{scans.folder}: {miss}"
            for scans in sets
            if scans.scores
            for miss in missed(requirements, scans.scores)
        ]

    # the answer
    if as_json:
        print_json({**answer, "missed": misses} if requirements else answer)
    else:
        for line in lines:
            results.print(line)
    for miss in misses:
        results.print(miss, style="red")
    if misses:
        raise typer.Exit(1)
    if not synthetic:
        suggest("status", study)


def _refuse_idle(typed: dict[str, str]) -> None:
    """UsageError for options of bus gan score that would silently do nothing."""
    idle = [text for name, text in typed.items() if name in ("study", "fold", "to", "gan_seed")]
    if "real" in typed and idle:
        raise UsageError(
            f"{', '.join(idle)} does not go with two folders, which are compared as they are. Leave one or "
            "the other out."
        )
    if "real" not in typed and "size" in typed:
        raise UsageError(
            "--size does not go with a study, whose scans have its size. Leave it out, or give two folders "
            "to compare."
        )


def synth(
    study: StudyPath = Path("study"),
    n: Annotated[int, typer.Option("--n", min=1, help="At least so many synthetic scans.")] = 500,
    fold: FoldOrNone = "0",
    to: ToClass = None,
    gan_seed: GanSeed = 0,
    confidence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Keep only scans to which the cross-fitted reader gives at least this probability of the "
            "class; all unless given.",
            rich_help_panel=MORE,
        ),
    ] = None,
    redo: Annotated[
        bool,
        typer.Option(
            "--redo", metavar="", help="Set the old scans aside and make others.", rich_help_panel=MORE
        ),
    ] = False,
    extractor: Extractor = "auto",
    fid_weights: FidWeights = None,
    device: Device = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="auto, float32 or bfloat16, as for other commands; scans are always made in float32.",
            rich_help_panel=MORE,
        ),
    ] = "auto",
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Make synthetic scans of the target class, each with its provenance, and score them."""
    from ..core.compute import check_names, resolve
    from ..gan.config import check_target
    from ..gan.extractors import check_extractor

    # slips are refused before torch is imported
    check_names(device, precision)
    check_extractor(extractor)
    require_study(study)
    from ..gan.request import Judge
    from ..gan.scoring import describe
    from ..gan.synth import check_confidence, make_scans
    from ..gan.translator import Translator

    # make and score
    compute, judge = resolve(device, precision), Judge(extractor, fid_weights)
    opened = open_study(study)
    numbers, to = folds_of(fold, opened), check_target(opened, to or opened.target)
    translators = [Translator(opened, number, to, gan_seed) for number in numbers]
    for translator in translators:
        check_confidence(translator.scans, confidence, redo=redo)
    for translator in translators:
        make_scans(translator, compute, judge, count=n, confidence=confidence, redo=redo)

    # the answer, and what comes next
    if as_json:
        sets = [describe(translator.scans) for translator in translators]
        print_json({"study": str(study), "sets": sets})
    if fold == "none" or to != opened.target:  # a benchmark raises the target and needs test scans
        suggest("status", study)
        return
    preset = translators[0].known_config.preset
    suggest("benchmark", study, *translator_options(opened, fold, to, gan_seed), f"--preset {preset}")
