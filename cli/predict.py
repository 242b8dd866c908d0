"""`bus predict`: a trained classifier answers scans."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError, did_you_mean
from .options import MORE, Quiet, StudyPath, fold_numbers
from .studies import open_study
from .terminal import say, suggest

if TYPE_CHECKING:
    from ..benchmark.predict import AnsweredScans

FORMATS = ("table", "json", "html")


def predict(
    scans: Annotated[
        list[Path], typer.Argument(metavar="SCAN…", help="Files, folders with all that is in them, zips.")
    ],
    study: StudyPath = Path("study"),
    fold: Annotated[
        int | None, typer.Option(min=0, help="Fold whose classifier answers; the first that has one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="As --models of bus benchmark; resnet18 if it is there.")
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(help="Arm that it was trained on, such as cyclegan@0.5; cyclegan if it is there."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of its training; the lowest unless given.", rich_help_panel=MORE),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, json or html.")] = "table",
    out: Annotated[
        Path | None, typer.Option(help="File for json or html; predict.html unless given.")
    ] = None,
    heat: Annotated[
        bool | None,
        typer.Option(
            "--heat/--no-heat",
            metavar="",
            help="Show where it looked; in html unless switched off.",
            rich_help_panel=MORE,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Let a trained classifier answer scans, and show where it looked. Research use only."""
    from ..benchmark.arms import ARMS, parse
    from ..classify.torchvision_names import check_model

    # slips are refused before torch is imported
    kind = None if arm is None else parse(arm).kind  # an arm may have a source and a dose
    for option, typed, name, known in (("format", form, form, FORMATS), ("arm", arm, kind, tuple(ARMS))):
        if name is not None and name not in known:
            raise UsageError(
                f"--{option} {typed} is unknown; choose one of {', '.join(known)}.{did_you_mean(name, known)}"
            )
    if model is not None:
        check_model(model, "--model")
    if form == "table" and (heat or out):
        raise UsageError(
            f"--{'heat' if heat else 'out'} needs --format html or json; a table has no place for it."
        )
    if form == "json" and out is None:
        from .terminal import console, speak

        speak(quiet=console.quiet, machine=True)  # nothing but the object on stdout
    if out and out.suffix.casefold() != f".{form}":
        raise UsageError(
            f"--out {out}: expected a name that ends in .{form}, so that no scan is overwritten by mistake."
        )
    opened = open_study(study)
    from ..benchmark.predict import Wanted, answer, find_trained
    from ..core.compute import resolve
    from ..data.unlabelled import find

    # the scans
    fold_numbers("all" if fold is None else str(fold), opened)
    given = find(scans, opened.settings.data.grey or 0)
    if not given.scans:
        raise UsageError(
            f"There is no scan among these; {len(given.passed)} files passed over (masks and others)."
        )

    # who answers, and what
    trained = find_trained(opened, Wanted(fold, model, arm, seed))
    compute = resolve()
    compute.start()
    answers = answer(trained, given.scans, compute, heat=form == "html" if heat is None else heat)
    _show_answers(answers, form, out)
    if given.passed:
        say(f"{len(given.passed)} files passed over (masks and others).")
    for _, reason in answers.unreadable:
        say(f"unreadable: {reason}")
    if answers.unreadable:
        raise typer.Exit(1)
    if form != "json":  # not the same with a page: the names of scans are patients' now and then
        suggest("status", study)


def _show_answers(answers: "AnsweredScans", form: str, out: Path | None) -> None:
    """Write or print what a classifier answered."""
    from rich.console import Console

    from ..benchmark.predict import as_json, table
    from ..benchmark.report.predict_page import write_page
    from ..core.files import write_json
    from .terminal import print_json, results

    if form == "html":
        results.print(f"Page: {write_page(answers, out or Path('predict.html'))}")
    elif form == "json" and out:
        write_json(out, as_json(answers))
        results.print(f"Written: {out}")
    elif form == "json":
        print_json(as_json(answers))
    else:
        for remark in answers.trained.remarks:
            results.print(f"Note: {remark}", style="yellow")
        wide = results if results.is_terminal else Console(width=200)  # a file or pipe gets whole names
        wide.print(table(answers))
