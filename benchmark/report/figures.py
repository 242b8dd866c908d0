"""The report's figures: small inline SVG with a text alternative, the same bytes for the same numbers.

Drawn for a phone (340 CSS px wide), to stand side by side where there is room. Colours are Okabe and Ito's
(2002); dash and weight tell arms apart without them. The page's style sheet maps the few colours used here to
light and dark.
No `style` attribute survives, so that the page's Content-Security-Policy can forbid inline styles.
"""

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from ...gan.translator import Stretch
from ..results.wording import signed
from .model import Figure

INK, MUTED, RULE, PAPER, BAND = "#1a1a1a", "#666666", "#cccccc", "#ffffff", "#eceff1"
BLUE, ORANGE, GREEN, PURPLE, VERMILION = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00"
SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
WIDTH = 340  # CSS px; text of 9 pt is then 12 px high
POINTS = 400  # most vertices drawn of one curve
FEWEST = 5  # answers in a bin of the calibration, below which its share is noise

Roc = Sequence[tuple[float, float]]  # false and true positive rate
Reach = tuple[float, float, float, float]  # x, value, low, high
Bins = Sequence[tuple[float, float, int]]  # mean predicted, observed share, scans
Points = NDArray[np.float64]
Dash = str | tuple[int, tuple[float, ...]]
ARMS: dict[str, tuple[str, Dash, float]] = {  # colour, dash, line width in pt
    "original": (INK, "-", 1.0),
    "weighted": (ORANGE, (0, (5, 2)), 1.4),
    "oversampled": (GREEN, (0, (5, 2, 1, 2)), 1.4),
    "cyclegan": (BLUE, "-", 2.0),
    "pooled": (BLUE, (0, (5, 2)), 1.4),
    "pasted": (VERMILION, (0, (3, 1)), 1.4),
    "relabelled": (PURPLE, (0, (1, 1.5)), 1.6),
}
RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bus",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.facecolor": PAPER,
}


class Effect(NamedTuple):
    """A difference between two arms in percentage points, with the 95 % interval that decides."""

    label: str
    estimate: float
    low: float
    high: float
    detectable: float | None  # found by four such studies in five; None where no size could be shown
    scans: tuple[float, float] | None = None  # the interval for other scans alone, where it is told apart

    @property
    def verdict(self) -> str:
        """`gain`, `loss` or `none`: on which side of zero the whole interval lies, if on one."""
        return "gain" if self.low > 0 else "loss" if self.high < 0 else "none"


class Place(NamedTuple):
    """A score on the scale from 0 (as close as other real scans) to 1 (the untranslated sources)."""

    label: str
    mean: float
    spread: float


def forest(name: str, effects: Sequence[Effect], *, axis: str, alt: str) -> Figure:
    """Draw one difference a row with its interval, and thick the one for other scans alone.

    The grey band is what the study was too small to see.
    """
    height = 50 + 44 * len(effects)
    reach = 1.15 * max([1.0, *(max(abs(e.low), abs(e.high), e.detectable or 0.0) for e in effects)])
    with _canvas(height) as canvas:
        axes = canvas.add_axes((0.04, 40 / height, 0.92, 1 - 44 / height))
        for row, effect in enumerate(effects):
            colour = {"gain": BLUE, "loss": VERMILION, "none": INK}[effect.verdict]
            face = PAPER if effect.verdict == "none" else colour
            if effect.detectable is not None:
                axes.barh(row, 2 * effect.detectable, 0.34, left=-effect.detectable, color=BAND)
            if effect.scans:
                axes.plot(effect.scans, [row, row], color=colour, lw=5, solid_capstyle="butt")
            axes.plot([effect.low, effect.high], [row, row], color=colour, lw=1.8, solid_capstyle="butt")
            dot = 8 if effect.scans else 6.5
            axes.plot(effect.estimate, row, "o", ms=dot, mfc=face, mec=colour, mew=1.6)
            axes.text(-reach, row - 0.36, effect.label, ha="left", va="center", weight="bold")
            axes.text(reach, row - 0.36, interval(effect), ha="right", va="center")
        axes.axvline(0, color=MUTED, lw=0.8, zorder=0.5)
        axes.set(xlim=(-reach, reach), ylim=(len(effects) - 0.55, -0.65), yticks=[], xlabel=axis)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(lambda value, _: signed(value, 0 if reach > 3 else 1))
        return _finish(canvas, name, alt)


