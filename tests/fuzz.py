"""`make fuzz`: atheris mutates pictures, DICOM files, zips and tables for a bounded time.

Not a test of the normal run. Each input must give pixels, a listing or a BusError. Anything else, a hang of
10 s or 2 GB of memory stops the run with the input that caused it.
"""

import io
import sys
import tempfile
import zipfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["bus", "pydicom", "PIL", "zipfile"]):
    from bus.core.errors import BusError
    from bus.data import dicom, pictures, scans, table
from PIL import Image

GREY = Image.fromarray(np.arange(24 * 32, dtype=np.uint8).reshape(24, 32))


def seeds(folder: Path) -> None:
    """Sound files for the mutations to begin with; the first byte chooses the reader."""
    for number, kind in enumerate(("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM")):
        buffer = io.BytesIO()
        GREY.save(buffer, kind)
        (folder / f"picture-{number}").write_bytes(b"\0" + buffer.getvalue())
    header = bytes(128) + b"DICM" + bytes.fromhex("02001000554914") + b"\0" + b"1.2.840.10008.1.2.1\0"
    (folder / "dicom").write_bytes(
        b"\1"
        + header
        + bytes.fromhex("28001000555302001800280011005553020018002800000155530200080010")
        + bytes(576)
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("a/1.png", "b/1.png", "b/1_mask.png"):
            packed.writestr(name, (folder / "picture-0").read_bytes()[1:])
    (folder / "zip").write_bytes(b"\2" + buffer.getvalue())
    (folder / "table").write_bytes(b"\3file,label,group,mask,fold\na.png,x,1,,0\nb.png,y,2,,1\n")


def one(data: bytes) -> None:
    """Give one input to the reader that its first byte names."""
    reader, content = data[:1], data[1:]
    try:
        if reader == b"\1":
            dicom.read_header(io.BytesIO(content), "x.dcm", "x.dcm")
            dicom.decode_rgb(content, None, "x.dcm")
        elif reader == b"\2":
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "a.zip")
                path.write_bytes(content)
                listing = scans.list_scans(path)
                for scan in listing.scans[:3]:
                    scans.read_scan(listing, scan)
        elif reader == b"\3":
            known = table.Names.of(["a.png", "b.png"], ["a.png", "b.png"])
            table.read_table(content, known, "labels.csv")
        else:
            pictures.decode_rgb(content, "x.png")
            pictures.decode_mask(content, "x.png")
    except BusError:
        return


def main() -> None:
    """Fuzz for as many seconds as the first argument says (60)."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    with tempfile.TemporaryDirectory() as folder:
        seeds(Path(folder))
        options = [
            sys.argv[0],
            f"-max_total_time={seconds}",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-max_len=20000",
            folder,
        ]
        atheris.Setup(options, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
