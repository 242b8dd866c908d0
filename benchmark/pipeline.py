"""The way from a study to its report: translator, synthetic scans, scores, cells; what is done is skipped."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..classify.models import INITS, MODELS, TITLES
from ..core import files, lock
from ..core.compute import Compute
from ..core.errors import BusError
from ..core.progress import note, result
from ..data.study import Study
from ..gan import datasheet
from ..gan.request import Ask, Judge, plan_gan
from ..gan.synth import make_scans
from ..gan.train import train_gan
from ..gan.translator import Translator
from . import cells as plan
from . import confidence, run, warm_start
from . import plan as ablation
from .arms import Arm
from .audit import Check, audit, audit_split, audit_translators
from .cell import Cell
from .external import External
from .external import read as read_external
from .per_image import per_image, preview

if TYPE_CHECKING:
    from .results.model import Summary

Sets = dict[
    str, tuple[Study, list[tuple[ablation.Run, Cell]]]
]  # kind of split → study, runs with their cells
INFLATED = ("simplecnn", "resnet18")  # the models of --inflation
LAST = "benchmark.json"  # in the study: what the last bus benchmark asked for
HISTORY = "benchmarks.json"  # in the study: every benchmark that was finished, with its verdicts


@dataclass(frozen=True)
class Extras:
    """What a benchmark may have beside its cells."""

    external: str = ""  # class folders, zip or labels.csv of scans from elsewhere
    inflation: bool = False  # show what a split per image would have claimed


@dataclass(frozen=True)
class Request:
    """What a report is written for: the wish, its extras, the arithmetic, and the command that asked."""

    wish: plan.Wish
    extras: Extras
    compute: Compute
    command: str

    def key(self, cells: Sequence[Cell], external: External | None) -> str:
        """Hash of all that decides what the report says."""
        return files.sha256_json(
            {
                "cells": [str(cell.path.name) for cell in cells],
                "folds": list(self.wish.folds),
                "external": external.sha256 if external else "",
                "inflation": self.extras.inflation,
            }
        )

    def remember(self, study: Study) -> None:
        """Note what was asked for, so that `bus report` can find its cells; untouched where it is the same."""
        content = {
            "wish": self.wish.to_json(),
            "extras": asdict(self.extras),
            "device": self.compute.device,
            "precision": self.compute.precision,
        }
        place = study.path / LAST
        known = files.read_json(place) if place.exists() else {}
        if known != {**content, "command": known.get("command")}:
            files.write_json(place, {**content, "command": self.command})

    @classmethod
    def recall(cls, study: Study) -> "Request":
        """What the last benchmark of a study asked for; BusError where there was none."""
        place = study.path / LAST
        if not place.exists():
            raise BusError(f"{study.path} holds no benchmark to report on. Run bus benchmark first.")
        last = files.read_json(place)
        try:
            compute = Compute(last["device"], last["precision"], 1)
            return cls(plan.Wish.from_json(last["wish"]), Extras(**last["extras"]), compute, last["command"])
        except (KeyError, TypeError, ValueError) as error:
            raise BusError(
                f"{place} does not hold what this version wrote ({error!r}). Run bus benchmark again."
            ) from error


def prepare(study: Study, wish: plan.Wish, compute: Compute, judge: Judge) -> None:
    """Make translators and synthetic scans that the arms of `wish` need and that do not exist yet."""
    for (fold, label), needed in wish.synthetic(study).items():
        translator = Translator(study, fold, label, wish.gan_seed)
        if not translator.is_done:
            note(f"Fold {fold} has no finished translator to {label} scans yet; it is trained first.")
            config, here = plan_gan(translator, Ask(), compute, preset=wish.preset)
            train_gan(study, config, here)
        make_scans(translator, compute, judge, count=max(needed, len(translator.scans.rows)))
    if dict(wish.recipe).get("synthetic") == confidence.NAME:
        kinds = {arm.kind for arm in wish.arms}
        for fold, label in product(wish.folds, wish.raised(study)):
            confidence.make_missing(study, fold, label, wish.gan_seed, kinds, compute.device)


def benchmark(
    study: Study,
    wish: plan.Wish,
    compute: Compute,
    *,
    jobs: int,
    keep_weights: bool,
    judge: Judge,
    command: str,
    extras: Extras | None = None,
) -> Path:
    """Run all cells of a wish and write the report; returns its path. BusError if cells failed, after the others ran."""
    request = Request(wish, extras or Extras(), compute, command)
    lock.sweep(study.path)
    external = _foresee(study, request, keep_weights)
    prepare(study, wish, compute, judge)
    cells, checks = plan.cells(study, wish, compute), _check(study, request, external)
    todo = run.missing(cells, keep_weights, external)
    page, mark = study.path / "report" / "index.html", study.path / "report" / "DONE"
    request.remember(study)
    if (
        not todo
        and page.exists()
        and mark.exists()
        and files.read_json(mark).get("cells") == request.key(cells, external)
    ):
        result(f"Nothing to do: all {len(cells)} cells are done. Report: {page}")
        return page
    warm_start.make_missing(study, todo, jobs)
    failures = run.run(study, cells, jobs=jobs, threads=1, keep_weights=keep_weights, external=external)
    finished = _finished(cells, external)
    if not finished:
        raise BusError(f"All {len(cells)} cells failed; the first: {failures[0]}")
    if request.extras.inflation:
        failures += inflate(study, request, jobs=jobs, judge=judge)
    page, found = _write(
        study, request, finished, checks, external, mark="" if failures else request.key(cells, external)
    )
    if failures:
        raise BusError(
            f"{len(failures)} cells failed (see above); the report {page} leaves them out. "
            "Run the same command again to train them."
        )
    _tell(found, page)
    return page


def rewrite(study: Study) -> Path:
    """Write the report of the last benchmark again from its finished cells, without training; returns its path."""
    request = Request.recall(study)
    external = _external(study, request)
    cells, checks = plan.cells(study, request.wish, request.compute), _check(study, request, external)
    finished = _finished(cells, external)
    if not finished:
        raise BusError(
            f"None of the {len(cells)} cells of the last benchmark is trained. Run {request.command} to train them."
        )
    whole = len(finished) == len(cells)
    page, found = _write(
        study, request, finished, checks, external, mark=request.key(cells, external) if whole else ""
    )
    if not whole:
        note(f"{len(finished)} of {len(cells)} cells are trained; the report leaves the others out.")
    _tell(found, page)
    return page


def _foresee(study: Study, request: Request, keep_weights: bool) -> External | None:
    """Refuse what can be refused, and say how wide the intervals will be, before hours of training; the external scans."""
    wish = request.wish
    external = _external(study, request)
    warm_start.check(study, wish.init)
    for fold in wish.folds:
        audit_split(study, fold)
    cells = plan.cells(study, wish, request.compute)
    if request.extras.inflation:
        plan.cells(study, _per_image_wish(wish), request.compute)
    if todo := run.missing(cells, keep_weights, external):
        run.require_space(study, todo, keep_weights)
        note(f"{len(cells)} cells, {len(todo)} to train. {expectation(study, wish)}")
    return external


def _external(study: Study, request: Request) -> External | None:
    return read_external(request.extras.external, study) if request.extras.external else None


def _check(study: Study, request: Request, external: External | None) -> list[Check]:
    """The leak audit of every fold, of the folds together, and of the external scans; BusError names the first leak."""
    checks = [check for fold in request.wish.folds for check in audit(study, fold, request.wish)]
    checks += audit_translators(study, request.wish)
    return (
        [*checks, Check("no external scan is one of the study's", len(external.rows), True)]
        if external
        else checks
    )


def _finished(cells: Sequence[Cell], external: External | None) -> list[Cell]:
    return [
        cell for cell in cells if cell.is_done and (external is None or cell.has_external(external.sha256))
    ]


def expectation(study: Study, wish: plan.Wish) -> str:
    """How wide the intervals of a benchmark will be, in a sentence."""
    from .results import retraining, statistics, wording  # late: statistics take a second to import

    folds, seeds, k = len(wish.folds), wish.seeds, study.settings.k
    groups = len({study.groups[row] for row in study.used()})
    scans = statistics.expected_half_width(folds, seeds, groups=groups, k=k)
    again = retraining.expected_half_width(folds, seeds, groups=groups, k=k, translators=1)
    return wording.expectation(folds, seeds, scans, again)


def looked_at(study: Study, request: Request) -> list[Cell]:
    """Finished cells, with the same settings, of models that nobody asks for now: they were tried as well.

    A model counts once all its cells of the arms of a claim are done.
    """
    from .results.contrasts import leading_arms

    wish = request.wish
    others = tuple(model for model in MODELS if model not in wish.models)
    if not others or wish.init not in INITS:
        return []
    lead = leading_arms(wish.arms)
    cells = plan.cells(study, replace(wish, models=others), request.compute)
    missing = {cell.model for cell in cells if cell.arm in lead and not cell.is_done}
    return [cell for cell in cells if cell.model not in missing and cell.is_done]


def _write(
    study: Study,
    request: Request,
    finished: Sequence[Cell],
    checks: Sequence[Check],
    external: External | None,
    *,
    mark: str,
) -> tuple[Path, "Summary"]:
    """Write the report; `mark` says for which cells it is whole, "" that some are missing."""
    from . import test_reference as held_out
    from .report import study_report as report
    from .report.repeat import Past  # late: statistics and figures take a second to import
    from .results import summary, wording
    from .yardstick import yardsticks

    wish, place = request.wish, study.path / "report"
    for fold, label in wish.synthetic(study) if mark else ():  # no look at test scans before all is trained
        held_out.score(study, fold, label, wish.gan_seed, request.compute.device)
    marks = yardsticks(study, wish.folds, request.compute)
    found = summary.summarise(study, finished, marks, looked_at(study, request))
    claimed = inflated(study, request) if request.extras.inflation else None
    with lock.hold(place, "The report"):
        verdicts = {TITLES[model]: wording.sentence(verdict) for model, verdict in found.verdicts.items()}
        history = _record(
            study, request.command, len(found.cells), verdicts, mark, request.key(finished, external)
        )
        (place / "DONE").unlink(missing_ok=True)  # or a report cut short would count as done
        page = report.write_report(
            study,
            found,
            cells=finished,
            checks=checks,
            commands=[*commands(study, wish), request.command],
            gan_seed=wish.gan_seed,
            external=external,
            claimed=claimed,
            history=[
                Past(past["command"], past["cells"], past["verdicts"], past.get("partial", False))
                for past in history
            ],
        )
        if mark:
            files.write_json(place / "DONE", {"cells": mark})
    return page, found


def _record(
    study: Study, command: str, cells: int, verdicts: dict[str, str], mark: str, key: str = ""
) -> list[dict[str, Any]]:
    """All benchmarks and plans of a study that were looked at, this one among them: looks not shown would flatter.

    `mark` is the hash of its cells where it is whole; `key` that of the cells which a report shows while others
    are missing.
    """
    place = study.path / HISTORY
    try:
        known: list[dict[str, Any]] = list(files.read_json(place)["benchmarks"]) if place.exists() else []
        keys = [one["cells_sha256"] for one in known]
    except (KeyError, TypeError) as error:
        raise BusError(
            f"{place} does not hold what this version wrote ({error!r}). Move it away and run the same command again."
        ) from error
    if (mark or key) and (mark or key) not in keys:
        partial = {} if mark else {"partial": True}
        known.append(
            {"command": command, "cells": cells, "cells_sha256": mark or key, "verdicts": verdicts, **partial}
        )
        files.write_json(place, {"benchmarks": known})
    return known


def _tell(found: "Summary", page: Path) -> None:
    from .results import wording

    for model, verdict in found.verdicts.items():
        result(f"{TITLES[model]}: {wording.sentence(verdict)}")
    result(f"Report: {page}")


def _per_image_wish(wish: plan.Wish) -> plan.Wish:
    """Two models, of those that were asked for, two arms, one seed: enough to show what a split per image would have claimed."""
    arms, models = (Arm("original"), Arm("cyclegan")), tuple(name for name in INFLATED if name in wish.models)
    return plan.Wish((0,), arms, models, 1, wish.preset, "none", wish.gan_seed, recipe=wish.recipe)


def inflate(study: Study, request: Request, *, jobs: int, judge: Judge) -> list[str]:
    """Train what a split per image needs, with a translator that saw siblings of test scans, as such studies do.

    Returns what failed, a sentence each.
    """
    sub, wish = per_image(study), _per_image_wish(request.wish)
    note(f"A split per image, to show what it would have claimed ({sub.path}):")
    try:
        prepare(sub, wish, request.compute, judge)
    except BusError as error:  # the true figures are trained, and are reported without it
        return [f"split per image: {error}"]
    return run.run(sub, plan.cells(sub, wish, request.compute), jobs=jobs, threads=1, keep_weights=False)


def inflated(study: Study, request: Request) -> "Summary | None":
    """What the split per image would have claimed, from its finished cells."""
    from .results.summary import summarise

    sub = per_image(study)
    finished = [
        cell for cell in plan.cells(sub, _per_image_wish(request.wish), request.compute) if cell.is_done
    ]
    return summarise(sub, finished) if finished else None


def plan_sets(
    study: Study, sub: Study, chosen: ablation.Plan, folds: Sequence[int], seeds: int, compute: Compute
) -> Sets:
    """The runs of a plan with their cells, on the split per image (`sub`) and on folds by group; runs that add scans there alone."""
    alone = replace(chosen, runs=tuple(one for one in chosen.runs if not one.adds))
    places = (("split per image", sub, alone, [0]), ("folds by group", study, chosen, folds))
    return {
        name: (place, list(ablation.cells(place, runs, used, seeds, compute)))
        for name, place, runs, used in places
        if runs.runs
    }


def distinct(pairs: Sequence[tuple[ablation.Run, Cell]]) -> list[Cell]:
    """The cells of a plan, each once: runs that differ in name alone share one."""
    return list({cell.path: cell for _, cell in pairs}.values())


def run_plan(
    study: Study, source: str, wish: plan.Wish, compute: Compute, *, jobs: int, judge: Judge, command: str
) -> Path:
    """Train every run of a plan on folds by group and on a split per image; write `report/plan-NAME.html` and `.md`.

    Of `wish` count the folds, the seeds, and the preset of translators that are missing.
    """
    chosen, checks = ablation.read(source), []
    wishes = [one.wish(wish.folds, wish.seeds, wish.preset) for one in chosen.runs]
    lock.sweep(study.path)
    for fold in wish.folds:
        checks += audit_split(study, fold)
    for one in wishes:
        warm_start.check(study, one.init)
        one.synthetic(study)
    plan_sets(
        study, preview(study), chosen, wish.folds, wish.seeds, compute
    )  # what can be refused is refused before hours of training
    note(expectation(study, wish))
    for line, one in zip(chosen.runs, wishes, strict=True):
        if line.adds or one.first:  # the others are told by the audit of the split
            prepare(study, one, compute, judge)
            checks += _check(study, Request(one, Extras(), compute, command), None)
    sets, failures = plan_sets(study, per_image(study), chosen, wish.folds, wish.seeds, compute), []
    for name, (place, pairs) in sets.items():
        cells = distinct(pairs)
        todo = run.missing(cells, False)
        note(f"{chosen.title}, {name}: {len(cells)} cells, {len(todo)} to train.")
        warm_start.make_missing(place, todo, jobs)
        failures += run.run(place, cells, jobs=jobs, threads=1, keep_weights=False)
    from .report.plan_page import write_plan
    from .results.plan_result import plan_result
    from .yardstick import yardsticks

    table = plan_result(chosen, sets, study, yardsticks(study, wish.folds, compute))
    with lock.hold(study.path / "report", "The report"):
        page = write_plan(study, Path(source).stem, table, command, list(dict.fromkeys(checks)))
        names = [
            str(cell.path.relative_to(study.path))
            for place, pairs in sets.values()
            for cell in distinct(pairs)
        ]
        verdicts = {chosen.title: f"{len(chosen.runs)} recipes looked at ({page.name})."}
        _record(study, command, len(names), verdicts, "" if failures else files.sha256_json({"cells": names}))
    result(f"Plan: {page}")
    if failures:
        raise BusError(
            f"{len(failures)} cells failed (see above); {page} leaves them out. Run the same command again to train them."
        )
    return page


def commands(study: Study, wish: plan.Wish) -> list[str]:
    """The commands that make the study, its translators and synthetic scans again, as a user would type them."""
    lines = []
    for fold, label in wish.synthetic(study):
        translator = Translator(study, fold, label, wish.gan_seed)
        rows = translator.scans.rows
        if rows and translator.config:
            lines += datasheet.commands(
                translator, len(rows), data=study.settings.data.path, where=str(study.path)
            )
    return lines
