"""A paragraph on methods to paste into a paper, with the keys of its references."""

import re
from collections.abc import Sequence

from ... import __version__
from ...data.cohort import COHORTS
from ...data.study import Study
from ...gan.config import GanConfig
from ..arms import ADDING
from ..cell import Cell
from ..report_folder import REFERENCES
from ..results import wording
from ..results.model import GAIN, MEAN, TRANSLATOR, Summary
from ..results.outcome import count
from ..results.untouched import shows_busi
from .model import Block, Fold, Link, Listing, Paragraph, Section
from .references import bibtex
from .terms import title
from .translator import TranslatorFacts

MADE = ("cyclegan", "pooled")  # arms whose scans a translator made
CITED = {"vgg19": " [@simonyan2015]", "resnet18": " [@he2016]"}


def methods_section(
    study: Study, summary: Summary, cells: Sequence[Cell], translators: Sequence[TranslatorFacts]
) -> Section:
    """The paragraph, and its references behind a fold."""
    text = methods_paragraph(study, summary, cells, translators)
    blocks: list[Block] = [
        Paragraph(["What was done, to paste and to shorten; the references are in ", BIB_LINK, "."], "note"),
        Paragraph(text),
        Fold("References as BibTeX", [Listing(bibtex(cited(text)).splitlines(), "BibTeX")], instead=""),
    ]
    return Section("methods", "Methods, for a paper", blocks)


BIB_LINK = Link(REFERENCES, REFERENCES)


def cited(text: str) -> list[str]:
    """The keys of the references in a paragraph, in their order."""
    return list(dict.fromkeys(re.findall(r"\[@(\w+)\]", text)))


def methods_paragraph(
    study: Study, summary: Summary, cells: Sequence[Cell], translators: Sequence[TranslatorFacts]
) -> str:
    """Data, split, translator, arms, classifiers, statistics: only what this study did."""
    settings = study.settings
    source = " [@aldhabyani2020]" * shows_busi((scan.sha256, scan.label) for scan in study.scans)
    folds = "all folds" if len(summary.folds) == settings.k else f"{count(len(summary.folds))} of them"

    # the scans
    said = [
        f"We used {settings.data.name}{source}, cohort “{settings.cohort}” "
        f"({COHORTS.get(settings.cohort, 'own definition')}), cut into {settings.k} stratified folds that "
        f"split no group of scans of one scene or patient; {folds} were tested ({summary.scans} scans in "
        f"{summary.groups} groups). Scans were letterboxed to {settings.size} × {settings.size} grey pixels."
    ]

    # what was trained
    if translators and any(arm.kind in MADE for arm in summary.arms):
        config = translators[0].config
        pairs = f" on {config.pairs:,} pairs of scans" if config else ""
        if config and config.side < settings.size:
            pairs += f", reduced to {config.side} × {config.side} pixels,"
        seeds = len({translator.seed for translator in translators})
        trained = f"{count(seeds)} CycleGANs [@zhu2017] were" if seeds > 1 else "a CycleGAN [@zhu2017] was"
        alone = any(arm.kind == "cyclegan" for arm in summary.arms)
        turns = " The seeds of the classifiers took them in turn." if seeds > 1 and alone else ""
        start = _beginning(config) if config else ""
        said.append(
            f"For each fold {trained} trained on the training part alone{pairs}{start} to turn "
            f"{_directions(study, translators)}; the last weights were used.{turns} Synthetic scans "
            "were scored by the kernel inception distance [@binkowski2018] and the Fréchet distance "
            "[@heusel2017] between a floor of real scans and a ceiling of untranslated sources."
        )
    arms = "; ".join(f"“{arm}”: {arm.meaning}" for arm in summary.arms)
    doses = [arm.dose for arm in summary.arms if arm.kind in ADDING]
    same = len(doses) > 1 and len(set(doses)) == 1
    adds = " Arms that add scans add the same number." * same
    models = ", ".join(title(m) + CITED.get(m, "") for m in summary.models)
    steps = sorted({cell.recipe.steps for cell in cells})
    sides = {cell.model: cell.recipe.enlarge for cell in cells if cell.recipe.enlarge > settings.size}
    larger = "".join(f" {title(m)} saw scans enlarged to {side} px." for m, side in sides.items())
    said.append(
        f"{models} were trained in these arms ({arms}).{adds} All arms of a comparison had the same steps "
        f"({', '.join(f'{n:,}' for n in steps)}), batch, schedule, augmentation and first weights, with "
        f"{wording.of_seeds(summary, count)} seed{'s' * (summary.seeds != 1)}; nothing was chosen on test "
        f"scans.{larger}"
    )

    # how it was judged
    said.append(
        "The primary metric, named before the work, was macro-F1 on pooled out-of-fold answers. Intervals "
        "are 95 %; those for other scans come from a bootstrap over groups, stratified by fold and shared by "
        f"all arms. {_deciding(summary)}"
    )
    if len(summary.folds) > 1:
        said.append("The corrected t test of Nadeau and Bengio [@nadeau2003] served as a second opinion.")
    said.append(
        f"Heat maps: Grad-CAM [@selvaraju2017]. Software: bus {__version__}. Reporting follows CLAIM "
        "[@tejani2024]."
    )
    return " ".join(said)


def _directions(study: Study, translators: Sequence[TranslatorFacts]) -> str:
    """From which classes to which, in words."""
    ways = {(one.config.sources, one.config.target) for one in translators if one.config}
    usual = (tuple(name for name in study.classes if name != study.target), study.target)
    if ways <= {usual}:
        return f"scans of the other classes into {study.target} ones"
    return "; ".join(f"{' and '.join(sources)} scans into {target} ones" for sources, target in sorted(ways))


def _beginning(config: GanConfig) -> str:
    """What a translator saw or had before the scans of its fold, in words."""
    known = "with generators that were trained on simulated scans of other seeds" * (config.init != "none")
    seen = "with simulated scans" * (config.phantoms > 0)
    begun = " and ".join(part for part in (known, seen) if part)
    return f", beginning {begun}," * bool(begun)


def _deciding(summary: Summary) -> str:
    """How the intervals were made that decide, or that there were none."""
    claims = [c for c in summary.contrasts if c.kind in (GAIN, TRANSLATOR)]
    mean = any(c.model == MEAN for c in claims)
    bases = {c.retrained.basis for c in claims or summary.contrasts if c.retrained}
    if not summary.contrasts:
        return "No two arms were compared."
    if not bases:
        return (
            "Too few trainings were made for an interval that covers other trainings and translators, so no "
            "gain or loss is claimed."
        )
    ways = {
        "seeds": "the variance of the bootstrap and that between the seeds of a fold, with Satterthwaite’s "
        "degrees of freedom [@satterthwaite1946]",
        "folds": "the means of the folds",
    }
    how = "; or from ".join(ways[basis] for basis in sorted(bases, reverse=True))
    return (
        "Gain and loss were decided by intervals for other scans, trainings and translators: Student’s t "
        f"from {how}. Their p values were corrected over the models by Holm’s method [@holm1979]"
        + ("; those of the mean over the networks, taken within each seed, were not." if mean else ".")
    )
