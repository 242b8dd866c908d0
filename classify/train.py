"""Training one classifier: what a cell of the benchmark does."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import update_bn

from ..core.compute import Compute
from ..core.recorded import Recorded, set_rate
from ..data.store import Pixels
from .augmentation import Examples, Rows, augment, on_device
from .enlarging import enlarge
from .models import SimpleCNN, build, place
from .recipe import GAMMA, PATIENCE, Recipe, build_optimiser, cosine, head, rate

EVALUATION_BATCH = 64


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
    if recipe.standardise and isinstance(network, SimpleCNN) and (first or recipe.init) == "none":
        network.standardise()
    if recipe.enlarge:
        enlarge(network, recipe.enlarge)
    averaged = place(build(recipe.model, classes, "none", seed), recipe.model, compute.device)
    averaged.load_state_dict(network.state_dict())
    optimiser = build_optimiser(network, recipe, fused=compute.fused, device=compute.device)
    plateau = ReduceLROnPlateau(optimiser, factor=GAMMA, patience=PATIENCE)
    weights = class_weights(examples.labels, classes) if recipe.weighted else torch.ones(classes)
    work = partial(update, network, optimiser, recipe, compute, weights.to(compute.device))
    act = Recorded(work) if recipe.recorded else work

    # step by step; a graphics card is not waited for
    losses: list[Tensor] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout and stochastic depth
        for step in range(recipe.steps):
            if recipe.schedule != "plateau":
                set_rates(optimiser, recipe.learning_rate * rate(recipe, step))
            elif watched is not None and step and step % recipe.epoch == 0:
                plateau.step(validation_loss(network, watched, compute))
            network.train()
            losses.append(act(step_batch(examples, recipe, compute, step, seed)).clone())
            move_average(averaged, network, min(recipe.average, (1 + step) / (10 + step)))
            told((step + 1) / recipe.steps)

        # batch statistics of the averaged network
        torch.manual_seed(seed)  # what is drawn here is the same whatever the steps drew
        recalibrate(averaged, examples, recipe, compute, seed)
        if recipe.refit:
            refit(averaged.eval(), examples, recipe, compute, seed)
    heard = torch.stack(losses).tolist() if losses else []
    return Outcome(averaged.eval(), heard, time.monotonic() - begun)


def set_rates(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Give all weights the learning rate `value`, or what their group has times that."""
    for group in optimiser.param_groups:
        set_rate(group, value * group["times"])


def step_batch(
    examples: Examples, recipe: Recipe, compute: Compute, step: int, seed: int
) -> dict[str, Tensor]:
    """What a training step is given, decided by (step, seed), on the device.

    `images` (B×1×S×S in [0, 1]), `labels`, where labels are softened, the classes of their `sources`, and
    where pairs are to be seen alike, the place in the batch of each one's `partner`, −1 for none.
    """
    rows, turns = batch_rows(len(examples.labels), recipe.batch, step, seed)
    like, partner = rows, np.full(len(rows), -1)
    if recipe.pairs and examples.partners is not None:
        rows, turns, like, partner = beside_sources(rows, turns, examples)
    given = {
        "images": augment(examples, rows, turns, seed, recipe, compute.device, like=like),
        "labels": torch.from_numpy(examples.labels[rows]).to(compute.device),
    }
    if recipe.consistency:
        given["partner"] = torch.from_numpy(partner).to(compute.device)
    if recipe.soft and examples.sources is not None:
        given["sources"] = torch.from_numpy(examples.sources[rows]).to(compute.device)
    return given


def update(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    recipe: Recipe,
    compute: Compute,
    weights: Tensor,
    given: Mapping[str, Tensor],
) -> Tensor:
    """Do a training step on a `step_batch`, all of it on the device; its loss, which is not waited for."""
    loss = step_loss(network, recipe, compute, weights, given)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.detach()


def step_loss(
    network: nn.Module, recipe: Recipe, compute: Compute, weights: Tensor, given: Mapping[str, Tensor]
) -> Tensor:
    """The loss of one training step on a `step_batch`; `weights` are the classes'."""
    last = head(network) if "partner" in given else None
    inside: AbstractContextManager[list[Tensor]] = nullcontext([]) if last is None else reading(last)
    with compute.autocast(), inside as seen:
        logits = network(given["images"])
    labels = wanted = given["labels"]
    if "sources" in given:
        own, source = (F.one_hot(x, logits.shape[1]).float() for x in (labels, given["sources"]))
        wanted = torch.lerp(own, source, recipe.soft)
    each = F.cross_entropy(
        logits.float(), wanted, weight=weights, label_smoothing=recipe.smoothing, reduction="none"
    )
    loss: Tensor = each.sum() / weights[labels].sum().clamp_min(1e-12)
    if last is not None:
        loss = loss + recipe.consistency * unlikeness(seen[0], last, labels, given["partner"])
    return loss


