"""The training of a translator: resumed, grown, refused, diverged."""

import json
import shutil
import signal
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from bus.cli.terminal import Terminal
from bus.core.compute import Compute
from bus.core.errors import BusError, UsageError
from bus.core.progress import Interrupted, listening
from bus.data import phantom
from bus.data.study import Study, open_or_create
from bus.gan import losses, train
from bus.gan.config import configure
from bus.gan.cyclegan import SIDES, CycleGAN, losses_of
from bus.gan.request import Judge
from bus.gan.scores import distances
from bus.gan.synth import make_scans
from bus.gan.train import train_all, train_gan
from bus.gan.translator import Translator
from safetensors.torch import load_file

CPU = Compute("cpu", "float32", 1)

# every switch of the translator at once, so that exact resume is shown for all of them
ALL_ON = {
    "noise": 3,
    "discriminator": "both",
    "buffer": 6,
    "phantoms": 0.25,
    "identity": 4.0,
    "augmentation": True,
}


def config_of(study, method="published", **changes):
    config = configure(study, CPU, fold=0, target="malignant", seed=0, preset="demo", pairs=16, method=method)
    return replace(config, **{"channels": 4, "blocks": 1, "buffer": 6, **changes})


@pytest.fixture
def study(tiny_study, tmp_path):
    shutil.copytree(tiny_study, tmp_path / "study")
    return Study.open(tmp_path / "study")


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"method": "projected", **ALL_ON},
        {"preset": "quick"},
        {"method": "detail", "preset": "quick", "init": "none", "train_size": 16},
    ],
    ids=["published", "everything on", "with distances", "at a smaller side"],
)
def test_resumed_training_equals_uninterrupted_training(study, monkeypatch, changes):
    monkeypatch.setattr(train, "PHANTOM_PAIRS", 4)
    monkeypatch.setattr(train, "SHEET_EVERY", 1)
    # so few scans would not be normalised, or here and there
    monkeypatch.setattr(distances, "normalised", lambda score, *marks, clear: distances.spread(score))
    config = config_of(study, **changes)
    translator = train.train(study, config, CPU)
    whole = translator.folder
    weights = (whole / "generator.safetensors").read_bytes()
    metrics = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    said = {"kid", "kid_spread", "auc_handmade"}
    assert [said <= set(line) for line in metrics] == [config.preset != "demo"] * 4
    shutil.rmtree(whole)
    steps = CycleGAN.step

    def stopping(self, *args):
        if self.step_number == 2:
            signal.raise_signal(signal.SIGINT)
        return steps(self, *args)

    monkeypatch.setattr(CycleGAN, "step", stopping)
    with listening(Terminal()), pytest.raises(Interrupted, match="run the same command again"):
        train.train(study, config, CPU)
    assert not translator.is_done
    monkeypatch.setattr(CycleGAN, "step", steps)
    train.train(study, config, CPU)
    assert (whole / "generator.safetensors").read_bytes() == weights
    again = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [{**line, "seconds": 0} for line in again] == [{**line, "seconds": 0} for line in metrics]


@pytest.mark.long
def test_a_translator_grows_from_a_smaller_side_and_resumes_at_either(tmp_path, monkeypatch):
    """Stopped within the smaller training and within its own, it ends with the same weights."""
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=60)
    config = configure(
        study,
        CPU,
        fold=0,
        target="malignant",
        seed=0,
        preset="demo",
        pairs=12,
        changes={"from_size": "32", "channels": "4", "blocks": "1", "discriminator": "patch"},
    )
    assert (config.smaller.size, config.smaller.pairs, config.smaller.from_size) == (32, 6, 0)
    translator = train.train(study, config, CPU)
    weights = (translator.folder / "generator.safetensors").read_bytes()
    small, large = translator.smaller.load("cpu").state_dict(), CycleGAN(config, CPU)
    large.begin_from({"to_target": small})
    assert torch.equal(large.networks["to_target"].state_dict()["enter.6.weight"], small["enter.6.weight"])

    shutil.rmtree(translator.folder)
    steps = CycleGAN.step

    def stopping(self, *args):
        if (self.config.size, self.step_number) in stops:
            stops.remove((self.config.size, self.step_number))
            signal.raise_signal(signal.SIGINT)
        return steps(self, *args)

    stops = [(32, 1), (64, 1)]
    monkeypatch.setattr(CycleGAN, "step", stopping)
    for _ in range(2):
        with listening(Terminal()), pytest.raises(Interrupted):
            train.train(study, config, CPU)
    train.train(study, config, CPU)
    assert not stops and (translator.folder / "generator.safetensors").read_bytes() == weights


