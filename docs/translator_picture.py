"""Draw docs/translator-ablation.png from docs/translator.csv: what was tried, run by run."""

import csv
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
BLUE, GREY, ORANGE = "#0072b2", "#767676", "#d55e00"  # told apart by colour-blind readers (Okabe & Ito)
COLOURS = {"screening": GREY, "default": BLUE, "published": ORANGE}


def main() -> None:
    """Write the picture beside this script."""
    with (HERE / "translator.csv").open(encoding="utf-8") as handle:
        runs = list(csv.DictReader(handle))[::-1]
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 0.34 * len(runs) + 1.2), sharey=True, layout="constrained"
    )
    places = range(len(runs))
    for place, run in zip(places, runs, strict=True):
        colour = COLOURS[run["kind"]]
        left.errorbar(
            float(run["kid"]), place, xerr=float(run["kid_spread"]), fmt="o", color=colour, capsize=3
        )
        right.plot(float(run["reader"]), place, "o", color=colour)
        right.plot(float(run["reader_target"]), place, "|", color="black", markersize=12)
    left.set_yticks(places, [f"{run['switches']}, {int(run['pairs']):,} pairs" for run in runs])
    left.axvline(0, color="black", linewidth=0.8)
    left.axvline(1, color="black", linewidth=0.8, linestyle=":")
    left.set(xlabel="normalised KID ± spread of 50 splits\n0 is real, 1 did nothing", xlim=(-0.1, None))
    right.set(xlabel="share that the reader calls malignant\n| real malignant scans, held out", xlim=(0, 1))
    for axis in (left, right):
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "translator-ablation.png", dpi=110)


if __name__ == "__main__":
    main()
