"""Where a step's time goes, by oneDNN's own counters; whether gradients of weights could be one product.

    python tests/speed/counters.py

Of the steps that fell short of their aims in `make speed` (ResNet18's, and the published CycleGAN's), with
one thread: milliseconds a step of each kind of oneDNN's work, of moving memory between its orders, and of all
else. Then rates of their convolutions by themselves, forwards, towards the input and towards the weights,
and of the last as a single matrix product over the map's patches. On a quiet machine.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from bus.classify.augmentation import Examples
from bus.classify.models import build, place
from bus.classify.recipe import Recipe, build_optimiser
from bus.classify.train import step_batch, update
from bus.core.compute import Compute, resolve
from bus.data.study import open_or_create
from bus.gan.config import configure
from bus.gan.cyclegan import CycleGAN
from torch.nn import functional

STEPS, WARM = 10, 5
LAYERS = {  # scans, channels, side of the map, of 3×3 convolutions
    "ResNet18's last stage": (32, 512, 2),
    "ResNet18's third stage": (32, 256, 4),
    "the published translator's blocks": (2, 256, 16),
}


def main() -> None:
    """Both steps, then the convolutions; a step is counted in a process of its own, whose output is read."""
    if len(sys.argv) > 1:
        run(STEP_OF[sys.argv[1]](), verbose=sys.argv[2:] == ["verbose"])
        return
    for name in STEP_OF:
        (_, plain), (lines, _) = counted(name), counted(name, "verbose")
        spent, pieces = Counter[str](), Counter[str]()
        for line in lines:
            parts = line.split(",")
            if "exec" in parts:
                at = parts.index("exec")
                kind = f"{parts[at + 2]} {parts[at + 4]}".replace(" undef", "").replace("_", " ")
                spent[kind] += float(parts[-1]) / STEPS
                pieces[kind] += 1
        print(f"{name}: {plain:.0f} ms a step")
        for kind, milliseconds in spent.most_common(6):
            print(f"  {kind}: {milliseconds:.1f} ms in {pieces[kind] // STEPS} pieces")
        print(f"  all else: {plain - spent.total():.1f} ms")
    torch.set_num_threads(1)
    side = torch.randn(1024, 1024).bfloat16()
    print(f"matrix product: {2 * 1024**3 / seconds(lambda: side @ side) / 1e9:.0f} GFLOP/s")
    for name, layer in LAYERS.items():
        print(f"{name}: " + ", ".join(f"{way} {rate:.0f}" for way, rate in rates(*layer).items()))


def counted(*asked: str) -> tuple[list[str], float]:
    """The lines of a process that runs a step, and what it says a step takes (ms)."""
    command = [sys.executable, __file__, *asked]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return lines, float(lines[-1])


def run(step: Callable[[int], object], *, verbose: bool) -> None:
    """Do a step some times; prints the median of its milliseconds last."""
    for number in range(WARM):
        step(number)
    level = torch.backends.mkldnn.VERBOSE_ON if verbose else torch.backends.mkldnn.VERBOSE_OFF
    times = []
    with torch.backends.mkldnn.verbose(level):
        for number in range(STEPS):
            begun = time.perf_counter()
            step(number)
            times.append(1000 * (time.perf_counter() - begun))
    print(median(times))


def classifier() -> Callable[[int], object]:
    """A training step of ResNet18 (64 px, batch 32)."""
    compute, rng = alone(), np.random.default_rng(0)
    examples = Examples(rng.integers(0, 256, (500, 64, 64), np.uint8), rng.integers(0, 3, 500), [*range(500)])
    recipe = Recipe("resnet18", 1000)
    network = place(build("resnet18", 3, "none", 0), "resnet18", "cpu").train()
    optimiser = build_optimiser(network, recipe, fused=compute.fused)

    def step(number: int) -> None:
        batch = step_batch(examples, recipe, compute, number, 0)
        update(network, optimiser, recipe, compute, torch.ones(3), batch)

    return step


def published() -> Callable[[int], object]:
    """A step of CycleGAN as published (64 px, one pair)."""
    compute = alone()
    with TemporaryDirectory(prefix="bus-counters-") as folder:
        study = open_or_create(Path(folder) / "study", {}, phantoms=60)
        asked = {"fold": 0, "target": "malignant", "seed": 0, "preset": "paper", "pairs": 100}
        model = CycleGAN(configure(study, compute, **asked), compute)
    scans = torch.rand(2, 1, 1, 64, 64) * 2 - 1
    return lambda number: model.step(*scans, np.random.default_rng(number))


STEP_OF = {"ResNet18": classifier, "published CycleGAN": published}


def alone() -> Compute:
    """One thread, in the machine's usual precision."""
    compute = Compute("cpu", resolve("cpu").precision, 1)
    compute.start()
    return compute


def rates(count: int, channels: int, side: int) -> dict[str, float]:
    """GFLOP/s of a 3×3 convolution's passes, and of its weights' gradient as one product; bfloat16."""
    shape = (count, channels, side, side)
    maps, gradient = torch.randn(shape).bfloat16(), torch.randn(shape).bfloat16()
    weights = torch.randn(channels, channels, 3, 3).bfloat16()

    def towards(*wanted: bool) -> Callable[[], object]:
        sides = [1, 1]
        return lambda: torch.ops.aten.convolution_backward(
            gradient, maps, weights, [0], sides, sides, sides, False, [0, 0], 1, wanted
        )

    def product() -> object:
        patches = functional.unfold(maps, 3, padding=1)  # count × 9·channels × places
        return torch.einsum("bop,bkp->ok", gradient.flatten(2), patches)

    ways = {
        "forwards": lambda: functional.conv2d(maps, weights, padding=1),
        "towards the input": towards(True, False, False),
        "towards the weights": towards(False, True, False),
        "towards the weights as one product": product,
    }
    work = 2 * count * channels**2 * 9 * side**2
    return {way: work / seconds(act) / 1e9 for way, act in ways.items()}


def seconds(act: Callable[[], object], repeats: int = 30) -> float:
    """The median time of something, after some warm-up."""
    times = []
    for _ in range(repeats + WARM):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return median(times[WARM:])


if __name__ == "__main__":
    main()
