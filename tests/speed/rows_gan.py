"""Rows of the translator: the published step against its plain form, the default's and who takes its time."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import plain
import torch
from bus.core.compute import Compute
from bus.data import phantom
from bus.gan import train
from bus.gan.config import METHOD, METHODS, PRESETS, GanConfig
from bus.gan.cyclegan import SIDES, CycleGAN
from measure import Bench, Row, threads
from torch import Tensor

FILES = 64  # scans that are opened one by one
NATIVE = 500  # px, about the side of a scan of BUSI


def config(method: str, compute: Compute, **changes: Any) -> GanConfig:
    """A translator's configuration without a study."""
    base = GanConfig(
        target="malignant",
        sources=("benign",),
        fold=0,
        seed=0,
        size=64,
        preset="quick",
        method=method,
        pairs=6_000,
        **vars(METHODS[method]),
        precision=compute.precision,
        threads=compute.threads,
        device=compute.device,
        training_pixels="",
    )
    return replace(base, **changes)


def paper(bench: Bench) -> Row:
    """The published architecture and batch: ours against separate float32 passes, a file opened a scan."""
    switches = vars(PRESETS["paper"].on(METHODS["published"]))
    changes = switches | ({"channels": 8, "blocks": 1} if bench.tiny else {}) | {"preset": "paper"}
    chosen = config("published", bench.compute, **changes)
    files, pools = _scans(bench)
    ours = train.Session(None, CycleGAN(chosen, bench.compute), pools)
    networks = copy.deepcopy(ours.model.networks)
    judges = [_Patch(networks[f"discriminator_{side}"]) for side in SIDES]
    theirs = plain.PublishedStep(networks["to_target"], networks["to_source"], *judges)
    batches = [
        plain.scans_one_by_one(files[side], chosen.size, chosen.batch) for side in ("source", "target")
    ]
    with threads(bench.compute.threads):
        found = bench.interleave(
            bench.size(9, 2), lambda: train._step(ours), lambda: theirs(*map(next, batches))
        )
        row = Row(
            "gan",
            f"CycleGAN step, published architecture ({chosen.channels} channels, {chosen.blocks} blocks, "
            f"{chosen.size} px), batch 1",
            *found,
            "float32, separate passes, PIL for each scan",
            bench.size(9, 2),
            bench.compute.threads,
            chosen.precision,
            aim=2,
            aim_limit=0.6,
        )
        return _share(bench, row, ours)


class _Patch(torch.nn.Module):
    """The published discriminator inside ours: pixels in, one field of scores out."""

    def __init__(self, discriminator: torch.nn.Module) -> None:
        super().__init__()
        self.inside = discriminator

    def forward(self, scans: Tensor) -> Tensor:
        return self.inside([scans])[0]


def _scans(bench: Bench) -> tuple[dict[str, list[Path]], dict[str, Any]]:
    """Phantoms as PNG files of BUSI's size, and as squares in memory, by side."""
    folder = bench.folder / "native"
    folder.mkdir(exist_ok=True)
    files: dict[str, list[Path]] = {side: [] for side in SIDES}
    pools: dict[str, list[Any]] = {side: [] for side in SIDES}
    for number, spec in enumerate(
        phantom.specs(bench.size(FILES, 8), size=bench.size(NATIVE, 128), paired=True)
    ):
        made, side = phantom.simulate(spec), SIDES[number % 2]
        files[side].append(folder / f"{number}.png")
        cv2.imwrite(str(files[side][-1]), made.pixels)
        pools[side].append(cv2.resize(made.pixels, (64, 64), interpolation=cv2.INTER_AREA))
    return files, {side: np.stack(found) for side, found in pools.items()}


def default(bench: Bench) -> Row:
    """The default translator's step, and what each network of it takes by itself."""
    chosen = config(
        METHOD, bench.compute, **({"channels": 8, "blocks": 1} if bench.tiny else {}), phantoms=0.0
    )
    pools = {side: np.random.default_rng(0).integers(0, 256, (32, 64, 64), np.uint8) for side in SIDES}
    run = train.Session(None, CycleGAN(chosen, bench.compute), pools)
    works = parts(run.model)
    with threads(bench.compute.threads):
        whole, *each = bench.interleave(bench.size(7, 2), lambda: train._step(run), *works.values())
        row = Row(
            "gan-default",
            f"step of the default translator ({chosen.size} px, batch {chosen.batch})",
            whole,
            repeats=bench.size(7, 2),
            threads=bench.compute.threads,
            precision=chosen.precision,
            parts=dict(zip(works, each, strict=True)),
            note="parts: each by itself, forwards and backwards",
        )
        return _share(bench, row, run)


def parts(model: CycleGAN) -> dict[str, Callable[[], object]]:
    """What a step of the default does, cut by network, both sides at once; the shapes are those of a step."""
    size, batch = model.config.size, model.config.batch
    scans = torch.rand(batch, 1, size, size, device=model.compute.device) * 2 - 1
    view = torch.rand(batch, 6, device=model.compute.device) * 2 - 1
    both = torch.cat([scans, scans])
    with torch.no_grad():
        maps = model._look(scans, view)

    def generators(side: str, other: str) -> None:
        with model.compute.autocast():
            model.networks[f"to_{side}"](both).float().square().mean().backward()
            model.networks[f"to_{other}"](scans.clone().requires_grad_()).float().square().mean().backward()

    def eyes(*_: str) -> None:
        with model.compute.autocast():
            seen = model._look(scans.clone().requires_grad_(), view)
            sum(place.float().square().mean() for place in seen).backward()
            with torch.no_grad():
                model._look(scans, view)

    def heads(side: str, _: str) -> None:
        with model.compute.autocast():
            network = model.networks[f"discriminator_{side}"].requires_grad_(False)
            fields = network([place.detach().requires_grad_() for place in maps])
            sum(field.float().square().mean() for field in fields).backward()
            network.requires_grad_(True)
            fields = network([torch.cat([place, place]).detach() for place in maps])
            sum(field.float().square().mean() for field in fields).backward()

    def updates() -> None:
        for optimiser in model.optimisers.values():
            optimiser.step()
        model._average()

    cut = {"generators": generators, "frozen network": eyes, "discriminators": heads}
    works = {name: [partial(work, *SIDES), partial(work, *reversed(SIDES))] for name, work in cut.items()}
    return {
        **{name: partial(model.compute.beside, *sides) for name, sides in works.items()},
        "updates": updates,
    }


def _share(bench: Bench, row: Row, run: train.Session) -> Row:
    """Fill in the share of the limit; the step is counted in one thread: torch counts the one that asks."""
    alone = CycleGAN(run.model.config, replace(bench.compute, threads=1))
    return bench.share(row, lambda: train._step(replace(run, model=alone)))
