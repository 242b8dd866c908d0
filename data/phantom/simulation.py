"""Simulated breast scans: a physical model of B-mode imaging, so that every command runs without data.

Random scatterers, weighted by the tissue's echo strength and by what attenuation leaves of the pulse, are
convolved with a point-spread function (baseband IQ); the envelope, averaged over looks, is log-compressed.
Every scan depends on (seed, its number) alone: scan 17 is the same in a cohort of 50 and of 5,000.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError, did_you_mean
from ...core.files import new_folder, write_csv
from ...core.processes import Workers
from ...core.progress import progress
from ..pictures import png
from .anatomy import GRID, Anatomy, Array, Plane, Rng, Tissue, as_array, build, draw_anatomy
from .lesion import Lesion, draw_lesion, insert

Grey = NDArray[np.uint8]
Parameters = dict[str, float | int | str]

BLOCK = {"benign": 437, "malignant": 210, "normal": 133}  # BUSI's counts: each 780 scans hold exactly these
PAIRED = ("benign", "malignant")  # the lesions that a paired patient is shown with, in turn
MARKED = {"benign": 40, "malignant": 25, "normal": 6}  # per cent of scans with burned-in marks, as in BUSI
VIEWS = (0.72, 0.21, 0.05, 0.02)  # patients with 1, 2, 3, 4 views (46 % of BUSI's scans have siblings)
MAX_SHIFT_MM = 3.0  # how far a view lies beside the middle of the patient's plane
# streams of random numbers, each continued by (seed, patient …)
_ANATOMY, _LAYERS, _LESION, _INSIDE, _VIEW, _SPECKLE, _MARKS, _PATIENT, _ORDER = range(1, 10)


@dataclass(frozen=True)
class Scanner:
    """A machine and how it is set."""

    frequency_mhz: float
    axial_mm: float  # deviation of the pulse along the beam
    lateral_mm: float  # deviation of the beam at its focus
    focus: float  # depth of the focus, as a share of the scan's
    spread: float  # how many times wider the beam is far from it
    gain_db: float
    tgc: float  # dB / cm / MHz that the time-gain compensation makes up for, one way
    dynamic_range_db: float
    noise_db: float  # electronic noise before the compensation
    looks: int  # images averaged (spatial compounding)


SCANNERS = {
    "linear-10": Scanner(10, 0.11, 0.17, 0.45, 1.8, -16, 0.55, 58, -80, 3),
    "linear-7": Scanner(7, 0.17, 0.28, 0.40, 2.2, -14, 0.55, 50, -68, 1),
    "linear-14": Scanner(14, 0.08, 0.12, 0.35, 1.6, -16, 0.57, 66, -92, 4),
}


@dataclass(frozen=True)
class Spec:
    """Which scan is meant: all that decides its pixels, cheap to make and to send to another process."""

    file: str  # "benign/benign (1).png"
    label: str
    patient: int
    view: int  # 0 is the patient's first
    marked: bool
    seed: int
    size: int
    scanner: str

    @property
    def group(self) -> str:
        """The patient, as a name."""
        return f"patient-{self.patient:05d}"


@dataclass(frozen=True)
class Phantom:
    """One simulated scan; pixels and mask (0 or 255) are uint8, size × size."""

    file: str
    label: str
    group: str
    pixels: Grey
    mask: Grey
    parameters: Parameters


def specs(
    n: int, *, seed: int = 0, size: int = 128, scanner: str = "linear-10", paired: bool = False
) -> list[Spec]:
    """List the first `n` scans of a cohort: BUSI's class shares and marks, patients with 1–4 views.

    With `paired`, scans 2 i and 2 i + 1 show one patient, once with a benign, once with a malignant lesion in
    the same place, and nothing is burned in. `size` is the side in pixels. UsageError for impossible options.
    """
    if scanner not in SCANNERS:
        raise UsageError(
            f"There is no scanner {scanner!r}; known are {', '.join(SCANNERS)}."
            f"{did_you_mean(scanner, SCANNERS)}"
        )
    if n < 1 or seed < 0 or not 16 <= size <= 1024:
        raise UsageError(f"{n} scans of {size} px, seed {seed}: expected n ≥ 1, 16–1024 px, a seed ≥ 0.")
    counts = dict.fromkeys(BLOCK, 0)
    listed = []
    for patient, label, view in islice(_pairs() if paired else _patients(seed), n):
        # exactly MARKED[label] of each hundred scans of a class, in an order that only the seed knows
        hundred, within = divmod(counts[label], 100)
        order = _rng(_ORDER, seed, list(BLOCK).index(label), hundred).permutation(100)
        marked = not paired and bool(order[within] < MARKED[label])
        counts[label] += 1
        file = f"{label}/{label} ({counts[label]}).png"
        listed.append(Spec(file, label, patient, view, marked, seed, size, scanner))
    return listed


def _pairs() -> Iterator[tuple[int, str, int]]:
    for patient in count():
        yield from ((patient, label, 0) for label in PAIRED)


def _patients(seed: int) -> Iterator[tuple[int, str, int]]:
    """(patient, label, view) without end; a patient is of the class that lags furthest behind its share."""
    left = dict(BLOCK)
    for patient in count():
        label = max(left, key=lambda name: left[name] / BLOCK[name])
        views = 1 + int(_rng(_PATIENT, seed, patient).choice(len(VIEWS), p=VIEWS))
        for view in range(min(views, left[label])):
            left[label] -= 1
            yield patient, label, view
        if not any(left.values()):
            left = dict(BLOCK)


def _rng(*key: int) -> Rng:
    return np.random.default_rng(key)


def simulate(spec: Spec) -> Phantom:
    """Simulate one scan (about 20 ms)."""
    patient = (spec.seed, spec.patient)
    anatomy = draw_anatomy(_rng(_ANATOMY, *patient))
    lesion = None if spec.label == "normal" else draw_lesion(_rng(_LESION, *patient), spec.label, anatomy)
    view = _rng(_VIEW, *patient, spec.view)
    tissue = _view(spec, anatomy, lesion, view)
    scanner = SCANNERS[spec.scanner]
    gain, dynamic = scanner.gain_db + view.normal(0, 3), scanner.dynamic_range_db + view.normal(0, 3)
    echoes = envelope(tissue, anatomy.extent_mm, scanner, _rng(_SPECKLE, *patient, spec.view))
    pixels = np.clip(_resize(compress(echoes, gain, dynamic), spec.size) + 0.5, 0, 255).astype(np.uint8)
    mask = np.where(_resize(tissue.lesion.astype(np.float32), spec.size) >= 0.5, 255, 0).astype(np.uint8)
    marks = "none"
    if spec.marked:
        pixels, marks = burn_in(pixels, mask, _rng(_MARKS, *patient, spec.view))
    machine: Parameters = {
        "view": spec.view,
        "scanner": spec.scanner,
        "frequency_mhz": scanner.frequency_mhz,
        "gain_db": round(gain, 4),
        "dynamic_range_db": round(dynamic, 4),
        "marks": marks,
    }
    return Phantom(spec.file, spec.label, spec.group, pixels, mask, machine | _describe(anatomy, lesion))


def _view(spec: Spec, anatomy: Anatomy, lesion: Lesion | None, view: Rng) -> Tissue:
    """The tissue under the probe: a later view lies in a plane beside the first."""
    elevation = view.uniform(0.1, 0.45) if spec.view else 0.0
    put = None
    if lesion:
        inside = Plane(_rng(_INSIDE, spec.seed, spec.patient), anatomy.extent_mm, elevation)
        put = partial(insert, inside, lesion)
    plane = Plane(_rng(_LAYERS, spec.seed, spec.patient), anatomy.extent_mm, elevation)
    shift = view.uniform(-MAX_SHIFT_MM, MAX_SHIFT_MM)
    return build(plane, anatomy, put, shift_mm=shift, squeeze=view.uniform(0.92, 1.08))


def envelope(tissue: Tissue, extent_mm: float, scanner: Scanner, rng: Rng) -> Array:
    """Image the tissue: the amplitude of its echoes (GRID × GRID, 1 is full scale), time-gain compensated.

    With one look the envelope of a homogeneous region is Rayleigh-distributed, fully developed speckle
    (Burckhardt, IEEE Trans. Sonics Ultrason. 25 (1978) 1).
    """
    step = extent_mm / GRID
    depth = (np.arange(GRID, dtype=np.float32)[:, None] + 0.5) / GRID
    made_up = 2 * scanner.frequency_mhz * scanner.tgc * depth * extent_mm / 10
    passed = 2 * scanner.frequency_mhz * np.cumsum(tissue.attenuation, axis=0) * step / 10
    lost = as_array(cv2.GaussianBlur(passed, (0, 0), sigmaX=0.5 / step, sigmaY=0.1))
    strength = _amplitude(tissue.echo - lost + made_up)
    noise = _amplitude(scanner.noise_db + made_up)
    away = (np.abs(depth - scanner.focus) / max(scanner.focus, 1 - scanner.focus))[..., None]
    axial, lateral = scanner.axial_mm / step, scanner.lateral_mm / step
    total = np.zeros((GRID, GRID), np.float32)
    for _ in range(scanner.looks):
        scatterers, electronic = rng.standard_normal((2, GRID, GRID, 2), dtype=np.float32)  # real, imaginary
        echoes = strength * scatterers
        narrow, wide = _spread(echoes, axial, lateral), _spread(echoes, axial, lateral * scanner.spread)
        iq = np.sqrt(1 - away) * narrow + np.sqrt(away) * wide + noise * electronic
        total += np.hypot(iq[..., 0], iq[..., 1])
    return total / np.float32(scanner.looks)


def _amplitude(decibels: Array) -> Array:
    return np.power(np.float32(10), decibels / 20)[..., None]


def _spread(signal: Array, axial: float, lateral: float) -> Array:
    """Convolve IQ (height × width × 2) with a Gaussian pulse of unit energy; deviations in samples."""
    energy = 2 * float(np.sqrt(np.pi * axial * lateral))
    return energy * as_array(cv2.GaussianBlur(signal, (0, 0), sigmaX=lateral, sigmaY=axial))


def compress(amplitude: Array, gain_db: float, dynamic_range_db: float) -> Array:
    """Log-compress an envelope to grey levels (0–255); `dynamic_range_db` below full scale is black."""
    decibels = 20 * np.log10(np.maximum(amplitude, np.float32(1e-7))) + gain_db
    return np.clip(255 * (1 + decibels / dynamic_range_db), 0, 255)


def _resize(grid: Array, size: int) -> Array:
    how = cv2.INTER_AREA if size <= GRID else cv2.INTER_CUBIC
    return as_array(cv2.resize(grid, (size, size), interpolation=how))


PLACES = ("BREAST", "UOQ", "LOQ", "UIQ", "LIQ", "3 OCLOCK", "10 OCLOCK", "AXILLA")


def burn_in(pixels: Grey, mask: Grey, rng: Rng) -> tuple[Grey, str]:
    """Burn calipers or text into a copy of a scan, as sonographers do; returns it and what was burned in."""
    canvas = np.zeros((512, 512), np.uint8)
    kind = str(rng.choice(["text", "calipers", "calipers and text"])) if mask.any() else "text"
    if "calipers" in kind:
        rows, columns = (found * 512 / len(mask) for found in np.nonzero(mask))
        x, y = columns.mean(), rows.mean()
        lines = [((columns.min(), y), (columns.max(), y)), ((x, rows.min()), (x, rows.max()))]
        for start, end in lines[: int(rng.integers(1, 3))]:
            _caliper(canvas, np.array(start), np.array(end))
    if "text" in kind:
        text = f"{rng.choice(['RT', 'LT'])} {rng.choice(PLACES)}"
        at = (int(rng.integers(8, 200)), int(rng.choice([rng.integers(40, 110), rng.integers(400, 500)])))
        cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.9, (235,), 2, cv2.LINE_AA)
    layer = cv2.resize(canvas, pixels.shape[::-1], interpolation=cv2.INTER_AREA)
    return np.maximum(pixels, layer.astype(np.uint8)), kind


def _caliper(canvas: Grey, start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
    """Draw two crosses and a dotted line between them; points are (x, y) in pixels."""
    for x, y in (start, end):
        cv2.drawMarker(canvas, (int(x), int(y)), (255,), cv2.MARKER_CROSS, 22, 2, cv2.LINE_AA)
    for share in np.arange(0, 1, 10 / max(10.0, float(np.hypot(*(end - start))))):
        x, y = start + share * (end - start)
        cv2.circle(canvas, (int(x), int(y)), 1, (220,), -1, cv2.LINE_AA)


def _describe(anatomy: Anatomy, lesion: Lesion | None) -> Parameters:
    """The numbers behind a scan, one column each; a lesion's are empty where there is none."""
    found: Parameters = asdict(lesion) if lesion else {field.name: "" for field in fields(Lesion)}
    values: Parameters = asdict(anatomy) | {f"lesion_{name}": value for name, value in found.items()}
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}