@pytest.mark.long
def test_a_translator_of_a_smaller_side_makes_scans_of_the_studys_and_keeps_what_is_finer(tmp_path):
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=60)
    asked = {"fold": 0, "target": "malignant", "seed": 0, "preset": "demo", "pairs": 60}
    changes = {"train_size": "32", "channels": "4", "blocks": "1", "average": "0"}
    train_gan(study, configure(study, CPU, **asked, changes=changes), CPU)
    translator = Translator(study, 0, "malignant", 0)
    sheet = cv2.imread(str(next(translator.folder.rglob("pairs-*.png"))))
    assert sheet.shape[1] == 5 * 32 and translator.load("cpu").size == 32

    make_scans(translator, CPU, Judge("efficientnet-lite0", splits=2), count=6)
    made = translator.scans.pixels(translator.scans.rows).astype(float)
    row = {scan.sha256: number for number, scan in enumerate(study.scans)}
    sources = study.pixels[[row[one.source_sha256] for one in translator.scans.rows]].astype(float)
    assert made.shape == sources.shape == (6, 64, 64)
    assert (made != sources).any()
    finer = [one - cv2.resize(cv2.resize(one, (32, 32)), (64, 64)) for one in (*made, *sources)]
    assert np.corrcoef(np.ravel(finer[:6]), np.ravel(finer[6:]))[0, 1] > 0.9


def test_a_smaller_training_whose_checkpoint_is_gone_is_trained_again(tmp_path, said):
    """Damaged, then deleted as the error advises, or begun with other options: the same command mends it."""
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=60)
    asked = {"from_size": "32", "channels": "4", "blocks": "1", "discriminator": "patch"}
    given = {"fold": 0, "target": "malignant", "seed": 0, "preset": "demo", "pairs": 8, "changes": asked}
    config = configure(study, CPU, **given)
    translator = train.train(study, config, CPU)
    weights = (translator.folder / "generator.safetensors").read_bytes()

    def begin_again():
        for name in ("checkpoint.pt", "generator.safetensors", "DONE"):
            (translator.folder / name).unlink(missing_ok=True)

    small = translator.smaller.checkpoint
    begin_again()
    small.write_bytes(small.read_bytes()[:-3])
    with pytest.raises(BusError, match=r"smaller/checkpoint\.pt is damaged.*Delete it"):
        train.train(study, config, CPU)
    small.unlink()
    train.train(study, config, CPU)
    assert (translator.folder / "generator.safetensors").read_bytes() == weights
    assert any("has lost its checkpoint.pt: now in" in text for text in said)

    begin_again()
    other = replace(config.smaller, pairs=2)
    translator.smaller.set_aside()
    shutil.rmtree(translator.smaller.folder, ignore_errors=True)
    train._train(translator.smaller, other, CPU, train.silent)
    train.train(study, config, CPU)
    assert translator.smaller.config == config.smaller
    assert (translator.folder / "generator.safetensors").read_bytes() == weights


def test_other_options_are_refused_and_redo_sets_the_old_aside(study):
    config = config_of(study)
    assert train_gan(study, config, CPU)
    assert not train_gan(study, config, CPU)
    other = replace(config, cycle=5.0)
    with pytest.raises(UsageError, match=r"cycle 10\.0 there, 5\.0 asked.*--redo"):
        train_gan(study, other, CPU)
    assert train_gan(study, other, CPU, redo=True)
    assert (study.path / "aside/1/fold-0/gan/malignant/seed-0/DONE").exists()


