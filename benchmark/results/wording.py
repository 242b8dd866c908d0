"""The sentences about results, made here and nowhere else: for console, page, Markdown and JSON alike."""

from ...classify.models import TITLES
from .model import (
    ALPHA,
    PRIMARY,
    ArmResult,
    BelowYardstick,
    Collapsed,
    Conditional,
    Incomplete,
    Interval,
    NoSkill,
    Note,
    Verdict,
    VerdictKind,
)

HEADLINES = {
    VerdictKind.UNPAIRED: "no verdict",
    VerdictKind.SAME_ANSWERS: "no verdict",
    VerdictKind.NO_GAIN: "no detectable gain",
    VerdictKind.LOSS: "loss shown",
    VerdictKind.GAIN: "gain shown",
    VerdictKind.GAIN_UNEXPLAINED: "gain over the original data",
    VerdictKind.GAIN_OF_REPEATS: "gain, but not shown beyond plain oversampling",
    VerdictKind.REPEATS_BETTER: "gain, but plain oversampling does better",
}


def points(share: float) -> str:
    """A share (0.01) as signed percentage points ("+1.0")."""
    return f"{100 * share:+.1f}".replace("-", "−")


def difference(interval: Interval) -> str:
    """A difference of macro-F1 with its interval."""
    low, high = points(interval.low), points(interval.high)
    return f"{points(interval.estimate)} points of macro-F1 (95 % interval {low} to {high})"


def headline(verdict: Verdict) -> str:
    """The verdict in two to six words."""
    return HEADLINES[verdict.kind]


def reason(verdict: Verdict) -> str:
    """The numbers behind a verdict, without its headline and without a full stop."""
    gain, translator = verdict.gain, verdict.translator
    if verdict.kind is VerdictKind.UNPAIRED or gain is None:
        return "it needs cells of the arms original and cyclegan on the same folds and seeds"
    if verdict.kind is VerdictKind.SAME_ANSWERS:
        return "both arms gave the same answers to every test scan, so their difference says nothing"
    said = difference(gain)
    if verdict.kind is VerdictKind.NO_GAIN:
        if gain.p <= ALPHA:
            said += ", which leaves out 0 only before the correction for several models"
        return f"{said}; this study could have detected about {100 * gain.detectable:.1f} points"
    if verdict.kind is VerdictKind.LOSS:
        return said
    if translator is None:
        return f"{said}; whether the translator made it needs the arm oversampled"
    return f"{said}; the translator's own contribution is {difference(translator)}"


def cautions(verdict: Verdict) -> list[str]:
    """What to add to a verdict when collapsed cells, or a single training of each arm, stand behind it."""
    said = []
    if verdict.collapsed:
        said.append(
            f"Read with care: {verdict.collapsed} of the {verdict.cells} cells behind this gave 90 % of the "
            "answers to one class."
        )
    if verdict.gain and verdict.gain.shown and verdict.seeds == 1:
        said.append(
            "One training per place stands behind it; repeat it with --seeds 3 before you rely on it."
        )
    return said


def sentence(verdict: Verdict) -> str:
    """A whole verdict: headline, numbers, cautions."""
    return " ".join([f"{headline(verdict)}: {reason(verdict)}.", *cautions(verdict)])


def note(remark: Note) -> str:
    """What a reader must see with the numbers, in a sentence or two."""
    match remark:
        case Collapsed(results):
            arms = (
                f"{cell_set(row)} ({row.collapsed} of {row.cells} cells, “{row.collapsed_class}”)"
                for row in results
            )
            return f"Collapsed, 90 % or more of the answers to one class: {'; '.join(arms)}."
        case NoSkill(constant):
            accuracy, macro_f1 = (100 * (constant.metrics[name] or 0) for name in ("accuracy", PRIMARY))
            return (
                f"Answering “{constant.label}” to every scan scores an accuracy of {accuracy:.1f} % and "
                f"a macro-F1 of {macro_f1:.1f} % here: numbers near these show no skill."
            )
        case Conditional():
            return (
                "The intervals tell how much other scans of the same kind would change the numbers. They hold "
                "for the classifiers and translators trained here: training them again adds a spread that only "
                "more seeds show."
            )
        case Incomplete(cells, total):
            return (
                f"{cells} of {total} cells are left out of tables and contrasts, where not all arms have the "
                "same folds and seeds; results.csv lists all. Run the same benchmark again to complete it."
            )
        case BelowYardstick(macro_f1, results):
            short = "; ".join(map(cell_set, results)) or "none"
            return f"Retrained networks below the yardstick in macro-F1 ({100 * macro_f1:.1f} %): {short}."


def cell_set(result: ArmResult) -> str:
    """An arm of a model in words."""
    return f"{TITLES.get(result.model, result.model)} on {result.arm}"
