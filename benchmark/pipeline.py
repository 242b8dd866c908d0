"""The way from a study to its report: translator, synthetic scans, scores, cells; what is done is skipped."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files
from ..classify.models import TITLES
from ..compute import Compute
from ..console import console
from ..data.study import DEFAULTS, Study
from ..errors import BusError
from ..gan import synth, train
from ..gan.workflow import Ask, Judge, make_scans, plan_gan, train_gan
from . import ablation, plan, run, warm_start
from .arms import Arm
from .audit import Check, audit
from .external import read as read_external
from .per_image import per_image


def prepare(study: Study, wish: plan.Wish, compute: Compute, judge: Judge) -> None:
    """Make translators and synthetic scans that the arms of `wish` need and that do not exist yet."""
    for (fold, label), needed in wish.synthetic(study).items():
        if not train.is_done(study.gan_path(fold, label, wish.gan_seed)):
            console.print(f"Fold {fold} has no finished translator to {label} scans yet; it is trained first.")
            config, here = plan_gan(
                study, compute, fold=fold, target=label, seed=wish.gan_seed, ask=Ask(), preset=wish.preset
            )
            train_gan(study, config, here)
        made = synth.read_manifest(study.synth_path(fold, label, wish.gan_seed))
        count = max(needed, len(made))
        make_scans(study, compute, fold=fold, target=label, gan_seed=wish.gan_seed, count=count, judge=judge)


if TYPE_CHECKING:
    from .summary import Summary


@dataclass(frozen=True)
class Extras:
    """What a benchmark may have beside its cells."""

    external: str = ""  # class folders, zip or labels.csv of scans from elsewhere
    inflation: bool = False  # show what a split per image would have claimed


def benchmark(
    study: Study, wish: plan.Wish, compute: Compute, *, jobs: int, keep_weights: bool, judge: Judge, command: str,
    extras: Extras | None = None,
) -> Path:  # fmt: skip
    """Run all cells of a wish and write the report; returns its path. BusError if cells failed, after the others ran."""
    prepare(study, wish, compute, judge)
    cells = plan.cells(study, wish, compute)
    checks = [check for fold in wish.folds for check in audit(study, fold, wish)]
    extras = extras or Extras()
    external = read_external(extras.external, study) if extras.external else None
    checks += [Check("no external scan is one of the study's", len(external.rows), True)] if external else []
    todo = run.missing(cells, keep_weights, external)
    page = study.path / "report" / "index.html"
    key = files.sha256_json({"cells": [str(cell.path.name) for cell in cells], "folds": list(wish.folds), "external": external.sha256 if external else "",
                             "inflation": extras.inflation})  # fmt: skip
    mark = study.path / "report" / "DONE"
    if not todo and page.exists() and mark.exists() and files.read_json(mark).get("cells") == key:
        console.print(f"Nothing to do: all {len(cells)} cells are done. Report: {page}")
        return page
    from . import extras as tables
    from . import report, stats, summary  # late: statistics and figures take a second to import
    from .yardstick import yardsticks

    groups = len({study.groups[row] for row in study.used()})
    half = stats.expected_half_width(len(wish.folds), wish.seeds, groups=groups, k=study.settings.k)
    console.print(
        f"{len(cells)} cells, {len(todo)} to train. With {len(wish.folds)} fold(s) and {wish.seeds} seed(s) expect intervals of "
        f"about ± {100 * half:.0f} points of macro-F1."
    )
    warm_start.make_missing(study, todo, jobs)
    failures = run.run(study, cells, jobs=jobs, threads=1, keep_weights=keep_weights, external=external)
    finished = [cell for cell in cells if cell.is_done and not (external and not (cell.path / external.file).exists())]
    if not finished:
        raise BusError(f"All {len(cells)} cells failed; the first: {failures[0]}")
    claimed = inflated(study, wish, compute, jobs=jobs, judge=judge) if extras.inflation else None
    found = summary.summarise(study, finished, yardsticks(study, wish.folds, compute))
    page = report.write_report(
        study, found, cells=finished, checks=checks, commands=[*commands(study, wish), command], gan_seed=wish.gan_seed,
        external=tables.external_test(external, study, finished) if external else None,
        inflation=tables.inflation_table(found, claimed) if claimed else None,
    )  # fmt: skip
    if failures:
        raise BusError(
            f"{len(failures)} of {len(cells)} cells failed (see above); the report {page} leaves them out. "
            "Run the same command again to train them."
        )
    files.write_json(mark, {"cells": key})
    for model, sentence in found.verdicts.items():
        console.print(f"{TITLES[model]}: {sentence}")
    console.print(f"Report: {page}")
    return page


def inflated(study: Study, wish: plan.Wish, compute: Compute, *, jobs: int, judge: Judge) -> "Summary | None":
    """What a split per image would have claimed: two models, two arms, one translator that saw siblings of test scans."""
    from .summary import summarise

    sub = per_image(study)
    console.print(f"A split per image, to show what it would have claimed ({sub.path}):")
    small = plan.Wish((0,), (Arm("original"), Arm("cyclegan")), ("simplecnn", "resnet18"), 1, wish.preset, "none", wish.gan_seed,
                      recipe=wish.recipe)  # fmt: skip
    prepare(sub, small, compute, judge)
    cells = plan.cells(sub, small, compute)
    run.run(sub, cells, jobs=jobs, threads=1, keep_weights=False)
    finished = [cell for cell in cells if cell.is_done]
    return summarise(sub, finished) if finished else None


def run_plan(study: Study, source: str, folds: Sequence[int], seeds: int, compute: Compute, *, jobs: int, command: str) -> Path:
    """Train every run of a plan on folds by group and on a split per image; write `report/plan-NAME.html` and `.md`."""
    chosen = ablation.read(source)
    sets = {}
    failures = []
    for name, place, used in (("split per image", per_image(study), [0]), ("folds by group", study, folds)):
        pairs = list(ablation.cells(place, chosen, used, seeds, compute))
        unique = list({cell.path: cell for _, cell in pairs}.values())
        console.print(f"{chosen.title}, {name}: {len(unique)} cells, {len(run.missing(unique, False))} to train.")
        failures += run.run(place, unique, jobs=jobs, threads=1, keep_weights=False)
        sets[name] = (place, pairs)
    from . import extras as tables
    from .report import write_plan

    page = write_plan(study, Path(source).stem, tables.plan_table(chosen, sets), command)
    console.print(f"Plan: {page}")
    if failures:
        raise BusError(f"{len(failures)} cells failed (see above); {page} leaves them out. Run the same command again to train them.")
    return page


def commands(study: Study, wish: plan.Wish) -> list[str]:
    """The commands that make the study, its translators and synthetic scans again, as a user would type them."""
    settings = study.settings
    changed = [
        f"--{name} {shlex.quote(str(value))}"
        for name, default in DEFAULTS.items()
        if (value := settings.data.path if name == "data" else getattr(settings, name)) != default
    ]
    where = f"--study {shlex.quote(str(study.path))}"
    lines = []
    for (fold, label), _ in wish.synthetic(study).items():
        place = study.gan_path(fold, label, wish.gan_seed)
        rows = synth.read_manifest(study.synth_path(fold, label, wish.gan_seed))
        if label == study.target and rows and (place / "config.json").exists():
            config = train.read_config(place)
            effort = f"--fold {fold} --gan-seed {wish.gan_seed} {train.options(config)}"
            lines.append(" ".join(["bus gan train", where, *changed, effort]))
            lines.append(f"bus synth {where} --n {len(rows)} --fold {fold} --gan-seed {wish.gan_seed}")
    return lines
