"""The commands of `bus`. Torch and friends are imported inside them, so that --help answers at once."""

import atexit
import gc
import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from .. import __version__
from ..core.errors import BusError, UsageError
from . import benchmark, compare, data, demo, export, gan, predict, studies, translate
from .options import DATA, LOOK, MAIN, Json, Quiet
from .terminal import print_json, say

ORDER = (
    "gan",
    "synth",
    "benchmark",
    "demo",
    "data",
    "status",
    "report",
    "compare",
    "predict",
    "translate",
    "export",
    "doctor",
)  # in the help
STOPPED = "Stopped; what was finished is kept. Run the same command again to go on."
BROKEN = "Memory may be short, or the installation damaged: bus doctor tells."
UNFORESEEN = (
    "Nobody foresaw this: please report it on the project's page, with the command and what the same command "
    "says with --debug."
)
DEBUG = "--debug"
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
    help="Balance a breast-ultrasound data set with a CycleGAN and measure what that does to three "
    "classifiers. Research use only.",
    epilog="Example: bus demo\n\nExit codes: 0 done, 1 the work failed, 2 a wrong option or one that "
    "contradicts the study, 130 stopped by Ctrl-C (the same command goes on).",
)
app.add_typer(gan.app, name="gan", rich_help_panel=MAIN)
app.add_typer(data.app, name="data", rich_help_panel=DATA)
for command, panel, example in (
    (gan.synth, MAIN, "bus synth --n 500"),
    (benchmark.benchmark, MAIN, "bus benchmark --fold all --seeds 3 --jobs 4"),
    (demo.demo, MAIN, "bus demo"),
    (predict.predict, LOOK, "bus predict scans/ --format html"),
    (translate.translate, DATA, "bus translate my-scans --to translated"),
    (export.export, DATA, "bus export --fold 0 --arm cyclegan --to balanced"),
    (studies.status, LOOK, "bus status --study study"),
    (compare.compare, LOOK, "bus compare study-64 study-128 --figure gains.svg"),
    (studies.report, LOOK, "bus report --open"),
):
    app.command(epilog=f"Example: {example}", rich_help_panel=panel)(command)


@app.command(epilog="Example: bus doctor", rich_help_panel=LOOK)
def doctor(as_json: Json = False, quiet: Quiet = False) -> None:
    """Say what this machine has, what bus would choose on it and why, and what would be slow."""
    from .doctor import examine, lines
    from .terminal import findings, suggest

    machine = examine(Path.cwd())
    if as_json:
        print_json(machine.as_json)
        return
    findings(lines(machine))
    suggest("demo", None)


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
    debug: Annotated[
        bool, typer.Option(DEBUG, metavar="", help="Show where an error that nobody foresaw happened.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    from .terminal import speak

    speak(quiet=quiet)  # also loud again, for a caller that runs several commands


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exit codes: 0 done, 1 the work failed, 2 a wrong option, 130 stopped by the user.

    Whatever happens ends with a sentence; `--debug`, anywhere among the arguments, shows where it happened.
    """
    from ..core.progress import Interrupted, listening
    from .terminal import Terminal, results, stopping

    # what was typed, and how it is answered
    arguments = sys.argv[1:] if arguments is None else arguments
    debug, arguments = DEBUG in arguments, [text for text in arguments if text != DEBUG]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding lacks is escaped, no verdict lost
            stream.reconfigure(errors="backslashreplace")

    # while torch is imported, Python's collector would look through all of it again and again, and once more
    # at the end: together a third of the time that a finished study takes to answer
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)

    # the command, and what may end it
    try:
        terminal = Terminal()
        with listening(terminal), stopping(terminal):
            _require_folder()
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
    except BrokenPipeError:  # whoever read our output has left (bus status | head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        _fail(f"Memory ran out. Use fewer --jobs, or a smaller --size in a new study. {INTACT}", 1)
    except ImportError as error:
        _fail(f"A package could not be loaded ({error}). {BROKEN} {INTACT}", 1)
    except OSError as error:
        _fail(f"{error.filename or 'The work'}: {error.strerror or error}. {INTACT}", 1)
    except Exception as error:
        if debug:
            raise
        _fail(f"{type(error).__name__}: {error}. {UNFORESEEN} {INTACT}", 1)


def _require_folder() -> None:
    try:
        Path.cwd()
    except OSError:
        raise BusError(
            "The folder you are in was deleted. Change to another and run the command again."
        ) from None


def _fail(text: str, code: int) -> NoReturn:
    say(f"bus: {text}")
    sys.exit(code)
