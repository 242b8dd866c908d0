"""What the commands share: their options, how they read them, and how they open a study."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import BusError, UsageError, did_you_mean

if TYPE_CHECKING:
    from ..core.compute import Compute
    from ..data.study import Study

MAIN, DATA, LOOK = "The main job", "Data", "Look"  # panels of the commands
STUDY, WORK, COMPUTE = "Study (frozen when it is created)", "Work", "Computing"
StudyPath = Annotated[Path, typer.Option("--study", help="Folder of the study.", rich_help_panel=STUDY)]
Data = Annotated[
    str | None,
    typer.Option(
        help="Folder or zip of class folders (BUSI's layout too), labels.csv, or phantom.",
        rich_help_panel=STUDY,
    ),
]
Cohort = Annotated[
    str | None, typer.Option(help="raw, clean, strict or curated; clean unless given.", rich_help_panel=STUDY)
]
Size = Annotated[
    int | None,
    typer.Option(help="Side of the letterboxed scans in pixels; 64 unless given.", rich_help_panel=STUDY),
]
Folds = Annotated[
    int | None, typer.Option("--k", help="Number of folds; 5 unless given.", rich_help_panel=STUDY)
]
SplitSeed = Annotated[
    int | None, typer.Option("--seed", help="Seed of the split; 0 unless given.", rich_help_panel=STUDY)
]
Target = Annotated[
    str | None, typer.Option(help="Class to balance; malignant unless given.", rich_help_panel=STUDY)
]
Inner = Annotated[
    int | None,
    typer.Option(
        help="Make the study of this outer fold's training part alone (development).", rich_help_panel=STUDY
    ),
]
Frames = Annotated[
    str | None,
    typer.Option(help="Of DICOM loops: middle or all; middle unless given.", rich_help_panel=STUDY),
]
ToClass = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="CLASS", help="Class to make; the study's target unless given.", rich_help_panel=WORK
    ),
]
GanSeed = Annotated[int, typer.Option(help="Seed of the translator.", rich_help_panel=WORK)]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Effort: demo, quick, standard or paper; quick on a CPU, standard on a GPU.",
        rich_help_panel=WORK,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", metavar="", help="Say what would be done, for how long, and stop.", rich_help_panel=WORK
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=COMPUTE)]
Precision = Annotated[str, typer.Option(help="auto, float32 or bfloat16.", rich_help_panel=COMPUTE)]
Extractor = Annotated[
    str,
    typer.Option(
        help="Network that judges: auto, inception (FID), efficientnet-lite0 (FD) or efficientnet-lite2 (FD; an extra).",
        rich_help_panel=WORK,
    ),
]
FidWeights = Annotated[
    Path | None,
    typer.Option(
        help="File with the Inception weights of FID.", exists=True, dir_okay=False, rich_help_panel=WORK
    ),
]
FoldText = Annotated[str, typer.Option("--fold", help="0, or 0,2, or all.", rich_help_panel=WORK)]
FoldOrNone = Annotated[
    str,
    typer.Option(
        "--fold",
        help="0, or 0,2, or all; none: all scans, without a test part (no benchmark then).",
        rich_help_panel=WORK,
    ),
]


def _machine(asked: bool) -> bool:
    """Callback of --json: from here on everything but the answer goes to stderr."""
    if asked:
        from .terminal import console, speak

        speak(quiet=console.quiet, machine=True)
    return asked


Json = Annotated[
    bool,
    typer.Option(
        "--json",
        metavar="",
        callback=_machine,
        help="Print the answer as JSON, everything else on stderr.",
        rich_help_panel=WORK,
    ),
]


def _hush(asked: bool) -> bool:
    """Callback of --quiet: from here on only results and errors are said."""
    if asked:
        from .terminal import results, speak

        speak(quiet=True, machine=results.stderr)
    return asked


Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", metavar="", callback=_hush, help="Say nothing but results and errors."),
]


def print_json(content: Any) -> None:
    """Print plain values as the one JSON object that `--json` promises."""
    typer.echo(
        json.dumps(content, indent=2, allow_nan=False)
    )  # escaped to ASCII: any locale's pipe can carry it


def use_study(path: Path, asked: dict[str, Any], *, preset: str | None = None) -> "Study":
    """Open or create the study and show what every reader must know about its data."""
    from ..data import study as studies
    from ..gan.config import check_preset
    from .terminal import Bars, console

    if preset:
        check_preset(preset)
    new = not (path / "study.json").exists()
    phantoms = 240 if preset == "demo" else studies.PHANTOMS
    with Bars("Reading scans") as bars:
        study = studies.open_or_create(path, asked, phantoms=phantoms, say=console.print, reading=bars.start)
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
    return Study.open(path)


def describe(study: "Study") -> str:
    """The data, scans, groups and folds of a study in a sentence."""
    used = study.used()
    counts = ", ".join(f"{len(study.rows_of(used, [name]))} {name}" for name in study.classes)
    groups = len({study.groups[row] for row in used})
    return f"{study.settings.data.name}, cohort {study.settings.cohort}, {counts}; {groups} groups in {study.settings.k} folds."


def names(text: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """Split a comma-separated option and check each name; UsageError names the unknown one and the known ones."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in found if name not in known]
    if unknown or not found:
        raise UsageError(
            f"{option} {text}: {', '.join(unknown) or 'nothing'} is unknown; choose among {', '.join(known)}."
            + "".join(did_you_mean(name, known) for name in unknown[:1])
        )
    return found


def fold_numbers(text: str, study: "Study") -> list[int]:
    """Turn `0`, `0,2` or `all` into fold numbers of the study; UsageError for others."""
    if text == "all":
        return study.folds
    known = [str(fold) for fold in study.folds]
    return sorted(int(name) for name in names(text, known, "--fold"))


def folds_of(text: str, study: "Study") -> list[int | None]:
    """Fold numbers as `fold_numbers` reads them, or `none`: all scans."""
    return [None] if text == "none" else list(fold_numbers(text, study))


def target_of(name: str | None, study: "Study") -> str:
    """The class to make: the study's target unless another is named; UsageError for an unknown one."""
    from ..gan.config import check_target

    return check_target(study, name or study.target)


def default_preset(name: str | None, compute: "Compute") -> str:
    """The effort asked for, or the one that fits the device."""
    return name or ("quick" if compute.device == "cpu" else "standard")


def given(ctx: typer.Context) -> dict[str, str]:
    """The options that were typed: name of the parameter → how the option is written."""
    sources = {option: ctx.get_parameter_source(str(option.name)) for option in ctx.command.params}
    return {
        str(option.name): option.opts[0]
        for option, source in sources.items()
        if source and source.name == "COMMANDLINE"
    }


def duration(seconds: float) -> str:
    """Seconds, minutes or hours for a person."""
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
