"""Ordinary pictures, from bytes to pixels: every mode of PNG, JPEG, TIFF, BMP, WebP and PNM."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from .. import __version__
from ..core.errors import BusError

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM", "GIF")
SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".webp", ".gif",
    ".pgm", ".ppm", ".pnm",
}  # fmt: skip
DEEP_SUFFIXES = {".png", ".tif", ".tiff", ".pgm", ".pnm"}  # of pictures that may hold 16 bits of grey
DEPTHS = (8, 10, 12, 14, 16)  # bits of scanners
MAX_PIXELS = 64_000_000  # the largest screens of ultrasound scanners have 8 million
MIN_SIDE = 16  # px
LEVELS, BETWEEN = 32, 0.5  # grey levels, and share of pixels neither black nor white, that no mask has

# Pillow warns of damaged metadata and of sizes that are refused here anyway
warnings.filterwarnings("ignore", module=r"PIL(\.|$)")


def decode_rgb(content: bytes, where: str, bits: int = 16) -> Pixels:
    """Decode a scan into 8-bit RGB (H×W×3): upright by its EXIF tag, composited on black where it has alpha.

    Grey of a 16-bit file is scaled so that 2^`bits` − 1 becomes 255; 16-bit colour keeps its upper byte.
    Raises BusError, naming `where`, for files that are damaged, too large, too small, floating-point or hold
    several pictures.
    """
    with _decoding(where):
        image = _open(content, where)
        check_size(*image.size, where)
        return _as_rgb(image, where, bits)


def peak(content: bytes, where: str) -> int | None:
    """The highest grey level in a picture of 16 bits, None for any other; BusError as of decode_rgb."""
    with _decoding(where):
        image = _open(content, where, load=False)
        if not _is_deep(image):
            return None
        image.load()
        return int(np.asarray(image).max())


def bits_of(highest: int) -> int:
    """How many bits a scanner gave grey levels of which this is the highest: 8, 10, 12, 14 or 16."""
    return next(bits for bits in DEPTHS if highest < 1 << bits)


def decode_mask(content: bytes, where: str) -> Mask:
    """Decode a lesion mask (H×W, true inside): where a channel is above 127, or above 0 if none is above 127.

    The second rule reads masks that hold class numbers (0 and 1). Raises BusError as decode_rgb does, and for
    a picture that is no mask: with dozens of grey levels that are neither nearly black nor nearly white.
    """
    with _decoding(where):
        image = _open(content, where)
        bits = bits_of(int(np.asarray(image).max())) if _is_deep(image) else 8
        red, green, blue = cv2.split(_as_rgb(image, where, bits))
        values = np.maximum(np.maximum(red, green), blue)  # several times as fast as max(axis=2)
    counts = np.bincount(values.ravel(), minlength=256)
    if (counts > 0).sum() > LEVELS and counts[16:240].sum() > BETWEEN * values.size:
        raise BusError(
            f"{where} holds {int((counts > 0).sum())} grey levels: a picture, not a lesion mask. Rename it "
            "if it is a scan, or replace it."
        )
    threshold = 127 if values.max() > 127 else 0
    return np.asarray(values > threshold)


def synthetic_png(pixels: Pixels) -> bytes:
    """A grey picture (H×W, uint8) as PNG whose metadata say that it shows no patient."""
    about = PngImagePlugin.PngInfo()
    about.add_text(
        "Description",
        "SYNTHETIC breast ultrasound scan made by a CycleGAN; it shows no patient. Research use only.",
    )
    about.add_text("Software", f"bus-balance {__version__}")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=about)
    return buffer.getvalue()


def check_size(width: int, height: int, where: str) -> None:
    """Raise BusError if a scan of this native size (px) would not fit into memory or is no scan."""
    if width * height > MAX_PIXELS:
        raise BusError(
            f"{where} has {width}×{height} pixels; at most {MAX_PIXELS // 1_000_000} million are read. "
            "Reduce or remove it."
        )
    if min(width, height) < MIN_SIDE:
        raise BusError(
            f"{where} has {width}×{height} pixels; a scan has {MIN_SIDE} or more a side. Remove it."
        )


@contextmanager
def _decoding(where: str) -> Iterator[None]:
    try:
        yield
    except (BusError, MemoryError):
        raise
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise BusError(
            f"{where} could not be read as a picture ({error or type(error).__name__}). Expected a whole "
            f"{', '.join(FORMATS)} or DICOM file. Save or copy it again, or remove it."
        ) from error


def _is_deep(image: Image.Image) -> bool:
    """Whether a picture holds 16 bits of grey."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _open(content: bytes, where: str, *, load: bool = True) -> Image.Image:
    if not content:
        raise BusError(f"{where} is empty (0 bytes). Copy it again or remove it.")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise BusError(
            f"{where} is no picture, or its first bytes are damaged ({content[:8]!r}). Expected "
            f"{', '.join(FORMATS)} or DICOM. Save it in one of these formats or remove it."
        ) from error
    except Image.DecompressionBombError as error:
        raise BusError(
            f"{where} claims far more pixels than a scan has; at most {MAX_PIXELS // 1_000_000} million are "
            "read. Reduce or remove it."
        ) from error
    width, height = image.size
    check_size(max(width, MIN_SIDE), max(height, MIN_SIDE), where)
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise BusError(f"{where} holds several pictures; one is expected. Save one frame alone.")
    if load:
        image.load()
    return image


def _as_rgb(image: Image.Image, where: str, bits: int) -> Pixels:
    deep = _is_deep(image)
    if image.mode in ("I", "F") and not deep:
        raise BusError(
            f"{where} holds 32-bit {'floating-point' if image.mode == 'F' else 'whole'} numbers, whose range "
            "is not known. Save it with 8 or 16 bits a pixel."
        )
    image = ImageOps.exif_transpose(image)
    if deep:
        grey, full = np.asarray(image).astype(np.uint32), (1 << bits) - 1
        return _repeat(np.minimum((grey * 255 + full // 2) // full, 255).astype(np.uint8))
    if image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA")).astype(np.uint16)
        return ((pixels[..., :3] * pixels[..., 3:] + 127) // 255).astype(np.uint8)
    if image.mode in ("1", "L"):
        return _repeat(np.asarray(image.convert("L")))
    return np.array(image.convert("RGB"))


def _repeat(grey: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
