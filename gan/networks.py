"""The networks of CycleGAN (Zhu et al. 2017, arXiv:1703.10593), for scans of one grey channel in [-1, 1]."""

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

# share of the gain on coarser detail that detail finer than a network saw gets, by texture and spectrum of
# scans of 128 and 256 px made at 64 px (docs/translator.md): with all of it, shadows are smooth
FINER = 0.6


class Residual(nn.Module):
    """Two reflection-padded 3×3 convolutions with instance normalisation, added to their input.

    A `style` (B×2·channels×1×1) scales the normalised channels of the first by 1 + its first half and adds
    its second half.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*_convolution(channels, channels, 3))
        self.second = nn.Sequential(nn.ReLU(), *_convolution(channels, channels, 3))

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        inside = self.first(x)
        if style is not None:
            scale, shift = style.chunk(2, 1)
            inside = inside * (1 + scale) + shift
        out: Tensor = x + self.second(inside)
        return out


class Generator(nn.Module):
    """Residual translator: B×1×S×S in [-1, 1] to the same shape and range, S a multiple of 4.

    `upsampling` is `transposed` as published, or `nearest`: enlarging and then convolving leaves no
    checkerboards (Odena et al. 2016, doi 10.23915/distill.00003).
    """

    noise = 0  # numbers that it takes

    def __init__(self, channels: int, blocks: int, upsampling: str) -> None:
        super().__init__()
        c = channels
        self.body = nn.Sequential(
            *_convolution(1, c, 7),
            nn.ReLU(),
            nn.Conv2d(c, 2 * c, 3, 2, 1),
            nn.InstanceNorm2d(2 * c),
            nn.ReLU(),
            nn.Conv2d(2 * c, 4 * c, 3, 2, 1),
            nn.InstanceNorm2d(4 * c),
            nn.ReLU(),
            *(Residual(4 * c) for _ in range(blocks)),
            *_upsampling(4 * c, 2 * c, upsampling),
            *_upsampling(2 * c, c, upsampling),
            nn.ReflectionPad2d(3),
            nn.Conv2d(c, 1, 7),
            nn.Tanh(),
        )
        self.apply(_initialise)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Translate; the published generator takes no noise and ignores it."""
        out: Tensor = self.body(x)
        return out


