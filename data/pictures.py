"""Ordinary pictures, from bytes to pixels: every mode of PNG, JPEG, TIFF, BMP, WebP and PNM."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from .. import __version__
from ..core.errors import BusError
from ..core.opener import read_bytes
from .store import Pixels

Mask = NDArray[np.bool_]

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM", "GIF")
SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".webp", ".gif",
    ".pgm", ".ppm", ".pnm",
}  # fmt: skip
DEEP_SUFFIXES = {".png", ".tif", ".tiff", ".pgm", ".pnm"}  # of pictures that may hold 16 bits
DEPTHS = (8, 10, 12, 14, 16)  # bits of scanners
MAX_PIXELS = 64_000_000  # the largest screens of ultrasound scanners have 8 million
MIN_SIDE = 16  # px
STRIP = 256  # rows that are composited or counted at once
ORIENTATION, BITS_PER_SAMPLE, PHOTOMETRIC = 0x0112, 258, 262  # tags of EXIF and TIFF
WHITE_IS_ZERO = 0  # of PHOTOMETRIC
LEVELS, BETWEEN = 32, 0.5  # grey levels, and share of pixels neither black nor white, that no mask has

_waiting, _decoded = Condition(), list[int]()  # pixels of the pictures that threads are decoding

# Pillow warns of damaged metadata and of sizes that are refused here anyway
warnings.filterwarnings("ignore", module=r"PIL(\.|$)")


def decode_rgb(content: bytes, where: str, bits: int = 16) -> Pixels:
    """Decode a scan into 8-bit RGB (H×W×3): upright by its EXIF tag, composited on black where it has alpha.

    A 16-bit file, grey or colour, is scaled so that 2^`bits` − 1 becomes 255.
    Raises BusError, naming `where`, for files that are damaged, too large, too small, floating-point or hold
    several pictures.
    """
    with _decoding(where):
        image = _open(content, where)
        check_size(*image.size, where)
        with room(*image.size):
            image.load()
            return _as_rgb(image, _deep(image, content), where, bits)


def peak(content: bytes, where: str) -> int | None:
    """The highest level in a picture of 16 bits, None for any other; BusError as of decode_rgb."""
    with _decoding(where):
        image = _open(content, where)
        with room(*image.size):
            levels = _deep(image, content)
        return None if levels is None else _highest(levels)


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
        with room(*image.size):
            image.load()
            levels = _deep(image, content)
            bits = 8 if levels is None else bits_of(_highest(levels))
            red, green, blue = cv2.split(_as_rgb(image, levels, where, bits))
            values = np.maximum(np.maximum(red, green), blue)  # several times as fast as max(axis=2)
    counts = histogram(values)
    if (counts > 0).sum() > LEVELS and counts[16:240].sum() > BETWEEN * values.size:
        raise BusError(
            f"{where} holds {int((counts > 0).sum())} grey levels: a picture, not a lesion mask. Rename it "
            "if it is a scan, or replace it."
        )
    threshold = 127 if values.max() > 127 else 0
    return np.asarray(values > threshold)


def grey_or_none(path: Path) -> Pixels | None:
    """A picture that this program wrote, as it is (H×W); None where there is none or it cannot be read."""
    try:
        found = cv2.imdecode(np.frombuffer(read_bytes(path), np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, BusError, cv2.error):  # cv2's: empty, or it claims billions of pixels
        return None
    return None if found is None else np.asarray(found, np.uint8)


def png_room(size: int) -> int:
    """Bytes that a grey picture of size × size px may take on the disk, with its metadata."""
    return size**2 + 8192


def png(pixels: Pixels) -> bytes:
    """A grey (H×W) or colour picture (H×W×3 BGR, uint8) as PNG."""
    return bytes(cv2.imencode(".png", np.ascontiguousarray(pixels))[1].tobytes())


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
def room(width: int, height: int) -> Iterator[None]:
    """Wait until a picture of this size may be decoded beside those that other threads are decoding.

    All threads together decode no more pixels than the largest picture may have.
    """
    pixels = min(width * height, MAX_PIXELS)
    with _waiting:
        _waiting.wait_for(lambda: sum(_decoded) + pixels <= MAX_PIXELS)
        _decoded.append(pixels)
    try:
        yield
    finally:
        with _waiting:
            _decoded.remove(pixels)
            _waiting.notify_all()


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


def _deep(image: Image.Image, content: bytes) -> NDArray[np.uint16] | None:
    """The levels of a picture of 16 bits (H×W, or H×W×3 or 4 in colour), 0 for black; else None.

    Pillow keeps the upper byte of 16-bit colour alone, so that is decoded by OpenCV.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        grey = np.asarray(image).astype(np.uint16)
        tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
        if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow inverts 8 bits alone
            grey = (1 << bits_of(int(grey.max()))) - 1 - grey
        return grey
    sizes: tuple[int, ...] = ()
    if image.format == "PNG" and content[24] == 16:  # the depth in its header
        sizes = (16, 16, 16)
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        sizes = tuple(image.tag_v2.get(BITS_PER_SAMPLE, ()))
    if len(sizes) < 3 or set(sizes) != {16}:
        return None
    levels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype != np.uint16 or levels.ndim != 3:
        return None
    order = cv2.COLOR_BGRA2RGBA if levels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(levels, order), np.uint16)


