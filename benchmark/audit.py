"""The leak audit: everything that must hold of a fold before a classifier may train on it (DESIGN 5)."""

from dataclasses import dataclass

from .. import files
from ..data.study import Study
from ..errors import BusError
from ..gan import synth
from . import unverified
from .plan import Wish, needed


@dataclass(frozen=True)
class Check:
    """One line of the leak audit: what was checked, on how many scans, and whether it held."""

    name: str
    count: int
    ok: bool
    detail: str = ""


def audit(study: Study, fold: int, wish: Wish) -> list[Check]:
    """Check a fold and the synthetic scans its arms use for leaks; raises BusError naming the first one found."""
    checks = _real(study, fold)
    for (place, label), number in wish.synthetic(study).items():
        if place == fold:
            checks += _synthetic(study, fold, label, wish.gan_seed, number)
    checks += _unverified(study, fold, wish)
    for check in checks:
        if not check.ok:
            raise BusError(
                f"Leak in fold {fold}: it does not hold that {check.name} ({check.detail}). "
                "Nothing was trained. Make the synthetic scans of this fold again with bus gan train --redo and bus synth."
            )
    return checks


def _unverified(study: Study, fold: int, wish: Wish) -> list[Check]:
    """The one thing that can be checked of another generator's scans."""
    number = max((needed(study, fold, study.target, arm.dose) for arm in wish.arms if arm.kind == "unverified"), default=0)
    if not wish.folder or not number:
        return []
    same = unverified.copies(study, wish.folder, number, fold)
    name = f"no test scan is among the scans of {wish.folder.name} (unverified: what their generator saw is unknown)"
    return [Check(name, number, not same, ", ".join(same[:3]))]


def _real(study: Study, fold: int) -> list[Check]:
    train, test = study.train(fold), study.test(fold)
    shared = {study.groups[row] for row in train} & {study.groups[row] for row in test}
    same = {study.scans[row].sha256 for row in train} & {study.scans[row].sha256 for row in test}
    both = len(train) + len(test)
    return [
        Check("no group is in both the training and the test part", both, not shared, ", ".join(sorted(shared)[:3])),
        Check("no test scan has the pixels of a training scan", len(test), not same, ", ".join(sorted(same)[:3])),
    ]


def _synthetic(study: Study, fold: int, label: str, gan_seed: int, number: int) -> list[Check]:
    """The checks of one translator and of the first `number` scans it made."""
    folder, gan = study.synth_path(fold, label, gan_seed), study.gan_path(fold, label, gan_seed)
    rows, train, test = synth.read_manifest(folder)[:number], study.train(fold), study.test(fold)
    generator = files.sha256_file(gan / "generator.safetensors")
    config = files.read_json(gan / "config.json")
    training = {(study.scans[row].sha256, study.scans[row].label, study.scans[row].group) for row in train}
    tests = {study.groups[row] for row in test}
    pixels = synth.load(folder, rows, study.settings.size)  # every file against the hash in its manifest
    shown = {study.pixels[row].tobytes() for row in test}

    def check(name: str, bad: list[synth.Synthetic]) -> Check:
        return Check(name.replace("every synthetic", f"every synthetic {label}"), len(rows), not bad, bad[0].file if bad else "")

    return [
        check("every synthetic scan was made for this fold", [row for row in rows if row.fold != fold]),
        check("every synthetic scan comes from this fold's generator", [row for row in rows if row.generator_sha256 != generator]),
        check("every source is a training scan of this fold, with its class and group",
              [row for row in rows if (row.source_sha256, row.source_label, row.source_group) not in training]),
        check("no source belongs to a group of the test part", [row for row in rows if row.source_group in tests]),
        check("no test scan is a synthetic scan",
              [row for row, square in zip(rows, pixels, strict=True) if square.tobytes() in shown]),
        Check(f"the generator of {label} scans saw the training part of this fold and nothing else", len(train),
              (config["fold"], config["target"], config["training_pixels"]) == (fold, label, study.pixels_sha256(train)), str(gan)),
    ]  # fmt: skip
