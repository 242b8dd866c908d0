"""What each section of the report says, as plain values for the templates."""

import platform
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ... import __version__
from ...classify.models import TITLES
from ...data.cohort import COHORTS, GROUP_SOURCES
from ...data.shortcuts import Probe
from ...data.study import Study
from ..arms import Arm
from ..cell import Cell
from ..results import wording
from ..results.model import PRIMARY, ArmResult, Contrast, Summary, VerdictKind
from ..results.summary import below
from . import figures
from .figures import Effect, Figure

METRICS = {  # key → heading, in the order of the tables
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "target_recall": "target recall",
    "target_auc": "target AUC",
    "sensitivity_at_90_specificity": "sensitivity at 90 % specificity",
    "brier": "Brier score",
}
MEANINGS = {  # heading → what it is
    "accuracy": "share of the scans that were answered rightly",
    "macro-F1": "per class the harmonic mean of recall and precision, then the mean over the classes, so that rare classes count as "
    "much as frequent ones; the primary metric, named before the work",
    "balanced accuracy": "mean of the recalls of all classes",
    "target recall": "share of the target scans that were called so: the sensitivity",
    "target AUC": "how often a target scan gets a higher probability of the target than another scan; 50 is chance",
    "sensitivity at 90 % specificity": "target recall, were the threshold set where one other scan in ten is called target",
    "Brier score": "squared error of the probabilities, summed over the classes; 0 is best, 2 is worst",
    "seeds": "lowest and highest macro-F1 of the trainings with other random numbers, which the intervals do not hold",
    "recall …": "share of that class’s scans that were answered rightly",
}
COLUMNS = {  # of the table of effects → what it is
    "difference, points (95 % interval)": "one arm minus another, times 100; drawing other test scans of the same kind and testing these "
    "very trainings on them, 19 of 20 such intervals would hold their true difference",
    "smallest detectable": "a true difference of this size is found by four such studies in five, before the correction for several models; "
    "smaller ones mostly go unseen",
    "p": "how often the draw of test scans alone gives such a difference between these trainings, were there none; that trainings "
    "differ among themselves is not in it: compare the seeds in the results",
    "p (Holm)": "the same, corrected because several models were tried; the verdicts use this one",
    "p (Nadeau–Bengio)": "a second opinion from the means of the folds; a dash with one fold",
}
CONTRASTS = {
    "gain": ("Gain", "what adding synthetic scans did"),
    "translator": ("The translator’s own contribution", "what they did beyond repeating real scans"),
}
PACKAGES = (
    "torch",
    "torchvision",
    "torch-fidelity",
    "numpy",
    "scikit-learn",
    "scipy",
    "opencv-python-headless",
)
Flags = Mapping[tuple[Arm, str], str]
TONES = {VerdictKind.GAIN: "gain", VerdictKind.LOSS: "loss"}  # how a verdict strikes the eye; "none" without
Json = dict[str, Any]


def about(study: Study, summary: Summary, presets: Sequence[str]) -> list[tuple[str, str]]:
    """The terms and values of the report's head: which data, how cut, with how much effort."""
    settings, data = study.settings, study.settings.data
    folds = ", ".join(map(str, summary.folds))
    inner = "" if settings.inner is None else f", all inside the training part of outer fold {settings.inner}"
    return [
        ("Data", f"{data.name} (content {data.sha256[:12]})"),
        ("Cohort", f"{settings.cohort}: {COHORTS.get(settings.cohort, 'own definition')}"),
        ("Tested on", f"{summary.scans} scans in {summary.groups} groups"),
        ("Folds", f"{folds} of 0–{settings.k - 1}{inner}"),
        ("Target", f"{study.target}, of {', '.join(study.classes)}"),
        (
            "Effort",
            f"preset {', '.join(presets) or 'not recorded'}, {settings.size} px, {summary.seeds} seed{'s' * (summary.seeds > 1)} per place",
        ),
    ]


def flags(summary: Summary) -> dict[tuple[Arm, str], str]:
    """A warning for every (arm, model) with collapsed cells: 90 % or more of the answers are one class."""
    return {
        (group.arm, group.model): f"collapsed in {group.collapsed} of {group.cells}: answers "
        f"{group.collapsed_class or 'one class'} nearly always"
        for group in summary.table
        if group.collapsed
    }


