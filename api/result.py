"""What a benchmark found, as tables."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from ..benchmark import pipeline
from ..benchmark.cell import Cell
from ..benchmark.report_folder import ReportFolder
from ..benchmark.results import export, wording
from ..benchmark.results.model import PRIMARY, Summary, Verdict
from ..benchmark.results.predictions import columns, prediction_rows
from ..benchmark.results.summary import summarise
from ..benchmark.yardstick import yardsticks
from ..classify.catalogue import title
from ..core.compute import Compute
from ..data.study import Study
from . import show


class BenchmarkResult:
    """The finished trainings of a study's last benchmark and what they show; 0.01 is one point."""

    def __init__(
        self, study: Study, cells: Sequence[Cell], compute: Compute, others: Sequence[Cell] = ()
    ) -> None:
        """`others`: cells of further models that were tried, for which p values are corrected too."""
        self._study, self._cells, self._compute, self._others = study, cells, compute, others

    @cached_property
    def summary(self) -> Summary:
        """Everything the report says about the classifiers, as values."""
        folds = sorted({cell.fold for cell in self._cells})
        marks = yardsticks(self._study, folds, self._compute)
        return summarise(self._study, self._cells, marks, self._others)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """What may be concluded about each model: its kind, the intervals behind it, what to be wary of.

        Of several models, `mean` comes first: what may be concluded about the mean of the networks.
        """
        return self.summary.judged

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """Every difference of two arms (first − second), with 95 % interval, p values and detectable size."""
        return pd.DataFrame(export.contrast_rows(self.summary), columns=list(export.CONTRAST_COLUMNS))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Every metric of every training, a row a number; `class` is empty where it is about all classes."""
        table = pd.DataFrame(export.metric_rows(self.summary), columns=list(export.METRIC_COLUMNS))
        return table.astype({"arm": str, "value": float})

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Every training's answers to the test scans: `predicted`, and `p_CLASS`, the probability of each."""
        rows = prediction_rows(self._study, self._cells)
        return pd.DataFrame(rows, columns=list(columns(self._study)))

    @property
    def report(self) -> Path:
        """The page of the report; written anew where it is missing."""
        page = ReportFolder(self._study.path).page
        return page if page.exists() else pipeline.rewrite(self._study)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {sentence}" for name, sentence in wording.told(self.summary).items())

    def _repr_html_(self) -> str:
        values = {(title(row.model), str(row.arm)): row.metrics[PRIMARY] for row in self.summary.table}
        table = pd.Series(values, dtype=float).unstack(sort=False).map(lambda value: f"{100 * value:.1f} %")
        return show.card(
            "What the benchmark shows",
            wording.told(self.summary),
            notes=self._study.settings.banners,
            below=f"<p>Macro-F1:</p>{table.to_html()}",
        )
