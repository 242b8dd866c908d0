"""The likeliest partners of each of very many scans, without comparing each with every other.

An inverted file (Sivic and Zisserman 2003; Jégou, Douze and Schmid 2011): the scans' views of one kind are
parted into lists, each around one of them, and a view is compared with what stands in the lists nearest to it
alone. What that misses is measured by `make scale` and stands in docs/scale.md.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

LISTED = 256  # scans in a list, on average
PROBED = 16  # lists that a view is compared with
KEPT = 3  # of a list for each view: a scan's copies lie in one list, perhaps several of them
TOGETHER = 4096  # views that are compared at once, which bounds memory


def likeliest(
    views: Floats, mirrored: Callable[[int], Floats], compared: Sequence[tuple[int, int]], count: int
) -> tuple[Rows, Floats]:
    """Up to `count` partners of each of N scans, and how alike they are: N × count numbers (−1: none) each.

    `views`: of each kind, N unit vectors (kinds × N × D); `mirrored` gives those of a kind of the mirrored
    scans; `compared`: which kind of one scan is compared with which of another. Of two kinds one asks, so
    that a pair may be found by either of its scans alone.
    """
    number = views.shape[1]
    partners, likeness = np.full((number, count), -1), np.full((number, count), -1, np.float32)
    for other, ones in _asked(compared).items():
        lists = Lists(views[other])
        for one in ones:
            for queries in (views[one], mirrored(one)):
                partners, likeness = _best(partners, likeness, *lists.nearest(queries))
    return partners, likeness


def _asked(compared: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    """Kind whose lists are asked → kinds that ask; each pair once, since every scan asks for every other."""
    often = Counter(other for _, other in compared)
    asked: dict[int, list[int]] = defaultdict(list)
    for one, other in sorted(compared, key=lambda pair: -often[pair[1]]):
        if other not in asked.get(one, ()):
            asked[other].append(one)
    return asked


class Lists:
    """N unit vectors in lists, each around one of them that chance has chosen, always the same."""

    def __init__(self, vectors: Floats) -> None:
        count = max(1, len(vectors) // LISTED)
        self.centres = vectors[np.random.default_rng(0).choice(len(vectors), count, replace=False)]
        of = np.concatenate([part.argmax(1) for part in self._to_centres(vectors)])
        self.order = np.argsort(of, kind="stable")  # the vectors' numbers, list by list
        self.begins = np.searchsorted(of[self.order], np.arange(count + 1))
        self.vectors = vectors[self.order]
        self.places = np.empty_like(self.order)  # where each vector stands in that order
        self.places[self.order] = np.arange(len(vectors))

    def _to_centres(self, vectors: Floats) -> "list[Floats]":
        starts = range(0, len(vectors), TOGETHER)
        return [vectors[start : start + TOGETHER] @ self.centres.T for start in starts]

    def nearest(self, queries: Floats) -> tuple[Rows, Floats]:
        """For N queries, of the same scans: the KEPT likeliest of each of PROBED lists, none with itself."""
        probed = min(PROBED, len(self.centres))
        lists = np.concatenate(
            [np.argpartition(-part, probed - 1, axis=1)[:, :probed] for part in self._to_centres(queries)]
        )
        asked = np.argsort(lists, axis=None, kind="stable")  # who asks, list by list
        begins = np.searchsorted(lists.ravel()[asked], np.arange(len(self.centres) + 1))
        found = np.full((*lists.shape, KEPT), -1)
        likeness = np.full(found.shape, -1, np.float32)
        for number in range(len(self.centres)):
            own = slice(self.begins[number], self.begins[number + 1])
            for start in range(begins[number], begins[number + 1], TOGETHER):
                who, turn = np.divmod(asked[start : min(start + TOGETHER, begins[number + 1])], probed)
                score = queries[who] @ self.vectors[own].T
                place = self.places[who] - own.start
                inside = np.flatnonzero((place >= 0) & (place < score.shape[1]))
                score[inside, place[inside]] = -1  # itself
                line = np.arange(len(who))
                for rank in range(min(KEPT, score.shape[1])):
                    best = score.argmax(1)
                    found[who, turn, rank] = self.order[own][best]
                    likeness[who, turn, rank] = score[line, best]
                    score[line, best] = -1
        return found.reshape(len(queries), -1), likeness.reshape(len(queries), -1)


def _best(partners: Rows, likeness: Floats, others: Rows, likeness_of_others: Floats) -> tuple[Rows, Floats]:
    """The likeliest of two sets of partners of N scans, as many as the first has; none of them twice."""
    count = partners.shape[1]
    some = np.argpartition(-likeness_of_others, min(count, others.shape[1] - 1), axis=1)[:, :count]
    scans = np.concatenate([partners, np.take_along_axis(others, some, 1)], axis=1)
    scores = np.concatenate([likeness, np.take_along_axis(likeness_of_others, some, 1)], axis=1)
    order = np.lexsort((-scores, scans), axis=1)  # by scan, the likelier of two alike first
    scans, scores = np.take_along_axis(scans, order, 1), np.take_along_axis(scores, order, 1)
    scores[:, 1:][scans[:, 1:] == scans[:, :-1]] = -1
    order = np.argsort(-scores, axis=1)[:, :count]
    return np.take_along_axis(scans, order, 1), np.take_along_axis(scores, order, 1)