def roc(name: str, curves: Mapping[str, Roc], notes: Mapping[str, str], *, alt: str) -> Figure:
    """Draw one receiver operating characteristic per arm; `notes` (such as the AUC) go into the legend."""
    with _canvas(WIDTH) as canvas:
        axes = _square(canvas, "false alarms, % of all other scans", "target scans found, %")
        for arm, (colour, dash, width) in _styles(curves):
            points = np.array(curves[arm], float).reshape(-1, 2)
            kept = np.linspace(0, len(points) - 1, min(len(points), POINTS)).round().astype(int)
            x, y = points[np.unique(kept)].T * 100
            axes.plot(x, y, color=colour, ls=dash, lw=width, label=f"{arm} {notes.get(arm, '')}".strip())
        axes.legend(loc="lower right", handlelength=2.6, borderaxespad=0.2)
        return _finish(canvas, name, alt)


def calibration(name: str, curves: Mapping[str, Bins], *, alt: str) -> Figure:
    """Draw predicted against observed frequency per arm, of bins with FEWEST answers or more; a dot's area
    grows with them."""
    with _canvas(WIDTH) as canvas:
        axes = _square(canvas, "predicted probability of the target, %", "observed share, %")
        for arm, (colour, dash, width) in _styles(curves):
            bins = np.array([b for b in curves[arm] if b[2] >= FEWEST], float).reshape(-1, 3)
            x, y, n = bins.T
            axes.plot(100 * x, 100 * y, color=colour, ls=dash, lw=width, label=arm)
            axes.scatter(100 * x, 100 * y, s=10 + 90 * n / max(1.0, n.sum()), color=colour, lw=0)
        axes.legend(loc="best", handlelength=2.6, borderaxespad=0.2)
        return _finish(canvas, name, alt)


def training(name: str, stretches: Sequence[Stretch], *, alt: str) -> Figure:
    """Draw a translator's training over the pairs seen: the game, what is kept of a scan and, where
    measured, the distance."""
    # what is drawn
    panels = (
        (("adversarial", BLUE, "-"), ("discriminators", VERMILION, (0, (5, 2)))),
        (("cycle", GREEN, "-"), ("identity", ORANGE, (0, (5, 2)))),
    )
    measured = {
        name: np.array([(pairs, kid.mean, kid.spread) for pairs, kid in known if kid], float)
        for name, known in (
            ("EfficientNet-Lite0", [(part.pairs, part.looks.distance) for part in stretches]),
            ("hand-made features", [(part.pairs, part.looks.handmade) for part in stretches]),
        )
    }
    measured = {name: points for name, points in measured.items() if len(points)}

    # panel by panel
    rows = len(panels) + bool(measured)
    height = 150 * rows
    with _canvas(height) as canvas:
        grid = canvas.subplots(rows, 1, sharex=True, gridspec_kw={"hspace": 0.18})
        canvas.subplots_adjust(left=0.15, right=0.97, top=1 - 9 / height, bottom=39 / height)
        for axes, lines in zip(grid, panels, strict=False):
            for key, colour, dash in lines:
                points = [(part.pairs, part.losses[key]) for part in stretches if key in part.losses]
                if points:
                    x, y = _average(np.array(points, float)).T
                    axes.plot(x, y, color=colour, ls=dash, lw=1.5, label=key)
            axes.legend(loc="upper right", ncols=2, borderaxespad=0)
            axes.margins(y=0.25)
            axes.set_ylabel("loss")
        if measured:
            _distances(grid[-1], measured)
        grid[-1].set_xlabel("pairs of scans seen")
        grid[-1].xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        return _finish(canvas, name, alt)


