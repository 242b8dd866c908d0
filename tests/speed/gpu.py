"""`make gpu`: what a graphics card computes and how fast, as one table and gpu.json; without one, "not run".

    python tests/speed/gpu.py [--data PATH] [--rows correct,speed] [--minutes 8] [--device cpu --tiny]

Installs nothing. PATH is what bus takes as --data (phantoms unless given), or the folder of a prepared study,
which stands in for the scans at its own side. Every row is written as soon as it is there; one that fails is
written with its reason, and one for which no time is left says so. Exit code 1 where a correctness row fails.
"""

import argparse
import io
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bus.benchmark import run
from bus.benchmark.arms import parse
from bus.benchmark.cell import Cell
from bus.benchmark.cells import STEPS, cells_of, synthetic_needed
from bus.benchmark.request import Request
from bus.classify.augmentation import Examples, on_device
from bus.classify.models import build, place
from bus.classify.recipe import Recipe, build_optimiser
from bus.classify.train import move_average, step_batch, update
from bus.core import files
from bus.core.compute import Compute, resolve
from bus.core.recorded import Recorded
from bus.data.study import Study, open_or_create
from bus.gan.config import GanConfig
from bus.gan.cyclegan import CycleGAN
from bus.gan.recording import Recording
from bus.gan.request import Ask, Judge, plan_gan
from bus.gan.synth import make_scans
from bus.gan.train import time_steps, train_gan
from bus.gan.translator import Translator
from measure import Bench, flops, machine
from rich.console import Console
from rich.table import Table

CLASSES = 3
NETWORKS = ("simplecnn", "vgg19", "resnet18")
CLOSE = 1e-4  # largest relative difference of losses between card and processor, float32
SCANS = 300  # that a translator's quality is judged by


@dataclass
class Found:
    """One row: what was asked, what came out, what was to be reached, and whether it was."""

    name: str
    what: str
    value: str
    aim: str = ""
    met: bool | None = None  # None: nothing to be reached, or not run
    seconds: float = 0.0  # that the row took


@dataclass(frozen=True)
class Card:
    """What is measured on, and how large."""

    bench: Bench
    data: str | None
    minutes: float

    @property
    def compute(self) -> Compute:
        """Device and precision of the rows of speed and quality."""
        return self.bench.compute

    @property
    def float32(self) -> Compute:
        """The same device in float32."""
        return replace(self.compute, precision="float32")

    @property
    def records(self) -> bool:
        """Whether steps can be recorded."""
        return self.compute.device == "cuda"

    def sides(self, *full: int) -> tuple[int, ...]:
        """Sides in px."""
        return (32,) if self.bench.tiny else full

    def study(self, side: int) -> Study:
        """A study of that side, of the scans given or of phantoms; a prepared one only at its own side."""
        folder = self.bench.folder / f"study-{side}"
        if self.data and (Path(self.data) / "study.json").exists():
            prepared = Study.open(Path(self.data))
            if prepared.settings.size != side:
                raise LookupError(f"the prepared study is of {prepared.settings.size} px")
            return Study.open(folder) if folder.exists() else copied(prepared, folder)
        if self.data:
            return open_or_create(folder, {"data": self.data, "size": side, "inner": 0})
        return open_or_create(folder, {"size": side, "k": 3}, phantoms=self.bench.size(240, 60))


# what is trained


def translator_of(card: Card, side: int, compute: Compute, **changes: Any) -> GanConfig:
    """The default translator's configuration, trained at this side itself, small where all is."""
    translator = Translator(card.study(side), 0, card.study(side).target, 0)
    config, _ = plan_gan(
        translator, Ask(changes={"train_size": "0"}), compute, preset="quick", insist=("device", "precision")
    )
    small: dict[str, Any] = {"channels": 4, "blocks": 1} if card.bench.tiny else {}
    return replace(config, phantoms=0.0, **small, **changes)


