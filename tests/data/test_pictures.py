"""Ordinary pictures: every mode, every refusal, and whatever a damaged file may hold."""

import io
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
from bus.core.errors import BusError
from bus.data import pictures
from bus.data.pictures import bits_of, decode_mask, decode_rgb, peak
from bus.data.scans import to_grey
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

HEIGHT, WIDTH = 20, 30
GREY = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
ALPHA = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH), np.uint8)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def on_black(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.rint(rgb.astype(float) * alpha[..., None] / 255)


def repeated(grey: np.ndarray) -> np.ndarray:
    return np.stack([grey] * 3, -1)


def test_grey_and_colour_are_kept() -> None:
    for kind in ("PNG", "TIFF", "BMP", "PPM"):
        assert (decode_rgb(encode(Image.fromarray(GREY), kind), "x") == repeated(GREY)).all()
        assert (decode_rgb(encode(Image.fromarray(COLOUR), kind), "x") == COLOUR).all()


def test_every_mode_of_png() -> None:
    bits = GREY > 127
    palette = Image.fromarray(COLOUR).quantize(16)
    assert (decode_rgb(encode(Image.fromarray(bits)), "x") == repeated(bits * np.uint8(255))).all()
    assert (decode_rgb(encode(palette), "x") == np.asarray(palette.convert("RGB"))).all()
    rgba = decode_rgb(encode(Image.fromarray(np.dstack([COLOUR, ALPHA]))), "x")
    assert (rgba == on_black(COLOUR, ALPHA)).all()
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])
    assert (decode_rgb(encode(grey_alpha), "x") == on_black(repeated(GREY), ALPHA)).all()


def test_what_alpha_hides_stays_hidden() -> None:
    hidden = np.dstack([np.full_like(COLOUR, 255), np.zeros_like(ALPHA)])
    assert not decode_rgb(encode(Image.fromarray(hidden)), "x").any()
    keyed = encode(Image.fromarray(np.full((HEIGHT, WIDTH), 200, np.uint8)), transparency=200)
    assert not decode_rgb(keyed, "x").any()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_fewer_bits_in_16_fill_the_range_of_8(kind: str, bits: int) -> None:
    full = 2**bits - 1
    deep = np.random.default_rng(3).integers(0, full + 1, (HEIGHT, WIDTH)).astype(np.uint16)
    deep[0, :2] = 0, full
    content = encode(Image.fromarray(deep), kind)
    assert peak(content, "x") == full
    assert bits_of(full) == bits
    assert (decode_rgb(content, "x", bits) == repeated(np.floor(deep * (255 / full) + 0.5))).all()
    assert peak(encode(Image.fromarray(GREY), kind), "x") is None


@pytest.mark.parametrize("kind", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 12, 14, 16])
def test_colour_of_16_bits_is_scaled_like_grey(kind: str, bits: int) -> None:
    full = 2**bits - 1
    deep = np.random.default_rng(3).integers(0, full + 1, (HEIGHT, WIDTH, 3)).astype(np.uint16)
    deep[0, 0], deep[0, 1] = 0, full
    content = cv2.imencode(kind, deep[..., ::-1])[1].tobytes()
    assert peak(content, "x") == full
    assert (decode_rgb(content, "x", bits) == np.floor(deep * (255 / full) + 0.5)).all()
    if kind == ".png":  # with alpha, which is 16 bits whatever the others are
        alpha = np.full((HEIGHT, WIDTH, 1), 65535, np.uint16)
        alpha[3] = 0
        content = cv2.imencode(kind, np.dstack([deep[..., ::-1], alpha]))[1].tobytes()
        assert peak(content, "x") == full
        kept = np.floor(deep * (255 / full) + 0.5) * (alpha > 0)
        assert (decode_rgb(content, "x", bits) == kept).all()


@pytest.mark.parametrize("bits", [12, 16])
def test_a_tiff_whose_white_is_zero_is_no_negative(bits: int) -> None:
    """Tag 262 says so, of 8 bits and of 16; black is the highest level of the scanner's bits."""
    tag, full = bytes.fromhex("06 01 03 00 01 00 00 00"), 2**bits - 1
    deep = np.random.default_rng(3).integers(0, full + 1, (HEIGHT, WIDTH)).astype(np.uint16)
    deep[0, :2] = 0, full
    for grey, black in ((GREY, 255), (deep, full)):
        content = encode(Image.fromarray((black - grey).astype(grey.dtype)), "TIFF")
        assert tag + b"\1" in content
        content = content.replace(tag + b"\1", tag + b"\0")
        expected = np.floor(grey * (255 / black) + 0.5)
        assert (decode_rgb(content, "x", bits) == repeated(expected)).all()
    assert peak(content, "x") == full


@pytest.mark.parametrize("inside", [1, 255, 4095, 65535])
def test_masks_of_16_bits(inside: int) -> None:
    lesion = np.zeros((HEIGHT, WIDTH), np.uint16)
    lesion[5:9, 6:14] = inside
    assert (decode_mask(encode(Image.fromarray(lesion)), "x") == (lesion > 0)).all()


def test_a_picture_is_no_mask() -> None:
    with pytest.raises(BusError, match=r"x holds \d+ grey levels: a picture, not a lesion mask"):
        decode_mask(encode(Image.fromarray(GREY)), "x")


