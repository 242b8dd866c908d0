"""The scores in words, made once: console, report, datasheet and notebook say the same."""

import math
from collections.abc import Iterator

from .model import (
    SHARES,
    Comparison,
    Distances,
    HeldOutScores,
    Measured,
    Metric,
    Opinion,
    Scores,
    WarningKind,
)

NOTHING_FROM, WORSE_FROM = 0.9, 1.1  # of the normalised KID
NAMES = {Metric.KID: "KID", Metric.FRECHET: "Fréchet distance", **{share: str(share) for share in SHARES}}
Fact = tuple[str, str]  # a term and what is known of it


def shown(value: Measured | None) -> str:
    """A number with two digits of its spread, as text; a dash where there is none."""
    if value is None:
        return "–"
    if not value.spread:
        return f"{value.mean:.3g}".replace("-", "−")
    digits = max(0, 1 - math.floor(math.log10(value.spread)))
    return f"{value.mean:.{digits}f} ± {value.spread:.{digits}f}".replace("-", "−")


def per_cent(share: float | None, digits: int = 1) -> str:
    """A share in per cent, or a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def name_of(metric: Metric, scores: Scores) -> str:
    """How a metric is called; the Fréchet distance goes by its network."""
    return scores.extractor.label if metric == Metric.FRECHET else NAMES[metric]


def comparison(found: Comparison) -> Iterator[str]:
    """What two sets of scans have in common, a line each."""
    yield f"{found.n.first} against {found.n.second} scans, judged by {found.extractor.name}"
    if found.frechet is not None:
        yield f"{found.extractor.label}: {found.frechet:.2f}"
    if found.kid is not None:
        yield f"KID: {found.kid.mean:.5f} ± {found.kid.spread:.5f} (subsets of {found.kid.subset})"
    for name in SHARES:
        if getattr(found, name) is not None:
            yield f"{name}: {getattr(found, name):.3f}"
    yield from found.notes


def sentences(scores: Scores) -> Iterator[str]:
    """The scores, a line each, with every warning."""
    yield from details(scores)
    yield from opinions(scores)
    yield from warnings(scores)


def details(scores: Scores) -> Iterator[str]:
    """The scores, a line each: how far from real, what stands beside that, what is missing."""
    n = scores.n
    yield (
        f"{n.synthetic} synthetic scans against {n.target} real ones ({scores.reference}); judge: "
        f"{scores.extractor.name}."
    )
    if scores.kid:
        yield f"{kernel_distance(scores)}."
    if scores.frechet:
        yield f"{scores.extractor.label}: {scores.frechet.score.mean:.1f}."
    if shares := beside_marks(scores):
        yield f"{shares}.".capitalize()
    yield from (f"{term}: {text}" for term, text in facts(scores))
    yield from scores.notes


def opinions(scores: Scores) -> Iterator[str]:
    """What every judge says, a line each."""
    yield from (f"Judge {judge_name(judge)}: {said(judge)}." for judge in scores.judges)


def headline(scores: Scores) -> str:
    """What the scores say in one plain sentence; the warnings are not in it."""
    kernel = scores.kid.normalised.mean if scores.kid and scores.kid.normalised else None
    scans, real = f"The {scores.n.synthetic} synthetic scans", f"real {scores.target} scans"
    if kernel is None:
        text = f"{scans} could not be placed between {real} and their untranslated sources"
    elif kernel > WORSE_FROM:
        text = f"{scans} are farther from {real} than their untranslated sources"
    elif kernel > NOTHING_FROM:
        text = f"{scans} are about as far from {real} as their untranslated sources"
    else:
        way = per_cent(max(0.0, min(1.0, 1 - kernel)), 0)
        text = f"{scans} went {way} of the way from their sources to {real}"
    if kernel is not None and scores.kid:
        text += f" (normalised KID {shown(scores.kid.normalised)}: 0 is real, 1 is doing nothing)"
    reader = scores.reader
    if reader and reader.synthetic is not None and reader.target is not None:
        text += (
            f"; a reader of another network size calls {per_cent(reader.synthetic, 0)} of them "
            f"{scores.target}, of real ones {per_cent(reader.target, 0)}"
        )
    return f"{text}."


def warnings(scores: Scores) -> Iterator[str]:
    """Every warning in a sentence."""
    yield from (f"Warning, {kind}: {warning(kind, scores)}" for kind in scores.warnings)


def kernel_distance(distances: Distances) -> str:
    """Normalised KID and KID between its marks, as far as they are known; "" where it was not computed."""
    if not distances.kid:
        return ""
    scale = distances.kid
    lead = f"Normalised KID {shown(scale.normalised)} (0 real, 1 did nothing); " if scale.normalised else ""
    marks = f"of real scans {scale.floor.mean:.4f}, of sources {scale.ceiling.mean:.4f}"
    return f"{lead}KID {scale.score.mean:.4f}, {marks}".replace("-", "−")


def beside_marks(distances: Distances) -> str:
    """Shares of scans, each with what real ones and sources give; "" where none was computed."""
    scales = [(name, distances.metric(name)) for name in SHARES]
    return ", ".join(
        f"{name} {scale.score.mean:.2f} (real {scale.floor.mean:.2f}, sources {scale.ceiling.mean:.2f})"
        for name, scale in scales
        if scale
    )


def facts(scores: Scores) -> list[Fact]:
    """What is known of the scans beside distances; nothing for what was not computed."""
    said = []
    if identity := scores.identity:
        text = (
            f"{identity.synthetic:.1f} translated, {identity.blurred:.1f} merely blurred, "
            f"{identity.regained:.1f} merely re-gained."
        )
        if strongest := identity.strongest:
            text += (
                f" In the 3 of 64 blocks that changed most: {strongest.synthetic:.1f}, "
                f"{strongest.blurred:.1f}, {strongest.regained:.1f}. "
                f"{per_cent(strongest.area, 0)} of all blocks changed more than blur or gain change "
                "99 of 100."
            )
        said.append(("Distance to the own source, grey levels", text))
    if near := scores.copies:
        text = (
            f"{per_cent(near.synthetic)} of the synthetic scans are closer than {near.threshold:.3f} to a "
            f"training scan; of held-out real scans {per_cent(near.held_out)}."
        )
        said.append(("Copies", text))
    if reader := scores.reader:
        text = (
            f"{per_cent(reader.synthetic, 0)} of the synthetic scans, {per_cent(reader.sources, 0)} of their "
            f"sources, {per_cent(reader.target, 0)} of real {scores.target} scans."
        )
        parts = reader.synthetic_from.items()
        text += "".join(f" Made from {name}: {per_cent(share, 0)}." for name, share in parts)
        said.append((f"A reader of another network size calls {scores.target}", text))
    if distinct := scores.distinct:
        text = f"{distinct.n} synthetic scans vary like {distinct.effective:.0f} entirely different ones."
        if distinct.compared:
            text += (
                f" Of equally many ({distinct.compared}), synthetic vary like {distinct.synthetic:.0f}, "
                f"real {scores.target} scans like {distinct.target:.0f}."
            )
        said.append(("Distinct scans", text))
    if chosen := scores.filter:
        text = (
            f"the reader gave {per_cent(chosen.accepted, 0)} of the translator's scans "
            f"{chosen.confidence:g} or more; only these were kept."
        )
        said.append(("Filter", text))
    return said


def judge_name(judge: Opinion) -> str:
    """Who judges, and what it is to the network that trained the translator."""
    return f"{judge.judge} ({judge.kin})"


def said(judge: Opinion) -> str:
    """What one judge says, in a line; what was too small for it is left out."""
    parts = [f"normalised KID {shown(judge.kid)}"] if judge.kid else []
    if told := judge.two_sample:
        parts.append(
            f"told apart from real scans with AUC {told.synthetic:.2f} "
            f"(sources {told.sources:.2f}, real halves {told.halves:.2f})"
        )
    if reader := judge.reader:
        parts.append(
            f"calls {per_cent(reader.synthetic, 0)} of them the target, of real ones "
            f"{per_cent(reader.target, 0)}, of sources {per_cent(reader.sources, 0)}"
        )
    return "; ".join(parts) or "too few scans or groups"


def against_tests(held_out: HeldOutScores, target: str) -> str:
    """The distance to test scans, which neither translator nor scores saw."""
    text = f"{kernel_distance(held_out)}. {beside_marks(held_out)}.".replace(" .", "")
    return (
        f"{held_out.tests} real {target} scans of the test part, which neither the translator nor the scores "
        f"above saw, as the reference (EfficientNet-Lite0; looked at when all was trained): {text}"
    )


def warning(kind: WarningKind, scores: Scores) -> str:
    """What a warning means, with its numbers as far as these scores have them."""
    target = scores.target
    text = {
        WarningKind.COLLAPSE: "The translator returns its sources nearly unchanged.",
        WarningKind.COPYING: "The translator may be reproducing patients.",
        WarningKind.MODE_COLLAPSE: "The translator repeats itself.",
        WarningKind.WORSE: f"The scans are farther from real {target} scans than their untranslated sources.",
        WarningKind.DISAGREE: "Some judges call the scans worse than their untranslated sources.",
        WarningKind.TEACHER: f"{scores.trained_with} trained the translator and also judges it.",
        WarningKind.FILTER: "The reader chose these scans, so what it calls them says nothing.",
    }[kind]
    if kind is WarningKind.COLLAPSE and (identity := scores.identity):
        text = (
            f"The translator changes its sources by {identity.synthetic:.1f} grey levels, no more than "
            f"a slight blur ({identity.blurred:.1f}) or gain ({identity.regained:.1f}): it returns them "
            f"instead of making {target} scans."
        )
    elif kind is WarningKind.COPYING and (near := scores.copies):
        text = (
            f"{per_cent(near.synthetic, 0)} of the synthetic scans are closer to a training scan "
            f"than unrelated real scans are to each other ({per_cent(near.held_out, 0)}): the translator may "
            "be reproducing patients."
        )
    elif kind is WarningKind.MODE_COLLAPSE and (distinct := scores.distinct):
        text = (
            f"{distinct.compared} synthetic scans are as varied as {distinct.synthetic:.0f} "
            f"entirely different ones, as many real {target} scans as {distinct.target:.0f}: the translator "
            "repeats itself."
        )
    elif kind is WarningKind.WORSE and scores.kid and (kernel := scores.kid.normalised):
        text = (
            f"The synthetic scans are {kernel.mean:.1f} times as far from real {target} scans as "
            "their untranslated sources are (normalised KID: 0 is real, 1 is doing nothing)."
        )
    elif kind is WarningKind.DISAGREE and (judges := [judge for judge in scores.judges if judge.disagrees]):
        words = "; ".join(f"{judge_name(judge)}: {said(judge)}" for judge in judges)
        text = f"To some judges the scans look less real than their untranslated sources. {words}."
    elif kind is WarningKind.TEACHER:
        measures = scores.trained_with == scores.extractor.name
        role = "measures these distances" if measures else "is the eyes of the reader"
        text = (
            f"{scores.trained_with} trained the translator and also {role}, which flatters it: train with "
            "another network, or choose another --extractor."
        )
    elif kind is WarningKind.FILTER and scores.filter:
        text = (
            f"The reader chose these scans ({per_cent(scores.filter.accepted, 0)} passed), so what it calls "
            "them says nothing; distances by EfficientNet-Lite0, whose features it reads, are flattered too."
        )
    return text
