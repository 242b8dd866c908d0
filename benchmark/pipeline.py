"""The way from a study to its report: translator, synthetic scans, scores, cells; what is done is skipped."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..classify.catalogue import INITS
from ..core import lock, processes
from ..core.compute import at_hand, cores, require
from ..core.errors import BusError, UsageError
from ..core.files import new_folder
from ..core.progress import note, result
from ..data.study import Study
from ..gan import datasheet
from ..gan.request import plan_gan
from ..gan.synth import make_scans
from ..gan.train import train_gan
from ..gan.translator import Translator
from . import external, run, warm_start
from .arms import GENERATED
from .audit import Check, audit, audit_split, audit_translators
from .cell import Cell, finished_folders
from .cells import cells_of, synthetic_needed
from .external import External
from .history import Past, past, record, told_of
from .per_image import per_image, per_image_request, per_image_training
from .report_folder import ABOUT, KOREAN, ReportFolder, held, numbered, report_of
from .request import Request, placeless

if TYPE_CHECKING:
    from .report.model import Language
    from .results.model import Summary


@dataclass(frozen=True)
class Finished:
    """The finished cells of a request with what was checked before they were trained."""

    cells: list[Cell]
    missing: int  # cells that are not finished
    checks: list[Check]
    external: External | None
    key: str  # hash of the cells and of what else is looked at
    shown: str  # the same, with the cells of other models that the report corrects for
    inputs: str  # hash of what makes it another report


class Executor:
    """Where the work of a benchmark is done: here, in processes of this machine; a subclass goes elsewhere.

    Whoever does it, and in which order, the files are the same.
    """

    def prepare(self, study: Study, request: Request, others: External | None) -> None:
        """Make translators and synthetic scans that the arms need; `others` are scans from elsewhere."""
        prepare(study, request)

    def train(
        self, study: Study, request: Request, cells: Sequence[Cell], others: External | None
    ) -> list[str]:
        """Train what is missing of all cells of a request; returns what failed, a sentence each."""
        warm_start.make_missing(study, run.missing(cells, request.keep_weights, others), request.jobs)
        return run.run(
            study,
            cells,
            jobs=request.jobs,
            threads=1,
            keep_weights=request.keep_weights,
            keep_some=True,
            external=others,
        )


HERE = Executor()


def prepare(study: Study, request: Request) -> None:
    """Make translators and synthetic scans that the arms of a request need and that do not exist yet.

    On a graphics card, which a single translator leaves idle most of the time, `request.jobs` at once.
    """
    needs = synthetic_needed(study, request)
    todo = [place for place in needs if not Translator(study, *place).is_done]
    jobs = min(request.jobs, len(todo)) if request.compute.device == "cuda" else 1
    if jobs > 1:
        own = replace(request, compute=replace(request.compute, threads=max(1, cores() // jobs)))
        works = {
            f"fold {fold}, {label}, seed {seed}": partial(
                _make, study.path, own, (fold, label, seed), needs[fold, label, seed]
            )
            for fold, label, seed in todo
        }
        processes.beside(works, jobs, f"{len(works)} translators and their scans")
    for place, needed in needs.items():
        make_translator(study, request, place)
        make_synthetic(study, request, place, needed)


def _make(path: Path, request: Request, place: tuple[int, str, int], needed: int) -> None:
    """In a process of its own: a translator and its scans."""
    study = Study.open(path)
    make_translator(study, request, place)
    make_synthetic(study, request, place, needed)


def make_translator(study: Study, request: Request, place: tuple[int, str, int]) -> None:
    """Train the translator of a fold, class and seed where it is not finished."""
    fold, label, gan_seed = place
    translator = check_translator(study, request, fold, label, gan_seed)
    if translator.left_scans:
        raise BusError(
            f"The weights of {translator.folder} are missing, and scans that they made are there. Copy "
            "generator and scans back from where the study comes from, or run bus gan train --redo, which "
            "sets them aside."
        )
    if not translator.is_done:
        require(request.compute.device)
        which = f" of seed {gan_seed}" * (request.gan_seeds > 1)
        note(f"Fold {fold} has no finished translator{which} to {label} scans yet; it is trained first.")
        config, compute = plan_gan(translator, request.ask, request.compute, preset=request.preset)
        train_gan(study, config, compute)


def make_synthetic(study: Study, request: Request, place: tuple[int, str, int], needed: int) -> None:
    """Make at least `needed` scans of the finished translator of a fold, class and seed, and score them."""
    translator = Translator(study, *place)
    made, compute = len(translator.scans.rows), request.compute
    if needed > made:
        require(compute.device)
    compute = replace(compute, device=at_hand(compute.device))  # scores need not be quick
    make_scans(translator, compute, request.judge, count=max(needed, made))


def check_translator(study: Study, request: Request, fold: int, label: str, gan_seed: int) -> Translator:
    """The translator that a request takes; UsageError where it was begun with another method or switch.

    Its effort stays what it was begun with.
    """
    translator = Translator(study, fold, label, gan_seed)
    begun = translator.config
    if begun and not request.ask.is_empty:
        ask = replace(request.ask, preset=begun.preset, pairs=begun.pairs)
        config, _ = plan_gan(translator, ask, request.compute, preset=request.preset)
        translator.check_unchanged(config)
    return translator


def train(study: Study, request: Request, executor: Executor = HERE) -> None:
    """Train all cells of a request and look at none: no report is written, nothing is told of the answers.

    For studies whose plan lets nobody see a result before the last training. What a report needs of the
    synthetic scans is computed too, so that they can be taken out afterwards. BusError if cells failed, after
    the others ran.
    """
    others, cells, _ = _prepared(study, request, executor)
    failures = executor.train(study, request, cells, others)
    _look_at_scans(study, request)
    if failures:
        raise BusError(
            f"{len(failures)} of {len(cells)} cells failed (see above), the others are done. Run the same "
            "command again to train them."
        )
    result(f"All {len(cells)} cells are done. Nobody looked: the report comes without --no-report.")


def _prepared(
    study: Study, request: Request, executor: Executor
) -> tuple[External | None, list[Cell], list[Check]]:
    """Make what cells of a request need, and check it: scans from elsewhere, the cells, the checks."""
    others = _foresee(study, request)
    lock.sweep(study.path)
    executor.prepare(study, request, others)
    return others, cells_of(study, request), check(study, request, others)


def benchmark(study: Study, request: Request, executor: Executor = HERE) -> Path:
    """Run all cells of a request and write the report; returns its path.

    `executor` says where translators, scans and cells are made. BusError if cells failed, after the others
    ran.
    """
    # what there is to do
    others, cells, checks = _prepared(study, request, executor)
    todo = run.missing(cells, request.keep_weights, others)
    elsewhere = others.sha256 if others else ""
    report = report_of(study.path, request.inputs(study, cells, elsewhere))
    request.remember(study)
    if not todo and report.is_whole(_shown(study, request, cells, elsewhere)):
        if not report.is_newest:
            from .report.report_list import call_newest

            with held(study.path):
                call_newest(study, report, past(study))
        result(f"Nothing to do: all {len(cells)} cells are done. Report: {report.page}")
        return report.page

    # the trainings
    failures = executor.train(study, request, cells, others)
    finished = _finished(study, request, cells, checks, others)
    if not finished.cells:
        raise BusError(f"All {len(cells)} cells failed; the first: {' '.join(failures[:1])}")
    if request.inflation:
        failures += inflate(study, request)

    # the report
    summary, report = write(study, request, finished, whole=not failures and not finished.missing)
    if failures:
        raise BusError(
            f"{len(failures)} cell{'s' * (len(failures) != 1)} failed (see above); the report {report.page} "
            "leaves out what is missing. Run the same command again to train it."
        )
    _tell(summary, report.page)
    return report.page


def rewrite(study: Study, number: int | None = None, language: "Language" = "en") -> Path:
    """Write the report of the last benchmark, or that `number`, again from finished cells; returns its path.

    BusError where what that report was made from is no more: it stays as it was written. The page of a plan
    is left alone.
    """
    request = _recalled(study, number)
    if request is None:
        old = numbered(study.path, number or 0)
        result(f"Report: {old.page} (stays as it was written: no benchmark of this version made it)")
        return old.page
    finished = _finished_again(study, request, number)
    summary, report = write(study, request, finished, whole=not finished.missing, language=language)
    if finished.missing:
        trained, all_cells = len(finished.cells), len(finished.cells) + finished.missing
        note(f"{trained} of {all_cells} cells are trained; the report leaves the others out.")
    _tell(summary, report.page)
    if language == "ko":
        result(f"In Korean: {report.path / KOREAN}")
    return report.path / KOREAN if language == "ko" else report.page


def hand_on(study: Study, folder: Path, number: int | None = None, *, whole: bool = True) -> Path:
    """Write the report of the last benchmark, or that `number`, into a new folder without pictures of scans.

    Its commands tell no whole paths of this machine. Returns the page's path. BusError where cells are
    missing, unless it need not be `whole`: then the report says how many it leaves out. UsageError where the
    folder holds something.
    """
    request = _recalled(study, number)
    if request is None:
        old = numbered(study.path, number or 0)
        if old.about:
            raise BusError(f"Report {number} is that of a plan: its page holds no scans. Copy {old.path}.")
        raise BusError(
            f"{old.path} was written by an earlier version, which did not keep what was asked. Run the "
            "benchmark again, which trains nothing anew, for a report that can be handed on."
        )
    finished = _finished_again(study, request, number)
    if finished.missing and whole:
        raise BusError(
            f"{finished.missing} cells are not trained yet, and a report to be handed on is whole. Run "
            f"{request.command}."
        )
    summary, claimed = _summary(study, request, finished)
    with new_folder(folder) as place:
        write_pages = _writer(study, request, summary, finished)
        looks = [replace(look, command=placeless(look.command)) for look in past(study)]
        asked = [placeless(line) for line in commands(study, request)]
        page = write_pages(folder=place, claimed=claimed, history=looks, pictures=False, commands=asked)
    result(f"Report without pictures of scans: {folder / page.name}")
    return folder / page.name


def _recalled(study: Study, number: int | None) -> Request | None:
    """What the last benchmark was asked, or the one with that report; None where that is no benchmark's."""
    request = Request.recall(study) if number is None else None
    if request is None:
        old = numbered(study.path, number or 0)
        asked = old.about.get("asked")
        if isinstance(asked, Mapping):
            request = Request.from_recorded(study, asked, old.path / ABOUT)
    return request


