"""The near-duplicate detector: planted duplicates, the same partition in any order, BUSI's published list."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.data import copies
from bus.data.copies import SIDE, Pair, alike, alike_between, describe, joined
from bus.data.phantom.simulation import simulate, specs
from hypothesis import given, settings
from hypothesis import strategies as st

Grey = np.ndarray
Rng = np.random.Generator


def shift(grey: Grey, rng: Rng) -> Grey:
    height, width = grey.shape
    by = np.array(
        [[1, 0, rng.uniform(-0.08, 0.08) * width], [0, 1, rng.uniform(-0.08, 0.08) * height]], np.float32
    )
    return cv2.warpAffine(grey, by, (width, height))


def crop(grey: Grey, rng: Rng) -> Grey:
    height, width = grey.shape
    top, bottom, left, right = rng.uniform(0, 0.14, 4)
    return grey[
        int(top * height) : height - int(bottom * height), int(left * width) : width - int(right * width)
    ].copy()


def brightness(grey: Grey, rng: Rng) -> Grey:
    changed = (grey / 255) ** rng.uniform(0.7, 1.4) * 255 * rng.uniform(0.7, 1.3) + rng.uniform(-15, 15)
    return np.clip(changed, 0, 255).astype(np.uint8)


def size(grey: Grey, rng: Rng) -> Grey:
    factor, aspect = rng.uniform(0.5, 1.6), rng.uniform(0.95, 1.05)
    shape = max(32, int(grey.shape[1] * factor * aspect)), max(32, int(grey.shape[0] * factor))
    return cv2.resize(grey, shape, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def calipers(grey: Grey, rng: Rng) -> Grey:
    marked, (height, width) = grey.copy(), grey.shape
    for _ in range(2):
        ends = (rng.uniform(0.15, 0.85, (2, 2)) * (width, height)).astype(int).tolist()
        cv2.line(marked, ends[0], ends[1], 220, 1)
        for end in ends:
            cv2.drawMarker(marked, end, 255, cv2.MARKER_CROSS, height // 20, 1)
    at = (width // 10, int(height * rng.uniform(0.1, 0.95)))
    return cv2.putText(marked, "RT BREAST", at, cv2.FONT_HERSHEY_SIMPLEX, height / 500, 255, 1)


def doppler(grey: Grey, rng: Rng) -> Grey:
    """A colour box, as it looks in grey: its frame, and blobs of flow inside."""
    marked, (height, width) = grey.copy(), grey.shape
    top, left = (rng.uniform(0.1, 0.5, 2) * (height, width)).astype(int)
    high, wide = (rng.uniform(0.2, 0.4, 2) * (height, width)).astype(int)
    flow = cv2.resize(rng.random((6, 6)), (int(wide), int(high)), interpolation=cv2.INTER_CUBIC)
    patch = marked[top : top + high, left : left + wide]
    patch[flow > 0.65] = np.clip(90 + 80 * flow[flow > 0.65], 0, 255).astype(np.uint8)
    return cv2.rectangle(marked, (int(left), int(top)), (int(left + wide), int(top + high)), 230, 1)


def frame(grey: Grey, rng: Rng) -> Grey:
    """The next frame of the same sweep: tissue a little deformed, new speckle on top."""
    height, width = grey.shape
    drift = [
        0.012 * width * cv2.resize(rng.normal(size=(5, 5)), (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in "xy"
    ]
    y, x = np.mgrid[:height, :width]
    moved = cv2.remap(
        grey,
        (x + drift[0]).astype(np.float32),
        (y + drift[1]).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    speckle = cv2.GaussianBlur(rng.normal(size=grey.shape), (0, 0), 1.5)
    return np.clip(moved + 18 * speckle / speckle.std() * (moved > 8), 0, 255).astype(np.uint8)


def mirror(grey: Grey, rng: Rng) -> Grey:
    return np.ascontiguousarray(grey[:, ::-1])


def mirrored_crop(grey: Grey, rng: Rng) -> Grey:
    return crop(mirror(grey, rng), rng)


def turn(grey: Grey, rng: Rng) -> Grey:
    height, width = grey.shape
    by = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-10, 10), 1)
    return cv2.warpAffine(grey, by, (width, height))


def stretch(grey: Grey, rng: Rng) -> Grey:
    wide, high = rng.permutation([rng.uniform(1, 1.3), 1.0])
    return cv2.resize(grey, None, fx=wide, fy=high, interpolation=cv2.INTER_LINEAR)


KINDS: dict[str, Callable[[Grey, Rng], Grey]] = {
    "shift": shift,
    "crop": crop,
    "brightness": brightness,
    "size": size,
    "calipers": calipers,
    "doppler": doppler,
    "frame": frame,
    "mirror": mirror,
    "mirrored crop": mirrored_crop,
    "turn": turn,
    "stretch": stretch,
}


def plant(grey: Grey, kind: str, rng: Rng) -> Grey:
    """A near-duplicate of a grey scan: one of KINDS."""
    return KINDS[kind](grey, rng)


@cache
def planted(n: int, copies: int) -> tuple[np.ndarray, np.ndarray, list[tuple[str, int, int]]]:
    """Descriptors of `n` phantoms (256 px) and `copies` duplicates a kind; patients; (kind, copy, source)."""
    rng = np.random.default_rng(31)
    cohort = specs(n, seed=21, size=256)
    pictures = [simulate(spec).pixels for spec in cohort]
    patients, rows = [spec.patient for spec in cohort], []
    for kind in KINDS:
        for source in rng.choice(n, copies, replace=False).tolist():
            rows.append((kind, len(pictures), source))
            pictures.append(plant(pictures[source], kind, rng))
            patients.append(patients[source])
    return np.stack([describe(picture) for picture in pictures]), np.array(patients), rows


def grouped(descriptors: np.ndarray, block: int = 512) -> list[int]:
    """The group of each scan, as the pairs that the detector finds make them."""
    return joined(len(descriptors), (pair[:2] for pair in alike(descriptors, block=block)))


def some() -> np.ndarray:
    """180 of the planted descriptors, copies of every kind among them."""
    return planted(240, 24)[0][150:330]


@cache
def groups_of_some() -> list[int]:
    return grouped(some())


@pytest.mark.long
def test_planted_duplicates_are_found_and_strangers_are_not() -> None:
    descriptors, patients, rows = planted(240, 24)
    ids = np.array(grouped(descriptors))
    found = {
        kind: np.mean([ids[copy] == ids[source] for which, copy, source in rows if which == kind])
        for kind in KINDS
    }
    assert all(share >= 0.85 for share in found.values()), found
    assert np.mean(list(found.values())) >= 0.95, found
    first, second = np.triu_indices(len(ids), 1)
    joined = ids[first] == ids[second]
    assert (patients[first] == patients[second])[joined].mean() >= 0.99  # precision over pairs of scans


@pytest.mark.long
@settings(max_examples=3)
@given(st.randoms(use_true_random=False))
def test_order_changes_nothing(random: object) -> None:
    descriptors = some()
    order = list(range(len(descriptors)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = grouped(descriptors[order])
    assert partition(groups_of_some()) == partition([shuffled[order.index(row)] for row in range(len(order))])


def partition(ids: list[int]) -> set[frozenset[int]]:
    return {frozenset(np.nonzero(np.equal(ids, number))[0].tolist()) for number in ids}


@pytest.mark.long
@pytest.mark.parametrize("block", [1, 7, 100, 10_000])
def test_the_block_changes_nothing(block: int) -> None:
    assert grouped(some(), block) == groups_of_some()


def plainly_alike(descriptors: np.ndarray) -> list[Pair]:
    """The pairs of `alike` the slow way: view by view in double precision, every likely pair to the end."""
    views = copies._coarse(descriptors).astype(float)
    mirrored = copies._coarse(descriptors.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(-1, SIDE**2))
    found = []
    for row in range(len(descriptors) - 1):
        scores = np.array(
            [
                [views[other, row + 1 :] @ side[one, row].astype(float) for one, other in copies.COMPARED]
                for side in (views, mirrored)
            ]
        )
        for partner in np.argsort(-scores.max(axis=(0, 1)), kind="stable")[: copies.PARTNERS]:
            flip, compared = np.unravel_index(np.argmax(scores[:, :, partner]), scores.shape[:2])
            if scores[flip, compared, partner] > copies.LIKELY:
                pair = copies.Likely(row, row + 1 + int(partner), bool(flip), int(compared))
                found += copies._looked_at(descriptors, descriptors, [pair])
    return sorted(found)


@pytest.mark.long
def test_the_fast_way_finds_the_pairs_of_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors, _, rows = planted(240, 24)
    changed = [row for row in rows if row[0] in ("turn", "stretch", "mirrored crop", "frame", "shift")][::2]
    several = sorted({number for _, copy, source in changed for number in (copy, source)})
    unique = np.unique(descriptors[several], axis=0)  # in the detector's own order
    fast = alike(unique)
    monkeypatch.setattr(copies, "HOPE", -2.0)  # no free alignment is given up at half the detail
    plain = plainly_alike(unique)
    assert [pair[:2] for pair in fast] == [pair[:2] for pair in plain] and len(fast) > 50
    assert [pair.likeness for pair in fast] == pytest.approx([pair.likeness for pair in plain], abs=1e-6)


@pytest.mark.long
def test_an_index_of_very_many_scans_finds_the_same_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors = planted(240, 24)[0]
    exact = {pair[:2] for pair in alike(descriptors)}
    monkeypatch.setattr(copies, "MANY", 100)
    monkeypatch.setattr(copies.neighbours, "LISTED", 8)  # 60 lists, of which each view asks 16
    found = {pair[:2] for pair in alike(descriptors)}
    assert len(found & exact) >= 0.97 * len(exact)
    assert len(found - exact) <= 0.05 * len(exact)  # each scan has its own partners, later ones or not


def test_groups_are_numbered_by_first_appearance() -> None:
    ids = grouped(planted(240, 24)[0])
    assert list(dict.fromkeys(ids)) == list(range(max(ids) + 1))


@pytest.mark.long
def test_copies_are_one_group_however_many() -> None:
    descriptors, patients, _ = planted(240, 24)
    descriptors = descriptors[np.unique(patients, return_index=True)[1][:3]]  # three patients
    ids = grouped(np.concatenate([descriptors[:1]] * 40 + [descriptors[1:]]))
    assert len(set(ids[:40])) == 1
    assert len(set(ids)) == 3


def test_copies_are_found_in_another_set_whichever_comes_first() -> None:
    descriptors, patients, rows = planted(240, 24)
    ours, theirs = descriptors[:240], descriptors[240:]
    found = alike_between(ours, theirs)
    assert {copy for _, copy, _ in rows} == {240 + pair.second for pair in found}
    assert all(patients[pair.first] == patients[240 + pair.second] for pair in found)
    turned = {(pair.second, pair.first) for pair in alike_between(theirs, ours)}
    shared = {(pair.first, pair.second) for pair in found} & turned
    assert len(shared) >= 0.95 * max(len(found), len(turned))
    assert alike_between(ours[:0], theirs) == alike_between(ours, theirs[:0]) == []


def test_pairs_are_ordered_and_make_the_groups() -> None:
    descriptors = some()
    pairs = alike(np.concatenate([descriptors, descriptors[:3]]))
    assert pairs == sorted(pairs) and all(pair.first < pair.second for pair in pairs)
    assert {(row, 180 + row) for row in range(3)} <= {(pair.first, pair.second) for pair in pairs}
    assert all(0.7 <= pair.likeness <= 1 + 1e-6 for pair in pairs)
    assert joined(180, (pair[:2] for pair in pairs if pair.second < 180)) == groups_of_some()


def test_a_scan_that_shows_only_a_frame_resembles_nothing() -> None:
    """Thumbnails whose middle is empty once aligned: a correlation of nothing with anything is none."""
    frames = []
    for thickness in (8, 12, 16, 20):
        grey = np.zeros((256, 200 + thickness), np.uint8)
        frames.append(describe(cv2.rectangle(grey, (0, 0), (199 + thickness, 255), 180, thickness)))
    strangers = planted(240, 24)[0][:40]
    ids = grouped(np.concatenate([strangers, np.stack(frames)]))
    assert not set(ids[:40]) & set(ids[40:])


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_blank_scans_resemble_nothing(n: int) -> None:
    blank = np.zeros((n, SIDE**2), np.int8)
    assert grouped(blank) == list(range(n))


@given(st.integers(1, 900), st.integers(1, 900), st.integers(0, 255))
@settings(max_examples=25)
def test_any_size_gives_the_same_length(height: int, width: int, level: int) -> None:
    grey = np.full((height, width), level, np.uint8)
    grey[: height // 2, : width // 2] = 255 - level
    descriptor = describe(grey)
    assert descriptor.shape == (SIDE**2,)
    assert descriptor.dtype == np.int8


@pytest.mark.slow
def test_busi_against_the_published_list(datasets: Path) -> None:
    """Measured, never tuned on: the list of Pawłowska, Karwat, Żołek (2023), 254 pairs in 587 units."""
    units = json.loads((datasets / "busi" / "pawlowska_groups.json").read_text())
    unit = {file: each["group_id"] for each in units for file in each["files"]}
    files = sorted(unit)
    folder = datasets / "busi" / "Dataset_BUSI_with_GT"
    ids = np.array(
        grouped(np.stack([describe(cv2.imread(str(folder / f), cv2.IMREAD_GRAYSCALE)) for f in files]))
    )
    first, second = np.triu_indices(len(files), 1)
    listed = np.array([unit[f] for f in files])
    found, true = ids[first] == ids[second], listed[first] == listed[second]
    assert true.sum() == 254
    assert found[true].mean() >= 0.88
    assert true[found].mean() >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mirror", "turn", "stretch"])
def test_changed_copies_of_real_scans_are_found(datasets: Path, kind: str) -> None:
    folder, rng = datasets / "busi" / "Dataset_BUSI_with_GT", np.random.default_rng(3)
    files = sorted(path for path in folder.glob("*/*.png") if "_mask" not in path.name)[::6]
    scans = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in files]
    ours = np.stack([describe(scan) for scan in scans])
    theirs = np.stack([describe(plant(scan, kind, rng)) for scan in scans])
    found = {(pair.first, pair.second) for pair in alike_between(ours, theirs)}
    assert len(found & {(row, row) for row in range(len(files))}) >= 0.99 * len(files)
