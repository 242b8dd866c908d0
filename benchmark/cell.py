"""A cell, one training of one classifier: what decides its result, and the only owner of its folder.

The folder holds `config.json` (what decides the result), `predictions.csv` (the answers on its fold's test
scans), `metrics.json` (their scores, and what the training took), `heat.npy` (where the classifier looked),
on demand `classifier.safetensors` (its weights) and `external-….csv` (answers on scans from elsewhere), and
`DONE`, which comes last and names the hashes of the others.
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..classify import metrics
from ..classify.recipe import Recipe
from ..core import files
from ..core.chance import stream
from ..core.errors import BusError
from ..core.opener import read_bytes
from ..data.store import Pixels
from ..data.study import Study
from .arms import ORIGINAL, Arm, parse

CONFIG, PREDICTIONS, METRICS, DONE = "config.json", "predictions.csv", "metrics.json", "DONE"
FLIPPED, HEAT, WEIGHTS = "flipped.csv", "heat.npy", "classifier.safetensors"
HASHED = {  # key in DONE → file
    "predictions": PREDICTIONS,
    "flipped": FLIPPED,
    "metrics": METRICS,
    "heat": HEAT,
    "weights": WEIGHTS,
}
SCAN = ("file", "sha256", "label", "group")  # columns of a scan in a table of answers
REMEDY = "Delete the folder and run the same command again."
UNPATHED = ("root", "folder", "first")  # where things lie decides no result
LATER = {"drawn_from": 0, "pooled": 1}  # what older cells do not record, with what they had

Floats = NDArray[np.float64]


def column(label: str) -> str:
    """The column that holds the probability of a class."""
    return f"p_{label}"


@dataclass(frozen=True)
class Answers:
    """What one classifier says of the test scans of its fold (N scans)."""

    cell: "Answered"
    scans: list[tuple[str, str, str, str]]  # file, sha256, label, group
    labels: NDArray[np.int64]  # N, numbers of classes
    given: NDArray[np.int64]  # N, the answered class
    probabilities: Floats  # N×C, rows sum to 1
    flipped: Floats | None = None  # N×C, averaged with the answers to mirror images, where that was kept


@dataclass(frozen=True)
class Done:
    """What `DONE` says: the hashes of all that a finished training wrote."""

    hashes: Mapping[str, str]  # of the configuration and the files: `config`, `predictions`, `heat` …
    external: Mapping[str, str]  # of tables of answers on scans from elsewhere, by file

    @classmethod
    def read(cls, path: Path) -> "Done":
        """Read the file; BusError where it holds something else."""
        content = files.read_json(path)
        external = content.pop("external", {})
        if not isinstance(external, Mapping):
            raise BusError(f"{path} does not hold what a training wrote. {REMEDY}")
        return cls(content, external)

    def write(self, path: Path) -> None:
        """Write the file."""
        files.write_json(path, {**self.hashes, **({"external": self.external} if self.external else {})})


@dataclass(frozen=True)
class Effort:
    """What a training took; None where the folder does not say."""

    seconds: float | None
    steps: int | None
    losses: tuple[float, ...] = ()  # means along the way, 50 at most


class Answered(ABC):
    """A folder with one classifier's answers on the test scans of a fold, whoever gave them."""

    fold: int
    arm: Arm
    model: str
    seed: int

    @property
    @abstractmethod
    def path(self) -> Path:
        """The folder."""

    def write_answers(self, study: Study, probabilities: Floats, name: str = PREDICTIONS) -> None:
        """Write probabilities (N×C) of the fold's test scans, as file `name`."""
        scans = [study.scans[row] for row in study.test(self.fold)]
        rows = [(scan.file, scan.sha256, scan.label, scan.group) for scan in scans]
        _write_table(self.path / name, rows, study.classes, probabilities, fold=self.fold)

    def _flipped(self, scans: Sequence[tuple[str, ...]], classes: Sequence[str]) -> Floats | None:
        """The mean of the answers to scans and to their mirror images (N×C), where it was kept."""
        path = self.path / FLIPPED
        if not path.exists():
            return None
        rows = files.read_csv(path, (*SCAN, *map(column, classes)))
        try:
            if [row["sha256"] for row in rows] != [sha256 for _, sha256, *_ in scans]:
                raise ValueError("other scans")
            return np.array([[float(row[column(name)]) for name in classes] for row in rows])
        except ValueError as error:
            raise BusError(f"{path} does not fit its {PREDICTIONS} ({error}). {REMEDY}") from error

    def answers(self, classes: Sequence[str]) -> Answers:
        """The answers; BusError where they are missing, damaged or about scans of another fold."""
        path, columns = self.path / PREDICTIONS, [column(name) for name in classes]
        rows = files.read_csv(path, (*SCAN, "fold", "predicted", *columns))
        try:
            probabilities = np.array([[float(row[name]) for name in columns] for row in rows])
            labels = np.array([classes.index(row["label"]) for row in rows], dtype=np.int64)
            given = np.array([classes.index(row["predicted"]) for row in rows], dtype=np.int64)
            strangers = sum(int(row["fold"]) != self.fold for row in rows)
        except ValueError as error:
            raise BusError(
                f"{path} holds something else than answers of a classifier ({error}). {REMEDY}"
            ) from error
        if not rows or strangers:
            wrong = f"{strangers} of {len(rows)} are others"
            raise BusError(f"{path} must hold test scans of fold {self.fold}; {wrong}. {REMEDY}")
        sums, best = probabilities.sum(axis=1), probabilities.max(axis=1)
        if not (np.abs(sums - 1) < 1e-3).all() or (probabilities < 0).any():
            raise BusError(f"{path} holds probabilities that are negative or don't add up to 1. {REMEDY}")
        if (probabilities[np.arange(len(rows)), given] < best - 1e-5).any():
            raise BusError(f"{path} names answers that are not the most probable class. {REMEDY}")
        scans = [(row["file"], row["sha256"], row["label"], row["group"]) for row in rows]
        return Answers(self, scans, labels, given, probabilities, self._flipped(scans, classes))

    def write_scores(self, scores: Mapping[str, float | None], effort: Effort | None = None) -> None:
        """Write what the answers score, and what the training took where there was one."""
        spent = {} if effort is None else {**asdict(effort), "losses": list(effort.losses)}
        files.write_json(self.path / METRICS, {**scores, **spent})

    @property
    def scores(self) -> dict[str, float | None]:
        """The metrics of the answers on the test scans, by name."""
        kept = files.read_json(self.path / METRICS)
        return {name: kept.get(name) for name in metrics.METRICS}

    @property
    def effort(self) -> Effort:
        """What the training took; BusError where the file holds something else."""
        path = self.path / METRICS
        kept = files.read_json(path)
        seconds, steps = kept.get("seconds"), kept.get("steps")
        if not (isinstance(seconds, int | float | None) and isinstance(steps, int | None)):
            raise BusError(f"{path} does not hold what a training wrote. {REMEDY}")
        return Effort(seconds, steps, tuple(kept.get("losses", ())))


