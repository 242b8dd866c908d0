"""First weights from simulated scans (`--init phantom`): each classifier is first trained on phantoms."""

import io
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from safetensors.torch import save as safetensors_bytes

from ..classify.augmentation import Examples
from ..classify.recipe import Recipe, without_added
from ..classify.train import fit
from ..core import files, lock, processes
from ..core.compute import Compute
from ..core.errors import BusError, UsageError
from ..core.opener import read_bytes
from ..core.progress import note, progress
from ..data.reading import read_phantoms
from ..data.study import Study
from .cell import Cell
from .cells import PHANTOM_CLASSES, PHANTOM_INIT, PHANTOM_SEED, PHANTOMS

FOLDER = "phantom-start"


def path(study: Study, cell: Cell) -> Path:
    """Where the weights lie from which `cell` starts; arms, folds and classes' weights don't change them."""
    recipe = _recipe(cell)
    key: Mapping[str, files.Json] = {
        "recipe": recipe.json,
        "size": study.settings.size,
        "precision": cell.precision,
        "device": cell.device,
        "phantoms": PHANTOM_INIT,
    }
    return study.path / FOLDER / f"{cell.model}-seed-{cell.seed}-{files.sha256_json(key)[:8]}.safetensors"


def _recipe(cell: Cell) -> Recipe:
    """How the phantoms train a cell's network: as it is trained itself, without what its arm alone has."""
    return replace(without_added(cell.recipe), init="none", weighted=False, validation=False)


def untrained(study: Study, cells: Sequence[Cell]) -> list[Cell]:
    """One cell for each of the first weights that `cells` start from and that are not there yet."""
    wanted = {path(study, cell): cell for cell in cells if cell.recipe.init == PHANTOM_INIT}
    return [cell for place, cell in wanted.items() if not place.exists()]


def check(study: Study, init: str) -> None:
    """UsageError where a classifier of this study cannot first be trained on phantoms, as `init` asks."""
    if init == "phantom" and study.classes != list(PHANTOM_CLASSES):
        raise UsageError(
            f"--init phantom: phantoms are {', '.join(PHANTOM_CLASSES)}, the study's classes "
            f"{', '.join(study.classes)}. Use --init none."
        )


def make_missing(study: Study, cells: Sequence[Cell], jobs: int) -> None:
    """Train what is missing of the first weights of `cells`, `jobs` at once; nothing for others."""
    todo = untrained(study, cells)
    if not todo:
        return
    _phantoms(study)
    text = f"{len(todo)} classifiers on {PHANTOMS} phantoms, {jobs} at once"
    try:
        with progress(text, len(todo)) as advance, processes.pool(jobs) as pool:
            for _ in pool.map(make, [study.path] * len(todo), todo):
                advance(1)
    except BrokenProcessPool as error:
        raise BusError(f"First weights: {processes.KILLED} Those that are done are kept.") from error


def make(study_path: Path, cell: Cell) -> None:
    """Train one classifier on phantoms and keep its averaged weights.

    With one thread, so that the result is the same whatever runs beside it.
    """
    compute = Compute(cell.device, cell.precision, 1)
    compute.start()
    study = Study.open(study_path)
    place = path(study, cell)
    with lock.hold(place, f"The file {place}"):
        if place.exists():
            return  # another process has made it since
        network = fit(_phantoms(study), len(study.classes), _recipe(cell), compute, cell.seed).network
        state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
        files.write_bytes(place, safetensors_bytes(state))


def _phantoms(study: Study) -> Examples:
    """The simulated cohort at the study's size, made once; none of the phantoms of which studies are made."""
    size = study.settings.size
    path = study.path / FOLDER / f"phantoms-{size}-{PHANTOMS}.npz"
    if path.exists():
        try:  # the archive carries a checksum of each array
            with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as kept:
                return Examples(kept["pixels"], kept["labels"], list(range(PHANTOMS)))
        except (ValueError, KeyError, EOFError, OSError, BadZipFile):
            note(f"{path} is damaged: simulating its phantoms again.")
    squares = np.zeros((PHANTOMS, size, size), np.uint8)
    data = read_phantoms(PHANTOMS, size, seed=PHANTOM_SEED, keep=squares.__setitem__)
    labels = np.zeros(PHANTOMS, np.int64)
    for entry in data.entries:
        labels[entry.place] = PHANTOM_CLASSES.index(entry.label)
    with files.writing(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, pixels=squares, labels=labels)
    return Examples(squares, labels, list(range(PHANTOMS)))
