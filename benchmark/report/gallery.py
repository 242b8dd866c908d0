"""What the report shows of a translator: losses, sheets, scores, and scans beside their sources."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...core.errors import BusError
from ...core.files import read_csv, read_json
from ...data.pictures import synthetic_png
from ...data.store import Pixels
from ...data.study import Study
from .. import test_reference as held_out
from . import figures
from .figures import Figure, Place
from .sections import Json, flat

SHOWN = 8  # pairs in a gallery: the first ones of the manifest, never a choice
SCORES = {  # key → name, whether a smaller value is better
    "kid": ("KID", True),
    "frechet": ("Fréchet distance", True),
    "precision": ("precision", False),
    "recall": ("recall", False),
    "density": ("density", False),
    "coverage": ("coverage", False),
}


def translators(study: Study, folds: Sequence[int], gan_seed: int, labels: Sequence[str]) -> list[Json]:
    """What is known of the translator of each fold to each of these classes; where there is none, it is left out."""
    found = []
    for label, fold in product(labels, folds):
        gan, synth = study.gan_path(fold, label, gan_seed), study.synth_path(fold, label, gan_seed)
        try:
            found += _translator(study, fold, label, gan, synth)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise BusError(
                f"{synth}/scores.json, {synth}/manifest.csv or {gan}/config.json does not hold what this version wrote "
                f"({error!r}). Delete scores.json and manifest.csv and run bus synth again."
            ) from error
    return found


def _translator(study: Study, fold: int, label: str, gan: Path, synth: Path) -> list[Json]:
    """One record, or none where there is no translator."""
    manifest = read_csv(synth / "manifest.csv") if (synth / "manifest.csv").exists() else []
    scores = _json(synth / "scores.json")
    if not (gan.exists() or manifest or scores):
        return []
    records = losses(gan / "metrics.jsonl")
    other = label != study.target  # which may share a fold with the target's
    place = f"{fold}-{study.classes.index(label)}" if other else str(fold)  # in the names of figures
    return [
        {
            "fold": fold,
            "label": label,
            "title": f"Fold {fold}{f', to {label}' if other else ''}",
            "place": place,
            "config": list(flat(_json(gan / "config.json")).items()),
            "seconds": sum(record.get("seconds", 0.0) for record in records),
            "curves": curves(place, records),
            "sheet": sheet(gan / "samples"),
            "made": len(manifest),
            "sources": len({row["source_sha256"] for row in manifest}),
            "generator": manifest[0].get("generator_sha256", "") if manifest else "",
            "pairs": pairs(study, synth, manifest[:SHOWN]),
            "scores": scores,
            "held_out": _json(synth / held_out.NAME),
            "rows": score_rows(scores),
            "picture": picture(place, scores),
            "copies": copies(study, synth, scores),
        }
    ]


def losses(path: Path) -> list[dict[str, float]]:
    """The records of `metrics.jsonl`; a last line cut off by an interruption is passed over."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    found = []
    for number, line in enumerate(lines):
        try:
            record = json.loads(line)
            found.append(
                {key: float(value) for key, value in record.items() if isinstance(value, int | float)}
            )
        except (ValueError, AttributeError, RecursionError) as error:
            if number + 1 < len(lines):
                raise BusError(
                    f"{path}, line {number + 1} is damaged ({error}). Delete that line."
                ) from error
    return found


def curves(place: str, records: Sequence[Mapping[str, float]]) -> Figure | None:
    """The translator's losses, if any were recorded, and its distances where some were measured on the way."""
    if not records:
        return None
    last, names = records[-1], ("adversarial", "discriminators", "cycle", "identity")
    ends = ", ".join(f"{name} {last[name]:.3f}" for name in names if name in last)
    alt = f"Losses of the translator over {last.get('pairs', 0):,.0f} pairs; at the end: {ends}."
    if measured := [r for r in records if {"pairs", "kid", "kid_spread"} <= set(r)]:
        points = ", ".join(
            f"{r['kid']:.2f} ± {r['kid_spread']:.2f} after {r['pairs']:,.0f} pairs" for r in measured
        )
        alt += f" Normalised KID (0 real, 1 did nothing): {points}."
    drawn = figures.training(f"training-{place}", records, alt=alt)
    return drawn.entitled(
        "Training", "a low cycle loss says that structure is kept, not that the scans look real"
    )


