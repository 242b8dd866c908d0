"""What the report shows of a translator: losses, sheets, scores, and scans beside their sources."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product

from ...core import progress
from ...core.files import Json
from ...data.pictures import grey_or_none, png, synthetic_png
from ...data.store import Pixels
from ...data.study import Study
from ...gan.config import GanConfig
from ...gan.manifest import Synthetic, SyntheticSet
from ...gan.scores.model import DISTANCES, METRICS, HeldOutScores, Scores
from ...gan.scores.sentences import NAMES, against_tests, facts, name_of, per_cent, shown, warning
from ...gan.translator import Stretch, Translator
from . import figures
from .figures import Place
from .model import (
    Block,
    Cells,
    Code,
    Column,
    Definitions,
    Exhibit,
    Figure,
    Fold,
    Gallery,
    Heading,
    Heads,
    Line,
    Paragraph,
    Picture,
    Section,
    Side,
    Strong,
    Table,
    number,
    table,
)
from .numbers import decimal
from .pictures import stack

SHOWN = 24  # pairs in a gallery: the first ones of the manifest, never a choice
WORST = 8  # of the closest copies
NORMALISED = (
    "The normalised score is 0 where synthetic scans are as close as other real ones, 1 where the "
    "untranslated sources would do as well. "
    "KID and Fréchet distance: how far apart two sets of scans are. Precision and "
    "density: how real single scans are; recall and coverage: how much of the real variety they reach."
)


JUDGES = (
    "A judge that is related to what trained the translator flatters it. Normalised KID: 0 is real, 1 is "
    "doing nothing; ± is its deviation over random halves of the groups. Told apart: area under the ROC "
    "curve of a linear reader that tells the scans from real ones, cross-fitted by group; 0.5 is not at all. "
    "Called target: by a linear reader of the class on the judge's features."
)


@dataclass(frozen=True)
class SideBySide:
    """A synthetic scan beside a real one: its source, or the training scan closest to it."""

    made: Pixels
    real: Pixels
    file: str  # of the synthetic scan
    real_file: str
    label: str = ""  # of the source
    variant: str = ""  # how the source was changed before it was translated
    distance: float = 0.0


@dataclass(frozen=True)
class TranslatorFacts:
    """What is known of the translator of a fold to a class, and of the scans it made."""

    fold: int
    label: str
    is_target: bool  # whether `label` is the study's target
    slug: str  # in the names of figures
    seed: int | None  # where the fold has several
    config: GanConfig | None
    stretches: list[Stretch]  # of the training
    sheet: tuple[str, Pixels] | None  # name and pixels of the last sample sheet
    made: int
    sources: int  # distinct ones
    generator_sha256: str
    pairs: list[SideBySide]
    copies: list[SideBySide]
    scores: Scores | None
    held_out: HeldOutScores | None

    @property
    def title(self) -> str:
        """The translator in words."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"Fold {self.fold}{seed}" + f", to {self.label}" * (not self.is_target)

    @property
    def seconds(self) -> float:
        """What its training took."""
        return sum(stretch.seconds for stretch in self.stretches)

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """Name and sentence of what the scores warn of."""
        kinds = self.scores.warnings if self.scores else ()
        return [(str(kind), warning(kind, self.scores)) for kind in kinds if self.scores]


def read_translators(
    study: Study, folds: Sequence[int], gan_seeds: Sequence[int], labels: Sequence[str]
) -> list[TranslatorFacts]:
    """What is known of the translators of each fold to each of these classes, where there are some."""
    wanted = product(labels, folds, gan_seeds)
    several = len(gan_seeds) > 1
    known = [_read(Translator(study, fold, label, seed), several=several) for label, fold, seed in wanted]
    return [translator for translator in known if translator]