def pair_of(config: GanConfig, number: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Source and target scans of a step, decided by its number."""
    rng = np.random.default_rng(number)
    shape = (config.batch, 1, config.size, config.size)
    first, second = (torch.from_numpy(rng.uniform(-1, 1, shape)).float().to(device) for _ in range(2))
    return first, second


def translator_steps(
    config: GanConfig, step: Callable[..., Any], numbers: range, device: str
) -> Iterator[dict[str, float]]:
    """The losses of steps whose scans and chance their numbers decide."""
    for number in numbers:
        yield step(*pair_of(config, number, device), np.random.default_rng(number)).numbers()


class Classifier:
    """A classifier's training, step by step, as a cell's."""

    def __init__(
        self, card: Card, model: str, side: int, compute: Compute, *, recorded: bool = False
    ) -> None:
        self.recipe = Recipe(model, 1_000, batch=card.bench.size(32, 4), recorded=recorded)
        self.compute, device = compute, compute.device
        rng, count = np.random.default_rng(0), card.bench.size(600, 30)
        scans = rng.integers(0, 256, (count, side, side), np.uint8)
        self.examples = on_device(
            Examples(scans, rng.integers(0, CLASSES, count), list(range(count))), compute
        )
        self.network = place(build(model, CLASSES, "none", 0), model, device).train()
        self.averaged = place(build(model, CLASSES, "none", 0), model, device)
        optimiser = build_optimiser(self.network, self.recipe, fused=compute.fused, device=device)
        weights = torch.ones(CLASSES, device=device)
        work = partial(update, self.network, optimiser, self.recipe, compute, weights)
        self.act, self.number = Recorded(work) if recorded else work, 0

    def step(self) -> torch.Tensor:
        """One step; its loss stays on the card."""
        given = step_batch(self.examples, self.recipe, self.compute, self.number, 0)
        loss = self.act(given).clone()
        move_average(self.averaged, self.network, 0.99)
        self.number += 1
        return loss


def usual_loop(card: Card, model: str, side: int) -> Callable[[], float]:
    """A step as notebooks write it: float32, one launch a weight in updates, the loss asked for each time."""
    device, rng = card.compute.device, np.random.default_rng(0)
    network = build(model, CLASSES, "none", 0).to(device).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, foreach=False, fused=False)
    batch = card.bench.size(32, 4)
    scans = torch.from_numpy(rng.integers(0, 256, (batch, 1, side, side), np.uint8))
    labels = torch.from_numpy(rng.integers(0, CLASSES, batch))

    def step() -> float:
        images = scans.to(device).float() / 255
        loss = torch.nn.functional.cross_entropy(network(images), labels.to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


# correctness


@contextmanager
def true_float32() -> Iterator[None]:
    """Without TensorFloat-32, which keeps 10 of 23 bits."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def apart(first: list[float], second: list[float]) -> float:
    """Largest relative difference."""
    pairs = zip(first, second, strict=True)
    return max(abs(one - other) / max(abs(one), 1e-3) for one, other in pairs)


def close(name: str, what: str, difference: float) -> Found:
    """A row about two lists of losses."""
    return Found(name, what, f"{difference:.1e}", f"≤ {CLOSE:.0e}", difference <= CLOSE)


def against_processor(card: Card) -> list[Found]:
    """Losses of a first step on card and processor, from the same weights and scans, in float32."""
    processor, (side,), rows = Compute("cpu", "float32", card.compute.threads), card.sides(64), []
    with true_float32():
        config, losses = translator_of(card, side, card.float32), []
        for compute in (card.float32, processor):
            model = CycleGAN(replace(config, device=compute.device), compute)
            (found,) = translator_steps(config, model.step, range(1), compute.device)
            losses.append(list(found.values()))
        rows.append(close("translator step", f"{side} px, losses, card against processor", apart(*losses)))
        for model in NETWORKS:
            found = [
                [float(Classifier(card, model, side, compute).step())]
                for compute in (card.float32, processor)
            ]
            rows.append(close(f"{model} step", f"{side} px, loss, card against processor", apart(*found)))
    return rows


def recorded_as_launched(card: Card) -> list[Found]:
    """Losses of recorded steps and of the same ones launched, in float32."""
    what, (side,) = "8 steps, losses, recorded against launched", card.sides(64)
    if not card.records:
        return [Found("recorded steps", what, "not run: no CUDA graphs on this device")]
    with true_float32():
        config, losses = translator_of(card, side, card.float32), []
        for chosen in (config, replace(config, recorded=True)):
            model = CycleGAN(chosen, card.float32)
            step = Recording(model).step if chosen.recorded else model.step
            found = translator_steps(config, step, range(8), card.compute.device)
            losses.append([value for each in found for value in each.values()])
        rows = [close("recorded translator", what, apart(*losses))]
        for model in NETWORKS:
            ways = [Classifier(card, model, side, card.float32, recorded=way) for way in (False, True)]
            first, second = ([float(way.step()) for _ in range(8)] for way in ways)
            rows.append(close(f"recorded {model}", what, apart(first, second)))
    return rows


def resumed(card: Card) -> list[Found]:
    """Whether a translator that goes on from a checkpoint ends at the same bits as one left in peace."""
    (side,), device = card.sides(64), card.compute.device
    config = translator_of(card, side, card.compute)
    through = CycleGAN(config, card.compute)
    list(translator_steps(config, through.step, range(8), device))
    first, second, kept = CycleGAN(config, card.compute), CycleGAN(config, card.compute), io.BytesIO()
    list(translator_steps(config, first.step, range(4), device))
    torch.save(first.state(), kept)
    kept.seek(0)
    second.restore(torch.load(kept, map_location=device, weights_only=True))
    list(translator_steps(config, second.step, range(4, 8), device))
    pairs = zip(through.averaged.parameters(), second.averaged.parameters(), strict=True)
    difference = max(float((one - other).abs().max()) for one, other in pairs)
    said = "equal bit for bit" if difference == 0 else f"weights differ by up to {difference:.1e}"
    return [Found("resume", f"{side} px, 4 + 4 steps against 8", said, "equal", difference == 0)]


def side_by_side(card: Card) -> list[Found]:
    """Whether predictions depend on how many cells are trained at once."""
    (side,), answers = card.sides(64), []
    base = card.study(side)
    for jobs in (1, 2):
        folder = card.bench.folder / f"jobs-{jobs}"
        study = copied(base, folder)
        wish = request(card, 0, "original,oversampled", ("simplecnn",), 2, "demo")
        _, cells = trained(card, study, wish, jobs)
        answers.append([(cell.path / "predictions.csv").read_bytes() for cell in cells])
    same = answers[0] == answers[1]
    said = "equal byte for byte" if same else "they differ"
    return [Found("jobs", "predictions of 4 cells, one and two at once", said, "equal", same)]


def copied(study: Study, folder: Path) -> Study:
    """The same study elsewhere, without what was trained in it."""
    folder.mkdir()
    for name in ("study.json", "cohort.csv", "pixels.npy", "masks.npy"):
        if (study.path / name).exists():
            shutil.copy(study.path / name, folder)
    return Study.open(folder)


def request(card: Card, fold: int, names: str, models: tuple[str, ...], seeds: int, preset: str) -> Request:
    """What a benchmark is asked for, its steps recorded where that is possible."""
    recipe = (("recorded", True),) if card.records else ()
    arms = tuple(map(parse, names.split(",")))
    return replace(Request((fold,), arms, models, seeds, preset, recipe=recipe), compute=card.compute)


def trained(card: Card, study: Study, wish: Request, jobs: int) -> tuple[float, list[Cell]]:
    """Seconds in which the cells of a request are trained, and these."""
    steps = dict(STEPS)
    if card.bench.tiny:
        STEPS.update(dict.fromkeys(steps, (2, 2, 2)))
    begun = time.perf_counter()
    try:
        cells = cells_of(study, wish)
        run.run(study, cells, jobs=jobs, threads=1, keep_weights=False)
    finally:
        STEPS.update(steps)
    return time.perf_counter() - begun, cells


# speed


def rates(card: Card) -> list[Found]:
    """What the card reaches at best: a matrix product in the precision of the rows, a copy in its memory."""
    bench, precision = card.bench, card.compute.precision
    memory = torch.zeros(bench.size(1 << 28, 1 << 20), device=card.compute.device)
    other = torch.zeros_like(memory)
    (seconds,) = bench.interleave(5, lambda: other.copy_(memory))
    return [
        Found("matrix rate", precision, f"{bench.rate(precision) / 1e12:.3g} TFLOP/s"),
        Found("memory rate", "read and written", f"{2 * 4 * len(memory) / seconds / 1e9:.4g} GB/s"),
    ]


def translator_speed(card: Card) -> list[Found]:
    """A step of the default translator, launched and recorded."""
    rows = []
    for side in card.sides(64, 128, 256):
        config = translator_of(card, side, card.compute)
        model = CycleGAN(config, card.compute)
        batch, rng = pair_of(config, 0, card.compute.device), np.random.default_rng(0)
        ways = {"launched": partial(model.step, *batch, rng)}
        if card.records:
            recorded = Recording(CycleGAN(replace(config, recorded=True), card.compute))
            for _ in range(5):
                recorded.step(*batch, rng)
            ways["recorded"] = partial(recorded.step, *batch, rng)
        rows.append(speed(card, f"translator, {side} px", ways, flops(ways["launched"])))
    return rows


def classifier_speed(card: Card) -> list[Found]:
    """A step of each classifier, against the usual loop."""
    rows = []
    for model in NETWORKS:
        for side in card.sides(64, 128, 224):
            launched = Classifier(card, model, side, card.compute)
            ways = {"usual loop": usual_loop(card, model, side), "launched": launched.step}
            if card.records:
                recorded = Classifier(card, model, side, card.compute, recorded=True)
                for _ in range(5):
                    recorded.step()
                ways["recorded"] = recorded.step
            rows.append(speed(card, f"{model}, {side} px", ways, flops(launched.step), aim=10))
    return rows


def speed(
    card: Card, name: str, ways: dict[str, Callable[[], object]], operations: float, aim: float | None = None
) -> Found:
    """Milliseconds of each way of a step, the share of the matrix rate that the last reaches, its ratio."""
    bench, batch = card.bench, card.bench.size(20, 2)

    def several(work: Callable[[], object]) -> None:
        for _ in range(batch):  # without waiting between them
            work()

    found = bench.interleave(3, *(partial(several, work) for work in ways.values()))
    seconds = {way: value / batch for way, value in zip(ways, found, strict=True)}
    first, *_, last = seconds.values() if len(seconds) > 1 else 2 * [*seconds.values()]
    said = ", ".join(f"{way} {1000 * value:.3g} ms" for way, value in seconds.items())
    share = operations / last / bench.rate(card.compute.precision)
    ratio = first / last
    value = f"{said}; {100 * share:.2g} % of the matrix rate; {ratio:.3g} ×"
    return Found(name, "a step", value, f"≥ {aim:g} ×" if aim else "", ratio >= aim if aim else None)


def whole_fold(card: Card) -> list[Found]:
    """A quick benchmark of one fold: translator, its scans, twelve cells."""
    rows = []
    for side in card.sides(64, 128):
        study = copied(card.study(side), card.bench.folder / f"fold-{side}")
        seconds = {"translator": translate(card, study, None)}
        wish = request(card, 0, "original,weighted,oversampled,cyclegan", NETWORKS, 1, "quick")
        needed = max(synthetic_needed(study, wish).values())
        begun = time.perf_counter()
        make_scans(
            Translator(study, 0, study.target, 0),
            card.compute,
            Judge("efficientnet-lite0", splits=10),
            count=needed,
        )
        seconds["scans"] = time.perf_counter() - begun
        for jobs in (4, 1):
            elsewhere = copied(study, card.bench.folder / f"fold-{side}-{jobs}")
            shutil.copytree(study.path / "fold-0", elsewhere.path / "fold-0")
            seconds[f"12 cells, {jobs} at once"], _ = trained(card, elsewhere, wish, jobs)
        cells = min(value for name, value in seconds.items() if "cells" in name)
        said = ", ".join(f"{name} {value:.3g} s" for name, value in seconds.items())
        aim = "cells < 60 s" if side == 64 else ""
        rows.append(Found(f"one fold, {side} px", "quick", said, aim, cells < 60 if aim else None))
    return rows


def translate(card: Card, study: Study, pairs: int | None) -> float:
    """Seconds in which the default translator of fold 0 is trained, its steps recorded where possible."""
    translator = Translator(study, 0, study.target, 0)
    changes = {"recorded": "true"} if card.records else {}
    small = {"channels": "4", "blocks": "1", "phantoms": "0"} if card.bench.tiny else {}
    ask = Ask(pairs=8 if card.bench.tiny else pairs, changes=changes | small)
    config, compute = plan_gan(translator, ask, card.compute, preset="quick", insist=("device", "precision"))
    begun = time.perf_counter()
    train_gan(study, config, compute)
    return time.perf_counter() - begun


# quality


def quality(card: Card, seconds: int, side: int) -> list[Found]:
    """Normalised KID of what the default translator makes in so many seconds, its whole schedule included."""
    (true,), folder = card.sides(side), card.bench.folder / f"quality-{side}-{seconds}"
    study = copied(card.study(true), folder)
    translator = Translator(study, 0, study.target, 0)
    changes = {"recorded": "true"} if card.records else {}
    config, _ = plan_gan(
        translator, Ask(changes=changes), card.compute, preset="quick", insist=("device", "precision")
    )
    step, _, _ = time_steps(study, config, card.compute)
    pairs = max(config.batch, round(seconds / step) * config.batch)
    spent = translate(card, study, pairs)
    make_scans(translator, card.compute, Judge("efficientnet-lite0"), count=card.bench.size(SCANS, 12))
    scores = translator.scans.scores
    assert scores, "make_scans scores what it makes"
    said = [f"{pairs:,} pairs in {spent:.0f} s"]
    if scores.kid and scores.kid.normalised:
        said.append(f"KID {scores.kid.normalised.mean:.2f} ± {scores.kid.normalised.spread:.2f}")
    return [Found(f"quality, {side} px, {seconds} s", "normalised KID, EfficientNet-Lite0", "; ".join(said))]


ROWS: dict[str, tuple[Callable[[Card], list[Found]], float]] = {  # with the seconds that it may take
    "correct-processor": (against_processor, 20),
    "correct-recorded": (recorded_as_launched, 20),
    "correct-resume": (resumed, 10),
    "correct-jobs": (side_by_side, 30),
    "speed-rates": (rates, 5),
    "speed-translator": (translator_speed, 30),
    "speed-classifiers": (classifier_speed, 40),
    "speed-fold": (whole_fold, 150),
    "quality-60-128": (partial(quality, seconds=60, side=128), 80),
    "quality-60-256": (partial(quality, seconds=60, side=256), 90),
    "quality-180-128": (partial(quality, seconds=180, side=128), 200),
    "quality-180-256": (partial(quality, seconds=180, side=256), 220),
}


def measured(card: Card, names: list[str], out: Path, about: dict[str, Any]) -> list[Found]:
    """Do the rows, writing what is there after each."""
    begun, rows = time.monotonic(), []
    for name in names:
        work, needed = ROWS[name]
        spent = time.monotonic() - begun
        if spent + needed > 60 * card.minutes:
            rows.append(Found(name, "", "not run: no time left"))
            continue
        print(f"{name} …", flush=True)
        now = time.monotonic()
        try:
            found = work(card)
        except LookupError as error:
            found = [Found(name, "", f"not run: {error}")]
        except Exception as error:  # whatever a card does, the other rows are wanted
            traceback.print_exc()
            found = [Found(name, "", f"failed: {type(error).__name__}: {error}"[:200], "", False)]
        for row in found:
            row.seconds = round((time.monotonic() - now) / len(found), 1)
        rows += found
        files.write_json(out, {"run": True, "machine": about, "rows": [asdict(row) for row in rows]})
    return rows


def show(rows: list[Found], about: dict[str, Any]) -> None:
    """The table on the console, narrow enough for a page."""
    table = Table("row", "what", "found", "to reach", "", show_lines=True, title=about["card"])
    for row in rows:
        sign = {True: "yes", False: "NO", None: ""}[row.met]
        table.add_row(row.name, row.what, row.value, row.aim, sign)
    Console(width=110).print(table)


def main() -> None:
    """Measure what is asked for, or say that there is no card."""
    parser = argparse.ArgumentParser(
        prog="tests/speed/gpu.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", help="what bus takes as --data, or a prepared study; phantoms unless given")
    parser.add_argument("--rows", default="all", help=f"names or beginnings of: {', '.join(ROWS)}")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which no row is begun")
    parser.add_argument("--out", type=Path, default=Path("build/speed"))
    parser.add_argument("--device", default="cuda", help="cpu, with --tiny: shows that it runs")
    parser.add_argument("--tiny", action="store_true", help="everything small; its numbers mean nothing")
    asked = parser.parse_args()
    names = [name for name in ROWS if asked.rows == "all" or name.startswith(tuple(asked.rows.split(",")))]
    if not names:
        parser.error(f"--rows {asked.rows}: expected beginnings of {', '.join(ROWS)}")
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.device == "cuda" and not torch.cuda.is_available():
        files.write_json(asked.out / "gpu.json", {"run": False})
        print("Not run: torch finds no graphics card here.")
        return
    compute = resolve(asked.device)
    about = machine(compute) | {"tiny": asked.tiny, "card": "a processor, for show"}
    if compute.device == "cuda":
        about["card"] = torch.cuda.get_device_name()
    with tempfile.TemporaryDirectory(prefix="bus-gpu-") as folder:
        card = Card(Bench(asked.tiny, "wall", Path(folder), compute), asked.data or None, asked.minutes)
        rows = measured(card, names, asked.out / "gpu.json", about)
    show(rows, about)
    print(f"Written: {asked.out}/gpu.json")
    sys.exit(any(row.met is False for row in rows if not row.aim.startswith("≥")))


if __name__ == "__main__":
    main()
