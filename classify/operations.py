"""What TrivialAugment may do to an ultrasound scan.

The operations of Müller & Hutter, ICCV 2021 (arXiv:2103.10158) with milder strengths than their widest,
without those of colour and without those that invert: dark is fluid or shadow, bright a reflector.
"""

from collections.abc import Callable

from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as operate

Operation = Callable[[Tensor, float], Tensor]  # of a scan 1×S×S in [0, 1] and a strength from -1 to 1


def _affine(
    scan: Tensor,
    *,
    angle: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    slant: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """A scan 1×S×S turned and slanted by degrees, and shifted by shares of its side; black comes in."""
    moved = [round(each * scan.shape[-1]) for each in shift]
    out: Tensor = operate.affine(
        scan, angle, moved, 1.0, list(slant), interpolation=InterpolationMode.BILINEAR
    )
    return out


OPERATIONS: dict[str, Operation] = {
    "identity": lambda scan, _: scan,
    "slant right": lambda scan, much: _affine(scan, slant=(17 * much, 0.0)),
    "slant down": lambda scan, much: _affine(scan, slant=(0.0, 17 * much)),
    "shift right": lambda scan, much: _affine(scan, shift=(0.2 * much, 0.0)),
    "shift down": lambda scan, much: _affine(scan, shift=(0.0, 0.2 * much)),
    "turn": lambda scan, much: _affine(scan, angle=30 * much),
    "brightness": lambda scan, much: operate.adjust_brightness(scan, 1 + 0.5 * much),
    "contrast": lambda scan, much: operate.adjust_contrast(scan, 1 + 0.7 * much),
    "sharpness": lambda scan, much: operate.adjust_sharpness(scan, 1 + 0.9 * much),
    "posterise": lambda scan, much: operate.posterize(scan, 8 - round(4 * abs(much))),
    "full contrast": lambda scan, _: operate.autocontrast(scan),
    "equalise": lambda scan, _: operate.equalize(scan),
}
