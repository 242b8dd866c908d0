"""The losses of CycleGAN as pure functions of tensors; all return a scalar in float32."""

from torch import Tensor


def generator_adversarial(on_fake: Tensor) -> Tensor:
    """Least-squares loss of a generator whose output the discriminator scored `on_fake` (Mao et al. 2017, eq. 9)."""
    return (on_fake.float() - 1).square().mean()


def discriminator_adversarial(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """Least-squares loss of a discriminator, halved as in CycleGAN so that it learns slower than the generators."""
    return 0.5 * ((on_real.float() - 1).square().mean() + on_fake.float().square().mean())


def reconstruction(first: Tensor, second: Tensor) -> Tensor:
    """Mean absolute difference: the cycle loss (eq. 2) and the identity loss (section 5.2)."""
    return (first.float() - second.float()).abs().mean()