class CompactGenerator(nn.Module):
    """Residual translator with a quarter of the multiplications.

    B×1×S×S in [-1, 1] to the same shape and range, S a multiple of 4. It starts at half the side (pixel
    unshuffle) and enlarges by nearest neighbour and convolution. With `noise` > 0 it also takes B×noise
    numbers from N(0, 1), which scale and shift every residual block's channels (Huang & Belongie 2017,
    arXiv:1703.06868); without them it gives the middle translation, as if all were 0.
    """

    def __init__(self, channels: int, blocks: int, noise: int) -> None:
        super().__init__()
        c, self.noise = channels, noise
        self.enter = nn.Sequential(
            nn.PixelUnshuffle(2),
            *_convolution(4, c, 3),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(c, 2 * c, 3, 2),
            nn.InstanceNorm2d(2 * c),
            nn.ReLU(),
        )
        self.blocks = nn.ModuleList(Residual(2 * c) for _ in range(blocks))
        self.leave = nn.Sequential(
            *_upsampling(2 * c, c, "nearest"),
            *_upsampling(c, c // 2, "nearest"),
            nn.ReflectionPad2d(3),
            nn.Conv2d(c // 2, 1, 7),
            nn.Tanh(),
        )
        self.apply(_initialise)
        self.style = nn.Linear(noise, blocks * 4 * c, bias=False) if noise else None
        if self.style is not None:
            nn.init.normal_(self.style.weight, 0.0, 0.1)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        x = self.enter(x)
        if self.style is None or noise is None:
            styles: list[Tensor | None] = [None] * len(self.blocks)
        else:
            styles = list(self.style(noise)[..., None, None].chunk(len(self.blocks), 1))
        for block, style in zip(self.blocks, styles, strict=True):
            x = block(x, style)
        out: Tensor = self.leave(x)
        return out


class DetailGenerator(nn.Module):
    """A translator that paints only what is coarse and keeps, damps or strengthens its source's own detail.

    B×1×S×S in [-1, 1] to the same shape and range. The source is taken apart into its local mean (of the
    pixels up to `reach` px away, mirrored at the edges) and the detail that is left. The network sees the
    whole source and gives a change Δ and a gain g, so that the translation is mean + Δ + (1 + g) · detail,
    clipped to [-1, 1]. Both are made at half the side and enlarged bicubically: no speckle is painted, and no
    checkerboard is left (Odena et al. 2016, doi 10.23915/distill.00003). Both are 0 at the start: an
    untrained translator returns its source. With `grain` a third output adds detail of the mirrored source,
    so that what is damped can be filled with speckle of its depth; letters and calipers of the other side
    may come with it. On the way up to them `upsampling` is `bilinear`, or `nearest`,
    which leaves a faint grid of 4 and 8 px at sides of 128 px and more.

    The trunk works at 16×16 for a side of 64, 128 or 256 px (`unshuffle_of`): cost grows more slowly than
    pixels. A scan of a multiple of its `size` is seen reduced to it (means of pixels); `reach` counts its
    pixels then, Δ and g are enlarged to the scan, and what is finer than the network sees gets FINER of the
    gain: 1 + FINER · g. One that is trained for that is `smooth`: its maps are without a small grid.
    """

    noise = 0  # numbers that it takes
    evening: Tensor

    def __init__(
        self,
        channels: int,
        blocks: int,
        size: int,
        reach: int,
        upsampling: str,
        *,
        grain: bool = False,
        smooth: bool = False,
    ) -> None:
        super().__init__()
        c, factor = channels, unshuffle_of(size)
        self.size, self.reach, self.smooth = size, reach, smooth
        # goes where the network goes, and is no weight
        self.register_buffer("evening", _evening(), persistent=False)
        self.enter = nn.Sequential(
            nn.PixelUnshuffle(factor),
            *_convolution(factor**2, c, 3),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(c, 2 * c, 3, 2),
            nn.InstanceNorm2d(2 * c),
            nn.ReLU(),
            *(Residual(2 * c) for _ in range(blocks)),
        )
        widths = [2 * c] + [max(8, c >> level) for level in range(factor.bit_length() - 1)]
        enlarging = (_upsampling(wide, slim, upsampling) for wide, slim in pairwise(widths))
        self.leave = nn.Sequential(*(layer for layers in enlarging for layer in layers))
        narrow = max(8, widths[-1] // 2)
        last = nn.Conv2d(narrow, 3 if grain else 2, 5)
        narrowing = _convolution(widths[-1], narrow, 5)
        self.change = nn.Sequential(*narrowing, nn.ReLU(), nn.ReflectionPad2d(2), last)
        self.apply(_initialise)
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Translate; it takes no noise and ignores it."""
        ratio = max(1, x.shape[-1] // self.size)
        seen = functional.avg_pool2d(x, ratio) if ratio > 1 else x
        change = self.change(self.leave(self.enter(seen)))
        with torch.autocast(x.device.type, enabled=False):  # detail is kept to the last bit, so in float32
            scan, change = x.float(), change.float()
            change = _enlarged(smoothed(change, self.evening) if self.smooth else change, scan)
            shift, gain, *grain = change.split(1, 1)
            coarse = local_mean(scan, self.reach * ratio + ratio // 2)
            known = _enlarged(seen.float(), scan) if ratio > 1 else scan
            out: Tensor = coarse + shift + (1 + gain) * (known - coarse)
            if ratio > 1:
                out = out + (1 + FINER * gain) * (scan - known)
            if grain:
                out = out + grain[0] * (scan - coarse).flip(-1)
            return out.clamp(-1, 1)


def unshuffle_of(size: int) -> int:
    """How many pixels a side the detail-keeping translator gathers into one: 64 px 2, 128 px 4, 256 px 8."""
    fitting = [2**power for power in range(8) if 32 * 2**power <= size and size % (2 * 2**power) == 0]
    return fitting[-1] if fitting else 1


def grown(weights: Mapping[str, Tensor], generator: DetailGenerator) -> dict[str, Tensor]:
    """The weights of a smaller side's detail-keeping generator as a start for a larger one, by name.

    Entry and trunk then do to a scan what those of the smaller one do to its means over as many pixels as the
    sides differ by. The levels beyond the smaller one's last, and what gives Δ and g, stay as `generator` was
    drawn, so that it starts as the identity all the same. Of its own side all is taken. ValueError for other
    channels or blocks, or a larger side.
    """
    drawn, entry = generator.state_dict(), "enter.2.weight"
    same_side = weights[entry].shape == drawn[entry].shape
    start = {}
    for name, tensor in drawn.items():
        finer = not same_side and (name.startswith("change") or name not in weights)
        start[name] = tensor if finer else weights[name].to(tensor)

    # the entry, of f² pixels gathered into one (C×f²×3×3), does to a scan what it did to the scan's means
    small, large = (math.isqrt(weights.shape[1]) for weights in (start[entry], drawn[entry]))
    ratio = large // small
    if ratio * small != large:
        raise ValueError(f"{large} pixels a side are no multiple of {small}")
    pixels = torch.arange(large) // ratio
    start[entry] = start[entry][:, (pixels[:, None] * small + pixels).ravel()] / ratio**2
    wrong = [name for name, tensor in drawn.items() if start[name].shape != tensor.shape]
    if wrong:
        raise ValueError(f"{wrong[0]} is {[*start[wrong[0]].shape]}, expected {[*drawn[wrong[0]].shape]}")
    return start


def local_mean(scans: Tensor, reach: int) -> Tensor:
    """Mean of the square up to `reach` px to each side of every pixel of B×1×S×S, mirrored at the edges."""
    mirrored = functional.pad(scans, (reach, reach, reach, reach), mode="reflect")
    return functional.avg_pool2d(mirrored, 2 * reach + 1, 1)


def smoothed(maps: Tensor, kernel: Tensor) -> Tensor:
    """B×C×H×W without what alternates from one pixel to the next, by the 5×5 `kernel`; else much as they are.

    In scans as large as it was trained on nothing tells the small grid that a network leaves there from
    speckle; enlarged with its maps, anybody sees it.
    """
    edged = functional.pad(maps, (2, 2, 2, 2), mode="reflect")
    return functional.conv2d(edged, kernel.expand(maps.shape[1], 1, 5, 5), groups=maps.shape[1])


def _evening() -> Tensor:
    """The kernel of `smoothed`: weights −1, 4, 10, 4, −1 in either direction."""
    weights = torch.tensor([-1.0, 4.0, 10.0, 4.0, -1.0]) / 16
    return torch.outer(weights, weights)


def _enlarged(maps: Tensor, scan: Tensor) -> Tensor:
    """Maps as large as a scan, bicubically."""
    return functional.interpolate(maps, scan.shape[-2:], mode="bicubic", align_corners=False)


AnyGenerator = Generator | CompactGenerator | DetailGenerator


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches of a B×1×S×S scan: of 70×70 px as published, 34 or 16 in a smaller scan."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        c, layers = channels, patch_layers(size)
        steps: list[nn.Module] = [nn.Conv2d(1, c, 4, 2, 1), nn.LeakyReLU(0.2)]
        for level in range(1, layers + 1):
            stride = 2 if level < layers else 1
            narrow, wide = c * min(2 ** (level - 1), 8), c * min(2**level, 8)
            steps += [nn.Conv2d(narrow, wide, 4, stride, 1), nn.InstanceNorm2d(wide), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*steps, nn.Conv2d(c * min(2**layers, 8), 1, 4, 1, 1))
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


def patch_layers(size: int) -> int:
    """Number of halvings after which a patch (16, 34 or 70 px) still lies within a scan of `size` px."""
    return next((layers for layers, patch in ((3, 70), (2, 34)) if patch <= size), 1)


def _convolution(inside: int, outside: int, kernel: int) -> tuple[nn.Module, ...]:
    return nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inside, outside, kernel), nn.InstanceNorm2d(outside)


def _upsampling(inside: int, outside: int, kind: str) -> tuple[nn.Module, ...]:
    if kind == "transposed":
        enlarge: tuple[nn.Module, ...] = (
            nn.ConvTranspose2d(inside, outside, 3, 2, 1, output_padding=1),
            nn.InstanceNorm2d(outside),
        )
    else:
        corners = False if kind == "bilinear" else None
        enlarge = (
            nn.Upsample(scale_factor=2, mode=kind, align_corners=corners),
            *_convolution(inside, outside, 3),
        )
    return *enlarge, nn.ReLU()


def _initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02) (Zhu et al. 2017), drawn from torch's global generator: the caller seeds it."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        torch.nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
