"""The breast behind a phantom scan: skin, fat, gland, muscle, rib, and what in them imitates a lesion.

Lengths are millimetres (x across, z down from the skin), echo strengths decibels below full scale,
attenuation dB / cm / MHz one way. A patient's tissue is a plane wider than a scan, which a view cuts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]  # float32 wherever it is large
Rng = np.random.Generator

GRID = 256  # samples of a scan's side while it is simulated
MARGIN = 32  # samples of tissue left and right of it, into which a view may move
FAT_DB = -21.0


@dataclass(frozen=True)
class Anatomy:
    """How one patient's breast is built; thickness of layers in mm."""

    extent_mm: float  # depth and width of a scan
    skin_mm: float
    fat_mm: float
    gland_mm: float
    wave_mm: float  # how far the borders of the layers wander
    density: float  # 0 fatty to 1 dense: less fat inside the gland
    septa: float  # strength of Cooper's ligaments, 0–1
    ducts: float  # dark ducts and lobules in the gland, 0–1
    attenuation: float  # mean, dB / cm / MHz
    lobules: int  # islands of fat that imitate an isoechoic mass
    shadows: int  # dropouts behind ligaments or bad contact
    rib: bool


class Tissue(NamedTuple):
    """What a view shows, each GRID × GRID."""

    echo: Array  # dB
    attenuation: Array  # dB / cm / MHz
    lesion: NDArray[np.bool_]


def draw_anatomy(rng: Rng) -> Anatomy:
    """Draw a patient's breast."""
    extent = rng.uniform(32, 46)
    return Anatomy(
        extent_mm=extent,
        skin_mm=rng.uniform(0.8, 1.8),
        fat_mm=extent * rng.uniform(0.06, 0.30),
        gland_mm=extent * rng.uniform(0.30, 0.60),
        wave_mm=rng.uniform(0.5, 2.2),
        density=rng.uniform(0.1, 1.0),
        septa=rng.uniform(0.3, 1.0),
        ducts=rng.uniform(0.0, 1.0),
        attenuation=rng.uniform(0.52, 0.78),
        lobules=int(rng.poisson(0.9)),
        shadows=int(rng.poisson(0.7)),
        rib=bool(rng.random() < 0.15),
    )


class Plane:
    """A patient's plane: coordinates (mm), and random fields that change slowly with elevation.

    `elevation` (radians) turns away from the first view's plane: fields correlate by its cosine.
    """

    def __init__(self, rng: Rng, extent_mm: float, elevation: float) -> None:
        self.rng, self.step = rng, extent_mm / GRID
        self.shape = (GRID + MARGIN, GRID + 2 * MARGIN)
        self.turn = (float(np.cos(elevation)), float(np.sin(elevation)))
        rows, columns = (np.arange(length, dtype=np.float32) for length in self.shape)
        self.x: Array = ((columns - self.shape[1] / 2) * self.step)[None, :]
        self.z: Array = (rows * self.step)[:, None]

    def noise(self, height_mm: float, width_mm: float) -> Array:
        """Smooth noise, mean 0, deviation about 0.7, with grains this high and wide."""
        return self._spread(max(2, round(self.shape[0] * self.step / height_mm)), self.shape[0], width_mm)

    def line(self, width_mm: float) -> Array:
        """The same along x alone: 1 × width."""
        return self._spread(1, 1, width_mm)

    def _spread(self, rows: int, height: int, width_mm: float) -> Array:
        columns = max(2, round(self.shape[1] * self.step / width_mm))
        here, elsewhere = self.rng.standard_normal((2, rows, columns), dtype=np.float32)
        coarse = self.turn[0] * here + self.turn[1] * elsewhere
        return as_array(cv2.resize(coarse, (self.shape[1], height), interpolation=cv2.INTER_CUBIC))

    def follow(self, fields: Sequence[Array], border: Array) -> list[Array]:
        """Bend fields along a border (mm, 1 × width), as fibres follow the layer they lie in."""
        x = np.tile(np.arange(self.shape[1], dtype=np.float32), (self.shape[0], 1))
        z = (self.z - (border - border.mean())) / self.step
        where = cv2.convertMaps(x, z, cv2.CV_16SC2)
        return [
            as_array(cv2.remap(field, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101))
            for field in fields
        ]


# Puts a lesion into the echo and attenuation maps, in place; returns 1 inside it, 0 outside.
Insert = Callable[[Array, Array], Array]


