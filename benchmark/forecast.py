"""What a benchmark will take: seconds, bytes and files of each of its parts, from work that is timed here.

`bus benchmark --dry-run` tells the sum; docs/scale.md holds it against a real run, and shows what the same
says of studies that nobody ran.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..core.compute import Compute
from ..data import phantom
from ..data.study import Study
from ..gan.config import GanConfig
from ..gan.monitor import SPLITS as LOOKS
from ..gan.request import plan_gan
from ..gan.scores.distances import SPLITS
from ..gan.scores.scans import JUDGED
from ..gan.train import PHANTOM_PAIRS, SHEET_EVERY, bytes_kept, time_steps
from ..gan.translator import REPORTS, Translator
from . import run, warm_start
from .audit import REMADE
from .cell import Cell
from .cells import cells_of, synthetic_needed
from .estimate import START, Kind, Outlook, Pace, kind_of, measure, wall_seconds
from .per_image import per_image_training, preview
from .request import Request

TRANSLATORS, SCANS, SCORES, AUDIT, TRAININGS, PAGES = (
    "translators",
    "synthetic scans",
    "their scores",
    "audit",
    "trainings",
    "report",
)
KIND = ("size", "batch", "generator", "channels", "blocks", "discriminator", "device", "precision")
WIDTH = 1280  # of the features by which scans are judged
TIMED = 8  # scans of which one step of the work is timed
# Beside frozen networks and distances: a small network that is trained, hand-made features, readers.
JUDGES_SCAN = 0.03  # s a scan
LOOK_SCAN = 0.01  # s a scan: hand-made features at an interval of a translator's training
SET = 400  # scans of the sets between which distances are timed
REPORT, REPORT_CELL = 6.0, 0.2  # s; s a cell: statistics, figures, pages
ROW, MANIFEST_ROW = 135, 300  # bytes of a scan in a table of answers, of a synthetic one in its manifest
HEAT_ROW = 64  # bytes of a coarse map
# Config, DONE and what else each has beside what is counted by scan, step or weight.
OWN_FILES = {"translator": 6, "synthetic": 4, "cell": 6, "report": 28}
OWN_BYTES = {"translator": 30_000, "synthetic": 15_000, "cell": 2_500, "report": 2_000_000}


@dataclass(frozen=True)
class Part:
    """One kind of work: what each of its pieces takes, and what all of them leave on the disk."""

    name: str
    pieces: tuple[Outlook, ...]  # of which several may be done at once
    bytes: int = 0
    files: int = 0
    read: int = 0  # bytes of pixels

    def lasting(self, jobs: int, start: float = START) -> Outlook:
        """How long its pieces last when `jobs` run at once, each job with a start."""
        kinds = zip(*((one.usual, one.quick, one.slow) for one in self.pieces), strict=True)
        return Outlook(*(wall_seconds(seconds, jobs, start) for seconds in kinds))

    def here(self, jobs: int) -> Outlook:
        """How long it lasts on one machine, `jobs` trainings of classifiers at once, all else alone."""
        return self.lasting(jobs) if self.name.startswith(TRAININGS) else self.lasting(1, start=0)


@dataclass
class Rates:
    """Seconds of single pieces of work on this machine, each measured when it is first asked for."""

    paces: dict[Kind, Pace] = field(default_factory=dict)  # of a cell
    steps: dict[tuple[int | str, ...], Outlook] = field(default_factory=dict)  # of a translator, by KIND
    scans: dict[str, float] = field(default_factory=dict)  # to simulate, translate, look at one scan
    distances: dict[int, float] = field(default_factory=dict)  # between two sets of so many scans
    square: int = 0  # bytes of a synthetic scan's file

    def pace(self, study: Study, cell: Cell) -> Pace:
        """Of the parts of a cell like this."""
        kind = kind_of(cell)
        if kind not in self.paces:
            self.paces[kind] = measure(study, cell)
        return self.paces[kind]

    def step(self, study: Study, config: GanConfig, compute: Compute) -> Outlook:
        """Of a step of a translator like this."""
        kind = tuple(getattr(config, name) for name in KIND)
        if kind not in self.steps:
            self.steps[kind] = Outlook(*time_steps(study, config, compute))
        return self.steps[kind]

    def scan(self, what: str, work: Callable[[], object], count: int = TIMED) -> float:
        """Of `work` on `count` scans, done twice, a scan; the first time warms up."""
        if what not in self.scans:
            work()
            begun = time.perf_counter()
            work()
            self.scans[what] = (time.perf_counter() - begun) / count
        return self.scans[what]

    def distance(self, count: int) -> float:
        """Of all distances between two sets of `count` scans; beyond SET in proportion to the pairs."""
        small = min(count, SET)
        if small not in self.distances:
            from ..gan.scores.distances import distances  # late: torch-fidelity takes seconds to import

            drawn = np.random.default_rng(0).standard_normal((2, small, WIDTH), dtype=np.float32)
            distances(*drawn)
            begun = time.perf_counter()
            distances(*drawn)
            self.distances[small] = time.perf_counter() - begun
        return self.distances[small] * (count / small) ** 2


def forecast(study: Study, request: Request, rates: Rates) -> list[Part]:
    """The parts of a benchmark that are still to be done, in their order; measures what `rates` lack."""
    todo = to_do(study, request)
    parts: list[Part] = []
    if todo:
        trained = _trainings(study, request, todo, rates)
        parts = [*_synthetic(study, request, rates), trained, _report(study, request, todo, rates)]
    if request.inflation:
        sub = preview(study)
        alike = per_image_training(study, sub, request)
        if todo := to_do(sub, alike):
            claimed = [*_synthetic(sub, alike, rates), _trainings(sub, alike, todo, rates)]
            parts += [replace(part, name=f"{part.name}, per image") for part in claimed]
    return [part for part in parts if part.pieces]


def to_do(study: Study, request: Request) -> list[Cell]:
    """The cells that are still to be trained, or to answer scans from elsewhere.

    Which set that is shows only when it is read, so a cell that answered any counts as done; one without
    answers is trained again where its weights were not kept whole.
    """
    cells = cells_of(study, request)
    todo = {cell.path for cell in run.missing(cells, request.keep_weights)}
    if request.external:
        todo |= {cell.path for cell in cells if cell.is_done and not cell.done.external}
    return [cell for cell in cells if cell.path in todo]


def to_train(todo: Sequence[Cell]) -> list[Cell]:
    """Those of `to_do` that take a training: where weights were kept whole, answers alone are missing."""
    return [cell for cell in run.to_train(todo) if not (cell.is_done and cell.has_whole_weights)]


def training(
    study: Study, config: GanConfig, compute: Compute, rates: Rates, begun: Translator | None = None
) -> Outlook:
    """How long a translator's training lasts: steps, phantoms, looks, and what it grows from.

    What is left of them where it goes on from the checkpoint of a translator that was `begun`.
    """
    done = begun.steps_done if begun else 0
    left = {config: config.steps - done}
    if config.from_size and not done:
        left[config.smaller] = config.smaller.steps - (begun.smaller.steps_done if begun else 0)
    lasting = Outlook()
    for each, steps in left.items():
        step = rates.step(study, each, compute)
        lasting += Outlook(*(steps * seconds for seconds in (step.usual, step.quick, step.slow)))
        if each.simulated:
            lasting += _even(2 * PHANTOM_PAIRS * _simulating(each.side, rates))
    if config.preset == "demo":
        return lasting
    target = min(JUDGED, len(study.rows_of(study.train(config.fold), [config.target])))
    half, looks = max(2, target // 2), _sheets(config) * left[config] / config.steps
    each_look = half * (_seeing(study, rates) + _translating(study, config, rates))
    each_look += 3 * LOOKS * rates.distance(half) + LOOK_SCAN * (2 * half + target)
    return lasting + _even(looks * each_look + (half + target) * _seeing(study, rates))


def _sheets(config: GanConfig) -> int:
    """How many sample sheets a training leaves."""
    return config.steps // (max(1, config.steps // REPORTS) * SHEET_EVERY)


def _even(seconds: float) -> Outlook:
    return Outlook(seconds, seconds, seconds)


def _synthetic(study: Study, request: Request, rates: Rates) -> list[Part]:
    """Translators, their scans, scores, and the audit, which makes each scan once more."""
    trained: list[Outlook] = []
    scans: list[Outlook] = []
    scores: list[Outlook] = []
    audits: list[Outlook] = []
    kept = count = read = sheets = 0
    for (fold, label, seed), needed in synthetic_needed(study, request).items():
        translator = Translator(study, fold, label, seed)
        config, compute = plan_gan(translator, request.ask, request.compute, preset=request.preset)
        if not translator.is_done:
            trained.append(training(study, config, compute, rates, translator))
            kept += bytes_kept(config, compute)
            sheets += _sheets(config)
            read += 2 * config.pairs * study.settings.size**2
        new = max(0, needed - len(translator.scans.rows))
        seconds = _translating(study, config, rates)
        audits.append(_even(min(needed, REMADE) * seconds))
        if new or not translator.scans.scores:
            scans.append(_even(new * seconds))
            scores.append(_even(_scoring(study, config, needed, rates)))
            count += new
    picture = 15 * study.settings.size**2  # bytes of a sheet: 30 squares, half of which compress away
    return [
        Part(
            TRANSLATORS,
            tuple(trained),
            kept + len(trained) * OWN_BYTES["translator"] + sheets * picture,
            len(trained) * OWN_FILES["translator"] + sheets,
            read,
        ),
        Part(
            SCANS,
            tuple(scans),
            count * (rates.square + MANIFEST_ROW) + len(scans) * OWN_BYTES["synthetic"],
            count + len(scans) * OWN_FILES["synthetic"],
        ),
        Part(SCORES, tuple(scores)),
        Part(AUDIT, tuple(audits)),
    ]


def _trainings(study: Study, request: Request, todo: Sequence[Cell], rates: Rates) -> Part:
    """The cells, with first weights that they start from."""
    trained = to_train(todo)
    trained += warm_start.untrained(study, trained)
    pieces, square = [], study.settings.size**2
    for cell in trained:
        pace = rates.pace(study, cell)
        steps = (pace.step, *pace.range)
        pieces.append(Outlook(*(pace.seconds(study, cell, step) for step in steps)))
    rows = sum(len(study.test(cell.fold)) for cell in todo)
    heat = sum(len(study.test(cell.fold)) for cell in trained) * HEAT_ROW
    kept = run.weights_kept(study, todo, request.keep_weights, keep_some=True)
    if not request.keep_weights:
        kept = [size // 2 for size in kept]  # in half precision where that changes no answer, as usual
    read = sum((len(study.train(cell.fold)) + len(study.test(cell.fold))) * square for cell in trained)
    return Part(
        TRAININGS,
        tuple(pieces),
        2 * rows * ROW + heat + len(todo) * OWN_BYTES["cell"] + sum(kept),
        len(todo) * OWN_FILES["cell"] - (len(todo) - len(trained)) + len(kept),
        read,
    )


def _report(study: Study, request: Request, todo: Sequence[Cell], rates: Rates) -> Part:
    """The frozen network's yardstick, distances to the test scans, statistics, figures, pages."""
    used, answers = len(study.used()), sum(len(study.test(cell.fold)) for cell in todo)
    seconds = REPORT + REPORT_CELL * len(todo) + used * _seeing(study, rates)
    for (fold, label, _), needed in synthetic_needed(study, request).items():
        tests = min(JUDGED, len(study.rows_of(study.test(fold), [label])))
        judged = min(needed, JUDGED)
        seconds += judged * _seeing(study, rates) + 3 * SPLITS * rates.distance(max(2, tests // 2))
    features = 4 * WIDTH * len(study.scans)
    return Part(
        PAGES,
        (_even(seconds),),
        OWN_BYTES["report"] + features + answers * ROW,
        OWN_FILES["report"],
        used * study.settings.size**2,
    )


# single scans


def _scoring(study: Study, config: GanConfig, made: int, rates: Rates) -> float:
    """Seconds until a set of `made` scans is scored."""
    train = study.train(config.fold)
    made = min(made, JUDGED)
    real = sum(min(JUDGED, len(study.rows_of(train, [label]))) for label in study.classes)
    half = min(JUDGED, len(study.rows_of(train, [config.target]))) // 2
    judging = (real + made) * (JUDGES_SCAN + _seeing(study, rates))
    return judging + 3 * SPLITS * rates.distance(max(2, half))


def _simulating(size: int, rates: Rates) -> float:
    specs = phantom.specs(TIMED, size=size, seed=0)
    return rates.scan(f"simulated at {size} px", lambda: [phantom.simulate(spec) for spec in specs])


def _translating(study: Study, config: GanConfig, rates: Rates) -> float:
    """Seconds of a translation, with its file."""

    def work() -> None:
        from ..data.pictures import synthetic_png
        from ..gan.pixels import noise_of, translated

        generator = config.build_generator().to(config.device).eval()
        with torch.inference_mode():
            for square in study.pixels[:TIMED]:
                made = translated(generator, square, config.device, noise_of(generator, 0, 0))
                rates.square = len(synthetic_png(made))

    return rates.scan("translated", work)


def _seeing(study: Study, rates: Rates) -> float:
    """Seconds until a frozen network has seen a scan."""

    def work() -> None:
        from ..gan.scores.features import features, lite0  # late: torch-fidelity takes seconds to import

        features(np.asarray(study.pixels[:TIMED]), lite0())

    return rates.scan("seen", work)
