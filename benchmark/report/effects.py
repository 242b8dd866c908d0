"""The first sections of a report: the verdict on every classifier, and the differences behind it."""

from collections.abc import Sequence

from ...data.cohort import COHORTS
from ...data.study import Study
from ..results import wording
from ..results.contrasts import leading_arms
from ..results.model import MEAN, PRIMARY, Contrast, Summary, VerdictKind
from ..results.outcome import outcome
from . import figures
from .figures import Effect
from .model import (
    Block,
    Card,
    Cards,
    Cells,
    Column,
    Definitions,
    Figure,
    Fold,
    Heads,
    Mood,
    Paragraph,
    Section,
    Side,
    Table,
    TableCell,
    number,
    table,
)
from .numbers import probability
from .terms import COLUMNS, CONTRASTS, MATCHED_METRICS, METRICS, Flags, title

MOODS: dict[VerdictKind, Mood] = {VerdictKind.GAIN: "gain", VerdictKind.LOSS: "loss"}  # the others: "none"
BANDS = (
    "Thin line: 95 % interval for other scans, trainings and translators, which decides; none where too few "
    "trainings were made to know it. Thick: the one for other scans alone. A hollow dot’s interval includes "
    "zero. Grey band: differences this study was too small to detect with 80 % power; none where it could "
    "show no difference of any size."
)
COLLAPSED = "† rests on a collapsed model, one that gives 90 % or more of its answers to one class."


def verdict_section(study: Study, summary: Summary, flags: Flags, presets: Sequence[str]) -> Section:
    """What may be concluded about every classifier, and on what data."""
    arms, target = leading_arms(summary.arms), study.target
    note = (
        "Macro-F1 weighs all classes alike, however rare; a point is one hundredth. Each sentence is about "
        f"the arm {arms.cyclegan} against {arms.original}: the same classifier, trained as long, with and "
        f"without synthetic {target} scans."
    )
    first = Paragraph(outcome(summary), "lead")
    cards = Cards([_card(summary, model, flags) for model in summary.judged])
    facts = Definitions(_about(study, summary, presets), "about")
    return Section("verdict", "Verdict", [first, cards, Paragraph(note, "note"), facts])


def _card(summary: Summary, model: str, flags: Flags) -> Card:
    verdict = summary.judged[model]
    marks = [(str(arm), flags[arm, model]) for arm in summary.arms if (arm, model) in flags]
    if model == MEAN:
        marks = [(f"{title(one)}, {arm}", reason) for (arm, one), reason in flags.items()]
    reason = wording.reason(verdict)
    text = " ".join([f"{reason[:1].upper()}{reason[1:]}.", *wording.cautions(verdict)])
    mood = "care" if marks else MOODS.get(verdict.kind, "none")
    return Card(title(model), mood, wording.headline(verdict), text, marks)


def _about(study: Study, summary: Summary, presets: Sequence[str]) -> list[tuple[str, str]]:
    """Which data, how cut, with how much effort."""
    settings, data = study.settings, study.settings.data
    folds = ", ".join(map(str, summary.folds))
    inner = "" if settings.inner is None else f", all inside the training part of outer fold {settings.inner}"
    seeds = f"{wording.of_seeds(summary)} seed{'s' * (summary.seeds > 1)} per arm and fold"
    return [
        ("Data", f"{data.name} (content {data.sha256[:12]})"),
        ("Cohort", f"{settings.cohort}: {COHORTS.get(settings.cohort, 'own definition')}"),
        ("Tested on", f"{summary.scans} scans in {summary.groups} groups"),
        ("Folds", f"{folds} of 0–{settings.k - 1}{inner}"),
        ("Target", f"{study.target}, of {', '.join(study.classes)}"),
        ("Effort", f"preset {', '.join(presets) or 'not recorded'}, {settings.size} px, {seeds}"),
    ]


