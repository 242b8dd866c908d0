"""Training a translator: presets, the loop, checkpoints, sample sheets."""

import io
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from .. import files
from ..compute import Compute, is_out_of_memory
from ..console import Interrupted, console, interruptible, progress
from ..data import phantom
from ..data.pictures import synthetic_png
from ..data.store import Pixels
from ..data.study import Study
from ..errors import BusError, UsageError
from .cyclegan import SIDES, CycleGAN, GanConfig
from .discriminators import DISCRIMINATORS
from .losses import LOSSES
from .networks import CompactGenerator, Generator

SHEET_ROWS = 6  # sources on a sample sheet
REPORTS = 60  # lines of metrics.jsonl over a whole training
CHECKPOINT_EVERY = 3  # reports
SHEET_EVERY = 10  # reports
PHANTOM_PAIRS = 300  # simulated anatomies of a warm start, each with a benign and a malignant lesion


METHODS: dict[str, dict[str, Any]] = {
    # Zhu et al. 2017; nearest-neighbour upsampling and averaged weights outside the preset paper
    "published": {
        "generator": "published", "channels": 32, "blocks": 6, "upsampling": "nearest", "noise": 0,
        "discriminator": "patch", "adversarial": "least-squares", "augmentation": False, "learning_rate": 2e-4,
        "cycle": 10.0, "identity": 5.0, "negatives": 0.0, "diversity": 0.0, "buffer": 50, "average": 0.999, "shift": 4,
        "batch": 4, "phantoms": 0,
    },
    # chosen by the ablation in docs/translator.md
    "projected": {
        "generator": "compact", "channels": 32, "blocks": 6, "upsampling": "nearest", "noise": 0,
        "discriminator": "projected", "adversarial": "hinge", "augmentation": True, "learning_rate": 2e-4,
        "cycle": 20.0, "identity": 4.0, "negatives": 0.0, "diversity": 0.0, "buffer": 0, "average": 0.999, "shift": 4,
        "batch": 4, "phantoms": 0,
    },
}  # fmt: skip
METHOD = "projected"
PRESETS: dict[str, dict[str, Any]] = {  # effort; `epochs` instead of `pairs` counts passes over the larger class side
    "demo": {"pairs": 400, "channels": 16, "blocks": 3},
    "quick": {"pairs": 6_000},
    "standard": {"pairs": 30_000},
    "paper": {"epochs": 200, "batch": 1, "channels": 64, "upsampling": "transposed", "average": 0.0, "shift": 0},
}
POSITIVE = ("batch", "channels", "blocks", "learning_rate", "pairs", "size")
CHOICES = {
    "generator": ("compact", "published"), "upsampling": ("nearest", "transposed"), "discriminator": DISCRIMINATORS,
    "adversarial": LOSSES,
}  # fmt: skip


def configure(
    study: Study, compute: Compute, *, fold: int | None, target: str, seed: int, preset: str, pairs: int | None = None,
    method: str | None = None, changes: Mapping[str, str] | None = None,
) -> GanConfig:  # fmt: skip
    """Resolve method and preset for one fold of a study, then apply `changes` (switches of GanConfig, as text).

    UsageError for a preset, method, class, switch or value that does not exist.
    """
    if preset not in PRESETS:
        raise UsageError(f"--preset {preset} is unknown; choose one of {', '.join(PRESETS)}.")
    method = method or ("published" if preset == "paper" else METHOD)
    if method not in METHODS:
        raise UsageError(f"--method {method} is unknown; choose one of {', '.join(METHODS)}.")
    if preset == "paper" and method != "published":
        raise UsageError("--preset paper is the published method; leave --method out, or choose another preset.")
    if target not in study.classes:
        raise UsageError(f"--target {target}: the study's classes are {', '.join(study.classes)}.")
    switches = _defaults(method, preset, study.settings.size) | parse_changes(changes or {}, METHODS[method])
    sources = tuple(name for name in study.classes if name != target)
    rows = study.train(fold)
    count = {side: len(study.rows_of(rows, names)) for side, names in (("source", sources), ("target", [target]))}
    if not all(count.values()):
        raise BusError(
            f"The training part of fold {fold} holds {count['target']} scans of {target} and {count['source']} of other classes; "
            "a translator needs both. Choose another --fold, or correct the folds of the data."
        )
    larger = max(count.values())
    switches["pairs"] = pairs or switches.get("pairs") or switches["epochs"] * larger
    switches.pop("epochs", None)
    return GanConfig(
        target=target, sources=sources, fold=fold, seed=seed, size=study.settings.size, preset=preset, method=method, **switches,
        precision=compute.precision, threads=compute.threads, device=compute.device,
        training_pixels=study.pixels_sha256(rows),
    )  # fmt: skip


