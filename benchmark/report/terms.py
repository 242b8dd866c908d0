"""The names of metrics and models on a page, what they mean, and how their numbers are written."""

from collections.abc import Mapping

from ..arms import Arm
from ..results import wording
from ..results.model import GAIN, TRANSLATOR, ArmResult, Summary, Way
from .numbers import decimal, percent

METRICS = {  # key → heading, in the order of the tables
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "target_recall": "target recall",
    "target_auc": "target AUC",
    "sensitivity_at_90_specificity": "sensitivity at 90 % specificity",
    "brier": "Brier score",
}
MATCHED_METRICS = {  # of contrasts, beside METRICS
    "matched_macro_f1": "macro-F1 at matched specificity",
    "matched_target_recall": "target recall at matched specificity",
}
WAYS = {  # another way to ask the same networks → what it is
    Way.MATCHED: "the target is answered above a threshold that one in ten scans without it passes, on the "
    "other tested folds, which lie in this fold’s training part; so no arm’s balance decides how often",
    Way.FLIPPED: "the mean of the answers to a scan and to its mirror image",
    Way.ENSEMBLE: "the mean of the answers of all seeds, as one classifier",
}
MEANINGS = {  # heading → what it is
    "accuracy": "share of the scans that were answered rightly",
    "macro-F1": "per class the harmonic mean of recall and precision, then the mean over the classes, so "
    "that "
    "rare classes count as much as frequent ones; the primary metric, named before the work",
    "balanced accuracy": "mean of the recalls of all classes",
    "target recall": "share of the target scans that were called so: the sensitivity",
    "target AUC": "how often a target scan gets a higher probability of the target than another scan; 50 is "
    "chance",
    "sensitivity at 90 % specificity": "target recall, were the threshold set where one other scan in ten is "
    "called target",
    "Brier score": "squared error of the probabilities, summed over the classes; 0 is best, 2 is worst",
    "seeds": "lowest and highest macro-F1 of the trainings with other random numbers, which the intervals of "
    "this table do not hold",
    "recall …": "share of that class’s scans that were answered rightly",
}
COLUMNS = {  # of the table of effects → what it is
    "difference, points (95 % interval for other scans, trainings and translators)": "one arm minus another, "
    "times 100; were everything trained again and tested on other scans of the same kind, about 19 of 20 "
    "such intervals would hold the true difference; without an interval, too few trainings were made to "
    "know",
    "for other scans alone": "the same for these very trainings: what other test scans would change; now and "
    "then the wider of the two, where the few trainings happen to agree",
    "smallest detectable": "a true difference of this size is found by four such studies in five, before the "
    "correction for several models; a smaller one by fewer; a dash where too few trainings were made to show "
    "any",
    "p": "how often chance gives such a difference, were there none: of scans, trainings and translators, "
    "or, without the first interval, of scans alone",
    "p (Holm)": "the same, corrected for all models that were tried in this study with these settings (the "
    "mean of the networks is one question by itself); the verdicts use this one",
    "p (Nadeau–Bengio)": "a second opinion from the means of the folds; a dash with one fold",
}
CONTRASTS = {
    GAIN: ("Gain", "what adding synthetic scans did"),
    TRANSLATOR: ("The translator’s own contribution", "what they did beyond repeating real scans"),
}
Flags = Mapping[tuple[Arm, str], str]  # (arm, model) → why it is marked as collapsed


def title(model: str) -> str:
    """A model's name as its authors write it, or that of the mean of all networks."""
    return wording.name(model)


def value(metric: str, number: float | None) -> str:
    """A metric as its tables show it: in per cent, a Brier score as it is."""
    return decimal(number) if metric == "brier" else percent(number)


def collapse_flags(summary: Summary) -> dict[tuple[Arm, str], str]:
    """A warning for every (arm, model) with collapsed cells: 90 % or more of the answers are one class."""
    return {
        (result.arm, result.model): f"collapsed in {result.collapsed} of {result.cells}: answers "
        f"{result.collapsed_class or 'one class'} nearly always"
        for result in summary.table
        if result.collapsed
    }


def results_of(summary: Summary, model: str) -> list[ArmResult]:
    """The results of a model, in the order of the arms."""
    by_arm = {result.arm: result for result in summary.table if result.model == model}
    return [by_arm[arm] for arm in summary.arms if arm in by_arm]
