"""`bus compare`: what several studies say of the same question."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, Quiet
from .studies import require_study
from .terminal import Screen, print_json, results, suggest

if TYPE_CHECKING:
    from ..benchmark.results.compare import Finding


def compare(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY…", help="Folders of studies.")],
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw every gain with its interval too; a name ending in .svg."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put what the last reports of several studies say side by side. Nothing is trained or tested for it."""
    from ..core.errors import UsageError

    if figure and figure.suffix.casefold() != ".svg":
        raise UsageError(f"--figure {figure}: expected a name that ends in .svg.")
    for study in studies:
        require_study(study, option="")
    from ..benchmark.results.compare import findings

    rows = [row for study in dict.fromkeys(studies) for row in findings(study)]
    if as_json:
        print_json({"findings": [asdict(row) for row in rows]})
    else:
        _print_table(rows)
    if figure:
        from ..benchmark.report.compare_figure import write_figure

        write_figure(rows, figure)
        results.print(f"Figure: {figure}")
    if not as_json:
        suggest("report", studies[0], "--open")


def _print_table(rows: "list[Finding]") -> None:
    """The findings as a table, and the sentences behind them."""
    from rich.table import Table
    from rich.text import Text

    from ..benchmark.results import wording

    table = Table(box=None, pad_edge=False)
    for name in ("study", "model", "tests", "original", "cyclegan", "gain (95 %), points"):
        left, first = name in ("study", "model"), name == "study"
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=not first)
    for row in rows:
        tests = f"{row.scans} × {row.seeds}"
        shares = ["–" if share is None else f"{100 * share:.1f} %" for share in (row.original, row.balanced)]
        gain = "–"
        if row.gain.estimate is not None and row.gain.low is not None and row.gain.high is not None:
            ends = f"{wording.points(row.gain.low)} to {wording.points(row.gain.high)}"
            gain = f"{wording.points(row.gain.estimate)} ({ends}){'' if row.gain.retrained else ' *'}"
        table.add_row(Text(row.study), Text(wording.name(row.model)), tests, *shares, gain)
    wide = results if results.is_terminal else Screen(width=200)  # a file or pipe gets whole names
    wide.print(table)
    if any(row.gain.estimate is not None and not row.gain.retrained for row in rows):
        results.print("* for other scans alone, not for other trainings and translators")
    results.print("Tests are scans × seeds; the shares are macro-F1. Different data make different tasks.")