def test_a_translator_that_others_began_on_other_cores_meanwhile_is_gone_on_with(study, monkeypatch):
    """Two machines may begin one study at once; no option says how many threads."""
    config = config_of(study)
    monkeypatch.setattr(train, "train", lambda study, config, compute, board: used.append((config, compute)))
    used = []
    Translator.of(study, config).write_config(replace(config, threads=16))
    train_gan(study, config, CPU)
    assert used == [(replace(config, threads=16), replace(CPU, threads=16))]


@pytest.mark.parametrize("end", [BusError, Interrupted])
def test_what_ends_beside_others_says_that_redo_would_set_it_aside(study, monkeypatch, end):
    def ended(*_):
        raise end("Run the same command again to go on.")

    monkeypatch.setattr(train.processes, "beside", ended)
    for redo, words in ((True, r"go on\. Leave --redo out then\.$"), (False, r"go on\.$")):
        with pytest.raises(end, match=words):
            train_all(study, [(config_of(study), CPU)], 2, redo=redo)


def test_what_a_training_takes_on_the_disk_includes_what_it_grows_from(tmp_path):
    study = open_or_create(tmp_path / "study", {"size": 64, "k": 3}, phantoms=40)
    grown, alone = (config_of(study, method="detail", from_size=side, init="none") for side in (32, 0))
    for count in (train.bytes_needed, train.bytes_kept):
        assert count(grown, CPU) == count(alone, CPU) + train.bytes_kept(grown.smaller, CPU)


def test_a_damaged_checkpoint_is_named_and_runs_no_code(study, tmp_path):
    config = config_of(study)
    folder = Translator(study, 0, "malignant", 0).folder
    folder.mkdir(parents=True)
    proof = tmp_path / "proof"

    class Hostile:
        def __reduce__(self):
            return (proof.write_text, ("ran",))

    torch.save({"model": Hostile()}, folder / "checkpoint.pt")
    with pytest.raises(BusError, match=r"checkpoint\.pt is damaged"):
        train.train(study, config, CPU)
    assert not proof.exists()


def test_a_diverging_loss_stops_the_training(study, monkeypatch):
    monkeypatch.setattr(losses, "reconstruction", lambda first, second: (first - second).sum() * float("nan"))
    with pytest.raises(
        BusError, match=r"diverged at step 0: the loss .* is nan\. There was no checkpoint yet\. Start anew"
    ):
        train.train(study, config_of(study), CPU)


@pytest.mark.parametrize(
    ("pairs", "at"), [(28, 5), (16, 3)], ids=["a checkpoint is due", "the training ends"]
)
@pytest.mark.parametrize("spoilt", ["loss", "to_source", "averaged"])
def test_what_cannot_come_back_never_replaces_the_good_checkpoint(study, monkeypatch, spoilt, pairs, at):
    """Checkpoints after steps 3 and 6 of these; step `at` leaves a loss of 5e4 a side, or broken weights."""
    steps, good = CycleGAN.step, {}
    folder = Translator(study, 0, "malignant", 0).folder

    def spoiling(self, *args):
        found = steps(self, *args)
        if self.step_number - 1 != at:
            return found
        good["bytes"] = (folder / "checkpoint.pt").read_bytes()
        if spoilt == "loss":
            return replace(found, values=torch.full_like(found.values, 5e4))
        weights = next({**self.networks, "averaged": self.averaged}[spoilt].parameters())
        weights.data.view(-1)[0] = float("nan")
        return found

    monkeypatch.setattr(CycleGAN, "step", spoiling)
    words = (
        "the loss generators is 1e\\+05"
        if spoilt == "loss"
        else f"weights of the network {spoilt} are not finite"
    )
    with pytest.raises(
        BusError, match=rf"diverged at step {at}: {words}\. The last good checkpoint in .* is kept\."
    ):
        train.train(study, config_of(study, pairs=pairs), CPU)
    assert (folder / "checkpoint.pt").read_bytes() == good["bytes"]
    assert not (folder / "DONE").exists() and not (folder / "generator.safetensors").exists()


