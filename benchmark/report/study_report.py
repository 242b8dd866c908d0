"""The report: one self-contained page, its Markdown twin, the results as CSV and the figures as SVG."""

from collections.abc import Sequence
from pathlib import Path

from ...core.files import write_text
from ...data import shortcuts
from ...data.study import Study
from ..arms import TRANSLATED
from ..audit import Check
from ..cell import Cell
from ..external import External
from ..history import Past
from ..report_folder import (
    EXTERNAL,
    EXTERNAL_ANSWERS,
    KOREAN,
    PAGE,
    PREDICTIONS,
    README,
    REFERENCES,
    TEXT,
    ReportFolder,
)
from ..results import export
from ..results.external_test import external_result
from ..results.model import Summary
from ..results.predictions import write_external_predictions, write_predictions
from . import pages
from .changes import changes_section
from .cohort import audit_section, cohort_section
from .effects import effects_section, verdict_section
from .errors import errors_section
from .external import external_section
from .heat import heat_section
from .inflation import inflation_section
from .korean import in_korean
from .limits import limits_section
from .methods import cited, methods_paragraph, methods_section
from .model import Language, Line, Page, Section, Strong, without_pictures
from .performance import confusion_section, curves_section, results_section
from .references import bibtex
from .repeat import claim_section, cost_section, files_section, readme, repeat_section
from .terms import collapse_flags
from .translator import read_translators, translator_section


def write_report(
    study: Study,
    summary: Summary,
    *,
    cells: Sequence[Cell],
    folder: Path | None = None,
    commands: Sequence[str] | None = None,
    checks: Sequence[Check] | None = None,
    gan_seeds: Sequence[int] = (0,),
    external: External | None = None,
    claimed: Summary | None = None,
    history: Sequence[Past] = (),
    language: Language = "en",
    pictures: bool = True,
) -> Path:
    """Write a report of a study into its `folder`, the newest's unless given; returns the path of its page.

    `index.html` makes no request and needs no script; `report.md` says the same; `readme` tells of the other
    files. `commands` are what the user ran, `checks` the outcome of the leak audit, `claimed` what a split
    per image would have claimed. `language` ko: beside it `index.ko.html`, headings and verdict in Korean.
    Without `pictures` no scan is shown, so that the page may be handed on where the data may not. Parts that
    don't exist are said to be absent. The same study gives the same bytes on the same machine.
    """
    # what is known
    flags, probes = collapse_flags(summary), shortcuts.of_study(study)
    presets = sorted({cell.preset for cell in cells})
    raised = [label for cell in cells if cell.arm.kind in TRANSLATED for label in cell.added]
    labels = list(dict.fromkeys(raised)) or [study.target]
    translators = read_translators(study, summary.folds, gan_seeds, labels)

    # section by section
    sections = [
        verdict_section(study, summary, flags, presets),
        effects_section(summary, flags),
        results_section(study, summary, flags),
    ]
    elsewhere = external_result(external, study, cells) if external else None
    sections += [external_section(elsewhere, study.target)] if elsewhere else []
    sections += [
        curves_section(summary, flags),
        confusion_section(summary, flags),
        errors_section(study, summary, cells),
        changes_section(study, summary, cells, flags),
        heat_section(study, cells, flags),
        translator_section(translators),
        cohort_section(study, probes),
        audit_section(checks),
    ]
    sections += [inflation_section(summary, claimed)] if claimed else []
    sections += [
        limits_section(study, summary, presets, probes, external=external is not None),
        methods_section(study, summary, cells, translators),
        cost_section(summary, translators),
        repeat_section(study, cells, translators, commands, history, linked=pictures),
        files_section(external=external is not None),
    ]

    # the files
    folder = folder or ReportFolder(study.path).path
    export.write_tables(folder, study, summary)
    write_predictions(folder / PREDICTIONS, study, cells)
    if external and elsewhere:
        export.write_external(folder / EXTERNAL, elsewhere)
        write_external_predictions(folder / EXTERNAL_ANSWERS, study, external, cells)
    write_text(folder / REFERENCES, bibtex(cited(methods_paragraph(study, summary, cells, translators))))
    write_text(folder / README, readme(pictures=pictures, external=external is not None))
    page = _page(study, presets, sections, external=external is not None)
    page = page if pictures else without_pictures(page)
    (folder / KOREAN).unlink(missing_ok=True)  # of an earlier report
    if language == "ko":
        translated = in_korean(page, summary, study.target, study.settings.data.name)
        write_text(folder / KOREAN, pages.html(translated))
    return pages.write(page, folder, Path(PAGE).stem, markdown_name=Path(TEXT).stem)


def _page(study: Study, presets: Sequence[str], sections: Sequence[Section], *, external: bool) -> Page:
    """The page of all sections and the checklist that points to them."""
    titles = {section.key: section.title for section in sections}
    name = study.settings.data.name
    return Page(
        title=f"Balancing {name} with a CycleGAN: report",
        kicker="bus · benchmark report",
        heading=f"Do a CycleGAN’s {study.target} scans help classifiers on {name}?",
        sections=[*sections, claim_section(titles, external=external)],
        banners=banners(study, presets),
    )


def banners(study: Study, presets: Sequence[str] = ()) -> list[Line]:
    """What a reader must know before any number."""
    demo = ["Preset demo: it shows the way, its numbers mean nothing."] if "demo" in presets else []
    return [[Strong("Note."), f" {sentence}"] for sentence in (*study.settings.banners, *demo)]
