"""Training one classifier: what a cell of the benchmark does."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import update_bn

from ..core.compute import Compute
from ..data.store import Pixels
from .models import build, place
from .recipe import GAMMA, PATIENCE, Recipe, build_optimiser, rate

EVALUATION_BATCH = 64
ROOM = 0.25  # of a graphics card's free memory that the scans may take

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """What a classifier trains on: squares (N×S×S uint8), class numbers, and a stable key for each scan.

    Scans with the same key meet the same augmentations in every arm; repetitions of a scan have keys of their
    own.
    """

    pixels: Pixels
    labels: NDArray[np.int64]
    keys: Sequence[int]
    real: int | None = None  # so many at the beginning are the fold's own, the rest was added; None: all are
    kept: Tensor | None = None  # `pixels` on a graphics card; None: they are sent a batch at a time

    @property
    def own(self) -> int:
        """How many scans are the fold's own; every arm has the same ones, in the same places."""
        return len(self.labels) if self.real is None else self.real


@dataclass(frozen=True)
class Outcome:
    """A trained classifier's averaged network, the loss along the way and the seconds it took."""

    network: nn.Module
    losses: list[float]
    seconds: float


def fit(
    examples: Examples,
    classes: int,
    recipe: Recipe,
    compute: Compute,
    seed: int,
    *,
    watched: Examples | None = None,
    first: str | None = None,
    told: Callable[[float], None] = lambda share: None,
) -> Outcome:
    """Train for a fixed number of steps; nothing is selected, the averaged weights of the last step answer.

    Deterministic for the same examples, recipe, seed, precision and threads. `watched` are the validation
    scans of the schedule `plateau`, no others look at them; `first` is a file with the first weights, instead
    of `recipe.init`; `told` hears what share of the steps is done.
    """
    # what is trained
    begun = time.monotonic()
    examples = on_device(examples, compute)
    network = place(build(recipe.model, classes, first or recipe.init, seed), recipe.model, compute.device)
    averaged = place(build(recipe.model, classes, "none", seed), recipe.model, compute.device)
    averaged.load_state_dict(network.state_dict())
    optimiser = build_optimiser(network, recipe, fused=compute.fused)
    plateau = ReduceLROnPlateau(optimiser, factor=GAMMA, patience=PATIENCE)
    weights = class_weights(examples.labels, classes) if recipe.weighted else torch.ones(classes)
    weights = weights.to(compute.device)

    # step by step
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of VGG-16's dropout
        for step in range(recipe.steps):
            if recipe.schedule != "plateau":
                set_rate(optimiser, recipe.learning_rate * rate(recipe, step))
            elif watched is not None and step and step % recipe.epoch == 0:
                plateau.step(validation_loss(network, watched, compute))
            loss = step_loss(network.train(), examples, recipe, compute, (step, seed), weights)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            move_average(averaged, network, min(recipe.average, (1 + step) / (10 + step)))
            losses.append(float(loss.detach()))
            told((step + 1) / recipe.steps)

    # batch statistics of the averaged network
    recalibrate(averaged, examples, recipe, compute, seed)
    return Outcome(averaged.eval(), losses, time.monotonic() - begun)


def on_device(examples: Examples, compute: Compute) -> Examples:
    """The same examples, their pixels moved to the graphics card once, if there is one with room for them."""
    if compute.device != "cuda" or examples.pixels.nbytes > ROOM * torch.cuda.mem_get_info()[0]:
        return examples
    return replace(examples, kept=torch.from_numpy(examples.pixels).to(compute.device))


def set_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Give all weights the learning rate `value`."""
    for group in optimiser.param_groups:
        group["lr"] = value


def step_loss(
    network: nn.Module,
    examples: Examples,
    recipe: Recipe,
    compute: Compute,
    place: tuple[int, int],
    weights: Tensor,
) -> Tensor:
    """The loss of one training step on the batch that (step, seed) decide; `weights` are the classes'."""
    step, seed = place
    rows, turns = batch_rows(len(examples.labels), recipe.batch, step, seed)
    images = augment(examples, rows, turns, seed, recipe, compute.device)
    labels = torch.from_numpy(examples.labels[rows]).to(compute.device)
    with compute.autocast():
        logits = network(images)
    each = F.cross_entropy(
        logits.float(), labels, weight=weights, label_smoothing=recipe.smoothing, reduction="none"
    )
    return each.sum() / weights[labels].sum().clamp_min(1e-12)


@torch.no_grad()
def validation_loss(network: nn.Module, watched: Examples, compute: Compute) -> float:
    """Mean cross-entropy on the validation scans."""
    chances = predict(network.eval(), watched.pixels, compute)
    return float(-np.log(np.maximum(chances[np.arange(len(chances)), watched.labels], 1e-12)).mean())


def class_weights(labels: NDArray[np.int64], classes: int) -> Tensor:
    """Inverse class frequencies with mean 1 over the scans; 0 for a class without scans."""
    counts = np.bincount(labels, minlength=classes)
    weights = np.divide(len(labels) / classes, counts, out=np.zeros(classes), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)