def _finished_again(study: Study, request: Request, number: int | None) -> "Finished":
    """What is finished of a benchmark; BusError for none of it, or where report `number` had other cells."""
    others = read_external(study, request)
    cells = cells_of(study, request)
    report = report_of(study.path, request.inputs(study, cells, others.sha256 if others else ""))
    if number is not None and report.number != number:
        raise BusError(
            f"What report {number} was made from is there no more: its trainings would be others today. "
            f"{numbered(study.path, number).page} stays as it was written. Run {request.command} for a new "
            "one."
        )
    finished = _finished(study, request, cells, check(study, request, others), others)
    if not finished.cells:
        raise BusError(
            f"None of the {len(cells)} cells of the last benchmark is trained. Run {request.command} to "
            "train them."
        )
    return finished


def _foresee(study: Study, request: Request) -> External | None:
    """Refuse what can be refused, and say how wide intervals will be, before hours of training.

    Returns the scans from elsewhere, where some were given.
    """
    others = read_external(study, request)
    warm_start.check(study, request.init)
    for fold in request.folds:
        audit_split(study, fold)
    cells = cells_of(study, request)
    if request.inflation:
        cells_of(study, per_image_request(request))
    for fold, label, gan_seed in synthetic_needed(study, request):
        check_translator(study, request, fold, label, gan_seed)
    if todo := run.missing(cells, request.keep_weights, others):
        run.require_space(study, todo, request.keep_weights, keep_some=True)
        trainings = len(run.to_train(todo))
        note(
            f"{len(cells)} cell{'s' * (len(cells) != 1)}, {trainings} to train. {expectation(study, request)}"
        )
    return others


