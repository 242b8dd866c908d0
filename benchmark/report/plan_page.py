"""The page of a plan's runs, beside the numbers that others report for them."""

from collections.abc import Sequence
from pathlib import Path

from ...data.study import Study
from ..audit import Check
from ..report_folder import PAGE, TEXT
from ..results import wording
from ..results.model import PRIMARY, ArmResult
from ..results.plan_result import OWN, PairResult, PlanResult, RunResult
from ..yardstick import MEANING
from . import figures, pages
from .cohort import audit_section
from .model import (
    Block,
    Bullets,
    Cells,
    Column,
    Heads,
    Listing,
    Page,
    Paragraph,
    Section,
    Table,
    TableCell,
    number,
    table,
)
from .numbers import percent
from .performance import BELOW, seed_range
from .study_report import banners
from .terms import METRICS, title


def write_plan(
    study: Study, folder: Path, results: Sequence[PlanResult], command: str, checks: Sequence[Check]
) -> Path:
    """Write the page and the Markdown of a plan's runs into a report's folder; returns the page's path.

    `results`: one for each share of the target's groups, in rising order.
    """
    sections = [_curve(results)] if len(results) > 1 else []
    for result in results:
        sections += _part(result, f", {_share(result)}" if len(results) > 1 else "")
    reading: list[Block] = [Bullets(_reading(study, results)), Listing([command], "Command")]
    sections += [audit_section(checks), Section("read", "How to read it", reading)]
    heading = results[0].plan.title
    page = Page(heading, "bus · plan", heading, sections, banners(study))
    return pages.write(page, folder, Path(PAGE).stem, markdown_name=Path(TEXT).stem)


def _share(result: PlanResult) -> str:
    return f"{100 * result.share:g} % of the target"


def _curve(results: Sequence[PlanResult]) -> Section:
    """What each run scores with each share of the target, drawn and in a table."""
    names = [run.run.name for run in results[0].runs]
    drawn, rows = [], []
    for metric in (PRIMARY, "target_auc"):
        curves = {name: _points(results, place, metric) for place, name in enumerate(names)}
        title_of = METRICS[metric]
        alt = f"{title_of} in % over the share of the target's groups in the training parts: " + "; ".join(
            f"{name} {', '.join(f'{mean:.1f}' for _, mean, *_ in points)}" for name, points in curves.items()
        )
        arms = {run.run.name: str(run.run.arm) for run in results[0].runs}
        axis = ("share of the target’s groups, %", f"{title_of}, %")
        figure = figures.curves(f"curve-{metric}", curves, arms, axis=axis, alt=alt)
        drawn.append(figure.entitled(title_of, "mean of all folds and seeds; bars: 95 %, other scans alone"))
    for result in results:
        fewest, most = result.groups
        groups = str(most) if fewest == most else f"{fewest}–{most}"
        scored = [run.results.get(OWN) for run in result.runs]
        rows += [
            [_share(result), groups, METRICS[metric]]
            + [
                TableCell(percent(one.metrics[metric] if one else None), seed_range(one, metric))
                for one in scored
            ]
            for metric in (PRIMARY, "target_auc")
        ]
    columns: Heads = ["training parts", number("groups of the target"), "metric", *map(number, names)]
    words = (
        "Training parts keep a share of the target's groups, and all of the others; translators see the "
        "same. Test parts are whole. Mean in %, with the lowest and the highest seed."
    )
    return Section(
        "curve", "Learning curve", [Paragraph(words), *drawn, table("Learning curve", columns, rows)]
    )


def _points(
    results: Sequence[PlanResult], place: int, metric: str
) -> list[tuple[float, float, float, float]]:
    """Share, metric and the ends of its interval, all in %, of one run wherever it was trained."""
    found = []
    for result in results:
        scored = result.runs[place].results.get(OWN)
        value = scored.metrics[metric] if scored else None
        if scored and value is not None:
            low, high = scored.intervals.get(metric, (value, value))
            found.append((100 * result.share, 100 * value, 100 * low, 100 * high))
    return found


def _part(result: PlanResult, which: str) -> list[Section]:
    """The runs with one share of the target, and the differences between them."""
    number_of = f"-{100 * result.share:g}" if which else ""
    words = (
        "Test accuracy in %, ours with 95 % intervals from a bootstrap over groups; macro-F1 beside it, "
        "since accuracy hides a model that always gives one answer, with the lowest and the highest seed. "
        "† collapsed: 90 % or more of the answers are one class."
    )
    sections = [Section(f"runs{number_of}", f"Runs{which}", [Paragraph(words), _runs(result)])]
    if result.pairs:
        words = (
            "Runs that differ in their arms alone, and those that the plan compares, on the same folds and "
            "seeds: differences in points, with the 95 % interval for other scans, trainings and translators "
            "(none where too few trainings were made to know it), the one for other scans alone, and the "
            "smallest difference that such a study finds four times in five. A claim that added scans help "
            "needs both, over original and over oversampled. No correction for the number of rows; bus "
            "benchmark corrects."
        )
        blocks: list[Block] = [Paragraph(words), _pairs(result.pairs)]
        sections.append(Section(f"pairs{number_of}", f"Differences{which}", blocks))
    return sections


