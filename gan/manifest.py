"""A set of synthetic scans: the only owner of its folder, `fold-F/synth/seed-S/CLASS/` of a study.

The folder holds the scans as PNG, `manifest.csv` (where each comes from), `scores.json` and
`scores-test.json` (how far they are from real ones), `filter.json` and `reader.json` (what chose them),
`remade.json` (which were made once more and were the same), and the datasheet.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..core import files, lock
from ..core.errors import BusError, visible
from ..data.pictures import grey_or_none, synthetic_png
from ..data.store import Pixels
from ..data.study import Study, class_folder
from .scores.model import HeldOutScores, Scores, read, to_json

T = TypeVar("T")
MANIFEST, SCORES, TEST_SCORES = "manifest.csv", "scores.json", "scores-test.json"
FILTER, READINGS, DATASHEET = "filter.json", "reader.json", "DATASHEET.md"
REMADE = "remade.json"


@dataclass(frozen=True)
class Synthetic:
    """A row of `manifest.csv`: where one synthetic scan comes from."""

    file: str
    sha256: str  # of its grey pixels
    source_file: str
    source_sha256: str
    source_label: str
    source_group: str
    fold: int | None
    variant: str  # plain | flipped | cropped
    generator_sha256: str
    seed: int  # of the translator
    index: int
    synthetic: str = "SYNTHETIC, not a patient"


@dataclass(frozen=True)
class TranslatedScan:
    """A row of the manifest beside translations of any scans (`bus translate`): where one comes from."""

    file: str
    sha256: str  # of its grey pixels
    source_file: str
    source_sha256: str  # of its pixels as 8-bit RGB
    in_study: str  # training | test | left out | "": what the translator's study knows of the source
    target: str
    generator_sha256: str
    synthetic: str = "SYNTHETIC, not a patient"


@dataclass(frozen=True)
class Remade:
    """Which scans of a set an audit made once more from their sources and found the same."""

    manifest: str  # hash of the manifest that names them
    files: tuple[str, ...]
    exact: int  # of them bit for bit the same
    when: str  # date, UTC


COLUMNS = tuple(item.name for item in fields(Synthetic))
TRANSLATED_COLUMNS = tuple(item.name for item in fields(TranslatedScan))
CHECK = "row_sha256"  # last column: the first digits of the hash of the others; older manifests have none


class SyntheticSet:
    """The synthetic scans of class `label` made by one translator (`seed`) of one fold; it need not exist
    yet."""

    def __init__(self, study: Study, fold: int | None, label: str, seed: int) -> None:
        self.study, self.fold, self.label, self.seed = study, fold, label, seed
        self.folder = study.fold_path(fold) / "synth" / f"seed-{seed}" / class_folder(label)

    @classmethod
    def all_of(cls, study: Study) -> Iterator["SyntheticSet"]:
        """Every set that a study holds: by fold, seed and class."""
        labels = {class_folder(label): label for label in study.classes}
        for fold, folder in study.fold_folders():
            for manifest in sorted(folder.glob(f"synth/seed-*/*/{MANIFEST}")):
                label, seed = manifest.parent.name, manifest.parents[1].name.removeprefix("seed-")
                if label in labels and seed.isdecimal():
                    yield cls(study, fold, labels[label], int(seed))

    def held(self) -> AbstractContextManager[None]:
        """Keep other processes from changing the set; waits for one that is at it."""
        return lock.hold(self.folder, f"The set of synthetic scans {self.folder}")

    @property
    def rows(self) -> list[Synthetic]:
        """Its scans in their order; empty where there is no manifest, BusError where it is damaged."""
        return read_manifest(self.folder)

    def write_rows(self, rows: Sequence[Synthetic]) -> None:
        """Write the manifest; the scans it names are there already."""
        header = (*COLUMNS, CHECK)
        files.write_csv(self.folder / MANIFEST, header, ((*astuple(row), _check(row)) for row in rows))

    @property
    def sha256(self) -> str:
        """Hash of the manifest, and with it of every scan; BusError where there is none."""
        return files.sha256_file(self.folder / MANIFEST)

    def write_scan(self, row: Synthetic, pixels: Pixels) -> None:
        """Write one scan (S×S uint8) as a PNG that says what it is."""
        files.write_bytes(self.folder / row.file, synthetic_png(pixels))

    def pixels(self, rows: Sequence[Synthetic]) -> Pixels:
        """Scans of the set (N×S×S uint8), each checked against its hash; BusError names the first bad one."""
        if self.is_stripped:
            raise BusError(
                f"The scans of {self.folder} were taken out of this study, so that nothing can be trained on "
                f"them any more. Where their generator is still there, delete {MANIFEST} and run bus synth, "
                "which makes the same ones; else copy both back from where the study comes from."
            )
        size = self.study.settings.size
        squares = np.zeros((len(rows), size, size), np.uint8)
        for number, row in enumerate(rows):
            picture = self.picture(row.file)
            if picture is None or files.sha256_bytes(picture.tobytes()) != row.sha256:
                raise BusError(
                    f"{self.folder / row.file} is missing or not the scan its manifest names (hash "
                    f"{row.sha256[:12]}…). Delete {self.folder / MANIFEST} and run bus synth again."
                )
            squares[number] = picture
        return squares

    @property
    def changed(self) -> list[str]:
        """Scans that are missing, or not what the manifest names; BusError for damaged tables and scores."""
        digests = {row.file: row.sha256 for row in self.rows}
        pictures = {file: self.picture(file) for file in digests}
        for name in (SCORES, TEST_SCORES, FILTER):  # they are sealed
            if (self.folder / name).exists():
                files.read_json(self.folder / name)
        if self.is_stripped:
            return []
        return [
            file
            for file, picture in pictures.items()
            if picture is None or files.sha256_bytes(picture.tobytes()) != digests[file]
        ]

    def picture(self, file: str) -> Pixels | None:
        """One file of the set as it is (H×W uint8), unchecked; None where there is no such picture."""
        return grey_or_none(self.folder / file) if _is_inside(file) else None

    @property
    def remade(self) -> Remade | None:
        """What an audit made once more; None where none did, or where the set has changed since."""
        kept = self._read(Remade, REMADE, mend="run bus benchmark again")
        return kept if kept and kept.manifest == self.sha256 else None

    def write_remade(self, remade: Remade) -> None:
        """Keep what an audit made once more."""
        files.write_json(self.folder / REMADE, asdict(remade))

    @property
    def is_stripped(self) -> bool:
        """Whether its scans were taken out, all of them, once an audit had made them once more."""
        manifest = self.folder / MANIFEST
        return manifest.exists() and not any(self.folder.glob("*.png")) and self.remade is not None

    @property
    def scores(self) -> Scores | None:
        """What `scores.json` says; None where the set was not scored, BusError where the file is damaged."""
        return self._read(Scores, SCORES)

    @property
    def scores_sha256(self) -> str:
        """Hash of the file of scores; "" where the set was not scored."""
        path = self.folder / SCORES
        return files.sha256_file(path) if path.exists() else ""

    def write_scores(self, scores: Scores) -> None:
        """Keep the scores of the set."""
        files.write_json(self.folder / SCORES, to_json(scores))

    @property
    def test_scores(self) -> HeldOutScores | None:
        """How far the scans are from the fold's test scans; None where nobody looked, or saw other scans."""
        kept = self._read(HeldOutScores, TEST_SCORES)
        return kept if kept and kept.manifest == self.sha256 else None

    def write_test_scores(self, scores: HeldOutScores) -> None:
        """Keep the scores against test scans."""
        files.write_json(self.folder / TEST_SCORES, to_json(scores))

    def _read(
        self, kind: type[T], name: str, mend: str = "run bus gan score with the same --study and --fold"
    ) -> T | None:
        """A file of values; None where there is none."""
        path = self.folder / name
        try:
            return read(kind, files.read_json(path)) if path.exists() else None
        except (TypeError, ValueError) as error:
            raise BusError(
                f"{path} does not hold what this version wrote ({error}). Delete it and {mend}."
            ) from error

    @property
    def confidence(self) -> float:
        """What the reader had to give a scan for it to be kept; 0 where all were kept."""
        path = self.folder / FILTER
        try:
            found = float(files.read_json(path)["confidence"]) if path.exists() else 0.0
            if not 0 <= found <= 1:
                raise ValueError(found)
            return found
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BusError(
                f"{path} does not say what its scans had to reach ({error!r}). Run bus synth --redo."
            ) from error

    def write_confidence(self, confidence: float) -> None:
        """Freeze what scans of this set must reach; before its first scan."""
        files.write_json(self.folder / FILTER, {"confidence": confidence})

    @property
    def readings_path(self) -> Path:
        """The file in which the reader keeps what it said of these scans (`reader.Readings`)."""
        return self.folder / READINGS

    def write_datasheet(self, text: str) -> None:
        """Write the sheet for whoever gets the scans."""
        files.write_text(self.folder / DATASHEET, visible(text))

    @property
    def has_datasheet(self) -> bool:
        """Whether the sheet is there."""
        return (self.folder / DATASHEET).exists()


