"""A study on disk with made-up answers, as small as a report allows, and with hostile names on demand."""

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bus.benchmark.arms import DEFAULT_ARMS, ORIGINAL, parse
from bus.benchmark.audit import Check
from bus.benchmark.cell import HEAT, Cell
from bus.benchmark.cells import needed
from bus.benchmark.report.study_report import write_report
from bus.benchmark.report_folder import TEXT, ReportFolder
from bus.benchmark.results import statistics as stats
from bus.benchmark.results.model import Summary
from bus.benchmark.results.summary import summarise
from bus.classify.recipe import Recipe
from bus.core import files
from bus.core.compute import Compute
from bus.data import phantom
from bus.data.caution import Caution
from bus.data.cohort import LeftOut, Scan
from bus.data.settings import FORMAT, DataInfo, Settings, freeze
from bus.data.store import UNKNOWN, Box, Squares
from bus.data.study import Study
from bus.gan import synth, train
from bus.gan.config import configure
from bus.gan.manifest import Synthetic, SyntheticSet
from bus.gan.scores.model import Scores, read
from bus.gan.translator import Translator

SIZE = 64
COUNTS = {"benign": 60, "malignant": 30, "normal": 20}
FOLDS = 5
HOSTILE = "<script>alert(1)</script> $x$ *a* | `b`"
SKILL = {"original": 1.1, "weighted": 1.2, "adjusted": 1.1, "oversampled": 1.25}  # of others 1.5


@dataclass(frozen=True)
class MadeUp:
    """What a report is written from."""

    study: Study
    cells: list[Cell]
    summary: Summary
    checks: list[Check]

    @property
    def html(self) -> str:
        """The page that was written."""
        return ReportFolder(self.study.path).page.read_text(encoding="utf-8")

    @property
    def markdown(self) -> str:
        """Its Markdown twin."""
        return (ReportFolder(self.study.path).path / TEXT).read_text(encoding="utf-8")