def read_external(study: Study, request: Request) -> External | None:
    """The scans from elsewhere that a request names, kept in the study; None where it names none."""
    if not request.external:
        return None
    return external.read(request.external, study, alike=request.external_alike)


def check(study: Study, request: Request, others: External | None = None) -> list[Check]:
    """The leak audit of every fold, of the folds together, and of external scans; BusError names a leak."""
    checks = [item for fold in request.folds for item in audit(study, fold, request)]
    checks += audit_translators(study, request)
    if others:
        checks.append(Check("no external scan looks like one of the study's", len(others.rows), True))
    return checks


def _finished(
    study: Study, request: Request, cells: Sequence[Cell], checks: list[Check], others: External | None
) -> Finished:
    done = [cell for cell in cells if cell.is_done and (others is None or cell.has_external(others.sha256))]
    for cell in cells:
        if cell not in done and (lost := cell.lost):
            note(f"{cell.path}: {', '.join(lost)} missing or not as written; left out.", warning=True)
    elsewhere = others.sha256 if others else ""
    key, inputs = request.key(study, done, elsewhere), request.inputs(study, cells, elsewhere)
    shown = _shown(study, request, done, elsewhere)
    return Finished(done, len(cells) - len(done), checks, others, key, shown, inputs)


def _shown(study: Study, request: Request, cells: Sequence[Cell], external: str) -> str:
    """Hash of all that a report's numbers rest on: p values are corrected over every model that was tried."""
    return request.key(study, [*cells, *looked_at(study, request)], external)


