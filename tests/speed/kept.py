"""What a trained translator leaves alone: calipers, letters, speckle, and the rows beside the letterbox bars.

    python tests/speed/kept.py --study STUDY [--fold 0] [--gan-seed 0]

Every source is translated twice, as it is and with two caliper crosses and a letter burned in at random
places. Where they are drawn, the difference of the two translations is set against that of the two sources: 1
is kept, 0 is gone. For comparison the deviation of detail (5 px) that is left everywhere, and the mean change
of the rows beside a bar against that of the whole scan (a halo would be larger).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from bus.data.store import restore_bars
from bus.data.study import Study
from bus.gan.pixels import to_pixels, to_tensor
from bus.gan.translator import Translator
from numpy.typing import NDArray

RIM = 4  # px, least height of a bar


def burn(square: NDArray[np.uint8], inside: tuple[slice, slice], seed: int) -> NDArray[np.uint8]:
    """A copy of S×S with two crosses, S/16 wide, and a letter, S/10 high, one pixel thin and white."""
    out, rng, side = square.copy(), np.random.default_rng(seed), len(square)
    arm, rows, columns = max(1, side // 32), *inside
    for _ in range(2):
        y, x = (int(rng.integers(part.start + arm, part.stop - arm)) for part in (rows, columns))
        cv2.line(out, (x - arm, y), (x + arm, y), 255)
        cv2.line(out, (x, y - arm), (x, y + arm), 255)
    height = side // 10
    foot = (
        int(rng.integers(columns.start, columns.stop - height)),
        int(rng.integers(rows.start + height, rows.stop)),
    )
    cv2.putText(out, "R", foot, cv2.FONT_HERSHEY_PLAIN, height / 10, 255)
    return out


def main() -> None:
    """Translate every source twice and print what was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--gan-seed", type=int, default=0)
    asked = parser.parse_args()
    study = Study.open(asked.study)
    translator = Translator(study, asked.fold, study.target, asked.gan_seed)
    generator, labels = translator.load("cpu"), translator.known_config.sources

    kept, detail, rims = [], [], []
    for row in study.rows_of(study.train(asked.fold), labels):
        plain, box = study.pixels[row], study.scans[row].box
        sources = [plain, burn(plain, box.inside, row)]
        with torch.inference_mode():
            made = [restore_bars(to_pixels(generator(to_tensor(scan[None])))[0], box) for scan in sources]
        # marks
        before, after = (marked.astype(int) - clean for clean, marked in (sources, made))
        kept.append(after[before != 0].sum() / before[before != 0].sum())
        # detail everywhere
        scans = [scan.astype(np.float32) for scan in (plain, made[0])]
        fine = [(scan - cv2.blur(scan, (5, 5)))[box.inside].std() for scan in scans]
        detail.append(fine[1] / fine[0])
        # the rows beside bars
        change = np.abs(made[0].astype(int) - plain)[box.inside]
        if box.inside[0].start >= RIM:
            rims.append((change[0].mean(), change[-1].mean(), change.mean()))

    marks = np.array(kept)
    print(f"{len(marks)} sources of {study.settings.size} px, {len(rims)} of them with bars above and below")
    print(
        f"calipers and letter: {marks.mean():.2f} of their contrast is kept on average, less than half in "
        f"{(marks < 0.5).mean():.1%} of the scans; deviation of all detail: {np.mean(detail):.2f} of the "
        "source's"
    )
    if rims:
        top, bottom, whole = np.mean(rims, axis=0)
        print(f"mean change, grey levels: first row {top:.1f}, last row {bottom:.1f}, whole scan {whole:.1f}")


if __name__ == "__main__":
    main()
