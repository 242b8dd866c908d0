"""The losses of the translator as pure functions of tensors; all return a scalar in float32.

Adversarial losses take the score fields of a discriminator, B×1×H×W, one a map that it looks at, and sum over
the maps.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import relu

Fields = Sequence[Tensor]


def generator_adversarial(on_fake: Fields, kind: str) -> Tensor:
    """Loss of a generator whose output a discriminator scored `on_fake`.

    `least-squares`: Mao et al. 2017, arXiv:1611.04076, as in CycleGAN. `hinge`: Lim & Ye 2017,
    arXiv:1705.02894.
    """
    if kind == "hinge":
        return _sum(-field.float().mean() for field in on_fake)
    return _sum((field.float() - 1).square().mean() for field in on_fake)


def call_real(scored: Fields, kind: str) -> Tensor:
    """Loss of a discriminator for scoring real scans low."""
    if kind == "hinge":
        return _sum(relu(1 - field.float()).mean() for field in scored)
    return _sum(0.5 * (field.float() - 1).square().mean() for field in scored)


def call_fake(scored: Fields, kind: str) -> Tensor:
    """Loss of a discriminator for scoring synthetic scans high.

    Least squares are halved as in CycleGAN, so that a discriminator learns more slowly than the generators.
    """
    if kind == "hinge":
        return _sum(relu(1 + field.float()).mean() for field in scored)
    return _sum(0.5 * field.float().square().mean() for field in scored)


def reconstruction(first: Tensor, second: Tensor) -> Tensor:
    """Mean absolute difference: cycle loss and identity loss (Zhu et al. 2017, arXiv:1703.10593)."""
    return (first.float() - second.float()).abs().mean()


def _sum(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()
