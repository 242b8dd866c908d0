"""`make speed-quality DATA=path`: the default translator against CycleGAN of 2017 after equal processor time.

    python tests/speed/quality.py --data PATH [--minutes 5,10,20] [--methods detail,published] [--out DIR]

**Time to quality** is the first of the `--minutes` after which every judge that did not train the translator
finds normalised KID and two-sample AUC below what STRICT asks at that side; later ones are not run.

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
from bus.gan.scores.model import Kin, Scores, to_json
from bus.gan.synth import make_scans
from bus.gan.train import train_gan
from bus.gan.translator import Translator
from measure import machine

STEPS = 10  # that are measured
STRICT = {64: (0.15, 0.65), 128: (0.25, 0.70)}  # px: normalised KID, two-sample AUC (real halves: 0, 0.5)


def main() -> None:
    """Train and score each method, then print what both reached."""
    parser = argparse.ArgumentParser(
        prog="tests/speed/quality.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True, help="what bus takes as --data; BUSI, or phantom to try it")
    parser.add_argument("--minutes", default="20", help="core-minutes for each method, rising")
    parser.add_argument("--methods", default="detail,published", help=f"of {', '.join(METHODS)}")
    parser.add_argument("--gan-seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=300, help="synthetic scans that are scored")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("build/speed"))
    asked = parser.parse_args()
    compute = Compute("cpu", resolve("cpu").precision, 1)
    place = asked.out / "quality.json"
    for method in asked.methods.split(","):
        study = open_or_create(
            asked.out / f"quality-{method}-{asked.size}", {"data": asked.data, "inner": 0, "size": asked.size}
        )
        for minutes in map(float, asked.minutes.split(",")):
            found = reach(study, method, minutes, compute, asked)
            known = files.read_json(place) if place.exists() else {}
            name = f"{method}, {asked.size} px, {minutes:g} minutes, seed {asked.gan_seed}"
            files.write_json(place, known | {name: found | {"machine": machine(compute)}})
            if found["strict"]:
                break
    for name, found in files.read_json(place).items():
        kid = found["kid"] and "{mean:.2f} ± {spread:.2f}".format(**found["kid"])
        print(
            f"{name}: normalised KID {kid} after {found['pairs']:,} pairs, "
            f"{found['core_minutes']:.1f} core-minutes; strict scores "
            f"{'met' if found['strict'] else 'not met: ' + '; '.join(found['lacking'])}"
        )
    print(f"Written: {place}")


def reach(
    study: Study, method: str, minutes: float, compute: Compute, asked: argparse.Namespace
) -> dict[str, Any]:
    """Train one method for its core-minutes and score what it makes."""
    translator = Translator(study, 0, study.target, asked.gan_seed)
    config, _ = plan_gan(translator, Ask(method=method), compute, preset="quick", insist=True)
    step, _, _ = train.time_steps(study, config, compute, STEPS)
    pairs = max(config.batch, round(60 * minutes / step) * config.batch)
    config, _ = plan_gan(
        translator, Ask(method=method, pairs=pairs), compute, preset="quick", insist=True, redo=True
    )
    begun = time.process_time()
    train_gan(study, config, compute, redo=True)
    spent = time.process_time() - begun
    make_scans(translator, compute, Judge("efficientnet-lite0"), count=asked.n)
    scores = translator.scans.scores
    assert scores, "make_scans scores what it makes"
    lacking = falls_short(scores, asked.size)
    return {
        "step": step,
        "pairs": pairs,
        "core_minutes": spent / 60,
        "kid": to_json(scores.kid and scores.kid.normalised),
        "reader": to_json(scores.reader),
        "warnings": to_json(scores.warnings),
        "judges": to_json(scores.judges),
        "strict": not lacking,
        "lacking": lacking,
    }


def falls_short(scores: Scores, size: int) -> list[str]:
    """What keeps scores from being strict at a side, by judge; none are strict at sides that STRICT lacks."""
    if size not in STRICT:
        return [f"nothing is asked at {size} px"]
    kid, auc = STRICT[size]
    found = []
    for opinion in scores.judges:
        told, distance = opinion.two_sample, opinion.kid
        if opinion.kin is not Kin.TEACHER and distance and distance.mean >= kid:
            found.append(f"KID {distance.mean:.2f} by {opinion.judge}")
        if opinion.kin is not Kin.TEACHER and told and told.synthetic >= auc:
            found.append(f"two-sample AUC {told.synthetic:.2f} by {opinion.judge}")
    return found


if __name__ == "__main__":
    main()
