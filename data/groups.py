"""Near-duplicates: scans that show the same picture, found by correlating small normalised thumbnails."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

SIDE = 24  # px of the thumbnail
THRESHOLD = 0.95  # correlation above which two scans are taken for one scene


def describe(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A descriptor (SIDE² values, mean 0, length 1) of a grey scan (H×W, uint8) of any size."""
    thumbnail = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    thumbnail -= thumbnail.mean()
    return (thumbnail / max(float(np.linalg.norm(thumbnail)), 1e-6)).ravel()


def near_duplicates(descriptors: NDArray[np.float32], *, block: int = 2048) -> list[int]:
    """Group ids, 0 upwards by first appearance, of scans (N×D descriptors) joined by near-duplicates."""
    pairs = []
    for start in range(0, len(descriptors), block):
        first, second = np.nonzero(descriptors[start : start + block] @ descriptors.T > THRESHOLD)
        pairs.append(np.stack([first + start, second]))
    rows, columns = np.concatenate(pairs, axis=1)
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(len(descriptors),) * 2)
    _, ids = connected_components(graph, directed=False)
    order: dict[int, int] = {}
    return [order.setdefault(int(number), len(order)) for number in ids]