def batch_rows(count: int, batch: int, step: int, seed: int) -> tuple[NDArray[np.int64], list[int]]:
    """Rows of one batch and how often each was shown before: fresh permutations, cut into batches."""
    places = range(step * batch, (step + 1) * batch)
    orders = {
        epoch: np.random.default_rng((seed, 10, epoch)).permutation(count)
        for epoch in range(places[0] // count, places[-1] // count + 1)
    }
    turns = [place // count for place in places]
    return np.array([orders[turn][place % count] for turn, place in zip(turns, places, strict=True)]), turns


def augment(
    examples: Examples,
    rows: NDArray[np.int64],
    turns: Sequence[int],
    seed: int,
    recipe: Recipe,
    device: str = "cpu",
) -> Tensor:
    """Augmented scans B×1×S×S in [0, 1]: flip left to right, small affine, gain, contrast, speckle.

    Never upside down. What happens to a scan depends on (seed, its key, how often it was shown), not on the
    arm or the batch.
    """
    # as they are
    grey = (
        torch.from_numpy(examples.pixels[rows])
        if examples.kept is None
        else examples.kept[torch.from_numpy(rows)]
    )
    images = grey.to(device).float().div_(255).unsqueeze(1)
    if not recipe.augment:
        return images

    # flipped, turned, enlarged and moved, by the scan and the turn alone
    draws = np.stack(
        [
            np.random.default_rng((seed, 11, examples.keys[row], turn)).uniform(-1, 1, 8)
            for row, turn in zip(rows, turns, strict=True)
        ]
    ).astype(np.float32)
    flip, turn, scale, right, down, gain, contrast, _ = torch.from_numpy(draws).to(device).unbind(1)
    angle, zoom, mirror = turn * math.radians(10), 1 + 0.1 * scale, torch.where(flip < 0, -1.0, 1.0)
    theta = torch.stack(
        [
            torch.stack([mirror * angle.cos() / zoom, -angle.sin() / zoom, 0.08 * right], 1),
            torch.stack([mirror * angle.sin() / zoom, angle.cos() / zoom, 0.08 * down], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)

    # gain, contrast and speckle
    mean = moved.mean((1, 2, 3), keepdim=True)
    contrast, gain = (1 + 0.2 * contrast)[:, None, None, None], (1 + 0.15 * gain)[:, None, None, None]
    gained = ((moved - mean) * contrast + mean).mul(gain)
    if recipe.speckle:
        gained = gained * (1 + recipe.speckle * _speckle(examples, rows, turns, seed).to(device))
    return gained.clamp(0, 1)


def _speckle(examples: Examples, rows: NDArray[np.int64], turns: Sequence[int], seed: int) -> Tensor:
    """Standard normal noise B×1×S×S, each scan's own."""
    side = examples.pixels.shape[1]
    return torch.from_numpy(
        np.stack(
            [
                np.random.default_rng((seed, 13, examples.keys[row], turn)).standard_normal(
                    (1, side, side), dtype=np.float32
                )
                for row, turn in zip(rows, turns, strict=True)
            ]
        )
    )


@torch.no_grad()
def move_average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Move averaged weights and batch statistics towards the network's."""
    torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - decay)
    for mean, now in zip(averaged.buffers(), network.buffers(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - decay)
        else:
            mean.copy_(now)


@torch.no_grad()
def recalibrate(averaged: nn.Module, examples: Examples, recipe: Recipe, compute: Compute, seed: int) -> None:
    """Measure the batch statistics of the averaged weights anew, as after SWA (Izmailov et al. 2018).

    Statistics averaged along the way belong to the weights of their step, not to the averaged ones. The
    batches hold the fold's own scans only: all alike often and the same in every arm, or with the prior `arm`
    as often as makes classes as frequent as in the training part. Networks without batch normalisation stay
    as they are.
    """
    if not recipe.recalibration:
        return
    own, again = matched(examples) if recipe.prior == "arm" else fold_rows(examples)

    def batch(step: int) -> Tensor:
        places, turns = batch_rows(len(own), recipe.batch, step, seed)
        shown = [
            turn * (1 + int(again.max())) + int(again[at]) for at, turn in zip(places, turns, strict=True)
        ]
        return augment(examples, own[places], shown, seed, recipe, compute.device)

    with compute.autocast():
        update_bn(map(batch, range(recipe.recalibration)), averaged)


def fold_rows(examples: Examples) -> tuple[Rows, Rows]:
    """Rows of the fold's own scans, each once, and for each how often it was named before: never."""
    return np.arange(examples.own), np.zeros(examples.own, np.int64)


def matched(examples: Examples) -> tuple[Rows, Rows]:
    """Rows of the fold's own scans, and for each how often it was named before.

    Every class is there as often as in the whole training part, its scans each as often as the others or once
    more; a class without scans of its own is left out.
    """
    own, wanted = examples.labels[: examples.own], np.bincount(examples.labels)
    of_class = {int(name): np.flatnonzero(own == name) for name in np.unique(own)}
    rows = np.concatenate([np.resize(there, wanted[name]) for name, there in of_class.items()])
    again = np.concatenate([np.arange(wanted[name]) // len(there) for name, there in of_class.items()])
    order = np.lexsort((rows, again))  # where nothing was added, as the fold has them
    return rows[order], again[order]


@torch.inference_mode()
def predict(network: nn.Module, pixels: Pixels, compute: Compute) -> NDArray[np.float64]:
    """Class probabilities (N×classes, each row sums to 1) of squares (N×S×S uint8), in float32 arithmetic."""
    device = compute.device
    logits = [
        network(
            torch.from_numpy(np.array(pixels[start : start + EVALUATION_BATCH]))
            .to(device)
            .float()
            .div_(255)
            .unsqueeze(1)
        )
        for start in range(0, len(pixels), EVALUATION_BATCH)
    ]
    probabilities: NDArray[np.float64] = torch.cat(logits).double().softmax(1).cpu().numpy()
    return probabilities
