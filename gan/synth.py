"""Synthetic scans: every source translated, each result with its provenance."""

import time
from collections.abc import Sequence

import cv2
import numpy as np
import torch

from ..core import files, lock
from ..core.compute import Compute, resolve
from ..core.errors import BusError, UsageError
from ..core.progress import Interrupted, note, progress, result, stoppable
from ..data.pictures import png_room
from ..data.store import Pixels, restore_bars
from ..data.study import Study, fold_name
from .filter import Candidates, Filter
from .manifest import Synthetic, SyntheticSet
from .networks import AnyGenerator
from .pixels import noise_of, translated
from .request import Judge
from .scoring import score_set
from .translator import Translator, going_on, set_aside

BATCH = 32
VARIANTS = ("plain", "flipped", "cropped")  # of a source, as it comes again; the last one as often as needed
SAVE_SECONDS = 10  # between two manifests on the way, so that a killed process loses little


def ordered_sources(labels: Sequence[str], seed: int) -> list[int]:
    """An order of the sources, each once, in which every beginning holds the classes in their proportion."""
    rng = np.random.default_rng((seed, 4))
    quantiles = np.zeros(len(labels))
    for name in sorted(set(labels)):
        rows = np.array([row for row, label in enumerate(labels) if label == name])
        quantiles[rng.permutation(rows)] = (np.arange(len(rows)) + 0.5) / len(rows)
    return [int(row) for row in np.argsort(quantiles, kind="stable")]


def vary(square: Pixels, inside: tuple[slice, slice], turn: int, seed: int, index: int) -> tuple[str, Pixels]:
    """The `turn`-th version of a source (S×S uint8): as it is, flipped, then cropped and re-gained at random.

    `inside`: rows and columns without the bars of the letterbox. Returns its name, too.
    """
    name = VARIANTS[min(turn, len(VARIANTS) - 1)]
    if name == "plain":
        return name, square
    if name == "flipped":
        out = np.zeros_like(square)
        out[inside] = square[inside][:, ::-1]
        return name, out
    rng = np.random.default_rng((seed, 5, index))
    scan = square[inside][:, :: int(rng.choice([-1, 1]))]
    height, width = scan.shape
    share = rng.uniform(0.8, 0.95)
    down, right = (int(rng.integers(0, side - int(share * side) + 1)) for side in (height, width))
    crop = scan[down : down + int(share * height), right : right + int(share * width)]
    enlarged = cv2.resize(np.ascontiguousarray(crop), (width, height), interpolation=cv2.INTER_LINEAR)
    gained = enlarged * rng.uniform(0.85, 1.15)
    out = np.zeros_like(square)
    out[inside] = gained.clip(0, 255).astype(np.uint8)
    return name, out


def source_of(study: Study, row: int, made: Synthetic) -> Pixels:
    """The square (S×S uint8) that was translated into a synthetic scan: scan `row`, varied as it was then."""
    turn = VARIANTS.index(made.variant)
    return vary(study.pixels[row], study.scans[row].box.inside, turn, made.seed, made.index)[1]


def make_scans(
    translator: Translator,
    compute: Compute,
    judge: Judge,
    *,
    count: int,
    confidence: float | None = None,
    redo: bool = False,
) -> bool:
    """Make sure that at least `count` synthetic scans exist and are scored; returns whether work was left.

    `confidence`: what the reader must give a scan for it to be kept; None for as begun, or no filter.
    UsageError where the scans that are there had to reach another, unless `redo` sets them aside.
    """
    scans = translator.scans
    translator.require_trained()
    check_confidence(scans, confidence, redo=redo)
    lock.sweep(translator.study.path)
    with scans.held():
        if redo and (aside := set_aside(translator.study, [scans.folder])):
            note(f"The old scans are now in {aside}.")
        try:
            new = synthesise(translator, compute, count=count, confidence=_threshold(scans, confidence))
        except Interrupted as stop:
            raise Interrupted(going_on(stop, redo=redo)) from None
        rows, scored = scans.rows, score_set(scans, compute, judge)
    if not new and not scored:
        result(f"Nothing to do: {scans.folder} holds {len(rows)} scored synthetic scans.")
        return False
    distinct = len({row.source_sha256 for row in rows})
    result(
        f"{scans.folder} holds {len(rows)} synthetic scans of {distinct} distinct sources, {new} of them new."
    )
    return True


def check_confidence(scans: SyntheticSet, asked: float | None, *, redo: bool = False) -> None:
    """UsageError where scans of a set had to reach another confidence than is asked, unless they go."""
    if asked is not None and not redo and scans.rows and asked != (begun := scans.confidence):
        raise UsageError(
            f"{scans.folder} holds scans that were made with --confidence {begun:g}, not {asked:g}. Leave "
            "the option out to add to them, or give --redo to set them aside and make others."
        )


