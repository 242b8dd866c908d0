"""Partners among very many scans: what an index finds, against comparing each with every other."""

import numpy as np
import pytest
from bus.data import neighbours
from bus.data.neighbours import likeliest


def views(scans: int, seed: int = 0) -> np.ndarray:
    """Three kinds of views of strangers, 24 unit vectors' numbers each, as alike as they come in clusters."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, 24))
    drawn = centres[rng.integers(0, 12, scans)] + 0.7 * rng.normal(size=(3, scans, 24))
    return (drawn / np.linalg.norm(drawn, axis=2, keepdims=True)).astype(np.float32)


COMPARED = [(0, 0), (1, 0), (0, 1), (2, 2)]


def plainly(seen: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """The best agreement of each scan with each other; of two kinds the first asks, whichever scan has it."""
    asked = [(0, 0), (1, 0), (2, 2)]
    best = np.max([side[one] @ seen[other].T for side in (seen, mirrored) for one, other in asked], axis=0)
    np.fill_diagonal(best, -1)
    return best


def test_with_every_list_probed_it_finds_the_likeliest_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "LISTED", 40)
    monkeypatch.setattr(neighbours, "KEPT", 300)
    seen, mirrored = views(300), views(300, 1)
    partners, likeness = likeliest(seen, lambda kind: mirrored[kind], COMPARED, 5)
    expected = np.sort(plainly(seen, mirrored), axis=1)[:, :-6:-1]
    assert np.allclose(np.sort(likeness)[:, ::-1], expected, atol=1e-6)
    assert all(len(set(row)) == 5 and number not in row for number, row in enumerate(partners.tolist()))


def test_planted_copies_are_found_in_few_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "LISTED", 20)  # 100 lists, of which each view asks 8
    monkeypatch.setattr(neighbours, "PROBED", 8)
    seen = views(2_000)
    rng = np.random.default_rng(3)
    copied = seen[:, :100] + 0.08 * rng.normal(size=(3, 100, 24))
    seen[:, 1_900:] = (copied / np.linalg.norm(copied, axis=2, keepdims=True)).astype(np.float32)
    partners, _ = likeliest(seen, lambda kind: seen[kind], COMPARED, 4)
    found = [1_900 + number in partners[number] for number in range(100)]
    assert np.mean(found) >= 0.98


def test_one_scan_has_no_partner() -> None:
    partners, likeness = likeliest(views(1), lambda kind: views(1)[kind], COMPARED, 3)
    assert partners.shape == (1, 3) and (likeness == -1).all()
