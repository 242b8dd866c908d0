"""The commands that make synthetic scans: `bus gan train`, `bus gan score`, `bus synth`."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from ..core.switches import split
from ..data.names import clean
from .options import (
    WORK,
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
    Precision,
    PresetName,
    Quiet,
    Size,
    SplitSeed,
    StudyPath,
    Target,
    ToClass,
    folds_of,
    frozen,
    given,
)
from .studies import open_study, use_study
from .terminal import duration, print_json, results

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
    fold: FoldOrNone = "0",
    to: ToClass = None,
    sources: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="CLASSES",
            help="Comma-separated classes to translate from; all others unless given.",
            rich_help_panel=WORK,
        ),
    ] = None,
    gan_seed: GanSeed = 0,
    preset: PresetName = None,
    pairs: Annotated[
        int | None,
        typer.Option(help="Pairs of scans to show, instead of the preset's.", min=1, rich_help_panel=WORK),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="detail (keeps the source's speckle), projected (paints the whole scan) or published "
            "(CycleGAN of 2017); detail unless --preset paper.",
            rich_help_panel=WORK,
        ),
    ] = None,
    switches: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change one switch of the method (docs/translator.md); may be repeated.",
            rich_help_panel=WORK,
        ),
    ] = None,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            metavar="",
            help="Write the curves for TensorBoard too (an extra).",
            rich_help_panel=WORK,
        ),
    ] = False,
    redo: Annotated[
        bool,
        typer.Option(
            "--redo",
            metavar="",
            help="Set the old translator and its scans aside and start anew.",
            rich_help_panel=WORK,
        ),
    ] = False,
    dry_run: DryRun = False,
    device: Device = "auto",
    precision: Precision = "auto",
    quiet: Quiet = False,
) -> None:
    """Train a CycleGAN on the training part of a fold. The same command goes on where it stopped."""
    from ..core.compute import resolve
    from ..gan.config import check_target, usual_preset
    from ..gan.request import Ask, plan_gan
    from ..gan.train import time_step, train_gan
    from ..gan.translator import Translator

    compute = resolve(device, precision)
    opened = use_study(study, frozen(ctx), preset=preset)
    names = tuple(clean(name) for name in sources.split(",")) if sources else None
    ask = Ask(preset, pairs, names, method, split(switches or [], "cycle=10"))
    to = check_target(opened, clean(to or opened.target))
    for number in folds_of(fold, opened):
        translator = Translator(opened, number, to, gan_seed)
        config, here = plan_gan(
            translator,
            ask,
            compute,
            preset=usual_preset(compute.device),
            redo=redo,
            insist=(device, precision) != ("auto", "auto"),
        )
        if not dry_run:
            train_gan(opened, config, here, redo=redo, curves=tensorboard)
            continue
        if not redo:
            translator.check_unchanged(config)
        if translator.is_done and not redo:
            results.print(f"Nothing to do: the translator in {translator.folder} is trained.")
            continue
        seconds = config.steps * time_step(opened, config, here)
        results.print(
            f"Would train {translator.folder}: {config.pairs:,} pairs in {config.steps:,} steps, about "
            f"{duration(seconds)}."
        )


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
    extractor: Extractor = "auto",
    fid_weights: FidWeights = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a study's synthetic scans, or compare any two folders.

    Tells FID or FD, KID, precision, recall, density and coverage.
    """
    from ..core.compute import resolve
    from ..gan.config import check_target
    from ..gan.manifest import SyntheticSet
    from ..gan.request import Judge
    from ..gan.scores.model import to_json
    from ..gan.scores.sentences import comparison
    from ..gan.scoring import compare_folders, describe, score_again

    if synthetic and not real:
        raise UsageError(
            f"One folder ({synthetic}) was given: expected two, generated then real, or none for a study."
        )
    _refuse_idle(given(ctx))
    compute, judge = resolve(), Judge(extractor, fid_weights)
    compute.start()
    if synthetic and real:
        compared = compare_folders(synthetic, real, size, judge, compute)
        found, lines = to_json(compared), comparison(compared)
    else:
        opened = open_study(study)
        numbers, to = folds_of(fold, opened), check_target(opened, clean(to or opened.target))
        sets = [SyntheticSet(opened, number, to, gan_seed) for number in numbers]
        for scans in sets:
            score_again(scans, compute, judge)
        found = {"study": str(study), "sets": [describe(scans) for scans in sets]}
        lines = iter(())
    if as_json:
        print_json(found)
        return
    for line in lines:
        results.print(line)


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
    n: Annotated[
        int, typer.Option("--n", min=1, help="At least so many synthetic scans.", rich_help_panel=WORK)
    ] = 500,
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
            rich_help_panel=WORK,
        ),
    ] = None,
    redo: Annotated[
        bool, typer.Option("--redo", help="Set the old scans aside and make others.", rich_help_panel=WORK)
    ] = False,
    extractor: Extractor = "auto",
    fid_weights: FidWeights = None,
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make synthetic scans of the target class, each with its provenance, and score them."""
    from ..core.compute import resolve
    from ..gan.config import check_target
    from ..gan.request import Judge
    from ..gan.scoring import describe
    from ..gan.synth import make_scans
    from ..gan.translator import Translator

    compute, judge = resolve(device, precision), Judge(extractor, fid_weights)
    opened = open_study(study)
    numbers, to = folds_of(fold, opened), check_target(opened, clean(to or opened.target))
    translators = [Translator(opened, number, to, gan_seed) for number in numbers]
    for translator in translators:
        make_scans(translator, compute, judge, count=n, confidence=confidence, redo=redo)
    if as_json:
        sets = [describe(translator.scans) for translator in translators]
        print_json({"study": str(study), "sets": sets})
