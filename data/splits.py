"""Folds: cut by group, stratified by class, the same for the same content."""

from collections.abc import Sequence

import numpy as np

from ..core.errors import BusError, UsageError
from ..core.files import sha256_bytes


def assign_folds(
    hashes: Sequence[str], labels: Sequence[str], groups: Sequence[str], *, k: int, seed: int
) -> list[int]:
    """Give every scan one of `k` folds so that no group is split and every fold holds each class.

    The result depends on content alone (pixel hashes, labels, which scans share a group), never on the order
    of the scans, their names or the group's names. Groups are put in an order by a hash keyed with `seed`;
    scikit-learn's StratifiedGroupKFold without its own shuffling (which changed between releases) then deals
    them out greedily. Raises UsageError for k < 2 and BusError if a class has fewer than `k` groups.
    """
    # late: only a new study needs its second of import
    from sklearn.model_selection import StratifiedGroupKFold

    if k < 2:
        raise UsageError(f"--k {k}: a study needs at least 2 folds.")
    require_groups(labels, groups, k)
    key: dict[str, str] = {}
    for digest, label, group in zip(hashes, labels, groups, strict=True):
        ticket = sha256_bytes(f"{seed} {digest} {label}".encode())
        key[group] = min(key.get(group, ticket), ticket)
    rank = {group: index for index, group in enumerate(sorted(key, key=lambda name: key[name]))}
    numbers = np.array([rank[group] for group in groups])
    order = np.lexsort((np.array(hashes), np.array(labels), numbers))
    folds = np.zeros(len(groups), int)
    splitter = StratifiedGroupKFold(k)
    y, g = np.array(labels)[order], numbers[order]
    for fold, (_, test) in enumerate(splitter.split(np.zeros(len(y)), y, g)):
        folds[order[test]] = fold
    return [int(fold) for fold in folds]


def require_groups(labels: Sequence[str], groups: Sequence[str], k: int) -> None:
    """Raise BusError unless every class has at least `k` groups, so that every fold can test it."""
    for label in sorted(set(labels)):
        count = len({group for name, group in zip(labels, groups, strict=True) if name == label})
        if count < k:
            raise BusError(
                f"Class {label} has {count} group{'s' * (count != 1)} of scans; {k} folds need at least {k}. "
                f"Use --k {max(2, count)} or fewer, or add scans of other patients."
            )


def check_given_folds(folds: Sequence[int | None], groups: Sequence[str], files: Sequence[str]) -> None:
    """Raise BusError if the user's own folds split a group or leave scans without a fold."""
    seen: dict[str, tuple[int, str]] = {}
    for fold, group, file in zip(folds, groups, files, strict=True):
        if fold is None:
            raise BusError(
                f"{file} has no fold, but other scans have one. Fill the column fold for all scans or remove "
                "it."
            )
        other = seen.setdefault(group, (fold, file))
        if other[0] != fold:
            raise BusError(
                f"{other[1]} (fold {other[0]}) and {file} (fold {fold}) belong to one group ({group}); a "
                "group on both sides of a split leaks. Give them the same fold, or correct the group column."
            )
    found = sorted({fold for fold in folds if fold is not None})
    if found != list(range(len(found))) or len(found) < 2:
        raise BusError(f"The column fold holds {found}; expected 0, 1, … without gaps, at least two.")
