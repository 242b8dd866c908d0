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
from ..data.store import Pixels, restore_bars
from ..data.study import Study
from .config import GanConfig
from .cyclegan import SIDES, CycleGAN
from .pixels import to_pixels, to_tensor, translated
from .scores.model import Measured
from .scores.scans import Making, RealScans, SyntheticScans, some
from .translator import Line, Looks, Stretch

if TYPE_CHECKING:
    from .scores.features import Features

SHEET_ROWS = 6  # sources on a sample sheet
SPLITS = 10  # of the target scans, at an interval; the final scores take 50
LOSSES_KEPT, DIGITS = 6, 4  # digits of losses, of what judges say


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

    def close_line(self, step: int, pairs: int, looks: Looks) -> Line:
        """Turn what was gathered into a line of means, add what judges said, and return the line."""
        means = {name: round(value / self.steps, LOSSES_KEPT) for name, value in self.sums.items()}
        self.lines.append(Stretch(pairs, means, round(self.seconds, 3), looks).line(step))
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


class Judges:
    """What judges that train nothing say of a translator under way: EfficientNet-Lite0, hand-made features.

    They look at the first, middle translation of as many sources as half the target scans, with the bars of
    its source as the scans that are kept have them; the reference is the training part. Features of the real
    scans are computed once, at the first call.
    """

    def __init__(self, study: Study, config: GanConfig) -> None:
        rows = study.train(config.fold)
        target = study.rows_of(rows, [config.target])
        self.study, self.target = study, [target[place] for place in some(len(target))]
        sources = np.array(study.rows_of(rows, config.sources))
        self.sources = [int(row) for row in spread(sources, max(2, len(self.target) // 2))]
        self._seen: Features | None = None

    @torch.inference_mode()
    def __call__(self, model: CycleGAN) -> Looks:
        """What they say now."""
        from .scores.distances import against_reference  # late: torch-fidelity takes seconds to import
        from .scores.features import features, lite0
        from .scores.judges import unlearned

        # what is judged
        eyes, count = lite0(model.compute.device), len(self.sources)
        real, synthetic, making = self._material(model)
        if self._seen is None:
            self._seen = features(real.pixels, eyes)

        # who says what
        labels = list(real.labels[:count])
        reference = against_reference(
            features(synthetic.pixels, eyes),
            labels,
            self._seen[:count],
            labels,
            self._seen[count:],
            list(real.groups[count:]),
            splits=SPLITS,
        )
        kernel = reference.distances.kid.normalised if reference.distances.kid else None
        said = unlearned(synthetic, real, making)
        told = round(said.two_sample.synthetic, DIGITS) if said.two_sample else None
        return Looks(_rounded(kernel), _rounded(said.kid), told)

    def _material(self, model: CycleGAN) -> tuple[RealScans, SyntheticScans, Making]:
        """Sources, then targets; what the translator makes of the sources; and of which classes they are."""
        study, config, rows = self.study, model.config, [*self.sources, *self.target]
        made = [
            restore_bars(translated(model.averaged, study.pixels[row], config.device), study.scans[row].box)
            for row in self.sources
        ]
        real, count = RealScans.of(study, rows), len(self.sources)
        synthetic = SyntheticScans(np.stack(made), np.arange(count), real.files[:count])
        return real, synthetic, Making(config.target, config.sources)


def _rounded(value: Measured | None) -> Measured | None:
    return value and Measured(round(value.mean, DIGITS), round(value.spread, DIGITS))


Board = Callable[[Line], None]


def tensorboard(folder: Path) -> Board:
    """A function that shows lines of `metrics.jsonl` in TensorBoard; BusError as `require_tensorboard`."""
    require_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def show(line: Line) -> None:
        for name, value in line.items():
            if name not in ("step", "pairs"):
                writer.add_scalar(name, value, line["pairs"])
        writer.flush()

    return show


def require_tensorboard() -> None:
    """BusError unless the package that writes for TensorBoard is installed; it is an extra."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise BusError(
            "--tensorboard needs the package tensorboard: pip install tensorboard, or leave it out; "
            "metrics.jsonl holds the same numbers."
        ) from error


def silent(line: Line) -> None:
    """The board of a training without TensorBoard."""
