"""The sentences about results: for console, page, Markdown and JSON alike."""

from collections.abc import Callable

from ...classify.catalogue import title
from .model import (
    ALPHA,
    FEWEST_GROUPS,
    MEAN,
    PRIMARY,
    ArmResult,
    BelowYardstick,
    Collapsed,
    Conditional,
    Contrast,
    Developed,
    Incomplete,
    Interval,
    NoSkill,
    Note,
    Summary,
    Verdict,
    VerdictKind,
)

HEADLINES = {
    VerdictKind.UNPAIRED: "no verdict",
    VerdictKind.SAME_ANSWERS: "no verdict",
    VerdictKind.TOO_SMALL: "too small to judge",
    VerdictKind.NOT_REPEATED: "no verdict yet",
    VerdictKind.NO_GAIN: "no detectable gain",
    VerdictKind.LOSS: "loss shown",
    VerdictKind.LOSS_UNEXPLAINED: "loss against the original data",
    VerdictKind.LOSS_OF_REPEATS: "loss, but not shown against plain oversampling",
    VerdictKind.REPEATS_WORSE: "loss, but plain oversampling does worse",
    VerdictKind.GAIN: "gain shown",
    VerdictKind.GAIN_UNEXPLAINED: "gain over the original data",
    VerdictKind.GAIN_OF_REPEATS: "gain, but not shown beyond plain oversampling",
    VerdictKind.REPEATS_BETTER: "gain, but plain oversampling does better",
}
MOVED = {  # whether the ranking moved as macro-F1 did: alike, against it, or as far as is shown not at all
    1: "The ranking of scans moved too: {}.",
    -1: "The ranking of scans moved the other way: {}.",
    0: "The ranking of scans is not shown to have moved: {}. What moved may be the threshold alone, that is "
    "how often the target is answered.",
}
SCANS, RETRAINED = "other scans", "other scans, trainings and translators"  # what the two intervals promise
UNKNOWN = "what training again would change nobody can know from so few trainings"
UNSHOWABLE = "from so few trainings no gain of any size can be shown"


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, a true minus, and no negative zero."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def points(share: float) -> str:
    """A share (0.01) as signed percentage points ("+1.0")."""
    return signed(100 * share)


def ends(interval: Interval) -> str:
    """Both ends of an interval in points."""
    return f"{points(interval.low)} to {points(interval.high)}"


def difference(contrast: Contrast) -> str:
    """A difference of macro-F1 with both its intervals, the one that decides first."""
    scans, again = contrast.interval, contrast.retrained
    if again is None:
        promised = f"for {SCANS} {ends(scans)}; {UNKNOWN}"
    else:
        promised = f"for {RETRAINED} {ends(again)}, for {SCANS} alone {ends(scans)}"
    return f"{points(scans.estimate)} points of macro-F1 (95 % interval {promised})"


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
    match verdict.kind:
        case VerdictKind.TOO_SMALL:
            groups = f"{verdict.target_groups} group{'s' * (verdict.target_groups != 1)}"
            return f"{groups} of the target were tested, {FEWEST_GROUPS} are the least; {said}"
        case VerdictKind.NOT_REPEATED:
            return f"{said}. Repeat it on all folds (--fold all), with --seeds 3"
        case VerdictKind.NO_GAIN:
            uncorrected = gain.deciding.p <= ALPHA
            said += ", which leaves out 0 only before the correction for several models" * uncorrected
            if gain.retrained is None:
                return f"{said}; {UNSHOWABLE}"
            return f"{said}; this study could have detected about {100 * gain.detectable:.1f} points"
    if translator is None:
        made = "made it" if gain.shown > 0 else "brought it about"
        return f"{said}; whether the translator {made} needs the arm oversampled"
    return f"{said}; the translator's own contribution is {difference(translator)}"


def of_seeds(summary: Summary, said: Callable[[int], str] = str) -> str:
    """How many seeds an arm has: "3", or "2 to 3" where trainings of a network failed."""
    found = sorted({row.seeds for row in summary.table})
    return " to ".join(map(said, dict.fromkeys((found[0], found[-1]))))


