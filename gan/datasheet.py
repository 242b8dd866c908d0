"""The sheet that goes with synthetic scans: what they are, of what, how good, and what they are not for."""

import shlex
from collections import Counter
from collections.abc import Iterable

from .. import __version__
from ..data.creation import DEFAULTS
from .config import options
from .manifest import SyntheticSet
from .translator import Translator

TEXT = """# Datasheet: {count} synthetic {target} scans

**SYNTHETIC. These pictures show no patient. Research use only; never for a diagnosis, never mixed with real
scans unmarked.**

## What they are

{count} breast-ultrasound scans of {size} × {size} px, 8-bit grey, class “{target}”, made by a CycleGAN from
real scans of other classes. Made by bus-balance {version}. Each file says in its metadata that it is
synthetic; `manifest.csv` names source, hashes, group, fold and generator of each.
The label is what the translator aimed at: nobody has looked whether a scan shows a {target} finding.

## What they were made from

- Data: {data}, cohort `{cohort}`, content `{content}`
- Fold: {fold}
- Sources: {sources}
- Variants: {variants}
- Generator: `{generator}` ({method}, preset `{preset}`, {pairs:,} pairs, seed {seed}),
  trained on {trained} real scans{reduced}{begun}

## How close to real they are

{scores}

All numbers are in `scores.json`.

## Intended use

Adding {target} scans to the training part of {fold_use} to study class imbalance. Not intended: testing or
validating a model, diagnosis, teaching how {target} findings look, or passing for patients. A model that is
trained on them must not be tested on the sources' groups. They carry the sources' artefacts and biases, and
near-copies of training scans are possible (see `copies` in `scores.json`).

## Licence and privacy

Synthetic scans are derived from their sources. Whether you may share them depends on the licence of the
source data and on the consent they were collected under: ask before you publish. {licence}

## How to make them again

```
{commands}
```
"""
LICENCES = {  # by where the groups come from: only BUSI's scans are found in the published list
    "phantom": "The sources are simulated phantoms of this software; no person is behind them.",
    "list": "The sources are scans of BUSI: cite Al-Dhabyani et al., Data in Brief 28 (2020) 104863, and "
    "keep to its terms.",
}


def write(scans: SyntheticSet, scores: Iterable[str]) -> None:
    """Write the sheet beside synthetic scans; `scores` are sentences. It names no path of this machine."""
    # where the scans come from
    study, rows = scans.study, scans.rows
    first, settings = rows[0], study.settings
    translator = Translator(study, scans.fold, scans.label, scans.seed)
    config = translator.known_config
    fold = "none was held out: the translator saw every scan, so no benchmark may use these scans"
    if first.fold is not None:
        fold = f"{first.fold} of 0–{settings.k - 1}; only scans of its training part were used"
    counts = Counter(row.source_label for row in rows)
    distinct = {
        label: len({row.source_sha256 for row in rows if row.source_label == label}) for label in counts
    }

    # in words
    text = TEXT.format(
        count=len(rows),
        target=scans.label,
        size=settings.size,
        version=__version__,
        data=settings.data.name,
        cohort=settings.cohort,
        content=settings.data.sha256,
        fold=fold,
        sources="; ".join(
            f"{count} scans from {distinct[label]} distinct {label} scans"
            for label, count in sorted(counts.items())
        ),
        variants=", ".join(f"{count} {name}" for name, count in Counter(row.variant for row in rows).items()),
        generator=first.generator_sha256,
        method=config.method,
        preset=config.preset,
        pairs=config.pairs,
        seed=first.seed,
        trained=len(study.rows_of(study.train(first.fold), [*config.sources, config.target])),
        reduced=f", reduced to {config.side} px" if config.side < settings.size else "",
        begun=f"; it began with the package's weights {config.init}" if config.init != "none" else "",
        scores="\n".join(f"- {line}" for line in scores) or "- They have no scores.",
        fold_use="this fold" if first.fold is not None else "a study on other data",
        licence=" ".join(LICENCES[name] for name in settings.data.group_sources if name in LICENCES),
        commands="\n".join(commands(translator, len(rows))),
    )
    scans.write_datasheet(text)


def commands(translator: Translator, count: int, *, data: str = "PATH", where: str = "study") -> list[str]:
    """The commands that make a translator and `count` of its scans again; `data` stands for any but the
    phantoms."""
    study, fold, target = translator.study, translator.fold, translator.target
    settings = study.settings
    given = {name: getattr(settings, name) for name in DEFAULTS if name != "data"}
    given = {"data": "phantom" if settings.data.simulated else data, **given}
    to = "" if target == settings.target else f" --to {shlex.quote(target)}"
    changed = [
        f"--{name.replace('_', '-')}" + ("" if given[name] is True else f" {shlex.quote(str(given[name]))}")
        for name in DEFAULTS
        if given[name] != DEFAULTS[name]
    ]
    effort = options(translator.known_config, study)
    where_from = f"--fold {'none' if fold is None else fold} --gan-seed {translator.seed}{to}"
    confidence = translator.scans.confidence
    chosen = f" --confidence {confidence:g}" if confidence else ""
    return [
        " ".join(["bus gan train", f"--study {shlex.quote(where)}", *changed, where_from, effort]),
        f"bus synth --study {shlex.quote(where)} --n {count} {where_from}{chosen}",
    ]