def effects_section(summary: Summary, flags: Flags) -> Section:
    """The two differences that a claim needs, drawn and in numbers; all others behind a fold."""
    leading, others = split_contrasts(summary)
    blocks: list[Block] = [
        Paragraph(
            "A claim that the translator helps needs both: a gain over the original set, and a contribution "
            "beyond repeating real scans, both by the interval that would survive training everything again. "
            "AUC says whether the ranking of scans moved, or their threshold alone."
        )
    ]
    auc = forest_plots(summary, flags, "target_auc")
    ranking = [Side(auc)] if auc else []
    if forests := forest_plots(summary, flags):
        blocks += [
            Side(forests),
            *ranking,
            Paragraph(f"{BANDS} {COLLAPSED}" if flags else BANDS, "note"),
            _table("Effects in macro-F1", leading, flags),
            Fold("What the columns mean", [Definitions(list(COLUMNS.items()))]),
        ]
    else:
        words = "Neither contrast could be made: it needs the arms original, oversampled and cyclegan on the "
        blocks.append(Paragraph(f"{words}same folds.", "absent"))
    if others:
        rest = _table("Effects in other metrics and contrasts", others, flags, metric=True)
        blocks.append(Fold(f"Other metrics and contrasts ({len(others)})", [rest]))
    return Section("effects", "Effects", blocks)


def forest_plots(summary: Summary, flags: Flags, metric: str = PRIMARY) -> list[Figure]:
    """One forest plot a contrast of a claim, in one metric."""
    name, suffix = METRICS[metric], "" if metric == PRIMARY else f"-{metric}"
    drawn = []
    for kind, (heading, meaning) in CONTRASTS.items():
        made = [c for model in summary.judged if (c := summary.contrast(kind, model, metric))]
        if made:
            rows = [effect(contrast, flags) for contrast in made]
            said = "; ".join(f"{row.label}: {figures.interval(row)}" for row in rows)
            alt = f"{heading} in points of {name} with 95 % interval. {said}"
            figure = figures.forest(f"forest-{kind}{suffix}", rows, axis=f"points of {name}", alt=alt)
            drawn.append(
                figure.entitled(f"{heading}: {name}", f"{made[0].first} − {made[0].second}: {meaning}")
            )
    return drawn


def effect(contrast: Contrast, flags: Flags) -> Effect:
    """A contrast in percentage points; a dagger marks one that rests on a collapsed model."""
    shares = contrast.deciding
    collapsed = any(
        arm in (contrast.first, contrast.second) and contrast.model in (model, MEAN) for arm, model in flags
    )
    return Effect(
        title(contrast.model) + " †" * collapsed,
        estimate=100 * shares.estimate,
        low=100 * shares.low,
        high=100 * shares.high,
        detectable=100 * contrast.detectable if contrast.retrained else None,
        scans=(100 * contrast.interval.low, 100 * contrast.interval.high),
    )


def split_contrasts(summary: Summary) -> tuple[list[Contrast], list[Contrast]]:
    """What synthetic scans did in the primary metric (by dose and source class too), then the rest."""
    leading: list[Contrast] = []
    others: list[Contrast] = []
    for contrast in summary.contrasts:
        leads = contrast.kind in CONTRASTS or contrast.first.kind == "cyclegan"
        (leading if leads and contrast.metric == PRIMARY else others).append(contrast)
    return leading, others


def _table(label: str, contrasts: Sequence[Contrast], flags: Flags, *, metric: bool = False) -> Table:
    """The differences in numbers; `metric` names the metric of each, where they differ in it."""
    # columns
    names = list(COLUMNS)
    columns: Heads = [
        "model",
        "contrast",
        Column(names[0], "points"),
        *[Column("metric", whole=True)] * metric,
        *map(number, names[1:]),
    ]

    # a row a difference
    rows: list[Cells] = []
    for contrast in contrasts:
        again = contrast.retrained
        shares = again or contrast.interval
        rows.append(
            [
                effect(contrast, flags).label.replace(" †", "\u00a0†"),
                f"{contrast.first} −\u00a0{contrast.second}",
                TableCell(wording.points(shares.estimate), wording.ends(again) if again else ""),
                *[(METRICS | MATCHED_METRICS)[contrast.metric] + " × 100" * (contrast.metric == "brier")]
                * metric,
                wording.ends(contrast.interval),
                f"{100 * again.detectable:.1f}" if again else "–",
                probability(shares.p),
                probability(shares.p_holm),
                probability(contrast.interval.second_opinion_p),
            ]
        )
    return table(label, columns, rows, "effects")