def _cohort(path: Path, names: dict[str, str], rng: np.random.Generator) -> list[Scan]:
    """Write pixels.npy and masks.npy: discs on speckle, two scans a group, the last scan left out."""
    rows: list[Scan] = []
    squares = []
    y, x = np.mgrid[:SIZE, :SIZE]
    for label, count in COUNTS.items():
        for number in range(count):
            square = rng.rayleigh(45, (SIZE, SIZE))
            if label != "normal":
                edge = 12 + (3 * np.sin(5 * np.arctan2(y - 30, x - 32)) if label == "malignant" else 0)
                square[np.hypot(y - 30, x - 32) < edge] *= 0.25
            squares.append(np.clip(square, 0, 255).astype(np.uint8))
            out = None if number < count - 1 else LeftOut("contradiction", "benign, malignant")
            fold = None if out else (number // 2) % FOLDS
            digest = files.sha256_bytes(squares[-1].tobytes())
            name = names.get(label, label)
            file, group = f"{name}/{name} ({number + 1}).png", f"{label}-{number // 2}"
            rows.append(Scan(file, digest, name, group, fold, out, 500, 470, Box(2, 0, SIZE - 4, SIZE)))
    path.mkdir(parents=True, exist_ok=True)
    kept = Squares(path, SIZE)
    for place, square in enumerate(squares):
        kept.put(place, square)
    kept.save(path / "pixels.npy", range(len(squares)))
    masks = Squares(path, SIZE, blank=UNKNOWN)
    for place, row in enumerate(rows):
        if place % 5:  # every fifth scan came without a mask
            masks.put(place, np.asarray((np.hypot(y - 30, x - 32) < 12) & (row.label != "normal"), np.uint8))
    masks.save(path / "masks.npy", range(len(squares)))
    return rows


def _answers(study: Study, cell: Cell, rng: np.random.Generator) -> None:
    """Write one cell's folder; VGG19 on the original arm answers the first class to everything."""
    rows, table = study.test(cell.fold), []
    for row in rows:
        logits = rng.normal(0, 1, len(study.classes))
        logits[study.labels[row]] += SKILL.get(cell.arm.kind, 1.5) * 1.3
        if (cell.model, cell.arm) == ("vgg19", ORIGINAL):
            logits[0] += 9
        shares = np.round(np.exp(logits) / np.exp(logits).sum(), 8)
        scan = study.scans[row]
        answer = study.classes[int(shares.argmax())]
        table.append([scan.file, scan.sha256, scan.label, scan.group, cell.fold, answer, *shares])
    header = [
        "file",
        "sha256",
        "label",
        "group",
        "fold",
        "predicted",
        *(f"p_{name}" for name in study.classes),
    ]
    files.write_csv(cell.path / "predictions.csv", header, table)
    files.write_json(cell.path / "config.json", cell.config)
    files.write_json(cell.path / "metrics.json", {"seconds": 93.5, "steps": cell.recipe.steps})


def _heat(study: Study, cell: Cell, rng: np.random.Generator) -> None:
    """Write one cell's heat: `cyclegan` looks at the middle, where the discs are, the others anywhere."""
    heat = rng.integers(0, 256, (len(study.test(cell.fold)), 4, 4)).astype(np.uint8)
    if cell.arm.kind == "cyclegan":
        heat = heat // 8
        heat[:, 1:3, 1:3] = 255
    buffer = io.BytesIO()
    np.save(buffer, heat)
    files.write_bytes(cell.path / HEAT, buffer.getvalue())


def _translator(study: Study, fold: int, rng: np.random.Generator) -> None:
    """Write a translator's folder and its synthetic scans with scores."""
    translator = Translator(study, fold, study.target, 0)
    scans = translator.scans
    lines = [
        {
            "step": n,
            "pairs": 100 * n,
            "generator": 4 / n + 2,
            "adversarial": 0.5 + rng.normal(0, 0.05),
            "cycle": 0.3 / n**0.5,
            "identity": 0.2 / n**0.5,
            "discriminators": 0.5 - 0.004 * n,
            "seconds": 20.0,
        }
        for n in range(1, 61)
    ]
    translator.write_lines(lines)
    cpu = Compute("cpu", "float32", 1)
    translator.write_config(
        configure(study, cpu, fold=fold, target=study.target, seed=0, preset="quick", pairs=6000)
    )
    sources = study.rows_of(study.train(fold), [name for name in study.classes if name != study.target])[:10]
    rows = []
    for index, row in enumerate(sources):
        made, scan = cv2.GaussianBlur(study.pixels[row], (5, 5), 0), study.scans[row]
        synthetic = Synthetic(
            f"synthetic ({index + 1}).png",
            files.sha256_bytes(made.tobytes()),
            scan.file,
            scan.sha256,
            scan.label,
            scan.group,
            fold,
            "plain",
            "ab" * 32,
            0,
            index,
        )
        scans.write_scan(synthetic, made)
        rows.append(synthetic)
    scans.write_rows(rows)
    sheet = np.hstack([study.pixels[sources[:4]].reshape(-1, SIZE)] * 5)
    files.write_bytes(translator.sheet(6000), cv2.imencode(".png", sheet)[1].tobytes())
    scans.write_scores(read(Scores, _scores(study, sources)))


def _scores(study: Study, sources: Sequence[int]) -> dict[str, Any]:
    """Scores as an earlier version wrote them."""

    def triple(score: float, floor: float, ceiling: float, normalised: float | None = None) -> dict[str, Any]:
        values = {"score": score, "floor": floor, "ceiling": ceiling}
        made: dict[str, Any] = {
            key: {"mean": value, "spread": abs(value) / 10} for key, value in values.items()
        }
        return made if normalised is None else {**made, "normalised": {"mean": normalised, "spread": 0.2}}

    return {
        "extractor": {
            "name": "efficientnet-lite0",
            "label": "FD (EfficientNet-Lite0)",
            "reason": "No Inception weights.",
        },
        "trained_with": None,
        "n": {"synthetic": 10, "sources": 10, "target": 24, "half": 12, "splits": 50},
        "reference": "target scans of the training part of fold 0",
        "kid": triple(0.041, -0.003, 0.027, 1.47),
        "frechet": triple(91.0, 60.0, 85.0),
        "precision": triple(0.4, 0.7, 0.5),
        "recall": triple(0.3, 0.6, 0.5),
        "density": triple(0.5, 0.9, 0.6),
        "coverage": triple(0.4, 0.8, 0.5),
        "identity": {"synthetic": 21.3, "blurred": 9.2, "regained": 11.8},
        "copies": {
            "threshold": 0.11,
            "synthetic": 0.02,
            "held_out": 0.03,
            "worst": [
                {
                    "file": f"synthetic ({n}).png",
                    "nearest": study.scans[sources[n]].file,
                    "distance": 0.1 + n / 100,
                }
                for n in (1, 2, 3)
            ],
        },
        "reader": {
            "target": 0.81,
            "others": {"benign": 0.2, "normal": 0.05},
            "sources": 0.17,
            "synthetic": 0.44,
            "synthetic_from": {"benign": 0.5, "normal": 0.3},
        },
        "distinct": {
            "effective": 6.2,
            "n": 10,
            "sources": 10,
            "compared": 10,
            "synthetic": 6.2,
            "target": 8.1,
        },
        "warnings": [
            {"name": "worse than nothing", "text": "KID is worse than that of the untranslated sources."}
        ],
        "notes": ["FID was not computed."],
    }


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., MadeUp]:
    """A function that writes a study with made-up answers and returns what a report needs."""

    def make(
        *,
        folds: Sequence[int] = (0, 1),
        arms: Sequence[str] = DEFAULT_ARMS,
        translator: bool = True,
        benign: str = "benign",
        preset: str = "quick",
        banners: tuple[str, ...] = (),
        heat: bool = True,
        seeds: int = 1,
        translators: int = 100,  # of a fold, taken in turn; each seed its own where they are as many
    ) -> MadeUp:
        path, rng = tmp_path_factory.mktemp("made-up") / "study", np.random.default_rng(5)
        scans = _cohort(path, {"benign": benign}, rng)
        info = DataInfo("busi", "…", "cd" * 32, "", "list", 798)
        classes = tuple(sorted([benign, "malignant", "normal"]))
        said = tuple(Caution("said", detail=banner) for banner in banners)
        settings = Settings(FORMAT, info, "clean", SIZE, FOLDS, 0, "malignant", None, classes, said)
        freeze(path, settings, scans)
        study = Study.open(path)
        cells = [
            Cell(
                fold,
                parse(arm),
                model,
                seed,
                Recipe(model, 600, weighted=arm == "weighted"),
                seed % translators if arm == "cyclegan" else 0,
                {"malignant": 30},
                "float32",
                "cpu",
                preset,
                "aa" * 32,
                "bb" * 32,
                "cc" * 32,
                study.cells_path(fold),
            )
            for fold in folds
            for model in ("simplecnn", "vgg19", "resnet18")
            for seed in range(seeds)
            for arm in arms
        ]
        for cell in cells:
            _answers(study, cell, rng)
        for cell in (cell for cell in cells if heat and cell.arm.trains):
            _heat(study, cell, rng)
        for fold in folds if translator else ():
            _translator(study, fold, rng)
        checks = [Check("no group is in both the training and the test part", 107, True)]
        with pytest.MonkeyPatch.context() as patch:  # few draws: what a report says of them is not at stake
            patch.setattr(stats, "sample", partial(stats.sample, draws=100))
            return MadeUp(study, cells, summarise(study, cells), checks)

    return make


