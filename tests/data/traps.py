"""A phantom set that holds the traps of real data sets at once, each said with the files it is about.

python tests/data/traps.py OUT: writes it, to be looked at with `bus data check OUT`.
"""

import csv
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from bus.core.files import write_csv
from bus.data import phantom
from numpy.typing import NDArray

HEADER = ("file", "label", "patient", "mask")
Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Traps:
    """Where the set lies, and the files of each trap, as `bus data check` names them."""

    folder: Path
    alike: tuple[str, str]  # a re-gained copy under another given patient
    identical: tuple[str, str]  # the same pixels under two patients
    contradicting: tuple[str, str]  # the same pixels under two labels, of one patient
    copies: tuple[tuple[str, str], ...]  # of scans with a patient, themselves without one
    unreadable: str
    unknown: tuple[str, ...]  # whose patient is a word for unknown
    left_out: tuple[str, ...]  # files that are no scans, or of a kind that is not read
    dim: tuple[str, ...]  # scans that use a small part of their depth


def write_traps(out: Path, count: int = 160) -> Traps:
    """Write `count` phantoms of 256 px with labels.csv, and everything that goes wrong in one folder."""
    phantom.write_cohort(out, count, size=256)
    (out / "parameters.csv").unlink()
    with (out / "labels.csv").open(encoding="utf-8") as handle:
        rows = {
            row["file"]: [row["file"], row["label"], row["group"], row["mask"]]
            for row in csv.DictReader(handle)
        }
    benign, malignant = (
        [file for file, row in rows.items() if row[1] == label] for label in ("benign", "malignant")
    )

    def copy(file: str, name: str, change: Callable[[Grey], Grey], patient: str, label: str = "") -> str:
        """Another file of a scan's class that shows it changed."""
        label = label or rows[file][1]
        to = f"{label}/{name}"
        picture = np.asarray(cv2.imread(str(out / file), cv2.IMREAD_GRAYSCALE), np.uint8)
        cv2.imwrite(str(out / to), change(picture))
        rows[to] = [to, label, patient, ""]
        return to

    # copies: under another patient, another label, no patient
    alike = copy(benign[0], "regained.png", regained, "patient-x1")
    identical = copy(benign[4], "second.png", same, "patient-x2")
    contradicting = copy(benign[8], "relabelled.png", same, rows[benign[8]][2], "malignant")
    plain = copy(malignant[0], "export.jpg", same, "")
    mirrored = copy(malignant[3], "mirrored.png", lambda picture: picture[:, ::-1], "")

    # patients: unknown by a word; numbers that differ in case and zeros alone
    unknown = tuple(benign[20:23])
    for file, word in zip(unknown, ("NA", "unknown", "-"), strict=True):
        rows[file][2] = word

    # files: damaged, no scans, of other kinds
    unreadable = benign[12]
    (out / unreadable).write_bytes((out / unreadable).read_bytes()[:300])
    cv2.imwrite(str(out / "benign" / "gone_mask.png"), np.zeros((256, 256), np.uint8))
    (out / "malignant" / "loop.gif").write_bytes(b"GIF89a" + bytes(20))
    (out / "malignant" / "arrays.npz").write_bytes(b"PK\x05\x06" + bytes(18))
    (out / "notes.txt").write_text("none", encoding="utf-8")
    with zipfile.ZipFile(out / "more.zip", "w") as archive:
        archive.writestr("x.png", b"")
    (out / "benign" / "@eaDir").mkdir()
    cv2.imwrite(str(out / "benign" / "@eaDir" / "SYNOPHOTO_THUMB_S.png"), np.full((64, 64), 90, np.uint8))

    # pixels: a class given away by its size; scans nearly black
    for file in malignant[5:]:
        picture = cv2.imread(str(out / file), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(out / file), cv2.resize(picture, (320, 256)))
        rows[file][3] = ""
    dim = tuple(benign[30:32])
    for file in dim:
        cv2.imwrite(str(out / file), np.asarray(cv2.imread(str(out / file), cv2.IMREAD_GRAYSCALE)) // 12)
    write_csv(out / "labels.csv", HEADER, rows.values())
    return Traps(
        out,
        (benign[0], alike),
        (benign[4], identical),
        (benign[8], contradicting),
        ((malignant[0], plain), (malignant[3], mirrored)),
        unreadable,
        unknown,
        ("benign/gone_mask.png", "malignant/loop.gif", "malignant/arrays.npz", "more.zip"),
        dim,
    )


def same(picture: Grey) -> Grey:
    """The picture itself."""
    return picture


def regained(picture: Grey) -> Grey:
    """Another gain of the same scan."""
    return np.asarray(255 * (picture / 255) ** 0.85, np.uint8)


if __name__ == "__main__":
    print(write_traps(Path(sys.argv[1])))
