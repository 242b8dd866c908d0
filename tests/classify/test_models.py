"""The classifiers: shapes, sizes, first weights."""

import urllib.request

import pytest
import torch
from bus.classify import catalogue, models
from bus.core import lite, published_weights
from bus.core.errors import BusError, UsageError
from safetensors.torch import save_file


@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "millions"),
    [("simplecnn", 1.0), ("vgg19", 20.0), ("resnet18", 11.2), ("efficientnet-lite0", 3.4), ("vgg16", 39.9)],
)
@pytest.mark.parametrize("size", [32, 64])
def test_grey_scans_give_a_number_for_each_class(model, millions, size):
    network = models.build(model, 3, "none", 0).eval()
    assert network(torch.rand(2, 1, size, size)).shape == (2, 3)
    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(
        millions, rel=0.05
    )


def test_first_weights_depend_on_the_seed_alone():
    torch.manual_seed(7)
    first = models.build("resnet18", 3, "none", 0).state_dict()
    second, other = (models.build("resnet18", 3, "none", seed).state_dict() for seed in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


@pytest.mark.long
@pytest.mark.parametrize("model", ["vgg19", "resnet18", "vgg16"])
def test_the_order_of_maps_in_memory_changes_no_answer(model):
    """Logits and gradients of a placed network against one that was never placed, in double precision."""
    plain, placed = (models.build(model, 3, "none", 0).double().eval() for _ in range(2))
    placed = models.place(placed, model, "cpu")
    scans = torch.rand(2, 1, 64, 64, dtype=torch.float64)
    last = [
        name for name, tensor in placed.named_parameters() if tensor.dim() == 4 and not tensor.is_contiguous()
    ]
    assert last, "some weights have their channels last"
    assert torch.allclose(placed(scans), plain(scans), rtol=1e-9, atol=0)
    for network in (plain, placed):
        network(scans).square().sum().backward()
    for (name, first), second in zip(plain.named_parameters(), placed.parameters(), strict=True):
        assert torch.allclose(
            first.grad, second.grad, rtol=1e-6, atol=1e-9 * float(first.grad.abs().max())
        ), name


@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "first"), [("resnet18", "layer3"), ("vgg19", "features.27"), ("vgg16", "features.17")]
)
def test_small_maps_have_their_places_last(model, first):
    network, seen = models.place(models.build(model, 3, "none", 0), model, "cpu").eval(), []
    network.get_submodule(first).register_forward_hook(lambda _, given, __: seen.append(given[0]))
    network(torch.rand(2, 1, 64, 64))
    assert seen[0].shape[2:] == (8, 8) and seen[0].is_contiguous()


@pytest.mark.long
@pytest.mark.parametrize("model", ["vgg19", "resnet18"])
def test_imagenet_weights_answer_grey_scans_like_normalised_rgb_ones(model, monkeypatch, tmp_path):
    """The first layer, away from its padding and up to constants without a bias; only the head is new."""
    from torchvision.models import resnet18, vgg19_bn

    colour = {"vgg19": vgg19_bn, "resnet18": resnet18}[model]().eval()
    torch.save(colour.state_dict(), tmp_path / "kept.pth")
    urls = []
    monkeypatch.setattr(
        published_weights, "obtain", lambda url, **words: urls.append(url) or tmp_path / "kept.pth"
    )
    grey = models.build(model, 3, "imagenet", 0).eval()
    assert [url.rpartition("/")[2] for url in urls] == [
        {"vgg19": "vgg19_bn-c79401a0.pth", "resnet18": "resnet18-f37072fd.pth"}[model]
    ]
    scan = torch.rand(1, 1, 64, 64)
    first = {"vgg19": "features.0", "resnet18": "conv1"}[model]
    expected = colour.get_submodule(first)(lite.Normalise()(scan))[..., 3:-3, 3:-3]
    apart = grey.get_submodule(first)(scan)[..., 3:-3, 3:-3] - expected
    constant = apart.mean((2, 3), keepdim=True)
    assert (apart - constant).abs().max() < 1e-4
    assert (constant.abs().max() < 1e-4) == (model == "vgg19"), "it has a bias"
    fresh = [
        name
        for name, tensor in grey.state_dict().items()
        if not torch.equal(tensor, colour.state_dict().get(name, torch.empty(0)))
    ]
    assert {name.rsplit(".", 1)[0] for name in fresh} <= {first, "fc", "classifier", "enlarging"}


