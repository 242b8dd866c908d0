"""`bus demo`: the whole way once, on simulated phantoms."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .options import COMPUTE, Quiet, StudyPath
from .studies import use_study


def demo(
    study: StudyPath = Path("demo-study"),
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Cells at once; the cores unless given.", rich_help_panel=COMPUTE),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run the whole way once on simulated phantoms, in minutes.

    Its numbers mean nothing; its report shows the form.
    """
    from ..benchmark import cells as plan
    from ..benchmark import pipeline
    from ..core.compute import cores, resolve
    from ..gan import workflow

    compute = resolve()
    opened = use_study(study, {"data": "phantom"}, preset="demo")
    config, here = workflow.plan_gan(
        opened, compute, fold=0, target=opened.target, seed=0, ask=workflow.Ask(), preset="demo"
    )
    workflow.train_gan(opened, config, here)
    judge = workflow.Judge()
    workflow.make_scans(opened, compute, fold=0, target=opened.target, gan_seed=0, count=60, judge=judge)
    wish = plan.Wish((0,), preset="demo")
    pipeline.benchmark(
        opened,
        wish,
        compute,
        jobs=jobs or cores(),
        keep_weights=False,
        judge=judge,
        command=f"bus demo --study {shlex.quote(str(study))}",
    )