def _distances(axes: Axes, measured: Mapping[str, Points]) -> None:
    """Normalised KID by each judge with its spread (N×3: pairs, mean, spread) between its two marks."""
    looks = (("D", PURPLE), ("s", BLUE))
    shift = 0.006 * max(points[-1, 0] for points in measured.values())  # so that bars do not hide each other
    for (name, points), (marker, colour), side in zip(measured.items(), looks, (-1, 1), strict=False):
        x, mean, spread = points.T
        axes.errorbar(x + side * shift, mean, spread, fmt=marker, ms=4.5, color=colour, lw=1.4, label=name)
    if len(measured) > 1:
        axes.legend(loc="upper right", ncols=2, borderaxespad=0)
    mean, spread = (np.concatenate([points[:, row] for points in measured.values()]) for row in (1, 2))
    for y, text, dash in ((0.0, "real", "-"), (1.0, "did nothing", (0, (4, 2)))):
        axes.axhline(y, color=MUTED, lw=0.8, ls=dash, zorder=0.5)
        axes.annotate(
            text,
            (0, y),
            (2, 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=8,
            color=MUTED,
        )
    axes.set_ylim(min(-0.25, (mean - spread).min() - 0.1), max(1.4, (mean + spread).max() + 0.1))
    axes.set_ylabel("normalised KID")


def between(name: str, places: Sequence[Place], *, alt: str) -> Figure:
    """Draw scores between floor (0: real) and ceiling (1: nothing done); right of 1 is worse than nothing."""
    height = 84 + 44 * len(places)
    top = max([1.35, *(p.mean + p.spread + 0.15 for p in places)])
    low = min([-0.16 * top, *(p.mean - p.spread - 0.1 for p in places)])
    with _canvas(height) as canvas:
        axes = canvas.add_axes((0.05, 40 / height, 0.9, 1 - 74 / height))
        axes.axvspan(1, top, color=BAND, lw=0)
        marks = ((0.0, "real ", "-", "right"), (1.0, " did nothing", (0, (4, 2)), "left"))
        for x, text, dash, side in marks:  # the words point away from each other, however close the lines
            axes.axvline(x, color=MUTED, lw=0.8, ls=dash, zorder=0.5)
            above = axes.get_xaxis_transform()
            axes.text(x, 1.04, text, transform=above, ha=side, va="bottom", fontsize=8, color=MUTED)
        for row, (label, mean, spread) in enumerate(places):
            colour = BLUE if mean < 1 else VERMILION
            value = f"{mean:.2f} ± {spread:.2f}".replace("-", "−")
            axes.plot([mean - spread, mean + spread], [row, row], color=colour, lw=1.8)
            axes.plot(mean, row, "D", ms=6, color=colour)
            words = axes.text(low, row - 0.34, label, ha="left", va="center", weight="bold")
            words.set_bbox({"facecolor": PAPER, "lw": 0, "pad": 1.5})  # or the lines would strike it through
            axes.text(top, row - 0.34, value, ha="right", va="center")
        axes.set(xlim=(low, top), ylim=(len(places) - 0.5, -0.7), yticks=[])
        axes.set_xlabel("0 = real, 1 = sources left as they were")
        axes.spines["left"].set_visible(False)
        return _finish(canvas, name, alt)


def curves(
    name: str,
    measured: Mapping[str, Sequence[Reach]],
    arms: Mapping[str, str],
    *,
    axis: tuple[str, str],
    alt: str,
) -> Figure:
    """Draw a value and the ends of its interval over what it depends on (x, value, low, high), a line a name.

    `arms`: of each name, for its style, which the first of an arm has; bars stand beside each other.
    """
    with _canvas(240) as canvas:
        axes = canvas.add_axes((0.12, 0.17, 0.85, 0.72))
        places = sorted({x for points in measured.values() for x, *_ in points})
        step = 0.012 * (places[-1] - places[0]) if len(places) > 1 else 1.0
        names = [arms[label] for label in measured]
        styles = _styles(arm if arm not in names[:turn] else "" for turn, arm in enumerate(names))
        for turn, ((label, points), (_, (colour, dash, width))) in enumerate(
            zip(measured.items(), styles, strict=True)
        ):
            if not points:
                continue
            x, value, low, high = np.array(points).T
            beside = x + (turn - (len(measured) - 1) / 2) * step
            axes.errorbar(beside, value, [value - low, high - value], fmt="none", color=colour, lw=1.0)
            axes.plot(beside, value, color=colour, ls=dash, lw=width, marker="o", ms=3.5, label=label)
        axes.set(xlabel=axis[0], ylabel=axis[1], xticks=places)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0, handlelength=2.5)
        return _finish(canvas, name, alt)


