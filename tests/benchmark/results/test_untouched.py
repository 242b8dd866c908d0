"""BUSI's development scans are known by their pixels, wherever they lie."""

from bus.benchmark.results.untouched import count_developed, development_scans, is_locked_away
from bus.data.cohort import busi_list


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


def test_other_scans_are_nobodys_development_data() -> None:
    assert count_developed([("ab" * 32, "benign")]) == 0 and not is_locked_away([("ab" * 32, "benign")])
