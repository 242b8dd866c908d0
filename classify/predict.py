"""Answers of a trained classifier to single scans: probabilities, and on demand where it looked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_safetensors
from torch import nn

from ..core.compute import Compute
from ..core.errors import BusError
from ..core.files import sha256_bytes
from ..core.opener import read_bytes
from ..data.store import Pixels
from . import explain, metrics
from .models import build, place
from .train import EVALUATION_BATCH, predict


@dataclass(frozen=True)
class Answer:
    """What a classifier says of one square: the number of its class, all probabilities, coarse heat."""

    number: int
    probabilities: NDArray[np.float64]
    heat: Pixels | None  # g×g uint8, Grad-CAM of the answered class


def load(path: Path, model: str, classes: int, sha256: str | None, device: str) -> nn.Module:
    """A classifier in evaluation mode, on `device`, from a safetensors file.

    BusError if the file holds anything else than its weights.
    `sha256` is what the file's hash was when it was written, where that is known. Nothing in the file is
    executed.
    """
    remedy = "Delete it and run bus benchmark with --keep-weights again."
    try:
        content = read_bytes(path)
    except OSError as error:
        raise BusError(f"{path} could not be read ({error.strerror}). {remedy}") from error
    if sha256 is not None and sha256_bytes(content) != sha256:
        raise BusError(f"{path} is not the file that the training wrote: its hash differs. {remedy}")
    network = build(model, classes, "none", 0)
    try:
        network.load_state_dict(load_safetensors(content))
    except Exception as error:  # safetensors and torch have no common error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BusError(
            f"{path} does not hold the weights of {model} for {classes} classes ({reason}). {remedy}"
        ) from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
        raise BusError(f"{path} holds weights that are no numbers (infinite or NaN). {remedy}")
    return place(network, model, device).eval()


def answer(
    network: nn.Module, squares: Sequence[Pixels], compute: Compute, *, heat: bool
) -> Iterator[Answer]:
    """Answer squares (S×S uint8) in their order, in the arithmetic of the benchmark's test."""
    for start in range(0, len(squares), EVALUATION_BATCH):
        pixels = np.stack(squares[start : start + EVALUATION_BATCH])
        probabilities = predict(network, pixels, compute)
        if not np.isfinite(probabilities).all():
            raise BusError(
                "The classifier gave no number for a scan, where probabilities were expected. Train it again."
            )
        numbers = metrics.answers(probabilities)
        maps = explain.coarse_maps(network, pixels, numbers, compute.device) if heat else None
        shown = [None] * len(pixels) if maps is None else maps
        for number, shares, one in zip(numbers, probabilities, shown, strict=True):
            yield Answer(int(number), shares, one)
