"""Synthetic scans: every source translated, each result with its provenance."""

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch

from ..core import files
from ..core.compute import Compute
from ..core.errors import BusError
from ..core.progress import Interrupted, progress, stoppable
from ..data.pictures import synthetic_png
from ..data.store import Pixels, restore_bars
from ..data.study import Study
from . import filter as rejection
from . import train
from .config import read_config
from .monitor import to_pixels, to_tensor
from .networks import AnyGenerator

BATCH = 32
SAVE_SECONDS = 10  # between two manifests on the way, so that a killed process loses little


@dataclass(frozen=True)
class Synthetic:
    """A row of `manifest.csv`: where one synthetic scan comes from."""

    file: str
    sha256: str  # of its grey pixels
    source_file: str
    source_sha256: str
    source_label: str
    source_group: str
    fold: int | None
    variant: str  # plain | flipped | cropped
    generator_sha256: str
    seed: int  # of the translator
    index: int
    synthetic: str = "SYNTHETIC, not a patient"


COLUMNS = tuple(item.name for item in fields(Synthetic))
Candidates = list[tuple[Synthetic, Pixels]]  # with pixels S×S uint8


def ordered_sources(labels: Sequence[str], seed: int) -> list[int]:
    """An order of the sources in which every beginning holds the classes in their proportion, each source once."""
    rng = np.random.default_rng((seed, 4))
    place = np.zeros(len(labels))
    for name in sorted(set(labels)):
        rows = np.array([row for row, label in enumerate(labels) if label == name])
        place[rng.permutation(rows)] = (np.arange(len(rows)) + 0.5) / len(rows)
    return [int(row) for row in np.argsort(place, kind="stable")]


def vary(square: Pixels, inside: tuple[slice, slice], turn: int, seed: int, index: int) -> tuple[str, Pixels]:
    """The `turn`-th version of a source (S×S uint8): as it is, flipped, then cropped and re-gained at random."""
    if turn == 0:
        return "plain", square
    if turn == 1:
        out = np.zeros_like(square)
        out[inside] = square[inside][:, ::-1]
        return "flipped", out
    rng = np.random.default_rng((seed, 5, index))
    scan = square[inside][:, :: int(rng.choice([-1, 1]))]
    height, width = scan.shape
    share = rng.uniform(0.8, 0.95)
    down, right = (int(rng.integers(0, side - int(share * side) + 1)) for side in (height, width))
    crop = scan[down : down + int(share * height), right : right + int(share * width)]
    gained = cv2.resize(
        np.ascontiguousarray(crop), (width, height), interpolation=cv2.INTER_LINEAR
    ) * rng.uniform(0.85, 1.15)
    out = np.zeros_like(square)
    out[inside] = gained.clip(0, 255).astype(np.uint8)
    return "cropped", out


def read_manifest(folder: Path) -> list[Synthetic]:
    """The synthetic scans that `folder` holds; empty where there is no manifest, BusError where it is damaged."""
    path = folder / "manifest.csv"
    if not path.exists():
        return []
    try:
        rows = [
            Synthetic(
                **{name: row[name] for name in COLUMNS if name not in ("fold", "seed", "index")},
                fold=int(row["fold"]) if row["fold"] else None,
                seed=int(row["seed"]),
                index=int(row["index"]),
            )
            for row in files.read_csv(path, COLUMNS)
        ]
        if strange := [row.file for row in rows if Path(row.file).name != row.file or "\\" in row.file]:
            raise ValueError(f"{strange[0]} is no file of this folder")
        return rows
    except (TypeError, ValueError) as error:
        raise BusError(f"{path} is damaged ({error}). Delete it and run bus synth again.") from error


