"""The commands about data sets: `bus data check` and `bus data phantom`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from .options import Json, Quiet, again
from .terminal import print_json

app = typer.Typer(
    no_args_is_help=True,
    help="Look at a data set, or simulate one.",
    epilog="Example: bus data check Dataset_BUSI_with_GT",
)


@app.command("check", epilog="Example: bus data check Dataset_BUSI_with_GT")
def data_check(
    ctx: typer.Context,
    data: Annotated[str, typer.Argument(metavar="PATH", help="What you would give as --data.")],
    page: Annotated[Path, typer.Option(help="The page to write; a name ending in .html.")] = Path(
        "data-check.html"
    ),
    k: Annotated[int, typer.Option("--k", min=2, help="Folds that a study would have.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the splits.")] = 0,
    frames: Annotated[str, typer.Option(help="Of DICOM loops: middle or all.")] = "middle",
    merge_alike: Annotated[
        bool,
        typer.Option("--merge-alike", metavar="", help="Make one group of given groups that show one scene."),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Audit a data set before a study: groups, contradictions, burned-in marks, shortcuts, leaks.

    Exit code 1: unsound.
    """
    if page.suffix.casefold() != ".html":
        raise UsageError(
            f"--page {page}: expected a name that ends in .html, so that no scan is overwritten by mistake."
        )
    from ..benchmark.report.check_page import write_page
    from ..data import check_text
    from ..data.check import check
    from . import terminal

    findings = check(data, k=k, seed=seed, frames=frames, merge_alike=merge_alike)
    written = write_page(findings, page)
    if as_json:
        print_json({**check_text.as_json(findings), "page": str(written)})
    terminal.results.print(f"Page: {written}")
    terminal.findings([] if as_json else check_text.lines(findings))  # the last line is the verdict
    if findings.unsound:
        raise typer.Exit(1)
    alike = again(ctx, "k", "seed", "frames", "merge_alike")
    terminal.suggest("gan train", None, f"--data {shlex.quote(data)}", *alike)


@app.command("phantom", epilog="Example: bus data phantom phantoms --n 780")
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
    from .terminal import results, suggest

    jobs = cores() if n > 200 else 1  # below that, starting processes takes longer than they save
    phantom.write_cohort(out, n, seed=seed, size=size, scanner=scanner, paired=paired, jobs=jobs)
    # the word phantom means the built-in cohort
    folder = "./phantom" if str(out) == "phantom" else shlex.quote(str(out))
    results.print(f"{n} phantoms in {out}; use them with --data {folder}.")
    suggest("data check", None, folder)
