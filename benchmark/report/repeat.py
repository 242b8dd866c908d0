"""The last sections of a report: what it cost, how to repeat it, and which items of a checklist it
answers."""

import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ... import __version__
from ...data.study import Study
from ..cell import Cell
from ..history import Past
from ..report_folder import ABOUT, DONE, EXTERNAL, EXTERNAL_ANSWERS, FIGURES, HOLDS, PAGE
from ..results.model import Summary
from .checklist import items
from .model import (
    Block,
    Bullets,
    Cells,
    Code,
    Definitions,
    Fold,
    Heading,
    Line,
    Link,
    Listing,
    Paragraph,
    Section,
    number,
    table,
)
from .terms import title
from .translator import TranslatorFacts, flat, generators

PACKAGES = (
    "torch",
    "torchvision",
    "torch-fidelity",
    "numpy",
    "scikit-learn",
    "scipy",
    "opencv-python-headless",
)


def cost_section(summary: Summary, translators: Sequence[TranslatorFacts]) -> Section:
    """Minutes of every part, trainings alone."""
    times = [t.seconds for t in translators if t.seconds]
    parts = [("CycleGAN", len(times), sum(times))]
    for model in summary.models:
        spent = [cell.seconds for cell in summary.cells if cell.model == model and cell.seconds]
        parts.append((f"{title(model)}, all arms", len(spent), sum(spent)))
    parts = [part for part in parts if part[2]]
    if not parts:
        return Section("cost", "Cost", [Paragraph("No times were recorded.", "absent")], appendix=True)
    if len(parts) > 1:
        parts.append(("all", sum(count for _, count, _ in parts), sum(seconds for *_, seconds in parts)))
    rows: list[Cells] = [[name, str(count), f"{seconds / 60:.1f}"] for name, count, seconds in parts]
    shown = table("Cost", ["part", number("trainings"), number("minutes in all")], rows, "narrow")
    note = (
        "Training only, added up. Cells trained side by side take less on the clock; reading data, scoring "
        "and testing come on top."
    )
    return Section("cost", "Cost", [shown, Paragraph(note, "note")], appendix=True)


def repeat_section(
    study: Study,
    cells: Sequence[Cell],
    translators: Sequence[TranslatorFacts],
    commands: Sequence[str] | None,
    history: Sequence[Past],
    *,
    linked: bool = True,
) -> Section:
    """Commands, all benchmarks of the study, versions, hashes, configurations.

    `linked`: the other reports lie beside this one.
    """
    absent = Paragraph("The commands were not recorded.", "absent")
    blocks: list[Block] = [Listing(commands) if commands else absent]
    if history:
        note = (
            "In the order in which they were looked at, with what each said, early looks too. More than one "
            "is a choice: whoever reports one of them tells of the others."
        )
        said: list[Line] = []
        for past in history:
            words = " ".join(f"{model}: {sentence}" for model, sentence in past.verdicts.items())
            early = ", while others were missing" * past.partial
            link = Link(f"Report {past.report}", f"../{past.report}/{PAGE}")
            where: list[Link | str] = [link if linked else link.text, ": "] if past.report else []
            said.append([*where, Code(past.command), f": {past.cells} cells{early}. {words}"])
        blocks += [
            Heading("Every benchmark of this study"),
            Paragraph(note, "note"),
            Bullets(said, numbered=True),
        ]
    facts: list[tuple[str, Line]] = [
        *versions(),
        ("report written on", machine()),
        ("data, by content", Code(study.settings.data.sha256)),
        *generators(translators),
    ]
    blocks.append(Definitions(facts, "settings"))
    for model in dict.fromkeys(cell.model for cell in cells):
        settings = Definitions(configuration([cell for cell in cells if cell.model == model]), "settings")
        blocks.append(Fold(f"Configuration of {title(model)}", [settings]))
    return Section("repeat", "How to repeat it", blocks, appendix=True)


def configuration(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """What cells were trained with; values that differ between them are listed, at most six."""
    configs = [flat(cell.config) for cell in cells]
    settings = []
    for key in dict.fromkeys(key for config in configs for key in config):
        values = list(dict.fromkeys(config[key] for config in configs if key in config))
        settings.append((key, " | ".join(values[:6]) + f" | … ({len(values)} values)" * (len(values) > 6)))
    return settings


def versions() -> list[tuple[str, str]]:
    """This software and the packages that touch a number, with their versions."""
    known = [("bus", __version__), ("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            known.append((name, version(name)))
        except PackageNotFoundError:
            known.append((name, "not installed"))
    return known


def machine() -> str:
    """The processor and system on which the report was written."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", info.read_text()) if info.exists() else []
    return ", ".join([*names[:1], platform.processor() or platform.machine(), platform.system()])


def claim_section(titles: Mapping[str, str], *, external: bool) -> Section:
    """The items of CLAIM 2024 that the report answers, each with its section (key → title)."""
    words = (
        "Items of the Checklist for Artificial Intelligence in Medical Imaging, 2024 update (Tejani et al., "
        "doi 10.1148/ryai.240300), that this report can answer. The others, such as the origin of the "
        "reference standard, ethics and funding, are for the authors."
    )
    rows: list[Cells] = [
        [str(item.number), item.topic, Link(titles[item.section], f"#{item.section}"), item.remark]
        for item in items(external)
    ]
    shown = table("CLAIM 2024 items", [number("item"), "topic", "where", "remark"], rows, "prosaic")
    return Section("claim", "CLAIM 2024", [Paragraph(words), shown], appendix=True)


def files_section(*, external: bool) -> Section:
    """What lies beside the page."""
    rows: list[Cells] = [[Link(name, name), said] for name, said in _held(external=external).items()]
    shown = table("Files beside this page", ["file", "holds"], rows, "prosaic")
    words = "All numbers are shares (0.01 is one point) but Brier scores. figures holds every drawing as SVG."
    return Section("files", "Files beside this page", [shown, Paragraph(words, "note")], appendix=True)


def _held(*, external: bool) -> dict[str, str]:
    """What is in the files of a report, with or without scans from elsewhere."""
    absent = () if external else (EXTERNAL, EXTERNAL_ANSWERS)
    return {name: said for name, said in HOLDS.items() if name not in absent}


def readme(*, pictures: bool = True, external: bool = False) -> str:
    """The text that explains the folder of a report, or of a copy without pictures, to whoever finds it."""
    lines = [f"- `{name}`: {said}" for name, said in _held(external=external).items()]
    written = (
        "Written by `bus benchmark`, anew by `bus report --of` with this folder’s number; a benchmark of "
        "other things gets another number."
    )
    own = [
        f"- `{FIGURES}/`: every drawing as SVG, sheets of scans as PNG",
        f"- `{ABOUT}`: what was asked",
        f"- `{DONE}`: for which trainings the report is whole, and the hashes of its files",
    ]
    if not pictures:
        written = "A copy without pictures of scans, written by `bus report --hand-on`."
        own = [f"- `{FIGURES}/`: every drawing as SVG"]
    return "\n".join(
        [
            "# The folder of a report",
            "",
            f"{written} Research use only.",
            "",
            *lines,
            *own,
            "",
            "Numbers are shares (0.01 is one point) but Brier scores; what is undefined is empty.",
            "",
        ]
    )