def _threshold(scans: SyntheticSet, asked: float | None) -> float:
    """The confidence that scans of a set must reach, frozen with its first scan."""
    check_confidence(scans, asked)
    wanted = asked if asked is not None else scans.confidence if scans.rows else 0.0
    if wanted != scans.confidence:
        scans.write_confidence(wanted)
    return wanted


def synthesise(translator: Translator, compute: Compute, *, count: int, confidence: float = 0) -> int:
    """Make at least `count` synthetic scans of a finished translator; returns how many are new.

    Scan i depends on the generator, its seed and i only, so 500 scans begin with the same 100. With a
    `confidence` only scans are kept to which the reader that never saw their source's group gives at least
    this probability of the target class; the others are passed over, so that the indices of the kept ones
    have gaps. BusError where the translator is not trained, Interrupted after Ctrl-C.
    """
    # what is there, and what is missing
    study, scans, fold = translator.study, translator.scans, translator.fold
    translator.require_trained()
    digest = translator.generator_sha256
    made = [row for row in scans.rows if row.generator_sha256 == digest]
    if len(made) >= count:
        return 0
    missing = count - len(made)
    order = _order(translator)

    # who translates, and who chooses
    compute.start()
    generator = translator.load(compute.device)
    room = missing * png_room(study.settings.size)
    files.require_space(scans.folder, room, f"Making {missing:,} synthetic scans")
    choose = Filter(scans, confidence, made, compute.device) if confidence else None

    def save() -> float:
        study.require()
        if choose:
            choose.save()
        scans.write_rows(made)
        return time.monotonic()

    # a batch at a time
    with (
        stoppable() as stop,
        progress(f"Synthetic {scans.label} scans, {fold_name(fold)}", missing) as advance,
    ):
        saved, tried = time.monotonic(), made[-1].index + 1 if made else 0
        while len(made) < count:
            indices = range(tried, tried + min(BATCH, count - len(made)))
            candidates = _translate(study, generator, compute, order, indices, (fold, digest, scans.seed))
            kept, tried = choose(candidates, indices.stop) if choose else candidates, indices.stop
            study.require()
            for row, pixels in kept:
                scans.write_scan(row, pixels)
                made.append(row)
            advance(len(kept))
            if stop():
                save()
                raise Interrupted(
                    f"Stopped after {len(made)} of {count} synthetic scans; run the same command again to go "
                    "on."
                )
            if time.monotonic() - saved > SAVE_SECONDS:
                saved = save()
    save()
    return missing


def remake(translator: Translator, rows: Sequence[Synthetic]) -> Candidates:
    """Scans made once more from what was recorded of them, with the provenance that they should have.

    On this machine's device, one scan at a time: on the processor that made them, bit for bit the same.
    """
    device = resolve().device
    generator, order = translator.load(device), _order(translator)
    origin = (translator.fold, translator.generator_sha256, translator.seed)
    return _translate(
        translator.study, generator, Compute(device, "float32", 1), order, [row.index for row in rows], origin
    )


def _order(translator: Translator) -> list[int]:
    """The rows of a translator's sources in the order of translation; BusError if it saw other pixels."""
    study, config = translator.study, translator.known_config
    training = study.train(translator.fold)
    if config.training_pixels != study.pixels_sha256(training):
        raise BusError(
            f"The translator in {translator.folder} was trained on other pixels than this study's. Use "
            "--redo to train it again."
        )
    rows = study.rows_of(training, config.sources)
    labels = [study.scans[row].label for row in rows]
    return [rows[number] for number in ordered_sources(labels, translator.seed)]


@torch.inference_mode()
def _translate(
    study: Study,
    generator: AnyGenerator,
    compute: Compute,
    order: Sequence[int],
    indices: Sequence[int],
    origin: tuple[int | None, str, int],
) -> Candidates:
    """Translations number `indices` with their provenance; they depend on nothing else."""
    # the sources, varied where they are shown again
    fold, digest, seed = origin
    sources = [order[index % len(order)] for index in indices]
    versions = [
        vary(study.pixels[row], study.scans[row].box.inside, index // len(order), seed, index)
        for index, row in zip(indices, sources, strict=True)
    ]
    results = [  # in float32, whatever precision trained the generator
        translated(generator, square, compute.device, noise_of(generator, seed, index))
        for index, (_, square) in zip(indices, versions, strict=True)
    ]

    # each with where it comes from
    made = []
    for index, row, (variant, _), scan in zip(indices, sources, versions, results, strict=True):
        source = study.scans[row]
        pixels = restore_bars(scan, source.box)
        made.append(
            (
                Synthetic(
                    f"synthetic-{index + 1:04}.png",
                    files.sha256_bytes(pixels.tobytes()),
                    source.file,
                    source.sha256,
                    source.label,
                    source.group,
                    fold,
                    variant,
                    digest,
                    seed,
                    index,
                ),
                pixels,
            )
        )
    return made
