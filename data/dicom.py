"""DICOM ultrasound: pixels, frames and a pseudonym of the patient; no identity ever leaves this module.

The patient's group is a keyed hash of PatientID (of StudyInstanceUID where that is empty). That is a
pseudonym, not anonymity: the key is public, so whoever holds a list of patient ids can hash them and compare.
"""

import hashlib
import hmac
import io
import logging
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import cv2
import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.multival import MultiValue
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, convert_color_space
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)

from ..core.errors import BusError
from .names import is_unknown, key
from .pictures import check_size, room
from .store import Pixels

SUFFIXES = {".dcm", ".dicom", ".ima"}
HEAD = 132  # bytes by which a file is known to be DICOM
MARK = b"DICM"
LOSSY = {JPEGBaseline8Bit, JPEGExtended12Bit}
MAX_FRAMES = 10_000
LONG, MOST_PARTS = 6, 8  # digits that tell a patient though folders part them; parts of a name looked for
PATIENT_KEY = b"bus: patient group, version 1"
IDENTITY_TAGS = [
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientTelephoneNumbers",
    "AccessionNumber",
    "ReferringPhysicianName",
]
HEADER_TAGS = [
    *IDENTITY_TAGS,
    "SOPClassUID",
    "StudyInstanceUID",
    "BurnedInAnnotation",
    "NumberOfFrames",
    "Rows",
    "Columns",
]
PALETTE_TAGS = [
    f"{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for part in ("Descriptor", "Data")
]
PIXEL_TAGS = [
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    *PALETTE_TAGS,
]

# pydicom's complaints quote the values that it complains about, which may be a patient's
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")


@dataclass(frozen=True)
class Header:
    """What may be known of a DICOM file."""

    group: str | None  # pseudonym of the patient; None where the file names none
    study: str | None  # pseudonym of the study
    unknown: bool  # a word for "unknown" stands for the patient
    frames: int  # 0: no image (a report, a directory)
    burned_in: bool | None  # BurnedInAnnotation; None where the file doesn't say
    named: int  # parts of the file's path up to one that tells the patient's id, birth date or name; 0: none


def is_dicom(name: str, head: bytes) -> bool:
    """Whether a file is DICOM: by its suffix, or by its first 132 bytes."""
    return PurePosixPath(name).suffix.casefold() in SUFFIXES or head[128:132] == MARK or _is_bare(head)


def _is_bare(head: bytes) -> bool:
    """Whether a file begins with its data at once, as old scanners and network dumps write them."""
    if len(head) < 12 or head[128:132] == MARK or head[:2] not in (b"\x02\x00", b"\x08\x00"):
        return False
    explicit = head[4:6] in (b"UL", b"OB", b"UI", b"CS", b"SH", b"LO", b"DA")
    return explicit or int.from_bytes(head[4:8], "little") <= 64


def read_header(handle: BinaryIO, name: str, where: str) -> Header:
    """Read group, frames and burned-in mark of the file `name`; raises BusError if it is damaged."""
    with _decoding(where):
        _refuse_deflated(handle, where)
        bare = _is_bare(_head(handle))
        tags = list(HEADER_TAGS)
        data = pydicom.dcmread(handle, stop_before_pixels=True, specific_tags=tags, force=bare)
        frames = int(data.get("NumberOfFrames") or 1) if data.get("Rows") and data.get("Columns") else 0
        if not frames and _is_of_images(data):  # pydicom ends in peace where a file was cut
            raise BusError(f"{where} ends before its image. Copy it again or remove it.")
        if not 0 <= frames <= MAX_FRAMES:
            raise BusError(f"{where} declares {frames} frames; 1 to {MAX_FRAMES:,} are read. Cut the loop.")
        patient = str(data.get("PatientID") or "").strip()
        values = [value for tag in IDENTITY_TAGS for value in _texts(data.get(tag))]
        burned_in = str(data.get("BurnedInAnnotation") or "").strip().upper()
        return Header(
            group=None if is_unknown(patient) else pseudonym(key(patient)),
            study=pseudonym(str(data.get("StudyInstanceUID") or "").strip()),
            unknown=bool(patient) and is_unknown(patient),
            frames=frames,
            burned_in={"YES": True, "NO": False}.get(burned_in),
            named=_named(name, values),
        )


def _is_of_images(data: Any) -> bool:
    """Whether a file says of itself that it holds an image, as ultrasound and secondary captures do."""
    said = data.get("SOPClassUID") or getattr(data, "file_meta", {}).get("MediaStorageSOPClassUID") or ""
    return "Image Storage" in UID(str(said)).name


def _texts(value: Any) -> list[str]:
    """The values of a tag, one or several, as texts."""
    several = value if isinstance(value, list | MultiValue) else [value]
    return [str(one).strip() for one in several if one]


def _named(path: str, values: Sequence[str]) -> int:
    """How many parts of a path, from above, it takes to tell one of these values; 0 where it tells none."""
    told = {spelling for value in values for spelling in _spellings(value)}
    parts = [_plain(part) for part in PurePosixPath(path).parts]
    for depth in range(1, len(parts) + 1):
        above, joined = "/".join(parts[:depth]), "".join(parts[:depth])
        if any(text in above or (len(text) >= LONG and text.isdigit() and text in joined) for text in told):
            return depth
    return 0


