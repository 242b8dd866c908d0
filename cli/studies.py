"""The commands that look at a study, `bus status` and `bus report`, and how all commands open one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import BusError
from .options import WORK, Json, Quiet, StudyPath
from .terminal import Bars, console, print_json, results

if TYPE_CHECKING:
    from ..data.study import Study


def status(study: StudyPath = Path("study"), as_json: Json = False, quiet: Quiet = False) -> None:
    """Say what a study holds and what is missing or under way."""
    from ..benchmark.status import overview
    from ..data.study import Study

    opened = Study.open(study)
    opened.verify()
    state = overview(opened)
    if as_json:
        print_json(state.as_json)
        return
    results.print(f"{study}: {describe(opened)}")
    for banner in opened.settings.banners:
        results.print(f"Note: {banner}", style="yellow")
    for line in state.lines():
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

    opened = Study.open(study)
    opened.verify()
    page = pipeline.rewrite(opened)
    if show and not webbrowser.open(page.resolve().as_uri()):
        raise BusError(f"No browser could be started here. Open {page} in one.")


def use_study(path: Path, asked: dict[str, Any], *, preset: str | None = None) -> "Study":
    """Open or create the study and show what every reader must know about its data."""
    from ..data.creation import PHANTOMS
    from ..data.study import open_or_create
    from ..gan.config import check_preset

    if preset:
        check_preset(preset)
    new = not (path / "study.json").exists()
    phantoms = 240 if preset == "demo" else PHANTOMS
    with Bars("Reading scans") as bars:
        study = open_or_create(path, asked, phantoms=phantoms, say=console.print, reading=bars.start)
    if new:
        console.print(f"New study {path}: {describe(study)}")
    for banner in study.settings.banners:
        console.print(f"Note: {banner}", style="yellow")
    return study


def open_study(path: Path) -> "Study":
    """Open a study that must be there; BusError says how to make one."""
    from ..data.study import Study

    if not (path / "study.json").exists():
        raise BusError(
            f"There is no study in {path}. Run bus gan train first, or give its folder with --study."
        )
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