def test_weights_that_cannot_be_had_are_explained(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(BusError, match=r"no route to host.*--init none"):
        models.build("resnet18", 3, "imagenet", 0)
    with pytest.raises(UsageError, match="SimpleCNN has no ImageNet weights"):
        catalogue.check_init(("simplecnn",), "imagenet")
    with pytest.raises(UsageError, match="none, phantom, imagenet or a safetensors file"):
        catalogue.check_init(("resnet18",), str(tmp_path / "nothing"))
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(BusError, match="does not hold weights of resnet18"):
        models.build("resnet18", 3, str(tmp_path / "other.safetensors"), 0)
    with pytest.raises(UsageError, match="simplecnn, vgg19, resnet18"):
        models.build("alexnett", 3, "none", 0)


def test_simplecnn_is_the_seed_projects_network_value_for_value_and_gradient_for_gradient():
    network = models.build("simplecnn", 3, "none", 0)
    convolutions = [layer for layer in network.features if isinstance(layer, torch.nn.Conv2d)]
    scans, found = torch.rand(2, 1, 32, 32), []
    for forward in (network, lambda x: seeds_order(convolutions, network.classifier, x)):
        network.zero_grad()
        answer = forward(scans)
        answer.square().sum().backward()
        found.append([answer, *(parameter.grad.clone() for parameter in network.parameters())])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


def test_simplecnn_may_shift_and_scale_its_scans_and_its_weights_say_so():
    network, scans = models.build("simplecnn", 3, "none", 0), torch.rand(2, 1, 32, 32)
    plain = network(scans)
    network.standardise()
    seen = network(scans)
    network.mean.zero_()
    network.deviation.fill_(1.0)
    torch.testing.assert_close(network((scans - models.MEAN) / models.DEVIATION), seen)
    network.standardise()
    again = models.build("simplecnn", 3, "none", 1)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(scans), seen)
    older = {name: tensor for name, tensor in network.state_dict().items() if name[0] in "fc"}
    again.load_state_dict(older)  # weights from before it could say so
    assert torch.equal(again(scans), plain)


def seeds_order(convolutions, classifier, x):
    """The ReLU before the pooling, as in the seed project."""
    for convolution in convolutions[:3]:
        x = torch.nn.functional.max_pool2d(convolution(x).relu(), 2)
    return classifier(torch.nn.functional.adaptive_avg_pool2d(convolutions[3](x).relu(), 10).flatten(1))


@pytest.mark.parametrize("shape", [(8, 8), (1, 3), (10, 20), (28, 7)])
def test_averages_are_torchs_at_every_size(shape):
    maps = torch.rand(2, 3, *shape, requires_grad=True)
    ours, theirs = models.AveragePool(10)(maps), torch.nn.functional.adaptive_avg_pool2d(maps, 10)
    torch.testing.assert_close(ours, theirs)
    grown = torch.rand_like(ours)
    torch.testing.assert_close(*(torch.autograd.grad(pooled, maps, grown)[0] for pooled in (ours, theirs)))


@pytest.mark.parametrize("side", [64, 160])
def test_efficientnet_begins_as_its_package_has_it(side):
    """What its last layer sees of a grey scan is what the package's network sees of it as RGB."""
    package = lite.efficientnet(catalogue.LITE0)
    network, seen = models.build(catalogue.LITE0, 3, "imagenet", 0).eval(), []
    network.classifier.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    scans = torch.rand(2, 1, side, side)
    network(scans)
    large = torch.nn.functional.interpolate(scans, (max(side, 128),) * 2, mode="bilinear")
    mean, deviation = (torch.tensor(each).view(1, 3, 1, 1) for each in (lite.MEAN, lite.DEVIATION))
    maps = package.extract_features((large.expand(-1, 3, -1, -1) - mean) / deviation)
    torch.testing.assert_close(seen[0], maps.mean((2, 3)), rtol=1e-3, atol=1e-4)
    assert all(parameter.requires_grad for parameter in network.parameters())
    other = models.build(catalogue.LITE0, 3, "none", 0).network._conv_stem.weight
    assert not torch.equal(other, network.network._conv_stem.weight)
