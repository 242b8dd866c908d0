"""Which test scans whoever chose the defaults of this program had seen: BUSI's, known by their pixels."""

from collections.abc import Iterable
from functools import cache

from ...data.cohort import busi_list
from ...data.names import key
from ...data.splits import assign_folds

Known = tuple[str, str]  # hash of a scan's pixels, label


@cache
def development_scans() -> frozenset[Known]:
    """BUSI's scans on which defaults and recipes were chosen: folds 1 to 4 of 5, cut from its `clean` cohort.

    Fold 0 was locked away. Folds depend on pixels, labels and groups alone, so they are the same wherever the
    data lie and whatever their folder is called.
    """
    listed = busi_list()
    labels: dict[str, set[str]] = {}
    for (_, label), scan in listed.items():
        labels.setdefault(scan.group, set()).add(label)
    clean = [known for known, scan in listed.items() if len(labels[scan.group]) == 1]
    hashes, classes = [known[0] for known in clean], [known[1] for known in clean]
    folds = assign_folds(hashes, classes, [listed[known].group for known in clean], k=5, seed=0)
    return frozenset(known for known, fold in zip(clean, folds, strict=True) if fold)


def count_developed(scans: Iterable[Known]) -> int:
    """How many of these scans are development data; 0 at once where none is BUSI's."""
    scans = list(scans)
    if not shows_busi(scans):
        return 0
    developed = development_scans()
    return sum((sha256, key(label)) in developed for sha256, label in scans)


def shows_busi(scans: Iterable[Known]) -> bool:
    """Whether any of these scans is BUSI's, whatever its folder is called."""
    return not busi_list().keys().isdisjoint((sha256, key(label)) for sha256, label in scans)


def is_locked_away(scans: Iterable[Known]) -> bool:
    """Whether these are scans of BUSI that no choice had seen: none is development data."""
    scans = list(scans)
    return shows_busi(scans) and not count_developed(scans)
