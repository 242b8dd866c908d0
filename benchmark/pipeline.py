"""The way from a study to its report: translator, synthetic scans, scores, cells; what is done is skipped."""

import shlex
from pathlib import Path

from .. import files
from ..classify.models import TITLES
from ..compute import Compute
from ..console import console
from ..data import lock
from ..data.study import DEFAULTS, Study
from ..errors import BusError
from ..gan import synth, train
from ..gan.workflow import Ask, Judge, make_scans, plan_gan, train_gan
from . import plan, run


def prepare(study: Study, wish: plan.Wish, compute: Compute, judge: Judge) -> None:
    """Make translators and synthetic scans that the arms of `wish` need and that do not exist yet."""
    if not {"cyclegan", "relabelled"} & set(wish.arms):
        return
    for fold in wish.folds:
        place = study.gan_path(fold, study.target, wish.gan_seed)
        if not train.is_done(place):
            console.print(f"Fold {fold} has no finished translator yet; it is trained first.")
            config, here = plan_gan(
                study, compute, fold=fold, target=study.target, seed=wish.gan_seed, ask=Ask(), preset=wish.preset
            )
            train_gan(study, config, here)
        made = synth.read_manifest(study.synth_path(fold, study.target, wish.gan_seed))
        count = max(plan.needed(study, fold, study.target), len(made))
        make_scans(study, compute, fold=fold, target=study.target, gan_seed=wish.gan_seed, count=count, judge=judge)


def benchmark(
    study: Study, wish: plan.Wish, compute: Compute, *, jobs: int, keep_weights: bool, judge: Judge, command: str
) -> Path:
    """Run all cells of a wish and write the report; returns its path. BusError if cells failed, after the others ran."""
    lock.sweep(study.path)
    prepare(study, wish, compute, judge)
    cells = plan.cells(study, wish, compute)
    checks = [check for fold in wish.folds for check in plan.audit(study, fold, wish.gan_seed, wish.arms)]
    todo = run.missing(cells, keep_weights)
    page = study.path / "report" / "index.html"
    key = files.sha256_json({"cells": [str(cell.path.name) for cell in cells], "folds": list(wish.folds)})
    mark = study.path / "report" / "DONE"
    if not todo and page.exists() and mark.exists() and files.read_json(mark).get("cells") == key:
        console.print(f"Nothing to do: all {len(cells)} cells are done. Report: {page}")
        return page
    from . import report, stats, summary  # late: statistics and figures take a second to import

    groups = len({study.groups[row] for row in study.used()})
    half = stats.expected_half_width(len(wish.folds), wish.seeds, groups=groups, k=study.settings.k)
    console.print(
        f"{len(cells)} cells, {len(todo)} to train. With {len(wish.folds)} fold(s) and {wish.seeds} seed(s) expect intervals of "
        f"about ± {100 * half:.0f} points of macro-F1."
    )
    failures = run.run(study, cells, jobs=jobs, threads=1, keep_weights=keep_weights)
    finished = [cell for cell in cells if cell.is_done]
    if not finished:
        raise BusError(f"All {len(cells)} cells failed; the first: {failures[0]}")
    with lock.hold(mark.parent, "The report"):
        mark.unlink(missing_ok=True)  # or a report cut short would count as done
        found = summary.summarise(study, finished)
        page = report.write_report(
            study,
            found,
            cells=finished,
            checks=checks,
            commands=[*commands(study, wish), command],
            gan_seed=wish.gan_seed,
        )
        if not failures:
            files.write_json(mark, {"cells": key})
    if failures:
        raise BusError(
            f"{len(failures)} of {len(cells)} cells failed (see above); the report {page} leaves them out. "
            "Run the same command again to train them."
        )
    for model, sentence in found.verdicts.items():
        console.print(f"{TITLES[model]}: {sentence}")
    console.print(f"Report: {page}")
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
    for fold in wish.folds:
        place = study.gan_path(fold, study.target, wish.gan_seed)
        rows = synth.read_manifest(study.synth_path(fold, study.target, wish.gan_seed))
        if rows and (place / "config.json").exists():
            config = train.read_config(place)
            effort = f"--fold {fold} --gan-seed {wish.gan_seed} {train.options(config)}"
            lines.append(" ".join(["bus gan train", where, *changed, effort]))
            lines.append(f"bus synth {where} --n {len(rows)} --fold {fold} --gan-seed {wish.gan_seed}")
    return lines
