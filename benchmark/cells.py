"""Which cells a benchmark has, and everything that decides what each of them learns."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from ..classify.models import DEEP, INITS, MODELS
from ..classify.recipe import Recipe
from ..core import files
from ..core.compute import Compute
from ..core.errors import BusError, UsageError, did_you_mean
from ..data.study import Study
from ..gan.manifest import Synthetic, SyntheticSet
from ..gan.synth import ordered_sources
from . import confidence
from . import foreign as unverified
from .arms import ADDING, DEFAULT_ARMS, TRANSLATED, Arm, parse
from .cell import Cell

PHANTOMS, PHANTOM_SEED = 780, 1_000  # of --init phantom; a study made from phantoms has those of seed 0
PHANTOM_CLASSES = ("benign", "malignant", "normal")
PHANTOM_INIT = f"phantom: {PHANTOMS} of seed {PHANTOM_SEED}, for as many steps"
STEPS = {  # optimiser steps of a preset: SimpleCNN and ResNet18, VGG19
    "demo": (60, 15),
    "quick": (600, 250),
    "standard": (1_500, 600),
    "paper": (1_500, 600),
}
PRESET_RECIPES: dict[str, dict[str, Any]] = {
    "demo": {"batch": 16, "recalibration": 4}
}  # fields of Recipe; minutes, not quality


def needed(study: Study, fold: int, label: str, dose: float = 1.0) -> int:
    """How many scans class `label` gets in the training part of `fold`: `dose` times what it lacks of the largest class."""
    counts = Counter(study.scans[row].label for row in study.train(fold))
    return round(dose * (max(counts.values()) - counts[label]))


def picked(study: Study, fold: int, label: str, gan_seed: int, source: str, number: int) -> list[Synthetic]:
    """The first `number` synthetic scans of class `label` that were made from class `source` ("" for any)."""
    found = _there(study, fold, label, gan_seed, source, number)
    if len(found) < number:
        mend = (
            "Run bus synth with a larger --n."
            if found
            else "Leave this arm out, or train a translator --from this class too."
        )
        raise BusError(
            f"Fold {fold} has {len(found)} synthetic {label} scans{f' made from {source}' * bool(source)}; {number} are needed. {mend}"
        )
    return found


def used(study: Study, wish: "Wish", fold: int, label: str) -> list[Synthetic]:
    """All synthetic scans of class `label` that an arm of `wish` takes, in the order of their manifest."""
    names: set[str] = set()
    for arm in (arm for arm in wish.arms if arm.kind in TRANSLATED):
        number = _added(study, wish, arm, fold).get(label, 0)
        names |= {row.file for row in picked(study, fold, label, wish.gan_seed, arm.source, number)}
    return [row for row in SyntheticSet(study, fold, label, wish.gan_seed).rows if row.file in names]


def to_make(study: Study, fold: int, label: str, gan_seed: int, source: str, number: int) -> int:
    """How many synthetic scans of `label` hold `number` made from `source`; they come in a fixed order of sources."""
    rows = study.rows_of(study.train(fold), [name for name in study.classes if name != label])
    labels = [study.scans[row].label for row in rows]
    if not source:
        return number
    if source not in labels:
        raise UsageError(f"Fold {fold} has no {source} scans to make {label} scans from.")
    order = [labels[place] for place in ordered_sources(labels, gan_seed)]
    return next(
        islice((place + 1 for place, name in enumerate(cycle(order)) if name == source), number - 1, None), 0
    )


@dataclass(frozen=True)
class Wish:
    """What a user asks of a benchmark."""

    folds: tuple[int, ...]
    arms: tuple[Arm, ...] = tuple(map(Arm, DEFAULT_ARMS))
    models: tuple[str, ...] = MODELS
    seeds: int = 1
    preset: str = "quick"
    init: str = "none"
    gan_seed: int = 0
    balance: tuple[str, ...] = ()  # classes to raise; the study's target unless given
    recipe: tuple[tuple[str, Any], ...] = ()  # changed fields of Recipe, for all arms and models alike
    folder: Path | None = None  # another generator's scans of the target class, for the arm `unverified`
    epochs: int = 0  # passes over the fold's own scans, where a plan says so; 0: the steps of the preset

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes the same wish."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(replace(self, folder=None))))
        return {
            **plain,
            "arms": [str(arm) for arm in self.arms],
            "folder": str(self.folder) if self.folder else None,
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Wish":
        """The wish that `to_json` wrote; KeyError or TypeError for anything else."""
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in found.items()
        }
        given |= {
            "arms": tuple(map(parse, found["arms"])),
            "recipe": tuple((name, value) for name, value in found["recipe"]),
        }
        return cls(**given | {"folder": Path(found["folder"]) if found["folder"] else None})

    @property
    def first(self) -> Path | None:
        """The file of first weights that `init` names, if it names one."""
        return None if self.init in INITS else Path(self.init)

    def raised(self, study: Study) -> tuple[str, ...]:
        """The classes that the arms raise."""
        return self.balance or (study.target,)

    def synthetic(self, study: Study) -> dict[tuple[int, str], int]:
        """(fold, class) → how many synthetic scans of the study's own translators the arms need; empty if none."""
        found: dict[tuple[int, str], int] = {}
        for arm in (arm for arm in self.arms if arm.kind in TRANSLATED):
            for fold in self.folds:
                for label, wanted in _added(study, self, arm, fold).items():
                    most = to_make(study, fold, label, self.gan_seed, arm.source, wanted)
                    found[fold, label] = max(most, found.get((fold, label), 0))
        return found