@pytest.fixture(scope="session")
def answers_alone(made_up: Callable[..., MadeUp]) -> MadeUp:
    """Made-up answers without translator and heat; read only."""
    return made_up(translator=False, heat=False)


@pytest.fixture(scope="session")
def translated(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a tiny translator and enough scans of it for folds 0 and 1; copy it to change it."""
    path, cpu = tmp_path_factory.mktemp("translated") / "study", Compute("cpu", "float32", 1)
    shutil.copytree(tiny_study, path)
    study = Study.open(path)
    for fold in (0, 1):
        config = configure(
            study, cpu, fold=fold, target="malignant", seed=0, preset="demo", pairs=4, method="published"
        )
        train.train(study, replace(config, channels=4, blocks=1), cpu)
        count = max(needed(study, other, "malignant") for other in (0, 1))
        synth.synthesise(Translator(study, fold, "malignant", 0), cpu, count=count)
    return path


@pytest.fixture
def study(translated: Path, tmp_path: Path) -> Study:
    """A copy of that study, to be changed."""
    return Study.open(Path(shutil.copytree(translated, tmp_path / "study")))


@pytest.fixture
def edit_manifest() -> Callable[[Study, Callable[[dict[str, str]], None]], None]:
    """A function that changes the first row of the manifest of a study's first synthetic scans."""

    def edit(study: Study, change: Callable[[dict[str, str]], None]) -> None:
        path = SyntheticSet(study, 0, "malignant", 0).folder / "manifest.csv"
        rows = list(csv.DictReader(path.open()))
        change(rows[0])
        for row in rows:  # as manifests of earlier versions are, and forged ones
            row.pop("row_sha256", None)
        with path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return edit


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of another seed, another scanner and another size."""
    return phantom.write_cohort(
        tmp_path_factory.mktemp("elsewhere") / "cohort", 30, seed=9, size=48, scanner="linear-7"
    )


@pytest.fixture(scope="session")
def full(made_up: Callable[..., Any]) -> Any:
    """Made-up answers of all kinds with their report."""
    made = made_up(banners=("Numbers of made-up answers mean nothing.",))
    write_report(made.study, made.summary, cells=made.cells, checks=made.checks, commands=["bus benchmark"])
    return made
