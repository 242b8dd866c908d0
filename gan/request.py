"""What a user asks of a translator and of those who judge its scans, and what follows from it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core import switches
from ..core.compute import Compute, resolve
from .config import (
    METHOD,
    METHODS,
    SWITCHES,
    GanConfig,
    changes_of,
    check_sources,
    configure,
    lacks_first_weights,
)
from .extractors import check_extractor
from .translator import Translator


@dataclass(frozen=True)
class Judge:
    """How synthetic scans are scored: by which network, its weights, how often the reference is split."""

    extractor: str = "auto"
    weights: Path | None = None
    splits: int = 50

    def __post_init__(self) -> None:
        """Refuse an unknown network before any scan is read or made."""
        check_extractor(self.extractor)


@dataclass(frozen=True)
class Ask:
    """What a user asks of a translator; what is None stays as it was begun, or is the default."""

    preset: str | None = None
    pairs: int | None = None
    sources: Sequence[str] | None = None
    method: str | None = None
    changes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked."""
        return self == Ask()


def begun_like(config: GanConfig) -> Ask:
    """What asks of another translator, of other scans, what this one was begun with."""
    method = None if config.preset == "paper" else config.method
    return Ask(config.preset, config.pairs, config.sources, method, changes_of(config))


def plan_gan(
    translator: Translator,
    ask: Ask,
    compute: Compute,
    *,
    preset: str,
    redo: bool = False,
    insist: Collection[str] = (),
) -> tuple[GanConfig, Compute]:
    """Configuration and arithmetic of a translator: those it was begun with, unless others are asked for.

    `preset` is the default effort of a new one. `insist`: what of `device` and `precision` the user asked
    for, so that a translator begun with another is refused rather than gone on with in its own. Threads stay
    those it was begun with: no option sets them. UsageError where this machine lacks the device that an
    unfinished one was begun on.
    """
    study, fold = translator.study, translator.fold
    old = None if redo else translator.config

    # the arithmetic it was begun with; a finished one needs its device no more
    if old:
        begun = Compute if translator.is_done else resolve
        device, precision = (
            getattr(compute if name in insist else old, name) for name in ("device", "precision")
        )
        compute = begun(device, precision, old.threads)

    # as it was begun, but for what is asked
    if old and ask.preset in (None, old.preset) and ask.method in (None, old.method):
        changed = switches.read(SWITCHES, ask.changes, usual=switches.values(old))
        return replace(
            switches.changed(old, changed),
            pairs=ask.pairs or old.pairs,
            sources=check_sources(study, old.target, ask.sources) if ask.sources else old.sources,
            device=compute.device,
            precision=compute.precision,
            threads=compute.threads,
            training_pixels=study.pixels_sha256(study.train(fold)),
        ), compute

    # a new one, or another effort or method
    effort = ask.preset or (old.preset if old else preset)
    alike = {"init": "none"} if begins_as_drawn(translator, effort) else {}
    otherwise = ask.method not in (None, METHOD) or not {"generator", "from_size"}.isdisjoint(ask.changes)
    if not otherwise and (side := _trained_at(translator, effort)) is not None:
        alike["train_size"] = str(side)
    config = configure(
        study,
        compute,
        fold=fold,
        target=translator.target,
        seed=translator.seed,
        preset=effort,
        pairs=ask.pairs or (old.pairs if old and ask.preset is None else None),
        sources=ask.sources or (old.sources if old else None),
        method=ask.method or (old.method if old and ask.preset is None else None),
        changes={**alike, **ask.changes},
    )
    if old:  # goes on drawing as it began
        config = replace(config, drawn_from=old.drawn_from)
    return config, compute


def begins_as_drawn(translator: Translator, preset: str) -> bool:
    """Whether a study's translators to this class began without first weights that would have fitted them.

    All of an arm begin alike, or its folds would be two treatments; those of another effort or method are
    another arm.
    """
    fitted = [config for config in _others(translator, preset) if not lacks_first_weights(config)]
    return bool(fitted) and all(config.init == "none" for config in fitted)


def _trained_at(translator: Translator, preset: str) -> int | None:
    """The one `train_size` of all of a study's other translators of this arm; None where there is none."""
    usual = METHODS[METHOD].generator
    sides = {
        config.train_size
        for config in _others(translator, preset)
        if not config.from_size and config.generator == usual
    }
    return sides.pop() if len(sides) == 1 else None


def _others(translator: Translator, preset: str) -> list[GanConfig]:
    """What a study's other translators to this class, of the default method and this effort, began with."""
    others = (one for one in Translator.all_of(translator.study) if one.folder != translator.folder)
    configs = [config for one in others if one.target == translator.target and (config := one.config)]
    return [config for config in configs if (config.method, config.preset) == (METHOD, preset)]
