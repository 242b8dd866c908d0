"""What `bus benchmark --dry-run` says: what would be trained, for how long and with how much disk."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .terminal import duration, results

if TYPE_CHECKING:
    from ..core.compute import Compute
    from ..data.study import Study


def print_plan_file(study: "Study", source: str, wish: Any, compute: "Compute", jobs: int) -> None:
    """Show the runs of a plan and what is missing of them, by group and per image, and for how long."""
    from ..benchmark import pipeline, run, warm_start
    from ..benchmark import plan as ablation
    from ..benchmark.per_image import preview

    paces: dict[tuple[str, int], run.Pace] = {}
    chosen, total = ablation.read(source), 0.0
    sets = pipeline.plan_sets(study, preview(study), chosen, wish.folds, wish.seeds, compute)
    for name, (place, pairs) in sets.items():
        cells = pipeline.distinct(pairs)
        todo = run.missing(cells, keep_weights=False)
        seconds = run.wall_seconds(run.outlook(place, todo + warm_start.untrained(place, todo), paces), jobs)
        total += seconds
        results.print(
            f"{chosen.title}, {name}: {len(cells)} cells, {len(todo)} to train, about {duration(seconds)}."
        )
        first = {id(one): (one, cell) for one, cell in reversed(pairs)}  # of its folds and seeds
        for one, cell in reversed(first.values()) if todo else []:
            results.print(
                f"  {one.name}: {cell.model}, {cell.arm}, {cell.recipe.steps:,} steps of {cell.recipe.batch}"
            )
    total += sum(
        _translators(study, [one.wish(wish.folds, wish.seeds, wish.preset) for one in chosen.runs], compute)
    )
    results.print(f"About {duration(total)} with {jobs} job(s).")


def print_benchmark(study: "Study", wish: Any, compute: "Compute", jobs: int) -> None:
    """Show the cells of a benchmark, what a step takes here, and the time and disk of the whole."""
    from ..benchmark import cells as plan
    from ..benchmark import pipeline, run, warm_start

    paces: dict[tuple[str, int], run.Pace] = {}
    cells = plan.cells(study, wish, compute)
    todo = run.missing(cells, keep_weights=False)
    seconds = run.wall_seconds(run.outlook(study, todo + warm_start.untrained(study, todo), paces), jobs)
    results.print(
        f"{len(cells)} cells ({', '.join(map(str, wish.arms))} × {', '.join(wish.models)} × {wish.seeds} "
        f"seed(s)), {len(todo)} to train."
    )
    for (model, _), pace in paces.items():
        results.print(
            f"  {model}: {pace.step:.2f} s a step, {1000 * (pace.predict + pace.heat):.0f} ms to answer a "
            "scan"
        )
    seconds += sum(_translators(study, [wish], compute))
    results.print(f"About {duration(seconds)} with {jobs} job(s), and {1 + len(todo) // 20} MB of disk.")
    results.print(pipeline.expectation(study, wish))


def _translators(study: "Study", wishes: Sequence[Any], compute: "Compute") -> Iterator[float]:
    """Show the translators that are missing; the seconds that each will take."""
    from ..gan.config import configure
    from ..gan.train import time_step
    from ..gan.translator import Translator

    for fold, label, seed, preset in dict.fromkeys(
        (*place, wish.gan_seed, wish.preset) for wish in wishes for place in wish.synthetic(study)
    ):
        if not Translator(study, fold, label, seed).is_done:
            config = configure(study, compute, fold=fold, target=label, seed=seed, preset=preset)
            seconds = config.steps * time_step(study, config, compute)
            results.print(f"  fold {fold}: a translator first, to {label}, about {duration(seconds)}")
            yield seconds