def primary(summary: Summary, name: str) -> list[Contrast]:
    """The contrasts called `name` in the primary metric, in the order of the models."""
    found = {c.model: c for c in summary.contrasts if c.kind == name and c.metric == PRIMARY}
    return [found[model] for model in summary.models if model in found]


def effect(contrast: "Contrast", flagged: Flags) -> Effect:
    """A contrast in percentage points; a dagger marks one that rests on a collapsed model."""
    collapsed = any((arm, contrast.model) in flagged for arm in (contrast.first, contrast.second))
    values = (
        contrast.interval.estimate,
        contrast.interval.low,
        contrast.interval.high,
        contrast.interval.detectable,
    )
    return Effect(title(contrast.model) + " †" * collapsed, *(100 * value for value in values))


def verdicts(summary: Summary, flagged: Flags) -> list[Json]:
    """One sentence a classifier, its first words apart, and how it should strike the eye."""
    shown = []
    for model, verdict in summary.verdicts.items():
        marks = [(arm, flagged[arm, model]) for arm in summary.arms if (arm, model) in flagged]
        reason = wording.reason(verdict)
        sentence = " ".join([f"{reason[:1].upper()}{reason[1:]}.", *wording.cautions(verdict)])
        shown.append(
            {
                "model": title(model),
                "short": wording.headline(verdict),
                "sentence": sentence,
                "kind": "care" if marks else TONES.get(verdict.kind, "none"),
                "flags": marks,
            }
        )
    return shown


def forests(summary: Summary, flagged: Flags) -> list[Figure]:
    """One forest plot a contrast, in the primary metric."""
    found = []
    for name, (title, meaning) in CONTRASTS.items():
        contrasts = primary(summary, name)
        effects = [effect(c, flagged) for c in contrasts]
        if effects:
            meaning = f"{contrasts[0].first} − {contrasts[0].second}: {meaning}"
            alt = f"{title} in points of macro-F1 with 95 % interval. " + "; ".join(
                f"{e.label}: {figures.interval(e)}" for e in effects
            )
            drawn = figures.forest(f"forest-{name}", effects, axis="points of macro-F1", alt=alt)
            found.append(drawn.entitled(title, meaning))
    return found


def contrast_rows(summary: Summary, flagged: Flags) -> tuple[list[Json], list[Json]]:
    """Rows of the table of effects: what synthetic scans did in the primary metric (by dose and source class too), then the rest."""
    rows = [
        {
            "name": CONTRASTS.get(c.kind, (c.kind,))[0],
            "pair": f"{c.first} − {c.second}",
            "metric": METRICS.get(c.metric, c.metric) + " × 100" * (c.metric == "brier"),
            "effect": effect(c, flagged),
            "interval": c.interval,
            "leads": c.metric == PRIMARY and (c.kind in CONTRASTS or c.first.kind == "cyclegan"),
        }
        for c in summary.contrasts
    ]
    return [row for row in rows if row["leads"]], [row for row in rows if not row["leads"]]


def results(summary: Summary, flagged: Flags) -> list[tuple[str, list[Json]]]:
    """The groups of the results table, one a model, with a row an arm."""
    low = below(summary.table, summary.yardstick) if summary.yardstick else []
    return [
        (
            title(model),
            [
                {"group": g, "flag": flagged.get((g.arm, g.model), ""), "below": g in low, "seeds": _seeds(g)}
                for g in _groups(summary, model)
            ],
        )
        for model in summary.models
    ]


def _seeds(group: ArmResult) -> str:
    """The lowest and the highest macro-F1 of its seeds, in %; nothing for a single one."""
    values = [value for one in group.per_seed if (value := one[PRIMARY]) is not None]
    return f"{percent(min(values))}–{percent(max(values))}" if len(values) > 1 else ""


def fold_zero(study: Study) -> str:
    """What the tested scans of fold 0 are to whoever chose the defaults of this program; nothing where they are like any other."""
    settings = study.settings
    if settings.inner is not None:
        return "Development data: defaults and recipes of bus were chosen on such scans, so look for a confirmation on the whole data."
    pinned = (settings.data.name, settings.cohort, settings.k, settings.seed) == ("busi", "clean", 5, 0)
    chosen = "Defaults and recipes of bus were chosen on fold 0’s training part only: none of these choices saw the test scans."
    return f"{chosen} What was chosen after looking at a benchmark of this study did." if pinned else ""


