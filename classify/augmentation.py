"""What classifiers train on, and what happens to a scan before they see it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..core.compute import Compute
from ..data.store import Pixels
from .recipe import Recipe

Rows = NDArray[np.int64]
ROOM = 0.25  # of a graphics card's free memory that the scans may take


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
    sources: NDArray[np.int64] | None = None  # class numbers before an arm changed them; None: the labels
    partners: Rows | None = None  # row of the own scan that each was made from, −1 where none; None: nobody's
    given: Pixels | None = None  # what added scans were made from, perhaps flipped; None: `partners`
    kept: Tensor | None = None  # `pixels` on a graphics card; None: they are sent a batch at a time

    @property
    def own(self) -> int:
        """How many scans are the fold's own; every arm has the same ones, in the same places."""
        return len(self.labels) if self.real is None else self.real


def on_device(examples: Examples, compute: Compute) -> Examples:
    """The same examples, their pixels moved to the graphics card once, if there is one with room for them."""
    if compute.device != "cuda" or examples.pixels.nbytes > ROOM * torch.cuda.mem_get_info()[0]:
        return examples
    return replace(examples, kept=torch.from_numpy(examples.pixels).to(compute.device))


def augment(
    examples: Examples,
    rows: NDArray[np.int64],
    turns: Sequence[int],
    seed: int,
    recipe: Recipe,
    device: str = "cpu",
    *,
    like: Rows | None = None,
) -> Tensor:
    """Augmented scans B×1×S×S in [0, 1]: flipped, moved, of other gain and contrast, with speckle and more.

    Never upside down. What happens to a scan depends on (seed, its key, how often it was shown), not on the
    arm or the batch. `like`: rows of the scans whose keys count instead, so that two meet the same; what an
    added one was made from is shown as it was then.
    """
    keys = [examples.keys[row] for row in (rows if like is None else like)]

    # as they are
    grey = (
        torch.from_numpy(examples.pixels[rows])
        if examples.kept is None
        else examples.kept[torch.from_numpy(rows)]
    )
    if like is not None and examples.given is not None:
        there = np.flatnonzero(like != rows)
        grey[there] = torch.from_numpy(examples.given[like[there] - examples.own]).to(grey.device)
    images = grey.to(device).float().div_(255).unsqueeze(1)
    if not recipe.augment:
        return images

    # flipped, turned, enlarged and moved, by the scan and the turn alone
    draws = np.stack(
        [
            np.random.default_rng((seed, 11, key, turn)).uniform(-1, 1, 8)
            for key, turn in zip(keys, turns, strict=True)
        ]
    ).astype(np.float32)
    flip, turn, scale, right, down, gain, contrast, slant = torch.from_numpy(draws).to(device).unbind(1)
    angle, zoom = turn * math.radians(recipe.rotation), 1 + recipe.zoom * scale
    mirror, shift = torch.where(flip < 0, -1.0, 1.0), 2 * recipe.shift  # half a side is 1
    theta = torch.stack(
        [
            torch.stack([mirror * angle.cos() / zoom, -angle.sin() / zoom, shift * right], 1),
            torch.stack([mirror * angle.sin() / zoom, angle.cos() / zoom, shift * down], 1),
        ],
        1,
    )
    if recipe.shear:
        theta[:, :, 1] += recipe.shear * slant[:, None] * theta[:, :, 0]
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)

    # gain, contrast and speckle
    mean = moved.mean((1, 2, 3), keepdim=True)
    contrast, gain = (1 + 0.2 * contrast)[:, None, None, None], (1 + 0.15 * gain)[:, None, None, None]
    gained = ((moved - mean) * contrast + mean).mul(gain)
    if recipe.speckle:
        gained = gained * (1 + recipe.speckle * _speckle(moved.shape[-1], keys, turns, seed).to(device))
    gained = gained.clamp(0, 1)
    return _operated(gained, keys, turns, seed, recipe.operations) if recipe.operations else gained


def _speckle(side: int, keys: Sequence[int], turns: Sequence[int], seed: int) -> Tensor:
    """Standard normal noise B×1×S×S, each scan's own."""
    return torch.from_numpy(
        np.stack(
            [
                np.random.default_rng((seed, 13, key, turn)).standard_normal(
                    (1, side, side), dtype=np.float32
                )
                for key, turn in zip(keys, turns, strict=True)
            ]
        )
    )


def _operated(
    images: Tensor, keys: Sequence[int], turns: Sequence[int], seed: int, operations: int
) -> Tensor:
    """Scans after so many operations each, drawn with their strengths by the seed, the scan and its turn."""
    from .operations import OPERATIONS  # late: torchvision takes a second to import

    known, changed = list(OPERATIONS.values()), []
    for scan, key, turn in zip(images, keys, turns, strict=True):
        rng = np.random.default_rng((seed, 14, key, turn))
        for _ in range(operations):
            scan = known[rng.integers(len(known))](scan, float(rng.uniform(-1, 1)))
        changed.append(scan)
    return torch.stack(changed)
