"""`make growth`: time and peak memory over the number of scans, their side, and the number of cells.

    python tests/speed/growth.py [--rows scans,detected,check,side,cells] [--tiny] [--out DIR]

Every point runs in a fresh process, whose peak memory (and that of its children) the system tells. Points are
written to growth.json one by one. `scans`: a study from a labels.csv that names groups; `detected`: the same
without groups, so that near-duplicates are looked for, every scan against every other, mirrored too; `check`:
all of `bus data check` on the same scans.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bus.core import files

POINTS = {
    "scans": (1_000, 5_000, 10_000, 20_000, 50_000),
    "detected": (1_000, 5_000, 10_000, 20_000),
    "check": (1_000, 5_000, 10_000, 20_000),
    "side": (64, 128, 256, 512),
    "cells": (4, 8, 16),
}
TINY = {"scans": (60, 120), "detected": (60, 120), "check": (60, 120), "side": (32, 64), "cells": (1, 2)}
SIDES = {
    "scans": "scans of 64 px",
    "detected": "scans of 64 px, groups detected",
    "check": "scans of 64 px, bus data check",
    "side": "px a side, 500 scans",
    "cells": "cells, 2 jobs",
}
BASE = 120  # phantoms of which the others are variations
Json = dict[str, Any]


def main() -> None:
    """Measure the points asked for, each in a process of its own, and draw what is known."""
    parser = argparse.ArgumentParser(
        prog="tests/speed/growth.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", default=",".join(POINTS))
    parser.add_argument(
        "--tiny", action="store_true", help="everything small: shows that it runs, its numbers mean nothing"
    )
    parser.add_argument("--out", type=Path, default=Path("build/speed"))
    parser.add_argument("--one", nargs=3, metavar=("ROW", "VALUE", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        row, value, folder = asked.one
        print(json.dumps(measure(row, int(value), Path(folder))))
        return
    place = asked.out / "growth.json"
    for row in asked.rows.split(","):
        for value in (TINY if asked.tiny else POINTS)[row]:
            with tempfile.TemporaryDirectory(prefix="bus-growth-") as folder:
                prepare(row, value, Path(folder))
                command = [sys.executable, __file__, "--one", row, str(value), folder]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            known = files.read_json(place) if place.exists() else {}
            known.setdefault(row, {})[str(value)] = found
            files.write_json(place, known)
            print(
                f"{row} {value:,}: {found['seconds']:.1f} s, {found['parent']:.0f} MB, "
                f"children {found['children']:.0f} MB",
                flush=True,
            )
    draw(files.read_json(place), asked.out / "growth.svg")
    print(f"Written: {place}, {asked.out}/growth.svg")


def prepare(row: str, value: int, folder: Path) -> None:
    """Make a point's data outside the process that is measured: variations of a few phantoms, as files."""
    from bus.data import phantom

    if row == "cells":
        return
    count, side = (500 if value >= 64 else 30, value) if row == "side" else (value, 64)
    made = [phantom.simulate(spec) for spec in phantom.specs(BASE, size=side)]
    rng = np.random.default_rng(0)
    grouped = row not in ("detected", "check")
    lines = ["file,label,group" if grouped else "file,label"]
    (folder / "data").mkdir()
    for number in range(count):
        one = made[number % BASE]
        pixels = np.roll(one.pixels, rng.integers(0, side, 2), (0, 1)) * rng.uniform(0.8, 1.1) + rng.normal(
            0, 8, (side, side)
        )
        name = f"{number}.png"
        cv2.imwrite(str(folder / "data" / name), pixels.clip(0, 255).astype(np.uint8))
        lines.append(f"{name},{one.label}" + (f",g{number // (2 * BASE)}-{number % BASE}" if grouped else ""))
    (folder / "data" / "labels.csv").write_text("\n".join(lines))


def measure(row: str, value: int, folder: Path) -> Json:
    """Do a point's work in this process: a study, all of whose training scans are then read, or cells."""
    begun = time.perf_counter()
    if row == "cells":
        _cells(value, folder)
    elif row == "check":
        _check(folder)
    else:
        _study(folder, value if row == "side" else 64)
    seconds = time.perf_counter() - begun
    peak = {
        who: resource.getrusage(kind).ru_maxrss / 1024
        for who, kind in (("parent", resource.RUSAGE_SELF), ("children", resource.RUSAGE_CHILDREN))
    }
    return {"seconds": seconds, **peak}


def _study(folder: Path, size: int) -> None:
    from bus.data.study import open_or_create

    table = folder / "data" / "labels.csv"
    study = open_or_create(folder / "study", {"data": str(table), "size": size, "k": 2})
    study.pixels_sha256(study.train(0))


def _check(folder: Path) -> None:
    from bus.data.check import check

    check(folder / "data" / "labels.csv")


def _cells(count: int, folder: Path) -> None:
    from bus.benchmark import run
    from bus.benchmark.arms import parse
    from bus.benchmark.cells import STEPS, cells_of
    from bus.benchmark.request import Request
    from bus.data.study import open_or_create

    study = open_or_create(folder / "study", {"size": 32, "k": 3}, phantoms=60)
    STEPS["demo"] = (10, 2)
    wish = Request((0,), (parse("original"),), ("simplecnn",), count, "demo")
    run.run(study, cells_of(study, wish), jobs=2, threads=1, keep_weights=False)


def draw(found: Json, path: Path) -> None:
    """Seconds and peak memory over each row's values."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure, axes = plt.subplots(2, len(found), figsize=(3.2 * len(found), 5), squeeze=False, sharex="col")
    for place, (row, points) in enumerate(found.items()):
        values = sorted(map(int, points))
        for line, names in enumerate(
            (("seconds",), ("parent", "children") if row == "cells" else ("parent",))
        ):
            for name in names:
                axes[line, place].plot(
                    values, [points[str(value)][name] for value in values], "o-", label=name
                )
            axes[line, place].set_ylim(0, 1.15 * axes[line, place].get_ylim()[1])
        axes[1, place].xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes[1, place].xaxis.set_major_formatter(
            lambda value, _: f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"
        )
        axes[1, place].set_xlabel(SIDES[row])
    axes[0, 0].set_ylabel("s")
    axes[1, 0].set_ylabel("peak memory, MB")
    if "cells" in found:
        axes[1, list(found).index("cells")].legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
