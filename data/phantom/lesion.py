"""The lesion in a phantom scan, described in the words of BI-RADS (ultrasound) and drawn into the tissue."""

from dataclasses import dataclass

import cv2
import numpy as np

from .anatomy import Anatomy, Array, Plane, Rng, as_array, below, bump

# Shares of each descriptor, per class. Shapes, orientations, circumscribed and spiculated margins are as
# frequent as in 403 biopsied masses (Hong et al., AJR 184 (2005) 1260); the others are chosen. They overlap,
# as in patients.
SHARES: dict[str, dict[str, dict[str, float]]] = {
    "shape": {
        "benign": {"oval": 0.70, "round": 0.06, "irregular": 0.24},
        "malignant": {"oval": 0.24, "round": 0.04, "irregular": 0.72},
    },
    "orientation": {
        "benign": {"parallel": 0.87, "not parallel": 0.13},
        "malignant": {"parallel": 0.47, "not parallel": 0.53},
    },
    "margin": {
        "benign": {
            "circumscribed": 0.61,
            "indistinct": 0.18,
            "microlobulated": 0.13,
            "angular": 0.07,
            "spiculated": 0.01,
        },
        "malignant": {
            "circumscribed": 0.13,
            "indistinct": 0.32,
            "microlobulated": 0.20,
            "angular": 0.21,
            "spiculated": 0.14,
        },
    },
    "echo_pattern": {
        "benign": {
            "anechoic": 0.20,
            "hypoechoic": 0.46,
            "isoechoic": 0.14,
            "hyperechoic": 0.04,
            "complex": 0.08,
            "heterogeneous": 0.08,
        },
        "malignant": {
            "anechoic": 0.02,
            "hypoechoic": 0.58,
            "isoechoic": 0.10,
            "hyperechoic": 0.02,
            "complex": 0.08,
            "heterogeneous": 0.20,
        },
    },
    "posterior": {
        "benign": {"none": 0.48, "enhancement": 0.38, "shadowing": 0.08, "combined": 0.06},
        "malignant": {"none": 0.34, "enhancement": 0.14, "shadowing": 0.40, "combined": 0.12},
    },
}
HALO = {"benign": 0.05, "malignant": 0.35}  # share with an echogenic rind
CALCIFIED = {"benign": 0.08, "malignant": 0.25}
_ECHO_DB = {  # mean and deviation over lesions, dB
    "anechoic": (-44, 4),
    "hypoechoic": (-26, 3.5),
    "isoechoic": (-16, 2),
    "hyperechoic": (-4, 2),
    "complex": (-30, 4),
    "heterogeneous": (-24, 3),
}
_POSTERIOR_DB = {"none": (-2, 2), "enhancement": (4, 11), "shadowing": (-22, -7), "combined": (-5, 4)}
_REFERENCE_MHZ = 10.0  # at which posterior_db is meant
_EDGE_MM = {"circumscribed": (0.2, 0.5), "indistinct": (1.2, 2.4)}
_ROUGH_DB = {"heterogeneous": 6.0, "anechoic": 0.5}


@dataclass(frozen=True)
class Lesion:
    """One lesion: its BI-RADS descriptors and the numbers behind them (mm, dB, radians)."""

    shape: str
    orientation: str
    margin: str
    echo_pattern: str
    posterior: str
    width_mm: float
    height_mm: float
    lateral_mm: float  # of the centre, from the middle of the patient's plane
    depth_mm: float  # of the centre, from the skin
    tilt: float
    echo_db: float  # mean inside
    posterior_db: float  # behind its middle, against the tissue beside; negative darkens
    edge_mm: float  # half the transition into the tissue
    halo_mm: float  # thickness of the echogenic rind, 0 without
    calcifications: int


def draw_lesion(rng: Rng, label: str, anatomy: Anatomy) -> Lesion:
    """Draw a benign or malignant lesion; its place and area do not depend on `label`."""
    diameter = rng.uniform(0.16, 0.52) * anatomy.extent_mm  # geometric mean of width and height
    lateral = rng.uniform(-0.22, 0.22) * anatomy.extent_mm
    centre = anatomy.skin_mm + anatomy.fat_mm * 0.8 + rng.uniform(0.15, 0.7) * anatomy.gland_mm
    drawn = {
        name: str(rng.choice(list(shares[label]), p=list(shares[label].values())))
        for name, shares in SHARES.items()
    }
    if label == "benign" and drawn["echo_pattern"] == "anechoic":  # a simple cyst
        drawn |= {"shape": drawn["shape"].replace("irregular", "oval"), "margin": "circumscribed"}
    longest = {"round": 1.15, "oval": 2.1, "irregular": 1.7}[drawn["shape"]]
    ratio = rng.uniform(1.0 if drawn["shape"] == "round" else 1.2, longest)
    ratio = ratio if drawn["orientation"] == "parallel" else 1 / ratio
    height = diameter / ratio**0.5
    return Lesion(
        **drawn,
        width_mm=diameter * ratio**0.5,
        height_mm=height,
        lateral_mm=lateral,
        depth_mm=max(centre, anatomy.skin_mm + 1 + height / 2),
        tilt=rng.normal(0, 0.15),
        echo_db=rng.normal(*_ECHO_DB[drawn["echo_pattern"]]),
        posterior_db=rng.uniform(*_POSTERIOR_DB[drawn["posterior"]]),
        edge_mm=rng.uniform(*_EDGE_MM.get(drawn["margin"], (0.4, 0.9))),
        halo_mm=rng.uniform(0.8, 2.0) if rng.random() < HALO[label] else 0.0,
        calcifications=int(rng.integers(3, 14)) if rng.random() < CALCIFIED[label] else 0,
    )


