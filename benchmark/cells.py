"""Which cells a benchmark has, and everything that decides what each of them learns."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice, product
from pathlib import Path

from ..classify.catalogue import DEEP, LITE0, USUAL, first_weights
from ..classify.models import check_head
from ..classify.recipe import OF_ADDED, SEEING, SWITCHES, TUNED, Recipe, without_added
from ..classify.torchvision_names import check_model
from ..core import files, switches
from ..core.compute import Compute
from ..core.errors import BusError, UsageError, did_you_mean
from ..core.switches import Values
from ..data.study import Study
from ..gan.manifest import Synthetic, SyntheticSet
from ..gan.synth import ordered_sources
from . import foreign, pasting
from .arms import ADDING, DERIVED, ORIGINAL, SOURCED, TRANSLATED, Arm
from .cell import Cell
from .request import Request

PHANTOMS, PHANTOM_SEED = 780, 1_000  # of --init phantom; a study made from phantoms has those of seed 0
PHANTOM_CLASSES = ("benign", "malignant", "normal")
PHANTOM_INIT = f"phantom: {PHANTOMS} of seed {PHANTOM_SEED}, for as many steps"
WEIGHTS_INIT = "weights "  # begins what a recipe says of first weights from a file; their hash follows
FIRST, SCANS = "WEIGHTS", "SCANS"  # what `asked_by` calls files of which only the content is known
STEPS = {  # optimiser steps of a preset: networks trained from scratch, those of DEEP, fine-tuned ones
    "demo": (60, 15, 15),
    "quick": (600, 250, 300),
    "standard": (1_500, 600, 600),
    "paper": (1_500, 600, 600),
}
DEMO_STEPS = {"resnet18": 150}  # of the demo: from 300 phantoms it learns in so many, not in 60
# fields of Recipe; minutes, not quality
PRESET_RECIPES: dict[str, Values] = {"demo": {"batch": 16, "recalibration": 4, "enlarge": 0}}


WHOLE = Recipe("", 0)  # of which all that counts is that it keeps no validation part out of training


def needed(study: Study, fold: int, label: str, dose: float = 1.0, recipe: Recipe = WHOLE) -> int:
    """How many scans class `label` gets beside those that a recipe trains on.

    `dose` times what the largest class has more.
    """
    counts = Counter(study.scans[row].label for row in training_rows(study, fold, recipe)[0])
    return round(dose * (max(counts.values()) - counts[label]))


def picked(study: Study, fold: int, label: str, gan_seed: int, source: str, number: int) -> list[Synthetic]:
    """The first `number` synthetic scans of class `label` that were made from class `source` ("" for any)."""
    made = _made(study, fold, label, gan_seed, source, number)
    if len(made) < number:
        mend = "Leave this arm out, or train a translator --from this class too."
        if made:
            mend = "Run bus synth with a larger --n."
        elif not SyntheticSet(study, fold, label, gan_seed).rows:
            mend = "Run bus gan train and bus synth for this fold first."
        origin = f" made from {source}" if source else ""
        raise BusError(
            f"Fold {fold} has {len(made)} synthetic {label} scans{origin}; {number} are needed. {mend}"
        )
    return made


def used(study: Study, request: Request, fold: int, label: str, gan_seed: int) -> list[Synthetic]:
    """All of a translator's scans of class `label` that an arm of a request takes, as in their manifest."""
    names: set[str] = set()
    for arm in (arm for arm in request.arms if arm.kind in TRANSLATED):
        number = _of_translator(request, arm, gan_seed, _added(study, request, arm, fold).get(label, 0))
        names |= {row.file for row in picked(study, fold, label, gan_seed, arm.source, number)}
    return [row for row in SyntheticSet(study, fold, label, gan_seed).rows if row.file in names]


def to_make(study: Study, fold: int, label: str, gan_seed: int, source: str, number: int) -> int:
    """How many synthetic scans of `label` hold `number` made from `source`; the order of sources is fixed."""
    rows = study.rows_of(study.train(fold), [name for name in study.classes if name != label])
    labels = [study.scans[row].label for row in rows]
    if not source:
        return number
    if source not in labels:
        raise UsageError(f"Fold {fold} has no {source} scans to make {label} scans from.")
    order = cycle(labels[row] for row in ordered_sources(labels, gan_seed))
    made = (count for count, name in enumerate(order, 1) if name == source)
    return next(islice(made, number - 1, None), 0)


