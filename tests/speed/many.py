"""The store and the detector of copies with very many scans: time, peak memory, what is found.

    python tests/speed/many.py [--scans 100000] [--size 64] [--parts create,open] [--out DIR] [--keep FOLDER]

Scans are drawn (`draw`: layers, speckle, a lesion in half of them), strangers to each other, and written as
class folders; among them are copies of some, of every kind that `make copies` knows. A study is made of the
folder, whose groups the detector must find, then opened, then asked for its status, each in a process of
its own, whose peak memory the system tells. Written to many.json: seconds and MB of every part, recall by
kind of copy, pairs that were joined and should not have been. `--keep`: where the scans and the study stay,
for another run, which draws nothing anew.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import copies
import cv2
import numpy as np
from bus.core import files
from stages import peak, processor, timed

SIDE = 96  # px of a drawn scan
COPIES = 60  # a kind
CLASSES = ("benign", "malignant", "normal")
Json = dict[str, Any]
Grey = np.ndarray


def main() -> None:
    """Draw the scans, do each part in a process of its own, and write what it took."""
    parser = argparse.ArgumentParser(
        prog="tests/speed/many.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scans", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--copies", type=int, default=COPIES, help="of each kind, among the scans")
    parser.add_argument("--exact", action="store_true", help="compare every scan with every other")
    parser.add_argument("--out", type=Path, default=Path("build/speed"))
    parser.add_argument("--parts", default=",".join(PARTS), help="of the work, in their order; or none")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        print(json.dumps(measured(asked.part, asked.keep, asked.size, exact=asked.exact)))
        return
    with ExitStack() as stack:
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bus-many-")))
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "truth.csv").exists():
            write(folder, asked.scans, asked.copies)
        parts = [part for part in PARTS if part in asked.parts.split(",")]
        if "create" in parts:
            shutil.rmtree(folder / "study", ignore_errors=True)
        command = [sys.executable, __file__, "--keep", str(folder), "--size", str(asked.size)]
        command += ["--exact"] * asked.exact
        place = asked.out / "many.json"
        found: Json = files.read_json(place) if place.exists() else {}
        found |= {"scans": asked.scans, "size": asked.size, "exact": asked.exact}
        for part in parts:
            done = subprocess.run([*command, "--part", part], stdout=subprocess.PIPE, text=True, check=True)
            found[part] = json.loads(done.stdout.splitlines()[-1])
            print(part, found[part], flush=True)
            files.write_json(place, found)
        if not parts:
            return
        found["bytes"] = {path.name: path.stat().st_size for path in sorted((folder / "study").iterdir())}
        found["copies"] = judged(folder)
        files.write_json(place, found)
        print(found["bytes"], found["copies"], sep="\n")


# scans that are strangers to each other


def draw(rng: np.random.Generator, side: int = SIDE) -> Grey:
    """A scan as ultrasound draws one: layers of tissue, speckle, darker below, perhaps a lesion."""
    across = np.linspace(0, 1, side, dtype=np.float32)
    depth = np.broadcast_to(across[:, None], (side, side))
    bent = depth + 0.04 * np.sin(2 * np.pi * (rng.uniform(0.3, 1.5) * across[None] + rng.uniform()))
    edges = np.sort(rng.uniform(0.05, 0.95, rng.integers(3, 7)))
    levels = rng.uniform(35, 150, len(edges) + 1).astype(np.float32)
    tissue = levels[np.searchsorted(edges, bent.ravel())].reshape(side, side)
    for cells, strength in ((5, 18), (14, 16), (30, 12)):
        coarse = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        tissue = tissue + cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        middle, axes = rng.uniform(0.25, 0.75, 2) * side, rng.uniform(0.08, 0.25, 2) * side
        lesion = np.zeros((side, side), np.float32)
        cv2.ellipse(lesion, (middle, 2 * axes, rng.uniform(0, 180)), 1, -1)
        tissue = tissue * (1 - rng.uniform(0.4, 0.8) * cv2.GaussianBlur(lesion, (0, 0), 1.5))
    speckle = np.abs(cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), 0.8))
    speckle /= speckle.mean()
    return (tissue * (0.55 + 0.45 * speckle) * (1.05 - 0.5 * depth)).clip(0, 255).astype(np.uint8)


def pictures(count: int, each: int) -> Iterator[tuple[Grey, int, str]]:
    """Scans, the number of the scene that each shows, and which kind of copy it is ("" for none).

    The last ones are `each` copies of every kind; which scans they are copies of, chance decides.
    """
    strangers = count - each * len(copies.KINDS)
    for number in range(strangers):
        yield draw(np.random.default_rng((1, number))), number, ""
    for place, (kind, make) in enumerate(copies.KINDS.items()):
        rng = np.random.default_rng((2, place))
        for number in rng.choice(strangers, each, replace=False).tolist():
            yield make(draw(np.random.default_rng((1, number))), rng), number, kind


def write(folder: Path, count: int, each: int) -> None:
    """Write scans as class folders, and truth.csv: file, scene, kind of copy."""
    for label in CLASSES:
        (folder / "data" / label).mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (grey, scene, kind) in enumerate(pictures(count, each)):
        name = f"{CLASSES[scene % len(CLASSES)]}/{number}.png"  # a copy has its scan's label
        cv2.imwrite(str(folder / "data" / name), grey)
        rows.append((name, scene, kind))
    files.write_csv(folder / "truth.csv", ("file", "scene", "kind"), rows)


# what takes time


def measured(part: str, folder: Path, size: int, *, exact: bool) -> Json:
    """Seconds and peak memory of one part's work in this process, with what it adds."""
    begun = time.perf_counter()
    details = PARTS[part](folder, size, exact)
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "of the processor": processor(),
        "MB": max(peak(), peak(children=True)),
        **details,
    }


