"""`make speed-quality DATA=path`: the default translator against CycleGAN of 2017 after equal processor time.

    python tests/speed/quality.py --data PATH [--minutes 20] [--methods projected,published] [--out DIR]

Each method gets a study of the development data (--inner 0) and as many pairs as it manages in so many
core-minutes, its whole schedule included: a step is measured first, and the pairs follow from it. One thread
each, so that core-minutes are processor minutes; what was really spent stands beside the score. The result of
a method is written as soon as it is there.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from bus.core import files
from bus.core.compute import Compute, resolve
from bus.data.study import Study, open_or_create
from bus.gan import train
from bus.gan.config import METHODS
from bus.gan.request import Ask, Judge, plan_gan
from bus.gan.scores.model import to_json
from bus.gan.synth import make_scans
from bus.gan.train import train_gan
from bus.gan.translator import Translator
from measure import machine

STEPS = 10  # that are measured


def main() -> None:
    """Train and score each method, then print what both reached."""
    parser = argparse.ArgumentParser(
        prog="tests/speed/quality.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True, help="what bus takes as --data; BUSI, or phantom to try it")
    parser.add_argument("--minutes", type=float, default=20.0, help="core-minutes for each method")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--gan-seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=300, help="synthetic scans that are scored")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("build/speed"))
    asked = parser.parse_args()
    compute = Compute("cpu", resolve("cpu").precision, 1)
    place = asked.out / "quality.json"
    for method in asked.methods.split(","):
        study = open_or_create(
            asked.out / f"quality-{method}", {"data": asked.data, "inner": 0, "size": asked.size}
        )
        found = reach(study, method, compute, asked)
        known = files.read_json(place) if place.exists() else {}
        files.write_json(
            place, known | {f"{method} seed {asked.gan_seed}": found | {"machine": machine(compute)}}
        )
    for name, found in files.read_json(place).items():
        kid = found["kid"] and "{mean:.2f} ± {spread:.2f}".format(**found["kid"])
        print(
            f"{name}: normalised KID {kid} after {found['pairs']:,} pairs, "
            f"{found['core_minutes']:.1f} core-minutes"
        )
    print(f"Written: {place}")


def reach(study: Study, method: str, compute: Compute, asked: argparse.Namespace) -> dict[str, Any]:
    """Train one method for its core-minutes and score what it makes."""
    translator = Translator(study, 0, study.target, asked.gan_seed)
    config, _ = plan_gan(translator, Ask(method=method), compute, preset="quick", insist=True)
    step, _, _ = train.time_steps(study, config, compute, STEPS)
    pairs = max(config.batch, round(60 * asked.minutes / step) * config.batch)
    config, _ = plan_gan(
        translator, Ask(method=method, pairs=pairs), compute, preset="quick", insist=True, redo=True
    )
    begun = time.process_time()
    train_gan(study, config, compute, redo=True)
    spent = time.process_time() - begun
    make_scans(translator, compute, Judge("efficientnet-lite0"), count=asked.n)
    scores = translator.scans.scores
    assert scores, "make_scans scores what it makes"
    return {
        "step": step,
        "pairs": pairs,
        "core_minutes": spent / 60,
        "kid": to_json(scores.kid and scores.kid.normalised),
        "reader": to_json(scores.reader),
        "warnings": to_json(scores.warnings),
    }


if __name__ == "__main__":
    main()
