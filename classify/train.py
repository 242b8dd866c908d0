"""Training one classifier: what a cell of the benchmark does."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from ..compute import Compute
from ..data.store import Pixels
from .models import build

EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained; the same for all arms of a comparison (equal effort)."""

    model: str
    steps: int
    batch: int = 32
    learning_rate: float = 1e-3  # peak, AdamW
    weight_decay: float = 0.05
    warm_up: float = 0.1  # share of the steps; then half a cosine to 0
    smoothing: float = 0.05  # of the labels
    average: float = 0.99  # decay of the averaged weights that answer in the end
    recalibration: int = 20  # batches of real scans that give the averaged network its batch statistics; 0: averaged too
    init: str = "none"
    weighted: bool = False  # loss weighted by the inverse class frequency


@dataclass(frozen=True)
class Examples:
    """What a classifier trains on: squares (N×S×S uint8), class numbers, and a stable key for each scan.

    Scans with the same key meet the same augmentations in every arm; repetitions of a scan have keys of their own.
    """

    pixels: Pixels
    labels: NDArray[np.int64]
    keys: Sequence[int]
    real: int | None = None  # so many at the beginning are the fold's own scans, the rest was added; None: all are

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


def fit(examples: Examples, classes: int, recipe: Recipe, compute: Compute, seed: int) -> Outcome:
    """Train for a fixed number of steps; nothing is selected, the averaged weights of the last step answer.

    Deterministic for the same examples, recipe, seed, precision and threads.
    """
    begun = time.monotonic()
    device = compute.device
    network = build(recipe.model, classes, recipe.init, seed).to(device)
    averaged = build(recipe.model, classes, "none", seed).to(device)
    averaged.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    weights = class_weights(examples.labels, classes).to(device) if recipe.weighted else None
    losses = []
    network.train()
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * schedule(step, recipe.steps, recipe.warm_up)
        rows, turns = batch_rows(len(examples.labels), recipe.batch, step, seed)
        images = augment(examples, rows, turns, seed).to(device)
        labels = torch.from_numpy(examples.labels[rows]).to(device)
        with compute.autocast():
            logits = network(images)
        loss = F.cross_entropy(logits.float(), labels, weight=weights, label_smoothing=recipe.smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        move_average(averaged, network, min(recipe.average, (1 + step) / (10 + step)))
        losses.append(float(loss.detach()))
    recalibrate(averaged, examples, recipe, compute, seed)
    return Outcome(averaged.eval(), losses, time.monotonic() - begun)


def schedule(step: int, steps: int, warm_up: float) -> float:
    """Factor on the learning rate: linear warm-up, then half a cosine to 0 (Loshchilov & Hutter 2017)."""
    rise = max(1, round(warm_up * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def class_weights(labels: NDArray[np.int64], classes: int) -> Tensor:
    """Inverse class frequencies with mean 1 over the scans; 0 for a class without scans."""
    counts = np.bincount(labels, minlength=classes)
    weights = np.divide(len(labels) / classes, counts, out=np.zeros(classes), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)


def batch_rows(count: int, batch: int, step: int, seed: int) -> tuple[NDArray[np.int64], list[int]]:
    """Rows of one batch and how often each was shown before: epochs of fresh permutations, cut into batches."""
    places = range(step * batch, (step + 1) * batch)
    orders = {
        epoch: np.random.default_rng((seed, 10, epoch)).permutation(count)
        for epoch in range(places[0] // count, places[-1] // count + 1)
    }
    turns = [place // count for place in places]
    return np.array([orders[turn][place % count] for turn, place in zip(turns, places, strict=True)]), turns


def augment(examples: Examples, rows: NDArray[np.int64], turns: Sequence[int], seed: int) -> Tensor:
    """Augmented scans B×1×S×S in [0, 1]: flip left to right, small affine, gain, contrast; never upside down.

    What happens to a scan depends on (seed, its key, how often it was shown), not on the arm or the batch.
    """
    draws = np.stack([
        np.random.default_rng((seed, 11, examples.keys[row], turn)).uniform(-1, 1, 8)
        for row, turn in zip(rows, turns, strict=True)
    ]).astype(np.float32)  # fmt: skip
    flip, turn, scale, right, down, gain, contrast, _ = torch.from_numpy(draws).unbind(1)
    angle, zoom, mirror = turn * math.radians(10), 1 + 0.1 * scale, torch.where(flip < 0, -1.0, 1.0)
    theta = torch.stack([
        torch.stack([mirror * angle.cos() / zoom, -angle.sin() / zoom, 0.08 * right], 1),
        torch.stack([mirror * angle.sin() / zoom, angle.cos() / zoom, 0.08 * down], 1),
    ], 1)  # fmt: skip
    images = torch.from_numpy(examples.pixels[rows]).float().div_(255).unsqueeze(1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    mean = moved.mean((1, 2, 3), keepdim=True)
    contrast, gain = (1 + 0.2 * contrast)[:, None, None, None], (1 + 0.15 * gain)[:, None, None, None]
    return ((moved - mean) * contrast + mean).mul(gain).clamp(0, 1)


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
    """Measure the batch statistics of the averaged weights anew, as after SWA (Izmailov et al. 2018, section 3.2).

    Statistics averaged along the way belong to the weights of their step, not to the averaged ones. The batches hold
    the fold's own scans only and are the same in every arm. Networks without batch normalisation stay as they are.
    """
    batches = (batch_rows(examples.own, recipe.batch, step, seed) for step in range(recipe.recalibration))
    if recipe.recalibration:
        with compute.autocast():
            update_bn((augment(examples, rows, turns, seed) for rows, turns in batches), averaged, torch.device(compute.device))


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