def _added(study: Study, wish: Wish, arm: Arm, fold: int) -> dict[str, int]:
    """Class → scans that an arm adds. A class is no source of itself, so it is passed over in its own source's arm."""
    if arm.kind not in ADDING:
        return {}
    if wish.raised(study) == (arm.source,):
        raise UsageError(
            f"The arm {arm} adds nothing: {arm.source} is the class that is raised. Name one of the others as its source."
        )
    wanted = {
        label: needed(study, fold, label, arm.dose) for label in wish.raised(study) if label != arm.source
    }
    return {label: number for label, number in wanted.items() if number}


def cells(study: Study, wish: Wish, compute: Compute) -> list[Cell]:
    """All cells of a wish, arms of one place beside each other; synthetic scans must exist where an arm needs them."""
    if wish.preset not in STEPS and not wish.epochs:
        raise UsageError(
            f"--preset {wish.preset} is unknown; choose one of {', '.join(STEPS)}.{did_you_mean(wish.preset, STEPS)}"
        )
    if wish.seeds < 1:
        raise UsageError(f"--seeds {wish.seeds}: expected 1 or more.")
    return [cell for fold in wish.folds for cell in _cells(study, wish, compute, fold)]


def _cells(study: Study, wish: Wish, compute: Compute, fold: int) -> Iterator[Cell]:
    changes = {**PRESET_RECIPES.get(wish.preset, {}), **dict(wish.recipe)}
    if wish.balance and not any(arm.kind in ADDING for arm in wish.arms):
        raise UsageError(
            f"--balance does nothing here: none of {', '.join(map(str, wish.arms))} adds scans. Leave it out, or add an arm that does."
        )
    if changes.get("synthetic", "mixed") != "mixed" and not any(arm.kind in ADDING for arm in wish.arms):
        raise UsageError(
            f"synthetic = {changes['synthetic']} does nothing here: none of {', '.join(map(str, wish.arms))} adds scans."
        )
    if wish.folder and wish.raised(study) != (study.target,):
        raise UsageError(f"--synthetic adds scans of the class {study.target} alone; leave --balance out.")
    if changes.get("validation") and any(arm.kind in ADDING for arm in wish.arms):
        raise UsageError(
            "validation = true goes with the arms original and weighted: translators see the whole training part."
        )
    if changes.get("synthetic") == confidence.NAME and wish.folder:
        raise UsageError(
            "synthetic = confidence needs readers that did not see a scan's source; of --synthetic FOLDER nobody knows the sources."
        )
    training = study.pixels_sha256(parts(study, fold, Recipe("", 0, **changes))[0])
    test = study.pixels_sha256(study.test(fold))
    added = {arm: _added(study, wish, arm, fold) for arm in wish.arms}
    synthetic = {arm: _synthetic(study, wish, arm, fold, added[arm]) for arm in wish.arms}
    init = (
        f"weights {files.sha256_file(wish.first)}"
        if wish.first
        else {"phantom": PHANTOM_INIT}.get(wish.init, wish.init)
    )
    for model in wish.models:
        steps = 0 if wish.epochs else STEPS[wish.preset][model in DEEP]
        for seed in range(wish.seeds):
            for arm in wish.arms:
                recipe = recipe_for(study, fold, model, arm, steps, changes, init, epochs=wish.epochs)
                translator = (
                    wish.gan_seed if arm.kind in TRANSLATED else 0
                )  # or another one would train the other arms anew
                yield Cell(
                    fold,
                    arm,
                    model,
                    seed,
                    recipe,
                    translator,
                    added[arm],
                    compute.precision,
                    compute.device,
                    wish.preset,
                    training,
                    synthetic[arm],
                    test,
                    study.cells_path(fold),
                    wish.folder if arm.kind == "unverified" else None,
                    wish.first,
                )