def interval(effect: Effect) -> str:
    """Estimate and interval as text, in points."""
    return f"{signed(effect.estimate)} ({signed(effect.low)} to {signed(effect.high)})"


def _styles(arms: Iterable[str]) -> Iterator[tuple[str, tuple[str, Dash, float]]]:
    spare = cycle([(MUTED, (0, (4, 1)), 1.4), (MUTED, (0, (1, 1)), 1.4)])
    for arm in arms:
        yield arm, ARMS.get(arm) or next(spare)


def _square(canvas: Canvas, x: str, y: str) -> Axes:
    axes = canvas.add_axes((0.16, 0.13, 0.81, 0.84))
    axes.plot([0, 100], [0, 100], color=RULE, lw=0.8, zorder=0.5)
    axes.set(xlim=(-1.5, 101.5), ylim=(-1.5, 101.5), xlabel=x, ylabel=y)
    return axes


def _average(points: Points) -> Points:
    return np.array([part.mean(0) for part in np.array_split(points, min(len(points), POINTS // 4))])


@contextmanager
def _canvas(height: float) -> Iterator[Canvas]:
    """A figure of WIDTH × `height` CSS px in the report's look; missing glyphs are the browser's job."""
    with rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield Canvas(figsize=(WIDTH / 96, height / 96))


def _finish(canvas: Canvas, name: str, alt: str) -> Figure:
    """Turn matplotlib's SVG into one that may stand beside others in a page: own ids, no styles, a title."""
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())

    # only what is pointed at keeps its id, and matplotlib's own styles go
    values = [value for element in root.iter() for value in element.attrib.values()]
    used = {reference for value in values for reference in re.findall(r"url\(#([^)]+)\)", value)}
    used |= {value[1:] for value in values if value.startswith("#")}
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        _restyle(element, name, used)

    # its size in CSS px, and its alternative text
    for key in ("version", "width", "height"):
        del root.attrib[key]
    _, _, width, height = (float(value) * 96 / 72 for value in root.attrib["viewBox"].split())
    root.attrib |= {
        "width": f"{width:.0f}",
        "height": f"{height:.0f}",
        "role": "img",
        "aria-labelledby": f"{name}-alt",
        "font-family": "sans-serif",
        "stroke-linejoin": "round",
    }
    title = ElementTree.Element(f"{{{SVG}}}title", {"id": f"{name}-alt"})
    title.text = alt
    root.insert(0, title)
    ElementTree.register_namespace("", SVG)
    return Figure(name, ElementTree.tostring(root, encoding="unicode"), alt)


def _restyle(element: ElementTree.Element, name: str, used: set[str]) -> None:
    """Make ids unique to the figure, drop unused ones, and write styles as presentation attributes."""
    attributes = element.attrib
    if XLINK in attributes:
        attributes["href"] = f"#{name}-{attributes.pop(XLINK)[1:]}"
    identity = attributes.pop("id", "")
    if identity in used:
        attributes["id"] = f"{name}-{identity}"
        attributes.pop(
            "style", None
        )  # a marker takes the paint of its use, which a page's style sheet can reach
    for key, value in attributes.items():
        attributes[key] = value.replace("url(#", f"url(#{name}-")
    for rule in filter(None, attributes.pop("style", "").split(";")):
        key, _, value = rule.partition(":")
        if key.strip() != "font-family":
            attributes[key.strip()] = value.strip()