@dataclass(frozen=True)
class Cell(Answered):
    """One training of one classifier: everything that decides its result, and the folder that holds it."""

    fold: int
    arm: Arm
    model: str
    seed: int
    recipe: Recipe
    gan_seed: int  # of the translator whose scans are added; 0 where none are
    added: dict[str, int]  # class → training scans beyond the original ones; of `adjusted`: as if there were
    precision: str
    device: str
    preset: str
    training_pixels: str  # hash of the real training scans and their classes
    synthetic: str  # hash of the synthetic scans used, or of what pasted ones are made from; else ""
    test_pixels: str
    root: Path  # the study's folder for cells of this fold
    folder: Path | None = None  # of another generator's scans; their content is in `synthetic`
    first: Path | None = None  # file of the first weights; its content is in `recipe.init`
    drawn_from: int = 0  # the fold, from which random numbers are drawn too; before that was so, always 0
    pooled: int = 1  # translators whose scans are added, `gan_seed` and the next ones

    @classmethod
    def open(cls, path: Path) -> "Cell":
        """A finished cell by its folder; BusError where its configuration is not the one that was trained."""
        config = files.read_json(path / CONFIG)
        if Done.read(path / DONE).hashes.get("config") != files.sha256_json(config):
            raise BusError(
                f"{path / CONFIG} is not what the training wrote. Delete {path} and run bus benchmark again."
            )
        named = {field.name for field in fields(cls)} - {*UNPATHED, *LATER, "arm", "recipe"}
        try:
            values = {name: config[name] for name in named} | {n: config.get(n, v) for n, v in LATER.items()}
            recipe = Recipe.from_json(config["recipe"])
            return cls(**values, arm=parse(config["arm"]), recipe=recipe, root=path.parents[2])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BusError(
                f"{path / CONFIG} was written by another version of bus ({error!r}). {REMEDY}"
            ) from error

    @property
    def config(self) -> Mapping[str, files.Json]:
        """What decides the result, as saved; paths are no part of it."""
        known = {name: value for name, value in asdict(self).items() if name not in UNPATHED}
        values = {name: value for name, value in known.items() if LATER.get(name) != value}
        return {**values, "arm": str(self.arm), "recipe": self.recipe.json}

    @property
    def path(self) -> Path:
        """The cell's folder; its name ends in a short hash of the configuration."""
        short = files.sha256_json(self.config)[:8]
        return self.root / self.arm.folder / self.model / f"seed-{self.seed}-{short}"

    @property
    def draw(self) -> int:
        """The number from which all its random numbers are drawn."""
        return stream(self.seed, self.drawn_from)

    @property
    def title(self) -> str:
        """The cell in words."""
        return f"fold {self.fold} · {self.arm} · {self.model} · seed {self.seed}"

    @property
    def is_done(self) -> bool:
        """Whether this very configuration was trained, and all but its weights lies there unchanged."""
        if not (self.path / DONE).exists():
            return False
        kept = self.done.hashes
        if not self.arm.trains and kept.get("original") != self.original.answers_sha256:
            return False
        written = {self.path / name: kept.get(key) for key, name in HASHED.items() if key != "weights"}
        return kept.get("config") == files.sha256_json(self.config) and all(
            path.exists() and _digest(path) == digest
            for path, digest in written.items()
            if digest is not None or path.name == PREDICTIONS
        )

    @property
    def lost(self) -> list[str]:
        """Files of this very training, finished once, that are missing or not as it wrote them."""
        done = self.path / DONE
        if not done.exists() or self.done.hashes.get("config") != files.sha256_json(self.config):
            return []
        return [name for name in changed(self.path) if name != WEIGHTS]

    @property
    def original(self) -> "Cell":
        """The cell of the data as they are, of the same recipe and seed: `adjusted` corrects its answers."""
        return replace(self, arm=ORIGINAL, added={})

    @property
    def answers_sha256(self) -> str | None:
        """The hash of the answers of a finished cell; None before."""
        return self.done.hashes.get("predictions") if (self.path / DONE).exists() else None

    @property
    def done(self) -> Done:
        """What was noted when the training was finished; BusError before."""
        return Done.read(self.path / DONE)

    @property
    def weights(self) -> Path | None:
        """The file of the trained weights, if they were kept."""
        path = self.path / WEIGHTS
        return path if path.exists() else None

    @property
    def has_whole_weights(self) -> bool:
        """Whether the trained weights were kept as they are, not in half precision."""
        path = self.path / WEIGHTS
        if not path.exists():
            return False
        with path.open("rb") as handle:  # a safetensors file begins with the length of its header
            length = int.from_bytes(handle.read(8), "little")
            return b'"F16"' not in handle.read(min(length, path.stat().st_size))

    def checked_weights(self) -> Path:
        """The file of the trained weights; BusError unless it is as the training wrote it."""
        path = self.path / WEIGHTS
        if self.done.hashes.get("weights") != files.sha256_file(path):
            raise BusError(
                f"{path} was changed since it was written. Delete {self.path} and run the same command again."
            )
        return path

    def heat(self) -> Pixels | None:
        """Where the classifier looked on each test scan for its answer (N×g×g uint8, rows as in `answers`).

        None for cells that were trained before heat was kept; BusError where it is damaged.
        """
        path = self.path / HEAT
        if not path.exists():
            return None
        try:
            heat: Pixels = np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)
            if heat.dtype != np.uint8 or heat.ndim != 3:
                raise ValueError(f"{heat.dtype} of shape {heat.shape}")
        except (OSError, ValueError, EOFError) as error:
            raise BusError(f"{path} does not fit its {PREDICTIONS} ({error}). {REMEDY}") from error
        return heat

    def write(
        self,
        study: Study,
        probabilities: Floats,
        heat: Pixels | None,
        effort: Effort,
        weights: bytes | None = None,
        external: "ExternalAnswers | None" = None,
        flipped: Floats | None = None,
    ) -> None:
        """Write what a training gave; `weights` is the content of a safetensors file, where one is kept.

        `flipped`: answers averaged with those to mirror images. An arm that trains nothing has answers alone,
        and the hash of those that it corrected. DONE comes last and names the predictions: no mixture of an
        old and a new result counts as done.
        """
        rows, target = study.test(self.fold), study.classes.index(study.target)
        scores = metrics.scores(study.labels[rows], probabilities, target)
        study.require()
        files.write_json(self.path / CONFIG, self.config)
        self.write_answers(study, probabilities)
        if flipped is not None:
            self.write_answers(study, flipped, FLIPPED)
        if heat is not None:
            buffer = io.BytesIO()
            np.save(buffer, heat, allow_pickle=False)
            files.write_bytes(self.path / HEAT, buffer.getvalue())
        self.write_scores(scores, effort)
        tables = self._tables_of(files.sha256_file(self.path / PREDICTIONS))
        (self.path / WEIGHTS).unlink(missing_ok=True)
        if weights is not None:
            files.write_bytes(self.path / WEIGHTS, weights)
        paths = {key: self.path / name for key, name in HASHED.items()}
        hashes = {key: _digest(path) for key, path in paths.items() if path.exists()}
        original = None if self.arm.trains else self.original.answers_sha256
        made_from = {"original": original} if original else {}
        self._finish({"config": files.sha256_json(self.config), **hashes, **made_from}, tables, external)

    def write_external(self, external: "ExternalAnswers") -> None:
        """Write the table of answers on scans from elsewhere; `DONE` does not know of it yet."""
        path = self.path / external_file(external.sha256)
        _write_table(path, external.scans, external.classes, external.probabilities)

    def add_external(self, external: "ExternalAnswers") -> None:
        """Write answers on scans from elsewhere into the folder of a finished cell."""
        done = self.done
        there = {name: digest for name, digest in done.external.items() if (self.path / name).exists()}
        self._finish(done.hashes, there, external)

    def _tables_of(self, predictions: str) -> dict[str, str]:
        """Name → hash of the tables on scans from elsewhere that a training with these predictions wrote.

        The others go: another network gave their answers, or somebody changed them.
        """
        done = self.done if (self.path / DONE).exists() else Done({}, {})
        known = done.external if done.hashes.get("predictions") == predictions else {}
        kept = {}
        for path in self.path.glob(external_file("*")):
            if (digest := files.sha256_file(path)) == known.get(path.name):
                kept[path.name] = digest
            else:
                path.unlink()
        return kept

    def _finish(
        self, hashes: Mapping[str, str], tables: Mapping[str, str], external: "ExternalAnswers | None"
    ) -> None:
        if external:
            self.write_external(external)
            name = external_file(external.sha256)
            tables = {**tables, name: files.sha256_file(self.path / name)}
        Done(hashes, dict(sorted(tables.items()))).write(self.path / DONE)

    def has_external(self, sha256: str) -> bool:
        """Whether a finished cell's answers on this set of external scans lie there as they were written."""
        path = self.path / external_file(sha256)
        return path.exists() and self.done.external.get(path.name) == files.sha256_file(path)

    def external(self, sha256: str, scans: Sequence[str], classes: Sequence[str]) -> Floats:
        """Probabilities (N×classes) for external scans, given by their hashes; BusError for other scans."""
        path = self.path / external_file(sha256)
        rows = files.read_csv(path, (*SCAN, *map(column, classes)))
        if [row["sha256"] for row in rows] != list(scans):
            raise BusError(f"{path} holds answers on other scans. Delete it and run the same command again.")
        return np.array([[float(row[column(name)]) for name in classes] for row in rows])


