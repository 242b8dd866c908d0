"""Running cells: one training, and many beside each other."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.torch import save as safetensors_bytes

from ..classify import explain, metrics
from ..classify.catalogue import COST
from ..classify.models import build, obtain_imagenet, place, weight_bytes
from ..classify.prior import corrected
from ..classify.train import fit, predict
from ..core import files, lock, processes
from ..core.compute import Compute, is_out_of_memory, require
from ..core.errors import BusError
from ..core.progress import Advance, Interrupted, note, progress, result, stoppable
from ..data.study import Study
from . import warm_start
from .arms import Arm
from .cell import Cell, Effort
from .cells import PHANTOM_INIT, WEIGHTS_INIT, training_rows
from .examples import examples, own_examples
from .external import External

REPORT_BYTES = 10 << 20
LOSSES = 50  # means of the loss that are kept of a training
HALF_ERROR = 1e-3  # of a probability, up to which weights are kept in half precision
RETRY = 2.0  # s between two looks at cells that other processes train


def run_cell(
    study_path: Path,
    cell: Cell,
    threads: int,
    keep_weights: bool,
    external: Path | None = None,
    number: int = 0,
    *,
    compact: bool = False,
) -> bool:
    """Train one cell and write its folder; for a process of its own. False where another one is training it.

    `external` is a kept set of scans from elsewhere, which the network answers while it is at hand. `number`
    is that of the cell in its pool, which hears how far it is. `compact`: keep weights in half precision
    where that changes no answer by more than HALF_ERROR.
    """
    others = External.open(external) if external else None
    with lock.attempt(cell.path) as ours:
        if ours and missing([cell], keep_weights, others):
            _train_cell(
                study_path,
                cell,
                threads,
                keep_weights or compact,
                others,
                partial(processes.tell, number),
                compact=compact,
            )
    return ours


def _train_cell(
    study_path: Path,
    cell: Cell,
    threads: int,
    keep_weights: bool,
    external: External | None,
    told: Callable[[float], None],
    *,
    compact: bool,
) -> None:
    compute = Compute(cell.device, cell.precision, threads)
    compute.start()
    study = Study.open(study_path)
    if external and cell.is_done and cell.has_whole_weights:
        network = build(cell.model, len(study.classes), str(cell.checked_weights()), cell.seed)
        network = place(network, cell.model, compute.device).eval()
        cell.add_external(external.answered(study.classes, predict(network, external.pixels, compute)))
        return

    # train
    outcome = fit(
        examples(study, cell),
        len(study.classes),
        cell.recipe,
        compute,
        cell.draw,
        watched=own_examples(study, training_rows(study, cell.fold, cell.recipe)[1]),
        first=_first(study, cell),
        told=told,
    )
    parted = np.array_split(outcome.losses, min(LOSSES, len(outcome.losses)))
    losses = tuple(round(float(np.mean(part)), 5) for part in parted)
    effort = Effort(round(outcome.seconds, 2), cell.recipe.steps, losses)

    # answer the test scans, and those from elsewhere
    squares = study.pixels[study.test(cell.fold)]
    probabilities = predict(outcome.network, squares, compute)
    metrics.check(probabilities)
    flipped = (probabilities + predict(outcome.network, squares[:, :, ::-1], compute)) / 2
    heat = explain.coarse_maps(outcome.network, squares, metrics.answers(probabilities), compute.device)
    others = None
    if external:
        others = external.answered(study.classes, predict(outcome.network, external.pixels, compute))
    weights = None
    if keep_weights:
        # Copies: the network is loaded with the rounded ones below.
        state = {
            name: value.cpu().contiguous().clone() for name, value in outcome.network.state_dict().items()
        }
        half = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
        if compact:
            outcome.network.load_state_dict(half)
            rounded = predict(outcome.network, squares, compute)
            state = half if np.abs(rounded - probabilities).max() <= HALF_ERROR else state
        weights = safetensors_bytes(state)
    cell.write(study, probabilities, heat, effort, weights, others, flipped)


def _first(study: Study, cell: Cell) -> str | None:
    """The file of a cell's first weights, if it starts from one; BusError where it has changed since."""
    if cell.recipe.init == PHANTOM_INIT:
        return str(warm_start.path(study, cell))
    if cell.first and f"{WEIGHTS_INIT}{files.sha256_file(cell.first)}" != cell.recipe.init:
        raise BusError(
            f"--init {cell.first} was changed while the benchmark ran. Run the same command again."
        )
    return str(cell.first) if cell.first else None


def missing(cells: Sequence[Cell], keep_weights: bool, external: External | None = None) -> list[Cell]:
    """The cells that have to be trained, or that have not answered the external scans yet."""
    return [
        cell
        for cell in cells
        if not cell.is_done
        or (keep_weights and not cell.has_whole_weights and cell.arm.trains)
        or (external and not cell.has_external(external.sha256))
    ]