def _added(study: Study, request: Request, arm: Arm, fold: int) -> dict[str, int]:
    """Class → scans that an arm adds, or that would have to be added for what it corrects.

    A class is no source of itself and is passed over in such an arm.
    """
    raised = request.raised(study)
    if arm.kind not in (*ADDING, *DERIVED):
        return {}
    if raised == (arm.source,):
        raise UsageError(
            f"The arm {arm} adds nothing: {arm.source} is the class that is raised. Name one of the others "
            "as its source."
        )
    recipe = switches.changed(WHOLE, dict(request.recipe))
    lacking = {label: needed(study, fold, label, arm.dose, recipe) for label in raised if label != arm.source}
    return {label: number for label, number in lacking.items() if number}


def shares(number: int, translators: int) -> list[int]:
    """`number` scans in as many parts, of which the first may have one more than the last."""
    return [number // translators + (place < number % translators) for place in range(translators)]


def _of_translator(request: Request, arm: Arm, gan_seed: int, number: int) -> int:
    """How many of the scans that an arm adds come from one translator."""
    if arm.kind != "pooled":
        return number
    return shares(number, request.gan_seeds)[request.translators.index(gan_seed)]


def synthetic_needed(study: Study, request: Request) -> dict[tuple[int, str, int], int]:
    """(fold, class, translator's seed) → how many of its scans the arms need; empty where none."""
    needs: dict[tuple[int, str, int], int] = {}
    for arm in (arm for arm in request.arms if arm.kind in TRANSLATED):
        for fold, gan_seed in product(request.folds, request.translators):
            for label, whole in _added(study, request, arm, fold).items():
                number = _of_translator(request, arm, gan_seed, whole)
                if not number:  # fewer scans than translators to share them
                    continue
                most = to_make(study, fold, label, gan_seed, arm.source, number)
                needs[fold, label, gan_seed] = max(most, needs.get((fold, label, gan_seed), 0))
    return needs


def cells_of(study: Study, request: Request) -> list[Cell]:
    """All cells of a request, arms of one fold, model and seed beside each other.

    Synthetic scans must exist where an arm needs them. UsageError for what does not go together.
    """
    for model in request.models:
        check_model(model)
    if request.preset not in STEPS and not request.epochs:
        slip = did_you_mean(request.preset, STEPS)
        raise UsageError(f"--preset {request.preset} is unknown; choose one of {', '.join(STEPS)}.{slip}")
    if request.seeds < 1:
        raise UsageError(f"--seeds {request.seeds}: expected 1 or more.")
    if request.gan_seeds < 1 or request.seeds % request.gan_seeds:
        raise UsageError(
            f"--gan-seeds {request.gan_seeds}: the seeds of a classifier take translators in turn, so "
            f"--seeds {request.seeds} must be a multiple of it, or some would count more than others."
        )
    if request.gan_seeds < 2 and any(arm.kind == "pooled" for arm in request.arms):
        raise UsageError(
            "The arm pooled mixes the scans of several translators: ask for them with --gan-seeds, such as "
            "--gan-seeds 3."
        )
    adding, names = any(arm.kind in ADDING for arm in request.arms), ", ".join(map(str, request.arms))
    if any(not arm.trains for arm in request.arms) and ORIGINAL not in request.arms:
        raise UsageError(f"--arms {names}: adjusted corrects the answers of original. Name that arm too.")
    if request.balance and not adding:
        raise UsageError(
            f"--balance does nothing here: none of {names} adds scans. Leave it out, or add an arm that does."
        )
    if any(arm.kind == "pasted" for arm in request.arms):
        pasting.check(study, request.raised(study))
    if request.folder and request.raised(study) != (study.target,):
        raise UsageError(f"--synthetic adds scans of the class {study.target} alone; leave --balance out.")
    changes = dict(request.recipe)
    if changes.get("recorded") and request.compute.device != "cuda":
        raise UsageError(
            f"recorded = true: a CUDA graph needs a graphics card, and this is {request.compute.device}. "
            "Leave it out."
        )
    if changes.get("standardise") and request.first:
        raise UsageError(
            "standardise = true: weights from a file say themselves how they see scans. Leave it out."
        )
    others = [model for model in request.models if model != "simplecnn"]
    if changes.get("standardise") and others:
        raise UsageError(
            f"standardise = true is SimpleCNN's alone; {others[0]} does not have it. Leave it out."
        )
    if changes.get("refit") or changes.get("consistency") or changes.get("head_rate", 1) != 1:
        for model in request.models:
            check_head(model)
    idle = [name for name in OF_ADDED if changes.get(name)]
    if idle and not any(arm.kind in SOURCED for arm in request.arms):
        raise UsageError(
            f"--set {idle[0]} does nothing here: none of {names} adds scans made from another class's. "
            f"Leave it out, or add one of {', '.join(SOURCED)}."
        )
    if changes.get("validation") and adding:
        raise UsageError(
            "validation = true goes with the arms original and weighted: translators see the whole training "
            "part."
        )
    return [cell for fold in request.folds for cell in _cells(study, request, fold)]


def _recipe(study: Study, request: Request, fold: int, arm: Arm, init: str, model: str) -> Recipe:
    """How a network of an arm is trained, from the first weights `init`."""
    if request.epochs:
        steps = 0
    elif request.preset == "demo" and model in DEMO_STEPS:
        steps = DEMO_STEPS[model]
    else:
        steps = STEPS[request.preset][2 if model == LITE0 else model in DEEP]
    tuned = {  # weights from a file say themselves how they see scans
        name: value
        for name, value in TUNED.get(model, {}).items()
        if not init.startswith(WEIGHTS_INIT) or name not in SEEING
    }
    recipe = switches.changed(
        Recipe(model, steps, init={"phantom": PHANTOM_INIT}.get(init, init), weighted=arm.kind == "weighted"),
        {**tuned, **PRESET_RECIPES.get(request.preset, {}), **dict(request.recipe)},
    )
    if arm.kind not in SOURCED:
        recipe = without_added(recipe)
    if recipe.enlarge > study.settings.size:  # a step costs more, and half of them do as well as all did
        recipe = replace(recipe, steps=recipe.steps // 2)
    return scheduled(study, fold, recipe, request.epochs)


def asked_by(study: Study, cell: Cell) -> Request | None:
    """The benchmark of the fewest cells that holds this one; None where none does, as for runs of a plan.

    Where its first weights, or scans of others, came from files, these are called as FIRST and SCANS say.
    """
    if cell.preset not in STEPS or cell.drawn_from != cell.fold:
        return None
    init = {PHANTOM_INIT: "phantom"}.get(cell.recipe.init, cell.recipe.init)
    named = FIRST if init.startswith(WEIGHTS_INIT) else init
    others = cell.arm.kind == "unverified"
    request = Request(
        folds=(cell.fold,),
        arms=(ORIGINAL, cell.arm) if others else (cell.arm,),
        models=(cell.model,),
        seeds=-(-(cell.seed + 1) // cell.pooled) * cell.pooled,
        preset=cell.preset,
        init=USUAL if init == first_weights(cell.model, USUAL) else named,
        gan_seed=cell.gan_seed,
        gan_seeds=cell.pooled,
        balance=tuple(cell.added) if set(cell.added) - {study.target} else (),
        folder=Path(SCANS) if others else None,
        compute=Compute(cell.device, cell.precision, 1),
        keep_weights=True,
    )
    usual = _recipe(study, request, cell.fold, cell.arm, init, cell.model)
    changes = tuple((name, getattr(cell.recipe, name)) for name in SWITCHES)
    changes = tuple((name, value) for name, value in changes if value != getattr(usual, name))
    request = replace(request, recipe=changes)
    same = _recipe(study, request, cell.fold, cell.arm, init, cell.model) == cell.recipe
    return request if same else None


def _cells(study: Study, request: Request, fold: int) -> Iterator[Cell]:
    # what all cells of the fold share
    changes = dict(request.recipe)
    training = study.pixels_sha256(training_rows(study, fold, switches.changed(WHOLE, changes))[0])
    test = study.pixels_sha256(study.test(fold))
    given = f"{WEIGHTS_INIT}{files.sha256_file(request.first)}" if request.first else request.init

    # what each arm adds
    added = {arm: _added(study, request, arm, fold) for arm in request.arms}
    synthetic = {
        (arm, gan_seed): _synthetic(study, request, arm, fold, added[arm], gan_seed)
        for arm, gan_seed in product(request.arms, request.translators)
    }

    def translator(arm: Arm, seed: int) -> int:
        """The seed of the (first) one; of arms without one always 0, or another would train them anew."""
        taken = request.gan_seed if arm.kind == "pooled" else request.translator_of(seed)
        return taken if arm.kind in TRANSLATED else 0

    for model, seed, arm in product(request.models, range(request.seeds), request.arms):
        yield Cell(
            fold=fold,
            arm=arm,
            model=model,
            seed=seed,
            recipe=_recipe(study, request, fold, arm, first_weights(model, given), model),
            gan_seed=translator(arm, seed),
            pooled=request.gan_seeds if arm.kind == "pooled" else 1,
            added=added[arm],
            precision=request.compute.precision,
            device=request.compute.device,
            preset=request.preset,
            training_pixels=training,
            synthetic=synthetic[arm, request.translator_of(seed)],
            test_pixels=test,
            root=study.cells_path(fold),
            folder=request.folder if arm.kind == "unverified" else None,
            first=request.first,
            drawn_from=fold,
        )


def scheduled(study: Study, fold: int, recipe: Recipe, epochs: int = 0) -> Recipe:
    """A recipe with its epochs in steps; `epochs` passes over the fold's own scans instead of its steps."""
    if recipe.schedule == "plateau" and not recipe.validation:
        raise UsageError("schedule = plateau watches a validation part: set validation = true too.")
    if recipe.schedule == "cosine" and not epochs:
        return recipe
    epoch = -(-len(training_rows(study, fold, recipe)[0]) // recipe.batch)
    return replace(recipe, epoch=epoch, steps=epochs * epoch or recipe.steps)


def training_rows(study: Study, fold: int, recipe: Recipe) -> tuple[list[int], list[int]]:
    """Rows that a recipe trains on, and rows it may watch: with `validation` the next fold."""
    rows = study.train(fold)
    if not recipe.validation:
        return rows, []
    if study.settings.k < 3:
        raise BusError(
            "A validation part needs a study of at least 3 folds (--k): one to test, one to watch, one to "
            "train."
        )
    watched = study.test((fold + 1) % study.settings.k)
    return sorted(set(rows) - set(watched)), watched


def _synthetic(
    study: Study, request: Request, arm: Arm, fold: int, added: dict[str, int], gan_seed: int
) -> str:
    """Hash of what an arm adds beside the fold's own scans, or makes it from; "" where it adds none."""
    if arm.kind == "pasted":
        return pasting.sha256(study, fold)
    if arm.kind == "unverified" and request.folder:
        return foreign.sha256(study, request.folder, sum(added.values()))
    if arm.kind not in TRANSLATED:
        return ""
    # sources that come again are shown as the translator read them, once they were shown as they are
    shows = arm.kind == "relabelled" or bool(dict(request.recipe).get("pairs"))
    lines = [
        f"{row.sha256} {row.source_sha256}" + f" {row.variant}" * (shows and row.variant != "plain")
        for label, number in added.items()
        for seed in (request.translators if arm.kind == "pooled" else [gan_seed])
        for row in _made(study, fold, label, seed, arm.source, _of_translator(request, arm, seed, number))
    ]
    return files.sha256_bytes("\n".join(lines).encode())


def _made(study: Study, fold: int, label: str, gan_seed: int, source: str, number: int) -> list[Synthetic]:
    """What is there of `picked`: cells can be listed before their synthetic scans are made."""
    rows = SyntheticSet(study, fold, label, gan_seed).rows
    return [row for row in rows if source in ("", row.source_label)][:number]