def _read(translator: Translator, *, several: bool) -> TranslatorFacts | None:
    """What is known of a translator; `several` of other seeds stand beside it."""
    study, scans, label = translator.study, translator.scans, translator.target
    rows, scores = scans.rows, scans.scores
    if not (translator.folder.exists() or rows or scores):
        return None
    if lost := translator.changed:
        names = ", ".join(lost[:3])
        said = f"{translator.folder}: {names} missing or not as written; shown as far as it goes."
        progress.note(said, warning=True)
    sheets = translator.sheets
    sheet = grey_or_none(sheets[-1]) if sheets else None
    return TranslatorFacts(
        fold=translator.fold or 0,
        label=label,
        is_target=label == study.target,
        slug=str(translator.fold)
        + (f"-{study.classes.index(label)}" if label != study.target else "")
        + f"-seed-{translator.seed}" * several,
        seed=translator.seed if several else None,
        config=translator.config,
        stretches=translator.stretches,
        sheet=None if sheet is None else (sheets[-1].stem, sheet),
        made=len(rows),
        sources=len({row.source_sha256 for row in rows}),
        generator_sha256=rows[0].generator_sha256 if rows else "",
        pairs=pairs(scans, rows[:SHOWN]),
        copies=copies(scans, scores),
        scores=scores,
        held_out=scans.test_scores if rows else None,
    )


def pairs(scans: SyntheticSet, rows: Sequence[Synthetic]) -> list[SideBySide]:
    """Synthetic scans beside the sources they were translated from."""
    study = scans.study
    by_hash = {scan.sha256: row for row, scan in enumerate(study.scans)}
    beside = []
    for row in rows:
        made, source = scans.picture(row.file), by_hash.get(row.source_sha256)
        if made is not None and source is not None:
            real = study.pixels[source]
            beside.append(SideBySide(made, real, row.file, row.source_file, row.source_label, row.variant))
    return beside


def copies(scans: SyntheticSet, scores: Scores | None) -> list[SideBySide]:
    """The synthetic scans closest to a training scan, beside that scan."""
    study = scans.study
    by_file = {scan.file: row for row, scan in enumerate(study.scans)}
    worst = scores.copies.worst[:WORST] if scores and scores.copies else ()
    beside = []
    for near in worst:
        made, nearest = scans.picture(near.file), by_file.get(near.nearest)
        if made is not None and nearest is not None:
            real = study.pixels[nearest]
            beside.append(SideBySide(made, real, near.file, near.nearest, distance=near.distance))
    return beside


def translator_section(translators: Sequence[TranslatorFacts]) -> Section:
    """Every translator; the first one open, the others behind a line with their normalised scores."""
    key, name = "translator", "The translator"
    if not translators:
        words = "No CycleGAN was trained in this study, so no synthetic scans of its own could be judged."
        return Section(key, name, [Paragraph(words, "absent")])
    first, *others = translators
    blocks: list[Block] = [Heading(first.title)] if others else []
    blocks += _blocks(first)
    for translator in others:
        scores = [
            f"normalised {name_of(metric, translator.scores)} {shown(value)}"
            for metric, value in (translator.scores.normalised if translator.scores else ())
            if translator.scores
        ]
        names = [warning for warning, _ in translator.warnings]
        blocks.append(Fold(", ".join([translator.title, *scores, *names]), _blocks(translator)))
    return Section(key, name, blocks)


def _blocks(translator: TranslatorFacts) -> list[Block]:
    """One translator: what it made, what warns of it, its scores, its scans."""
    # what was made, and what warns of it
    label, fold = translator.label, translator.fold
    said = Paragraph(
        f"{translator.made} synthetic {label} scans, made from {translator.sources} distinct sources of the "
        "training part."
    )
    absent = Paragraph(f"No synthetic scans were made on fold {fold}.", "absent")
    blocks: list[Block] = [said if translator.made else absent]
    for name, sentence in translator.warnings:
        words = f"{name[:1].upper()}{name[1:]}."
        blocks.append(Paragraph([Strong(words), f" {sentence}"], "banner"))

    # scores and losses
    drawn = (
        scores_figure(translator.slug, translator.scores),
        losses_figure(translator.slug, translator.stretches),
    )
    if any(drawn):
        blocks.append(Side([figure for figure in drawn if figure]))
    if translator.scores:
        blocks += _score_blocks(translator, translator.scores)
    else:
        blocks.append(Paragraph(f"The synthetic scans of fold {fold} have no scores.", "absent"))

    # scans
    if translator.pairs:
        note = f"The first {len(translator.pairs)} of the manifest, not a choice."
        blocks += [Heading("Source → synthetic", 4), Paragraph(note, "note"), _pairs(translator)]
    if translator.copies:
        note = "The worst cases in the whole set: synthetic left, its nearest training scan right."
        blocks += [Heading("Closest to a training scan", 4), Paragraph(note, "note"), _copies(translator)]
    if translator.sheet:
        blocks.append(_sheet(translator, *translator.sheet))
    if translator.config:
        settings = Definitions(list(flat(asdict(translator.config)).items()), "settings")
        blocks.append(Fold("Configuration of the translator", [settings]))
    return blocks


