"""`bus translate`: a finished translator on any scans."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from .options import MORE, FoldOrNone, GanSeed, Quiet, StudyPath, folds_of
from .studies import open_study, require_study
from .terminal import results, say, suggest


def translate(
    scans: Annotated[
        list[Path], typer.Argument(metavar="SCAN…", help="Files, folders with all that is in them, zips.")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new folder for the translations.")],
    study: StudyPath = Path("study"),
    fold: FoldOrNone = "0",
    target: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="Class that the translator makes; the study's target unless given.",
            rich_help_panel=MORE,
        ),
    ] = None,
    gan_seed: GanSeed = 0,
    quiet: Quiet = False,
) -> None:
    """Translate any scans with a study's finished translator; each result is marked as synthetic.

    A manifest names the source of each, and says so where it is a scan of the study itself."""
    require_study(study)
    from ..core.compute import resolve
    from ..data import unlabelled
    from ..gan.config import check_target
    from ..gan.translate import translate_scans
    from ..gan.translator import Translator

    # what is asked
    opened = open_study(study)
    numbers = folds_of(fold, opened)
    if len(numbers) != 1:
        raise UsageError(f"--fold {fold}: one translator translates; name one fold.")
    given = unlabelled.find(scans, opened.settings.data.grey or 0)
    if not given.scans:
        raise UsageError("There is no scan among these.")

    # translate
    compute = resolve()
    compute.start()
    translator = Translator(
        opened, numbers[0], check_target(opened, target or opened.target, "--class"), gan_seed
    )
    rows, unreadable = translate_scans(translator, given.scans, to, compute)

    # what was done
    known = [row for row in rows if row.in_study == "test"]
    if known:
        results.print(
            f"Warning: {len(known)} of these are test scans of the study (column in_study of the manifest): "
            "a classifier that trains on their translations must not be tested on them.",
            style="yellow",
        )
    results.print(f"{to} holds {len(rows)} synthetic {translator.target} scans with their manifest.")
    for _, reason in unreadable:
        say(f"unreadable: {reason}")
    if unreadable:
        raise typer.Exit(1)
    suggest("status", study)
