"""The gains of several studies in one figure, each with its interval."""

from collections.abc import Sequence
from pathlib import Path

from ...core.errors import BusError
from ...core.files import write_text
from ..results.compare import Finding
from .figures import Effect, forest
from .terms import title


def write_figure(rows: Sequence[Finding], path: Path) -> None:
    """Draw one gain a row as SVG, in percentage points; BusError where no study has one."""
    effects = [
        Effect(
            f"{Path(row.study).name}, {title(row.model)}",
            100 * gain.estimate,
            100 * gain.low,
            100 * gain.high,
            None if gain.detectable is None or not gain.retrained else 100 * gain.detectable,
        )
        for row, gain in ((row, row.gain) for row in rows)
        if gain.estimate is not None and gain.low is not None and gain.high is not None
    ]
    if not effects:
        raise BusError("None of these studies has a gain to draw: it needs the arms original and cyclegan.")
    alt = f"The gains of {len(effects)} models in macro-F1 with their 95 % intervals"
    drawn = forest(path.stem, effects, axis="cyclegan − original, points of macro-F1", alt=alt)
    write_text(path, drawn.svg + "\n")
