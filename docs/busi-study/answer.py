"""The study's answer in the words that its plan foresaw, from the published tables of the first report.

    python docs/busi-study/answer.py docs/busi-study/report-1 docs/busi-study/further.csv

Written before the first training, so that no sentence was chosen by the result it tells.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bus.benchmark.report_folder import CONTRASTS, EXTERNAL, RESULTS
from bus.benchmark.results.model import GAIN, MEAN, PRIMARY, TRANSLATOR
from bus.benchmark.results.wording import name, points
from bus.core.files import read_csv

WORTH_HAVING = 0.03  # the smallest effect of interest
Row = Mapping[str, str]


def answer(
    contrasts: Sequence[Row], external: Sequence[Row], results: Sequence[Row], further: Sequence[Row]
) -> str:
    """The answer as Markdown, from the rows of contrasts.csv, external.csv, results.csv and further.csv.

    It is about the mean of the networks, or about the only one.
    """
    model = next((row["model"] for row in contrasts if row["model"] == MEAN), contrasts[0]["model"])
    whom = "on the mean of the networks" if model == MEAN else f"for {name(model)}"
    gain, own = (_row(contrasts, contrast=kind, model=model, metric=PRIMARY) for kind in (GAIN, TRANSLATOR))
    if not (gain["low_retrained"] and own["low_retrained"]):
        return "**No verdict**: too few trainings were made to know what training again would change.\n"
    first = (
        f"**{_verdict(gain, own)}**: {whom} the macro-F1 of `cyclegan` differs from that of `original` by "
        f"{_said(gain)}, and from that of `oversampled` by {_said(own)}"
    )
    first += "".join(_against(row, against) for row, against in ((gain, "original"), (own, "oversampled")))
    elsewhere = [
        row for row in external if row["model"] == model and row["metric"] == "target_auc" and row["second"]
    ]
    first += _elsewhere(_row(elsewhere, second="oversampled"), own) if elsewhere else ""
    shown = [row for row in further if row["model"] == model]
    return "\n\n".join([f"{first}.", _worth(own), *_beside(results, shown)]) + "\n"


def _row(rows: Sequence[Row], **wanted: str) -> Row:
    found = [row for row in rows if all(row[column] == value for column, value in wanted.items())]
    if len(found) != 1:
        raise SystemExit(f"expected one row with {wanted}, found {len(found)}")
    return found[0]


def _ends(row: Row, suffix: str = "_retrained") -> tuple[float, float]:
    return float(row[f"low{suffix}"]), float(row[f"high{suffix}"])


def _side(row: Row, suffix: str = "_retrained") -> int:
    """1 or −1 where the interval leaves out 0, with its sign; else 0."""
    low, high = _ends(row, suffix)
    return (low > 0) - (high < 0)


def _verdict(gain: Row, own: Row) -> str:
    if not _side(gain):
        return "No detectable gain"
    if _side(gain) == _side(own):
        return "A gain" if _side(gain) > 0 else "A loss"
    return f"A {'gain' if _side(gain) > 0 else 'loss'} that is not shown to be the translator’s"


def _said(row: Row, promise: str = "95 % interval for other scans, trainings and translators ") -> str:
    low, high = _ends(row)
    return f"{points(float(row['estimate']))} points ({promise}{points(low)} to {points(high)})"


def _against(row: Row, against: str) -> str:
    """What fold 0 says, where it has the other sign than all folds."""
    estimate, zero = float(row["estimate"]), float(row["estimate_fold_zero"] or 0)  # none without others
    if estimate * zero >= 0:
        return ""
    low, high = _ends(row, "_fold_zero")
    return (
        f"; on fold 0 alone, whose scans nobody had tested before, the difference from `{against}` is "
        f"{points(zero)} points ({points(low)} to {points(high)} for other scans)"
    )


def _elsewhere(row: Row, own: Row) -> str:
    """What scans of other hospitals say, where they contradict the difference from `oversampled`."""
    side = _side(row, "")
    if not side or side * float(own["estimate"]) >= 0:
        return ""
    low, high = _ends(row, "")
    return (
        f"; on BrEaST’s scans the AUC of `cyclegan` differs from that of `oversampled` the other way, by "
        f"{points(float(row['estimate']))} points ({points(low)} to {points(high)} for other patients)"
    )


def _worth(own: Row) -> str:
    share = f"{100 * WORTH_HAVING:.0f} points"
    if _ends(own)[1] < WORTH_HAVING:
        return (
            f"A gain worth having by translating, {share} or more, is unlikely: the interval ends below it."
        )
    return f"A gain of {share} or more by translating is not excluded by the interval."


def _beside(results: Sequence[Row], further: Sequence[Row]) -> list[str]:
    """The result without marked scans and without collapsed networks."""
    trained = [row for row in results if row["seconds"]]
    fallen = [row for row in trained if row["collapsed"]]
    counted = f"{len(fallen)} of {len(trained)} trainings collapsed (90 % of the answers to one class)"
    without = [row for row in further if row["part"] == "not collapsed"]
    if not fallen:
        said = [f"{counted}."]
    elif not without:
        said = [f"{counted}, at least one in every seed, so that no result without them can be given."]
    else:
        said = [f"{counted}. {_part(without, 'Over the seeds without any')}"]
    unmarked = [row for row in further if row["part"] == "unmarked"]
    return [*said, _part(unmarked, "Without scans that carry burned-in marks")]


def _part(rows: Sequence[Row], words: str) -> str:
    told = [
        f"from `{against}` by {_said(_row(rows, contrast=kind, metric=PRIMARY), promise='')}"
        for kind, against in ((GAIN, "original"), (TRANSLATOR, "oversampled"))
    ]
    return f"{words} the macro-F1 of `cyclegan` differs {' and '.join(told)}."


def of_report(folder: Path, further: Path) -> str:
    """The answer from a report's folder and the table of further.py."""
    elsewhere = folder / EXTERNAL
    return answer(
        read_csv(folder / CONTRASTS),
        read_csv(elsewhere) if elsewhere.exists() else [],
        read_csv(folder / RESULTS),
        read_csv(further),
    )


if __name__ == "__main__":
    sys.stdout.write(of_report(Path(sys.argv[1]), Path(sys.argv[2])))
