"""What is written down of a translator while it trains: losses, distances, sample sheets.

Nothing is chosen by them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core import files
from ..core.errors import BusError
from ..data.pictures import synthetic_png
from ..data.store import Pixels
from ..data.study import Study
from .config import GanConfig
from .cyclegan import SIDES, CycleGAN
from .pixels import to_pixels, to_tensor
from .scores.model import Measured
from .translator import Line, Stretch

if TYPE_CHECKING:
    from .scores.features import Features

SHEET_ROWS = 6  # sources on a sample sheet
SPLITS = 10  # of the target scans, at an interval; the final scores take 50
LOSSES_KEPT = 6  # digits


@dataclass
class Log:
    """How the training went: finished lines of `metrics.jsonl`, and the sums of the line being gathered."""

    lines: list[Line] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0  # in `sums`
    seconds: float = 0.0  # in `sums`

    def add(self, losses: dict[str, float], seconds: float) -> None:
        """Gather the losses and the duration of one step."""
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in losses.items()}
        self.steps += 1
        self.seconds += seconds

    def close_line(self, step: int, pairs: int, distance: Measured | None) -> Line:
        """Turn what was gathered into a line of means, add the `distance` if any, and return the line."""
        means = {name: round(value / self.steps, LOSSES_KEPT) for name, value in self.sums.items()}
        self.lines.append(Stretch(pairs, means, round(self.seconds, 3), distance).line(step))
        self.sums, self.steps, self.seconds = {}, 0, 0.0
        return self.lines[-1]


def spread(values: NDArray[Any], count: int) -> NDArray[Any]:
    """Up to `count` of N values or scans, evenly from the first to the last."""
    return values[np.linspace(0, len(values) - 1, min(count, len(values)), dtype=int)]


@torch.inference_mode()
def write_sheet(path: Path, model: CycleGAN, pools: dict[str, Pixels]) -> None:
    """Save a picture, a row a source: source, synthetic, difference, back-translation, a real target scan."""
    count = min(SHEET_ROWS, *(len(pools[side]) for side in SIDES))
    real = {side: spread(pools[side], count) for side in SIDES}
    with model.compute.autocast():
        made = model.averaged(to_tensor(real["source"], model.config.device))
        back = model.networks["to_source"](made)
    synthetic, returned = to_pixels(made), to_pixels(back)
    difference = np.abs(synthetic.astype(int) - real["source"]).astype(np.uint8)
    columns = [real["source"], synthetic, 255 - difference, returned, real["target"]]
    sheet = np.concatenate([np.concatenate(list(column), axis=0) for column in columns], axis=1)
    files.write_bytes(path, synthetic_png(sheet))


class Distance:
    """The normalised KID of a translator under way, by EfficientNet-Lite0, which trains nothing.

    Compares the first, middle translation of as many sources as half the target scans; the reference is the
    training part. Features of the real scans are computed once, at the first call.
    """

    def __init__(self, study: Study, config: GanConfig) -> None:
        rows = study.train(config.fold)
        self.study, self.target = study, study.rows_of(rows, [config.target])
        sources = np.array(study.rows_of(rows, config.sources))
        self.sources = [int(row) for row in spread(sources, max(2, len(self.target) // 2))]
        self._real: tuple[Features, Features] | None = None

    @torch.inference_mode()
    def __call__(self, model: CycleGAN) -> Measured | None:
        """The distance (0 real, 1 did nothing); None where too few scans leave it unnormalised."""
        from .scores.distances import against_reference  # late: torch-fidelity takes seconds to import
        from .scores.features import features, lite0

        eyes, study = lite0(model.compute.device), self.study
        if self._real is None:
            rows = (self.sources, self.target)
            self._real = features(study.pixels[rows[0]], eyes), features(study.pixels[rows[1]], eyes)
        made = [
            to_pixels(model.averaged(to_tensor(study.pixels[[row]], model.config.device)))
            for row in self.sources
        ]
        labels = [study.scans[row].label for row in self.sources]
        groups = [study.groups[row] for row in self.target]
        reference = against_reference(
            features(np.concatenate(made), eyes),
            labels,
            self._real[0],
            labels,
            self._real[1],
            groups,
            splits=SPLITS,
        )
        kernel = reference.distances.kid and reference.distances.kid.normalised
        return Measured(round(kernel.mean, 4), round(kernel.spread, 4)) if kernel else None


Board = Callable[[Line], None]


def tensorboard(folder: Path) -> Board:
    """A function that shows lines of `metrics.jsonl` in TensorBoard; BusError where that extra is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise BusError(
            "--tensorboard needs the package tensorboard: pip install 'bus-balance[tensorboard]', or leave "
            "it out; metrics.jsonl holds the same numbers."
        ) from error
    writer = SummaryWriter(str(folder))

    def show(line: Line) -> None:
        for name, value in line.items():
            if name not in ("step", "pairs"):
                writer.add_scalar(name, value, line["pairs"])
        writer.flush()

    return show


def silent(line: Line) -> None:
    """The board of a training without TensorBoard."""
