"""`make scale`: what a study costs, by the estimate of --dry-run, held against a run and carried on.

    python tests/speed/scale.py [--check] [--far] [--size 64] [--phantoms 120] [--out DIR]

`--check` makes a study of phantoms and asks the estimate for its time, bytes and files, then runs it and
measures the same; the ratios are printed. `--far` times steps at 256 px on a few phantoms and carries the
same estimate on to 100,000 scans: core-hours here, and hours on 8 and on 64 cards, of which each takes --card
seconds for a step of the translator, for other steps in proportion to their operations; all else takes what
one core takes here. Both unless one is named. Written to scale.json; `make scale` runs many.py too.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bus.benchmark import estimate, pipeline, run
from bus.benchmark.arms import DEFAULT_ARMS, parse
from bus.benchmark.cells import cells_of, synthetic_needed
from bus.benchmark.estimate import Outlook, Pace
from bus.benchmark.examples import own_examples
from bus.benchmark.forecast import AUDIT, PAGES, SCANS, SCORES, TRAININGS, TRANSLATORS, Rates, forecast
from bus.benchmark.request import Request
from bus.classify.catalogue import MODELS
from bus.classify.train import fit
from bus.core import files
from bus.core.compute import resolve
from bus.data.cohort import Scan
from bus.data.store import Box, Pixels
from bus.data.study import Study, open_or_create
from bus.gan import synth
from bus.gan.request import Ask, Judge, plan_gan
from bus.gan.train import time_steps
from bus.gan.translator import Translator
from measure import flops, machine
from stages import processor, timed

ARMS = ("original", "oversampled", "cyclegan")
CLASSES = {"benign": 437, "malignant": 210, "normal": 133}  # in BUSI's proportions
FAR, FAR_SIDE, FEW = 100_000, 256, 120  # scans; px; phantoms on which steps of that side are timed
FAR_FOLDS, FAR_SEEDS = 5, 3
CARD = 0.023  # s, a translator's step at 256 px on an NVIDIA H200, recorded (docs/translator.md)
Json = dict[str, Any]


def main() -> None:
    """Hold the estimate against a run, carry it on, and write both."""
    parser = argparse.ArgumentParser(
        prog="tests/speed/scale.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--far", action="store_true")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--phantoms", type=int, default=120)
    parser.add_argument("--pairs", type=int, default=800, help="of the translator")
    parser.add_argument("--card", type=float, default=CARD, help="s, a translator's step on a card")
    parser.add_argument("--tiny", action="store_true", help="shows that it runs, its numbers mean nothing")
    parser.add_argument("--out", type=Path, default=Path("build/speed"))
    asked = parser.parse_args()
    both = asked.check == asked.far
    place = asked.out / "scale.json"
    found: Json = files.read_json(place) if place.exists() else {}
    found["machine"] = machine(resolve())
    if asked.check or both:
        found["check"] = check(asked.phantoms, asked.size, asked.pairs, tiny=asked.tiny)
        files.write_json(place, found)
    if asked.far or both:
        found["far"] = far(asked.card, tiny=asked.tiny)
        files.write_json(place, found)
    print(f"Written: {place}")


# a run, foreseen and measured

STEPS = {
    TRANSLATORS: (pipeline, "train_gan"),
    SCANS: (synth, "synthesise"),
    SCORES: (synth, "score_set"),
    AUDIT: (pipeline, "check"),
    TRAININGS: (run, "run"),
    PAGES: (pipeline, "write"),
}
FOLDERS = {  # what each part leaves, by the folder that it lies in
    TRANSLATORS: "fold-*/gan",
    SCANS: "fold-*/synth",
    TRAININGS: "fold-*/cells",
    PAGES: "*",
}


def check(phantoms: int, side: int, pairs: int, *, tiny: bool) -> Json:
    """What the estimate says of a study of phantoms, and what it took."""
    request = Request(
        (0,),
        tuple(map(parse, ARMS)),
        ("simplecnn",),
        preset="demo" if tiny else "quick",
        compute=resolve(),
        judge=Judge("efficientnet-lite0"),
        ask=Ask(pairs=pairs),
        command="bus benchmark",
    )
    with tempfile.TemporaryDirectory(prefix="bus-scale-") as folder:
        study = open_or_create(Path(folder) / "study", {"size": side}, phantoms=phantoms)
        before = stored(study.path)
        begun, rates = time.perf_counter(), Rates()
        parts = forecast(study, request, rates)
        asking = time.perf_counter() - begun
        begun, used = time.perf_counter(), processor()
        with timed(STEPS) as spent:
            pipeline.benchmark(study, request)
        whole, used = time.perf_counter() - begun, processor() - used
        after = stored(study.path)
    rows = {}
    for part in parts:
        kept = [now - then for now, then in zip(after[part.name], before[part.name], strict=True)]
        rows[part.name] = {
            "seconds": [part.here(request.jobs).usual, spent[part.name]["seconds"]],
            "of the processor": [part.here(request.jobs).usual, spent[part.name]["of the processor"]],
            "bytes": [part.bytes, kept[0]],
            "files": [part.files, kept[1]],
        }
    sums = {name: [sum(row[name][k] for row in rows.values()) for k in (0, 1)] for name in rows[PAGES]}
    sums["seconds"][1], sums["of the processor"][1] = whole, used
    found = {
        "phantoms": phantoms,
        "pairs": pairs,
        "side": side,
        "seconds of the estimate": asking,
        "rates": recorded(rates),
        "parts": rows,
        "all": sums,
    }
    for name, row in [*rows.items(), ("all", sums)]:
        told = (f"{what} {said:,.0f} : {was:,.0f}" for what, (said, was) in row.items())
        print(f"{name:<16} estimated : measured   {',  '.join(told)}", flush=True)
    print("ratios", {what: round(was / said, 2) for what, (said, was) in sums.items()})
    return found


def recorded(rates: Rates) -> Json:
    """The measured pieces that an estimate was made of; tests/benchmark/test_forecast.py reads one back."""
    return {
        "paces": [[*kind, asdict(pace)] for kind, pace in rates.paces.items()],
        "steps": [[[*kind], asdict(step)] for kind, step in rates.steps.items()],
        "scans": rates.scans,
        "distances": [[count, seconds] for count, seconds in rates.distances.items()],
        "square": rates.square,
    }


def stored(study: Path) -> dict[str, tuple[int, int]]:
    """Bytes and files of each part of a study, those of the report without what the others have."""
    counts = {}
    for name, pattern in FOLDERS.items():
        paths = [path for folder in study.glob(pattern) for path in folder.rglob("*") if path.is_file()]
        counts[name] = (sum(path.stat().st_size for path in paths), len(paths))
    folders = [
        folder for folder in study.glob("*") if folder.is_dir() and not folder.name.startswith("fold-")
    ]
    paths = [path for folder in [*folders, *study.glob("fold-*/yardstick")] for path in folder.rglob("*")]
    paths = [path for path in [*paths, *study.glob("*")] if path.is_file()]
    counts[PAGES] = (sum(path.stat().st_size for path in paths), len(paths))
    return counts | {SCORES: (0, 0), AUDIT: (0, 0)}


# a study that nobody ran


class Imagined(Study):
    """A study of so many scans that there is nothing of but their table; its pixels are another's."""

    def __init__(self, like: Study, count: int) -> None:
        rng, scans, shares = np.random.default_rng(0), [], np.array(list(CLASSES.values()), float)
        for number, label in enumerate(rng.choice(list(CLASSES), count, p=shares / shares.sum())):
            box = Box(0, 0, like.settings.size, like.settings.size)
            digest = f"{number:064x}"
            fold = number % like.settings.k
            name = f"{label}/{number}.png"
            scans.append(Scan(name, digest, str(label), f"g{number}", fold, None, 700, 500, box))
        super().__init__(like.path / "imagined", like.settings, scans)
        self.like = like

    @property
    def pixels(self) -> Pixels:
        """Those of the study that was timed."""
        return self.like.pixels

    def pixels_sha256(self, rows: Sequence[int]) -> str:
        """There is nothing to hash."""
        return "0" * 64


