"""Networks: shapes, costs, the receptive field, and what the detail-keeping generator must hold."""

import pytest
import torch
from bus.data.store import Box, restore_bars
from bus.gan.networks import (
    FINER,
    CompactGenerator,
    DetailGenerator,
    Generator,
    PatchDiscriminator,
    grown,
    local_mean,
    patch_layers,
    smoothed,
    unshuffle_of,
)
from bus.gan.pixels import to_pixels, to_tensor
from torch.nn import functional


@pytest.mark.parametrize(("size", "patch"), [(32, 16), (64, 34), (128, 70), (256, 70)])
def test_patches_have_the_published_receptive_field_or_fit_the_scan(size, patch):
    judge = PatchDiscriminator(4, size).eval()
    scan = torch.zeros(1, 1, size, size, requires_grad=True)
    # instance normalisation mixes all pixels; without it the gradient shows the receptive field
    layers = [layer for layer in judge.body if not isinstance(layer, torch.nn.InstanceNorm2d)]
    out = torch.nn.Sequential(*layers)(scan)
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    rows = scan.grad[0, 0].abs().sum(1).nonzero().ravel()
    assert int(rows.max() - rows.min()) + 1 == patch
    assert patch_layers(size) == {16: 1, 34: 2, 70: 3}[patch]


@pytest.mark.parametrize(
    "generator", [Generator(4, 1, "nearest"), Generator(4, 1, "transposed"), CompactGenerator(4, 1, 0)]
)
def test_generators_keep_shape_and_range(generator):
    out = generator(torch.randn(2, 1, 36, 36))
    assert out.shape == (2, 1, 36, 36)
    assert out.abs().max() <= 1


@pytest.mark.parametrize(
    ("generator", "millions"), [(Generator(32, 6, "nearest"), 655), (CompactGenerator(32, 6, 0), 160)]
)
def test_the_compact_generator_takes_a_quarter_of_the_multiplications(generator, millions):
    """Counted at every convolution, for the numbers in docs/translator.md."""
    found = []

    def count(layer, _, out):
        found.append(layer.weight.numel() * out.shape[2] * out.shape[3])

    for layer in generator.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    generator(torch.zeros(1, 1, 64, 64))
    assert round(sum(found) / 1e6) == millions


def test_noise_varies_a_translation_and_none_means_zero():
    generator, scan = CompactGenerator(4, 2, 3), torch.rand(1, 1, 32, 32)
    middle = generator(scan)
    torch.testing.assert_close(generator(scan, torch.zeros(1, 3)), middle)
    assert (generator(scan, torch.ones(1, 3)) - middle).abs().max() > 1e-3


@pytest.mark.parametrize(("size", "factor"), [(32, 1), (64, 2), (96, 2), (128, 4), (224, 4), (256, 8)])
def test_the_detail_keeping_generator_begins_as_the_identity_with_a_small_trunk(size, factor):
    generator, scans = DetailGenerator(8, 1, size, 2, "bilinear"), torch.rand(2, 1, size, size) * 2 - 1
    assert unshuffle_of(size) == factor
    assert torch.allclose(generator(scans), scans, atol=1e-6)
    trunk = generator.enter(scans)
    assert trunk.shape[-1] == size // factor // 2
    assert trunk.shape[-1] in range(16, 32)


def changing(size, seed=0, upsampling="bilinear"):
    """A detail-keeping generator whose random last weights change a scan strongly."""
    torch.manual_seed(seed)
    generator = DetailGenerator(8, 2, size, 2, upsampling)
    torch.nn.init.normal_(generator.change[-1].weight, 0.0, 0.05)
    return generator


