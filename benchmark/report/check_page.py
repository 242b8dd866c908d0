"""The page of `bus data check`: the findings in the report's look."""

from pathlib import Path

from ...core.files import write_text
from ...data.check import TELLING, Findings
from ...data.cohort import GROUP_SOURCES
from ...data.marks import MEASURED
from ...data.shortcuts import tint
from .gallery import png_uri
from .pages import render_page
from .sections import percent

SHOWN = 60  # contradicting scans that are shown as pictures


def write_page(findings: Findings, path: Path) -> Path:
    """Write the findings as one self-contained page, which holds pictures of contradicting scans only."""
    files = [file for one in findings.contradictions for file, _ in one.scans][:SHOWN]
    content = {
        "found": findings,
        "about": _about(findings),
        "cards": _cards(findings),
        "measured": MEASURED,
        "sources": GROUP_SOURCES,
        "uris": {file: png_uri(findings.pictures[file]) for file in files},
        "tint": tint,
    }
    write_text(path, render_page("check.html.j2", content))
    return path


def _about(findings: Findings) -> list[tuple[str, str]]:
    sources = ", ".join(
        f"{GROUP_SOURCES[source]} ({n} scans)" for source, n in findings.group_sources.items()
    )
    return [
        ("Data", f"{findings.name} ({findings.layout})"),
        (
            "Scans",
            f"{findings.scans} readable, {len(findings.unreadable)} unreadable, {len(findings.ignored)} other file{'s' * (len(findings.ignored) != 1)} ignored",
        ),
        ("Groups", sources),
    ]


def _cards(findings: Findings) -> list[dict[str, str]]:
    """The answer in three cards: may a study use it, what would leak, what gives the classes away."""
    first = "This would be refused or wrong as it is." if findings.unsound else "Nothing stands against it."
    leak = (
        f"{percent(findings.leak)} % of the test scans of a split per image would have a sibling in training."
    )
    if findings.inflation:
        leak += f" A nearest neighbour is right for {percent(findings.inflation.random)} % of the scans then, for {percent(findings.inflation.grouped)} % in folds by group."
    told = ", ".join(f"{probe.name} alone ({probe.worst:.2f})" for probe in findings.telling)
    shortcuts = f"Highest AUC of a class: {told}." if told else f"None reaches an AUC of {TELLING}."
    if not findings.probes:
        shortcuts = "Not measured: too few groups in all classes but one."
    return [
        {"kind": "loss" if findings.unsound else "gain", "name": "A study on it", "text": first},
        {"kind": "care" if findings.leak > 0.01 else "gain", "name": "A split per image", "text": leak},
        {"kind": "care" if told or not findings.probes else "gain", "name": "Shortcuts", "text": shortcuts},
    ]