def _create(folder: Path, size: int, exact: bool) -> Json:
    """A study of the folder, as any command makes it, and the time of each of its steps."""
    from bus.data import cohort, creation, grouping, settings
    from bus.data import copies as detector
    from bus.data.study import open_or_create

    steps = {
        "reading": (creation, "_read"),
        "groups": (creation, "find_groups"),
        "of it: coarse views": (detector, "_coarse"),
        "of it: likely pairs": (detector, "_likely" if exact else "_likely_of_many"),
        "of it: aligning them": (detector, "_looked_at"),
        "of it: names": (grouping, "_joined"),
        "cohort": (cohort, "build"),
        "folds": (creation, "cut"),
        "freezing": (settings, "freeze"),
    }
    if exact:
        detector.MANY = sys.maxsize
    with timed(steps) as spent:
        open_or_create(folder / "study", {"data": str(folder / "data"), "size": size})
    return {"steps": spent}


def _open(folder: Path, size: int, exact: bool) -> Json:
    """The study opened, checked as a benchmark does, and the training part of a fold hashed."""
    from bus.data.study import Study

    begun = time.perf_counter()
    study = Study.open(folder / "study")
    opened = time.perf_counter()
    study.verify()
    checked = time.perf_counter()
    study.pixels_sha256(study.train(0))
    return {
        "opened": opened - begun,
        "all hashes": checked - opened,
        "training part hashed": time.perf_counter() - checked,
    }


def _again(folder: Path, size: int, exact: bool) -> Json:
    """The same command again: the data are known by the names, sizes and times of their files."""
    from bus.data.study import open_or_create

    open_or_create(folder / "study", {"data": str(folder / "data"), "size": size})
    return {}


def _status(folder: Path, size: int, exact: bool) -> Json:
    """`bus status` as one types it."""
    subprocess.run(
        [sys.executable, "-m", "bus", "status", "--study", str(folder / "study")],
        check=True,
        capture_output=True,
    )
    return {}


PARTS: dict[str, Callable[[Path, int, bool], Json]] = {
    "create": _create,
    "open": _open,
    "again": _again,
    "status": _status,
}


def judged(folder: Path) -> Json:
    """Recall by kind of copy, and pairs of scans in one group that show different scenes."""
    with (folder / "truth.csv").open(newline="") as handle:
        truth = {row["file"]: row for row in csv.DictReader(handle)}
    with (folder / "study" / "cohort.csv").open(newline="") as handle:
        group = {row["file"].split("/", 1)[-1]: row["group"] for row in csv.DictReader(handle)}
    named = {file.split("/", 1)[-1]: row for file, row in truth.items()}
    source = {row["scene"]: group[file] for file, row in named.items() if not row["kind"]}
    recall = {}
    for kind in copies.KINDS:
        those = [file for file, row in named.items() if row["kind"] == kind]
        hits = [group[file] == source[named[file]["scene"]] for file in those]
        recall[kind] = float(np.mean(hits)) if hits else None
    members: dict[str, list[str]] = {}
    for file, name in group.items():
        members.setdefault(name, []).append(named[file]["scene"])
    false = sum(
        first != second
        for scenes in members.values()
        for place, first in enumerate(scenes)
        for second in scenes[:place]
    )
    return {"recall": recall, "false pairs": false, "groups": len(members)}


if __name__ == "__main__":
    main()
