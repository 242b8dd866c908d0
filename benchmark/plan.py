"""Which cells a benchmark has, what each trains on, and the check that nothing leaks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import files
from ..classify.models import MODELS
from ..classify.train import Recipe
from ..compute import Compute
from ..data.study import Study
from ..errors import BusError, UsageError
from ..gan import synth

ARMS = {
    "original": "the training part as it is",
    "weighted": "the loss weighted by the inverse class frequency",
    "oversampled": "scans of the target class repeated",
    "cyclegan": "synthetic scans of the target class added",
    "relabelled": "negative control: the translator's sources, untranslated, under the target's label",
}
DEFAULT_ARMS = ("original", "weighted", "oversampled", "cyclegan")
HEAT = "heat.npy"  # where the classifier looked on each test scan, for its answer: N×g×g uint8, rows of predictions.csv
WEIGHTS = "classifier.safetensors"
FILES = {"predictions": "predictions.csv", "heat": HEAT, "weights": WEIGHTS}  # key in DONE, which holds their hashes
STEPS = {  # optimiser steps of a preset: SimpleCNN and ResNet18, VGG19
    "demo": (60, 15),
    "quick": (600, 250),
    "standard": (1_500, 600),
    "paper": (1_500, 600),
}


@dataclass(frozen=True)
class Cell:
    """One training of one classifier: its place in the plan, its folder and everything that decides its result."""

    fold: int
    arm: str
    model: str
    seed: int
    recipe: Recipe
    gan_seed: int
    added: int  # training scans beyond the original ones
    precision: str
    device: str
    preset: str
    training_pixels: str  # hash of the real training scans and their classes
    synthetic: str  # hash of the synthetic scans used, "" where there are none
    test_pixels: str
    root: Path  # the study's folder for cells of this fold

    @property
    def config(self) -> dict[str, object]:
        """What decides the result, as saved in config.json; paths are no part of it."""
        found = asdict(self)
        found.pop("root")
        return found

    @property
    def path(self) -> Path:
        """The cell's folder; its name ends in a short hash of the configuration."""
        return self.root / self.arm / self.model / f"seed-{self.seed}-{files.sha256_json(self.config)[:8]}"

    @property
    def is_done(self) -> bool:
        """Whether this very configuration was trained, its predictions lie there unchanged, and so does its heat if any."""
        done = self.path / "DONE"
        if not done.exists():
            return False
        found, predictions, heat = files.read_json(done), self.path / "predictions.csv", self.path / HEAT
        return (
            found.get("config") == files.sha256_json(self.config)
            and predictions.exists()
            and found.get("predictions") == files.sha256_file(predictions)
            and (not heat.exists() or found.get("heat") == files.sha256_file(heat))
        )

    @property
    def title(self) -> str:
        """The cell in words."""
        return f"fold {self.fold} · {self.arm} · {self.model} · seed {self.seed}"


def needed(study: Study, fold: int, target: str) -> int:
    """How many scans the target class lacks in the training part of `fold` to be as large as the largest class."""
    counts = Counter(study.scans[row].label for row in study.train(fold))
    return max(counts.values()) - counts[target]


