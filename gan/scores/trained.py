"""A judge that is trained here: a small network that learns on real scans to tell one class from the rest.

It never sees a synthetic scan, and none of the networks that train a translator. Cross-fitted by group: each
real scan, and each synthetic scan by its source's group, is seen by a network to which nothing of that group
was shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...data.store import Pixels
from .checks import reader_parts
from .features import Features
from .scans import Rows

PARTS = 3  # of the real scans, by group
SIDE = 64  # px at which scans are seen, whatever their own side
EPOCHS, BATCH, RATE, DECAY = 20, 32, 2e-3, 1e-2
SHIFT = 4  # px, training scans are moved by up to this
GAIN = 0.15  # the contrast of training scans, about mid-grey, is changed by up to this share
WIDTH = 64  # features of a network


class SmallNetwork(nn.Module):
    """Four halving convolutions and a mean over space: B×1×64×64 in [-1, 1] → features B×64 and logits B."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 16, 32, 48, WIDTH)
        layers: list[nn.Module] = []
        for inside, outside in pairwise(widths):
            layers += [nn.Conv2d(inside, outside, 3, 2, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.last = nn.Linear(WIDTH, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.body(x).mean((2, 3))
        return seen, self.last(seen)[:, 0]


@dataclass(frozen=True)
class TrainedJudge:
    """The networks, and the part of every real scan: network p saw none of the groups of part p."""

    networks: list[SmallNetwork]
    parts: Rows

    @torch.inference_mode()
    def features(self, scans: Pixels, parts: Rows) -> Features:
        """N×S×S uint8, seen by the networks of their parts → float32 N×(64·parts).

        Each network has its own 64 places and leaves the others at 0, so that a reader compares scans only as
        one network sees both.
        """
        values = np.zeros((len(scans), WIDTH * len(self.networks)), np.float32)
        x = _tensor(scans)
        for number, network in enumerate(self.networks):
            mine = np.flatnonzero(parts == number)
            if len(mine):
                seen = network(x[torch.from_numpy(mine)])[0].numpy()
                values[mine, number * WIDTH : (number + 1) * WIDTH] = seen
        return values


def train_judge(
    real: Pixels, is_target: Sequence[bool], groups: Sequence[str], seed: int = 0
) -> TrainedJudge:
    """Train the networks on real scans (uint8 N×S×S); a quarter of a minute on one core for 500 of them.

    Raises TooFewGroups where a class has fewer groups than two.
    """
    parts = reader_parts(is_target, groups, PARTS)
    x, y = _tensor(real), torch.from_numpy(np.asarray(is_target, np.float32))
    networks = []
    for part in range(int(parts.max()) + 1):
        shown = torch.from_numpy(np.flatnonzero(parts != part))
        networks.append(_fit(x[shown], y[shown], seed + part))
    return TrainedJudge(networks, parts)


def _fit(x: Tensor, y: Tensor, seed: int) -> SmallNetwork:
    """A network trained on scans N×1×64×64 and their truth (0 or 1), both classes weighing alike."""
    rng = np.random.default_rng((seed, 11))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SmallNetwork()
    weight, batches = (1 - y.mean()) / y.mean(), -(-len(x) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * batches)
    for _ in range(EPOCHS):
        for rows in np.array_split(rng.permutation(len(x)), batches):
            chosen = torch.from_numpy(rows)
            logits = network(_vary(x[chosen], rng))[1]
            loss = functional.binary_cross_entropy_with_logits(logits, y[chosen], pos_weight=weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network.eval()


def _vary(scans: Tensor, rng: np.random.Generator) -> Tensor:
    """Flip, move and change the contrast of scans at random; the edge is repeated."""
    padded = functional.pad(scans, (SHIFT,) * 4, "replicate")
    varied = []
    for scan in padded:
        down, right = rng.integers(0, 2 * SHIFT + 1, 2)
        cut = scan[:, down : down + SIDE, right : right + SIDE]
        varied.append((cut.flip(2) if rng.random() < 0.5 else cut) * rng.uniform(1 - GAIN, 1 + GAIN))
    return torch.stack(varied)


def _tensor(scans: Pixels) -> Tensor:
    """uint8 N×S×S → float32 N×1×64×64 in [-1, 1]."""
    sized: NDArray[np.uint8] = scans
    if scans.shape[1] != SIDE:
        way = cv2.INTER_AREA if scans.shape[1] > SIDE else cv2.INTER_LINEAR
        sized = np.stack([cv2.resize(scan, (SIDE, SIDE), interpolation=way) for scan in scans])
    return torch.from_numpy(np.array(sized)).float().div(127.5).sub(1)[:, None]
