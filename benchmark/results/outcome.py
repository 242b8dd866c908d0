"""The sentence that is said first, on page and console and in JSON: what became of the question."""

from collections.abc import Sequence
from math import inf

from ...classify.catalogue import title
from . import wording
from .model import PRIMARY, Contrast, Summary, Verdict, VerdictKind
from .summary import below

COUNTS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
SAID = {  # in the order in which they are said
    VerdictKind.GAIN: "a gain, also beyond repeating scans,",
    VerdictKind.REPEATS_BETTER: "a gain, but less than repeating scans gives,",
    VerdictKind.GAIN_OF_REPEATS: "a gain, not shown beyond repeating scans,",
    VerdictKind.GAIN_UNEXPLAINED: "a gain over the original data",
    VerdictKind.LOSS: "a loss, also against repeating scans,",
    VerdictKind.LOSS_OF_REPEATS: "a loss, not shown against repeating scans,",
    VerdictKind.REPEATS_WORSE: "a loss, but less than repeating scans brings,",
    VerdictKind.LOSS_UNEXPLAINED: "a loss against the original data",
    VerdictKind.NO_GAIN: "no detectable gain",
    VerdictKind.NOT_REPEATED: "no verdict yet",
    VerdictKind.TOO_SMALL: "too small a test",
    VerdictKind.SAME_ANSWERS: "no verdict",
    VerdictKind.UNPAIRED: "no verdict",
}


def outcome(summary: Summary) -> str:
    """What became of the question, on the mean of the networks and on each, and where the yardstick lies."""
    together = _together(summary)
    alone = _alone(summary)
    if together:
        alone = f" Network by network: {alone}"
    return f"{together}{_capital(alone)}{_yardstick(summary)}"


def _alone(summary: Summary) -> str:
    """What the verdicts on single networks say together, and what went unseen."""
    verdicts = list(summary.verdicts.values())
    said: dict[str, list[str]] = {}
    for kind, words in SAID.items():
        said.setdefault(words, []).extend(title(v.model) for v in verdicts if v.kind is kind)
    parts = [f"{words} for {_whom(words, models, len(verdicts))}" for words, models in said.items() if models]
    return f"{', '.join(parts)}{_unseen(verdicts)}."


def _unseen(verdicts: Sequence[Verdict]) -> str:
    """How large a gain may have gone unseen, where none was detected."""
    least = unseen(verdicts)
    if least is None:
        return ""
    if least == inf:
        return f"; {wording.UNSHOWABLE}"
    return f"; a true gain below {100 * least:.1f} points would often have been missed"


def unseen(verdicts: Sequence[Verdict]) -> float | None:
    """Below which share a true gain would often have been missed: inf where none could be shown.

    None unless some verdict is that no gain was detected.
    """
    gains = [verdict.gain for verdict in verdicts if verdict.kind is VerdictKind.NO_GAIN and verdict.gain]
    return min((gain.detectable if gain.retrained else inf for gain in gains), default=None)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _whom(words: str, models: Sequence[str], total: int) -> str:
    if len(models) < total or total == 1:
        return f"{', '.join(models[:-1])} and {models[-1]}" if len(models) > 1 else models[0]
    none = words.startswith("no ")
    if total == 2:
        return "either classifier" if none else "both classifiers"
    return f"{'any of' if none else 'all'} {count(total)} classifiers"


def _together(summary: Summary) -> str:
    """The verdict on the mean of the networks, and what added scans, and the translator alone, move there."""
    verdict = summary.together
    if verdict is None or verdict.gain is None or verdict.gain.retrained is None:
        return ""
    gain, own = _points(verdict.gain), verdict.translator
    said = f"{_capital(SAID[verdict.kind])} on the mean of the {count(len(summary.models))} networks"
    said = f"{said}: macro-F1 differs by {gain}"
    if own:
        said = f"{said}, from repeating scans by {_points(own)}"
    return f"{said}{_unseen([verdict])}."


def _points(contrast: Contrast) -> str:
    """A difference with the interval that decides."""
    interval = contrast.deciding
    return f"{wording.points(interval.estimate)} points (95 % interval {wording.ends(interval)})"


def _yardstick(summary: Summary) -> str:
    """How many of the arms that train a network stay below a linear model on frozen features."""
    if summary.yardstick is None:
        return ""
    low, total = len(below(summary.table, summary.yardstick)), sum(row.arm.trains for row in summary.table)
    mark = f"({100 * (summary.yardstick.metrics[PRIMARY] or 0):.1f} % macro-F1)"
    who = {0: "None", total: "All"}.get(low, count(low).capitalize())
    stay = "stays" if low == 1 or not low else "stay"
    return (
        f" {who} of the {count(total)} arms that train a network {stay} below a linear model on frozen "
        f"features {mark}."
    )


def count(number: int) -> str:
    """A number up to twelve as a word."""
    return COUNTS[number] if number < len(COUNTS) else str(number)
