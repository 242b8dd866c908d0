"""The section on what a study cannot say, as far as the tool can know."""

from collections.abc import Sequence

from ...data.shortcuts import Probe
from ...data.study import Study
from ..results import wording
from ..results.model import GAIN, Contrast, Summary
from .model import Bullets, Section
from .numbers import span
from .performance import fold_zero
from .terms import title


def limits_section(
    study: Study, summary: Summary, presets: Sequence[str], probes: Sequence[Probe], *, external: bool
) -> Section:
    """Size, folds, seeds, schedules, pixels, shortcuts, other hospitals: a sentence each."""
    k, tested, settings = study.settings.k, len(summary.folds), study.settings
    gains = [c for model in summary.models if (c := summary.contrast(GAIN, model))]
    said = ["Research use only: nothing here is a medical device, and nothing here supports a diagnosis."]
    if "demo" in presets:
        said.append("The preset demo shows the way in minutes. Its numbers mean nothing.")

    # how much could have been seen
    if gains:
        reach = span([gain.deciding.half_width for gain in gains])
        reached = [f"The intervals of the gain reach {reach} points of macro-F1 to either side"]
        seen, blind = ([gain for gain in gains if bool(gain.retrained) == known] for known in (True, False))
        if seen:
            reached.append(
                f"a true difference of {span([gain.detectable for gain in seen])} points would have been "
                f"found by four such studies in five, a smaller one by fewer{_of(seen, gains)}"
            )
        if blind:
            reached.append(f"{wording.UNSHOWABLE}{_of(blind, gains)}")
        said.append(f"{'; '.join(reached)}. No detectable gain is not the same as no gain.")
    if settings.inner is not None:
        said.append(fold_zero(study))
    if tested < k:
        was = "was" if tested == 1 else "were"
        said.append(f"{tested} of {k} folds {was} tested. All folds (--fold all) would narrow the intervals.")

    # what was tested, how often, on what
    sets = "One data set, no external test"
    if external:
        sets = "One data set, and one external set that tests the target against other lesions only"
    said += [
        f"Every arm was trained {wording.of_seeds(summary)} time{'s' * (summary.seeds > 1)} in a fold. "
        f"{_bases(summary)}",
        "Groups are scenes or patients, as the table of the cohort says. Where they are scenes, as in "
        "BUSI, the intervals take two views of one patient for independent, and may be too narrow.",
        "Schedules are fixed and the last weights are used; no training was stopped or chosen by its test "
        "scans. Other choices may do better.",
        f"Scans are {settings.size} px a side; finer detail is lost to translator and classifier alike.",
        _shortcuts(probes),
        f"{sets}: other scanners, hospitals and patients may give other results.",
        "AUC and ROC are averages over cells, since scores of separately trained models don’t compare. "
        "Training "
        "on a balanced set raises the predicted probability of the target, which shows in the calibration.",
    ]
    return Section("limits", "What this study cannot say", [Bullets(said)])


def _of(some: Sequence[Contrast], every: Sequence[Contrast]) -> str:
    """Of which models it is said, where not of every one."""
    if len(some) == len(every):
        return ""
    return f" ({', '.join(title(contrast.model) for contrast in some)})"


def _bases(summary: Summary) -> str:
    """What the intervals of the gain know of trainings and translators."""
    gains = [c for model in summary.models if (c := summary.contrast(GAIN, model))]
    if not gains:
        return "Intervals of the table are for other scans: training again would change the numbers further."
    if blind := [gain for gain in gains if gain.retrained is None]:
        return (
            f"That is too little to know what training again would change{_of(blind, gains)}: the intervals "
            "hold for these classifiers and translators. --fold all would tell, best with --seeds 3."
        )
    if any(gain.retrained and gain.retrained.basis == "folds" for gain in gains):
        return (
            "What other trainings and translators would change is taken from the spread between the folds, "
            "since one training or one translator a fold shows none; more of both would narrow the intervals."
        )
    return "What other trainings and translators would change is taken from the spread between the seeds."


def _shortcuts(probes: Sequence[Probe]) -> str:
    """What could have told the classes apart without a lesion."""
    told = ", ".join(f"{probe.name} {probe.worst:.2f}" for probe in probes)
    measured = "How much they tell was not measured here."
    if told:
        measured = f"They alone reach these AUC for one class (0.5 is chance): {told}."
    return (
        "A classifier can tell classes apart by a scan’s size, by the black bars of letterboxing, by its "
        f"border or its grey levels. {measured} Whether a classifier used them this report does not say; "
        "marks burned into the scans are counted by bus data check."
    )
