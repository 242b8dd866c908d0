"""How the objects show themselves in a notebook: a little HTML without a style sheet, all texts escaped."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape

import cv2
import numpy as np

from ..data.store import Pixels

SHOWN = 12  # scans of a sheet
SIDE = 96  # of each, px


def card(title: str, facts: Mapping[str, str], *, notes: Iterable[str] = (), below: str = "") -> str:
    """A heading, a line a fact, sentences a reader must see, and HTML `below` that is taken as it is."""
    lines = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items()
    )
    remarks = "".join(f"<p><em>{escape(text)}</em></p>" for text in notes)
    return f"<div><strong>{escape(title)}</strong><table>{lines}</table>{remarks}{below}</div>"


def sheet(pixels: Pixels, alt: str) -> str:
    """The first scans (N×S×S uint8) beside each other, as one inline picture."""
    tiles = [cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) for square in pixels[:SHOWN]]
    if not tiles:
        return ""
    done, content = cv2.imencode(".png", np.hstack(tiles))
    return (
        f'<img alt="{escape(alt)}" src="data:image/png;base64,{b64encode(content.tobytes()).decode()}">'
        if done
        else ""
    )
