"""From a study to scored synthetic scans: what is done is skipped, what contradicts it is refused or set aside."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core import files, lock
from ..core.compute import Compute, resolve
from ..core.errors import BusError, UsageError
from ..core.progress import Interrupted, note, result
from ..data.pictures import SUFFIXES, decode_rgb
from ..data.scans import MASK_NAME, to_grey
from ..data.store import Pixels, letterbox
from ..data.study import Study
from . import datasheet, synth, train
from . import filter as rejection
from . import monitor as watch
from .config import GanConfig, configure, read_config
from .imagenet import check_extractor


@dataclass(frozen=True)
class Judge:
    """How synthetic scans are scored: the network asked for, its weights, and how often the reference is split."""

    extractor: str = "auto"
    weights: Path | None = None
    splits: int = 50

    def __post_init__(self) -> None:
        """Refuse an unknown network before any scan is read or made."""
        check_extractor(self.extractor)


@dataclass(frozen=True)
class Ask:
    """What a user asks of a translator; what is None stays as it was begun, or is the default."""

    preset: str | None = None
    pairs: int | None = None
    sources: Sequence[str] | None = None
    method: str | None = None
    changes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked."""
        return self == Ask()


def plan_gan(
    study: Study,
    compute: Compute,
    *,
    fold: int | None,
    target: str,
    seed: int,
    ask: Ask,
    preset: str,
    redo: bool = False,
    insist: bool = False,
) -> tuple[GanConfig, Compute]:
    """Configuration and arithmetic of one translator: those it was begun with, unless something else is asked.

    `preset` is the default effort of a new one. `insist`: the user asked for device or precision, so that a translator
    begun with others is refused rather than gone on with in its own. Threads stay those it was begun with: no option
    sets them. UsageError where this machine lacks the device that an unfinished one was begun on.
    """
    folder = study.gan_path(fold, target, seed)
    old = read_config(folder) if (folder / "config.json").exists() and not redo else None
    if old and insist:
        compute = replace(compute, threads=old.threads)
    elif old:  # a finished one needs its device no more
        begun = Compute if train.is_done(folder) else resolve
        compute = begun(old.device, old.precision, old.threads)
    if old and ask.is_empty:
        return replace(
            old,
            device=compute.device,
            precision=compute.precision,
            threads=compute.threads,
            training_pixels=study.pixels_sha256(study.train(fold)),
        ), compute
    pairs = ask.pairs or (old.pairs if old and ask.preset is None else None)
    found = configure(
        study,
        compute,
        fold=fold,
        target=target,
        seed=seed,
        preset=ask.preset or (old.preset if old else preset),
        pairs=pairs,
        sources=ask.sources or (old.sources if old else None),
        method=ask.method or (old.method if old and ask.preset is None else None),
        changes=ask.changes,
    )
    return found, compute


def set_aside(study: Study, folders: Sequence[Path]) -> Path | None:
    """Move folders of a study to `aside/N`, keeping their place within; None where there was nothing to move."""
    present = [folder for folder in folders if folder.exists()]
    if not present:
        return None
    root = study.path / "aside"
    number = 1 + max((int(path.name) for path in root.glob("*") if path.name.isdigit()), default=0)
    for folder in present:
        place = root / str(number) / folder.relative_to(study.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, place)
    return root / str(number)


def train_gan(
    study: Study, config: GanConfig, compute: Compute, *, redo: bool = False, tensorboard: bool = False
) -> bool:
    """Make sure that the translator of `config` is trained; returns whether there was anything to do.

    Raises UsageError where another translator lies in its place, unless `redo` sets it and its scans aside.
    """
    folder = study.gan_path(config.fold, config.target, config.seed)
    lock.sweep(study.path)
    with lock.hold(folder, f"The translator {folder}"):
        if redo:
            _set_translator_aside(study, config)
        train.check_unchanged(folder, config)
        if train.is_done(folder):
            result(f"Nothing to do: the translator in {folder} is trained.")
            return False
        board = watch.tensorboard(folder / "tensorboard") if tensorboard else watch.silent
        try:
            train.train(study, config, compute, board)
        except Interrupted as stop:
            raise Interrupted(f"{stop} Leave --redo out then." if redo else str(stop)) from None
    result(f"Trained: {folder}")
    return True


def _set_translator_aside(study: Study, config: GanConfig) -> None:
    made = study.synth_path(config.fold, config.target, config.seed)
    with lock.hold(made, f"The set of synthetic scans {made}"):
        aside = set_aside(study, [study.gan_path(config.fold, config.target, config.seed), made])
    if aside:
        note(f"The old translator and its scans are now in {aside}.")


