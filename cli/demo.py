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
    from ..gan.request import Ask, Judge, plan_gan
    from ..gan.synth import make_scans
    from ..gan.train import train_gan
    from ..gan.translator import Translator

    compute = resolve()
    opened = use_study(study, {"data": "phantom"}, preset="demo")
    translator, judge = Translator(opened, 0, opened.target, 0), Judge()
    config, here = plan_gan(translator, Ask(), compute, preset="demo")
    train_gan(opened, config, here)
    make_scans(translator, compute, judge, count=60)
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