def test_spoilt_weights_are_no_first_checkpoint_either(study):
    translator, config = Translator(study, 0, "malignant", 0), config_of(study)
    translator.write_config(config)
    run = train.Session(translator, CycleGAN(config, CPU), {})
    next(run.model.networks["discriminator_target"].parameters()).data.fill_(float("inf"))
    with pytest.raises(BusError, match=r"discriminator_target are not finite\. There was no checkpoint yet"):
        train._checkpoint(run)
    assert not translator.checkpoint.exists()


def test_a_translator_sees_the_training_part_alone_each_side_its_own_classes(study):
    config = config_of(study, sources=("normal",))
    pools = train._pools(study, config)
    trained, tested = (
        {study.pixels[row].tobytes(): study.scans[row].label for row in rows}
        for rows in (study.train(0), study.test(0))
    )
    for side, labels in (("source", ["normal"]), ("target", ["malignant"])):
        shown = [square.tobytes() for square in pools[side]]
        assert {trained[square] for square in shown} == set(labels)
        assert len(shown) == len(study.rows_of(study.train(0), labels)) and not tested.keys() & set(shown)


def test_another_seed_draws_other_weights_batches_and_chance(study, monkeypatch):
    none, given = losses_of([(name, torch.zeros(())) for name in ("cycle", "adversarial")]), []
    monkeypatch.setattr(CycleGAN, "step", lambda self, *step: given.append(step) or none)
    drawn = []
    for seed in (0, 1):
        config = replace(config_of(study), seed=seed)
        model, pools = CycleGAN(config, CPU), train._pools(study, config)
        drawn.append([torch.cat([w.flatten() for w in net.parameters()]) for net in model.networks.values()])
        # the same moves: what differs is which scans are shown
        drawn[-1] += [train._batch(pools, config, 0, side, np.random.default_rng(0)) for side in SIDES]
        train._step(train.Session(Translator.of(study, config), model, pools))
    assert not any(torch.equal(one, other) for one, other in zip(*drawn, strict=True))
    assert len({rng.random() for _, _, rng in given}) == 2


def test_the_generator_that_is_kept_is_the_averaged_one(study):
    config = config_of(study, average=0.9)
    folder = train.train(study, config, CPU).folder
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)["model"]
    kept, last = load_file(folder / "generator.safetensors"), saved["networks"]["to_target"]
    assert kept.keys() == saved["averaged"].keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in saved["averaged"].items())
    assert not all(torch.equal(kept[name], tensor) for name, tensor in last.items())


@pytest.mark.long
def test_no_phantom_of_a_warm_start_is_one_that_phantom_studies_are_made_of():
    def hashes(specs):
        return {phantom.simulate(spec).pixels.tobytes() for spec in specs}

    studied = hashes(phantom.specs(40, size=32))
    assert not hashes(phantom.specs(40, size=32, seed=train.PHANTOM_SEED, paired=True)) & studied
    assert hashes(phantom.specs(40, size=32, paired=True)) & studied, "with the seed of studies some would be"


@pytest.mark.long
def test_translators_beside_each_other_are_those_of_one_after_another(study, tmp_path):
    shutil.copytree(study.path, tmp_path / "other")
    for own, jobs in ((study, 1), (Study.open(tmp_path / "other"), 2)):
        train_all(own, [(replace(config_of(own), fold=fold), CPU) for fold in (0, 1)], jobs)
    for fold in (0, 1):
        one, other = (
            Translator(own, fold, "malignant", 0) for own in (study, Study.open(tmp_path / "other"))
        )
        assert other.is_done
        assert one.generator_sha256 == other.generator_sha256