def _spellings(value: str) -> set[str]:
    """How a path may spell a name, a number or a date: by a part or by parts in any order, plainly.

    A number may lack leading zeros, a date may begin with its day or month. A word for "unknown" is none, nor
    is what is too short: it takes three letters or digits, or two of a script other than Latin.
    """
    spelt: set[str] = set()
    for written in value.split("="):  # one name in several scripts
        parts = [part for part in map(_plain, re.split(r"[\^ ]", written)) if part][:MOST_PARTS]
        spelt |= {*parts, "".join(parts), "".join(parts[::-1]), *map("".join, permutations(parts, 2))}
    spelt |= {text.lstrip("0") for text in spelt if text.isdigit()}
    if date := re.fullmatch(r"(\d{4})(\d\d)(\d\d)", value):
        year, month, day = date.groups()
        spelt |= {day + month + year, month + day + year}
    return {text for text in spelt if not is_unknown(text) and (len(text) > 2 or _is_short_name(text))}


def _is_short_name(text: str) -> bool:
    """Whether a text is two letters of a script other than Latin, where names are that short: 철수, 王伟."""
    return len(text) == 2 and all(
        sign.isalpha() and not unicodedata.name(sign, "").startswith("LATIN") for sign in text
    )


def _plain(text: str) -> str:
    """Letters and digits alone, without regard to capitals and width."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def pseudonym(identity: str) -> str | None:
    """A short keyed hash (64 bits), the same for the same identity; None for an empty one."""
    if not identity:
        return None
    digest = hmac.new(PATIENT_KEY, identity.encode("utf-8", "surrogateescape"), hashlib.sha256)
    return f"dicom-{digest.hexdigest()[:16]}"


def decode_rgb(content: bytes, frame: int | None, where: str) -> Pixels:
    """Decode one frame (counted from 1; None: the middle one) into 8-bit RGB (H×W×3).

    MONOCHROME1 is inverted, YBR converted, palettes applied; other depths than 8 bits are scaled by the full
    range of BitsStored, without windowing. Raises BusError for damaged files, and for compressions that no
    decoder is installed for.
    """
    with _decoding(where):
        handle = io.BytesIO(content)
        _refuse_deflated(handle, where)
        data = pydicom.dcmread(handle, specific_tags=list(PIXEL_TAGS), force=_is_bare(_head(handle)))
        _name_syntax(data)
        check_size(int(data.Columns), int(data.Rows), where)
        _require_decoder(data, where)
        frames = int(data.get("NumberOfFrames") or 1)
        if frame is not None and not 1 <= frame <= frames:
            raise BusError(f"{where} has {frames} frames; there is no frame {frame}. List the data again.")
        index = frames // 2 if frame is None else frame - 1
        with room(int(data.Columns), int(data.Rows)):
            pixels = pixel_array(data, index=index)
            if str(data.PhotometricInterpretation) == "RGB" and data.file_meta.TransferSyntaxUID in LOSSY:
                # scanners write that tag on YCbCr streams too, without a marker that would say so;
                # ultrasound is mostly grey, so the greyer reading is right
                converted = convert_color_space(pixels, "YBR_FULL", "RGB")
                pixels = min(
                    (pixels, converted), key=lambda rgb: float(np.ptp(rgb.astype(np.int16), axis=-1).mean())
                )
            return _as_rgb(data, pixels)


@contextmanager
def _decoding(where: str) -> Iterator[None]:
    try:
        yield
    except (BusError, MemoryError):
        raise
    except Exception as error:  # pydicom raises nearly anything on damaged files, and quotes their values
        raise BusError(
            f"{where} could not be read as a DICOM image ({type(error).__name__}). Expected a whole DICOM "
            "file with ultrasound pixels of 8 to 16 bits. Export it again or remove it."
        ) from None


def _refuse_deflated(handle: BinaryIO, where: str) -> None:
    """Raise BusError for a deflated file: it may unpack to any size, and pydicom would unpack it all."""
    if not handle.read(1):
        raise BusError(f"{where} is empty (0 bytes). Copy it again or remove it.")
    handle.seek(0)
    bare = _is_bare(_head(handle))
    if bare and _head(handle)[:2] != b"\x02\x00":
        return
    read_preamble(handle, force=bare)
    meta = read_dataset(handle, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise BusError(f"{where} is deflated DICOM, which is not read. Export it without compression.")
    handle.seek(0)


def _head(handle: BinaryIO) -> bytes:
    """The first bytes of a file, which is left at its beginning."""
    handle.seek(0)
    head = handle.read(HEAD)
    handle.seek(0)
    return head


def _name_syntax(data: Any) -> None:
    """Write down how a file without meta information was found to be encoded."""
    if not hasattr(data, "file_meta"):
        data.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in data.file_meta:
        implicit, little = data.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _require_decoder(data: Any, where: str) -> None:
    syntax = data.file_meta.TransferSyntaxUID
    if syntax.is_transfer_syntax and not syntax.is_compressed:
        return
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        name = syntax.name if syntax.is_transfer_syntax else "an unknown method"
        raise BusError(
            f"{where} is compressed by {name}, for which no decoder is installed. Install pyjpegls (JPEG-LS) "
            "or python-gdcm (others), or export it uncompressed."
        )


def _as_rgb(data: Any, pixels: Any) -> Pixels:
    if pixels.dtype.kind not in "ui":
        raise TypeError("pixels are not whole numbers")
    photometric, bits = str(data.PhotometricInterpretation), int(data.BitsStored)
    if photometric == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, data)
        bits = 8 * pixels.dtype.itemsize
    if int(data.get("PixelRepresentation") or 0):
        pixels = pixels.astype(np.int64) + (1 << (bits - 1))
    full = (1 << bits) - 1
    pixels = np.clip(pixels, 0, full)
    if photometric == "MONOCHROME1":
        pixels = full - pixels
    if bits != 8:
        pixels = pixels * (255 / full) + 0.5
    pixels = pixels.astype(np.uint8)
    return pixels if pixels.ndim == 3 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
