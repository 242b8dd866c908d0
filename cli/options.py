"""The options that commands share: their types, and how what was typed is parsed."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError, did_you_mean
from ..data.names import clean

if TYPE_CHECKING:
    from ..data.settings import Value
    from ..data.study import Study

MAIN, DATA, LOOK = "The main job", "Data", "Look"  # panels of the commands
STUDY, MORE = "Study (frozen when it is created)", "Advanced"  # panels of options; the rest is used most
FROZEN = ("data", "cohort", "size", "k", "seed", "target", "inner", "frames", "merge_alike")  # of a study
StudyPath = Annotated[Path, typer.Option("--study", help="Folder of the study.")]
Data = Annotated[
    str | None,
    typer.Option(
        help="Folder or zip of class folders (BUSI's layout too; pictures or DICOM), labels.csv, busi (a "
        "download), or phantom."
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
    int | None,
    typer.Option("--seed", min=0, help="Seed of the split; 0 unless given.", rich_help_panel=STUDY),
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
MergeAlike = Annotated[
    bool | None,
    typer.Option(
        "--merge-alike",
        help="Make one group of given groups that hold scans of one scene.",
        show_default=False,
        metavar="",
        rich_help_panel=STUDY,
    ),
]
ToClass = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="CLASS", help="Class to make; the study's target unless given.", rich_help_panel=MORE
    ),
]
GanSeed = Annotated[int, typer.Option(min=0, help="Seed of the translator.", rich_help_panel=MORE)]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset", help="Effort: demo, quick, standard or paper; quick on a CPU, standard on a GPU."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Trainings at once, one thread each: the cores unless given, or 1 (GPU)."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", metavar="", help="Say what would be done, for how long, and stop.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=MORE)]
Precision = Annotated[str, typer.Option(help="auto, float32 or bfloat16.", rich_help_panel=MORE)]
Extractor = Annotated[
    str,
    typer.Option(
        help="Network that judges: auto, inception (FID), efficientnet-lite0, efficientnet-lite2 (an extra) "
        "or any classification network of torchvision, such as vgg16 (all FD).",
        rich_help_panel=MORE,
    ),
]
FidWeights = Annotated[
    Path | None,
    typer.Option(
        help="File with the weights of the network that judges.",
        exists=True,
        dir_okay=False,
        rich_help_panel=MORE,
    ),
]
FoldText = Annotated[str, typer.Option("--fold", help="0, or 0,2, or all.")]
FoldOrNone = Annotated[
    str,
    typer.Option(
        "--fold", help="0, or 0,2, or all; none: all scans, without a test part (no benchmark then)."
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
        "--json", metavar="", callback=_machine, help="Print the answer as JSON, everything else on stderr."
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


def _explain(asked: bool) -> bool:
    """Callback of --verbose: from here on details are said too."""
    from .terminal import Terminal

    Terminal.verbose = asked
    return asked


Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", metavar="", callback=_explain, help="Say every score, a line each.")
]


def split_names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated option, each once."""
    return tuple(dict.fromkeys(clean(part) for part in text.split(",") if part.strip()))


def names(text: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """Split a comma-separated option; UsageError names what is unknown and what is known."""
    chosen = split_names(text)
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise UsageError(
            f"{option} {text}: {', '.join(unknown) or 'nothing'} is unknown; choose among {', '.join(known)}."
            + "".join(did_you_mean(name, known) for name in unknown[:1])
        )
    return chosen


def model_names(text: str) -> tuple[str, ...]:
    """The classifiers in a comma-separated option; UsageError names what is unknown."""
    from ..classify.torchvision_names import check_model

    chosen = split_names(text)
    for name in chosen or (text,):
        check_model(name)
    return chosen


def fold_numbers(text: str, study: "Study") -> list[int]:
    """Turn `0`, `0,2` or `all` into fold numbers of the study; UsageError for others."""
    if text == "all":
        return study.folds
    known = [str(fold) for fold in study.folds]
    return sorted(int(name) for name in names(text, known, "--fold"))


def folds_of(text: str, study: "Study") -> list[int | None]:
    """Fold numbers as `fold_numbers` reads them, or `none`: all scans."""
    return [None] if text == "none" else list(fold_numbers(text, study))


def given(ctx: typer.Context) -> dict[str, str]:
    """The options that were typed: name of the parameter → how the option is written."""
    sources = {option: ctx.get_parameter_source(str(option.name)) for option in ctx.command.params}
    return {
        str(option.name): option.opts[0]
        for option, source in sources.items()
        if source and source.name == "COMMANDLINE"
    }


def again(ctx: typer.Context, *only: str) -> list[str]:
    """The options that were typed, each quoted for a shell, without --dry-run: what does the work.

    `only`: none but these parameters.
    """
    words: list[str] = []
    for name, option in given(ctx).items():
        value = ctx.params.get(name)
        if name != "dry_run" and value is not None and value is not False and (not only or name in only):
            values = value if isinstance(value, list | tuple) else [value]
            words += [option if one is True else f"{option} {shlex.quote(str(one))}" for one in values]
    return words


def translator_options(study: "Study", fold: str, to: str, gan_seed: int) -> list[str]:
    """Options that ask a further command for the same translators."""
    return [
        *[f"--fold {fold}"] * (fold != "0"),
        *[f"--gan-seed {gan_seed}"] * bool(gan_seed),
        *[f"--to {shlex.quote(to)}"] * (to != study.target),
    ]


def frozen(ctx: typer.Context) -> "Mapping[str, Value]":
    """What was asked of the study itself, by the names of its settings; None where nothing was."""
    return {name: ctx.params[name] for name in FROZEN}