def far(card: float, *, tiny: bool) -> Json:
    """The estimate for a study of very many scans, from steps at its side timed on a few phantoms."""
    count, side, few = (1_000, 32, FEW) if tiny else (FAR, FAR_SIDE, FEW)
    request = Request(
        tuple(range(FAR_FOLDS)),
        tuple(map(parse, DEFAULT_ARMS)),
        ("simplecnn",) if tiny else MODELS,
        seeds=FAR_SEEDS,
        gan_seeds=FAR_SEEDS,
        preset="demo" if tiny else "standard",
        compute=resolve(threads=1),
    )
    estimate.TIMED_STEPS = 3  # steps of that side take seconds and vary little
    with tempfile.TemporaryDirectory(prefix="bus-scale-") as folder:
        small = open_or_create(Path(folder) / "study", {"size": side, "k": FAR_FOLDS}, phantoms=few)
        rates = Rates()
        forecast(small, replace(request, folds=(0,), seeds=1, gan_seeds=1), rates)
        imagined, work = Imagined(small, count), operations(small, request)
        parts = forecast(imagined, request, rates)
        cards = forecast(imagined, request, on_card(rates, work, work[TRANSLATORS] / card))
    rows = {}
    for part, fast in zip(parts, cards, strict=True):
        rows[part.name] = {
            "pieces": len(part.pieces),
            "core-hours": sum(piece.usual for piece in part.pieces) / 3600,
            **{f"hours on {many} cards": fast.lasting(many).usual / 3600 for many in (1, 8, 64)},
            "bytes kept": part.bytes,
            "bytes read": part.read,
            "files": part.files,
        }
        print(part.name, {name: round(value, 2) for name, value in rows[part.name].items()}, flush=True)
    return {
        "scans": count,
        "side": side,
        "TFLOP/s that a card is taken to reach": work[TRANSLATORS] / card / 1e12,
        "operations of a step": work,
        "seconds of a step here": {
            **{f"translator, {step[0]} px": time.usual for step, time in rates.steps.items()},
            **{model: pace.step for (model, *_), pace in rates.paces.items()},
        },
        "seconds of a scan here": rates.scans,
        "parts": rows,
        "all": {name: sum(row[name] for row in rows.values()) for name in rows[PAGES]},
    }