def expectation(study: Study, request: Request, *, planned: bool = False) -> str:
    """How wide the intervals of a benchmark, or of a plan's runs in these arms, will be, in a sentence."""
    from .results import retraining, statistics, wording  # late: statistics take a second to import

    folds, seeds, k = len(request.folds), request.seeds, study.settings.k
    groups = len({study.groups[row] for row in study.used()})
    scans = statistics.expected_half_width(folds, seeds, groups=groups, k=k)
    translated = any(arm.kind in GENERATED for arm in request.arms)
    translators = request.gan_seeds if translated else None
    again = retraining.expected_half_width(folds, seeds, groups=groups, k=k, translators=translators)
    return wording.expectation(folds, seeds, scans, again, translated=translated, planned=planned)


def looked_at(study: Study, request: Request) -> list[Cell]:
    """Finished cells, with the same settings, of models that nobody asks for now: they were tried as well.

    A model counts once all its cells of the arms of a claim are done.
    """
    from .results.contrasts import leading_arms

    trained = [
        folder.parent.name for fold in request.folds for _, folder in finished_folders(study.cells_path(fold))
    ]
    others = tuple(model for model in sorted(set(trained)) if model not in request.models)
    if not others or request.init not in INITS:
        return []
    lead = leading_arms(request.arms)
    recipe = tuple((name, value) for name, value in request.recipe if name != "standardise" or not value)
    cells: list[Cell] = []
    for model in others:
        with suppress(UsageError):  # a network that cannot have these settings
            cells += cells_of(study, replace(request, models=(model,), recipe=recipe))
    missing = {cell.model for cell in cells if cell.arm in lead and not cell.is_done}
    return [cell for cell in cells if cell.model not in missing and cell.is_done]


