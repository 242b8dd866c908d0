"""What `--dry-run` says: what would be trained, for how long and with how much disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.files import megabytes
from .terminal import duration, results

if TYPE_CHECKING:
    from ..benchmark.estimate import Outlook
    from ..benchmark.forecast import Rates
    from ..benchmark.request import Request
    from ..core.compute import Compute
    from ..data.study import Study
    from ..gan.config import GanConfig
    from ..gan.translator import Translator


def print_training(
    path: Path, translator: "Translator", config: "GanConfig", compute: "Compute", *, redo: bool
) -> None:
    """Show what the training of a translator of the study in `path`, which need not exist, would take."""
    from ..benchmark.forecast import Rates, training
    from ..gan.train import bytes_needed

    folder = path / translator.folder.relative_to(translator.study.path)
    if translator.is_done and not redo:
        results.print(f"Nothing to do: the translator in {folder} is trained.")
        return
    begun = None if redo else translator
    time = training(translator.study, config, compute, Rates(), begun)
    done = f" ({begun.steps_done:,} of them done)" if begun and begun.steps_done else ""
    results.print(
        f"Would train {folder}: {config.pairs:,} pairs in {config.steps:,} steps{done}, {about(time)}, "
        f"with at most {megabytes(bytes_needed(config, compute))} of disk."
    )


def print_plan(study: "Study", source: str, request: "Request") -> None:
    """Show the runs of a plan and what is missing of them, by group and per image, and for how long."""
    from ..benchmark import estimate, few, plan, run, run_plan, warm_start
    from ..benchmark.forecast import Rates
    from ..benchmark.per_image import preview

    rates = Rates()
    chosen, total = plan.read(source), estimate.Outlook()
    parts = [few.preview(study, share) for share in chosen.shares]
    sets = [
        (f"{name}, {100 * part.settings.share:g} % of the target" if len(parts) > 1 else name, *found)
        for part in parts
        for name, found in run_plan.plan_sets(
            part, preview(part) if chosen.per_image else part, chosen, request
        ).items()
    ]
    for name, home, pairs in sets:
        cells = run_plan.distinct(pairs)
        todo = run.missing(cells, keep_weights=False)
        trained = todo + warm_start.untrained(home, todo)
        time = estimate.outlook(home, trained, rates.paces, request.jobs)
        total += time
        results.print(f"{chosen.title}, {name}: {len(cells)} cells, {len(todo)} to train, {about(time)}.")
        first = {id(line): (line, cell) for line, cell in reversed(pairs)}  # of its folds and seeds
        for line, cell in reversed(first.values()) if todo else []:
            results.print(
                f"  {line.name}: {cell.model}, {cell.arm}, {cell.recipe.steps:,} steps of {cell.recipe.batch}"
            )
    wishes = [line.request(request) for line in chosen.runs]
    for translator in (one for part in parts for one in _translators(part, wishes, rates)):
        total += translator.time
    results.print(f"{about(total).capitalize()} with {request.jobs} job(s).")


def print_benchmark(study: "Study", request: "Request") -> None:
    """Show the cells of a benchmark, what a step takes here, and the time and disk of the whole.

    External scans that the run would refuse for their classes are refused now.
    """
    from ..benchmark import external, run
    from ..benchmark.cells import cells_of
    from ..benchmark.estimate import Outlook
    from ..benchmark.forecast import SCANS, Rates, forecast, to_do, to_train
    from ..benchmark.per_image import per_image_training, preview
    from ..benchmark.pipeline import expectation
    from ..core.compute import resolve

    # what it needs
    resolve(request.compute.device, request.compute.precision)  # some steps are timed here
    if request.external:
        results.print(external.foresee(request.external, study))

    # the trainings
    rates, cells = Rates(), cells_of(study, request)
    todo = to_train(to_do(study, request))
    parts = forecast(study, request, rates)
    arms, models = ", ".join(map(str, request.arms)), ", ".join(request.models)
    results.print(f"{len(cells)} cells ({arms} × {models} × {request.seeds} seed(s)), {len(todo)} to train.")
    for (model, *_), pace in rates.paces.items():
        quick, usual, slow = (1000 * step for step in (pace.range[0], pace.step, pace.range[1]))
        results.print(
            f"  {model}: {usual:.0f} ms a step ({quick:.0f} to {slow:.0f}), "
            f"{1000 * (pace.predict + pace.heat):.0f} ms to answer a scan"
        )

    # translators, scans, report
    disk = run.bytes_needed(study, todo, request.keep_weights, keep_some=True) if todo else 0
    disk += sum(translator.disk for translator in _translators(study, [request], rates))
    if request.inflation:
        sub = preview(study)
        alike = per_image_training(study, sub, request)
        claimed = to_do(sub, alike)
        results.print(f"A split per image: {len(cells_of(sub, alike))} cells, {len(claimed)} to train.")
        disk += run.bytes_needed(sub, claimed, keep_weights=False) if claimed else 0
        disk += sum(translator.disk for translator in _translators(sub, [alike], rates))
    disk += sum(part.bytes for part in parts if part.name.startswith(SCANS))
    lasting = [part.here(request.jobs) for part in parts]
    time = sum(lasting, Outlook())
    results.print(
        f"{about(time).capitalize()} with {request.jobs} job(s), and at most {megabytes(disk)} of disk."
    )
    told = [f"{part.name} {duration(each.usual)}" for part, each in zip(parts, lasting, strict=True)]
    if len(told) > 1:
        results.print(f"  of it: {', '.join(told)}")
    results.print(expectation(study, request))


def about(time: "Outlook") -> str:
    """A time with its range, where that says more."""
    text = f"about {duration(time.usual)}"
    quick, slow = duration(time.quick), duration(time.slow)
    return text if quick == slow else f"{text} ({quick} to {slow})"


@dataclass(frozen=True)
class Missing:
    """What a translator that is trained first takes."""

    time: "Outlook"
    disk: int  # bytes


def _translators(study: "Study", requests: "Sequence[Request]", rates: "Rates") -> Iterator[Missing]:
    """Show the translators that are missing, and what each will take."""
    from ..benchmark.cells import synthetic_needed
    from ..benchmark.forecast import training
    from ..gan.request import plan_gan
    from ..gan.train import bytes_needed
    from ..gan.translator import Translator

    asked = {wanted: request for request in requests for wanted in synthetic_needed(study, request)}
    for (fold, label, seed), request in asked.items():
        translator = Translator(study, fold, label, seed)
        if not translator.is_done:
            config, compute = plan_gan(translator, request.ask, request.compute, preset=request.preset)
            time = training(study, config, compute, rates, translator)
            which = f" of seed {seed}" * (len({made_by for _, _, made_by in asked}) > 1)
            results.print(f"  fold {fold}: a translator{which} first, to {label}, {about(time)}")
            yield Missing(time, bytes_needed(config, compute))
