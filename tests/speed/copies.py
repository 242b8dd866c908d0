"""`make copies`: how surely the near-duplicate detector finds copies, by what was done to them.

    python tests/speed/copies.py [--data BUSI] [--groups groups.csv] [--copies 200] [--out DIR] [--kinds …]

For each kind of copy, copies of some scans are put among all scans, and groups are looked for. Recall: the
share of copies that join the scan they were made from. Precision: of all pairs of scans that share a found
group, the share that shows one scene or patient, over all scans and copies. Phantoms are simulated (256 px,
groups known); for BUSI, give its folder and the list of groups (a column file, a column group). Nothing but
numbers is written.
"""

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from bus.core import files
from bus.data import copies as detector
from bus.data.phantom.simulation import simulate, specs

Grey = np.ndarray
Make = Callable[[Grey, np.random.Generator], Grey]
PHANTOMS = 600


def jpeg(grey: Grey, rng: np.random.Generator) -> Grey:
    """Through a JPEG file of quality 92."""
    written = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    return cv2.imdecode(written, cv2.IMREAD_GRAYSCALE)


def regained(grey: Grey, rng: np.random.Generator) -> Grey:
    """Brighter or darker, by a factor and a step."""
    return _bytes(grey * rng.uniform(0.7, 1.3) + rng.uniform(-15, 15))


def gamma(grey: Grey, rng: np.random.Generator) -> Grey:
    """Another gamma, 0.7 to 1.4."""
    return _bytes(255 * (grey / 255) ** rng.uniform(0.7, 1.4))


def resized(grey: Grey, rng: np.random.Generator) -> Grey:
    """Half to one and a half times as large."""
    factor = rng.uniform(0.5, 1.5)
    return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def cropped(grey: Grey, rng: np.random.Generator) -> Grey:
    """5 % cut off at every side."""
    down, right = (round(0.05 * side) for side in grey.shape)
    return grey[down:-down, right:-right].copy()


def shifted(grey: Grey, rng: np.random.Generator) -> Grey:
    """Moved by up to 8 % of its sides; black where nothing was."""
    height, width = grey.shape
    right, down = rng.uniform(-0.08, 0.08, 2) * (width, height)
    return cv2.warpAffine(grey, np.array([[1, 0, right], [0, 1, down]], np.float32), (width, height))


def mirrored(grey: Grey, rng: np.random.Generator) -> Grey:
    """Left for right."""
    return np.ascontiguousarray(grey[:, ::-1])


def rotated(degrees: float) -> Make:
    """Turned to the left or to the right; black where nothing was."""

    def turn(grey: Grey, rng: np.random.Generator) -> Grey:
        height, width = grey.shape
        by = cv2.getRotationMatrix2D((width / 2, height / 2), degrees * rng.choice([-1, 1]), 1)
        return cv2.warpAffine(grey, by, (width, height))

    return turn


def stretched(factor: float) -> Make:
    """Wider or higher."""

    def stretch(grey: Grey, rng: np.random.Generator) -> Grey:
        wide, high = rng.permutation([factor, 1.0])
        return cv2.resize(grey, None, fx=wide, fy=high, interpolation=cv2.INTER_LINEAR)

    return stretch


def blurred(grey: Grey, rng: np.random.Generator) -> Grey:
    """Blurred with a deviation of 0.6 % of the longer side."""
    return cv2.GaussianBlur(grey, (0, 0), 0.006 * max(grey.shape))


def noisy(grey: Grey, rng: np.random.Generator) -> Grey:
    """Noise of 15 grey levels' deviation on every pixel."""
    return _bytes(grey + rng.normal(0, 15, grey.shape))


def both(first: Make, second: Make) -> Make:
    """One change after the other."""
    return lambda grey, rng: second(first(grey, rng), rng)