def run(
    study: Study,
    cells: Sequence[Cell],
    *,
    jobs: int,
    threads: int,
    keep_weights: bool,
    keep_some: bool = False,
    among: Sequence[Cell] = (),
    external: External | None = None,
) -> list[str]:
    """Train what is missing, `jobs` cells at once in processes of their own; returns what failed.

    `keep_weights` of all, or with `keep_some` of one cell a model and arm, small (`kept_of`), so that
    `bus predict` has one to ask; where the cells are a part of a benchmark's, `among` are all of these.
    A failed cell does not stop the others. A killed process takes its pool with it: what is left goes on with
    half as many at once, since memory is the usual reason; with one at a time it is known whom to blame. A
    cell that another process trains is waited for in the end. Arms that train nothing come last. Raises
    Interrupted after Ctrl-C: finished cells stay, running ones begin again next time.
    """
    # the longest first
    todo = sorted(to_train(missing(cells, keep_weights, external)), key=lambda cell: -COST.get(cell.model, 1))
    compacted = set() if keep_weights or not keep_some else {cell.path for cell in kept_of(among or cells)}
    failures: list[str] = []
    if not todo:
        correct(study, cells, external)
        return failures
    for device in {cell.device for cell in todo}:
        require(device)
    require_space(study, todo, keep_weights, keep_some)
    todo = _with_published_weights(todo, failures)

    # in pools of processes until nothing is left
    work = partial(
        run_cell,
        study.path,
        threads=threads,
        keep_weights=keep_weights,
        external=external.folder if external else None,
    )
    meter = Meter(todo)
    with stoppable() as stop, progress("Trainings", len(todo)) as advance:
        while todo:
            works = [partial(work, cell, compact=cell.path in compacted) for cell in todo]
            told = partial(meter.advance, advance)
            elsewhere, lost = _attempt(todo, works, jobs, failures, told, stop)
            if lost and jobs == 1:
                failures.append(f"{lost[0].title}: {_sentence(BrokenProcessPool())}")
                meter.advance(advance, [lost.pop(0)])
            elif lost:
                jobs //= 2
                note(
                    "A process was ended from outside, as systems do when memory runs out: going on with "
                    f"{jobs} at once."
                )
            if elsewhere and not lost:
                time.sleep(RETRY)  # other processes train these
            todo = lost + elsewhere
    correct(study, cells, external)
    for failure in failures:
        result(f"failed: {failure}", failed=True)
    return failures


def _with_published_weights(cells: Sequence[Cell], failures: list[str]) -> list[Cell]:
    """The cells whose first weights are at hand, downloaded once for all; the others are `failures`."""
    wanting: dict[str, str] = {}
    for model in {cell.model for cell in cells if cell.recipe.init == "imagenet"}:
        try:
            obtain_imagenet(model)
        except BusError as error:
            wanting[model] = str(error)
    lost = [cell for cell in cells if cell.recipe.init == "imagenet" and cell.model in wanting]
    failures += [f"{cell.title}: {wanting[cell.model]}" for cell in lost]
    return [cell for cell in cells if cell not in lost]


def to_train(cells: Sequence[Cell]) -> list[Cell]:
    """Those of the cells that take a training."""
    return [cell for cell in cells if cell.arm.trains]


def correct(study: Study, cells: Sequence[Cell], external: External | None) -> None:
    """Write what is missing of the arms that correct the answers of `original`, where these are there."""
    classes, names = study.classes, [row["sha256"] for row in external.rows] if external else []
    for cell in missing(cells, False, external):
        base = cell.original
        if cell.arm.trains or not base.is_done or (external and not base.has_external(external.sha256)):
            continue
        counts = Counter(study.scans[row].label for row in training_rows(study, cell.fold, cell.recipe)[0])
        with lock.hold(cell.path, cell.title):
            if not missing([cell], False, external):
                continue  # another process has made it since
            raised = partial(corrected, classes=classes, counts=counts, added=cell.added)
            others = None
            if external:
                shares = base.external(external.sha256, names, classes)
                others = external.answered(classes, raised(shares))
            answers = base.answers(classes)
            cell.write(
                study,
                raised(answers.probabilities),
                heat=None,
                effort=Effort(None, None),
                external=others,
                flipped=None if answers.flipped is None else raised(answers.flipped),
            )


