"""First weights that come with the package."""

from dataclasses import replace

import pytest
import torch
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.core.files import sha256_file
from bus.data import phantom
from bus.data.study import open_or_create
from bus.gan import first_weights, train
from bus.gan.config import INITS, METHODS, configure, lacks_first_weights
from bus.gan.cyclegan import CycleGAN
from bus.gan.networks import DetailGenerator
from bus.gan.pixels import to_pixels, to_tensor

CPU = Compute("cpu", "float32", 1)
NAMES = [name for name in INITS if name != "none"]


def generator_of(name, network="to_target"):
    generator = DetailGenerator(32, 6, 64, 2, "bilinear")
    generator.load_state_dict(first_weights.load(name)[network])
    return generator.eval()


def test_each_name_means_weights_that_never_change():
    assert set(NAMES) == set(first_weights.SHA256)
    assert first_weights.SHA256["phantoms-1"].startswith("1eb3dbfc1f927f6c")
    assert first_weights.load("none") is None
    assert sum(first_weights.path_of(name).stat().st_size for name in NAMES) < 3e6


@pytest.mark.parametrize("name", NAMES)
def test_they_darken_the_benign_lesions_of_phantoms_they_never_saw_and_little_else(name):
    """Within a lesion's mask more is changed than beside it, and it becomes darker."""
    scans = [phantom.simulate(spec) for spec in phantom.specs(60, size=64, seed=0) if spec.label == "benign"][
        :12
    ]
    squares = torch.cat([to_tensor(scan.pixels[None]) for scan in scans])
    with torch.inference_mode():
        made = to_pixels(generator_of(name)(squares)).astype(int)
    inside, beside, darker = [], [], []
    for scan, after in zip(scans, made, strict=True):
        lesion, change = scan.mask > 0, after - scan.pixels.astype(int)
        inside.append(abs(change[lesion]).mean())
        beside.append(abs(change[~lesion]).mean())
        darker.append(change[lesion].mean())
    assert sum(inside) > 1.5 * sum(beside)
    assert sum(darker) / len(darker) < -2


def test_what_was_written_is_read_in_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(first_weights, "path_of", lambda name: tmp_path / f"{name}.safetensors")
    start = {
        side: {"enter.2.weight": torch.rand(3, 3), "b": torch.rand(2)} for side in ("to_target", "to_source")
    }
    path = first_weights.path_of("other")
    first_weights.write(path, start, {"pairs": "4"})
    assert b'"pairs":"4"' in path.read_bytes()
    monkeypatch.setitem(first_weights.SHA256, "other", sha256_file(path))
    found = first_weights.load("other")
    for side, weights in start.items():
        for name, tensor in weights.items():
            torch.testing.assert_close(found[side][name], tensor, rtol=1e-3, atol=1e-3)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(BusError, match=r"other.safetensors cannot be read .*--set init=none"):
        first_weights.load("other")


@pytest.mark.long
@pytest.mark.parametrize(
    ("size", "growing", "whole"),
    [(64, {}, True), (128, {"train_size": "0"}, False), (128, {}, True), (128, {"from_size": "64"}, True)],
)
def test_a_training_begins_with_them(tmp_path, monkeypatch, size, growing, whole):
    """At their side, or one that grows from it, as they are; else with their trunk alone, as the identity."""
    study, begun = open_or_create(tmp_path / "study", {"size": size, "k": 3}, phantoms=40), {}
    config = asked(study, init="phantoms-1", discriminator="patch", augmentation="false", **growing)

    def step(self, *args):
        begun.update({name: tensor.clone() for name, tensor in self.averaged.state_dict().items()})
        raise KeyboardInterrupt

    monkeypatch.setattr(CycleGAN, "step", step)
    with pytest.raises(KeyboardInterrupt):
        train.train(study, config, CPU)
    theirs = first_weights.load("phantoms-1")["to_target"]
    assert torch.equal(begun["enter.9.first.1.weight"], theirs["enter.9.first.1.weight"])
    assert torch.equal(begun["change.5.weight"], theirs["change.5.weight"]) == whole
    assert begun["change.5.weight"].any() == whole


@pytest.mark.long
@pytest.mark.parametrize(("size", "side"), [(132, 66), (132, 33), (140, 70), (140, 35), (136, 68)])
def test_sides_that_they_do_not_fit_begin_without_them(tmp_path, size, side):
    """A side of 66 px gathers no pixels, where the first weights gather two a side."""
    study = open_or_create(tmp_path / "study", {"size": size, "k": 3}, phantoms=40)
    config = asked(study, from_size=str(side))
    assert (config.init == "none") == (side != 68)
    CycleGAN(config.smaller, CPU).begin_from(first_weights.load(config.smaller.first_weights) or {})
    small = CycleGAN(replace(config.smaller, discriminator="patch"), CPU)
    start = {name: small.networks[name].state_dict() for name in ("to_target", "to_source")}
    CycleGAN(replace(config, discriminator="patch"), CPU).begin_from(start)
    if side == 66:
        with pytest.raises(UsageError, match="gather 2 px a side, and scans of 66 px are gathered by 1"):
            asked(study, from_size="66", init="phantoms-1")


def test_a_translator_that_grows_without_them_says_so_once(tmp_path, said):
    study = open_or_create(tmp_path / "study", {"size": 128, "k": 3}, phantoms=40)
    config = asked(study, from_size="64", channels="16")
    for each in (config.smaller, config):
        train._pools(study, each)
    assert len([text for text in said if "No first weights" in text]) == 1


def asked(study, target="malignant", **changes):
    return configure(
        study,
        CPU,
        fold=0,
        target=target,
        seed=0,
        preset="quick",
        pairs=4,
        changes={"phantoms": "0", **changes},
    )


def test_what_they_do_not_fit_is_refused_in_words(tmp_path):
    small = open_or_create(tmp_path / "small", {"size": 32, "k": 3}, phantoms=40)
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=40)
    for where, wish, words in (
        (study, {"channels": "16"}, "have 32 channels and 6 blocks, not 16 and 6"),
        (study, {"target": "benign"}, "make scans of malignant, not of benign"),
        (study, {"grain": "true"}, "know no grain"),
        (study, {"upsampling": "nearest"}, "enlarge bilinearly, not by nearest"),
        (small, {}, "are of 64 px, and 32 px is less"),
        (study, {"generator": "compact"}, "init=phantoms-1 does nothing.*generator=detail"),
    ):
        with pytest.raises(UsageError, match=words):
            asked(where, init="phantoms-1", **wish)


def test_a_translator_begins_with_them_where_they_fit_and_nobody_said_otherwise(tmp_path):
    small = open_or_create(tmp_path / "small", {"size": 32, "k": 3}, phantoms=40)
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=40)
    assert asked(study).init == "phantoms-1" and asked(study, init="none").init == "none"
    for where, wish in (
        (small, {}),
        (study, {"target": "benign"}),
        (study, {"channels": "16"}),
        (study, {"grain": "true"}),
        (study, {"upsampling": "nearest"}),
        (study, {"generator": "compact"}),
    ):
        assert asked(where, **wish).init == "none"
    assert METHODS["projected"].init == METHODS["published"].init == "none"


def test_a_translator_that_cannot_begin_with_them_says_so(tmp_path):
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=40)
    assert lacks_first_weights(asked(study)) == lacks_first_weights(asked(study, init="none")) == ""
    assert "have 32 channels" in lacks_first_weights(asked(study, channels="16"))
    assert "of malignant, not of benign" in lacks_first_weights(asked(study, target="benign"))
    published = replace(asked(study), method="published", init="none")
    assert lacks_first_weights(published) == ""