def write(
    study: Study, request: Request, finished: Finished, *, whole: bool, language: "Language" = "en"
) -> "tuple[Summary, ReportFolder]":
    """Write the report of finished cells and note that they were looked at; returns what it says, and where.

    `whole`: no cell is missing, so that the same command has nothing to do next time.
    """
    from .report.report_list import call_newest  # late: statistics and figures take a second to import
    from .results import wording

    # what the report shows
    note("Writing the report …")
    if whole:
        _look_at_scans(study, request)
    summary, claimed = _summary(study, request, finished)

    # its files
    with held(study.path):
        report = report_of(study.path, finished.inputs)
        look = Past(
            request.command,
            len(summary.cells),
            wording.told(summary),
            finished.key,
            not whole,
            report=report.number,
        )
        looks = record(study, look)
        report.begin(finished.inputs, request.recorded, told_of(looks, look).recorded)
        write_pages = _writer(study, request, summary, finished)
        write_pages(folder=report.path, claimed=claimed, history=looks, language=language)
        call_newest(study, report, looks)
        if whole:
            report.finish(finished.shown)
    return summary, report


def _look_at_scans(study: Study, request: Request) -> None:
    """Score synthetic scans against test scans; when trainings are over, so that nothing is chosen by it."""
    from . import distance_to_tests

    for fold, label, gan_seed in synthetic_needed(study, request):
        distance_to_tests.score(study, fold, label, gan_seed, at_hand(request.compute.device))


def _writer(study: Study, request: Request, summary: "Summary", finished: "Finished") -> Callable[..., Path]:
    """What writes the report of finished cells; where, and of which history, is its caller's to say."""
    from .report.study_report import write_report  # late: statistics and figures take a second to import

    return partial(
        write_report,
        study,
        summary,
        cells=finished.cells,
        checks=finished.checks,
        commands=commands(study, request),
        gan_seeds=request.translators,
        external=finished.external,
    )


def _summary(study: Study, request: Request, finished: "Finished") -> "tuple[Summary, Summary | None]":
    """What finished cells show, and what a split per image would have claimed where that was asked for."""
    from .results.summary import summarise
    from .yardstick import yardsticks

    marks = yardsticks(study, request.folds, request.compute)
    summary = summarise(study, finished.cells, marks, looked_at(study, request))
    return summary, inflated(study, request) if request.inflation else None


def _tell(summary: "Summary", page: Path) -> None:
    from .results import wording

    for model, sentence in wording.told(summary).items():
        result(f"{model}: {sentence}")
    result(f"Report: {page}")


def inflate(study: Study, request: Request) -> list[str]:
    """Train what a split per image needs, with a translator that saw siblings of test scans, as others do.

    Returns what failed, a sentence each.
    """
    sub = per_image(study)
    alike = per_image_training(study, sub, request)
    note(f"A split per image, to show what it would have claimed ({sub.path}):")
    try:
        prepare(sub, alike)
    except BusError as error:  # the true figures are trained, and are reported without it
        return [f"split per image: {error}"]
    return run.run(sub, cells_of(sub, alike), jobs=request.jobs, threads=1, keep_weights=False)


def inflated(study: Study, request: Request) -> "Summary | None":
    """What the split per image would have claimed, from its finished cells."""
    from .results.summary import summarise

    sub = per_image(study)
    finished = [cell for cell in cells_of(sub, per_image_request(request)) if cell.is_done]
    return summarise(sub, finished) if finished else None


def commands(study: Study, request: Request) -> list[str]:
    """The commands that make the study, its translators and scans, and the benchmark again, as typed."""
    lines = []
    for fold, label, gan_seed in synthetic_needed(study, request):
        translator = Translator(study, fold, label, gan_seed)
        rows = translator.scans.rows
        if rows and translator.config:
            lines += datasheet.commands(
                translator, len(rows), data=study.settings.data.path, where=str(study.path)
            )
    return [*lines, request.command]
