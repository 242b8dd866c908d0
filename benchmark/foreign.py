"""Another generator's scans (`--synthetic FOLDER`): used as they are, since their origin is unknown."""

from functools import lru_cache
from pathlib import Path

from ..core import files
from ..core.errors import UsageError
from ..data.store import Pixels
from ..data.study import Study
from ..gan.scoring import pictures


@lru_cache(maxsize=2)
def _squares(folder: Path, size: int) -> Pixels:
    return pictures(folder, size)


def load(study: Study, folder: Path, number: int) -> Pixels:
    """The first `number` scans of a folder by name, letterboxed (N×S×S); UsageError where there are fewer."""
    found = _squares(folder, study.settings.size)
    if len(found) < number:
        raise UsageError(
            f"--synthetic {folder} holds {len(found)} scans; {number} are needed. Add more, or give a "
            "smaller --dose."
        )
    return found[:number]


def sha256(study: Study, folder: Path, number: int) -> str:
    """Hash of the scans that an arm uses."""
    return files.sha256_bytes(load(study, folder, number).tobytes())


def copies(study: Study, folder: Path, number: int, fold: int) -> list[str]:
    """Test scans of a fold whose very pixels are among the scans used: of a generator that copied, say."""
    shown = {square.tobytes() for square in load(study, folder, number)}
    return [study.scans[row].file for row in study.test(fold) if study.pixels[row].tobytes() in shown]