@dataclass(frozen=True)
class ExternalAnswers:
    """What one classifier says of a set of scans from elsewhere (N scans)."""

    sha256: str  # of the set
    scans: Sequence[tuple[str, ...]]  # file, sha256, label, group
    classes: Sequence[str]  # of the study
    probabilities: Floats  # N×C


def external_file(sha256: str) -> str:
    """The name of a table of answers on external scans in a cell's folder."""
    return f"external-{sha256[:12]}.csv"


def finished_folders(cells: Path) -> Iterator[tuple[str, Path]]:
    """(folder of its arm, folder) of every cell below a fold's folder of cells that was finished once."""
    for done in sorted(cells.glob(f"*/*/*/{DONE}")):
        yield done.parents[2].name, done.parent


def _digest(path: Path) -> str:
    """Hash of a file of a cell, for DONE; of the scores without the time that the training took."""
    if path.name != METRICS:
        return files.sha256_file(path)
    return files.sha256_json({key: value for key, value in files.read_json(path).items() if key != "seconds"})


def changed(folder: Path) -> list[str]:
    """Files of a finished cell that are missing or not what its training wrote; BusError: damaged JSON."""
    done = Done.read(folder / DONE)
    known = {HASHED[key]: digest for key, digest in done.hashes.items() if key in HASHED} | {**done.external}
    lost = [
        name
        for name, digest in known.items()
        if not (folder / name).exists() or _digest(folder / name) != digest
    ]
    config = files.sha256_json(files.read_json(folder / CONFIG))
    return [*lost, *[CONFIG] * (done.hashes.get("config") != config)]


