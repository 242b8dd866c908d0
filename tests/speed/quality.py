"""`make speed-quality DATA=path`: the default translator against CycleGAN of 2017 after equal processor time.

    python tests/speed/quality.py --data PATH [--minutes 5,10,20] [--methods detail,published] [--out DIR]
    python tests/speed/quality.py --data PATH --model resnet18 [--minutes 1,2,4] [--folds 0,1]

**Time to quality** is the first of the `--minutes` after which every judge that did not train the translator
finds normalised KID and two-sample AUC below what STRICT asks at that side; later ones are not run.

Each method gets a study of the development data (--inner 0) and as many pairs as it manages in so many
core-minutes, its whole schedule included: a step is measured first, and the pairs follow from it. One thread
each, so that core-minutes are processor minutes; what was really spent stands beside the score. The result of
a method is written as soon as it is there.

`--model` asks the same of a classifier: after how many core-minutes a training, its whole schedule included,
has the yardstick's macro-F1 on the test parts of the folds, in the mean; beside it the loop that a user would
write (ImageFolder and PIL in every epoch, Adam, float32, the last weights) for as long.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import plain
import torch
from bus.benchmark.arms import ORIGINAL
from bus.benchmark.cell import Cell
from bus.benchmark.cells import cells_of
from bus.benchmark.estimate import measure
from bus.benchmark.examples import own_examples
from bus.benchmark.request import Request
from bus.benchmark.yardstick import yardsticks
from bus.classify import metrics
from bus.classify.models import build
from bus.classify.train import fit, predict
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
    parser.add_argument("--model", help="a classifier to ask instead of translators")
    parser.add_argument("--folds", default="0,1", help="of the classifier")
    parser.add_argument("--gan-seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=300, help="synthetic scans that are scored")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("build/speed"))
    asked = parser.parse_args()
    compute = Compute("cpu", resolve("cpu").precision, 1)
    if asked.model:
        classifier(asked, compute)
        return
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
    config, _ = plan_gan(
        translator, Ask(method=method), compute, preset="quick", insist=("device", "precision")
    )
    step, _, _ = train.time_steps(study, config, compute, STEPS)
    pairs = max(config.batch, round(60 * minutes / step) * config.batch)
    config, _ = plan_gan(
        translator,
        Ask(method=method, pairs=pairs),
        compute,
        preset="quick",
        insist=("device", "precision"),
        redo=True,
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


# a classifier against the yardstick


def classifier(asked: argparse.Namespace, compute: Compute) -> None:
    """Train it for rising core-minutes, in our way and in a user's, until the yardstick is reached."""
    folds, place = [int(fold) for fold in asked.folds.split(",")], asked.out / "quality-classifier.json"
    study = open_or_create(
        asked.out / f"quality-{asked.size}", {"data": asked.data, "inner": 0, "size": asked.size}
    )
    request = Request(tuple(folds), (ORIGINAL,), (asked.model,), compute=compute)
    cells = cells_of(study, request)
    target = study.classes.index(study.target)
    aim = np.mean(
        [
            files.read_json(each.path / "metrics.json")["macro_f1"]
            for each in yardsticks(study, folds, compute)
        ]
    )
    print(f"yardstick: macro-F1 {100 * aim:.1f}")
    ways: dict[str, Callable[[Study, Cell, float, Compute], np.ndarray]] = {"ours": ours, "usual loop": usual}
    for way, train_it in ways.items():
        for minutes in map(float, asked.minutes.split(",")):
            begun, reached = time.process_time(), []
            for cell in cells:
                chances = train_it(study, cell, minutes, compute)
                reached.append(metrics.scores(study.labels[study.test(cell.fold)], chances, target))
            found = {
                name: float(np.mean([each[name] for each in reached])) for name in ("macro_f1", "target_auc")
            }
            found["core_minutes"] = (time.process_time() - begun) / 60 / len(cells)
            known = files.read_json(place) if place.exists() else {"yardstick": float(aim)}
            name = f"{asked.model}, {asked.size} px, {way}, {minutes:g} minutes"
            files.write_json(place, known | {name: found | {"machine": machine(compute)}})
            print(
                f"{name}: macro-F1 {100 * found['macro_f1']:.1f}, AUC {100 * found['target_auc']:.1f} after "
                f"{found['core_minutes']:.1f} core-minutes a fold",
                flush=True,
            )
            if found["macro_f1"] >= aim:
                break
    print(f"Written: {place}")


def ours(study: Study, cell: Cell, minutes: float, compute: Compute) -> np.ndarray:
    """Answers (N×classes) of a cell's network after so many core-minutes of steps, the schedule over them."""
    recipe = replace(cell.recipe, steps=max(1, round(60 * minutes / measure(study, cell).step)))
    own = own_examples(study, study.train(cell.fold))
    network = fit(own, len(study.classes), recipe, compute, cell.draw).network
    return predict(network.eval(), study.pixels[study.test(cell.fold)], compute)


def usual(study: Study, cell: Cell, minutes: float, compute: Compute) -> np.ndarray:
    """The same of the loop that a user would write, on the study's files."""
    data, size = Path(study.settings.data.path).resolve(), study.settings.size
    if not data.is_dir():
        raise SystemExit(f"The usual loop reads class folders; --data {study.settings.data.path} is none.")
    with TemporaryDirectory(prefix="bus-quality-") as folder:
        for scan in (study.scans[row] for row in study.train(cell.fold)):
            link = Path(folder) / scan.label / scan.file.replace("/", "-")
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(data / scan.file)
        network = build(cell.model, len(study.classes), "none", cell.draw).train()
        descent = torch.optim.Adam(network.parameters(), 1e-3)
        batches = plain.labelled_batches(Path(folder), size, cell.recipe.batch)
        end = time.process_time() + 60 * minutes
        while time.process_time() < end:
            plain.classifier_step(network, descent, *next(batches))
    tested = [data / study.scans[row].file for row in study.test(cell.fold)]
    with torch.inference_mode():
        parts = [network.eval()(part).softmax(1) for part in plain.stretched(tested, size).split(32)]
    return torch.cat(parts).numpy().astype(float)


if __name__ == "__main__":
    main()