def write_cohort(
    out: Path,
    n: int,
    *,
    seed: int = 0,
    size: int = 128,
    scanner: str = "linear-10",
    paired: bool = False,
    jobs: int = 1,
) -> Path:
    """Write a cohort in BUSI's layout with labels.csv (label, group, mask) and parameters.csv; returns `out`.

    The folder appears whole or not at all. `jobs` processes share the work. UsageError if `out` already holds
    something, BusError if it cannot be written; else as `specs`.
    """
    todo = specs(n, seed=seed, size=size, scanner=scanner, paired=paired)
    with new_folder(out) as part:
        for label in {spec.label for spec in todo}:
            (part / label).mkdir()
        rows = []
        with progress(f"Simulating {n} phantoms", n) as advance:
            for row in _write_all(part, todo, jobs):
                rows.append(row)
                advance()
        labels = [(spec.file, spec.label, spec.group, _mask_of(spec.file)) for spec in todo]
        write_csv(part / "labels.csv", ("file", "label", "group", "mask"), labels)
        write_csv(part / "parameters.csv", list(rows[0]), [list(row.values()) for row in rows])
    return out


def _write_all(folder: Path, todo: list[Spec], jobs: int) -> Iterator[Parameters]:
    work = partial(_write, folder)
    if jobs == 1:
        yield from map(work, todo)
        return
    # a fork of a process with OpenCV's threads may hang
    with ProcessPoolExecutor(jobs, Workers(), initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.map(work, todo, chunksize=8)


def _write(folder: Path, spec: Spec) -> Parameters:
    phantom = simulate(spec)
    for file, pixels in ((spec.file, phantom.pixels), (_mask_of(spec.file), phantom.mask)):
        (folder / file).write_bytes(png(pixels))
    return {"file": spec.file, "label": spec.label, "group": spec.group} | phantom.parameters


def _mask_of(file: str) -> str:
    return file.removesuffix(".png") + "_mask.png"
