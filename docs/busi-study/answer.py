"""The study's answer in the words that its plan foresaw, from the published tables of its reports.

    python docs/busi-study/answer.py docs/busi-study

Written before anyone saw an answer of a classifier, so that no sentence was chosen by the result it tells.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bus.benchmark.report_folder import CONTRASTS, EXTERNAL, RESULTS
from bus.benchmark.results.model import BEYOND_PRIOR, GAIN, MEAN, PRIMARY, TRANSLATOR
from bus.benchmark.results.wording import name, points
from bus.core.files import read_csv

WORTH_HAVING = 0.03  # the smallest effect of interest
AGAINST = {GAIN: "original", TRANSLATOR: "oversampled"}  # what `cyclegan` is compared with, by the contrast
FURTHER = "further.csv"
AGREE = 1e-6  # numbers of further.csv have six digits
Row = Mapping[str, str]


def answer(
    contrasts: Sequence[Row],
    external: Sequence[Row],
    results: Sequence[Row],
    further: Sequence[Row],
    later: Mapping[str, Sequence[Row]] | None = None,
) -> str:
    """The answer as Markdown, from the rows of contrasts.csv, external.csv, results.csv and further.csv.

    `later`: the rows of contrasts.csv of each further report, by its name. SystemExit where further.csv is
    not of these tables.
    """
    networks = list(dict.fromkeys(row["model"] for row in contrasts if row["model"] != MEAN))
    model = networks[0] if len(networks) == 1 else MEAN
    of_model = [row for row in contrasts if row["model"] == model]
    decisive = {
        kind: row for row in of_model if (kind := row["contrast"]) in AGAINST and row["metric"] == PRIMARY
    }
    if len(decisive) < len(AGAINST) or not all(row["low_retrained"] for row in decisive.values()):
        return (
            "# The answer\n\n**No verdict**: too few trainings were made to know what training again would "
            "change.\n"
        )
    of_further = [row for row in further if row["model"] == model]
    _check_agreement(decisive, of_further)
    elsewhere = [
        row for row in external if row["model"] == model and row["metric"] == "target_auc" and row["second"]
    ]
    parts = [
        "# The answer",
        _first(model, decisive, elsewhere),
        _worth(decisive[TRANSLATOR]),
        _found(decisive),
        "## What it rests on",
        _rests(networks, of_further),
        _alone(decisive),
        *_other_metrics(of_model),
        *_patients(elsewhere),
        *_without(results, of_further),
        *_each(contrasts, networks),
        *_described(contrasts, later or {}),
    ]
    return "\n\n".join(parts) + "\n"


def _check_agreement(decisive: Mapping[str, Row], further: Sequence[Row]) -> None:
    for kind, row in decisive.items():
        again = _row(further, part="all", contrast=kind, metric=PRIMARY)
        for column in ("estimate", "low", "high", "low_retrained", "high_retrained"):
            if abs(float(row[column]) - float(again[column])) > AGREE:
                raise SystemExit(
                    f"{FURTHER}, {kind}, {column}: {again[column]}, but {row[column]} in the first report. "
                    "Make it again from that report’s predictions."
                )


def _row(rows: Sequence[Row], **wanted: str) -> Row:
    found = [row for row in rows if all(row[column] == value for column, value in wanted.items())]
    if len(found) != 1:
        raise SystemExit(f"expected one row with {wanted}, found {len(found)}")
    return found[0]


def _ends(row: Row, suffix: str = "_retrained") -> tuple[float, float]:
    return float(row[f"low{suffix}"]), float(row[f"high{suffix}"])


def side(row: Row, suffix: str = "_retrained") -> int:
    """1 or −1 where the interval leaves out 0, with its sign; else 0."""
    low, high = _ends(row, suffix)
    return (low > 0) - (high < 0)


def _said(row: Row, promise: str = "") -> str:
    """An estimate with the interval for other scans, trainings and translators, where there is one."""
    estimate = points(float(row["estimate"]))
    if not row["low_retrained"]:
        return f"{estimate} points (no interval can be had)"
    low, high = _ends(row)
    return f"{estimate} points ({promise}{points(low)} to {points(high)})"


def _both(rows: Sequence[Row]) -> str:
    """The differences from `original` and from `oversampled` that these rows hold, one of each."""
    told = [f"from `{against}` by {_said(_row(rows, contrast=kind))}" for kind, against in AGAINST.items()]
    return " and ".join(told)


# the first sentence, and what it means


def _first(model: str, decisive: Mapping[str, Row], elsewhere: Sequence[Row]) -> str:
    """The verdict, the two differences that decide, and what contradicts them."""
    whom = "on the mean of the networks" if model == MEAN else f"for {name(model)}"
    gain, own = decisive[GAIN], decisive[TRANSLATOR]
    promise = "95 % interval for other scans, trainings and translators "
    said = (
        f"**{_verdict(gain, own)}**: {whom} the macro-F1 of `cyclegan` differs from that of `original` by "
        f"{_said(gain, promise)}, and from that of `oversampled` by {_said(own, promise)}"
    )
    said += "".join(_against(row, AGAINST[kind]) for kind, row in decisive.items())
    return f"{said}{_elsewhere(elsewhere, own)}."


def _verdict(gain: Row, own: Row) -> str:
    if not side(gain):
        return "No detectable gain"
    word = "gain" if side(gain) > 0 else "loss"
    if side(gain) == side(own):
        return f"A {word}"
    if side(own):
        return f"A {word} that is not the translator’s"
    return f"A {word} that is not shown to be the translator’s"


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


def _elsewhere(elsewhere: Sequence[Row], own: Row) -> str:
    """What scans of other hospitals say, where they contradict the difference from `oversampled`."""
    if not elsewhere:
        return ""
    row = _row(elsewhere, second=AGAINST[TRANSLATOR])
    shown = side(row, "")
    if not shown or shown * float(own["estimate"]) >= 0:
        return ""
    low, high = _ends(row, "")
    return (
        f"; on BrEaST’s scans the AUC of `cyclegan` differs from that of `oversampled` the other way, by "
        f"{points(float(row['estimate']))} points ({points(low)} to {points(high)} for other patients)"
    )


def _worth(own: Row) -> str:
    share, (low, high) = f"{100 * WORTH_HAVING:.0f} points", _ends(own)
    if high < WORTH_HAVING:
        return (
            f"A gain worth having by translating, {share} or more, is unlikely: the interval ends below it."
        )
    if low >= WORTH_HAVING:
        return f"The whole interval of what translating adds lies at {share}, a gain worth having, or above."
    return f"A gain of {share} or more by translating is not excluded by the interval."


def _found(decisive: Mapping[str, Row]) -> str:
    told = [
        f"{100 * float(row['detectable_retrained']):.1f} points from `{AGAINST[kind]}`"
        for kind, row in decisive.items()
    ]
    return (
        f"Four in five such studies would find a true difference of {' and one of '.join(told)}; smaller "
        "ones would often be missed."
    )


# what it rests on


def _rests(networks: Sequence[str], further: Sequence[Row]) -> str:
    row = _row(further, part="all", contrast=GAIN, metric=PRIMARY)
    seeds = f"{row['seeds']} seed{'s' * (row['seeds'] != '1')}"
    named = " and ".join(map(name, networks))
    return (
        f"{named}, trained from scratch with {seeds} in each of {row['folds']} folds; {row['scans']} test "
        f"scans. What training again would change is taken from the spread of the {row['basis']}."
    )


def _alone(decisive: Mapping[str, Row]) -> str:
    told = []
    for kind, row in decisive.items():
        if row["estimate_fold_zero"]:
            low, high = map(points, _ends(row, "_fold_zero"))
            zero = points(float(row["estimate_fold_zero"]))
            told.append(f"from `{AGAINST[kind]}` by {zero} points ({low} to {high} for other scans)")
    if not told:
        return "Fold 0 was not tested beside others."
    return (
        f"On fold 0 alone, whose scans nobody had tested before, `cyclegan` differs {' and '.join(told)}. "
        "The other folds were development data."
    )


def _other_metrics(rows: Sequence[Row]) -> Iterator[str]:
    """The ranking, thresholds of one specificity and the class prior: what of it no threshold explains."""
    wanted = {
        "target_auc": "The AUC of malignant differs",
        "sensitivity_at_90_specificity": "The sensitivity at 90 % specificity differs",
        "matched_macro_f1": "The macro-F1 at matched specificity differs",
    }
    for metric, words in wanted.items():
        found = [row for row in rows if row["metric"] == metric and row["contrast"] in AGAINST]
        if len(found) == len(AGAINST):
            yield f"{words} {_both(found)}."
    for row in rows:
        if (row["contrast"], row["metric"]) == (BEYOND_PRIOR, PRIMARY):
            yield (
                "From `adjusted`, `original`’s answers corrected for the class prior without any training, "
                f"the macro-F1 of `cyclegan` differs by {_said(row)}."
            )


def _patients(elsewhere: Sequence[Row]) -> Iterator[str]:
    told = []
    for row in elsewhere:
        low, high = map(points, _ends(row, ""))
        difference = f"`{row['first']}` − `{row['second']}`"
        told.append(f"{difference} {points(float(row['estimate']))} ({low} to {high})")
    if told:
        yield (
            "On BrEaST’s scans, benign against malignant, in points of AUC, for other patients with these "
            f"very trainings: {'; '.join(told)}."
        )


def _without(results: Sequence[Row], further: Sequence[Row]) -> list[str]:
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
    return [*said, _part(unmarked, "Without test scans that carry burned-in marks")]


def _part(rows: Sequence[Row], words: str) -> str:
    of_primary = [row for row in rows if row["metric"] == PRIMARY]
    seeds, folds = of_primary[0]["seeds"], of_primary[0]["folds"]
    counted = f"{seeds} seed{'s' * (seeds != '1')}, {folds} folds"
    return f"{words} ({counted}) the macro-F1 of `cyclegan` differs {_both(of_primary)}."


# beside it


def _each(contrasts: Sequence[Row], networks: Sequence[str]) -> Iterator[str]:
    """Each network of the mean, which is secondary."""
    if len(networks) < 2:
        return
    lines = ["| network | difference | points of macro-F1 | p, after Holm |", "|---|---|---|---|"]
    for network in networks:
        for kind, against in AGAINST.items():
            row = _row(contrasts, model=network, contrast=kind, metric=PRIMARY)
            p = f"{float(row['p_holm_retrained']):.3f}" if row["p_holm_retrained"] else "–"
            lines.append(f"| {name(network)} | `cyclegan` − `{against}` | {_said(row)} | {p} |")
    yield "## Each network alone\n\nSecondary; p is corrected over the networks."
    yield "\n".join(lines)


def _described(contrasts: Sequence[Row], later: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """What later reports add: differences that the first does not have. Nothing of it is tested."""
    known = {(row["model"], row["first"], row["second"]) for row in contrasts}
    lines = []
    for report, rows in later.items():
        for row in rows:
            difference = (row["model"], row["first"], row["second"])
            if row["metric"] == PRIMARY and row["model"] != MEAN and difference not in known:
                known.add(difference)
                arms = f"`{row['first']}` − `{row['second']}`"
                lines.append(f"| {name(row['model'])} | {arms} | {_said(row)} | {report} |")
    if lines:
        yield (
            "## Described beside it\n\nNo part of the answer, which the first report alone gives. The later "
            "ones have verdicts and p values as the program gives them for any study; the plan asks for none."
        )
        yield "\n".join(["| network | difference | points of macro-F1 | in |", "|---|---|---|---|", *lines])


def reports(folder: Path) -> list[Path]:
    """The published reports of a folder, the first one first."""
    return sorted(folder.glob("report-*"), key=lambda path: int(path.name.removeprefix("report-")))


def of_published(folder: Path) -> str:
    """The answer from what is published in a folder: its reports and the table of further.py."""
    first, *others = reports(folder)
    elsewhere = first / EXTERNAL
    return answer(
        read_csv(first / CONTRASTS),
        read_csv(elsewhere) if elsewhere.exists() else [],
        read_csv(first / RESULTS),
        read_csv(folder / FURTHER),
        {report.name: read_csv(report / CONTRASTS) for report in others},
    )


if __name__ == "__main__":
    sys.stdout.write(of_published(Path(sys.argv[1])))
