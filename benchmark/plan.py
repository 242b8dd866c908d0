"""Plans: lists of trainings in a TOML file, each with an arm and a recipe of its own.

Shipped are the seed project's two ablation studies; `learning-curve`, with fewer real scans of the target;
`recipes`, which changes how classifiers train; `ways`, in which added scans enter differently, and
`fine-tuned`, the same before a network that begins with ImageNet; and `sensitivity`, which takes the
translator's own contribution apart.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING

from ..classify.catalogue import USUAL, check_init
from ..classify.recipe import DEFAULTS, OF_ADDED, SWITCHES, check_changes
from ..classify.torchvision_names import check_model
from ..core import switches
from ..core.errors import BusError, UsageError, did_you_mean
from ..core.opener import read_bytes
from ..core.switches import Values, switch
from ..gan.config import METHODS, check_options
from .arms import ADDING, CHOSEN, SOURCED, TRANSLATED, Arm, parse

if TYPE_CHECKING:  # a slip in a plan is answered without torch
    from .request import Request


@dataclass(frozen=True, kw_only=True)
class RunTable:
    """What a table of the file says of a run beside the switches of its recipe."""

    name: str = switch("title of its row")
    model: str = switch("classifier, as --models")
    arm: str = switch("how the training part is balanced", "original")
    epochs: int | None = switch(
        "passes over the training part; the steps of the preset unless given", None, above=0
    )
    accuracy: float | None = switch("what somebody else reports for it, %", None, at_most=100)
    init: str = switch("first weights, as --init", USUAL)
    gan_seed: int = switch("seed of the (first) translator of a fold", 0)
    gan_seeds: int = switch("translators of a fold, which a classifier's seeds take in turn", 1, above=0)
    method: str | None = switch("of the translator", None, choices=tuple(METHODS))
    against: str | None = switch("name of the run that it is compared with, beside its arm's controls", None)


ROW = switches.of(RunTable)
NEEDED = ("name", "model")
KEYS = {**ROW, **SWITCHES}
TRANSLATOR = "switches"  # beside these keys: a table of what else the translator has otherwise
SHIPPED = ("ablation-1", "ablation-2", "fine-tuned", "learning-curve", "recipes", "sensitivity", "ways")
TABLES = ("title", "note", "per_image", "shares", "all", "runs")  # of the file


@dataclass(frozen=True)
class Run:
    """One line of a plan: a training, and the accuracy that somebody else reports for it."""

    name: str
    model: str
    arm: Arm
    epochs: int | None  # None: the steps of the preset
    accuracy: float | None  # %
    init: str
    gan_seed: int  # of the first translator of a fold
    gan_seeds: int  # translators of a fold
    method: str | None  # of the translator; None: the default, or what it was trained by
    switches: Mapping[str, str]  # of the translator, as texts; empty: as the method has them
    changes: Values  # fields of Recipe, without those of OF_ADDED that do nothing in its arm
    against: str | None = None  # name of the run that it is compared with, whatever they differ in

    def like(self, other: "Run") -> bool:
        """Whether two runs differ in their arms alone, so that these make the difference of their results.

        How added scans enter belongs to the arm that adds them.
        """
        same = (self.model, self.epochs, self.init) == (other.model, other.epochs, other.init)
        return same and self.arm != other.arm and self._recipe == other._recipe

    @property
    def _recipe(self) -> Values:
        """What is changed of how its network is trained, whatever it is trained on."""
        return {name: value for name, value in self.changes.items() if name not in OF_ADDED}

    @property
    def adds(self) -> bool:
        """Whether its arm adds scans, which are those of a fold by group."""
        return self.arm.kind in ADDING

    def request(self, plan: "Request") -> "Request":
        """What a benchmark of this run alone is asked, where `plan` is what all of them are asked."""
        from ..gan.request import Ask  # late, as torch

        return replace(
            plan,
            arms=(self.arm,),
            models=(self.model,),
            init=self.init,
            gan_seed=self.gan_seed,
            gan_seeds=self.gan_seeds,
            ask=Ask(method=self.method, changes=self.switches),
            recipe=tuple(self.changes.items()),
            epochs=self.epochs or 0,
        )


@dataclass(frozen=True)
class Plan:
    """A titled list of runs."""

    title: str
    note: str  # a sentence below the table
    runs: tuple[Run, ...]
    per_image: bool = True  # whether runs that add no scans are trained on a split per image too
    shares: tuple[float, ...] = (1.0,)  # of the target's groups in training parts, each with all runs; rising


def read(source: str) -> Plan:
    """Read a plan by the name of a shipped one, or from a TOML file.

    UsageError names an unknown key and the known one it may have been meant for.
    """
    # the file
    try:
        if source in SHIPPED:
            text = (package_files(__package__) / "plans" / f"{source}.toml").read_text(encoding="utf-8")
        else:
            text = read_bytes(Path(source), 1 << 20).decode()
        content = tomllib.loads(text)
    except FileNotFoundError:
        raise UsageError(
            f"--plan {source}: there is no such file, and the plans that are shipped are "
            f"{', '.join(SHIPPED)}." + did_you_mean(source, SHIPPED)
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, OSError, BusError) as error:
        raise UsageError(f"--plan {source} could not be read as TOML: {error}.") from error
    for name in content.keys() - set(TABLES):
        slip = did_you_mean(name, TABLES)
        raise UsageError(f"--plan {source}: {name} is unknown; known are {', '.join(TABLES)}.{slip}")

    # its runs
    common, runs, per_image = content.get("all", {}), content.get("runs", []), content.get("per_image", True)
    if type(per_image) is not bool:
        raise UsageError(f"--plan {source}: per_image = {per_image}: expected true or false.")
    shares = content.get("shares", [1.0])
    if (
        not isinstance(shares, list)
        or not shares
        or not all(
            isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1
            for share in shares
        )
    ):
        raise UsageError(
            f"--plan {source}: shares = {shares}: expected shares of the target's groups above 0 and up "
            "to 1, such as [0.25, 0.5, 1.0]."
        )
    if shares != [1.0] and per_image:
        raise UsageError(f"--plan {source}: shares are for folds by group: add per_image = false.")
    if (
        not isinstance(common, dict)
        or not isinstance(runs, list)
        or not runs
        or not all(isinstance(run, dict) for run in runs)
    ):
        raise UsageError(
            f"--plan {source}: expected one or more tables [[runs]], and at most one table [all]."
        )
    found = tuple(_run(common, run, f"--plan {source}, run {place}") for place, run in enumerate(runs, 1))
    if len({run.name for run in found}) < len(found):
        raise UsageError(f"--plan {source}: two runs have the same name.")
    for run in found:
        others = [other.name for other in found if other is not run]
        if run.against is not None and run.against not in others:
            raise UsageError(
                f"--plan {source}, run {run.name}: against = {run.against}: expected the name of another run."
                + did_you_mean(run.against, others)
            )
    title, remark = (str(content.get(name, usual)) for name, usual in (("title", source), ("note", "")))
    return Plan(title, remark, found, per_image, tuple(sorted({float(share) for share in shares})))


def _run(common: Mapping[str, object], own: Mapping[str, object], where: str) -> Run:
    """A run as its own table says, and where that says nothing as the table of all does."""
    table = {**common, **own}
    changed = table.pop(TRANSLATOR, {})
    values = switches.read(KEYS, table, where, DEFAULTS)
    if missing := [name for name in NEEDED if name not in values]:
        raise UsageError(f"{where}: {', '.join(missing)} is missing.")
    row = switches.made(RunTable, {name: value for name, value in values.items() if name in ROW})
    arm = parse(row.arm)
    known = [name for name in CHOSEN if Arm(name).trains]
    if arm.kind not in known:
        slip = did_you_mean(arm.kind, known)
        raise UsageError(f"{where}: arm = {arm}: expected one of {', '.join(known)}.{slip}")
    if (
        (arm.source and arm.kind not in SOURCED)
        or not 0 < arm.dose <= 10
        or (arm.dose != 1 and arm.kind not in ADDING)
    ):
        raise UsageError(
            f"{where}: arm = {row.arm!r}: expected a name, for {', '.join(SOURCED)} perhaps a "
            "source class, and for an arm that adds scans perhaps a dose up to 10, such as cyclegan, "
            "cyclegan:normal or oversampled@0.5."
        )
    if arm.kind == "pooled" and row.gan_seeds < 2:
        raise UsageError(
            f"{where}: the arm pooled mixes the scans of several translators: say how many, such as "
            "gan_seeds = 3."
        )
    changes = check_changes({name: value for name, value in table.items() if name in SWITCHES}, where)
    idle = [name for name in OF_ADDED if arm.kind not in SOURCED or changes.get(name) == DEFAULTS[name]]
    changes = {name: value for name, value in changes.items() if name not in idle}  # [all] may say it of all
    check_model(row.model, f"{where}: model =")
    check_init((row.model,), row.init)
    translator = _translator(row.method, changed, where)
    if (row.method or translator or row.gan_seed or row.gan_seeds > 1) and arm.kind not in TRANSLATED:
        raise UsageError(
            f"{where}: the arm {arm} takes no translator, so that method, switches, gan_seed and gan_seeds "
            "do nothing. Leave them out."
        )
    return Run(**(vars(row) | {"arm": arm}), switches=translator, changes=changes)


def _translator(method: str | None, changed: object, where: str) -> dict[str, str]:
    """The switches of a run's translator, as texts; UsageError for a slip in them."""
    if not isinstance(changed, dict):
        raise UsageError(f"{where}: switches = {changed}: expected a table such as {{ phantoms = 0 }}.")
    texts = {name: switches.text(value) for name, value in changed.items()}
    try:
        check_options(None, method, texts)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    return texts
