"""`bus demo`: the whole way once, on simulated phantoms."""

import shlex
from pathlib import Path

from .options import Jobs, Quiet, StudyPath
from .studies import use_study
from .terminal import suggest

# its translator begins with first weights, which few pairs suffice to fit to its own phantoms
BEGUN = {"init": "phantoms-1", "channels": "32", "blocks": "6"}


def demo(study: StudyPath = Path("demo-study"), jobs: Jobs = None, quiet: Quiet = False) -> None:
    """Run the whole way once on simulated phantoms, in minutes.

    One classifier that learns from so few scans, twice. Its numbers mean nothing; its report shows the form.
    """
    from ..benchmark import pipeline
    from ..benchmark.request import Request
    from ..core.compute import resolve, usual_jobs
    from ..gan.request import Ask, plan_gan
    from ..gan.synth import make_scans
    from ..gan.train import train_gan
    from ..gan.translator import Translator

    with use_study(study, {"data": "phantom"}, preset="demo") as opened:
        command = f"bus demo --study {shlex.quote(str(study))}"
        compute = resolve()
        at_once = jobs or usual_jobs(compute.device)
        models = ("resnet18",)  # the others take more steps than a demo has: they answer with one class
        request = Request(
            (0,), models=models, seeds=2, preset="demo", compute=compute, jobs=at_once, command=command
        )
        translator = Translator(opened, 0, opened.target, 0)
        ask = Ask() if translator.config else Ask(pairs=200, changes=BEGUN)  # one goes on as it was begun
        config, compute = plan_gan(translator, ask, request.compute, preset="demo")
        train_gan(opened, config, compute)
        make_scans(translator, request.compute, request.judge, count=60)
        pipeline.benchmark(opened, request)
        suggest("report", study, "--open")
