"""Running cells: what one cell trains on, and many cells beside each other."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.torch import save as safetensors_bytes

from ..classify import explain, metrics
from ..classify.catalogue import DEEP
from ..classify.models import build, place, weight_bytes
from ..classify.prior import corrected
from ..classify.train import Examples, fit, predict, recalibrate
from ..core import files, lock, processes
from ..core.compute import Compute, is_out_of_memory
from ..core.errors import BusError
from ..core.progress import Advance, Interrupted, note, progress, result, stoppable
from ..data.store import Pixels
from ..data.study import Study
from ..gan.manifest import SyntheticSet
from . import foreign, warm_start
from .arms import ADDING, Arm
from .cell import Cell, Effort
from .cells import PHANTOM_INIT, picked, training_rows
from .external import External

REPORT_BYTES = 10 << 20
START = 5.0  # s until a process has imported torch and opened the study (4–6 s of one core of an EPYC)
TIMED, TIMED_STEPS = 16, 11  # test scans whose answers, and steps, that are timed for an estimate
LOSSES = 50  # means of the loss that are kept of a training
HALF_ERROR = 1e-3  # of a probability, up to which weights are kept in half precision
DEEP_STEP = 6  # times as long as a step of the other networks
RETRY = 2.0  # s between two looks at cells that other processes train


def key(digest: str) -> int:
    """A number for a scan that is the same in every arm and study."""
    return int(digest[:15], 16)


def examples(study: Study, cell: Cell) -> Examples:
    """The training part of one cell: the fold's real scans, then what its arm adds to the raised classes."""
    own, arm = _own(study, training_rows(study, cell.fold, cell.recipe)[0]), cell.arm
    pixels, labels, keys = [own.pixels], [own.labels], list(own.keys)
    for label, number in cell.added.items() if arm.kind in ADDING else ():
        added = _repeated if arm.kind == "oversampled" else _synthetic
        squares, numbers = added(study, cell, label, number)
        pixels.append(squares)
        labels.append(np.full(len(squares), study.classes.index(label)))
        keys += numbers
    return Examples(np.concatenate(pixels), np.concatenate(labels), keys, len(own.labels))


def _own(study: Study, rows: list[int]) -> Examples:
    """Real scans as they are."""
    return Examples(study.pixels[rows], study.labels[rows], [key(study.scans[row].sha256) for row in rows])


def _repeated(study: Study, cell: Cell, label: str, number: int) -> tuple[Pixels, list[int]]:
    """Real scans of class `label` again, each as often as the others or once more, with keys of their own."""
    own = study.rows_of(study.train(cell.fold), [label])
    order = np.random.default_rng((cell.draw, 12, study.classes.index(label))).permutation(len(own))
    extra = [own[order[turn % len(own)]] for turn in range(number)]
    keys = [key(study.scans[row].sha256) + 1 + turn for turn, row in enumerate(extra)]
    return study.pixels[extra], keys


def _synthetic(study: Study, cell: Cell, label: str, number: int) -> tuple[Pixels, list[int]]:
    """The first synthetic scans of class `label`, or in the arm `relabelled` their sources as they were."""
    arm = cell.arm
    if cell.folder:
        squares = foreign.load(study, cell.folder, number)
        return squares, [key(files.sha256_bytes(square.tobytes())) for square in squares]
    made = picked(study, cell.fold, label, cell.gan_seed, arm.source, number)
    keys = [key(row.sha256) for row in made]
    if arm.kind == "cyclegan":
        return SyntheticSet(study, cell.fold, label, cell.gan_seed).pixels(made), keys
    row_of = {(scan.sha256, scan.label): row for row, scan in enumerate(study.scans)}
    return study.pixels[[row_of[row.source_sha256, row.source_label] for row in made]], keys


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
        watched=_own(study, training_rows(study, cell.fold, cell.recipe)[1]),
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
        state = {name: tensor.cpu().contiguous() for name, tensor in outcome.network.state_dict().items()}
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
    if cell.first and f"weights {files.sha256_file(cell.first)}" != cell.recipe.init:
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
    external: External | None = None,
) -> list[str]:
    """Train what is missing, `jobs` cells at once in processes of their own; returns what failed.

    `keep_weights` of all, or with `keep_some` of one cell a model and arm, small (`kept_of`), so that
    `bus predict` has one to ask.
    A failed cell does not stop the others. A killed process takes its pool with it: what is left goes on with
    half as many at once, since memory is the usual reason; with one at a time it is known whom to blame. A
    cell that another process trains is waited for in the end. Arms that train nothing come last. Raises
    Interrupted after Ctrl-C: finished cells stay, running ones begin again next time.
    """
    # the longest first
    todo = sorted(
        to_train(missing(cells, keep_weights, external)), key=lambda cell: cell.recipe.model not in DEEP
    )
    compacted = set() if keep_weights or not keep_some else {cell.path for cell in kept_of(cells)}
    failures: list[str] = []
    if not todo:
        correct(study, cells, external)
        return failures
    require_space(study, todo, keep_weights, keep_some)

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
        with lock.attempt(cell.path) as ours:
            if not ours:
                continue  # another process is at it
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
        self.costs = {
            cell.path: cell.recipe.steps * (DEEP_STEP if cell.model in DEEP else 1) for cell in cells
        }
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
    shares = processes.shares(len(cells))
    pool = processes.pool(jobs, shares)
    try:
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
            advance(ended, {cell.path: share for cell, share in zip(cells, shares, strict=True)})
            if stop():
                left = len(running) + len(elsewhere) + len(lost)
                raise Interrupted(f"Stopped with {left} cells to go; run the same command again to go on.")
    finally:
        for process in (pool._processes or {}).values() if stop() else ():
            process.kill()
        pool.shutdown(wait=not stop(), cancel_futures=True)
    return elsewhere, sorted(lost, key=cells.index)


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
    kept = to_train(cells) if keep_weights else kept_of(cells) if keep_some else ()
    return needed + sum(weight_bytes(cell.recipe.model, classes) for cell in kept)


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