def operations(study: Study, request: Request) -> dict[str, float]:
    """Floating-point operations of a training step of the translator and of each classifier."""
    place = next(iter(synthetic_needed(study, request)))
    config, compute = plan_gan(Translator(study, *place), request.ask, request.compute, preset=request.preset)
    counted = {TRANSLATORS: flops(lambda: time_steps(study, config, compute, repeats=1)) / 2}
    cells = {cell.model: cell for cell in cells_of(study, request)}
    for model, cell in cells.items():
        own = own_examples(study, study.train(0)[: cell.recipe.batch])
        short = replace(cell.recipe, steps=1, init="none", recalibration=0)
        counted[model] = flops(partial(fit, own, len(study.classes), short, request.compute, 0))
    return counted


def on_card(rates: Rates, work: dict[str, float], rate: float) -> Rates:
    """The same seconds, but of training steps and answers those of a card that does so many operations a
    second."""
    largest = max(rates.steps)
    faster = rates.steps[largest].usual * rate / work[TRANSLATORS]
    steps = {kind: Outlook(*[step.usual / faster] * 3) for kind, step in rates.steps.items()}
    paces = {}
    for kind, pace in rates.paces.items():
        faster = pace.step * rate / work[kind[0]]
        parts = {name: getattr(pace, name) / faster for name in ("step", "recalibration", "predict", "heat")}
        paces[kind] = Pace(pace.build, **parts, range=(parts["step"], parts["step"]))
    return replace(rates, steps=steps, paces=paces)


if __name__ == "__main__":
    main()
