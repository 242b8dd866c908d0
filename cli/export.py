"""`bus export`: scans and networks of a study for other programs."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError, did_you_mean
from .options import MORE, GanSeed, Quiet, StudyPath, folds_of, given
from .studies import open_study
from .terminal import results, suggest

KINDS = ("scans", "generator", "classifier")
ONLY = {  # parameter → the kinds that it belongs to
    "arm": ("scans", "classifier"),
    "target": ("generator",),
    "gan_seed": ("scans", "generator"),
    "model": ("classifier",),
    "seed": ("classifier",),
}


def export(
    ctx: typer.Context,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new folder.")],
    study: StudyPath = Path("study"),
    what: Annotated[
        str,
        typer.Option(
            help="scans: a balanced training part and its test part, for ImageFolder and Hugging Face; "
            "generator or classifier: a network as ONNX, with a model card."
        ),
    ] = "scans",
    fold: Annotated[
        str, typer.Option(help="One fold; of a generator also none, the one trained on all scans.")
    ] = "0",
    arm: Annotated[
        str | None,
        typer.Option(help="How the training part is balanced, original or cyclegan; cyclegan unless given."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="Class that the generator makes; the study's target unless given.",
            rich_help_panel=MORE,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Of a classifier; resnet18 if it is there.", rich_help_panel=MORE)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of a classifier; the lowest unless given.", rich_help_panel=MORE),
    ] = None,
    gan_seed: GanSeed = 0,
    quiet: Quiet = False,
) -> None:
    """Write scans or a network of a study for other programs, with where they come from.

    Research use only: real scans keep the terms of their data, synthetic ones are marked."""
    # slips are refused before torch is imported
    if what not in KINDS:
        raise UsageError(f"--what {what}: expected {', '.join(KINDS)}.{did_you_mean(what, KINDS)}")
    typed = given(ctx)
    for name, kinds in ONLY.items():
        if name in typed and what not in kinds:
            raise UsageError(f"{typed[name]} does not go with --what {what}. Leave it out.")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"--to {to} is there already and holds something. Give a new folder.")

    # what is exported
    opened = open_study(study)
    numbers = folds_of(fold, opened)
    if len(numbers) != 1:
        raise UsageError(f"--fold {fold}: one fold is exported at a time; name one.")
    number = numbers[0]
    if number is None and what != "generator":
        raise UsageError(f"--fold none has no test part, which --what {what} needs. Name a fold.")

    # written
    if what == "generator":
        from ..benchmark.export_network import export_translator
        from ..gan.config import check_target
        from ..gan.translator import Translator

        label = check_target(opened, target or opened.target, "--class")
        path, check = export_translator(Translator(opened, number, label, gan_seed), to)
        results.print(f"{path}: a translator to {label}, with a model card. {check}")
    elif what == "classifier":
        from ..benchmark.export_network import export_classifier
        from ..benchmark.predict import Wanted, find_trained

        trained = find_trained(opened, Wanted(number, model, arm, seed))
        path, check = export_classifier(trained, to)
        results.print(f"{path}: {trained.name}, with a model card. {check}")
    else:
        from ..benchmark.export_scans import export_scans

        rows = export_scans(opened, number or 0, arm or "cyclegan", to, gan_seed=gan_seed)
        counts = Counter(row.part for row in rows)
        synthetic = sum(bool(row.synthetic) for row in rows)
        results.print(
            f"{to}: {counts['train']} scans to train, {synthetic} of them synthetic and marked so, and the "
            f"study's {counts['test']} test scans of fold {number}."
        )
    suggest("status", study)