def make_scans(
    study: Study,
    compute: Compute,
    *,
    fold: int | None,
    target: str,
    gan_seed: int,
    count: int,
    judge: Judge,
    confidence: float | None = None,
    redo: bool = False,
) -> bool:
    """Make sure that at least `count` synthetic scans exist and are scored; returns whether there was anything to do.

    `confidence`: what the reader must give a scan for it to be kept; None for as begun, or no filter. Raises
    UsageError where the scans that are there had to reach another, unless `redo` sets them aside.
    """
    folder = study.synth_path(fold, target, gan_seed)
    lock.sweep(study.path)
    with lock.hold(folder, f"The set of synthetic scans {folder}"):
        if redo and (aside := set_aside(study, [folder])):
            note(f"The old scans are now in {aside}.")
        wanted = _filter(folder, confidence)
        folder, new = synth.synthesise(
            study, compute, fold=fold, target=target, gan_seed=gan_seed, count=count, confidence=wanted
        )
        rows = synth.read_manifest(folder)
        scored = _describe_scored(study, folder, target, rows, compute, judge)
    if not new and not scored:
        result(f"Nothing to do: {folder} holds {len(rows)} scored synthetic scans.")
        return False
    distinct = len({row.source_sha256 for row in rows})
    result(f"{folder} holds {len(rows)} synthetic scans of {distinct} distinct sources, {new} of them new.")
    return True


def _filter(folder: Path, asked: float | None) -> float:
    """The confidence that scans of a set must reach, frozen with its first scan."""
    begun = rejection.filtered(folder)
    if asked is None or asked == begun:
        return begun
    if synth.read_manifest(folder):
        raise UsageError(
            f"{folder} holds scans that were made with --confidence {begun:g}, not {asked:g}. Leave the option out to add to "
            "them, or give --redo to set them aside and make others."
        )
    files.write_json(folder / rejection.NAME, {"confidence": asked})
    return asked


def score_again(
    study: Study, compute: Compute, *, fold: int | None, target: str, gan_seed: int, judge: Judge
) -> None:
    """Score a study's synthetic scans by the network asked for and show the scores; BusError where there are none."""
    folder = study.synth_path(fold, target, gan_seed)
    rows = synth.read_manifest(folder)
    if not rows:
        raise BusError(
            f"{folder} holds no synthetic scans. Run bus synth with the same --study and --fold first."
        )
    with lock.hold(folder, f"The set of synthetic scans {folder}"):
        scored = _describe_scored(study, folder, target, rows, compute, judge)
    if not scored:
        for line in sentences(files.read_json(folder / "scores.json")):
            result(line)
        result(f"Nothing to do: {folder / 'scores.json'} speaks of these {len(rows)} scans.")


def _describe_scored(
    study: Study, folder: Path, target: str, rows: Sequence[synth.Synthetic], compute: Compute, judge: Judge
) -> bool:
    """Score the scans of a folder and write the scores into their datasheet too; returns whether it was done now."""
    scored = _score(study, folder, target, rows, compute, judge)
    if scored or not (folder / datasheet.NAME).exists():
        datasheet.write(study, folder, rows, sentences(files.read_json(folder / "scores.json")))
    return scored


def _score(
    study: Study, folder: Path, target: str, rows: Sequence[synth.Synthetic], compute: Compute, judge: Judge
) -> bool:
    """Score the scans of a folder unless its scores.json already speaks of these; returns whether it was done now."""
    place, confidence = folder / "scores.json", rejection.filtered(folder)
    key = {
        "manifest": files.sha256_file(folder / "manifest.csv"),
        "asked": judge.extractor,
        "weights": files.sha256_file(judge.weights) if judge.weights else None,
        "splits": judge.splits,
        **({"confidence": confidence} if confidence else {}),
    }
    if place.exists() and files.read_json(place).get("key") == key:
        return False
    from .scores import score  # late: torch-fidelity takes seconds to import
    from .scores.features import choose_extractor

    extractor = choose_extractor(judge.extractor, judge.weights, device=compute.device)
    fold = rows[0].fold
    config, used = read_config(study.gan_path(fold, target, rows[0].seed)), study.train(fold)
    number = {(study.scans[row].sha256, study.scans[row].label): place for place, row in enumerate(used)}
    compute.start()
    note("Scoring the synthetic scans against the target scans of the training part …")
    scores = score.score_synthetic(
        synthetic=synth.load(folder, rows, study.settings.size),
        source_rows=[number[row.source_sha256, row.source_label] for row in rows],
        real=study.pixels[used],
        labels=[study.scans[row].label for row in used],
        groups=[study.scans[row].group for row in used],
        boxes=[study.scans[row].box for row in used],
        synthetic_files=[row.file for row in rows],
        variants=[row.variant for row in rows],
        real_files=[study.scans[row].file for row in used],
        target=target,
        sources=config.sources,
        extractor=extractor,
        trained_with=config.trained_with,
        confidence=confidence,
        accepted=rejection.acceptance(rows),
        splits=judge.splits,
    )
    files.write_json(place, {"key": key, **scores})
    for line in sentences(scores):
        result(line)
    return True