def cautions(verdict: Verdict) -> list[str]:
    """What belongs to a verdict: what moved, what collapsed, how few trainings, what the yardstick says."""
    said = []
    if verdict.claim and verdict.auc:
        said.append(what_moved(verdict.claim, verdict.auc))
        said += threshold_apart(verdict)
    if verdict.collapsed:
        those = f"{verdict.collapsed} of the {verdict.cells} cells" if verdict.cells > 1 else "the one cell"
        said.append(f"Read with care: {those} behind this gave 90 % of the answers to one class.")
    if verdict.claim and verdict.seeds == 1:
        said.append(
            "One training per place stands behind it; repeat it with --seeds 3 before you rely on it."
        )
    if verdict.left_out:
        names = " and ".join(map(name, verdict.left_out))
        said.append(
            f"The mean leaves out {names}, trained in this study too: a mean over chosen networks shows "
            "nothing unless they were named before the work."
        )
    if verdict.shared:
        folds, seeds = verdict.shared
        said.append(f"It holds the {folds} folds and {seeds} seeds that all networks have.")
    if verdict.below_yardstick:
        share = "All" if verdict.below_yardstick == verdict.arms else f"{verdict.below_yardstick} of the"
        those = f"{share} {verdict.arms} arms that train this network stay"
        if verdict.arms == 1:
            those = "The one arm that trains this network stays"
        said.append(f"{those} below the yardstick, a linear model on frozen features, in macro-F1.")
    return said


def what_moved(gain: Contrast, auc: Contrast) -> str:
    """Whether the ranking of scans moved with macro-F1, or only how often the target is answered."""
    again = auc.deciding
    ranking = f"AUC moved by {points(again.estimate)} points ({ends(again)})"
    return MOVED[auc.shown * gain.shown].format(ranking)


def threshold_apart(verdict: Verdict) -> list[str]:
    """What is left of a gain, or loss, where all arms answer with the target alike often."""
    words = (
        (verdict.matched, "With the threshold of every arm at 90 % specificity the difference"),
        (
            verdict.beyond_prior,
            "Against original’s answers corrected for the class prior, without training, it",
        ),
    )
    return [
        f"{words} is {points(contrast.interval.estimate)} points of macro-F1 ({ends(contrast.deciding)})."
        for contrast, words in words
        if contrast
    ]


def expectation(
    folds: int, seeds: int, scans: float, again: float | None, *, translated: bool, planned: bool = False
) -> str:
    """How wide the intervals of a benchmark will be.

    `scans` and `again` are the half-widths of both (0.04: 4 points); `translated`: a translator takes part,
    of which a plan (`planned`) says itself how many a fold has.
    """
    design = f"With {folds} fold(s) and {seeds} seed(s)"
    said = f"{design} expect intervals of about ± {100 * scans:.0f} points of macro-F1"
    if again is None:
        ways = "three seeds (--seeds 3)"
        if translated:
            more = "--seeds 3, and gan_seeds = 3 in the plan" if planned else "--seeds 3 --gan-seeds 3"
            ways = f"translators of their own for three seeds ({more})"
        return (
            f"{said} for {SCANS}. What training again would change stays unknown, so no gain can be shown: "
            f"that takes three folds or more (--fold all), or {ways}."
        )
    return f"{said} for {SCANS}, and of ± {100 * again:.0f} for {RETRAINED}, which decide."


def sentence(verdict: Verdict) -> str:
    """A whole verdict: headline, numbers, cautions."""
    return " ".join([f"{headline(verdict)}: {reason(verdict)}.", *cautions(verdict)])


def name(model: str) -> str:
    """A model's name as its authors write it, or that of the mean of all networks of a report."""
    return "Mean of the networks" if model == MEAN else title(model)


def told(summary: Summary) -> dict[str, str]:
    """Every verdict as a sentence, by the name of its model; that on the mean of the networks first."""
    return {name(model): sentence(verdict) for model, verdict in summary.judged.items()}


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
                f"Of the two intervals, the one for {RETRAINED} decides. It holds what training everything "
                f"again would change; the one for {SCANS} holds for the classifiers and translators trained "
                "here. Both take two groups for independent: where groups are scenes, as in BUSI, two views "
                "of one patient may be two groups."
            )
        case Incomplete(cells, total):
            return (
                f"{cells} of {total} cells are left out of tables and contrasts, where not all arms have the "
                "same folds and seeds; results.csv lists all. Run the same benchmark again to complete it."
            )
        case Developed(scans, total, untouched):
            folds = ", ".join(map(str, untouched))
            rest = f"fold{'s' * (len(untouched) > 1)} {folds} hold{'s' * (len(untouched) == 1)} none of them"
            if not untouched:
                rest = "no tested fold is free of them"
            return (
                f"{scans} of {total} scans were development data: defaults and recipes of bus were chosen by "
                f"looking at BUSI’s folds 1 to 4, so that numbers on them may flatter; {rest}."
            )
        case BelowYardstick(macro_f1, results):
            short = "; ".join(map(cell_set, results)) or "none"
            return f"Retrained networks below the yardstick in macro-F1 ({100 * macro_f1:.1f} %): {short}."


def cell_set(result: ArmResult) -> str:
    """An arm of a model in words."""
    return f"{name(result.model)} on {result.arm}"
