"""`make speed`: the work of this program against what a user would run instead, side by side in one run.

    python tests/speed/run.py [--rows gan,classify] [--tiny] [--clock cpu] [--out DIR]

Every row is written to speed.json as soon as it is measured; rows of an earlier run stay until they are
measured again. Wants a quiet machine; where there is none, --clock cpu counts processor time instead, which
other work disturbs less.
"""

import argparse
import json
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import rows_classify
import rows_data
import rows_gan
import rows_start
from bus.core import files
from bus.core.compute import resolve
from measure import CLOCKS, Bench, Row, machine
from rich.console import Console
from rich.table import Table

ROWS: dict[str, Callable[[Bench], Row]] = {
    "gan": rows_gan.paper,
    "gan-default": rows_gan.default,
    **{f"classify-{model}": partial(rows_classify.step, model) for model in rows_classify.REPEATS},
    "cohort": rows_data.first_batch,
    "duplicates": rows_data.phantoms,
    "distances": rows_data.distances,
    "cells": rows_classify.cells,
    "help": rows_start.helps,
    "slips": rows_start.slips,
    "status": rows_start.status,
    "nothing": rows_start.nothing,
    "interrupt": rows_start.interrupt,
}
Json = dict[str, Any]


def main() -> None:
    """Measure the rows asked for, show and write them."""
    parser = argparse.ArgumentParser(
        prog="python tests/speed/run.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", default="all", help=f"names or beginnings of: {', '.join(ROWS)}")
    parser.add_argument(
        "--tiny", action="store_true", help="everything small: shows that it runs, its numbers mean nothing"
    )
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, help="the cores of this process unless given")
    parser.add_argument("--out", type=Path, default=Path("build/speed"))
    asked = parser.parse_args()
    compute = resolve(precision=asked.precision, threads=asked.threads)
    names = [name for name in ROWS if asked.rows == "all" or name.startswith(tuple(asked.rows.split(",")))]
    if not names:
        parser.error(f"--rows {asked.rows}: expected beginnings of {', '.join(ROWS)}")
    with tempfile.TemporaryDirectory(prefix="bus-speed-") as folder:
        bench = Bench(asked.tiny, asked.clock, Path(folder), compute)
        for name in names:
            print(f"{name} …", flush=True)
            keep(
                asked.out / "speed.json",
                ROWS[name](bench),
                machine(compute) | {"clock": asked.clock, "tiny": asked.tiny},
            )
    found = files.read_json(asked.out / "speed.json")
    show(found)
    files.write_text(asked.out / "speed.md", markdown(found))
    draw(found, asked.out / "speed.svg")
    print(f"Written: {asked.out}/speed.json, speed.md, speed.svg")


def keep(path: Path, row: Row, where: Json) -> None:
    """Write a row beside those that are there; each says on which machine and by which clock."""
    known = files.read_json(path)["rows"] if path.exists() else {}
    known[row.name] = {**asdict(row), "ratio": row.ratio, "machine": where}
    files.write_json(path, {"rows": {name: known[name] for name in [*ROWS, *known] if name in known}})


HEADER = (
    "work",
    "ours",
    "the other",
    "ratio",
    "share of the limit",
    "threads, precision",
    "repeats",
    "parts and remarks",
)


def cells(row: Json) -> tuple[str, ...]:
    """One row of the table as text."""
    shares = {name: figure(value, name) for name, value in row["parts"].items()}
    remarks = [
        *(f"{name}: {text}" for name, text in shares.items()),
        row["note"],
        *["TINY, means nothing"] * row["machine"]["tiny"],
    ]
    other = f"{duration(row['other'])} ({row['instead']})" if row["other"] else "–"
    return (
        row["work"],
        duration(row["ours"]),
        other,
        f"{row['ratio']:.2f} ×{aim(row['aim'])}" if row["ratio"] else "–",
        f"{100 * row['limit']:.0f} %{aim(row['aim_limit'], 100)}" if row["limit"] else "–",
        f"{row['threads']} {row['precision']}".strip(),
        str(row["repeats"]),
        "; ".join(text for text in remarks if text),
    )


def aim(value: float | None, factor: int = 1) -> str:
    """What is to be reached, in brackets."""
    return f" (to reach: {factor * value:g})" if value else ""


def figure(value: float, name: str) -> str:
    """A part: seconds, unless its name says that it counts something."""
    return f"{value:.1f}" if "a second" in name or "times" in name else duration(value)


def duration(seconds: float) -> str:
    """Seconds for a person, three digits."""
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def show(found: Json) -> None:
    """The table on the console."""
    table = Table(*HEADER, show_lines=True)
    for row in found["rows"].values():
        table.add_row(*cells(row))
    Console(width=200).print(table)


def markdown(found: Json) -> str:
    """The table for docs/speed.md, with every machine that took part."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in found["rows"].values()]
    about = {
        json.dumps({name: value for name, value in row["machine"].items() if name != "load"})
        for row in found["rows"].values()
    }
    lines += [
        "",
        *(", ".join(f"{name} {value}" for name, value in json.loads(text).items()) for text in sorted(about)),
    ]
    return "\n".join(lines) + "\n"


def draw(found: Json, path: Path) -> None:
    """How many times faster, a bar a row; the share of the limit beside it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [row for row in found["rows"].values() if row["ratio"] or row["limit"]][::-1]
    if not rows:
        return
    figure_, axes = plt.subplots(1, 2, figsize=(10, 0.6 * len(rows) + 1.2), sharey=True, width_ratios=(3, 2))
    places = range(len(rows))
    for axis, name, wanted, factor, title in (
        (axes[0], "ratio", "aim", 1, "times faster than the other; line: to reach"),
        (axes[1], "limit", "aim_limit", 100, "% of the matrix-product rate"),
    ):
        values = [factor * (row[name] or 0) for row in rows]
        bars = axis.barh(places, values, color="#3b6ea5")
        axis.bar_label(
            bars, [f"{value:.3g}" if value else "" for value in values], label_type="center", color="white"
        )
        for place, row in zip(places, rows, strict=True):
            if row[wanted]:
                axis.vlines(factor * row[wanted], place - 0.45, place + 0.45, color="#b3261e", linewidth=2)
        axis.set_xlabel(title)
        axis.margins(x=0.05)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_xscale("log", base=2)
    axes[0].xaxis.set_major_formatter("{x:g}")
    axes[0].set_xlim(
        min(1.0, *(row["ratio"] or 1.0 for row in rows)), 1.5 * max(row["ratio"] or 1.0 for row in rows)
    )
    axes[0].set_yticks(places, [textwrap.fill(row["work"].split(" (")[0], 32) for row in rows])
    figure_.tight_layout()
    figure_.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