class Meter:
    """How much of many trainings is done, the running ones by their steps."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.costs = {cell.path: cell.recipe.steps * COST.get(cell.model, 1) for cell in cells}
        self.done: set[Path] = set()
        folds, seeds = len({cell.fold for cell in cells}) > 1, len({cell.seed for cell in cells}) > 1
        self.titles = {  # what tells them apart
            cell.path: f"{cell.arm} · {cell.model}"
            + f" · fold {cell.fold}" * folds
            + f" · seed {cell.seed}" * seeds
            for cell in cells
        }

    def advance(
        self, advance: Advance, ended: Sequence[Cell], running: Mapping[Path, float] | None = None
    ) -> None:
        """Tell that trainings ended, how far the others are (folder → share), and one that runs now."""
        self.done |= {cell.path for cell in ended}
        under_way = {path: share for path, share in (running or {}).items() if path not in self.done}
        spent = sum(self.costs[path] for path in self.done)
        part = sum(self.costs[path] * share for path, share in under_way.items())
        begun = [self.titles[path] for path, share in under_way.items() if 0 < share < 1]
        share = (spent + part) / (sum(self.costs.values()) or 1)
        advance(len(ended), begun[0] if begun else "", share=share)


def _attempt(
    cells: Sequence[Cell],
    works: Sequence[Callable[..., bool]],
    jobs: int,
    failures: list[str],
    advance: Callable[[Sequence[Cell], Mapping[Path, float]], None],
    stop: Callable[[], bool],
) -> tuple[list[Cell], list[Cell]]:
    """Train cells in a pool of processes.

    Returns those that another process is training, and in their order those lost with the pool.
    """
    # begin
    elsewhere: list[Cell] = []
    lost: list[Cell] = []
    board = processes.Board(len(cells))
    with _tidied(cells), processes.pool(jobs, board) as pool:
        running: dict[Future[bool], Cell] = {}
        for number, (cell, work) in enumerate(zip(cells, works, strict=True)):
            try:
                running[pool.submit(work, number=number)] = cell
            except BrokenProcessPool:
                lost.append(cell)

        # hear of each as it ends
        while running:
            ready, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
            ended = []
            for future in ready:
                cell, error = running.pop(future), future.exception()
                if isinstance(error, BrokenProcessPool):
                    lost.append(cell)
                elif error is None and not future.result():
                    elsewhere.append(cell)
                else:
                    failures += [f"{cell.title}: {_sentence(error)}"] if error else []
                    ended.append(cell)
            advance(ended, {cell.path: share for cell, share in zip(cells, board.shares, strict=True)})
            if stop():
                left = len(running) + len(elsewhere) + len(lost)
                raise Interrupted(f"Stopped with {left} cells to go; run the same command again to go on.")
    return elsewhere, sorted(lost, key=cells.index)


@contextmanager
def _tidied(cells: Sequence[Cell]) -> Iterator[None]:
    """Take away the locks that processes leave behind which were ended in the middle."""
    try:
        yield
    except BaseException:
        for folder in {cell.path.parent for cell in cells}:
            lock.sweep(folder)
        raise


def kept_of(cells: Sequence[Cell]) -> list[Cell]:
    """One cell a model and arm, of the lowest fold and seed: its weights are kept unless all are."""
    first: dict[tuple[str, Arm], Cell] = {}
    for cell in sorted(to_train(cells), key=lambda cell: (cell.fold, cell.seed)):
        first.setdefault((cell.model, cell.arm), cell)
    return list(first.values())


def bytes_needed(study: Study, cells: Sequence[Cell], keep_weights: bool, keep_some: bool = False) -> int:
    """What the answers of cells, the weights that are kept, and the report take on the disk at most."""
    classes = len(study.classes)
    # answers, and the same with those to mirror images
    rows = 2 * sum(len(study.test(cell.fold)) for cell in cells)
    needed = rows * (250 + 12 * classes) + 16_384 * len(cells) + REPORT_BYTES
    return needed + sum(weights_kept(study, cells, keep_weights, keep_some))


def weights_kept(
    study: Study, cells: Sequence[Cell], keep_weights: bool, keep_some: bool = False
) -> list[int]:
    """How large the file of each network is whose weights are kept, at most."""
    kept = to_train(cells) if keep_weights else kept_of(cells) if keep_some else ()
    return [weight_bytes(cell.recipe.model, len(study.classes)) for cell in kept]


def require_space(study: Study, cells: Sequence[Cell], keep_weights: bool, keep_some: bool = False) -> None:
    """BusError before the work where the disk has no room for what cells write."""
    needed = bytes_needed(study, cells, keep_weights, keep_some)
    files.require_space(study.path, needed, f"Training {len(cells)} cells")


def _sentence(error: BaseException) -> str:
    if isinstance(error, BusError):
        return str(error)
    if is_out_of_memory(error):
        return "ran out of memory. Use fewer --jobs, or a smaller --size in a new study."
    if isinstance(error, BrokenProcessPool):
        return processes.KILLED
    return f"{type(error).__name__}: {error}"