def describe(study: Study, fold: int | None, target: str, gan_seed: int) -> dict[str, Any]:
    """One set of synthetic scans as plain values, for `bus synth --json`."""
    folder = study.synth_path(fold, target, gan_seed)
    rows = synth.read_manifest(folder)
    return {
        "fold": fold,
        "target": target,
        "gan_seed": gan_seed,
        "folder": str(folder),
        "scans": len(rows),
        "distinct_sources": len({row.source_sha256 for row in rows}),
        "scores": files.read_json(folder / "scores.json"),
    }


def compare_folders(first: Path, second: Path, size: int, judge: Judge, compute: Compute) -> dict[str, Any]:
    """The distances between the pictures of two folders (`first` generated, `second` real)."""
    from .scores import score
    from .scores.features import choose_extractor

    extractor = choose_extractor(judge.extractor, judge.weights, device=compute.device)
    return score.compare(pictures(first, size), pictures(second, size), extractor)


def comparison(found: dict[str, Any]) -> Iterator[str]:
    """What `compare_folders` found, a line each."""
    yield f"{found['n']['first']} against {found['n']['second']} scans, judged by {found['extractor']['name']}"
    if found["frechet"] is not None:
        yield f"{found['extractor']['label']}: {found['frechet']:.2f}"
    if found["kid"] is not None:
        yield f"KID: {found['kid']['mean']:.5f} ± {found['kid']['spread']:.5f} (subsets of {found['kid']['subset']})"
    yield from (
        f"{name}: {found[name]:.3f}"
        for name in ("precision", "recall", "density", "coverage")
        if found[name] is not None
    )
    yield from found["notes"]


def pictures(folder: Path, size: int) -> Pixels:
    """All scans that lie in one folder, letterboxed (N×S×S uint8); BusError where there are none."""
    listed = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.casefold() in SUFFIXES and not MASK_NAME.fullmatch(path.stem)
    )
    if not listed:
        raise BusError(f"{folder} holds no pictures. Give a folder whose scans lie directly in it.")
    return np.stack(
        [letterbox(to_grey(decode_rgb(path.read_bytes(), str(path))), size)[0] for path in listed]
    )


def sentences(scores: dict[str, Any]) -> Iterator[str]:
    """The scores in words, a line each: how far from real, what stands beside that, what is missing, and every warning."""
    kid, n = scores["kid"], scores["n"]
    yield f"{n['synthetic']} synthetic scans against {n['target']} real ones ({scores['reference']}); judge: {scores['extractor']['name']}."
    if kid:
        scale = kid["normalised"]
        lead = (
            f"Normalised KID {scale['mean']:.2f} ± {scale['spread']:.2f} (0 real, 1 did nothing); "
            if scale
            else ""
        )
        yield f"{lead}KID {kid['score']['mean']:.4f} between {kid['floor']['mean']:.4f} (real) and {kid['ceiling']['mean']:.4f} (did nothing)."
    if scores["frechet"]:
        yield f"{scores['extractor']['label']}: {scores['frechet']['score']['mean']:.1f}."
    yield from _shares(scores)
    if chosen := scores.get("filter"):
        yield f"Filter: the reader gave {chosen['accepted']:.0%} of the translator's scans {chosen['confidence']:g} or more; only these were kept."
    yield from scores["notes"]
    yield from (f"Warning, {warning['name']}: {warning['text']}" for warning in scores["warnings"])


def _shares(scores: dict[str, Any]) -> Iterator[str]:
    """What stands beside the distances, each with what real scans or a blur give; nothing for what was not computed."""
    shares = [
        f"{name} {found['score']['mean']:.2f} (real {found['floor']['mean']:.2f}, sources {found['ceiling']['mean']:.2f})"
        for name in ("precision", "recall", "density", "coverage")
        if (found := scores[name])
    ]
    if shares:
        yield f"{', '.join(shares)}.".capitalize()
    if found := scores["identity"]:
        yield f"Distance to the own source {found['synthetic']:.1f} grey levels (merely blurred: {found['blurred']:.1f})."
    if found := scores["copies"]:
        yield f"Copies {found['synthetic']:.1%} (held-out real scans: {found['held_out']:.1%})."
    if found := scores["reader"]:
        yield (
            f"The reader takes {found['synthetic']:.0%} for the class (real ones: {found['target']:.0%}, "
            f"their sources: {found['sources']:.0%})."
        )
    found = scores["distinct"]
    yield f"Effective number {found['synthetic']:.0f} of {found['compared']} (as many real scans: {found['target']:.0f})."
