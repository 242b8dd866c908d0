"""What a finished study leaves for others, beside its plan: reports, tables, a figure, and how it was run.

    python docs/busi-study/publish.py --study DIR [--bank DIR] [--into docs/busi-study]

Writes into a folder:

- `report-1/`, `report-2/` …: the study's reports as `bus report --hand-on` writes them, without pictures of
  scans. One that is there stays as it was published, since networks that are trained after it would count in
  its correction for several; remove it to have it written anew. All else is written anew each time.
- `per-image.csv`: the answers of the classifiers on a split per image, where these were trained.
- `further.csv`: what the plan shows beside the first report (further.py).
- `answer.md`: the answer in the words that the plan foresaw (answer.py).
- `contrasts-….svg`: every difference of a claim in the first report, with both its intervals, a figure a
  metric.
- `log.csv` and `run.md`: every start and end, and what they add up to: hours, machines, versions, hashes.
"""

import argparse
import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import answer
import further
from bus.benchmark import pipeline
from bus.benchmark.cell import Cell
from bus.benchmark.cells import cells_of
from bus.benchmark.external import External
from bus.benchmark.per_image import per_image_request, preview
from bus.benchmark.report.figures import Effect, forest
from bus.benchmark.report.terms import CONTRASTS as TERMS
from bus.benchmark.report.terms import METRICS, title
from bus.benchmark.report_folder import ABOUT, CONTRASTS, RESULTS, reports
from bus.benchmark.request import Request
from bus.benchmark.results.model import MEAN
from bus.benchmark.results.predictions import write_predictions
from bus.core.errors import BusError
from bus.core.files import read_csv, write_text
from bus.data.study import Study
from bus.gan.translator import Translator
from study import LOG, bank_of, commit, stages

HERE = Path(__file__).parent
SHOWN = {  # metrics of the figures → the end of a figure's name
    "macro_f1": "macro-f1",
    "target_auc": "auc",
    "sensitivity_at_90_specificity": "sensitivity",
}


def effects(rows: Sequence[Mapping[str, str]], metric: str) -> list[Effect]:
    """What `cyclegan` differs by in one metric, in points, the mean of the networks first."""
    of_metric = [row for row in rows if row["contrast"] in TERMS and row["metric"] == metric]
    found = []
    for row in sorted(of_metric, key=lambda row: row["model"] != MEAN):
        suffix = "_retrained" if row["low_retrained"] else ""
        low, high, detectable = (
            100 * float(row[f"{name}{suffix}"]) for name in ("low", "high", "detectable")
        )
        label = f"{'Mean' if row['model'] == MEAN else title(row['model'])}, − {row['second']}"
        scans = (100 * float(row["low"]), 100 * float(row["high"]))
        found.append(Effect(label, 100 * float(row["estimate"]), low, high, detectable, scans))
    return found


def sittings(log: Sequence[Mapping[str, str]]) -> str:
    """What the lines of a log add up to, as Markdown."""
    lines = [
        "| command | first start | done | starts | of which without an end | minutes known |",
        "|---|---|---|---|---|---|",
    ]
    for command in dict.fromkeys(row["command"] for row in log):
        own = [
            (row["event"], datetime.fromisoformat(row["time"])) for row in log if row["command"] == command
        ]
        starts = sum(event == "start" for event, _ in own)
        pairs = [(one, two) for one, two in pairwise(own) if one[0] == "start" and two[0] != "start"]
        minutes = sum((end - begun).total_seconds() for (_, begun), (_, end) in pairs) / 60
        done = [when for event, when in own if event == "done"]
        ended = done[0].isoformat() if done else "–"
        begun = own[0][1].isoformat()
        lines.append(
            f"| `{command}` | {begun} | {ended} | {starts} | {starts - len(pairs)} | {minutes:.1f} |"
        )
    return "\n".join(lines)


