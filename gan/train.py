"""Training a translator: the loop, its batches, checkpoints that go on bit for bit."""

import io
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from ..core import files, lock, processes
from ..core.compute import Compute, is_out_of_memory
from ..core.errors import BusError, UsageError
from ..core.progress import Interrupted, note, progress, result, stoppable
from ..data import phantom
from ..data.store import Pixels
from ..data.study import Study, fold_name
from . import first_weights
from .config import METHOD, METHODS, GanConfig, lacks_first_weights, lacks_phantoms
from .cyclegan import SIDES, CycleGAN, Losses
from .first_weights import Start
from .monitor import Board, Judges, Log, silent, tensorboard, write_sheet
from .pixels import to_tensor
from .recording import Recording
from .request import begins_as_drawn
from .translator import REPORTS, Looks, Translator, going_on, set_aside

CHECKPOINT_EVERY = 3  # reports
HEARD_EVERY = 16  # steps after which a card is asked for its losses; a processor is after each
SHEET_EVERY = 10  # reports; a sample sheet and, outside preset demo, the distance
DIVERGED = 1e4  # a loss above this cannot come back: healthy ones stay below 100
PHANTOM_SEED = 2_000  # of no study's phantoms: they must not be the scans that a phantom study tests on
PHANTOM_PAIRS = 300  # simulated anatomies of a warm start, each with a benign and a malignant lesion

Pools = dict[str, Pixels]


@dataclass
class Session:
    """A training under way: whose it is, what is trained, on what, and what is written down."""

    translator: Translator
    model: CycleGAN
    pools: Pools
    log: Log = field(default_factory=Log)
    judges: Judges | None = None
    board: Board = silent
    recording: Recording | None = None
    unheard: list[Losses] = field(default_factory=list)  # of the steps since `asked`, still on the card
    asked: float = 0.0  # s, when the first of them began
    shown: str = ""  # the last losses known, for whoever watches

    @property
    def step(self) -> Callable[[Tensor, Tensor, np.random.Generator], Losses]:
        """A step on B source and B target scans: the model's own, or the recorded one."""
        return (self.recording or self.model).step

    @property
    def pairs(self) -> int:
        """Pairs of scans shown so far."""
        return min(self.model.step_number * self.model.config.batch, self.model.config.pairs)


def train_gan(
    study: Study, config: GanConfig, compute: Compute, *, redo: bool = False, curves: bool = False
) -> bool:
    """Make sure that the translator of `config` is trained; returns whether there was anything to do.

    `curves`: show them in TensorBoard too. UsageError where a translator with other options lies there,
    unless `redo` sets it and its scans aside.
    """
    translator = Translator.of(study, config)
    lock.sweep(study.path)
    with translator.held():
        if redo and (aside := translator.set_aside()):
            note(f"The old translator and its scans are now in {aside}.")
        if (begun := translator.config) is not None:  # by another process meanwhile, perhaps, on other cores
            config, compute = replace(config, threads=begun.threads), replace(compute, threads=begun.threads)
        translator.check_unchanged(config)
        if translator.is_done:
            result(f"Nothing to do: the translator in {translator.folder} is trained.")
            return False
        _tell_alike(translator, config)
        board = tensorboard(translator.tensorboard) if curves else silent
        try:
            train(study, config, compute, board)
        except Interrupted as stop:
            raise Interrupted(going_on(stop, redo=redo)) from None
    result(f"Trained: {translator.folder}")
    return True


def train_all(
    study: Study,
    plans: Sequence[tuple[GanConfig, Compute]],
    jobs: int = 1,
    *,
    redo: bool = False,
    curves: bool = False,
) -> None:
    """`train_gan` for each of several translators: one after another, or `jobs` at once.

    Those are processes of their own. BusError for what failed in them, after the others ended.
    """
    if jobs == 1:
        for config, compute in plans:
            train_gan(study, config, compute, redo=redo, curves=curves)
        return
    works = {
        f"fold {config.fold}": partial(_train_apart, study.path, config, compute, redo, curves)
        for config, compute in plans
    }
    try:
        processes.beside(works, jobs, f"{len(works)} translators")
    except (BusError, Interrupted) as end:
        raise type(end)(going_on(end, redo=redo)) from None