def read_manifest(folder: Path) -> list[Synthetic]:
    """The rows of the manifest in a folder of synthetic scans; as `SyntheticSet.rows`."""
    path = folder / MANIFEST
    if not path.exists():
        return []
    try:
        return [_row(cells) for cells in files.read_csv(path, COLUMNS)]
    except (TypeError, ValueError) as error:
        raise BusError(f"{path} is damaged ({error}). Delete it and run bus synth again.") from error


def read_any_manifest(folder: Path) -> Sequence[Synthetic | TranslatedScan]:
    """The rows of a folder's manifest, whichever command wrote it; none of another program's, which says
    nothing of a generator."""
    path = folder / MANIFEST
    rows = files.read_csv(path) if path.exists() else []
    columns = rows[0].keys() if rows else set()
    if columns == set(TRANSLATED_COLUMNS):
        return [TranslatedScan(**row) for row in rows]
    return read_manifest(folder) if "generator_sha256" in columns else []


def write_translated(folder: Path, rows: Sequence[TranslatedScan]) -> None:
    """Write the manifest of a folder of translations, which belongs to no study."""
    files.export_csv(folder / MANIFEST, TRANSLATED_COLUMNS, map(astuple, rows))


def _check(row: Synthetic) -> str:
    texts = ["" if value is None else value for value in astuple(row)]
    return files.sha256_json({"row": texts})[:16]


def _row(cells: dict[str, str]) -> Synthetic:
    """A row as read; ValueError for numbers that are none and for files outside the folder."""
    texts = {name: cells[name] for name in COLUMNS if name not in ("fold", "seed", "index")}
    fold = int(cells["fold"]) if cells["fold"] else None
    row = Synthetic(**texts, fold=fold, seed=int(cells["seed"]), index=int(cells["index"]))
    if not _is_inside(row.file):
        raise ValueError(f"{row.file} is no file of this folder")
    if row.index < 0 or row.seed < 0 or (fold or 0) < 0:
        raise ValueError(f"a number of {row.file} is below 0")
    if CHECK in cells and cells[CHECK] != _check(row):
        raise ValueError(f"the row of {row.file} is not what was written")
    return row


def _is_inside(file: str) -> bool:
    """Whether a name is that of a file in the folder itself."""
    return bool(file) and Path(file).name == file and "\\" not in file and "\0" not in file


def acceptance(rows: Sequence[Synthetic]) -> float:
    """The share of a translator's scans that was kept: 1 without a filter."""
    return len(rows) / (rows[-1].index + 1) if rows else 1.0
