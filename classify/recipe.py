"""How a classifier is trained: the recipe that all arms of a comparison share."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from ..core.errors import UsageError

CHOICES = {
    "optimiser": ("adamw", "adam", "sgd"),
    "schedule": ("cosine", "multistep", "step", "plateau"),
    "synthetic": ("mixed", "first", "weighted", "confidence"),
}
MILESTONES = (5, 10)  # epochs after which `multistep` lowers the rate
STEP_EPOCHS = 5  # `step` lowers it after every so many epochs
GAMMA = 0.1  # to this share, in `multistep`, `step` and `plateau`: the seed project's
PATIENCE = 10  # epochs without a better validation loss that `plateau` waits, torch's default
MOMENTUM = 0.9  # of SGD


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained; the same for all arms of a comparison (equal effort)."""

    model: str
    steps: int
    batch: int = 32
    learning_rate: float = 1e-3  # peak
    weight_decay: float = 0.05
    warm_up: float = 0.1  # share of the steps; then half a cosine to 0
    smoothing: float = 0.05  # of the labels
    average: float = 0.99  # decay of the averaged weights that answer in the end; 0: the last weights answer
    recalibration: int = (
        20  # batches of real scans that give the averaged network its batch statistics; 0: averaged too
    )
    init: str = "none"
    weighted: bool = False  # loss weighted by the inverse class frequency
    optimiser: str = "adamw"  # adamw | adam | sgd
    schedule: str = "cosine"  # cosine | multistep | step | plateau
    epoch: int = 0  # steps of an epoch, the unit of all schedules but cosine
    augment: bool = True  # flip, affine, gain, contrast
    speckle: float = (
        0.0  # deviation of the multiplicative noise on augmented scans, a share of the grey level
    )
    synthetic: str = "mixed"  # added scans: mixed throughout | first: in the first steps only | weighted in the loss | confidence: by a reader's
    synthetic_share: float = 0.5  # of the steps, for `first`
    synthetic_weight: float = 0.5  # of an added scan in the loss, for `weighted`
    validation: bool = (
        False  # keep the next fold out of the training part, to watch (`plateau`) or as the seed did
    )


SWITCHES: dict[str, Any] = {  # what --set and plans may change, with the defaults
    field.name: field.default
    for field in fields(Recipe)
    if field.name not in ("model", "steps", "init", "weighted", "epoch")
}


ONLY_WITH = {  # field → (another field, its value) without which it does nothing
    "synthetic_share": ("synthetic", "first"),
    "synthetic_weight": ("synthetic", "weighted"),
    "speckle": ("augment", True),
    "warm_up": ("schedule", "cosine"),
}
POSITIVE = ("batch", "learning_rate")
SHARES = ("warm_up", "smoothing", "average", "synthetic_share", "synthetic_weight")  # from 0 to 1


def unknown(name: str, known: Iterable[str]) -> str:
    """A sentence on an unknown name, with the known one that was probably meant."""
    listed = list(known)
    close = get_close_matches(name, listed, 1)
    return f"{name} is unknown{f'; did you mean {close[0]}?' if close else ''} Known are {', '.join(listed)}."


def check_changes(changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Values for fields of Recipe, as text or already of their type; UsageError names what does not fit.

    `where` says in an error where they come from, such as `--set`.
    """
    found = {}
    for name, value in changes.items():
        if name not in SWITCHES:
            raise UsageError(f"{where}: {unknown(name, SWITCHES)}")
        found[name] = _value(name, value, where)
    for name, (other, value) in ONLY_WITH.items():
        if name in found and found.get(other, SWITCHES[other]) != value:
            raise UsageError(f"{where}: {name} does nothing unless {other} = {value} too.")
    return found


def _value(name: str, value: Any, where: str) -> Any:
    default, allowed = SWITCHES[name], CHOICES.get(name)
    words = {"true": True, "false": False}
    try:
        if isinstance(default, bool):
            found: Any = value if isinstance(value, bool) else words[str(value).casefold()]
        elif isinstance(value, bool):
            raise ValueError
        else:
            found = type(default)(value)
    except (KeyError, ValueError, TypeError):
        raise UsageError(f"{where}: {name} = {value}: expected a value like {default}.") from None
    if allowed:
        right, expected = found in allowed, " or ".join(allowed)
    elif isinstance(found, bool):
        return found
    elif name in SHARES:
        right, expected = 0 <= found <= 1, "a number from 0 to 1"
    else:
        right, expected = (
            0 <= found < math.inf and not (name in POSITIVE and not found),
            f"a number {'above 0' if name in POSITIVE else 'of 0 or more'}",
        )
    if not right:
        raise UsageError(f"{where}: {name} = {value}: expected {expected}.")
    return found


def optimiser(network: nn.Module, recipe: Recipe, *, fused: bool = False) -> torch.optim.Optimizer:
    """The optimiser of a recipe for all weights of a network; `fused` takes one pass over memory (a CPU or CUDA)."""
    weights, rate, decay = network.parameters(), recipe.learning_rate, recipe.weight_decay
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(weights, lr=rate, momentum=MOMENTUM, weight_decay=decay, fused=fused)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(weights, lr=rate, weight_decay=decay, fused=fused)
    return torch.optim.AdamW(weights, lr=rate, weight_decay=decay, fused=fused)


def rate(recipe: Recipe, step: int) -> float:
    """Factor on the learning rate at a step; `plateau` starts at 1 and is lowered by what it watches."""
    if recipe.schedule == "cosine":
        return cosine(step, recipe.steps, recipe.warm_up)
    epochs = step // max(1, recipe.epoch)
    if recipe.schedule == "multistep":
        return float(GAMMA ** sum(epochs >= milestone for milestone in MILESTONES))
    return float(GAMMA ** (epochs // STEP_EPOCHS)) if recipe.schedule == "step" else 1.0


def cosine(step: int, steps: int, warm_up: float) -> float:
    """Linear warm-up, then half a cosine to 0 (Loshchilov & Hutter 2017)."""
    rise = max(1, round(warm_up * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