def curves(summary: Summary, flagged: Flags) -> list[list[Figure]]:
    """ROC and calibration of every model, all arms in one drawing, without those that differ in dose or source only."""
    found = []
    for model in summary.models:
        name, slug = title(model), re.sub(r"\W+", "-", model)
        groups = [g for g in _groups(summary, model) if g.arm == Arm(g.arm.kind)] or _groups(summary, model)
        roc = {str(g.arm): g.roc for g in groups if g.roc}
        bins = {str(g.arm): g.calibration for g in groups if g.calibration}
        drawn = []
        if roc:
            area = {str(g.arm): percent(g.metrics.get("target_auc")) for g in groups}
            notes = {str(g.arm): area[str(g.arm)] + " †" * ((g.arm, model) in flagged) for g in groups}
            alt = f"ROC curves of {name}, target against rest. Area under the curve in %: {_list(area)}."
            figure = figures.roc(f"roc-{slug}", roc, notes, alt=alt)
            drawn.append(figure.entitled(f"{name}: ROC", "arm, then area under its curve in %"))
        if bins:
            brier = {str(g.arm): decimal(g.metrics.get("brier")) for g in groups}
            alt = f"Calibration of {name} for the target. Brier score: {_list(brier)}."
            figure = figures.calibration(f"calibration-{slug}", bins, alt=alt)
            caption = f"on the diagonal, probabilities mean what they say; bins of fewer than {figures.FEWEST} answers are left out"
            drawn.append(figure.entitled(f"{name}: calibration", caption))
        found.append(drawn)
    return [drawn for drawn in found if drawn]


def confusions(summary: Summary, flagged: Flags) -> list[tuple[str, list[Json]]]:
    """Confusion matrices: per model, per arm, rows of (true class, cells of (count, shade 0–10))."""

    def rows(group: ArmResult) -> list[tuple[str, list[tuple[float, int]]]]:
        return [
            (name, [(count, round(10 * count / max(sum(line), 1e-9))) for count in line])
            for name, line in zip(summary.classes, group.confusion, strict=True)
        ]

    return [
        (
            title(model),
            [
                {"arm": g.arm, "rows": rows(g), "flag": flagged.get((g.arm, model), "")}
                for g in _groups(summary, model)
            ],
        )
        for model in summary.models
    ]


def cohort(study: Study) -> Json:
    """Counts per class and fold, groups, and who was left out and why."""
    used = [study.scans[row] for row in study.used()]
    out = [scan for scan in study.scans if scan.fold is None]
    counts = Counter((scan.label, scan.fold) for scan in used)
    reasons = Counter(re.split(r" in group |:", scan.left_out)[0] for scan in out)
    source = study.settings.data.groups
    sizes, copies = (Counter(getattr(scan, key) for scan in used) for key in ("group", "sha256"))
    return {
        "siblings": sum(sizes[scan.group] > 1 for scan in used),
        "same_pixels": sum(copies[scan.sha256] > 1 for scan in used),
        "folds": study.folds,
        "rows": [
            (
                label,
                [counts[label, fold] for fold in study.folds],
                sum(counts[label, fold] for fold in study.folds),
                len({scan.group for scan in used if scan.label == label}),
            )
            for label in study.classes
        ],
        "fold_totals": [sum(counts[label, fold] for label in study.classes) for fold in study.folds],
        "total": len(used),
        "groups": len({scan.group for scan in used}),
        "group_source": "; ".join(GROUP_SOURCES.get(name, name) for name in source.split("+")),
        "reasons": sorted(reasons.items()),
        "out": sorted(out, key=lambda scan: (scan.left_out, scan.file)),
        "ignored": study.settings.data.ignored,
    }