def build(
    plane: Plane, anatomy: Anatomy, insert: Insert | None, *, shift_mm: float = 0.0, squeeze: float = 1.0
) -> Tissue:
    """Build what one view shows: the plane, moved sideways by `shift_mm`, its depth scaled by `squeeze`."""
    echo, attenuation = _layers(plane, anatomy)
    inside = insert(echo, attenuation) if insert else np.zeros_like(echo)
    cut = np.array([[1, 0, MARGIN + shift_mm / plane.step], [0, 1 / squeeze, 0]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    maps = np.stack([echo, attenuation, inside], axis=2)
    seen = as_array(cv2.warpAffine(maps, cut, (GRID, GRID), flags=flags, borderMode=cv2.BORDER_REPLICATE))
    return Tissue(seen[..., 0], seen[..., 1], seen[..., 2] > 0.5)


def as_array(values: object) -> Array:
    """`values` as float32: OpenCV does not say what it returns."""
    return np.asarray(values, np.float32)


def below(z: Array, border: Array | float, soft_mm: float) -> Array:
    """0 above a border, 1 below it, with a ramp of ± `soft_mm`."""
    return as_array(np.clip((z - border) / (2 * soft_mm) + 0.5, 0, 1))


def bump(distance: Array, width: float) -> Array:
    """1 at distance 0, falling off like a Gaussian."""
    return as_array(np.exp(-((distance / width) ** 2)))


def _layers(plane: Plane, a: Anatomy) -> tuple[Array, Array]:
    z = plane.z
    top = a.skin_mm + 0.15 * plane.line(12)
    wave = a.wave_mm * (plane.line(18) + 0.35 * plane.line(7))
    gland_top = top + np.maximum(0.5, a.fat_mm + wave)
    gland_end = gland_top + np.maximum(2.0, a.gland_mm + 0.8 * a.wave_mm * plane.line(22))
    muscle_top = gland_end + np.maximum(0.3, 1.2 + 0.6 * plane.line(14))
    muscle_end = muscle_top + 7 + 0.6 * plane.line(20)

    fat, gland, septa = _soft_tissue(plane, a, gland_top)
    muscle = -21 + 6 * plane.follow([0.7 * plane.noise(0.7, 14) + 0.6 * plane.noise(0.5, 4)], muscle_top)[0]
    deep = muscle - 10 - 0.4 * np.maximum(z - muscle_end, 0)
    echo = np.where(z < top, np.float32(-14), fat)
    for tissue, border in ((gland, gland_top), (fat, gland_end), (muscle, muscle_top), (deep, muscle_end)):
        echo += below(z, border, 0.5) * (tissue - echo)
    echo += 3.5 * plane.noise(12, 16)
    for brightness, border in ((9.0, 0.25), (9.0, top)):
        echo += brightness * bump(z - border, 0.2)
    for fascia in (muscle_top, muscle_end):
        echo += (6 + 5 * plane.line(4)) * bump(z - fascia, 0.3)
    attenuation = a.attenuation + 0.25 * a.septa * septa
    _add_lobules(plane, a, gland_top, gland_end, echo)
    _add_shadows(plane, a, float(muscle_top.mean()), echo, attenuation)
    return echo, attenuation


def _soft_tissue(plane: Plane, a: Anatomy, gland_top: Array) -> tuple[Array, Array, Array]:
    """Fat, gland (dB) and septa (0–1.4) everywhere; streaks follow the border between them."""
    grains = ((3.0, 14), (1.3, 6), (0.9, 5), (0.45, 2.2), (4, 8), (1.5, 3))
    fields = [plane.noise(*grain) for grain in grains]
    ridge, fine, streaks, strands, blobs, ducts = plane.follow(fields, 0.6 * gland_top)
    broken = np.clip(0.8 + 0.5 * strands + 0.5 * streaks, 0, 1.4)
    septa = broken * np.maximum(bump(ridge, 0.10), 0.7 * bump(fine, 0.12))
    fat = FAT_DB + 2 * plane.noise(2, 4) + 1.5 * plane.noise(0.8, 2.5) + (6 + 12 * a.septa) * septa
    fatty = below(blobs, a.density * 1.6 - 0.6, 0.4)  # 1 where fat lies inside the gland
    gland = -10 + 4.5 * streaks + 4 * strands + 1.5 * blobs - 8 * a.ducts * below(ducts, 0.6, 0.3)
    gland += 0.8 * fatty * (fat + 2 * strands - gland) + (2 + 6 * a.septa) * septa
    return fat, gland, septa


def _add_lobules(plane: Plane, a: Anatomy, top: Array, end: Array, echo: Array) -> None:
    """Islands of fat in the gland: oval, isoechoic, parallel, like many a fibroadenoma."""
    for _ in range(a.lobules):
        u, v, width, flat = plane.rng.uniform((-0.45, 0.1, 3, 0.3), (0.45, 0.9, 11, 0.7)).tolist()
        column = int(plane.shape[1] * (0.5 + 0.7 * u))
        depth = float(top[0, column] + v * (end[0, column] - top[0, column]))
        rim = np.hypot((plane.x - u * a.extent_mm) / width * 2, (plane.z - depth) / (width * flat) * 2)
        rim += 0.12 * plane.noise(2.5, 2.5)
        echo += 0.9 * (1 - below(rim, 1.0, 0.12)) * (FAT_DB - echo) + 5 * bump(rim - 1.05, 0.07)


def _add_shadows(plane: Plane, a: Anatomy, muscle_mm: float, echo: Array, attenuation: Array) -> None:
    """Shadows that no lesion casts: behind ligaments and bad contact, and behind a rib."""
    for _ in range(a.shadows):
        x, start, width, strength = plane.rng.uniform((-0.5, 0.05, 0.8, 0.1), (0.5, 0.4, 5, 0.5)).tolist()
        across, down = bump(plane.x - x * a.extent_mm, width), below(plane.z, start * a.extent_mm, 2.0)
        attenuation += strength * across * down
    if a.rib:
        x, width = plane.rng.uniform((-0.5, 5), (0.5, 9)).tolist()
        rim = np.hypot((plane.x - x * a.extent_mm) / width, (plane.z - muscle_mm - 7) / 4)
        echo += 16 * bump(rim - 1, 0.1) * (plane.z < muscle_mm + 7) - 15 * (rim < 1)
        attenuation += 1.5 * (rim < 1)