@contextmanager
def reading(layer: nn.Module) -> Iterator[list[Tensor]]:
    """What a layer is given meanwhile, call by call."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        yield seen
    finally:
        handle.remove()


def unlikeness(seen: Tensor, last: nn.Linear, labels: Tensor, partner: Tensor) -> Tensor:
    """How differently a network sees added scans and their sources, but for what tells their classes apart.

    `seen` (B×D) is what its last layer was given, `partner` the place of each one's source in the batch, −1
    for none. From each difference the direction is taken in which the last layer tells the two classes apart:
    there they are meant to differ. The square of what is left, as a share of the squares of both, from 0 to
    2, is averaged over the pairs; 0 without any.
    """
    seen, weight = seen.float().flatten(1), last.weight.detach().float()
    there, at = partner >= 0, partner.clamp_min(0)
    apart, telling = seen - seen[at], F.normalize(weight[labels] - weight[labels[at]], dim=1)
    shared = apart - (apart * telling).sum(1, keepdim=True) * telling
    sizes = (seen.square() + seen[at].square()).sum(1).clamp_min(1e-12)
    return (shared.square().sum(1) / sizes).where(there, 0).sum() / there.sum().clamp_min(1)


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


def beside_sources(rows: Rows, turns: list[int], examples: Examples) -> tuple[Rows, list[int], Rows, Rows]:
    """A batch in which added scans stand beside the scans they were made from.

    Rows, turns, whose keys count, and the place of each added scan's source in the batch, −1 for none.
    The source comes in the place of another of the fold's own scans of its class, so that classes and the
    number of added scans stay as they were, and is moved as the added one is: the two differ in what was
    changed alone. Where the batch has no such scan left, the added one stays by itself.
    """
    assert examples.partners is not None
    rows, turns, like, partner = rows.copy(), list(turns), rows.copy(), np.full(len(rows), -1)
    free = [place for place, row in enumerate(rows) if row < examples.own]
    for number, row in enumerate(rows.tolist()):
        source = int(examples.partners[row])
        alike = [at for at in free if source >= 0 and examples.labels[rows[at]] == examples.labels[source]]
        if alike:
            at = next((at for at in alike if rows[at] == source), alike[0])
            rows[at], turns[at], like[at], partner[number] = source, turns[number], row, at
            free.remove(at)
    return rows, turns, like, partner


@torch.no_grad()
def move_average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Move averaged weights and batch statistics towards the network's."""
    pairs = list(zip(averaged.buffers(), network.buffers(), strict=True))
    moved = [pair for pair in pairs if pair[0].is_floating_point()]
    means, now = zip(*moved, *zip(averaged.parameters(), network.parameters(), strict=True), strict=True)
    torch._foreach_lerp_(means, now, 1 - decay)
    for mean, count in pairs:
        if not mean.is_floating_point():
            mean.copy_(count)


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


def refit(network: nn.Module, examples: Examples, recipe: Recipe, compute: Compute, seed: int) -> None:
    """Fit the last layer of a network in evaluation mode anew, on the fold's own scans, classes alike often.

    Kang et al., ICLR 2020: features learn from all scans, the classifier from balanced ones. From where it
    is, by the recipe's rates.
    """
    last = head(network)
    optimiser = torch.optim.AdamW(
        last.parameters(), lr=recipe.learning_rate * recipe.head_rate, weight_decay=recipe.weight_decay
    )
    usual = [group["lr"] for group in optimiser.param_groups]
    for step in range(recipe.refit):
        rows, turns = balanced_rows(examples.labels[: examples.own], recipe.batch, step, seed)
        images = augment(examples, rows, turns, seed, recipe, compute.device)
        with torch.no_grad(), compute.autocast(), reading(last) as seen:
            network(images)
        labels = torch.from_numpy(examples.labels[rows]).to(compute.device)
        loss = F.cross_entropy(last(seen[0].float()), labels, label_smoothing=recipe.smoothing)
        for group, full in zip(optimiser.param_groups, usual, strict=True):
            group["lr"] = full * cosine(step, recipe.refit, 0)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def balanced_rows(
    labels: NDArray[np.int64], batch: int, step: int, seed: int
) -> tuple[NDArray[np.int64], list[int]]:
    """Rows of one batch in which classes take turns, and how often each row was shown before."""
    there = np.unique(labels)
    rows, turns = [], []
    for count in range(step * batch, (step + 1) * batch):
        number, kind = divmod(count, len(there))
        own = np.flatnonzero(labels == there[kind])
        turn, at = divmod(number, len(own))
        order = np.random.default_rng((seed, 15, kind, turn)).permutation(len(own))
        rows.append(own[order[at]])
        turns.append(turn)
    return np.array(rows), turns


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