def provenance(
    study: Study,
    log: Sequence[Mapping[str, str]],
    trained: Mapping[str, float],
    others: Mapping[str, External],
) -> str:
    """The page that says how the study was run; `others`: the scans from elsewhere, by their name."""
    data = study.settings.data
    several = {
        name: ", ".join(dict.fromkeys(row[name] for row in log)) for name in ("commit", "machine", "versions")
    }
    facts = {
        "Plan": f"[plan.md](plan.md), SHA-256 {log[0]['plan_sha256']}",
        "First line of the log": log[0]["time"],
        "Commits that ran": several["commit"],
        "Machines": several["machine"],
        "Python and libraries": several["versions"],
        "Data": f"{data.name}, content {data.sha256}",
        "Cohort": f"{study.settings.cohort}: {len(study.used())} scans, {study.settings.k} folds, "
        f"{study.settings.size} px",
        **{
            f"External, {name}": f"{len(one.rows)} scans, content {one.sha256}"
            for name, one in others.items()
        },
        "Published by commit": commit(),
        **{f"Hours of training, added up, {name}": f"{spent:.1f}" for name, spent in trained.items()},
    }
    table = "\n".join(f"| {name} | {said} |" for name, said in facts.items())
    planned = {line for block in stages((HERE / "plan.md").read_text(encoding="utf-8")) for line in block}
    whose = "those of the [plan](plan.md)"
    if not planned.issuperset(row["command"] for row in log):
        whose += ", cut into folds and for another machine ([deviations](deviations.md))"
    return (
        "# How the study was run\n\nBy [publish.py](publish.py), from the study and its [log](log.csv); "
        f"the commands are {whose}.\n\n| | |\n|---|---|\n{table}\n\n"
        "Minutes from start to end of each command; many ran side by side:\n\n"
        f"{sittings(log)}\n"
    )


def of_split_per_image(sub: Study, cells: Sequence[Cell]) -> dict[str, float]:
    """Hours of what was trained to show what a split per image claims, by what it is; nothing without."""
    spent = [one.seconds or 0 for one in Translator.all_of(sub) if one.is_done]
    spent_too = [cell.effort.seconds or 0 for cell in cells]
    if not spent and not cells:
        return {}
    name = f"the split per image ({len(spent)} translator, {len(cells)} classifiers)"
    return {name: (sum(spent) + sum(spent_too)) / 3600}


def publish(study: Study, bank: Path, into: Path) -> None:
    """Write all of it into a folder. The log is the bank's.

    A report that leaves out trainings says so. Pages of plans, which are no part of the study, are passed
    over.
    """
    sub, per_image = preview(study), []
    others: dict[str, External] = {}
    cells: dict[tuple[str, ...], float] = {}  # a training counts once, in however many reports it is
    for report in reports(study.path):
        asked, copy = report.about.get("asked"), into / f"report-{report.number}"
        if not isinstance(asked, Mapping):
            continue
        if not copy.exists():
            fresh = into / f".report-{report.number}-new"
            shutil.rmtree(fresh, ignore_errors=True)  # of a run that was cut short
            pipeline.hand_on(study, fresh, report.number, whole=False)
            fresh.rename(copy)
        for row in (row for row in read_csv(copy / RESULTS) if row["seconds"]):  # others train nothing
            cells[tuple(row[name] for name in further.CELL)] = float(row["seconds"])
        request = Request.from_recorded(study, asked, report.path / ABOUT)
        if elsewhere := pipeline.read_external(study, request):
            others[elsewhere.name] = elsewhere
        if request.inflation:
            per_image = [one for one in cells_of(sub, per_image_request(request)) if one.is_done]
    spent = [one.seconds or 0 for one in Translator.all_of(study) if one.is_done]
    trained = {
        f"{len(spent)} translators": sum(spent) / 3600,
        f"{len(cells)} classifiers": sum(cells.values()) / 3600,
        **of_split_per_image(sub, per_image),
    }
    if per_image:
        write_predictions(into / "per-image.csv", sub, per_image)
    first = into / "report-1"
    with redirect_stdout(io.StringIO()) as printed:
        further.write(first)
    write_text(into / answer.FURTHER, printed.getvalue())
    write_text(into / "answer.md", answer.of_published(into))
    for metric, name in SHOWN.items():
        found = effects(read_csv(first / CONTRASTS), metric)
        said = "; ".join(f"{effect.label}: {effect.estimate:+.1f}" for effect in found)
        axis = f"cyclegan − …, points of {METRICS[metric]}"
        alt = f"Every difference of a claim: {axis}. {said}"
        write_text(into / f"contrasts-{name}.svg", forest(name, found, axis=axis, alt=alt).svg + "\n")
    log = list(csv.DictReader((bank / LOG).open(encoding="utf-8")))
    shutil.copyfile(bank / LOG, into / "log.csv")
    write_text(into / "run.md", provenance(study, log, trained, others))


def main() -> None:
    """Publish a study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", type=Path, required=True, help="the finished study")
    parser.add_argument("--bank", type=Path, help="its bank; DIR-bank unless given")
    parser.add_argument("--into", type=Path, default=HERE, help="folder that is written to")
    asked = parser.parse_args()
    try:
        publish(Study.open(asked.study), asked.bank or bank_of(asked.study), asked.into)
    except BusError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
