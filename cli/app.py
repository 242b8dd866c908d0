"""The commands of `bus`. Torch and friends are imported inside them, so that --help answers at once."""

import atexit
import gc
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..core.errors import BusError, UsageError
from . import benchmark, gan
from .options import DATA, LOOK, MAIN, Json, Quiet, print_json

ORDER = ("gan", "synth", "benchmark", "demo", "data", "status", "report", "predict", "doctor")  # in the help
STOPPED = "Stopped; what was finished is kept. Run the same command again to go on."
INTACT = "What was finished before is intact; the same command goes on."


class InOrder(TyperGroup):
    """Commands in the order a newcomer needs them; typer would list groups last."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    name="bus",
    cls=InOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Balance a breast-ultrasound data set with a CycleGAN and measure what that does to three classifiers. "
    "Research use only.",
    epilog="Example: bus demo\n\nExit codes: 0 done, 1 the work failed, 2 a wrong option or one that contradicts the study, "
    "130 stopped by Ctrl-C (the same command goes on).",
)
data_app = typer.Typer(
    no_args_is_help=True,
    help="Look at a data set, or simulate one.",
    epilog="Example: bus data check Dataset_BUSI_with_GT",
)
app.add_typer(gan.app, name="gan", rich_help_panel=MAIN)
app.add_typer(data_app, name="data", rich_help_panel=DATA)
for command, panel, example in (
    (gan.synth, MAIN, "bus synth --n 500"),
    (benchmark.benchmark, MAIN, "bus benchmark --fold all --seeds 3 --jobs 4"),
    (benchmark.demo, MAIN, "bus demo"),
    (benchmark.predict, LOOK, "bus predict scans/ --format html"),
    (benchmark.status, LOOK, "bus status --study study"),
    (benchmark.report, LOOK, "bus report --open"),
):
    app.command(epilog=f"Example: {example}", rich_help_panel=panel)(command)


@app.command(epilog="Example: bus doctor", rich_help_panel=LOOK)
def doctor(as_json: Json = False, quiet: Quiet = False) -> None:
    """Say what this machine has, what bus would choose on it and why, and what would be slow."""
    from .doctor import examine, lines
    from .terminal import findings

    found = examine(Path.cwd())
    if as_json:
        print_json(found)
        return
    findings(lines(found))


@data_app.command("check", epilog="Example: bus data check Dataset_BUSI_with_GT")
def data_check(
    data: Annotated[str, typer.Argument(metavar="PATH", help="What you would give as --data.")],
    page: Annotated[Path, typer.Option(help="The HTML page to write.")] = Path("data-check.html"),
    k: Annotated[int, typer.Option("--k", min=2, help="Folds that a study would have.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Audit a data set before a study: groups, contradictions, burned-in marks, shortcuts, leaks. Exit code 1: unsound."""
    from ..benchmark.report.check_page import write_page
    from ..data import check
    from .terminal import Bars, results
    from .terminal import findings as show

    with Bars("Reading scans") as bars:
        findings = check.check(data, k=k, seed=seed, reading=bars.start)
    written = write_page(findings, page)
    if as_json:
        print_json({**check.as_dict(findings), "page": str(written)})
    show([] if as_json else check.lines(findings))
    results.print(f"Page: {written}")
    if findings.unsound:
        raise typer.Exit(1)


@data_app.command("phantom", epilog="Example: bus data phantom phantoms --n 780")
def data_phantom(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of scans.")] = 780,
    size: Annotated[int, typer.Option(help="Side in pixels.")] = 128,
    seed: Annotated[int, typer.Option(help="Seed of the cohort.")] = 0,
    scanner: Annotated[str, typer.Option(help="linear-7, linear-10 or linear-14.")] = "linear-10",
    paired: Annotated[
        bool, typer.Option("--paired", metavar="", help="The same anatomy benign and malignant.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a cohort and write it in BUSI's layout, with masks, groups and lesion parameters."""
    from ..core.compute import cores
    from ..data import phantom
    from .terminal import progress, results

    jobs = cores() if n > 200 else 1  # below that, starting processes takes longer than they save
    with progress(f"Simulating {n} phantoms", n) as advance:
        phantom.write_cohort(
            out,
            n,
            seed=seed,
            size=size,
            scanner=scanner,
            paired=paired,
            jobs=jobs,
            progress=lambda done: advance(),
        )
    results.print(f"{n} phantoms in {out}; use them with --data {shlex.quote(str(out))}.")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"bus-balance {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    from .terminal import speak

    speak(quiet=quiet)  # also loud again, for a caller that runs several commands


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exit codes: 0 done, 1 the work failed, 2 a wrong option, 130 stopped by the user."""
    from ..core.progress import Interrupted, listening
    from .terminal import Terminal, results

    gc.set_threshold(
        50_000
    )  # while torch is imported, Python's collector would look through all of it again and again
    atexit.register(
        gc.freeze
    )  # and once more at the end; together a third of what a finished study takes to answer
    try:
        with listening(Terminal()):
            app(arguments, prog_name="bus")
    except UsageError as error:
        _fail(str(error), 2)
    except BusError as error:
        _fail(str(error), 1)
    except (Interrupted, KeyboardInterrupt) as stop:
        results.print(str(stop) or STOPPED)
        sys.exit(130)
    except SystemExit as end:  # typer turns a Ctrl-C outside of our loops into this
        if end.code == 130:
            results.print(STOPPED)
        raise
    except OSError as error:
        _fail(f"{error.filename or 'The work'}: {error.strerror or error}. {INTACT}", 1)
    except MemoryError:
        _fail(f"Memory ran out. Use fewer --jobs, or a smaller --size in a new study. {INTACT}", 1)


def _fail(text: str, code: int) -> None:
    typer.echo(f"bus: {text}", err=True)
    sys.exit(code)
