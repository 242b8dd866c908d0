"""The report: one self-contained page, its Markdown twin, the results as CSV and the figures as SVG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core.files import write_bytes, write_text
from ...data import shortcuts
from ...data.study import Study
from ..arms import TRANSLATED
from ..audit import Check
from ..cell import Cell
from ..results import export, wording
from ..results.contrasts import leading_arms
from ..results.model import Summary
from ..yardstick import MEANING
from . import attention as looks
from . import gallery, sections
from .checklist import items
from .figures import Figure
from .pages import render_markdown, render_page

EXTRAS: dict[str, Any] = {
    "external": None,
    "inflation": None,
    "history": (),
}  # sections that a report may have, by their names in the templates


def write_report(
    study: Study,
    summary: Summary,
    *,
    cells: Sequence[Cell],
    commands: Sequence[str] | None = None,
    checks: Sequence[Check] | None = None,
    gan_seed: int = 0,
    **extras: Any,
) -> Path:
    """Write the folder `report` of a study and return the path of its page.

    `index.html` makes no request and needs no script; `report.md` says the same; `results.csv` has a row a
    cell, `metrics.csv` and `contrasts.csv` a row a number; `figures` holds the drawings. `commands` are what the user ran,
    `checks` the outcome of the leak audit. `extras` are the tables of sections that only some reports have (EXTRAS). Parts that
    don't exist are said to be absent. The same study gives the same bytes on the same machine.
    """
    folder = study.path / "report"
    content = (
        context(study, summary, cells=cells, commands=commands, checks=checks, gan_seed=gan_seed)
        | EXTRAS
        | extras
    )
    external, presets = content["external"] is not None, sorted({cell.preset for cell in cells})
    content["limits"] = sections.limits(study, summary, presets, external, content["probes"])
    content["claim"] = items(external)
    for figure in all_figures(content):
        write_text(folder / "figures" / f"{figure.name}.svg", figure.svg + "\n")
    for translator in content["translators"]:
        sheet = gallery.contact_sheet(translator["pairs"])
        if sheet:
            write_bytes(folder / "figures" / f"pairs-{translator['place']}.png", sheet)
    for model in content["looks"]["apart"]:
        sheet = looks.contact_sheet(model["scans"])
        if sheet:
            write_bytes(folder / "figures" / f"looks-{model['slug']}.png", sheet)
    export.write_tables(folder, study, summary)
    write_text(folder / "report.md", render_markdown("report.md.j2", content))
    write_text(folder / "index.html", render_page("report.html.j2", content))
    return folder / "index.html"


def write_plan(
    study: Study, name: str, content: dict[str, Any], command: str, checks: Sequence[Check]
) -> Path:
    """Write the page and the Markdown of a plan's runs beside the report; returns the page's path."""
    everything = {
        **content,
        "study": study,
        "command": command,
        "banners": study.settings.banners,
        "checks": checks,
    }
    folder = study.path / "report"
    write_text(folder / f"plan-{name}.md", render_markdown("plan.md.j2", everything))
    write_text(folder / f"plan-{name}.html", render_page("plan.html.j2", everything))
    return folder / f"plan-{name}.html"


def context(
    study: Study,
    summary: Summary,
    *,
    cells: Sequence[Cell],
    commands: Sequence[str] | None,
    checks: Sequence[Check] | None,
    gan_seed: int,
) -> dict[str, Any]:
    """Everything the templates say, by the names they use."""
    flagged = sections.flags(summary)
    presets = sorted({cell.preset for cell in cells})
    demo = ["Preset demo: it shows the way, its numbers mean nothing."] if "demo" in presets else []
    leading, others = sections.contrast_rows(summary, flagged)
    raised = [label for cell in cells if cell.arm.kind in TRANSLATED for label in cell.added]
    translators = gallery.translators(
        study, summary.folds, gan_seed, list(dict.fromkeys(raised)) or [study.target]
    )
    return {
        "study": study,
        "summary": summary,
        "banners": [*study.settings.banners, *demo],
        "about": sections.about(study, summary, presets),
        "verdicts": sections.verdicts(summary, flagged),
        "collapsed": bool(flagged),
        "forests": sections.forests(summary, flagged),
        "leading": leading,
        "others": others,
        "metrics": sections.METRICS,
        "arms": {str(arm): arm.meaning for arm in summary.arms},
        "lead": [str(arm) for arm in leading_arms(summary.arms)],
        "notes": [wording.note(remark) for remark in summary.notes],
        "fold_zero": sections.fold_zero(study),
        "results": sections.results(summary, flagged),
        "yardstick": MEANING.format(study.settings.size) if summary.yardstick else "",
        "curves": sections.curves(summary, flagged),
        "confusions": sections.confusions(summary, flagged),
        "looks": looks.looks(study, cells, flagged),
        "translators": translators,
        "cohort": sections.cohort(study),
        "checks": checks,
        "cost": sections.cost(summary, translators),
        "commands": commands,
        "versions": sections.versions(),
        "machine": sections.machine(),
        "configurations": sections.configurations(cells),
        "meanings": sections.MEANINGS,
        "columns": sections.COLUMNS,
        "probes": shortcuts.of_study(study),
        "tint": shortcuts.tint,
    }


def all_figures(content: dict[str, Any]) -> list[Figure]:
    """Every drawing of a report, in its order."""
    translated = [t[key] for t in content["translators"] for key in ("picture", "curves") if t[key]]
    return [*content["forests"], *(figure for drawn in content["curves"] for figure in drawn), *translated]