def _defaults(method: str, preset: str, size: int) -> dict[str, Any]:
    found = {**METHODS[method], **PRESETS[preset]}
    if preset == "paper" and size > 128:
        found["blocks"] = 9  # the paper takes nine blocks from 256 px on and six at 128
    return found


def options(config: GanConfig) -> str:
    """The options of `bus gan train` that ask for this configuration."""
    defaults, found = _defaults(config.method, config.preset, config.size), asdict(config)
    parts = [f"--preset {config.preset}"]
    if config.preset != "paper" and config.method != METHOD:
        parts.append(f"--method {config.method}")
    if "pairs" in defaults and config.pairs != defaults["pairs"]:
        parts.append(f"--pairs {config.pairs}")
    changed = [name for name in METHODS[config.method] if found[name] != defaults[name]]
    return " ".join(parts + [f"--set {name}={str(found[name]).casefold()}" for name in changed])


def parse_changes(changes: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the texts of `--set` into values of the same type as in `known`; UsageError names what does not fit."""
    found: dict[str, Any] = {}
    for name, text in changes.items():
        if name not in known:
            raise UsageError(f"--set {name}={text}: the switches of a translator are {', '.join(known)}.")
        kind = type(known[name])
        try:
            value = {"true": True, "false": False}[text.casefold()] if kind is bool else kind(text)
        except (ValueError, KeyError):
            raise UsageError(f"--set {name}={text}: expected a value like {known[name]}.") from None
        allowed = CHOICES.get(name)
        if (allowed and value not in allowed) or (not isinstance(value, str) and not _in_range(name, value)):
            least = "more than 0" if name in POSITIVE else "0 or more"
            raise UsageError(f"--set {name}={text}: expected {' or '.join(allowed) if allowed else least}.")
        found[name] = value
    return found


def _in_range(name: str, value: float) -> bool:
    return (value > 0 if name in POSITIVE else value >= 0) and value < float("inf")


def _fits(name: str, value: object, kind: Any) -> bool:
    """Whether a value read from a file can be that of a switch of GanConfig."""
    if name == "sources":
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    known = isinstance(value, int | float if kind is float else kind) and isinstance(value, bool) == (kind is bool)
    return known and (not isinstance(value, int | float) or _in_range(name, value))


def read_config(folder: Path) -> GanConfig:
    """The configuration that a translator was started with; BusError if it is damaged."""
    found = files.read_json(folder / "config.json")
    try:
        if not isinstance(found["sources"], list):
            raise TypeError("the value of sources")
        config = GanConfig(**{**found, "sources": tuple(found["sources"])})
        wrong = [name for name, kind in get_type_hints(GanConfig).items() if not _fits(name, getattr(config, name), kind)]
        if wrong:
            raise TypeError(f"the value of {wrong[0]}")
        return config
    except (TypeError, KeyError) as error:
        raise BusError(
            f"{folder}/config.json is not a translator's configuration ({error}). Use --redo to start anew."
        ) from error


def is_done(folder: Path) -> bool:
    """Whether a translator is trained: DONE names the configuration and the generator that lie beside it."""
    if not (folder / "DONE").exists():
        return False
    done, config = files.read_json(folder / "DONE"), asdict(read_config(folder))
    generator = folder / "generator.safetensors"
    return (
        generator.exists()
        and done.get("config") == files.sha256_json(config)
        and done.get("generator") == files.sha256_file(generator)
    )


def check_unchanged(folder: Path, config: GanConfig) -> None:
    """Raise UsageError with the differences if `folder` holds a translator with another configuration."""
    if not (folder / "config.json").exists():
        return
    old, new = asdict(read_config(folder)), asdict(config)
    differences = [f"{key} {old[key]} there, {new[key]} asked" for key in new if old[key] != new[key]]
    if differences:
        raise UsageError(
            f"{folder} holds a translator with other options: {'; '.join(differences)}. Give the old options to go on "
            "with it, another --gan-seed or --study for a second one, or --redo to set it and what it made aside."
        )


def to_tensor(pixels: Pixels, device: str = "cpu") -> Tensor:
    """Grey bytes N×S×S to float N×1×S×S in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).to(device).float().div_(127.5).sub_(1).unsqueeze(1)


def to_pixels(scans: Tensor) -> Pixels:
    """Float N×1×S×S in [-1, 1] to grey bytes N×S×S."""
    pixels: Pixels = scans.float().add(1).mul(127.5).round().clamp(0, 255).byte().squeeze(1).cpu().numpy()
    return pixels


