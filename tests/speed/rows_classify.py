"""Rows of the classifiers: a training step as in a cell and as in a notebook; many small cells at once."""

import copy
import itertools
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import plain
import torch
from bus.benchmark import run
from bus.benchmark.arms import parse
from bus.benchmark.cells import STEPS, cells_of
from bus.benchmark.request import Request
from bus.classify.augmentation import Examples
from bus.classify.catalogue import TITLES
from bus.classify.models import build, place
from bus.classify.recipe import Recipe, build_optimiser
from bus.classify.train import move_average, step_batch, update
from bus.core.compute import Compute
from bus.data import phantom
from bus.data.study import Study, open_or_create
from measure import Bench, Row, threads

CLASSES = 3
FILES, NATIVE = 96, 500  # scans that are opened one by one, px: about the side of a scan of BUSI
REPEATS = {"simplecnn": 7, "resnet18": 7, "vgg19": 3}
AIMS = {"simplecnn": 3, "resnet18": 3, "vgg19": 2}  # times faster than a notebook


def step(model: str, bench: Bench) -> Row:
    """A training step with one thread, as in a cell, against decoding every scan every epoch, in float32."""
    compute = Compute(bench.compute.device, bench.compute.precision, 1)
    size, repeats = bench.size(64, 32), bench.size(REPEATS[model], 1)
    recipe = Recipe(model, 1000, batch=bench.size(32, 4))
    network = place(build(model, CLASSES, "none", 0), model, compute.device).train()
    averaged, other = copy.deepcopy(network), build(model, CLASSES, "none", 0).train()
    descent, plain_descent = (
        build_optimiser(network, recipe, fused=compute.fused),
        build_optimiser(other, recipe),
    )
    rng, number = np.random.default_rng(0), iter(range(1000))
    examples = Examples(
        rng.integers(0, 256, (500, size, size), np.uint8), rng.integers(0, CLASSES, 500), list(range(500))
    )
    batches = plain.labelled_batches(class_folders(bench, bench.size(FILES, 12)), size, recipe.batch)

    weights = torch.ones(CLASSES, device=compute.device)

    def ours() -> None:
        update(
            network, descent, recipe, compute, weights, step_batch(examples, recipe, compute, next(number), 0)
        )
        move_average(averaged, network, 0.99)

    with threads(1):
        found = bench.interleave(
            repeats, ours, lambda: plain.classifier_step(other, plain_descent, *next(batches))
        )
        row = Row(
            f"classify-{model}",
            f"training step of {TITLES[model]} ({size} px, batch {recipe.batch})",
            *found,
            "ImageFolder, PIL in every epoch, float32",
            repeats,
            1,
            compute.precision,
            aim=AIMS[model],
        )
        return bench.share(row, ours)


def class_folders(bench: Bench, count: int) -> Path:
    """Phantoms as class folders of PNG files of BUSI's size, without masks and tables; made once a run."""
    folder = bench.folder / f"classes-{count}"
    if not folder.exists():
        phantom.write_cohort(folder, count, size=bench.size(NATIVE, 128), jobs=bench.compute.threads)
        for path in [*folder.rglob("*_mask*.png"), *folder.glob("*.csv")]:
            path.unlink()
    return folder


def cells(bench: Bench) -> Row:
    """Twelve small cells: in turn, as many at once as cores, in turn with all threads; ways interleaved."""
    jobs, repeats = bench.compute.threads, bench.size(3, 1)
    ways = {"one": (1, 1), "many": (jobs, 1), "wide": (1, jobs)}  # cells at once, threads each
    times: dict[str, list[float]] = {name: [] for name in ways}
    begun = bench.folder / "cells"
    shutil.rmtree(begun, ignore_errors=True)
    count, size = bench.size(240, 60), bench.size(64, 32)
    open_or_create(begun / "study", {"size": size, "k": 3}, phantoms=count)
    steps = dict(STEPS)
    STEPS["demo"] = (bench.size(20, 2), 2)
    try:
        for turn, (name, (at_once, each)) in itertools.product(range(repeats), ways.items()):
            place = begun / f"{name}-{turn}"
            shutil.copytree(begun / "study", place)
            study = Study.open(place)
            arms = tuple(map(parse, ("original", "weighted", "oversampled")))
            wish = Request((0,), arms, ("simplecnn",), bench.size(4, 1), "demo")
            compute = Compute("cpu", bench.compute.precision, 1)
            asked = cells_of(study, replace(wish, compute=compute))
            times[name].append(
                _wall(partial(run.run, study, asked, jobs=at_once, threads=each, keep_weights=False))
            )
    finally:
        STEPS.update(steps)
    seconds = {name: statistics.median(found) for name, found in times.items()}
    return Row(
        "cells",
        f"{len(asked)} cells of SimpleCNN, {bench.size(20, 2)} steps each, {size} px",
        seconds["many"],
        seconds["one"],
        "one job",
        repeats,
        jobs,
        bench.compute.precision,
        parts={f"one job with {jobs} threads": seconds["wide"]},
        note=f"ours: {jobs} jobs of one thread; processes start in this time; wall clock",
    )


def _wall(work: Callable[[], object]) -> float:
    """Seconds of one call, whatever the clock of the other rows: the work is done in other processes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
