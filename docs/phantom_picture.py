"""Draw docs/phantom.png, one real scan of each class beside phantoms: python docs/phantom_picture.py BUSI."""

import sys
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
from bus.data.phantom.simulation import BLOCK, simulate, specs

REAL = {"benign": "benign (13)", "malignant": "malignant (7)", "normal": "normal (24)"}
SEED = 3  # of the phantoms shown: the first three patients of each class, none picked


def main(busi: Path) -> None:
    """Write the picture beside this script; `busi` is the folder with benign/, malignant/ and normal/."""
    figure, axes = plt.subplots(len(BLOCK), 5, figsize=(8, 5.1), layout="constrained")
    for row, label in zip(axes, BLOCK, strict=True):
        real = cv2.imread(str(busi / label / f"{REAL[label]}.png"), cv2.IMREAD_GRAYSCALE)
        shown = [cv2.resize(real, (160, 160), interpolation=cv2.INTER_AREA)]
        found = [s for s in specs(100, seed=SEED, size=160) if s.label == label and s.view == 0][:3]
        shown += [simulate(spec).pixels for spec in found]
        other = specs(100, seed=SEED, size=160, scanner="linear-7")
        shown.append(simulate(next(s for s in other if s.file == found[0].file)).pixels)
        for axis, pixels in zip(row, shown, strict=True):
            axis.imshow(pixels, cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(label)
    titles = ["BUSI (real)", *["phantom"] * 3, "first phantom,\nscanner linear-7"]
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    figure.savefig(Path(__file__).with_name("phantom.png"), dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