def finished_cells(cells: Path, arm: str, model: str, seed: int) -> list[Path]:
    """Folders of the finished cells of this kind below a fold's folder of cells, the newest last."""
    done = (cells / arm / model).glob(f"seed-{seed}-*/{DONE}")
    return [
        path.parent for path in sorted(done, key=lambda path: (path.stat().st_mtime_ns, path.parent.name))
    ]


def cells_with_weights(cells: Path) -> Iterator[tuple[str, str, int, Path]]:
    """(folder of its arm, model, seed, folder) of finished cells that kept their weights, oldest first."""
    done = [path for path in cells.glob(f"*/*/seed-*/{DONE}") if path.with_name(WEIGHTS).exists()]
    for path in sorted(done, key=lambda path: (path.stat().st_mtime_ns, path.parent.name)):
        seed = path.parent.name.split("-")[1]
        if seed.isdecimal():
            yield path.parents[2].name, path.parents[1].name, int(seed), path.parent


def lost_weights(cells: Path) -> Iterator[tuple[str, str, int, Path]]:
    """As `cells_with_weights`, of those whose weights were kept once and are missing."""
    for path in sorted(cells.glob(f"*/*/seed-*/{DONE}")):
        seed = path.parent.name.split("-")[1]
        lost = not path.with_name(WEIGHTS).exists() and "weights" in Done.read(path).hashes
        if lost and seed.isdecimal():
            yield path.parents[2].name, path.parents[1].name, int(seed), path.parent


def kept_weights(study: Path) -> Iterator[tuple[Path, str]]:
    """(file, hash of its cell's test scans) of all classifiers' weights in a study and those below it."""
    for path in sorted(study.glob(f"**/cells/**/{WEIGHTS}")):
        yield path, str(files.read_json(path.with_name(CONFIG)).get("test_pixels"))


def _write_table(
    path: Path,
    scans: Sequence[tuple[str, ...]],
    classes: Sequence[str],
    probabilities: Floats,
    *,
    fold: int | None = None,
) -> None:
    """Write answers: a row a scan, the answered class, a column with the probability of each class."""
    place = ["fold"] if fold is not None else []
    header = [*SCAN, *place, "predicted", *map(column, classes)]
    rows = [
        [*scan, *[fold] * len(place), classes[answer], *(f"{value:.8f}" for value in shares)]
        for scan, answer, shares in zip(scans, metrics.answers(probabilities), probabilities, strict=True)
    ]
    files.write_csv(path, header, rows)