def _score_blocks(translator: TranslatorFacts, scores: Scores) -> list[Block]:
    """The table of scores, who judged, and what the checks say."""
    # the table
    columns: Heads = [
        "score",
        number("floor: real ↔ real"),
        number("synthetic ↔ real"),
        number("ceiling: source ↔ real"),
        number("normalised"),
        Column("better is"),
    ]
    rows: list[Cells] = []
    for metric in METRICS:
        if scale := scores.metric(metric):
            values = (scale.floor, scale.score, scale.ceiling, scale.normalised)
            better = "lower" if metric in DISTANCES else "higher"
            rows.append([name_of(metric, scores), *map(shown, values), better])
    label = f"Scores of the synthetic scans, {translator.title}"

    # who judged, and what else is known
    why = f" ({scores.extractor.reason.rstrip('.')})" if scores.extractor.reason else ""
    words = [f"Judged by the network {scores.extractor.name}{why}."]
    if scores.trained_with:
        words.append(f"The translator was trained with {scores.trained_with}, which therefore never judges.")
    words += [f"Reference: {scores.reference}.", NORMALISED]
    blocks: list[Block] = [table(label, columns, rows), Paragraph(" ".join(words), "note")]
    if scores.judges:
        blocks += [_judges(translator, scores), Paragraph(JUDGES, "note")]
    known: list[tuple[str, Line]] = [*facts(scores)]
    if translator.held_out and translator.held_out.kid:
        known.append(("Against test scans", against_tests(translator.held_out, translator.label)))
    blocks.append(Definitions(known))
    return [*blocks, *(Paragraph(note, "note") for note in scores.notes)]


def _judges(translator: TranslatorFacts, scores: Scores) -> Table:
    """What each judge says, beside what it says of real scans and of untranslated sources."""
    columns: Heads = [
        "judge",
        "to the network that trained",
        number("normalised KID"),
        number("told apart"),
        number("sources"),
        number("real halves"),
        number(f"called {translator.label}"),
        number("real"),
        number("sources"),
    ]
    rows: list[Cells] = []
    for judge in scores.judges:
        told, calls = judge.two_sample, judge.reader
        apart = (told.synthetic, told.sources, told.halves) if told else (None,) * 3
        shares = (calls.synthetic, calls.target, calls.sources) if calls else (None,) * 3
        rows.append(
            [
                judge.judge,
                str(judge.kin),
                shown(judge.kid),
                *("–" if value is None else f"{value:.2f}" for value in apart),
                *(per_cent(share, 0) for share in shares),
            ]
        )
        for name, part in judge.parts.items():
            values = (part.synthetic, part.sources, part.halves)
            rows.append([f"… {name} alone", "", "", *(f"{value:.2f}" for value in values), "", "", ""])
    return table(f"Judges of the synthetic scans, {translator.title}", columns, rows)


def _pairs(translator: TranslatorFacts) -> Gallery:
    """Sources beside what was made from them; one sheet of all for Markdown."""
    made_label = f"synthetic {translator.label}"
    exhibits = [
        Exhibit(
            [
                Picture(png(pair.real), f"source scan, {pair.label}, {pair.real_file}", pair.label),
                Picture(png(pair.made), f"synthetic scan {pair.file}", made_label),
            ],
            pair.real_file + f", {pair.variant}" * bool(pair.variant),
        )
        for pair in translator.pairs
    ]
    rows = [[pair.real for pair in translator.pairs], [pair.made for pair in translator.pairs]]
    alt = (
        f"Sources above, the synthetic scans made from them below: the first {len(translator.pairs)} of the "
        "manifest, not a choice"
    )
    sheet = Picture(synthetic_png(stack(rows).repeat(2, 0).repeat(2, 1)), alt)
    return Gallery(exhibits, sheet, f"pairs-{translator.slug}")