def _train_apart(path: Path, config: GanConfig, compute: Compute, redo: bool, curves: bool) -> None:
    """In a process of its own."""
    train_gan(Study.open(path), config, compute, redo=redo, curves=curves)


def _tell_alike(translator: Translator, config: GanConfig) -> None:
    """Say where a new translator begins without the first weights of its method since others did."""
    if translator.config or config.method != METHOD or config.init != "none" or lacks_first_weights(config):
        return
    if begins_as_drawn(translator, config.preset):
        note(
            f"No first weights: this study's other translators to {config.target} began as drawn, and so "
            f"does this one. --set init={METHODS[METHOD].init} takes them."
        )


def train(study: Study, config: GanConfig, compute: Compute, board: Board = silent) -> Translator:
    """Train, or go on training, one translator to its end.

    Raises Interrupted after Ctrl-C (checkpoint written) and BusError if the losses diverge.
    """
    translator = Translator.of(study, config)
    compute.start()
    if translator.checkpoint.exists():
        return _train(translator, config, compute, board)
    if not config.from_size:
        return _train(translator, config, compute, board, first_weights.load(config.first_weights))
    files.require_space(translator.folder, bytes_needed(config, compute), "Training this translator")
    translator.write_config(config)
    return _train(translator, config, compute, board, _grown(translator.smaller, config.smaller, compute))


def _grown(smaller: Translator, config: GanConfig, compute: Compute) -> Start:
    """The generators of the training at the smaller side, which is trained, or gone on with, where need be.

    What another configuration began, or what lost the checkpoint that is needed, is set aside first.
    """
    lost = smaller.is_done and not smaller.checkpoint.exists()
    if lost or smaller.config not in (None, config):
        why = f"has lost its {smaller.checkpoint.name}" if lost else "was begun with other options"
        note(f"The training at {config.size} px {why}: now in {set_aside(smaller.study, [smaller.folder])}.")
    if not smaller.is_done:
        _train(smaller, config, compute, silent, first_weights.load(config.first_weights))
    path = smaller.checked_checkpoint()
    with _damaged(path):
        saved = torch.load(path, map_location="cpu", weights_only=True)["model"]
    return {"to_target": saved["averaged"], "to_source": saved["networks"]["to_source"]}


def _train(
    translator: Translator, config: GanConfig, compute: Compute, board: Board, start: Start | None = None
) -> Translator:
    """Train in the translator's folder, from `start` where there is no checkpoint to go on from."""
    study = translator.study
    with _memory(config):
        # what is trained, on what
        model = CycleGAN(config, compute)
        if start:
            model.begin_from(start)
        files.require_space(translator.folder, _bytes(model), "Training this translator")
        translator.write_config(config)
        measured = config.preset != "demo" and config.size == study.settings.size
        judges = Judges(study, config) if measured else None
        recording = Recording(model) if config.recorded else None
        run = Session(translator, model, _pools(study, config), Log(), judges, board, recording)
        _resume(run)

        # step by step
        way = f"{' + '.join(config.sources)} → {config.target}"
        side = "" if config.size == study.settings.size else f", first at {config.size} px"
        note(f"CycleGAN {way}, {fold_name(config.fold)}, {config.pairs:,} pairs{side}.")
        text = f"CycleGAN to {config.target}, {fold_name(config.fold)}, step"
        with stoppable() as stop, progress(text, config.steps, run.model.step_number) as advance:
            while run.model.step_number < config.steps:
                _step(run)
                _report(run)
                advance(1, run.shown)
                if stop():
                    _hear(run)
                    _checkpoint(run)
                    raise Interrupted(
                        f"Stopped after {run.pairs:,} of {config.pairs:,} pairs; run the same command again "
                        "to go on from there."
                    )
        _finish(run)
    return translator