def insert(plane: Plane, lesion: Lesion, echo: Array, attenuation: Array) -> Array:
    """Put the lesion into the maps of a patient's plane, in place; returns 1 inside it, 0 outside."""
    dx, dz = plane.x - lesion.lateral_mm, plane.z - lesion.depth_mm
    cos, sin = float(np.cos(lesion.tilt)), float(np.sin(lesion.tilt))
    radius, angle = cv2.cartToPolar(cos * dx + sin * dz, cos * dz - sin * dx)
    steps = np.linspace(0, 2 * np.pi, 721)
    distance = radius - as_array(np.interp(angle, steps, _outline(plane, lesion, steps)))  # negative inside
    distance += (0.15 if lesion.margin == "circumscribed" else 0.5) * plane.noise(1.2, 1.2)
    weight = 1 - below(distance, 0.0, lesion.edge_mm)
    _surround(plane, lesion, as_array(angle), distance, echo)
    echo += weight * (_interior(plane, lesion) - echo)
    for u, v in plane.rng.uniform(-0.3, 0.3, (lesion.calcifications, 2)).tolist():
        echo += 22 * bump(np.hypot(dx - u * lesion.width_mm, dz - v * lesion.height_mm), 0.22)
    per_cm = lesion.posterior_db / (2 * lesion.height_mm / 10)  # twice through the lesion
    attenuation -= weight * per_cm / _REFERENCE_MHZ
    if lesion.posterior == "combined":
        attenuation += 0.6 * below(dx, 0.0, 1.0) * weight
    return (distance < 0).astype(np.float32)


def _outline(plane: Plane, lesion: Lesion, angle: Array) -> Array:
    """Distance of the border from the centre (mm) at each angle."""
    rng, a, b = plane.rng, lesion.width_mm / 2, lesion.height_mm / 2
    ellipse = a * b / np.hypot(b * np.cos(angle), a * np.sin(angle))
    orders = np.arange(2, 8)[:, None]
    here, elsewhere = rng.uniform(0, 2 * np.pi, (2, 6, 1))
    waves = plane.turn[0] * np.cos(orders * angle + here) + plane.turn[1] * np.cos(orders * angle + elsewhere)
    strength = {"irregular": 0.13, "oval": 0.035, "round": 0.02}[lesion.shape]
    factor = 1 + strength * (waves * rng.uniform(0.4, 1.4, (6, 1)) * (3 / orders) ** 0.7).sum(0)
    if lesion.margin == "microlobulated":
        factor += 0.07 * np.abs(np.sin(rng.integers(5, 9) * angle + rng.uniform(0, 6)))
    fewest, most, sharpness = {"angular": (3, 5, 12), "spiculated": (7, 13, 60)}.get(lesion.margin, (0, 0, 1))
    for at in rng.uniform(0, 2 * np.pi, rng.integers(fewest, most + 1)).tolist():
        factor += 0.25 * rng.uniform(0.5, 1.2) * np.exp(sharpness * (np.cos(angle - at) - 1))
    return as_array(ellipse * np.clip(factor, 0.35, 2.0))


def _surround(plane: Plane, lesion: Lesion, angle: Array, distance: Array, echo: Array) -> None:
    """Change the tissue around: strands that pull at it (spiculated), a capsule, an echogenic rind."""
    away = np.maximum(distance, 0)
    if lesion.margin == "spiculated":
        rays = plane.line(0.8)[0]
        around = np.linspace(0, 2 * np.pi, len(rays))
        echo += 9 * np.exp(-away / 3) * as_array(np.interp(angle, around, rays))
    if lesion.margin == "circumscribed":
        echo += 5 * bump(away - 0.2, 0.25)
    if lesion.halo_mm > 0:
        echo += 7 * bump(away / lesion.halo_mm - 0.6, 1.0)


def _interior(plane: Plane, lesion: Lesion) -> Array:
    """Echo strength inside (dB)."""
    texture = plane.noise(2.0, 2.5)
    if lesion.echo_pattern == "complex":  # cystic and solid: fluid beside tissue
        return lesion.echo_db - 10 + 20 * below(plane.noise(4, 5), 0.1, 0.3) + 2 * texture
    return lesion.echo_db + _ROUGH_DB.get(lesion.echo_pattern, 2.0) * texture