def names(text: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """Split a comma-separated option and check each name; UsageError names the unknown one and the known ones."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in found if name not in known]
    if unknown or not found:
        raise UsageError(
            f"{option} {text}: {', '.join(unknown) or 'nothing'} is unknown; choose among {', '.join(known)}."
        )
    return found


def fold_numbers(text: str, study: Study) -> list[int]:
    """Turn `0`, `0,2` or `all` into fold numbers of the study; UsageError for others."""
    if text == "all":
        return study.folds
    known = [str(fold) for fold in study.folds]
    return sorted(int(name) for name in names(text, known, "--fold"))


@dataclass(frozen=True)
class Wish:
    """What a user asks of a benchmark."""

    folds: tuple[int, ...]
    arms: tuple[str, ...] = DEFAULT_ARMS
    models: tuple[str, ...] = MODELS
    seeds: int = 1
    preset: str = "quick"
    init: str = "none"
    gan_seed: int = 0


def cells(study: Study, wish: Wish, compute: Compute) -> list[Cell]:
    """All cells of a wish, arms of one place beside each other; synthetic scans must exist where an arm needs them."""
    if wish.preset not in STEPS:
        raise UsageError(f"--preset {wish.preset} is unknown; choose one of {', '.join(STEPS)}.")
    if wish.seeds < 1:
        raise UsageError(f"--seeds {wish.seeds}: expected 1 or more.")
    found = []
    for fold in wish.folds:
        training, test = (study.pixels_sha256(rows) for rows in (study.train(fold), study.test(fold)))
        for model in wish.models:
            for seed in range(wish.seeds):
                found += [_cell(study, wish, compute, (fold, arm, model, seed), training, test) for arm in wish.arms]
    return found


def _cell(
    study: Study, wish: Wish, compute: Compute, place: tuple[int, str, str, int], training: str, test: str
) -> Cell:
    fold, arm, model, seed = place
    steps = STEPS[wish.preset][model == "vgg19"]
    added = needed(study, fold, study.target) if arm in ("oversampled", "cyclegan", "relabelled") else 0
    synthetic = ""
    if arm in ("cyclegan", "relabelled"):
        rows = synth.read_manifest(study.synth_path(fold, study.target, wish.gan_seed))[:added]
        synthetic = files.sha256_bytes("\n".join(f"{row.sha256} {row.source_sha256}" for row in rows).encode())
    recipe = Recipe(model, steps, init=_init_name(wish.init), weighted=arm == "weighted")
    return Cell(
        fold, arm, model, seed, recipe, wish.gan_seed, added, compute.precision, compute.device, wish.preset,
        training, synthetic, test, study.cells_path(fold),
    )  # fmt: skip


def _init_name(init: str) -> str:
    return init if init in ("none", "imagenet") else str(Path(init).resolve())


@dataclass(frozen=True)
class Check:
    """One line of the leak audit: what was checked, on how many scans, and whether it held."""

    name: str
    count: int
    ok: bool
    detail: str = ""


def audit(study: Study, fold: int, gan_seed: int, arms: Sequence[str]) -> list[Check]:
    """Check a fold and its synthetic scans for leaks (DESIGN 5); raises BusError naming the first one found."""
    train, test = study.train(fold), study.test(fold)
    shared = {study.groups[row] for row in train} & {study.groups[row] for row in test}
    same = {study.scans[row].sha256 for row in train} & {study.scans[row].sha256 for row in test}
    checks = [
        Check(
            "no group is in both the training and the test part",
            len(train) + len(test),
            not shared,
            ", ".join(sorted(shared)[:3]),
        ),
        Check("no test scan has the pixels of a training scan", len(test), not same, ", ".join(sorted(same)[:3])),
    ]
    if "cyclegan" in arms or "relabelled" in arms:
        checks += _audit_synthetic(study, fold, gan_seed)
    for check in checks:
        if not check.ok:
            raise BusError(
                f"Leak in fold {fold}: it does not hold that {check.name} ({check.detail}). "
                "Nothing was trained. Make the synthetic scans of this fold again with bus gan train --redo and bus synth."
            )
    return checks


def _audit_synthetic(study: Study, fold: int, gan_seed: int) -> list[Check]:
    folder = study.synth_path(fold, study.target, gan_seed)
    gan = study.gan_path(fold, study.target, gan_seed)
    rows = synth.read_manifest(folder)[: needed(study, fold, study.target)]
    generator = files.sha256_file(gan / "generator.safetensors")
    config = files.read_json(gan / "config.json")
    training = {(study.scans[row].sha256, study.scans[row].group) for row in study.train(fold)}
    tests = {study.groups[row] for row in study.test(fold)}
    synth.load(folder, rows, study.settings.size)  # every file against the hash in its manifest

    def check(name: str, bad: list[synth.Synthetic]) -> Check:
        return Check(name, len(rows), not bad, bad[0].file if bad else "")

    return [
        check("every synthetic scan was made for this fold", [row for row in rows if row.fold != fold]),
        check("every synthetic scan comes from this fold's generator", [row for row in rows if row.generator_sha256 != generator]),
        check("every source is a training scan of this fold, with its group",
              [row for row in rows if (row.source_sha256, row.source_group) not in training]),
        check("no source belongs to a group of the test part", [row for row in rows if row.source_group in tests]),
        Check("the generator saw the training part of this fold and nothing else", len(study.train(fold)),
              config["fold"] == fold and config["training_pixels"] == study.pixels_sha256(study.train(fold)), str(gan)),
    ]  # fmt: skip