@dataclass
class Log:
    """How the training went: finished lines of `metrics.jsonl`, and the sums of the line being gathered."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0  # in `sums`
    seconds: float = 0.0  # in `sums`

    def add(self, losses: dict[str, float], seconds: float) -> None:
        """Gather the losses and the duration of one step."""
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in losses.items()}
        self.steps += 1
        self.seconds += seconds

    def close_line(self, step: int, pairs: int) -> None:
        """Turn what was gathered into a line of means."""
        means = {name: round(value / self.steps, 6) for name, value in self.sums.items()}
        self.lines.append({"step": step, "pairs": pairs, **means, "seconds": round(self.seconds, 3)})
        self.sums, self.steps, self.seconds = {}, 0, 0.0


def train(study: Study, config: GanConfig, compute: Compute) -> Path:
    """Train, or go on training, one translator; returns its folder with `generator.safetensors` and `DONE`.

    Raises Interrupted after Ctrl-C (checkpoint written) and BusError if the losses stop being finite.
    """
    folder = study.gan_path(config.fold, config.target, config.seed)
    compute.start()
    model, log = CycleGAN(config, compute), Log()
    _require_space(folder, model)
    files.write_json(folder / "config.json", asdict(config))
    _resume(folder, model, log)
    scans = _pools(study, config)
    text = f"CycleGAN {' + '.join(config.sources)} → {config.target}, fold {config.fold}, {config.pairs:,} pairs"
    with interruptible() as stop, progress(text, config.steps, model.step_number) as advance:
        while model.step_number < config.steps:
            losses = _step(model, scans, log, folder)
            advance(1, f"cycle {losses['cycle']:.3f}  adversarial {losses['adversarial']:.2f}")
            _report(model, scans, log, folder)
            if stop():
                _checkpoint(folder, model, log)
                raise Interrupted(
                    f"Stopped after {_pairs(model):,} of {config.pairs:,} pairs; run the same command again to go on from there."
                )
    _finish(folder, model, log)
    return folder


def _require_space(folder: Path, model: CycleGAN) -> None:
    """Room for a checkpoint (weights and Adam's two moments), its successor beside it, the generator and sheets."""
    config = model.config
    weights = [parameter for network in model.networks.values() for parameter in network.parameters()]
    generator = sum(4 * parameter.numel() for parameter in model.averaged.parameters())
    checkpoint = 12 * sum(parameter.numel() for parameter in weights) + generator + 8 * config.buffer * config.size**2
    files.require_space(folder, 2 * checkpoint + generator, "Training this translator")


def _pools(study: Study, config: GanConfig) -> dict[str, Pixels]:
    """The scans that batches are drawn from (N×S×S uint8): source and target, and simulated ones for a warm start."""
    rows = study.train(config.fold)
    pools = {
        "source": study.pixels[study.rows_of(rows, config.sources)],
        "target": study.pixels[study.rows_of(rows, [config.target])],
    }
    if config.phantoms:
        console.print(f"Simulating {PHANTOM_PAIRS} pairs of phantoms for the warm start …")
        made = [phantom.simulate(spec) for spec in phantom.specs(2 * PHANTOM_PAIRS, size=config.size, paired=True)]
        pools["source phantom"] = np.stack([scan.pixels for scan in made if scan.label != config.target])
        pools["target phantom"] = np.stack([scan.pixels for scan in made if scan.label == config.target])
    return pools


def _step(model: CycleGAN, scans: dict[str, Pixels], log: Log, folder: Path) -> dict[str, float]:
    """One step on the batch that (seed, step) alone decide."""
    begun, config, number = time.perf_counter(), model.config, model.step_number
    rng = np.random.default_rng((config.seed, 1, number))
    batch = {side: _batch(scans, config, number, side, rng).to(config.device) for side in SIDES}
    try:
        losses = model.step(batch["source"], batch["target"], rng)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise BusError(
            f"Out of memory in a training step of {config.batch} pairs of {config.size} px. Use a smaller batch (--set "
            f"batch={max(1, config.batch // 2)} with --redo), fewer --set channels, or a smaller --size in a new study."
        ) from error
    bad = [name for name, value in losses.items() if not np.isfinite(value)]
    if bad:
        raise BusError(
            f"Training diverged at step {number}: the loss {bad[0]} is not a finite number. The last good checkpoint in "
            f"{folder} is kept. Try --precision float32, or another --gan-seed."
        )
    log.add(losses, time.perf_counter() - begun)
    return losses


def _report(model: CycleGAN, scans: dict[str, Pixels], log: Log, folder: Path) -> None:
    """At the end of an interval write down the losses; less often a checkpoint and a sample sheet."""
    every = max(1, model.config.steps // REPORTS)
    number, rest = divmod(model.step_number, every)
    if rest:
        return
    log.close_line(model.step_number, _pairs(model))
    if number % SHEET_EVERY == 0:
        _sheet(folder, model, scans)
    if number % CHECKPOINT_EVERY == 0:
        _checkpoint(folder, model, log)


def _pairs(model: CycleGAN) -> int:
    return min(model.step_number * model.config.batch, model.config.pairs)


def _batch(pools: dict[str, Pixels], config: GanConfig, step: int, side: str, rng: np.random.Generator) -> Tensor:
    """The batch of one step: scans in epochs of fresh permutations, flipped and moved at random."""
    number = {"source": 2, "target": 3}[side]
    rows = []
    for place in range(step * config.batch, (step + 1) * config.batch):
        scans = pools[f"{side} phantom" if place < config.phantoms else side]
        epoch, within = divmod(place, len(scans))
        row = np.random.default_rng((config.seed, number, epoch)).permutation(len(scans))[within]
        rows.append(_move(scans[row], config.shift, rng))
    return to_tensor(np.stack(rows))


def _move(square: Pixels, shift: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Flip left to right with chance ½ and move by up to `shift` px; the edge is repeated."""
    square = square[:, ::-1] if rng.random() < 0.5 else square
    if not shift:
        return square
    down, right = rng.integers(0, 2 * shift + 1, 2)
    side = len(square)
    return np.pad(square, shift, mode="edge")[down : down + side, right : right + side]


def _checkpoint(folder: Path, model: CycleGAN, log: Log) -> None:
    if not (folder / "config.json").exists():
        raise BusError(f"{folder} has vanished while its translator was trained. Nothing more was written there.")
    buffer = io.BytesIO()  # torch reports a full disk as a RuntimeError, and puts a file's name into its bytes
    torch.save({"model": model.state(), "log": json.dumps(asdict(log))}, buffer)
    files.write_bytes(folder / "checkpoint.pt", buffer.getbuffer())
    files.write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in log.lines))


def _resume(folder: Path, model: CycleGAN, log: Log) -> None:
    path = folder / "checkpoint.pt"
    if not path.exists():
        return
    try:
        saved = torch.load(path, map_location=model.compute.device, weights_only=True)
        model.restore(saved["model"])
        vars(log).update(json.loads(saved["log"]))
    except Exception as error:  # torch raises nearly anything for a damaged file
        raise BusError(
            f"{path} is damaged ({type(error).__name__}). Delete it to start this translator anew."
        ) from error
    console.print(f"Going on from {_pairs(model):,} pairs ({path}).")


def _finish(folder: Path, model: CycleGAN, log: Log) -> None:
    if log.steps:
        log.close_line(model.step_number, _pairs(model))
    _checkpoint(folder, model, log)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.averaged.state_dict().items()}
    content = safetensors_bytes(tensors)
    files.write_bytes(folder / "generator.safetensors", content)
    done = {
        "config": files.sha256_json(asdict(model.config)),
        "generator": files.sha256_bytes(content),
        "seconds": round(sum(line["seconds"] for line in log.lines), 1),
    }
    files.write_json(folder / "DONE", done)


def load_generator(folder: Path, device: str) -> Generator | CompactGenerator:
    """The trained (averaged) generator of a finished translator, ready to translate."""
    from safetensors.torch import load_file

    config = read_config(folder)
    generator = config.build_generator()
    try:
        generator.load_state_dict(load_file(folder / "generator.safetensors"))
    except Exception as error:
        raise BusError(f"{folder}/generator.safetensors is damaged ({error}). Use --redo to train it again.") from error
    return generator.to(device).eval()


@torch.inference_mode()
def _sheet(folder: Path, model: CycleGAN, scans: dict[str, Pixels]) -> None:
    """Save a picture with a row a source: source, synthetic, difference, back-translation, a real target scan."""
    count = min(SHEET_ROWS, len(scans["source"]), len(scans["target"]))
    spread = {side: scans[side][np.linspace(0, len(scans[side]) - 1, count, dtype=int)] for side in SIDES}
    sources = to_tensor(spread["source"], model.config.device)
    with model.compute.autocast():
        made = model.averaged(sources)
        back = model.networks["to_source"](made)
    synthetic, returned = to_pixels(made), to_pixels(back)
    difference = np.abs(synthetic.astype(int) - spread["source"]).astype(np.uint8)
    columns = [spread["source"], synthetic, 255 - difference, returned, spread["target"]]
    sheet = np.concatenate([np.concatenate(list(column), axis=0) for column in columns], axis=1)
    files.write_bytes(folder / "samples" / f"pairs-{_pairs(model):06d}.png", synthetic_png(sheet))


def time_step(study: Study, config: GanConfig, compute: Compute, repeats: int = 3) -> float:
    """Seconds of one training step on this machine, measured (the first, slower one is not counted)."""
    compute.start()
    model, scans = CycleGAN(config, compute), _pools(study, replace(config, phantoms=0))
    times = []
    for _ in range(repeats + 1):
        log = Log()
        _step(model, scans, log, study.path)
        times.append(log.seconds)
    return float(np.median(times[1:]))


def sample_sheets(folder: Path) -> Iterator[Path]:
    """The sample sheets of a translator, earliest first."""
    yield from sorted((folder / "samples").glob("pairs-*.png"))