KINDS: dict[str, Make] = {
    "identical": lambda grey, rng: grey.copy(),
    "JPEG 92": jpeg,
    "re-gained": regained,
    "gamma 0.7–1.4": gamma,
    "resized 0.5–1.5": resized,
    "cropped 5 %": cropped,
    "shifted 8 %": shifted,
    "mirrored": mirrored,
    "mirrored, cropped 5 %": both(mirrored, cropped),
    "mirrored, gamma": both(mirrored, gamma),
    "rotated 2°": rotated(2),
    "rotated 5°": rotated(5),
    "rotated 10°": rotated(10),
    "stretched 1.1": stretched(1.1),
    "stretched 1.3": stretched(1.3),
    "blurred": blurred,
    "noise": noisy,
}


def main() -> None:
    """Measure every kind on phantoms and, where given, on BUSI; print a table and keep it as JSON."""
    parser = argparse.ArgumentParser(
        prog="tests/speed/copies.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of BUSI's classes")
    parser.add_argument("--groups", type=Path, help="table of its groups: columns file, group")
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--phantoms", type=int, default=PHANTOMS)
    parser.add_argument("--kinds", default=";".join(KINDS), help="separated by semicolons")
    parser.add_argument("--out", type=Path, default=Path("build/copies"))
    asked = parser.parse_args()
    sets = {"phantoms": phantoms(asked.phantoms)} if asked.phantoms else {}
    if asked.data:
        sets["BUSI"] = listed(asked.data, asked.groups)
    kinds = [kind for kind in KINDS if kind in asked.kinds.split(";")]
    found = {name: measure(*scans, asked.copies, kinds) for name, scans in sets.items()}
    for name, rows in found.items():
        print(f"{name:<24}{'recall':>8}{'precision':>11}{'pairs':>7}{'false':>7}{'s':>7}")
        for kind, row in rows.items():
            print(
                f"{kind:<24}{row['recall']:>8.3f}{row['precision']:>11.4f}{row['pairs']:>7.0f}"
                f"{row['false']:>7.0f}{row['seconds']:>7.1f}"
            )
    files.write_json(asked.out / "copies.json", found)


def phantoms(count: int) -> tuple[list[Grey], list[str]]:
    """Simulated scans and their patients."""
    drawn = specs(count, seed=21, size=256)
    return [simulate(spec).pixels for spec in drawn], [spec.group for spec in drawn]


def listed(folder: Path, table: Path) -> tuple[list[Grey], list[str]]:
    """The scans of a table and their groups."""
    with table.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    scans = [cv2.imread(str(folder / row["file"]), cv2.IMREAD_GRAYSCALE) for row in rows]
    return [scan for scan in scans if scan is not None], [row["group"] for row in rows]


def measure(
    scans: Sequence[Grey], known: Sequence[str], copies: int, kinds: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Recall and precision by kind of copy, after a first row without any copies."""
    described = [detector.describe(scan) for scan in scans]
    rows = {"no copies": _row(described, known, [])}
    for number, kind in enumerate(kinds):
        rng = np.random.default_rng((7, number))
        chosen = rng.choice(len(scans), min(copies, len(scans)), replace=False).tolist()
        made = [detector.describe(KINDS[kind](scans[row], rng)) for row in chosen]
        rows[kind] = _row([*described, *made], [*known, *(known[row] for row in chosen)], chosen)
    return rows


def _row(described: Sequence[Grey], known: Sequence[str], sources: Sequence[int]) -> dict[str, float]:
    begun = time.perf_counter()
    pairs = detector.alike(np.stack(described))
    ids = np.array(detector.joined(len(described), (pair[:2] for pair in pairs)))
    seconds = time.perf_counter() - begun
    own, copied = len(described) - len(sources), np.arange(len(sources))
    first, second = np.triu_indices(len(ids), 1)
    joined, true = ids[first] == ids[second], np.array(known)[first] == np.array(known)[second]
    return {
        "recall": float(np.mean(ids[own + copied] == ids[np.array(sources, int)])) if len(sources) else 0.0,
        "precision": float(true[joined].mean()) if joined.any() else 1.0,
        "pairs": float(joined.sum()),
        "false": float((joined & ~true).sum()),
        "known recall": float(joined[true].mean()),
        "seconds": seconds,
    }


def _bytes(grey: Grey) -> Grey:
    return np.clip(np.round(grey), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
