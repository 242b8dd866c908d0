"""Every network and way of balancing of the published reports in one table.

    python docs/busi-study/ways.py docs/busi-study > docs/busi-study/ways.md

Exploratory but for what the plan names. A row a network and a pair of arms, from the first report that has
it; intervals for other scans, trainings and translators, as the reports give them.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from answer import Row, reports, side
from bus.benchmark.report_folder import CONTRASTS, RESULTS
from bus.benchmark.results.model import PRIMARY
from bus.benchmark.results.wording import name, points
from bus.core.files import read_csv

METRICS = {PRIMARY: "macro-F1", "target_auc": "AUC", "sensitivity_at_90_specificity": "sensitivity"}
AGAINST = ("original", "oversampled")
HEADING = """# Every network, every way

Of [the study on BUSI](answer.md): what each way of balancing changes, network by network, in points with
95 % intervals for other scans, trainings and translators ([two intervals](../statistics.md#two-intervals));
AUC is of malignant against the rest, sensitivity that at 90 % specificity. {seeds} seeds in each of {folds}
folds; each seed of an arm that translates has a translator of its own. *Normal*: scans made from normal ones
alone. `adjusted` orders scans as `original` does. Bold intervals leave out 0; of {intervals}, which nobody
corrected, one in twenty would do so by chance. [The answer](answer.md) rests on what the plan names alone.

    python docs/busi-study/ways.py docs/busi-study > docs/busi-study/ways.md
"""
SAME = "the same"  # what `adjusted` says of the order of scans


def pairs(folder: Path) -> dict[tuple[str, str, str], dict[str, Row]]:
    """Rows of contrasts.csv by metric, of each network and pair of arms, from the first report with them."""
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for report in reports(folder):
        for row in read_csv(report / CONTRASTS):
            place = (row["model"], row["first"], row["second"])
            found.setdefault(place, {}).setdefault(row["metric"], row)
    return found


def cell(row: Row) -> str:
    """An estimate with its interval."""
    if not any(float(row[column]) for column in ("estimate", "low_retrained", "high_retrained")):
        return SAME
    said = f"{points(float(row['estimate']))} ({points(float(row['low_retrained']))} to "
    said += f"{points(float(row['high_retrained']))})"
    return f"**{said}**" if side(row) else said


def table(found: dict[tuple[str, str, str], dict[str, Row]], against: str) -> Iterator[str]:
    """Lines of Markdown: a row a network and way, held against one arm."""
    yield f"| network | way − `{against}` | {' | '.join(METRICS.values())} |"
    yield f"|---|---|{'---|' * len(METRICS)}"
    networks = dict.fromkeys(model for model, *_ in found)
    for network in networks:
        for (model, first, second), rows in found.items():
            if (model, second) == (network, against):
                way = f"`{first.removesuffix(':normal')}`{', *normal*' * first.endswith(':normal')}"
                yield f"| {name(model)} | {way} | {' | '.join(cell(rows[metric]) for metric in METRICS)} |"


def page(folder: Path) -> str:
    """The whole page."""
    found = pairs(folder)
    trained: Sequence[Row] = read_csv(folder / "report-1" / RESULTS)
    tables = ["\n".join(table(found, against)) for against in AGAINST]
    shown = sum(text.count(" to ") for text in tables)  # one an interval
    seeds, folds = (len({row[column] for row in trained}) for column in ("seed", "fold"))
    return "\n\n".join([HEADING.format(seeds=seeds, folds=folds, intervals=shown).rstrip(), *tables]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(Path(sys.argv[1])))