def test_gif_is_read() -> None:
    few = (GREY // 8 * 8).astype(np.uint8)
    assert (decode_rgb(encode(Image.fromarray(few), "GIF"), "x") == repeated(few)).all()
    with pytest.raises(BusError, match="several pictures"):
        loop = [Image.fromarray(GREY), Image.fromarray(GREY[::-1].copy())]
        decode_rgb(encode(loop[0], "GIF", save_all=True, append_images=loop[1:]), "x")


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_by_its_full_range(kind: str) -> None:
    deep = np.random.default_rng(3).integers(0, 65536, (HEIGHT, WIDTH)).astype(np.uint16)
    deep[0, :2] = 0, 65535
    decoded = decode_rgb(encode(Image.fromarray(deep), kind), "x")
    assert (decoded == repeated(np.rint(deep / 257).astype(np.uint8))).all()


def test_cmyk_jpeg_becomes_rgb() -> None:
    flat = Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
    red, green, blue = decode_rgb(encode(flat, "JPEG", quality=95), "x").reshape(-1, 3).T
    assert red.min() > 240
    assert max(green.max(), blue.max()) < 15


@pytest.mark.parametrize(("tag", "turn"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_rotation_is_applied(tag: int, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = tag
    turned = decode_rgb(encode(Image.fromarray(GREY), exif=exif), "x")
    assert (turned == repeated(np.rot90(GREY, turn))).all()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"I am a text, not a picture.", "no picture"),
        (encode(Image.fromarray(GREY))[:-200], "whole"),
        (encode(Image.fromarray(GREY), "JPEG")[:-200], "whole"),
        (encode(Image.new("L", (1, 1))), "1×1"),
        (encode(Image.new("L", (400, 15))), "400×15"),
        (png_header(30_000, 30_000), "64 million"),
        (png_header(2**31 - 1, 2**31 - 1), "could not be read|million"),
        (encode(Image.fromarray(GREY.astype(np.float32)), "TIFF"), "floating-point"),
        (encode(Image.fromarray(GREY.astype(np.int32)), "TIFF"), "32-bit whole"),
        (
            encode(Image.new("L", (99, 99)), "TIFF", save_all=True, append_images=[Image.new("L", (9, 9))]),
            "several",
        ),
        (encode(Image.fromarray(GREY), "TGA"), "no picture"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_refusals_name_the_file_and_the_reason(content: bytes, expected: str) -> None:
    with pytest.raises(BusError, match=expected) as caught:
        decode_rgb(content, "ben ign/스캔 (1).png")
    assert str(caught.value).startswith("ben ign/스캔 (1).png ")


def test_masks_of_every_mode_agree() -> None:
    inside = GREY > 127
    grey = Image.fromarray(inside * np.uint8(255))
    rgba = Image.merge("RGBA", [grey, grey, grey, Image.new("L", grey.size, 255)])
    numbers = Image.fromarray(inside.astype(np.uint8))
    for image in (Image.fromarray(inside), grey, grey.convert("RGB"), rgba, numbers):
        mask = decode_mask(encode(image), "x")
        assert mask.dtype == bool
        assert (mask == inside).all()
    assert not decode_mask(encode(Image.new("RGB", (WIDTH, HEIGHT))), "x").any()
    smooth = Image.fromarray(np.kron(np.eye(2, dtype=np.uint8), np.full((16, 16), 255, np.uint8)))
    assert (decode_mask(encode(smooth, "JPEG", quality=60), "x") == np.asarray(smooth) / 255).all()


def test_grey_of_equal_channels_is_their_value() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (to_grey(repeated(grey)) == grey).all()


SOUND = {
    "PNG": encode(Image.fromarray(np.dstack([COLOUR, ALPHA]))),
    "JPEG": encode(Image.fromarray(COLOUR), "JPEG"),
    "TIFF": encode(Image.fromarray(COLOUR), "TIFF", compression="tiff_lzw"),
    "BMP": encode(Image.fromarray(GREY), "BMP"),
    "WEBP": encode(Image.fromarray(COLOUR), "WEBP"),
    "PPM": encode(Image.fromarray(GREY), "PPM"),
}


@pytest.mark.parametrize("kind", SOUND)
@given(st.data())
def test_damaged_files_give_pixels_or_a_clear_error(kind: str, data: st.DataObject) -> None:
    content = bytearray(SOUND[kind])
    end = data.draw(st.integers(0, len(content)) | st.just(len(content)), "length")
    content = content[:end]
    for place in data.draw(st.lists(st.integers(0, max(0, end - 1)), max_size=4), "places") if end else ():
        content[place] ^= 1 << data.draw(st.integers(0, 7), "bit")
    try:
        pixels = decode_rgb(bytes(content), "some file")
    except BusError as error:
        assert str(error).startswith("some file ")
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3


def test_threads_share_the_pixels_that_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads decode, no more pixels at once than one largest picture has."""
    buffer = io.BytesIO()
    Image.new("L", (64, 64), 90).save(buffer, "PNG")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 2 * 64 * 64)
    decode, together, both = pictures._as_rgb, [], threading.Barrier(2)

    def watched(*given: Any) -> Any:
        both.wait(30)  # s; two are let in at once, whichever, and none goes on alone
        together.append(sum(pictures._decoded))
        both.wait(30)
        return decode(*given)

    monkeypatch.setattr(pictures, "_as_rgb", watched)
    with ThreadPoolExecutor(8) as pool:
        scans = list(pool.map(lambda _: pictures.decode_rgb(buffer.getvalue(), "a.png"), range(24)))
    assert len(scans) == 24 and max(together) == 2 * 64 * 64
    assert not pictures._decoded
    with pytest.raises(BusError):
        pictures.decode_rgb(buffer.getvalue()[:60], "a.png")
    assert not pictures._decoded, "a damaged picture gives its room back"