def _copies(translator: TranslatorFacts) -> Gallery:
    """The synthetic scans closest to a training scan, with their distances."""
    exhibits = [
        Exhibit(
            [
                Picture(png(pair.made), f"synthetic scan {pair.file}", "synthetic"),
                Picture(png(pair.real), f"training scan {pair.real_file}", "nearest"),
            ],
            f"distance {decimal(pair.distance)}: {pair.real_file}",
        )
        for pair in translator.copies
    ]
    rows: list[Cells] = [[pair.file, pair.real_file, decimal(pair.distance)] for pair in translator.copies]
    columns: Heads = ["synthetic scan", "nearest training scan", number("distance")]
    return Gallery(exhibits, table=table(f"Closest to a training scan, {translator.title}", columns, rows))


def _sheet(translator: TranslatorFacts, name: str, pixels: Pixels) -> Fold:
    label = translator.label
    height, width = pixels.shape
    order = f"source, synthetic scan, difference, translation back, a real {label} scan"
    alt = f"Sample sheet of the translator of fold {translator.fold}, {name}: one row a source; {order}"
    blocks: list[Block] = [
        Paragraph(f"One row a source: {order}.", "note"),
        Picture(png(pixels), alt, width=width, height=height),
    ]
    return Fold(f"Last sample sheet of the training ({name})", blocks, instead="")


def losses_figure(slug: str, stretches: Sequence[Stretch]) -> Figure | None:
    """The translator's losses, if any were recorded, and its distances where some were measured on the
    way."""
    if not stretches:
        return None
    last, names = stretches[-1], ("adversarial", "discriminators", "cycle", "identity")
    ends = ", ".join(f"{name} {last.losses[name]:.3f}" for name in names if name in last.losses)
    alt = f"Losses of the translator over {last.pairs:,} pairs; at the end: {ends}."
    for name, measured in (
        ("by EfficientNet-Lite0", [(part.looks.distance, part.pairs) for part in stretches]),
        ("by hand-made features", [(part.looks.handmade, part.pairs) for part in stretches]),
    ):
        points = ", ".join(
            f"{kid.mean:.2f} ± {kid.spread:.2f} after {pairs:,} pairs" for kid, pairs in measured if kid
        )
        alt += f" Normalised KID {name} (0 real, 1 did nothing): {points}." * bool(points)
    drawn = figures.training(f"training-{slug}", stretches, alt=alt)
    return drawn.entitled(
        "Training", "a low cycle loss says that structure is kept, not that the scans look real"
    )


def scores_figure(slug: str, scores: Scores | None) -> Figure | None:
    """The normalised scores between floor and ceiling."""
    if not scores or not scores.normalised:
        return None
    places = [Place(NAMES[metric], value.mean, value.spread) for metric, value in scores.normalised]
    said = "; ".join(f"{place.label} {place.mean:.2f} ± {place.spread:.2f}" for place in places)
    alt = f"Scores between floor (0, real) and ceiling (1, sources untranslated): {said}"
    drawn = figures.between(f"scores-{slug}", places, alt=alt)
    return drawn.entitled(
        "Between real and untouched", "left is better; beyond the dashed line, worse than nothing"
    )


def flat(config: Mapping[str, Json], prefix: str = "") -> dict[str, str]:
    """A configuration as text, nested keys joined by dots."""
    settings: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            settings |= flat(value, f"{prefix}{key}.")
        else:
            settings[f"{prefix}{key}"] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return settings


def generators(translators: Sequence[TranslatorFacts]) -> list[tuple[str, Line]]:
    """The hash of every generator that made scans."""
    return [(f"generator: {t.title}", Code(t.generator_sha256)) for t in translators if t.generator_sha256]