def _open(content: bytes, where: str) -> Image.Image:
    """A picture whose pixels are not decoded yet."""
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
    return image


def histogram(values: Pixels) -> NDArray[np.int64]:
    """How many pixels (H×W) have each of the 256 levels; in strips, since counting takes 8 bytes a pixel."""
    strips = (values[top : top + STRIP].ravel() for top in range(0, len(values), STRIP))
    return np.asarray(sum(np.bincount(strip, minlength=256) for strip in strips))


def _as_rgb(image: Image.Image, levels: NDArray[np.uint16] | None, where: str, bits: int) -> Pixels:
    """The pixels of a picture, whose `levels` are given where it has 16 bits, upright."""
    if levels is not None:
        return _upright(_scaled(levels, bits), image)
    if image.mode in ("I", "F"):
        raise BusError(
            f"{where} holds 32-bit {'floating-point' if image.mode == 'F' else 'whole'} numbers, whose range "
            "is not known. Save it with 8 or 16 bits a pixel."
        )
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA"))
        composited = np.empty((*pixels.shape[:2], 3), np.uint8)
        for top in range(0, len(pixels), STRIP):  # whole, the products would take ten times the picture
            strip = pixels[top : top + STRIP].astype(np.uint16)
            composited[top : top + STRIP] = (strip[..., :3] * strip[..., 3:] + 127) // 255
        return composited
    if image.mode in ("1", "L"):
        return _repeat(np.asarray(image.convert("L")))
    return np.array(image.convert("RGB"))


def _scaled(levels: NDArray[np.uint16], bits: int) -> Pixels:
    """16-bit levels as 8-bit RGB: 2^bits − 1 becomes 255; composited on black where there is alpha."""
    full = (1 << bits) - 1
    pixels = np.minimum((levels.astype(np.uint32) * 255 + full // 2) // full, 255)
    if levels.ndim == 2:
        return _repeat(pixels.astype(np.uint8))
    if levels.shape[2] == 4:
        pixels = (pixels * levels[..., 3:] + 32767) // 65535
    return pixels[..., :3].astype(np.uint8)


def _highest(levels: NDArray[np.uint16]) -> int:
    """The highest level of grey or colour; alpha is none."""
    return int(levels[..., :3].max() if levels.ndim == 3 else levels.max())


def _upright(pixels: Pixels, image: Image.Image) -> Pixels:
    """Pixels of a picture turned as its EXIF tag says."""
    turned = Image.fromarray(pixels)
    turned.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    return np.array(ImageOps.exif_transpose(turned))


def _repeat(grey: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