def recipe_for(
    study: Study,
    fold: int,
    model: str,
    arm: Arm,
    steps: int,
    changes: Mapping[str, Any],
    init: str = "none",
    *,
    epochs: int = 0,
) -> Recipe:
    """The recipe of one cell; `epochs` passes over the fold's own scans instead of `steps`."""
    recipe = Recipe(model, steps, init=init, weighted=arm.kind == "weighted", **changes)
    if recipe.schedule == "plateau" and not recipe.validation:
        raise UsageError("schedule = plateau watches a validation part: set validation = true too.")
    if recipe.schedule == "cosine" and not epochs:
        return recipe
    epoch = -(-len(parts(study, fold, recipe)[0]) // recipe.batch)
    return replace(recipe, epoch=epoch, steps=epochs * epoch or steps)


def parts(study: Study, fold: int, recipe: Recipe) -> tuple[list[int], list[int]]:
    """Rows that a recipe trains on and rows it may watch: with `validation` the next fold, which is cut by group too."""
    rows = study.train(fold)
    if not recipe.validation:
        return rows, []
    if study.settings.k < 3:
        raise BusError(
            "A validation part needs a study of at least 3 folds (--k): one to test, one to watch, one to train."
        )
    watched = study.test((fold + 1) % study.settings.k)
    return sorted(set(rows) - set(watched)), watched


def _synthetic(study: Study, wish: Wish, arm: Arm, fold: int, added: dict[str, int]) -> str:
    """Hash of the synthetic scans that an arm uses, with their sources and what readers said; "" where it uses none."""
    if arm.kind == "unverified" and wish.folder:
        return unverified.sha256(study, wish.folder, sum(added.values()))
    lines = []
    for label, number in added.items():
        rows = _there(study, fold, label, wish.gan_seed, arm.source, number) if arm.kind in TRANSLATED else []
        lines += [f"{row.sha256} {row.source_sha256}" for row in rows]
        if dict(wish.recipe).get("synthetic") == confidence.NAME:
            names = [row.file for row in rows] if arm.kind == "cyclegan" else []
            lines.append(confidence.digest(confidence.path(study, arm, fold, label, wish.gan_seed), names))
    return files.sha256_bytes("\n".join(lines).encode()) if arm.kind in TRANSLATED or lines else ""


def _there(study: Study, fold: int, label: str, gan_seed: int, source: str, number: int) -> list[Synthetic]:
    """What is already there of `picked`: a plan can be shown before its synthetic scans are made."""
    rows = SyntheticSet(study, fold, label, gan_seed).rows
    return [row for row in rows if source in ("", row.source_label)][:number]
