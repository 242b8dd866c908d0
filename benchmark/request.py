"""What is asked of a benchmark, and what a study remembers of the last one (`benchmark.json`)."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..classify.catalogue import INITS, MODELS, USUAL
from ..core import files
from ..core.compute import Compute, resolve
from ..core.errors import BusError
from ..core.switches import Value, text
from ..data.study import Study
from ..gan.manifest import SyntheticSet
from ..gan.request import Ask, Judge
from .arms import ADDING, DEFAULT_ARMS, Arm, parse
from .cell import Cell

LAST = "benchmark.json"  # in the study
REFERENCE = Compute("cpu", "float32", 1)  # arithmetic that every machine has
EXTRAS = ("external", "external_alike", "inflation")  # shown beside what is compared
BESIDE = {*EXTRAS, "compute", "jobs", "keep_weights", "judge", "ask", "command"}  # decide no cell


@dataclass(frozen=True)
class Request:
    """What a user asks of a benchmark: what is compared, what else is shown, and how it is computed."""

    # what is compared
    folds: tuple[int, ...]
    arms: tuple[Arm, ...] = tuple(map(Arm, DEFAULT_ARMS))
    models: tuple[str, ...] = MODELS
    seeds: int = 1
    preset: str = "quick"
    init: str = USUAL
    gan_seed: int = 0  # of the first translator of a fold
    gan_seeds: int = 1  # translators of a fold; seed s of a classifier takes number s mod this
    balance: tuple[str, ...] = ()  # classes to raise; the study's target unless given
    recipe: tuple[tuple[str, Value], ...] = ()  # changed fields of Recipe, for all arms and models alike
    folder: Path | None = None  # another generator's scans of the target class, for the arm `unverified`
    epochs: int = 0  # passes over the fold's own scans, where a plan says so; 0: the steps of the preset

    # what the report shows beside it
    external: str = ""  # class folders, zip or labels.csv of scans from elsewhere
    external_alike: str = "refuse"  # what to do with those of them that look like the study's: refuse | drop
    inflation: bool = False  # what a split per image would have claimed

    # how it is computed
    compute: Compute = REFERENCE
    jobs: int = 1  # trainings at once
    keep_weights: bool = False
    judge: Judge = field(default_factory=Judge)  # of synthetic scans that are missing
    ask: Ask = field(default_factory=Ask)  # of translators, where a plan says more of them than their seed
    command: str = ""  # as it was typed

    @property
    def first(self) -> Path | None:
        """The file of first weights that `init` names, if it names one."""
        return None if self.init in INITS else Path(self.init)

    @property
    def translators(self) -> range:
        """The seeds of the translators of a fold."""
        return range(self.gan_seed, self.gan_seed + self.gan_seeds)

    def translator_of(self, seed: int) -> int:
        """The seed of the translator whose scans a classifier of this seed takes."""
        return self.translators[seed % self.gan_seeds]

    def raised(self, study: Study) -> tuple[str, ...]:
        """The classes that the arms raise."""
        return self.balance or (study.target,)

    def key(self, study: Study, cells: Sequence[Cell], external: str) -> str:
        """Hash of all that decides what the report says; `external` is that of the scans from elsewhere."""
        sets = SyntheticSet.all_of(study)
        return files.sha256_json(
            {
                "cells": [str(cell.path.name) for cell in cells],
                "folds": list(self.folds),
                "external": external,
                "inflation": self.inflation,
                "scores": {str(scans.folder.relative_to(study.path)): scans.scores_sha256 for scans in sets},
            }
        )

    def inputs(self, study: Study, cells: Sequence[Cell], external: str) -> str:
        """Hash of what makes it another report: all of its `cells`, trained or not, scans from elsewhere."""
        return files.sha256_json(
            {
                "cells": sorted(str(cell.path.relative_to(study.path)) for cell in cells),
                "external": external,
                "inflation": self.inflation,
            }
        )

    def typed(self, study: Study) -> str:
        """`bus benchmark` with the options that ask this again, each word quoted for a shell.

        Device and precision decide what cells learn: they are named where this machine would take others.
        """
        usual = resolve()
        computed = (self.compute.device, self.compute.precision)
        device, precision = computed if computed != (usual.device, usual.precision) else ("", "")
        arms = dict.fromkeys(
            f"{arm.kind}:{arm.source}".rstrip(":") for arm in self.arms if arm.kind != "unverified"
        )
        doses = dict.fromkeys(f"{arm.dose:g}" for arm in self.arms if arm.kind in ADDING)
        options = {
            "--study": str(study.path),
            "--fold": ",".join(map(str, self.folds)),
            "--models": ",".join(self.models),
            "--arms": ",".join(arms),
            "--dose": ",".join(doses) if list(doses) != ["1"] else "",
            "--seeds": str(self.seeds) if self.seeds != 1 else "",
            "--preset": self.preset,
            "--init": self.init if self.init != USUAL else "",
            "--gan-seed": str(self.gan_seed) if self.gan_seed else "",
            "--gan-seeds": str(self.gan_seeds) if self.gan_seeds != 1 else "",
            "--balance": ",".join(self.balance),
            "--synthetic": str(self.folder) if self.folder else "",
            "--device": device,
            "--precision": precision,
            "--external": self.external,
            "--external-alike": self.external_alike if self.external_alike != "refuse" else "",
        }
        words = [word for name, value in options.items() if value for word in (name, value)]
        words += [word for name, value in self.recipe for word in ("--set", f"{name}={text(value)}")]
        words += ["--inflation"] * self.inflation + ["--keep-weights"] * self.keep_weights
        return shlex.join(["bus", "benchmark", *words])

    @property
    def recorded(self) -> Mapping[str, files.Json]:
        """What asks it again, as `from_recorded` reads it."""
        names = [item.name for item in fields(self) if item.name not in BESIDE]
        compared = {name: getattr(self, name) for name in names}
        content: dict[str, files.Json] = json.loads(  # arms and paths as they are typed
            json.dumps(
                {
                    "wish": compared,
                    "extras": {name: getattr(self, name) for name in EXTRAS},
                    "device": self.compute.device,
                    "precision": self.compute.precision,
                },
                default=str,
            )
        )
        return content

    def remember(self, study: Study) -> None:
        """Note what was asked, so that `bus report` can find its cells; untouched where it is the same."""
        path = study.path / LAST
        known = files.read_json(path) if path.exists() else {}
        if known != {**self.recorded, "command": known.get("command")}:
            files.write_json(path, {**self.recorded, "command": self.command})

    @classmethod
    def recall(cls, study: Study) -> "Request":
        """What the last benchmark of a study asked; BusError where there was none."""
        path = study.path / LAST
        if not path.exists():
            raise BusError(f"{study.path} holds no benchmark to report on. Run bus benchmark first.")
        return cls.from_recorded(study, files.read_json(path), path)

    @classmethod
    def from_recorded(cls, study: Study, last: Mapping[str, Any], path: Path) -> "Request":
        """What was asked, as the file at `path` tells; BusError where it tells something else."""
        try:
            compute = Compute(last["device"], last["precision"], 1)
            asked: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in last["wish"].items()
            }
            asked |= {
                "arms": tuple(map(parse, asked["arms"])),
                "recipe": tuple((name, value) for name, value in asked["recipe"]),
                "folder": Path(asked["folder"]) if asked["folder"] else None,
            }
            request = cls(**asked, **last["extras"], compute=compute)
            return replace(request, command=request.typed(study))
        except (KeyError, TypeError, ValueError) as error:
            raise BusError(
                f"{path} does not hold what this version wrote ({error!r}). Run bus benchmark again."
            ) from error


def placeless(command: str) -> str:
    """A command without whole paths of the machine that ran it: `--study /home/me/s` is `--study STUDY`."""
    told = []
    for before, word in pairwise(["", *shlex.split(command)]):
        option, equals, given = word.partition("=") if word.startswith("--") else (before, "", word)
        if option.startswith("--") and Path(given).is_absolute():
            stand_in = option.removeprefix("--").replace("-", "_").upper()
            word = f"{option}={stand_in}" if equals else stand_in
        told.append(word)
    return shlex.join(told)