def limits(
    study: Study,
    summary: Summary,
    presets: Sequence[str],
    external: bool = False,
    probes: Sequence[Probe] = (),
) -> list[str]:
    """What this study cannot say, as far as the tool can know."""
    k, tested, seeds = study.settings.k, len(summary.folds), summary.seeds
    gains = [c.interval for c in primary(summary, "gain")]
    found = ["Research use only: nothing here is a medical device, and nothing here supports a diagnosis."]
    if "demo" in presets:
        found.append("The preset demo shows the way in minutes. Its numbers mean nothing.")
    if gains:
        widths = _span([(i.high - i.low) / 2 for i in gains])
        found.append(
            f"The intervals of the gain reach {widths} points of macro-F1 to either side; a true difference "
            f"under {_span([i.detectable for i in gains])} points would probably have gone unseen (80 % power). "
            "No detectable gain is not the same as no gain."
        )
    if study.settings.inner is not None:
        found.append(fold_zero(study))
    if tested < k:
        was = "was" if tested == 1 else "were"
        found.append(
            f"{tested} of {k} folds {was} tested. All folds (--fold all) would narrow the intervals."
        )
    return [
        *found,
        f"The intervals take the fitted models as given: {seeds} training{'s' * (seeds > 1)} per place and "
        "one CycleGAN per fold. What another translator, or another training of it, would change is not in them.",
        "Schedules are fixed and the last weights are used; no training was stopped or chosen by its test scans. Other choices may do better.",
        f"Scans are {study.settings.size} px a side; finer detail is lost to translator and classifier alike.",
        _shortcuts(probes),
        (
            "One data set, and one external set that tests the target against other lesions only"
            if external
            else "One data set, no external test"
        )
        + ": other scanners, hospitals and patients may give other results.",
        "AUC and ROC are averages over cells, since scores of separately trained models don’t compare. Training "
        "on a balanced set raises the predicted probability of the target, which shows in the calibration.",
    ]


def _shortcuts(probes: Sequence[Probe]) -> str:
    """What could have told the classes apart without a lesion."""
    told = ", ".join(f"{probe.name} {probe.worst:.2f}" for probe in probes)
    measured = (
        f"They alone reach these AUC for one class (0.5 is chance): {told}."
        if told
        else "How much they tell was not measured here."
    )
    return (
        "A classifier can tell classes apart by a scan’s size, by the black bars of letterboxing, by its border or its grey levels. "
        f"{measured} Whether a classifier used them this report does not say; marks burned into the scans are counted by bus data check."
    )


def cost(summary: Summary, translators: Sequence[Json]) -> list[tuple[str, int, float]]:
    """Seconds of each part: what, how many trainings, seconds in all."""
    times = [t["seconds"] for t in translators if t["seconds"]]
    rows = [("CycleGAN", len(times), sum(times))]
    for model in summary.models:
        spent = [cell.seconds or 0.0 for cell in summary.cells if cell.model == model]
        rows.append((f"{title(model)}, all arms", len(spent), sum(spent)))
    rows = [row for row in rows if row[2]]
    return (
        [*rows, ("all", sum(row[1] for row in rows), sum(row[2] for row in rows))] if len(rows) > 1 else rows
    )


def configurations(cells: Sequence[Cell]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What each model's cells were trained with; values that differ between its cells are listed."""
    found = []
    for model in dict.fromkeys(cell.model for cell in cells):
        configs = [flat(cell.config) for cell in cells if cell.model == model]
        keys = dict.fromkeys(key for config in configs for key in config)
        values = {
            key: list(dict.fromkeys(config[key] for config in configs if key in config)) for key in keys
        }
        found.append((title(model), [(key, _some(value)) for key, value in values.items()]))
    return found


def versions() -> list[tuple[str, str]]:
    """This software and the packages that touch a number, with their versions."""

    def found(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "not installed"

    return [
        ("bus", __version__),
        ("Python", platform.python_version()),
        *((name, found(name)) for name in PACKAGES),
    ]


def machine() -> str:
    """The processor and system on which the report was written."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", info.read_text()) if info.exists() else []
    return ", ".join([*names[:1], platform.processor() or platform.machine(), platform.system()])


def title(model: str) -> str:
    """A model's name as its authors write it."""
    return TITLES.get(model, model)


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A configuration as text, nested keys joined by dots."""
    found: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found


def percent(value: float | None, digits: int = 1) -> str:
    """A share as percentage, or a dash where there is none."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with a true minus, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _groups(summary: Summary, model: str) -> list[ArmResult]:
    found = {group.arm: group for group in summary.table if group.model == model}
    return [found[arm] for arm in summary.arms if arm in found]


def _list(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _some(values: Sequence[str], most: int = 6) -> str:
    return " | ".join(values[:most]) + f" | … ({len(values)} values)" * (len(values) > most)


def _span(shares: Sequence[float]) -> str:
    low, high = (f"{100 * share:.1f}" for share in (min(shares), max(shares)))
    return low if low == high else f"{low} to {high}"
