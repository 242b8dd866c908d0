"""Folds: cut by group, even in the groups and scans of every class, the same for the same content."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BusError, UsageError
from ..core.files import sha256_bytes

Numbers = NDArray[np.int64]
Counts = NDArray[np.float64]

EVEN = 0.25  # of a class's fair share, by which a fold's groups and scans may miss it
TRIES = 16  # other splits that are dealt where the first is uneven


def assign_folds(
    hashes: Sequence[str], labels: Sequence[str], groups: Sequence[str], *, k: int, seed: int
) -> list[int]:
    """Give every scan one of `k` folds so that no group is split and every fold holds each class.

    The result depends on content alone (pixel hashes, labels, which scans share a group), never on the order
    of the scans, their names or the group's names. Groups are put in an order by a hash keyed with `seed`;
    scikit-learn's StratifiedGroupKFold without its own shuffling (which changed between releases) then deals
    them out greedily. It balances scans alone: where a fold misses its fair share of the groups or scans of a
    class by more than EVEN, the evenest of TRIES other splits, which balance both, takes its place if it is
    more even. Raises UsageError for k < 2 and BusError if a class has fewer than `k` groups.
    """
    if k < 2:
        raise UsageError(f"--k {k}: a study needs at least 2 folds.")
    require_groups(labels, groups, k)

    # number the groups in the order of their tickets
    key: dict[str, str] = {}
    for digest, label, group in zip(hashes, labels, groups, strict=True):
        ticket = sha256_bytes(f"{seed} {digest} {label}".encode())
        key[group] = min(key.get(group, ticket), ticket)
    rank = {group: index for index, group in enumerate(sorted(key, key=lambda name: key[name]))}
    numbers = np.array([rank[group] for group in groups])

    # deal them out; where that is uneven, try others
    split = _stratified(hashes, labels, numbers, k)
    counts = scans_by_group(labels, numbers)
    if misses(counts, split, k).max() > 1:
        others = (_deal(counts, k, np.random.default_rng((seed, attempt))) for attempt in range(TRIES))
        split = min([split, *others], key=lambda one: _unevenness(counts, one, k))
    return [int(split[number]) for number in numbers]


def _stratified(hashes: Sequence[str], labels: Sequence[str], numbers: Numbers, k: int) -> Numbers:
    """The fold of each numbered group as StratifiedGroupKFold deals them out, in a fixed order."""
    # late: only a new study needs its second of import
    from sklearn.model_selection import StratifiedGroupKFold

    order = np.lexsort((np.array(hashes), np.array(labels), numbers))
    split = np.zeros(numbers.max() + 1, int)
    y, g = np.array(labels)[order], numbers[order]
    for fold, (_, test) in enumerate(StratifiedGroupKFold(k).split(np.zeros(len(y)), y, g)):
        split[g[test]] = fold
    return split


def scans_by_group(labels: Sequence[str], numbers: Numbers) -> Counts:
    """Scans of each class (columns, in alphabetical order) in each numbered group (rows)."""
    names, columns = np.unique(np.array(labels), return_inverse=True)
    counts = np.zeros((numbers.max() + 1, len(names)))
    np.add.at(counts, (numbers, columns.ravel()), 1)
    return counts


def _deal(counts: Counts, k: int, rng: np.random.Generator) -> Numbers:
    """Give each group, the largest first, the fold that lacks its scans and its kind most."""
    each = _both(counts)
    fair = each.sum(0) / k
    held = np.zeros((k, each.shape[1]))
    split = np.zeros(len(counts), int)
    shuffled = rng.permutation(len(counts))
    for number in shuffled[np.argsort(-counts[shuffled].sum(1), kind="stable")]:
        part = each[number] / fair
        split[number] = fold = int(np.argmin((part * (2 * held / fair + part)).sum(1)))
        held[fold] += each[number]
    return split


def _both(counts: Counts) -> Counts:
    """Scans of each class, then whether there is one, of each group."""
    return np.hstack([counts, counts > 0])


def misses(counts: Counts, split: Numbers, k: int) -> Counts:
    """How far each fold (rows) misses its fair share of every class's scans, then of its groups (columns).

    Up to 1 is even: EVEN of the share, and what dividing whole numbers must leave.
    """
    each = _both(counts)
    held = np.zeros((k, each.shape[1]))
    np.add.at(held, split, each)
    fair = each.sum(0) / k
    return np.abs(held - fair) / np.maximum(1, EVEN * fair)


def _unevenness(counts: Counts, split: Numbers, k: int) -> tuple[float, float]:
    far = misses(counts, split, k)
    return float(far.max()), float((far**2).sum())


def require_groups(labels: Sequence[str], groups: Sequence[str], k: int) -> None:
    """Raise BusError unless every class has at least `k` groups, so that every fold can test it."""
    for label in sorted(set(labels)):
        count = len({group for name, group in zip(labels, groups, strict=True) if name == label})
        if count < k:
            raise BusError(
                f"Class {label} has {count} group{'s' * (count != 1)} of scans; {k} folds need at least {k}. "
                + (f"Use --k {count} or fewer" if count > 1 else "Leave that class out")
                + ", or add scans of other patients."
            )


def folds_of(
    given: Sequence[int | None],
    files: Sequence[str],
    hashes: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    k: int,
    seed: int,
) -> list[int]:
    """The fold of every scan: those `given` with the data where there are any, else cut by group.

    Raises BusError as check_given_folds and assign_folds do.
    """
    if any(fold is not None for fold in given):
        check_given_folds(given, labels, groups, files)
        return [fold for fold in given if fold is not None]
    return assign_folds(hashes, labels, groups, k=k, seed=seed)


def check_given_folds(
    folds: Sequence[int | None], labels: Sequence[str], groups: Sequence[str], files: Sequence[str]
) -> None:
    """Raise BusError if the user's own folds split a group, leave scans without a fold, or lack a class.

    As in folds that are cut, each must test every class; so every training part holds each, too.
    """
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
    held = set(zip(folds, labels, strict=True))
    for fold, label in ((fold, label) for fold in found for label in sorted(set(labels))):
        if (fold, label) not in held:
            raise BusError(
                f"Fold {fold} of the column fold holds no usable scan of {label}; every fold must test each "
                "class. Give it some, or remove the column to have folds cut."
            )
