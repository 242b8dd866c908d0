"""BUSI's development scans are known by their pixels, wherever they lie."""

from types import SimpleNamespace
from typing import Any

from bus.benchmark.results.model import Developed
from bus.benchmark.results.summary import developed_of
from bus.benchmark.results.untouched import count_developed, development_scans, is_locked_away, shows_busi
from bus.benchmark.results.wording import note
from bus.data.cohort import busi_list
from bus.data.splits import assign_folds


def test_608_of_busis_760_clean_scans_were_development_data() -> None:
    developed, listed = development_scans(), busi_list()
    labels: dict[str, set[str]] = {}
    for (_, label), scan in listed.items():
        labels.setdefault(scan.group, set()).add(label)
    clean = {key for key, scan in listed.items() if len(labels[scan.group]) == 1}
    assert (len(developed), len(clean)) == (608, 760) and developed < clean
    groups = {listed[key].group for key in developed}
    assert not groups & {listed[key].group for key in clean - developed}, "no group on both sides"
    assert count_developed(sorted(clean)) == 608 and count_developed(sorted(clean - developed)) == 0
    assert is_locked_away(clean - developed) and not is_locked_away(clean)
    assert count_developed((sha256, label.title()) for sha256, label in clean) == 608, "Benign is benign"


def answers_of(k: int, seed: int) -> dict[int, Any]:
    """What a report knows of the test scans of BUSI `clean`, cut in some way."""
    listed = busi_list()
    labels: dict[str, set[str]] = {}
    for (_, label), scan in listed.items():
        labels.setdefault(scan.group, set()).add(label)
    clean = [key for key, scan in listed.items() if len(labels[scan.group]) == 1]
    groups = [listed[key].group for key in clean]
    folds = assign_folds([key[0] for key in clean], [key[1] for key in clean], groups, k=k, seed=seed)
    return {
        fold: SimpleNamespace(
            scans=[
                ("any folder/x.png", *key, group)
                for key, group, own in zip(clean, groups, folds, strict=True)
                if own == fold
            ]
        )
        for fold in range(k)
    }


def test_a_report_on_all_folds_of_busi_says_so_whatever_its_folder_is_called() -> None:
    tested = answers_of(k=5, seed=0)
    found = developed_of(tested)
    assert found == Developed(608, 760, (0,))
    assert "608 of 760 scans were development data" in note(found) and "fold 0 holds none of them" in note(
        found
    )
    assert developed_of({0: tested[0]}) is None
    inner = developed_of({1: tested[1], 2: tested[2]})
    assert inner and inner.scans == inner.total and "no tested fold is free of them" in note(inner)


def test_folds_cut_otherwise_are_not_said_to_be_untouched() -> None:
    found = developed_of(answers_of(k=3, seed=1))
    assert found and (found.scans, found.total, found.untouched) == (608, 760, ())
    assert "fold 0" not in note(found)


def test_other_scans_are_nobodys_development_data() -> None:
    assert not shows_busi([("ab" * 32, "benign")])
    assert count_developed([("ab" * 32, "benign")]) == 0 and not is_locked_away([("ab" * 32, "benign")])
