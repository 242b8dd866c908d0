"""Running cells: what one cell trains on, and many cells beside each other."""

import io
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as safetensors_bytes

from .. import files
from ..classify import explain, metrics
from ..classify.models import build
from ..classify.train import Examples, fit, predict
from ..compute import Compute
from ..console import Interrupted, console, interruptible, progress
from ..data.study import Study
from ..errors import BusError
from ..gan import synth
from .plan import FILES, HEAT, WEIGHTS, Cell


def key(digest: str) -> int:
    """A number for a scan that is the same in every arm and study."""
    return int(digest[:15], 16)


def examples(study: Study, cell: Cell) -> Examples:
    """The training part of one cell: the fold's real scans first, then what the arm adds under the target's label."""
    rows = study.train(cell.fold)
    pixels, labels = [study.pixels[rows]], [study.labels[rows]]
    keys = [key(study.scans[row].sha256) for row in rows]
    target = study.classes.index(study.target)
    if cell.arm == "oversampled":
        own = study.rows_of(rows, [study.target])
        order = np.random.default_rng((cell.seed, 12)).permutation(len(own))
        extra = [own[order[place % len(own)]] for place in range(cell.added)]
        pixels.append(study.pixels[extra])
        keys += [key(study.scans[row].sha256) + 1 + place for place, row in enumerate(extra)]
    elif cell.arm in ("cyclegan", "relabelled"):
        folder = study.synth_path(cell.fold, study.target, cell.gan_seed)
        made = synth.read_manifest(folder)[: cell.added]
        keys += [key(row.sha256) for row in made]
        if cell.arm == "cyclegan":
            pixels.append(synth.load(folder, made, study.settings.size))
        else:
            place_of = {(scan.sha256, scan.label): row for row, scan in enumerate(study.scans)}
            pixels.append(study.pixels[[place_of[row.source_sha256, row.source_label] for row in made]])
    labels.append(np.full(sum(map(len, pixels)) - len(rows), target))
    return Examples(np.concatenate(pixels), np.concatenate(labels), keys)


def run_cell(study_path: Path, cell: Cell, threads: int, keep_weights: bool) -> None:
    """Train one cell and write its folder, whole or not at all; for a process of its own."""
    compute = Compute(cell.device, cell.precision, threads)
    compute.start()
    study = Study.open(study_path)
    outcome = fit(examples(study, cell), len(study.classes), cell.recipe, compute, cell.seed)
    rows = study.test(cell.fold)
    probabilities = predict(outcome.network, study.pixels[rows], compute)
    target = study.classes.index(study.target)
    found = metrics.scores(study.labels[rows], probabilities, target)
    answers = metrics.answers(probabilities)
    heat = explain.coarse_maps(outcome.network, study.pixels[rows], answers, compute.device)
    header = ["file", "sha256", "label", "group", "fold", "predicted", *(f"p_{name}" for name in study.classes)]
    table = [
        [study.scans[row].file, study.scans[row].sha256, study.scans[row].label, study.scans[row].group, cell.fold,
         study.classes[answer], *(f"{value:.8f}" for value in shares)]
        for row, answer, shares in zip(rows, answers, probabilities, strict=True)
    ]  # fmt: skip
    shutil.rmtree(cell.path, ignore_errors=True)
    files.write_json(cell.path / "config.json", cell.config)
    files.write_csv(cell.path / "predictions.csv", header, table)
    files.write_bytes(cell.path / HEAT, _npy(heat))
    losses = [round(float(np.mean(part)), 5) for part in np.array_split(outcome.losses, min(50, len(outcome.losses)))]
    about = {"seconds": round(outcome.seconds, 2), "steps": cell.recipe.steps, "losses": losses}
    files.write_json(cell.path / "metrics.json", {**found, **about})
    if keep_weights:
        state = {name: tensor.cpu().contiguous() for name, tensor in outcome.network.state_dict().items()}
        files.write_bytes(cell.path / WEIGHTS, safetensors_bytes(state))
    made = {name: cell.path / file for name, file in FILES.items()}
    hashes = {name: files.sha256_file(path) for name, path in made.items() if path.exists()}
    files.write_json(cell.path / "DONE", {"config": files.sha256_json(cell.config), **hashes})


def _npy(values: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def missing(cells: Sequence[Cell], keep_weights: bool) -> list[Cell]:
    """The cells that have to be trained."""
    return [cell for cell in cells if not cell.is_done or (keep_weights and not (cell.path / WEIGHTS).exists())]


def run(study: Study, cells: Sequence[Cell], *, jobs: int, threads: int, keep_weights: bool) -> list[str]:
    """Train what is missing, `jobs` cells at once in processes of their own; returns what failed, a sentence each.

    A failed cell does not stop the others. Raises Interrupted after Ctrl-C: finished cells stay, running ones are
    started again next time.
    """
    todo = sorted(missing(cells, keep_weights), key=lambda cell: cell.recipe.model != "vgg19")  # the longest first
    if not todo:
        return []
    failures: list[str] = []
    with interruptible() as stop, progress(f"{len(todo)} cells, {jobs} at once", len(todo)) as advance:
        pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_worker)
        try:
            waiting = {pool.submit(run_cell, study.path, cell, threads, keep_weights): cell for cell in todo}
            while waiting:
                ready, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in ready:
                    cell, error = waiting.pop(future), future.exception()
                    if error is not None:
                        failures.append(f"{cell.title}: {_sentence(error)}")
                    advance(1, cell.title)
                if stop():
                    raise Interrupted(f"Stopped with {len(waiting)} cells to go; run the same command again to go on.")
        finally:
            for process in (pool._processes or {}).values() if stop() else ():
                process.kill()
            pool.shutdown(wait=not stop(), cancel_futures=True)
    for failure in failures:
        console.print(f"failed: {failure}", style="red")
    return failures


def _worker() -> None:
    """Leave Ctrl-C to the parent, which ends its workers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _sentence(error: BaseException) -> str:
    if isinstance(error, BusError):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).casefold():
        return "ran out of memory. Use fewer --jobs, or a smaller --size in a new study."
    return f"{type(error).__name__}: {error}"


def time_step(cell: Cell, size: int, classes: int, repeats: int = 2) -> float:
    """Seconds of one training step of a cell's model on this machine with one thread, measured."""
    torch.set_num_threads(1)
    compute = Compute(cell.device, cell.precision, 1)
    network = build(cell.recipe.model, classes, "none", 0).to(compute.device).train()
    images = torch.rand(cell.recipe.batch, 1, size, size, device=compute.device)
    times = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        with compute.autocast():
            loss = network(images).float().logsumexp(1).mean()
        loss.backward()
        times.append(time.perf_counter() - begun)
    return float(np.median(times[1:]))