def sheet(folder: Path) -> Json | None:
    """The last sample sheet of the training as an inline picture."""
    files = sorted(folder.glob("*.png"))
    image = _read(files[-1]) if files else None
    return (
        None if image is None else {"uri": png_uri(image), "name": files[-1].stem, "shape": image.shape[::-1]}
    )


def pairs(study: Study, synth: Path, rows: Sequence[Mapping[str, str]]) -> list[Json]:
    """Synthetic scans beside the sources they were translated from."""
    by_hash = {scan.sha256: row for row, scan in enumerate(study.scans)}
    found = []
    for row in rows:
        made = _read(synth / row["file"])
        source = by_hash.get(row["source_sha256"])
        if made is not None and source is not None:
            found.append(
                {
                    "source": study.pixels[source],
                    "made": made,
                    "label": row["source_label"],
                    "source_file": row["source_file"],
                    "file": row["file"],
                    "variant": row["variant"],
                    "source_uri": png_uri(study.pixels[source]),
                    "made_uri": png_uri(made),
                }
            )
    return found


def copies(study: Study, synth: Path, scores: Json) -> list[Json]:
    """The synthetic scans closest to a training scan, beside that scan."""
    by_file = {scan.file: row for row, scan in enumerate(study.scans)}
    found = []
    for entry in ((scores.get("copies") or {}).get("worst") or [])[:SHOWN]:
        made = _read(synth / entry["file"])
        nearest = by_file.get(entry["nearest"])
        if made is not None and nearest is not None:
            found.append({**entry, "made_uri": png_uri(made), "nearest_uri": png_uri(study.pixels[nearest])})
    return found


def score_rows(scores: Json) -> list[Json]:
    """Rows of the table of scores, those that were computed; the Fréchet distance under its network's name."""
    names = {"frechet": scores["extractor"]["label"]} if scores else {}
    return [
        {"name": names.get(key, name), "better": "lower" if lower else "higher", **scores[key]}
        for key, (name, lower) in SCORES.items()
        if scores.get(key)
    ]


def picture(place: str, scores: Json) -> Figure | None:
    """The normalised scores between floor and ceiling."""
    places = []
    for key, (name, _) in SCORES.items():
        value = (scores.get(key) or {}).get("normalised")
        if value:
            places.append(Place(name, value["mean"], value["spread"]))
    if not places:
        return None
    alt = "Scores between floor (0, real) and ceiling (1, sources untranslated): " + "; ".join(
        f"{p.label} {p.mean:.2f} ± {p.spread:.2f}" for p in places
    )
    drawn = figures.between(f"scores-{place}", places, alt=alt)
    return drawn.entitled(
        "Between real and untouched", "left is better; beyond the dashed line, worse than nothing"
    )


def contact_sheet(shown: Sequence[Json]) -> bytes | None:
    """One PNG with the sources above the scans made from them, twice as large in each direction."""
    if not shown:
        return None
    rows = (np.hstack([item[key] for item in shown]) for key in ("source", "made"))
    return synthetic_png(np.vstack(list(rows)).repeat(2, 0).repeat(2, 1))


def encode(image: Pixels) -> bytes:
    """A grey (H×W) or colour picture (H×W×3 BGR, uint8) as PNG."""
    return bytes(cv2.imencode(".png", np.ascontiguousarray(image))[1].tobytes())


def png_uri(image: Pixels) -> str:
    """A picture as `encode` takes it, as `data:` address."""
    return "data:image/png;base64," + base64.b64encode(encode(image)).decode()


def _json(path: Path) -> Json:
    return dict(read_json(path)) if path.exists() else {}


def _read(path: Path) -> Pixels | None:
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    try:
        image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if len(content) else None
    except cv2.error:  # a picture that claims billions of pixels
        return None
    return None if image is None else np.asarray(image, np.uint8)


def mean_spread(value: Mapping[str, Any] | None) -> str:
    """A score as text with two digits of its spread; a dash where there is none."""
    if not value or value.get("mean") is None:
        return "–"
    mean, spread = value["mean"], value.get("spread")
    if not spread:
        return f"{mean:.3g}".replace("-", "−")
    digits = max(0, 1 - math.floor(math.log10(spread)))
    return f"{mean:.{digits}f} ± {spread:.{digits}f}".replace("-", "−")