@contextmanager
def _memory(config: GanConfig) -> Iterator[None]:
    """Turn running out of memory into a sentence that says what to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise BusError(
            f"Out of memory with steps of {config.batch} pairs of {config.side} px. Use a smaller batch "
            f"(--set batch={max(1, config.batch // 2)} with --redo), fewer --set channels, or a smaller "
            "--size in a new study."
        ) from error


def _bytes(model: CycleGAN) -> int:
    """Room for a checkpoint, its successor beside it, and the generator."""
    checkpoint, generator = _sizes(model)
    return 2 * checkpoint + generator


def _sizes(model: CycleGAN) -> tuple[int, int]:
    """Bytes of a checkpoint (weights, Adam's two moments, replay buffers), and of a generator."""
    config = model.config
    trained = sum(weights.numel() for network in model.networks.values() for weights in network.parameters())
    generator = 4 * sum(weights.numel() for weights in model.averaged.parameters())
    return 12 * trained + generator + 8 * config.buffer * config.side**2, generator


def bytes_needed(config: GanConfig, compute: Compute) -> int:
    """What a translator's training takes on the disk at most, with the one that it grows from."""
    grown = bytes_kept(config.smaller, compute) if config.from_size else 0
    return _bytes(CycleGAN(config, compute)) + grown


def bytes_kept(config: GanConfig, compute: Compute) -> int:
    """What checkpoint and generator of a finished translator take on the disk, and of what it grew from."""
    grown = bytes_kept(config.smaller, compute) if config.from_size else 0
    return sum(_sizes(CycleGAN(config, compute))) + grown


def _pools(study: Study, config: GanConfig) -> Pools:
    """The scans that batches are drawn from, N×S×S uint8: source, target, simulated ones for a warm start."""
    # the real ones
    rows = study.train(config.fold)
    pools = {
        "source": study.pixels[study.rows_of(rows, config.sources)],
        "target": study.pixels[study.rows_of(rows, [config.target])],
    }
    if config.side != study.settings.size:
        square = (config.side, config.side)  # each pixel becomes the mean of those that it stands for
        pools = {
            name: np.stack([cv2.resize(scan, square, interpolation=cv2.INTER_AREA) for scan in scans])
            for name, scans in pools.items()
        }

    # simulated ones
    grows = config.from_size > 0  # from the weights of a smaller training, which said so
    if (why := lacks_first_weights(config)) and config.preset != "demo" and not grows:
        note(f"No first weights: those of the package {why}. The generators begin as drawn.")
    if lacks_phantoms(config.method, config.preset, config.target):
        note(f"No warm start: there are phantoms of {' and '.join(phantom.PAIRED)}, none of {config.target}.")
    if config.simulated:
        if config.target not in phantom.PAIRED:
            raise UsageError(
                f"This translator was to begin on phantoms (phantoms={config.phantoms:g}): there are some of "
                f"{' and '.join(phantom.PAIRED)}, none of {config.target}. Start anew with --redo and "
                "without --set phantoms."
            )
        note(f"Simulating {PHANTOM_PAIRS} pairs of phantoms for the warm start …")
        specs = phantom.specs(2 * PHANTOM_PAIRS, size=config.side, seed=PHANTOM_SEED, paired=True)
        simulated = [phantom.simulate(spec) for spec in specs]
        for side in SIDES:
            scans = [scan for scan in simulated if (scan.label == config.target) == (side == "target")]
            pools[f"{side} phantom"] = np.stack([scan.pixels for scan in scans])
    return pools


def _step(run: Session) -> None:
    """One step on the batch that (seed, step) alone decide; a card's losses are asked for now and then."""
    config, number = run.model.config, run.model.step_number
    run.asked = run.asked if run.unheard else time.perf_counter()
    rng = np.random.default_rng((config.draw, 1, number))
    batch = {side: _batch(run.pools, config, number, side, rng).to(config.device) for side in SIDES}
    run.unheard.append(run.step(batch["source"], batch["target"], rng))
    if config.device != "cuda" or len(run.unheard) == HEARD_EVERY:
        _hear(run)


def _hear(run: Session) -> None:
    """Log the losses of the steps since the last time, waiting for them; BusError where one cannot be."""
    steps, run.unheard = run.unheard, []
    found = [losses.numbers() for losses in steps]
    for number, losses in enumerate(found, run.model.step_number - len(steps)):
        bad = [name for name, value in losses.items() if not math.isfinite(value) or abs(value) > DIVERGED]
        if bad:
            raise _diverged(run, number, f"the loss {bad[0]} is {losses[bad[0]]:.3g}")
        run.log.add(losses, (time.perf_counter() - run.asked) / len(steps))
        run.shown = f"cycle {losses['cycle']:.3f}  adversarial {losses['adversarial']:.2f}"


def _diverged(run: Session, step: int, sign: str) -> BusError:
    """What to say, and what to do, where a training cannot come back, as its `sign` tells."""
    kept = (
        f"The last good checkpoint in {run.translator.folder} is kept."
        if run.translator.checkpoint.exists()
        else "There was no checkpoint yet."
    )
    return BusError(
        f"Training diverged at step {step}: {sign}. {kept} Start anew with --redo and "
        f"--set learning_rate={run.model.config.learning_rate / 2:g}, --precision float32, or another "
        "--gan-seed."
    )


def _report(run: Session) -> None:
    """At the end of an interval write down the losses; less often a checkpoint, a sheet and the distance."""
    every = max(1, run.model.config.steps // REPORTS)
    number, rest = divmod(run.model.step_number, every)
    if rest:
        return
    _hear(run)
    sheet = number % SHEET_EVERY == 0
    looks = run.judges(run.model) if sheet and run.judges else Looks()
    run.board(run.log.close_line(run.model.step_number, run.pairs, looks))
    if sheet:
        write_sheet(run.translator.sheet(run.pairs), run.model, run.pools)
    if number % CHECKPOINT_EVERY == 0:
        _checkpoint(run)


def _batch(pools: Pools, config: GanConfig, step: int, side: str, rng: np.random.Generator) -> Tensor:
    """The batch of one step: scans in epochs of fresh permutations, flipped and moved at random."""
    number = {"source": 2, "target": 3}[side]
    rows = []
    for turn in range(step * config.batch, (step + 1) * config.batch):
        scans = pools[f"{side} phantom" if turn < config.simulated * config.pairs else side]
        epoch, within = divmod(turn, len(scans))
        row = np.random.default_rng((config.draw, number, epoch)).permutation(len(scans))[within]
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


def _checkpoint(run: Session) -> None:
    """Write down all that a later process needs to go on; the last one stays where the weights are spoilt."""
    if run.translator.config is None:
        raise BusError(
            f"{run.translator.folder} has vanished while its translator was trained. Nothing more was "
            "written there."
        )
    for name, network in {**run.model.networks, "averaged": run.model.averaged}.items():
        # an update may spoil weights although its losses were finite
        if not all(bool(weights.isfinite().all()) for weights in network.state_dict().values()):
            raise _diverged(run, run.model.step_number - 1, f"weights of the network {name} are not finite")
    # torch reports a full disk as a RuntimeError, and puts a file's name into its bytes
    buffer = io.BytesIO()
    torch.save({"model": run.model.state(), "log": json.dumps(asdict(run.log))}, buffer)
    run.translator.write_checkpoint(buffer.getbuffer())
    run.translator.write_lines(run.log.lines)


def _resume(run: Session) -> None:
    path = run.translator.checkpoint
    if not path.exists():
        return
    run.translator.checked_checkpoint()
    with _damaged(path):
        saved = torch.load(path, map_location=run.model.compute.device, weights_only=True)
        run.model.restore(saved["model"])
        vars(run.log).update(json.loads(saved["log"]))
    note(f"Going on from {run.pairs:,} pairs ({path}).")


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Turn whatever a damaged checkpoint raises into a sentence."""
    try:
        yield
    except Exception as error:  # torch raises nearly anything
        raise BusError(
            f"{path} is damaged ({type(error).__name__}). Delete it to start this translator anew."
        ) from error


def _finish(run: Session) -> None:
    _hear(run)
    if run.log.steps:
        run.log.close_line(run.model.step_number, run.pairs, Looks())
    _checkpoint(run)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in run.model.averaged.state_dict().items()}
    run.translator.finish(safetensors_bytes(tensors), sum(line["seconds"] for line in run.log.lines))


def time_steps(
    study: Study, config: GanConfig, compute: Compute, repeats: int = 9
) -> tuple[float, float, float]:
    """Seconds of a usual, a quick and a slow step on this machine, measured; the first one is not counted.

    The median, and the steps than which one in ten is quicker or slower.
    """
    compute.start()
    plain = replace(config, phantoms=0.0)
    run = Session(Translator.of(study, plain), CycleGAN(plain, compute), _pools(study, plain))
    times = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        _step(run)
        _hear(run)
        times.append(time.perf_counter() - begun)
    quick, usual, slow = np.quantile(times[1:], (0.1, 0.5, 0.9))
    return float(usual), float(quick), float(slow)
