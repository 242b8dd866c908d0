"""A finished translator on any scans (`bus translate`): no study changes, and the result says what it is."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ..core import files
from ..core.compute import Compute
from ..core.errors import BusError, UsageError
from ..core.progress import progress
from ..data.pictures import png_room, synthetic_png
from ..data.reading import look
from ..data.scans import ScanFile
from ..data.store import restore_bars
from ..data.unlabelled import Loose
from .manifest import MANIFEST, TranslatedScan, write_translated
from .pixels import noise_of, translated
from .translator import Translator

NOTE = """SYNTHETIC, not patients

These pictures were made by the translator {generator} of the study {study}: it turns scans into
{target} scans. They are for research on methods only. They must not pass for scans of patients, be used for
diagnosis, or test a classifier. {manifest} names the scan that each was made from.
"""


def translate_scans(
    translator: Translator, scans: Sequence[Loose], folder: Path, compute: Compute
) -> tuple[list[TranslatedScan], list[tuple[str, str]]]:
    """Translate scans and write them with a manifest into a new folder.

    Returns the rows, and the files that could not be read with the reason. Scan i depends on its pixels, the
    generator and i alone. UsageError where the folder holds something, BusError where no translator is
    trained.
    """
    # what is asked
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"--to {folder}: the folder holds something. Give a new one.")
    translator.require_trained()

    # who translates, and what the study knows of the scans
    study, digest = translator.study, translator.generator_sha256
    generator = translator.load(compute.device)
    parts = study.parts(translator.fold)
    files.require_space(folder, len(scans) * png_room(study.settings.size), "Translating these scans")

    # one scan after another
    rows, unreadable = [], []
    with (
        files.new_folder(folder) as part,
        progress("Translating", len(scans)) as advance,
        torch.inference_mode(),
    ):
        for number, loose in enumerate(scans):
            advance(1)
            try:
                entry, square = look(ScanFile(loose.name, ""), loose.read(), study.settings.size)
            except BusError as error:
                unreadable.append((loose.name, str(error)))
                continue
            noise = noise_of(generator, translator.seed, number)
            pixels = restore_bars(translated(generator, square, compute.device, noise), entry.box)
            row = TranslatedScan(
                f"synthetic-{number + 1:04}.png",
                files.sha256_bytes(pixels.tobytes()),
                entry.file,
                entry.sha256,
                parts.get(entry.sha256, ""),
                translator.target,
                digest,
            )
            files.write_bytes(part / row.file, synthetic_png(pixels))
            rows.append(row)

        # what they are
        write_translated(part, rows)
        told = {"study": study.path, "target": translator.target, "manifest": MANIFEST}
        files.write_text(part / "README.txt", NOTE.format(generator=digest[:12], **told))
    return rows, unreadable