def _runs(result: PlanResult) -> Table:
    adds, further = result.adds, any(run.further for run in result.runs)
    reported = any(run.run.accuracy is not None for run in result.runs)
    columns: Heads = [
        "run",
        "model",
        *["arm"] * adds,
        "optimiser",
        number("learning rate"),
        number("batch"),
        "loss",
    ]
    columns += [number("epochs"), "schedule", *["further"] * further, *[number("reported")] * reported]
    for name in result.splits:
        columns += [number(f"ours, {name}"), number("macro-F1"), *[number("AUC")] * (name == OWN)]
    rows: list[Cells] = [
        _run(run, result, adds=adds, further=further, reported=reported) for run in result.runs
    ]
    blank = [*[""] * (6 + adds + further), *["–"] * reported]
    yardstick: list[TableCell | str] = ["yardstick", "a frozen network and a linear model", *blank]
    for name in result.splits:
        own = name == OWN
        macro_f1 = percent(result.yardstick.metrics[PRIMARY])
        yardstick += [_accuracy(result.yardstick) if own else "–", macro_f1 if own else "–"]
        yardstick += [percent(result.yardstick.metrics["target_auc"])] * own
    return table("Runs of the plan", columns, [*rows, yardstick])


def _run(
    result: RunResult, plan: PlanResult, *, adds: bool, further: bool, reported: bool
) -> list[TableCell | str]:
    run, recipe = result.run, result.recipe
    cells: list[TableCell | str] = [
        run.name,
        title(run.model),
        *[str(run.arm)] * adds,
        recipe.optimiser,
        str(recipe.learning_rate),
        str(recipe.batch),
        "weighted cross-entropy" if recipe.weighted else "cross-entropy",
        str(run.epochs) if run.epochs else f"{recipe.steps} steps",
        recipe.schedule,
        *[result.further] * further,
        *["–" if run.accuracy is None else f"{run.accuracy:.2f}"] * reported,
    ]
    mark = plan.yardstick.metrics[PRIMARY] or 0.0
    for name in plan.splits:
        scored, wanted = result.results.get(name), result.cells.get(name, 0)
        done = scored.cells if scored else 0
        missing = f"{done} of {wanted} cells" if done < wanted else ""
        cells.append(_accuracy(scored, missing))
        macro_f1 = scored.metrics[PRIMARY] if scored else None
        below = name == OWN and macro_f1 is not None and macro_f1 < mark
        cells.append(TableCell(percent(macro_f1), seed_range(scored, PRIMARY), sign=BELOW * below))
        if name == OWN:
            auc = scored.metrics["target_auc"] if scored else None
            cells.append(TableCell(percent(auc), seed_range(scored, "target_auc")))
    return cells


def _accuracy(result: ArmResult | None, remark: str = "") -> TableCell:
    if result is None:
        return TableCell("–", remark=remark)
    flag = f"answers {result.collapsed_class} nearly always" if result.collapsed else ""
    span = result.intervals.get("accuracy")
    interval = f"{percent(span[0])}–{percent(span[1])}" if span else ""
    return TableCell(percent(result.metrics["accuracy"]), interval, remark, flag)


def _pairs(pairs: Sequence[PairResult]) -> Table:
    columns: Heads = [
        "runs",
        "arms",
        "metric",
        Column("points (95 % interval for other scans, trainings and translators)", "points"),
        number("for other scans alone"),
        number("detectable"),
    ]
    rows: list[Cells] = []
    for pair in pairs:
        flag = "one of the two gives one answer nearly always" if pair.collapsed else ""
        for difference in pair.differences:
            again = difference.retrained
            estimate = wording.points(difference.interval.estimate)
            rows.append(
                [
                    " − ".join(pair.runs),
                    TableCell(" − ".join(dict.fromkeys(map(str, pair.arms))), collapsed=flag),
                    METRICS[difference.metric],
                    TableCell(estimate, wording.ends(again) if again else ""),
                    wording.ends(difference.interval),
                    f"{100 * again.detectable:.1f}" if again else "–",
                ]
            )
    return table("Runs compared", columns, rows)


def _reading(study: Study, results: Sequence[PlanResult]) -> list[str]:
    """What a reader must know to compare these numbers with others."""
    # what every row is
    result = results[-1]
    folds = ", ".join(map(str, result.folds))
    trainings = f"{result.seeds} training{'s' * (result.seeds > 1)}"
    said = [f"Folds by group: {folds}; {trainings} of every run on each. Every row is their mean."]
    if result.shared:
        said.append(f"All runs: {result.shared}.")
    meaning = MEANING.format(study.settings.size)
    said.append(f"Yardstick: {meaning}. A retrained network with less macro-F1 ({BELOW}) is below it.")

    # each kind of split
    for name, split in result.splits.items():
        sizes = [
            "; ".join(one.splits[name].sizes) + f" with {_share(one)}" * (len(results) > 1) for one in results
        ]
        said.append(
            f"{name[:1].upper()}{name[1:]}: {'; '.join(sizes)} scans (training / validation / test). "
            f"Answering “{split.constant}” to everything is right for {percent(split.accuracy, 2)} %."
        )
    if len(result.splits) > 1:
        said.append(
            "In a split per image, scans of one patient or scene stand on both sides, so its numbers are too "
            "good. It is here because reported numbers often come from one."
        )

    # what else decides the numbers
    if result.adds and len(result.splits) > 1:
        said.append("Arms that add scans train on folds by group alone.")
    if result.plan.note:
        said.append(result.plan.note)
    said.append(
        f"Ours: at {study.settings.size} px; nothing is chosen on test scans. No group is on both sides of a "
        "fold by group, nor are equal pixels (checked before the training). A validation part trains nobody; "
        "only ReduceLROnPlateau (“plateau”) watches it."
    )
    return said
