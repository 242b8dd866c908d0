"""Rows of the data: a cohort from folder to first batch, phantoms, duplicates, distances between sets."""

import shutil
from functools import partial

import numpy as np
import plain
from bus.data import copies, phantom, reading
from bus.data.scans import read_scan, to_grey
from bus.data.study import open_or_create
from bus.gan.scores.features import lite0
from bus.gan.scores.score import compare
from measure import Bench, Row, threads
from rows_classify import class_folders

BATCH = 32


def first_batch(bench: Bench) -> Row:
    """780 scans of BUSI's size, from folder to first batch: a new study, the same study again, and PIL."""
    count, repeats = bench.size(780, 20), bench.size(3, 1)
    folder, place = class_folders(bench, count), bench.folder / "first-batch"

    def warm() -> None:
        study = open_or_create(place, {"data": str(folder), "k": 2})
        np.array(study.pixels[:BATCH])

    def cold() -> None:
        shutil.rmtree(place, ignore_errors=True)
        warm()

    with threads(bench.compute.threads):
        again, new, other = bench.interleave(
            repeats, warm, cold, partial(plain.first_batch, folder, 64, BATCH)
        )
    return Row(
        "cohort",
        f"{count} scans, folder → first batch, study opened again",
        again,
        other,
        "ImageFolder, PIL, every scan decoded",
        repeats,
        bench.compute.threads,
        parts={"new study (hashes, squares, groups, folds)": new, "times faster when new": other / new},
        note="files lie in the system's cache in all three",
        aim=10,
    )


def phantoms(bench: Bench) -> Row:
    """Phantoms with one process a core, and near-duplicates among them."""
    count = bench.size(5_000, 60)
    folder = bench.folder / "phantoms"
    shutil.rmtree(folder, ignore_errors=True)
    seconds = bench.time(lambda: phantom.write_cohort(folder, count, size=64, jobs=bench.compute.threads))
    listing = reading.list_source(str(folder))
    scans = [to_grey(read_scan(listing, scan)) for scan in listing.scans]
    descriptors = np.stack([copies.describe(grey) for grey in scans])
    with threads(bench.compute.threads):
        (found,) = bench.interleave(bench.size(3, 1), lambda: copies.alike(descriptors))
    return Row(
        "duplicates",
        f"near-duplicates among {count:,} scans, described",
        found,
        repeats=bench.size(3, 1),
        threads=bench.compute.threads,
        parts={"phantoms a second (with masks, written)": count / seconds},
    )


def distances(bench: Bench) -> Row:
    """FD, KID, precision, recall, density, coverage of 500 and 500 against torch-fidelity's own interface."""
    count = bench.size(500, 6)
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, top, (count, 64, 64), np.uint8) for top in (200, 256))
    with threads(bench.compute.threads):
        found = bench.interleave(
            bench.size(3, 1), lambda: compare(first, second, lite0()), lambda: plain.distances(first, second)
        )
    return Row(
        "distances",
        f"FD and KID of {count} against {count} scans (EfficientNet-Lite0)",
        *found,
        "torch-fidelity with the package's network",
        bench.size(3, 1),
        bench.compute.threads,
        "float32",
        note="ours computes density and coverage too",
    )