@dataclass(frozen=True)
class Pace:
    """Seconds that the parts of a cell take on this machine with one thread."""

    build: float  # of the networks, with the first step's surplus
    step: float
    recalibration: float  # a batch
    predict: float  # a scan
    heat: float  # a scan
    range: tuple[float, float] = (0.0, 0.0)  # a quick and a slow step: one in ten is quicker, one slower

    def seconds(self, study: Study, cell: Cell, step: float | None = None) -> float:
        """What a whole cell takes: training, batch statistics, answers and heat of test and watched scans.

        `step`: with other steps than the usual one.
        """
        recipe, tested = cell.recipe, len(study.test(cell.fold))
        watched = len(training_rows(study, cell.fold, recipe)[1]) if recipe.schedule == "plateau" else 0
        looks = recipe.steps // recipe.epoch if watched and recipe.epoch else 0
        usual = self.step if step is None else step
        training = recipe.steps * usual + recipe.recalibration * self.recalibration
        answered = 2 * tested + looks * watched  # test scans and their mirror images, watched scans
        return self.build + training + answered * self.predict + tested * self.heat


def measure(study: Study, cell: Cell) -> Pace:
    """Time the parts of a cell: some steps, a batch of recalibration, answers and their heat.

    The median step counts: on a machine that does something else too, single ones take many times as long.
    """
    # some steps
    compute = Compute(cell.device, cell.precision, 1)
    compute.start()
    own, classes = _own(study, training_rows(study, cell.fold, cell.recipe)[0]), len(study.classes)
    short = replace(cell.recipe, init="none", schedule="cosine", recalibration=0)
    ends: list[float] = []
    begun = time.perf_counter()
    outcome = fit(
        own,
        classes,
        replace(short, steps=TIMED_STEPS + 1),
        compute,
        0,
        told=lambda share: ends.append(time.perf_counter()),
    )

    # the usual one, and the spread
    steps = np.diff(ends)  # the first one is slower, and counts with the building
    quick, step, slow = np.quantile(steps, (0.1, 0.5, 0.9))

    # a batch of recalibration, answers, heat
    squares = study.pixels[study.test(cell.fold)[:TIMED]]
    times = [time.perf_counter()]
    recalibrate(outcome.network, own, replace(short, recalibration=1), compute, 0)
    times.append(time.perf_counter())
    answers = metrics.answers(predict(outcome.network.eval(), squares, compute))
    times.append(time.perf_counter())
    explain.coarse_maps(outcome.network, squares, answers, compute.device)
    times.append(time.perf_counter())
    batch, predicted, heat = np.diff(times)
    return Pace(
        build=max(0.0, ends[0] - begun - step),
        step=float(step),
        recalibration=float(batch),
        predict=float(predicted) / len(squares),
        heat=float(heat) / len(squares),
        range=(float(quick), float(slow)),
    )


@dataclass(frozen=True)
class Outlook:
    """How long something will take, in seconds: as usual, and with quick and with slow steps."""

    usual: float = 0.0
    quick: float = 0.0
    slow: float = 0.0

    def __add__(self, other: "Outlook") -> "Outlook":
        return Outlook(self.usual + other.usual, self.quick + other.quick, self.slow + other.slow)


def outlook(study: Study, cells: Sequence[Cell], paces: dict[tuple[str, int], Pace], jobs: int) -> Outlook:
    """How long the trainings of cells last when `jobs` run at once, with the start of the processes.

    Measures what is not yet in `paces` (by model and batch).
    """
    cells = to_train(cells)
    for cell in cells:
        kind = (cell.model, cell.recipe.batch)
        if kind not in paces:
            paces[kind] = measure(study, cell)
    pace_of = [paces[cell.model, cell.recipe.batch] for cell in cells]

    def lasting(steps: Sequence[float]) -> float:
        parts = zip(pace_of, cells, steps, strict=True)
        return wall_seconds([pace.seconds(study, cell, step) for pace, cell, step in parts], jobs)

    quick, slow = zip(*(pace.range for pace in pace_of), strict=True) if cells else ((), ())
    return Outlook(lasting([pace.step for pace in pace_of]), lasting(quick), lasting(slow))


def wall_seconds(spent: Sequence[float], jobs: int) -> float:
    """How long works that take `spent` seconds each last when `jobs` run at once, with their start."""
    return max(sum(spent) / jobs, max(spent)) + START if spent else 0.0
