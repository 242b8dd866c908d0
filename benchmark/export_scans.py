"""A fold as other programs read it: its training part as an arm balances it, and its test part.

One folder for two readers: below `train/` and `test/` lies a folder a class, as torchvision's ImageFolder
wants it, and beside them `metadata.jsonl`, with `README.md` as dataset card, as Hugging Face's `datasets`
wants it.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

from .. import __version__
from ..core import files
from ..core.errors import UsageError, did_you_mean, visible
from ..data.pictures import png, png_room, synthetic_png
from ..data.study import Study, class_folder
from ..gan.datasheet import LICENCES
from ..gan.manifest import Synthetic, SyntheticSet
from ..gan.scoring import told
from .arms import ORIGINAL, Arm, chosen, parse
from .audit import audit
from .cells import cells_of, picked
from .request import Request

EXPORTED = ("original", "cyclegan")  # arms with files of their own; others repeat or reweight these
METADATA, TABLE, CARD = "metadata.jsonl", "provenance.csv", "README.md"

TEXT = """---
license: other
task_categories:
- image-classification
tags:
- medical
- breast-ultrasound
- {kind}
pretty_name: {title}
configs:
- config_name: default
  data_files:
  - split: train
    path: train/**
  - split: test
    path: test/**
---

# {title}

**Research use only; never for a diagnosis.** {marked}

| part | class | real | synthetic |
|---|---|---|---|
{counts}

Squares of {size} × {size} px, 8-bit grey, letterboxed; written by bus-balance {version}.

## The parts

- `train/` is the training part of fold {fold} of {k}, as the arm `{arm}` balances it: {meaning}.
- `test/` holds **the study's test scans of this fold**, all real: no network may train on
  them, and no choice may be made by them. Scans of one scene or patient (`group`) are on one side alone.
- `{table}` and the two `{metadata}` say of each file: part, class, whether it is synthetic, the hash of
  its grey pixels, its group, and where it comes from; of a synthetic scan these are its source, and the
  translator by the hash of its weights.

## What they were made from

- Data: {data}, cohort `{cohort}`, content `{content}`, split seed {seed}
{cautions}

{sheets}
## How to read them

```python
from torchvision.datasets import ImageFolder
train = ImageFolder("train")

from datasets import load_dataset
scans = load_dataset(".")
```

## Licence and privacy

The real scans keep the terms of the data they come from, and the synthetic ones are derived from them: ask
before you publish either. {licence}
"""


@dataclass(frozen=True)
class ExportedScan:
    """A row of the table: one file of the folder, and where it comes from."""

    file: str  # below the folder, such as train/benign/real-0001.png
    part: str  # train | test
    label: str
    synthetic: str  # as its manifest says it, or ""
    sha256: str  # of its grey pixels
    group: str  # of the scan, or of its source
    source_file: str  # in the data
    source_sha256: str  # of its pixels as 8-bit RGB
    source_label: str
    variant: str  # of a synthetic scan: plain | flipped | cropped
    generator_sha256: str
    gan_seed: str  # of the translator; texts, so that both parts have columns of one kind


def export_scans(study: Study, fold: int, arm: str, folder: Path, *, gan_seed: int = 0) -> list[ExportedScan]:
    """Write a fold's training part under an arm, and its test part, into a new folder; returns its rows.

    The leak audit of the benchmark runs first. UsageError for an arm without files of its own, or a folder
    that holds something; BusError where synthetic scans are missing or something leaks.
    """
    # what is asked
    wanted = _arm(arm, study.classes)
    request = Request((fold,), tuple(dict.fromkeys((ORIGINAL, wanted))), ("simplecnn",), gan_seed=gan_seed)
    cell = next(cell for cell in cells_of(study, request) if cell.arm == wanted)
    numbers = cell.added if wanted != ORIGINAL else {}
    made = {
        label: picked(study, fold, label, gan_seed, wanted.source, number)
        for label, number in numbers.items()
        if number
    }
    audit(study, fold, request)
    train, test = study.train(fold), study.test(fold)
    count = len(train) + len(test) + sum(map(len, made.values()))
    files.require_space(folder, count * png_room(study.settings.size), "Writing these scans")

    # its files
    with files.new_folder(folder) as place:
        rows = _write_real(study, train, "train", place) + _write_real(study, test, "test", place)
        for label, scans in made.items():
            rows += _write_synthetic(SyntheticSet(study, fold, label, gan_seed), scans, place)
        for part in ("train", "test"):
            lines = [_metadata(row) for row in rows if row.part == part]
            files.write_text(place / part / METADATA, "".join(line + "\n" for line in lines))
        files.export_csv(place / TABLE, [item.name for item in fields(ExportedScan)], map(astuple, rows))
        sheets = [SyntheticSet(study, fold, label, gan_seed) for label in made]
        files.write_text(place / CARD, visible(_card(study, fold, wanted, rows, sheets)))
    return rows


def _arm(text: str, classes: Sequence[str]) -> Arm:
    """The arm of that name; UsageError where it has no files of its own."""
    arm = parse(text)
    if arm.kind not in EXPORTED or not 0 < arm.dose <= 10:
        raise UsageError(
            f"--arm {text}: expected original or cyclegan, perhaps cyclegan:SOURCE or cyclegan@DOSE. Other "
            f"arms repeat, weight or mix the same files, or keep none.{did_you_mean(arm.kind, EXPORTED)}"
        )
    chosen(f"{arm.kind}:{arm.source}".rstrip(":"), classes)
    return arm


def _write_real(study: Study, rows: Sequence[int], part: str, folder: Path) -> list[ExportedScan]:
    """Write real scans under names that say nothing of a patient."""
    written = []
    for row in rows:
        scan, pixels = study.scans[row], study.pixels[row]
        file = f"{part}/{class_folder(scan.label)}/real-{row + 1:04}.png"
        files.write_bytes(folder / file, png(pixels))
        origin = (scan.group, scan.file, scan.sha256, scan.label)
        digest = files.sha256_bytes(pixels.tobytes())
        written.append(ExportedScan(file, part, scan.label, "", digest, *origin, "", "", ""))
    return written


def _write_synthetic(scans: SyntheticSet, rows: Sequence[Synthetic], folder: Path) -> list[ExportedScan]:
    """Write synthetic scans, each marked in its file, after their hashes were checked."""
    written = []
    for row, pixels in zip(rows, scans.pixels(rows), strict=True):
        file = f"train/{class_folder(scans.label)}/{row.file}"
        files.write_bytes(folder / file, synthetic_png(pixels))
        origin = (row.source_group, row.source_file, row.source_sha256, row.source_label)
        made = (row.variant, row.generator_sha256, str(row.seed))
        written.append(ExportedScan(file, "train", scans.label, row.synthetic, row.sha256, *origin, *made))
    return written


def _metadata(row: ExportedScan) -> str:
    """A line of `metadata.jsonl`, which names its file from its own folder."""
    content = {name: value for name, value in asdict(row).items() if name not in ("file", "part")}
    content |= {"file_name": row.file.removeprefix(f"{row.part}/"), "synthetic": bool(row.synthetic)}
    return json.dumps(content, ensure_ascii=False)


def _card(
    study: Study, fold: int, arm: Arm, rows: Sequence[ExportedScan], made: Sequence[SyntheticSet]
) -> str:
    """The dataset card: what is there, of what, and what it is not for."""
    settings = study.settings
    counts = Counter((row.part, row.label, bool(row.synthetic)) for row in rows)
    lines = [
        f"| {part} | {label} | {counts[part, label, False]} | {counts[part, label, True]} |"
        for part in ("train", "test")
        for label in study.classes
    ]
    synthetic = sum(bool(row.synthetic) for row in rows)
    marked = "All of them are scans as they came."
    if synthetic:
        marked = f"{synthetic} of the {len(rows)} pictures are SYNTHETIC and show no patient; each says so."
    sheets = [
        "\n".join([f"## How close to real the synthetic {scans.label} scans are", "", *_list(told(scans))])
        for scans in made
    ]
    return TEXT.format(
        kind="synthetic" if synthetic else "real",
        title=f"Fold {fold} of a study of {_plain(settings.data.name)}, arm {arm.kind}",
        marked=marked,
        counts="\n".join(lines),
        size=settings.size,
        version=__version__,
        fold=fold,
        k=settings.k,
        arm=arm,
        meaning=arm.meaning,
        table=TABLE,
        metadata=METADATA,
        data=settings.data.name,
        cohort=settings.cohort,
        content=settings.data.sha256,
        seed=settings.seed,
        cautions="\n".join(f"- {banner}" for banner in settings.banners),
        sheets="\n\n".join(sheets) + "\n" * bool(sheets),
        licence=" ".join(LICENCES[name] for name in settings.data.group_sources if name in LICENCES),
    )


def _plain(name: str) -> str:
    """A name for YAML without quotes: what could mean something else there is left out."""
    return " ".join(re.sub(r"[^\w .()-]", " ", name).split()) or "scans"


def _list(sentences: Sequence[str]) -> list[str]:
    return [f"- {sentence}" for sentence in sentences] or ["- They have no scores."]
