"""The way from a study to its report: translator, synthetic scans, scores, cells; what is done is skipped."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files
from ..classify.models import TITLES
from ..compute import Compute
from ..console import console, results
from ..data.study import Study
from ..errors import BusError
from ..gan import datasheet, synth, train
from ..gan.workflow import Ask, Judge, make_scans, plan_gan, train_gan
from . import plan, run

if TYPE_CHECKING:
    from .summary import Summary


LAST = "benchmark.json"  # in the study: what the last bus benchmark asked for


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
    prepare(study, wish, compute, judge)
    cells = plan.cells(study, wish, compute)
    checks = [check for fold in wish.folds for check in plan.audit(study, fold, wish.gan_seed, wish.arms)]
    todo = run.missing(cells, keep_weights)
    page = study.path / "report" / "index.html"
    mark = study.path / "report" / "DONE"
    _remember(study, wish, compute, command)
    if not todo and page.exists() and mark.exists() and files.read_json(mark).get("cells") == _key(wish, cells):
        results.print(f"Nothing to do: all {len(cells)} cells are done. Report: {page}")
        return page
    from . import stats  # late: statistics take a second to import

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
    page, found = _write(study, wish, finished, checks, command)
    if failures:
        raise BusError(
            f"{len(failures)} of {len(cells)} cells failed (see above); the report {page} leaves them out. "
            "Run the same command again to train them."
        )
    files.write_json(mark, {"cells": _key(wish, cells)})
    _tell(found, page)
    return page


def rewrite(study: Study) -> Path:
    """Write the report of the last benchmark again from its finished cells, without training; returns its path."""
    place = study.path / LAST
    if not place.exists():
        raise BusError(f"{study.path} holds no benchmark to report on. Run bus benchmark first.")
    last = files.read_json(place)
    try:
        compute = Compute(last["device"], last["precision"], 1)
        given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in last["wish"].items()}
        wish, command = plan.Wish(**given), last["command"]
    except (KeyError, TypeError) as error:
        raise BusError(f"{place} does not hold what this version wrote ({error!r}). Run bus benchmark again.") from error
    cells = plan.cells(study, wish, compute)
    finished = [cell for cell in cells if cell.is_done]
    if not finished:
        raise BusError(f"None of the {len(cells)} cells of the last benchmark is trained. Run {command} to train them.")
    checks = [check for fold in wish.folds for check in plan.audit(study, fold, wish.gan_seed, wish.arms)]
    page, found = _write(study, wish, finished, checks, command)
    if len(finished) < len(cells):
        console.print(f"{len(finished)} of {len(cells)} cells are trained; the report leaves the others out.")
        (page.parent / "DONE").unlink(missing_ok=True)
    else:
        files.write_json(page.parent / "DONE", {"cells": _key(wish, cells)})
    _tell(found, page)
    return page


def _key(wish: plan.Wish, cells: Sequence[plan.Cell]) -> str:
    return files.sha256_json({"cells": [str(cell.path.name) for cell in cells], "folds": list(wish.folds)})


def _remember(study: Study, wish: plan.Wish, compute: Compute, command: str) -> None:
    """Note what was asked for, so that `bus report` can find its cells; untouched where it is the same."""
    content = {"wish": asdict(wish), "device": compute.device, "precision": compute.precision, "command": command}
    place = study.path / LAST
    known = files.read_json(place) if place.exists() else {}
    if {**known, "command": ""} != {**json.loads(json.dumps(content)), "command": ""}:
        files.write_json(place, content)


def _write(
    study: Study, wish: plan.Wish, finished: Sequence[plan.Cell], checks: Sequence[plan.Check], command: str
) -> tuple[Path, "Summary"]:
    from . import report, summary  # late: statistics and figures take a second to import

    found = summary.summarise(study, finished)
    page = report.write_report(
        study, found, cells=finished, checks=checks, commands=[*commands(study, wish), command], gan_seed=wish.gan_seed
    )
    return page, found


def _tell(found: "Summary", page: Path) -> None:
    for model, sentence in found.verdicts.items():
        results.print(f"{TITLES[model]}: {sentence}")
    results.print(f"Report: {page}")


def commands(study: Study, wish: plan.Wish) -> list[str]:
    """The commands that make the study, its translators and synthetic scans again, as a user would type them."""
    lines = []
    for fold in wish.folds:
        place = study.gan_path(fold, study.target, wish.gan_seed)
        rows = synth.read_manifest(study.synth_path(fold, study.target, wish.gan_seed))
        if rows and (place / "config.json").exists():
            lines += datasheet.commands(
                study, fold, study.target, wish.gan_seed, len(rows), data=study.settings.data.path, where=str(study.path)
            )
    return lines