def synthesise(
    study: Study,
    compute: Compute,
    *,
    fold: int | None,
    target: str,
    gan_seed: int,
    count: int,
    confidence: float = 0,
) -> tuple[Path, int]:
    """Make at least `count` synthetic scans of one finished translator; returns their folder and how many are new.

    Scan i depends on the generator, its seed and i only, so 500 scans begin with the same 100. With a `confidence`
    only scans are kept to which the reader that never saw their source's group gives at least this probability of
    the target class; the others are passed over, so that the indices of the kept ones have gaps.
    """
    gan, folder = study.gan_path(fold, target, gan_seed), study.synth_path(fold, target, gan_seed)
    if not train.is_done(gan):
        raise BusError(
            f"{gan} holds no finished translator. Run bus gan train with the same --study and --fold first."
        )
    digest = files.sha256_file(gan / "generator.safetensors")
    made = [row for row in read_manifest(folder) if row.generator_sha256 == digest]
    if len(made) >= count:
        return folder, 0
    order = _order(study, fold, gan, gan_seed)
    compute.start()
    generator = train.load_generator(gan, compute.device)
    missing = count - len(made)
    files.require_space(
        folder, missing * (study.settings.size**2 + 8192), f"Making {missing:,} synthetic scans"
    )
    choose = (
        rejection.Filter(study, fold, target, confidence, folder, made, compute.device)
        if confidence
        else None
    )

    def save() -> float:
        study.require()
        if choose:
            choose.save()
        files.write_csv(folder / "manifest.csv", COLUMNS, (astuple(row) for row in made))
        return time.monotonic()

    with stoppable() as stop, progress(f"Synthetic {target} scans, fold {fold}", missing) as advance:
        saved, tried = time.monotonic(), made[-1].index + 1 if made else 0
        while len(made) < count:
            indices = range(tried, tried + min(BATCH, count - len(made)))
            candidates = _translate(study, generator, compute, order, indices, (fold, digest, gan_seed))
            kept, tried = choose(candidates, indices.stop) if choose else candidates, indices.stop
            study.require()
            for row, pixels in kept:
                files.write_bytes(folder / row.file, synthetic_png(pixels))
                made.append(row)
            advance(len(kept))
            if stop():
                save()
                raise Interrupted(
                    f"Stopped after {len(made)} of {count} synthetic scans; run the same command again to go on."
                )
            if time.monotonic() - saved > SAVE_SECONDS:
                saved = save()
    save()
    return folder, missing


def _order(study: Study, fold: int | None, gan: Path, seed: int) -> list[int]:
    """The rows of a translator's sources, in the order of their translation; BusError if it saw other pixels than these."""
    config, training = read_config(gan), study.train(fold)
    if config.training_pixels != study.pixels_sha256(training):
        raise BusError(
            f"The translator in {gan} was trained on other pixels than this study's. Use --redo to train it again."
        )
    rows = study.rows_of(training, config.sources)
    return [rows[place] for place in ordered_sources([study.scans[row].label for row in rows], seed)]


@torch.inference_mode()
def _translate(
    study: Study,
    generator: AnyGenerator,
    compute: Compute,
    order: Sequence[int],
    indices: range,
    origin: tuple[int | None, str, int],
) -> Candidates:
    """Translations number `indices` with their provenance; they depend on nothing else."""
    fold, digest, seed = origin
    sources = [order[index % len(order)] for index in indices]
    versions = [
        vary(study.pixels[row], study.scans[row].box.inside, index // len(order), seed, index)
        for index, row in zip(indices, sources, strict=True)
    ]
    # one scan at a time in float32: the result must not depend on which others share its batch
    results = [
        to_pixels(generator(to_tensor(square[None], compute.device), _noise(generator, seed, index)))[0]
        for index, (_, square) in zip(indices, versions, strict=True)
    ]
    made = []
    for index, row, (variant, _), result in zip(indices, sources, versions, results, strict=True):
        source = study.scans[row]
        pixels = restore_bars(result, source.box)
        made.append(
            (
                Synthetic(
                    f"synthetic ({index + 1}).png",
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


def _noise(generator: AnyGenerator, seed: int, index: int) -> torch.Tensor | None:
    """The noise of synthetic scan `index` (1×noise); None for a generator without noise."""
    if not generator.noise:
        return None
    draws = np.random.default_rng((seed, 9, index)).standard_normal((1, generator.noise), dtype=np.float32)
    return torch.from_numpy(draws).to(next(generator.parameters()).device)


def load(folder: Path, rows: Sequence[Synthetic], size: int) -> Pixels:
    """Read synthetic scans (N×S×S uint8) and check each against its manifest's hash; BusError names the first bad one."""
    squares = np.zeros((len(rows), size, size), np.uint8)
    for place, row in enumerate(rows):
        try:
            content = np.frombuffer((folder / row.file).read_bytes(), np.uint8)
            pixels = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
        except (OSError, cv2.error):
            pixels = None
        if pixels is None or files.sha256_bytes(np.ascontiguousarray(pixels).tobytes()) != row.sha256:
            raise BusError(
                f"{folder / row.file} is missing or not the scan its manifest names (hash {row.sha256[:12]}…). "
                f"Delete {folder}/manifest.csv and run bus synth again."
            )
        squares[place] = pixels
    return squares
