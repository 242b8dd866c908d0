"""A translator: the only owner of its folder, `fold-F/gan/CLASS/seed-S/` of a study.

The folder holds `config.json` (what decides the weights), `metrics.jsonl` (losses on the way), `samples/`,
`checkpoint.pt` (to go on from, with its hash in `checkpoint.json`),
`generator.safetensors` and, once all is done, `DONE`.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import files, lock
from ..core.errors import BusError, UsageError
from ..core.opener import read_bytes, require_file
from ..data.study import Study, class_folder
from .config import GanConfig, from_json
from .manifest import SyntheticSet
from .scores.model import Measured

if TYPE_CHECKING:  # a translator is looked at without torch
    from .networks import AnyGenerator

SMALLER = "smaller"  # folder within of the training that it starts from
REPORTS = 60  # lines of metrics.jsonl over a whole training
CHECKED = "checkpoint.json"  # holds the hash of the checkpoint
CONFIG, METRICS, CHECKPOINT, GENERATOR, DONE = (
    "config.json",
    "metrics.jsonl",
    "checkpoint.pt",
    "generator.safetensors",
    "DONE",
)


Line = dict[str, float]  # of `metrics.jsonl`


@dataclass(frozen=True)
class Looks:
    """What judges said of a translator under way; None where nobody looked, or where scans were too few.

    Normalised KIDs (0 real, 1 did nothing) by EfficientNet-Lite0 and by hand-made features, and how well a
    linear reader tells the scans from real ones by the latter: area under its ROC curve, 0.5 not at all.
    """

    distance: Measured | None = None
    handmade: Measured | None = None
    told: float | None = None

    @classmethod
    def read(cls, line: Line) -> "Looks":
        """What a line says."""
        distance, handmade = (
            Measured(line[name], line.get(f"{name}_spread", 0.0)) if name in line else None for name in KIDS
        )
        return cls(distance, handmade, line.get(TOLD))

    def line(self) -> Line:
        """Their part of a line."""
        noted: Line = {}
        for name, kid in zip(KIDS, (self.distance, self.handmade), strict=True):
            noted |= {name: kid.mean, f"{name}_spread": kid.spread} if kid else {}
        return noted | ({} if self.told is None else {TOLD: self.told})


KIDS, TOLD = ("kid", "kid_handmade"), "auc_handmade"  # in a line beside the losses
NOTED = {"step", "pairs", "seconds", TOLD, *KIDS, *(f"{name}_spread" for name in KIDS)}


@dataclass(frozen=True)
class Stretch:
    """What was noted of a stretch of a training: one line of `metrics.jsonl`."""

    pairs: int  # of scans shown so far
    losses: Mapping[str, float]  # means, by name
    seconds: float = 0.0
    looks: Looks = field(default_factory=Looks)  # at its end

    @classmethod
    def read(cls, line: Line) -> "Stretch":
        """What a line says; KeyError where it does not say how many pairs were shown."""
        losses = {name: value for name, value in line.items() if name not in NOTED}
        return cls(int(line["pairs"]), losses, line.get("seconds", 0.0), Looks.read(line))

    def line(self, step: int) -> Line:
        """Its line; `step` is the last one of the stretch."""
        return {
            "step": step,
            "pairs": self.pairs,
            **self.losses,
            **self.looks.line(),
            "seconds": self.seconds,
        }


class Translator:
    """The translator to class `target` trained on a fold with a seed; it need not exist yet."""

    def __init__(self, study: Study, fold: int | None, target: str, seed: int) -> None:
        self.study, self.fold, self.target, self.seed = study, fold, target, seed
        self.folder = study.fold_path(fold) / "gan" / class_folder(target) / f"seed-{seed}"

    @classmethod
    def of(cls, study: Study, config: GanConfig) -> "Translator":
        """The translator that a configuration is of."""
        return cls(study, config.fold, config.target, config.seed)

    @classmethod
    def all_of(cls, study: Study) -> Iterator["Translator"]:
        """Every translator that a study holds, finished or not: by fold, class and seed."""
        labels = {class_folder(label): label for label in study.classes}
        for fold, folder in study.fold_folders():
            for path in sorted(folder.glob("gan/*/seed-*")):
                seed = path.name.removeprefix("seed-")
                if path.parent.name in labels and seed.isdecimal():
                    yield cls(study, fold, labels[path.parent.name], int(seed))

    @property
    def scans(self) -> SyntheticSet:
        """The synthetic scans made by it."""
        return SyntheticSet(self.study, self.fold, self.target, self.seed)

    def held(self) -> AbstractContextManager[None]:
        """Keep other processes from training it; waits for one that is at it."""
        return lock.hold(self.folder, f"The translator {self.folder}")

    # what it was begun with

    @property
    def config(self) -> GanConfig | None:
        """What it was begun with; None before, BusError for a damaged file or a switch that is gone."""
        path = self.folder / CONFIG
        if not path.exists():
            return None
        content = files.read_json(path)
        try:
            return from_json(content)
        except BusError as error:
            raise BusError(f"{path} is of {error}") from error
        except (TypeError, KeyError, ValueError) as error:
            raise BusError(
                f"{path} is not a translator's configuration ({error}). Use --redo to start anew."
            ) from error

    @property
    def known_config(self) -> GanConfig:
        """The configuration it was begun with; BusError where there is none."""
        config = self.config
        if config is None:
            raise BusError(f"{self.folder / CONFIG} is missing. Run bus gan train.")
        return config

    def write_config(self, config: GanConfig) -> None:
        """Write down what decides the weights, before the first step."""
        files.write_json(self.folder / CONFIG, config.json)

    def check_unchanged(self, config: GanConfig) -> None:
        """UsageError with the differences if the folder holds a translator of another configuration."""
        begun = self.config
        if begun is None:
            return
        old, new = asdict(begun), asdict(config)
        differences = [f"{key} {old[key]} there, {new[key]} asked" for key in new if old[key] != new[key]]
        if differences:
            raise UsageError(
                f"{self.folder} holds a translator with other options: {'; '.join(differences)}. Give the "
                "old options to go on with it, another --gan-seed or --study for a second one, or --redo to "
                "set it and what it made aside."
            )

    # on the way

    @property
    def smaller(self) -> "Translator":
        """Itself at a smaller side, which it starts from where its configuration says so (`from_size`)."""
        begun = copy(self)
        begun.folder = self.folder / SMALLER
        return begun

    @property
    def checkpoint(self) -> Path:
        """The file that a training goes on from."""
        return self.folder / CHECKPOINT

    def write_checkpoint(self, content: memoryview) -> None:
        """Keep what a training goes on from; its hash first, beside that of the one before."""
        digest, path = files.sha256_bytes(content), self.folder / CHECKED
        before = files.sha256_file(self.checkpoint) if self.checkpoint.exists() else digest
        files.write_json(path, {"sha256": [digest, before]})
        files.write_bytes(self.checkpoint, content)

    def checked_checkpoint(self) -> Path:
        """The same file; BusError unless it is as it was written, where that was noted."""
        path, noted = require_file(self.checkpoint), self.folder / CHECKED
        if noted.exists() and files.sha256_file(path) not in files.read_json(noted)["sha256"]:
            raise BusError(
                f"{path} is damaged: its SHA-256 is not the one in {CHECKED}. Delete it to start this "
                "translator anew."
            )
        return path

    def write_lines(self, lines: Sequence[Line]) -> None:
        """Write the lines of `metrics.jsonl`, all of them."""
        files.write_text(self.folder / METRICS, "".join(json.dumps(line) + "\n" for line in lines))

    @property
    def steps_done(self) -> int:
        """About how many steps a training that goes on from its checkpoint need not take again."""
        lines = self.lines
        return int(lines[-1]["step"]) if lines and self.checkpoint.exists() else 0

    @property
    def lines(self) -> list[Line]:
        """The numbers of `metrics.jsonl`, a line an interval; a last line that was cut off is passed over.

        `step`, `pairs`, means of the losses, `seconds`, and what judges said where they looked: `kid`,
        `kid_handmade`, both with a spread, and `auc_handmade`.
        """
        path, records = self.folder / METRICS, []
        lines = read_bytes(path).splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                content = json.loads(line)
                record = {
                    key: float(value) for key, value in content.items() if isinstance(value, int | float)
                }
                if not all(map(math.isfinite, record.values())):
                    raise ValueError("a number that is not finite")
                records.append(record)
            except (ValueError, AttributeError, RecursionError, OverflowError) as error:
                if number < len(lines):
                    raise BusError(
                        f"{path}, line {number} is damaged ({error}). Delete that line."
                    ) from error
        return records

    @property
    def stretches(self) -> list[Stretch]:
        """The training so far, a stretch a line of `metrics.jsonl`."""
        return [Stretch.read(line) for line in self.lines if "pairs" in line]

    @property
    def told(self) -> int:
        """How many lines `metrics.jsonl` has."""
        path = self.folder / METRICS
        return read_bytes(path).count(b"\n") if path.exists() else 0

    def sheet(self, pairs: int) -> Path:
        """The file of the sample sheet after so many pairs."""
        return self.folder / "samples" / f"pairs-{pairs:06d}.png"

    @property
    def sheets(self) -> list[Path]:
        """The sample sheets, the last one last."""
        return sorted((self.folder / "samples").glob("*.png"), key=lambda path: (len(path.name), path.name))

    @property
    def tensorboard(self) -> Path:
        """The folder of its curves for TensorBoard."""
        return self.folder / "tensorboard"

    # when it is done

    def finish(self, generator: bytes, seconds: float) -> None:
        """Write the trained generator (safetensors), then `DONE`, which names it and the configuration."""
        files.write_bytes(self.folder / GENERATOR, generator)
        done = {
            "config": files.sha256_json(files.read_json(self.folder / CONFIG)),
            "generator": files.sha256_bytes(generator),
            "seconds": round(seconds, 1),
            "shown": {name: files.sha256_file(self.folder / name) for name in self._shown},
        }
        files.write_json(self.folder / DONE, done)

    @property
    def _shown(self) -> list[str]:
        """Files that nothing is computed from, but that a report shows."""
        paths = [self.folder / METRICS, *self.sheets]
        return [path.relative_to(self.folder).as_posix() for path in paths if path.exists()]

    @property
    def is_done(self) -> bool:
        """Whether it is trained: `DONE` names the configuration and the generator that lie beside it."""
        if not (self.folder / DONE).exists() or self.config is None:
            return False
        done = files.read_json(self.folder / DONE)
        return (
            (not self._lost_weights or self.is_stripped)
            and done.get("config") == files.sha256_json(files.read_json(self.folder / CONFIG))
            and done.get("generator") == self.generator_sha256
        )

    @property
    def is_stripped(self) -> bool:
        """Whether its weights and scans were taken out of the study once it was trained and audited."""
        return self._lost_weights and self.scans.is_stripped

    @property
    def left_scans(self) -> bool:
        """Whether its weights are gone while scans that they made are there: no other may take its place."""
        return self._lost_weights and not self.is_stripped and bool(self.scans.rows)

    @property
    def _lost_weights(self) -> bool:
        return (self.folder / DONE).exists() and not (self.folder / GENERATOR).exists()

    @property
    def changed(self) -> list[str]:
        """Files of a finished training that are missing, or not what it wrote; BusError for damaged JSON."""
        path, generator = self.folder / DONE, self.folder / GENERATOR
        if not path.exists():
            return [DONE] if generator.exists() else []
        done = files.read_json(path)
        config = files.sha256_json(files.read_json(self.folder / CONFIG))
        sound = {CONFIG: done.get("config") == config}
        if not (stripped := self.is_stripped):
            sound[GENERATOR] = generator.exists() and done.get("generator") == self.generator_sha256
        for name, digest in done.get("shown", {}).items():
            shown = self.folder / name
            if stripped and not shown.exists():
                continue
            sound[name] = shown.exists() and files.sha256_file(shown) == digest
        return [name for name, whole in sound.items() if not whole]

    def require_trained(self) -> None:
        """BusError unless it is trained."""
        if not self.is_done:
            raise BusError(
                f"{self.folder} holds no finished translator. Run bus gan train with the same --study and "
                "--fold first."
            )

    @property
    def seconds(self) -> float | None:
        """How long the training took; None before it is done, or where it is not known."""
        path = self.folder / DONE
        seconds = files.read_json(path).get("seconds") if path.exists() else None
        return float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < math.inf else None

    @property
    def generator_sha256(self) -> str:
        """Hash of the trained generator's file; BusError where there is none, and none was taken out."""
        if self.is_stripped:
            return str(files.read_json(self.folder / DONE).get("generator"))
        return files.sha256_file(self.folder / GENERATOR)

    def load(self, device: str) -> "AnyGenerator":
        """The trained (averaged) generator, ready to translate; BusError where it is damaged or not there."""
        from safetensors.torch import load_file

        if self.is_stripped:
            raise BusError(
                f"The weights of {self.folder} were taken out of this study. Copy {GENERATOR} back from "
                "where the study comes from, or use --redo to train another."
            )
        generator = self.known_config.build_generator()
        try:
            generator.load_state_dict(load_file(require_file(self.folder / GENERATOR)))
        except Exception as error:  # safetensors and torch raise nearly anything for a damaged file
            raise BusError(
                f"{self.folder / GENERATOR} is damaged ({error}). Use --redo to train it again."
            ) from error
        return generator.to(device).eval()

    # set aside

    def set_aside(self) -> Path | None:
        """Move the translator and its scans to the study's `aside/N`; None where nothing was there."""
        with self.scans.held():
            return set_aside(self.study, [self.folder, self.scans.folder])


def going_on(end: Exception, *, redo: bool) -> str:
    """What ended a work, in words; with --redo the same command would set aside what it left."""
    return f"{end} Leave --redo out then." if redo else str(end)


def set_aside(study: Study, folders: Sequence[Path]) -> Path | None:
    """Move folders of a study to `aside/N`, keeping their paths within; None where nothing was there."""
    present = [folder for folder in folders if folder.exists()]
    if not present:
        return None
    root = study.path / "aside"
    number = 1 + max((int(path.name) for path in root.glob("*") if path.name.isdecimal()), default=0)
    for folder in present:
        target = root / str(number) / folder.relative_to(study.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, target)
    return root / str(number)
