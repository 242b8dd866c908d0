"""`make judges STUDY=folder`: what every judge says of a study's synthetic scans, as one table.

    python tests/speed/judges.py STUDY [STUDY …]

Scores every set of the studies that has none of this version yet (judge of the distances: EfficientNet-Lite0)
and prints, as Markdown, a column a study: the mean over its sets, and the lowest and highest of them.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bus.core.compute import resolve
from bus.data.study import Study
from bus.gan.extractors import LITE0
from bus.gan.manifest import SyntheticSet
from bus.gan.request import Judge
from bus.gan.scores.model import Opinion, Scores
from bus.gan.scoring import material, score_set

PERIOD = 4  # px, of the grid that enlarging by nearest neighbour leaves
Value = Callable[[Scores], float | None]


def main() -> None:
    """Score what has no scores, then print the table."""
    parser = argparse.ArgumentParser(
        prog="tests/speed/judges.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("studies", nargs="+", type=Path)
    studies = parser.parse_args().studies
    columns = {path.name: scored(path) for path in studies}
    print(f"| | {' | '.join(f'{name} ({len(sets)} sets)' for name, sets in columns.items())} |")
    print(f"|---|{'---|' * len(columns)}")
    first = next(scores for sets in columns.values() for scores, _ in sets)
    for title, value in rows(first).items():
        told = [summary([value(scores) for scores, _ in sets]) for sets in columns.values()]
        print(f"| {title} | {' | '.join(told)} |")
    grids = [summary([peak for _, peak in sets]) for sets in columns.values()]
    print(f"| spectrum of the mean change at {PERIOD} px, times its neighbours | {' | '.join(grids)} |")


def scored(path: Path) -> list[tuple[Scores, float]]:
    """The scores of all sets of a study, and how far a grid stands out in each."""
    study, compute = Study.open(path), resolve()
    sets = [scans for scans in SyntheticSet.all_of(study) if scans.rows]
    for scans in sets:
        with scans.held():
            score_set(scans, compute, Judge(LITE0))
    return [(scans.scores, grid(scans)) for scans in sets if scans.scores]


def grid(scans: SyntheticSet) -> float:
    """How far the spectrum of what is changed on average stands out at a period of PERIOD px."""
    synthetic, real, _ = material(scans)
    plain = synthetic.plain
    sources = real.pixels[synthetic.source_rows[plain]].astype(float)
    change = (synthetic.pixels[plain] - sources).mean(0)
    spectrum = np.abs(np.fft.fft2(change - change.mean()))
    lines, at = (spectrum + spectrum.T).mean(1), len(change) // PERIOD
    return float(lines[at] / lines[[at + step for step in (-3, -2, 2, 3)]].mean())


def rows(first: Scores) -> dict[str, Value]:
    """Title and value of every line; judges as in the first set."""
    lines: dict[str, Value] = {}
    for number, judge in enumerate(first.judges):
        lines[f"normalised KID, {judge.judge}"] = of_judge(number, lambda said: said.kid and said.kid.mean)
        for part, title in (("synthetic", ""), ("sources", ": sources"), ("halves", ": real halves")):
            lines[f"two-sample AUC, {judge.judge}{title}"] = of_judge(
                number, lambda said, part=part: said.two_sample and getattr(said.two_sample, part)
            )
        for name in judge.parts:
            lines[f"… {name} alone"] = of_judge(number, lambda said, name=name: said.parts[name].synthetic)
            lines[f"… {name} alone: sources"] = of_judge(
                number, lambda said, name=name: said.parts[name].sources
            )
        for part, title in (("synthetic", ""), ("target", ": real"), ("sources", ": sources")):
            lines[f"called target, {judge.judge}{title}"] = of_judge(
                number, lambda said, part=part: said.reader and getattr(said.reader, part)
            )
    return lines | {
        "recall": lambda scores: scores.recall and scores.recall.score.mean,
        "copies": lambda scores: scores.copies and scores.copies.synthetic,
        "copies: real": lambda scores: scores.copies and scores.copies.held_out,
        "distinct": lambda scores: scores.distinct and scores.distinct.synthetic,
        "distinct: real": lambda scores: scores.distinct and scores.distinct.target,
        "distance to the own source, grey levels": lambda scores: (
            scores.identity and scores.identity.synthetic
        ),
        "… merely blurred": lambda scores: scores.identity and scores.identity.blurred,
    }


def of_judge(number: int, value: Callable[[Opinion], float | None]) -> Value:
    """A value of one judge's opinion."""
    return lambda scores: value(scores.judges[number])


def summary(values: list[float | None]) -> str:
    """Mean (lowest to highest) of what was computed."""
    known = np.array([value for value in values if value is not None])
    if not len(known):
        return "–"
    spread = f" ({known.min():.2f}–{known.max():.2f})" if len(known) > 1 else ""
    return f"{known.mean():.2f}{spread}".replace("-", "−")


if __name__ == "__main__":
    main()