def grids(size, upsampling, seeds=6, scans=12):
    """How far the spectrum of what random generators change on average stands out at 2, 4 and 8 px."""
    total = torch.zeros(size, size)
    for seed in range(seeds):
        generator = changing(size, seed, upsampling=upsampling)
        with torch.no_grad():
            images = torch.rand(scans, 1, size, size) * 0.4 - 0.2
            change = (generator(images) - images).mean((0, 1))
        spectrum = torch.fft.fft2((change - change.mean()) / change.std()).abs()
        total += spectrum + spectrum.T
    lines = total.mean(1)

    def peak(line):
        return float(lines[line] / lines[[(line + step) % size for step in (-3, -2, 2, 3)]].mean())

    return [peak(size // period) for period in (2, 4, 8)]


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_detail_keeping_generator_paints_no_grid(size):
    """The mean change has no peak in its spectrum; that of transposed convolutions would show."""
    assert max(grids(size, "bilinear")) < 1.1
    assert max(grids(size, "transposed")) > 1.5


def test_no_halo_lies_at_the_edges_or_beside_the_letterbox_bars():
    """Over many random generators, what is changed at a rim is changed no more than what lies further in."""
    box = Box(16, 0, 32, 64)
    scans = to_pixels(torch.rand(4, 1, 64, 64) * 0.8 - 0.6)
    barred = [restore_bars(scan, box) for scan in scans]
    edges, bars, whole, between = [], [], [], []
    for seed in range(12):
        generator = changing(64, seed)
        with torch.no_grad():
            for scan, letterboxed in zip(scans, barred, strict=True):
                change = abs(to_pixels(generator(to_tensor(scan[None])))[0].astype(int) - scan)
                edges.append(change[[0, -1]].mean())
                whole.append(change[8:-8].mean())
                made = restore_bars(to_pixels(generator(to_tensor(letterboxed[None])))[0], box)
                assert not made[:16].any() and not made[48:].any(), "bars stay black"
                change = abs(made.astype(int) - letterboxed)[box.inside]
                bars.append(change[[0, -1]].mean())
                between.append(change[4:-4].mean())
    assert sum(whole) / len(whole) > 5, "something is changed"
    assert sum(edges) < 1.5 * sum(whole)
    assert sum(bars) < 1.5 * sum(between)


@pytest.mark.parametrize("ratio", [2, 4])
def test_larger_scans_keep_what_is_finer_than_the_generator_sees(ratio):
    """What it sees is changed as at its own side; of finer detail a share of the gain is taken."""
    generator, side = DetailGenerator(8, 1, 32, 2, "bilinear", smooth=True), 32 * ratio
    scans = torch.rand(2, 1, side, side) * 0.4 - 0.2
    torch.testing.assert_close(generator(scans), scans, rtol=0, atol=1e-6)

    # a change of all, and no gain; then nothing of the detail is kept but a share of what is finer
    shift, gain = generator.change[-1].bias.data
    shift += 0.3
    torch.testing.assert_close(generator(scans), scans + 0.3, rtol=0, atol=1e-5)
    shift -= 0.3
    gain -= 1
    small = functional.avg_pool2d(scans, ratio)
    seen = functional.interpolate(small, (side, side), mode="bicubic", align_corners=False)
    coarse = local_mean(scans, 2 * ratio + ratio // 2)
    torch.testing.assert_close(generator(scans), coarse + (1 - FINER) * (scans - seen), rtol=0, atol=1e-5)


def test_no_small_grid_is_enlarged():
    """What alternates from pixel to pixel is gone, what is even stays."""
    rows = torch.arange(8)
    grid = ((rows[:, None] + rows) % 2 * 2.0 - 1)[None, None]
    generator = DetailGenerator(8, 1, 32, 2, "bilinear", smooth=True)
    assert "evening" not in generator.state_dict()
    torch.testing.assert_close(smoothed(grid, generator.evening), torch.zeros_like(grid))
    torch.testing.assert_close(smoothed(torch.ones(1, 2, 8, 8), generator.evening), torch.ones(1, 2, 8, 8))


def test_detail_is_kept_damped_or_strengthened_and_never_painted():
    """With one gain and one Δ everywhere: the detail of the source times a gain, on a coarse that moved."""
    generator, scans = DetailGenerator(8, 1, 64, 2, "bilinear"), torch.rand(2, 1, 64, 64) * 0.4 - 0.2
    last = generator.change[-1]
    for gain, shift in ((-1.0, 0.1), (-0.5, 0.0), (0.5, -0.2)):
        with torch.no_grad():
            last.bias.copy_(torch.tensor([shift, gain]))
            made = generator(scans)
        coarse = torch.nn.functional.avg_pool2d(
            torch.nn.functional.pad(scans, (2, 2, 2, 2), mode="reflect"), 5, 1
        )
        torch.testing.assert_close(made, coarse + shift + (1 + gain) * (scans - coarse), rtol=0, atol=1e-5)


def test_speckle_may_come_from_the_mirrored_scan_at_the_same_depth():
    """It begins as the identity; with all detail damped, what is left is the other side's times the grain."""
    generator, scans = (
        DetailGenerator(8, 1, 64, 2, "bilinear", grain=True),
        torch.rand(2, 1, 64, 64) * 0.4 - 0.2,
    )
    assert torch.allclose(generator(scans), scans, atol=1e-6)
    with torch.no_grad():
        generator.change[-1].bias.copy_(torch.tensor([0.0, -1.0, 0.5]))
        made = generator(scans)
    coarse = local_mean(scans, 2)
    torch.testing.assert_close(made, coarse + 0.5 * (scans - coarse).flip(-1), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("small", "large"), [(64, 128), (64, 256), (128, 256), (32, 64), (112, 224)])
def test_a_grown_generator_does_to_a_scan_what_the_smaller_did_to_its_means(small, large):
    """To the end of the trunk; and it starts as the identity, whatever the smaller one had learned."""
    less = changing(small)
    grown_one = DetailGenerator(8, 2, large, 2, "bilinear")
    grown_one.load_state_dict(grown(less.state_dict(), grown_one))
    scans = torch.rand(2, 1, large, large) * 2 - 1
    with torch.no_grad():
        means = torch.nn.functional.avg_pool2d(scans, large // small)
        torch.testing.assert_close(grown_one.enter(scans), less.enter(means), rtol=0, atol=2e-4)
        torch.testing.assert_close(grown_one(scans), scans, rtol=0, atol=1e-6)


def test_weights_of_the_same_side_are_taken_whole_and_other_forms_are_refused():
    begun = changing(64)
    again = DetailGenerator(8, 2, 64, 2, "bilinear")
    again.load_state_dict(grown(begun.state_dict(), again))
    scans = torch.rand(1, 1, 64, 64)
    assert torch.equal(again(scans), begun(scans))
    for other in (DetailGenerator(16, 2, 128, 2, "bilinear"), DetailGenerator(8, 2, 32, 2, "bilinear")):
        with pytest.raises(ValueError, match=r"expected|multiple"):
            grown(begun.state_dict(), other)
