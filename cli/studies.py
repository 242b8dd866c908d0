"""The commands that look at a study, `bus status` and `bus report`, and how all commands open one."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import BusError, UsageError
from .options import Json, Quiet, StudyPath, translator_options
from .terminal import console, print_json, results, suggest

if TYPE_CHECKING:
    from ..benchmark.status import Overview, SyntheticState, TranslatorState
    from ..data.settings import Value
    from ..data.study import Study


def status(study: StudyPath = Path("study"), as_json: Json = False, quiet: Quiet = False) -> None:
    """Say what a study holds and what is missing or under way. Exit code 1: something is damaged."""
    opened = open_study(study)
    from ..benchmark.status import overview

    state = overview(opened)
    if as_json:
        print_json(state.as_json)
        if state.damaged:
            raise typer.Exit(1)
        return
    results.print(f"{study}: {describe(opened)}")
    for banner in opened.settings.banners:
        results.print(f"Note: {banner}", style="yellow")
    for line in state.lines():
        results.print(line)
    for line in state.damaged:
        results.print(f"damaged: {line}", style="red")
    if state.damaged:
        raise typer.Exit(1)
    _suggest_next(state, study)


def _suggest_next(state: "Overview", path: Path) -> None:
    """The command that finishes what was begun first, or else begins what comes next."""

    def options(made: "TranslatorState | SyntheticState") -> list[str]:
        fold = "none" if made.fold is None else str(made.fold)
        return translator_options(state.study, fold, made.target, made.gan_seed)

    scored = {(made.fold, made.target, made.gan_seed) for made in state.synthetic if made.scored}
    begun = [made for made in state.translators if made.done < 1]
    unscored = [made for made in state.translators if (made.fold, made.target, made.gan_seed) not in scored]
    tested = [
        made for made in state.translators if made.fold is not None and made.target == state.study.target
    ]
    if begun or not state.translators:
        suggest("gan train", path, *(options(begun[0]) if begun else ()))
    elif unscored:
        suggest("synth", path, *options(unscored[0]))
    elif state.report:
        suggest("report", path, "--open")
    elif tested:
        suggest("benchmark", path, *options(tested[0]), f"--preset {tested[0].preset}")
    else:  # a benchmark raises the target and needs test scans
        suggest("gan score", path, *options(state.synthetic[0]))


def report(
    study: StudyPath = Path("study"),
    show: Annotated[bool, typer.Option("--open", metavar="", help="Show the page in the browser.")] = False,
    of: Annotated[
        int | None,
        typer.Option("--of", metavar="N", min=1, help="Number of the report; that of the last benchmark."),
    ] = None,
    language: Annotated[
        str, typer.Option(metavar="en|ko", help="ko: also a page with headings and verdict in Korean.")
    ] = "en",
    hand_on: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write it into this new folder instead, without pictures of scans."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write the report of the last benchmark again from the cells that are finished; trains nothing.

    --of writes an earlier one again, in its own place."""
    if language not in ("en", "ko"):
        raise UsageError(f"--language {language}: expected en or ko.")
    if hand_on and (show or language != "en"):
        raise UsageError("--hand-on goes with --of alone: it writes the English page. Leave the others out.")
    opened = open_study(study)
    import webbrowser

    from ..benchmark import pipeline

    if hand_on:
        pipeline.hand_on(opened, hand_on, of)
        return
    page = pipeline.rewrite(opened, of, "ko" if language == "ko" else "en")
    if not show:
        suggest("report", study, "--open")
    elif not webbrowser.open(page.resolve().as_uri()):
        console.print(f"No browser could be started here. Open {page} in one.", style="yellow")
    if show:
        suggest("status", study)


@contextmanager
def use_study(
    path: Path, asked: "Mapping[str, Value]", *, preset: str | None = None, dry_run: bool = False
) -> "Iterator[Study]":
    """Open or create the study and show what every reader must know about its data.

    A new one goes again where the command turns out to be wrong within the context (UsageError). For a dry
    run a new one is made elsewhere, for the time of the context.
    """
    from ..core.files import mend, present
    from ..data.creation import PHANTOMS
    from ..data.settings import FILE
    from ..data.study import check_new, discard, open_or_create
    from ..gan.config import check_preset

    # where it lies
    if preset:
        check_preset(preset)
    new, phantoms = not (path / FILE).exists(), 300 if preset == "demo" else PHANTOMS
    with ExitStack() as folders:
        place = path
        if new:
            check_new(path)
        if new and dry_run:
            place = Path(folders.enter_context(TemporaryDirectory(prefix="bus-"))) / "study"
        elif new:
            try:
                folders.enter_context(present(path))
            except OSError as error:
                raise BusError(f"Could not make {path}: {error.strerror}. {mend(error)}.") from error

        # what it holds
        study = open_or_create(place, asked, phantoms=phantoms)
        if new:
            console.print(f"{'Would make the' if dry_run else 'New'} study {path}: {describe(study)}")
        for banner in study.settings.banners:
            console.print(f"Note: {banner}", style="yellow")

        # what is done with it
        try:
            yield study
        except UsageError:
            if new:
                discard(study)
            raise


def require_study(path: Path, option: str = "--study") -> None:
    """BusError unless there is a study, with the way to make one; torch is not imported for it.

    `option`: by which it was given, "" without one.
    """
    from ..data.settings import absent

    if why := absent(path, option):
        raise BusError(why)


def open_study(path: Path) -> "Study":
    """Open a study that must be there; BusError says how to make one."""
    require_study(path)
    from ..data.study import Study

    study = Study.open(path)
    study.verify()
    return study


def describe(study: "Study") -> str:
    """The data, scans, groups and folds of a study in a sentence."""
    used = study.used()
    counts = ", ".join(f"{len(study.rows_of(used, [name]))} {name}" for name in study.classes)
    groups = len({study.groups[row] for row in used})
    return (
        f"{study.settings.data.name}, cohort {study.settings.cohort}, {counts}; {groups} groups in "
        f"{study.settings.k} folds."
    )
