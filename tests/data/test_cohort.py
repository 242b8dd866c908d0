"""Cohorts: every scan is in exactly one fold or left out with a reason, whatever the data look like."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from bus.core.errors import BusError, UsageError, printable
from bus.data import cohort, creation, study
from bus.data.cohort import LeftOut, Scan
from bus.data.grouping import find_groups
from bus.data.reading import Entry, list_source, read_listing
from bus.data.store import Box
from hypothesis import given, settings
from hypothesis import strategies as st


def entry(number, label, group, fold=None):
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Entry(
        f"{label}/{number}.png", label, digest, (40, 50), Box(0, 0, 32, 32), number, np.zeros(4), group, fold
    )


@st.composite
def data_sets(draw):
    """Scans of patients with one label, and a few with any; sometimes with pixels that stand twice."""
    mixed = st.sampled_from([False] * 7 + [True])
    labels = st.sampled_from(["benign", "malignant"])
    rows = draw(st.lists(st.tuples(labels, st.integers(0, 15), mixed), min_size=8, max_size=60))
    return [
        entry(
            draw(st.sampled_from([number, number, number, 0])),
            label,
            f"any {group % 3}" if any_label else f"{label} {group}",
        )
        for number, (label, group, any_label) in enumerate(rows)
    ]


def test_a_download_is_busi_by_the_hash_of_every_scan_or_refused():
    """Not by names and counts: one other pixel, or another label, is another scan."""
    known = [
        Entry(f"{number}.png", label, digest, (40, 50), Box(0, 0, 32, 32), number, np.zeros(4), "", None)
        for number, (digest, label) in enumerate(cohort.busi_list())
    ]
    assert len(known) == 780
    cohort.check_busi(known)
    for other in (
        replace(known[7], sha256="0" * 64),
        replace(known[7], label="normal" if known[7].label == "benign" else "benign"),
    ):
        with pytest.raises(BusError, match="1 of its 780 scans are missing, 1 are others"):
            cohort.check_busi([*known[:7], other, *known[8:]])


def test_busi_is_known_however_its_classes_are_spelt():
    """Benign, Malignant and Normal are BUSI's classes: its groups, and its other cohorts, are known."""
    lists = cohort.busi_list()
    entries = [
        Entry(
            f"{number}.png",
            label.title(),
            digest,
            (40, 50),
            Box(0, 0, 32, 32),
            number,
            np.zeros(0),
            None,
            None,
        )
        for number, (digest, label) in enumerate(lists)
    ]
    cohort.check_busi(entries)
    grouping = find_groups(entries)
    assert set(grouping.sources) == {"list"}
    assert set(grouping.names) == {known.group for known in lists.values()}
    counts = {
        kind: sum(not scan.left_out for scan in cohort.build(entries, grouping.names, kind))
        for kind in cohort.COHORTS
    }
    assert counts["raw"] == 780 and counts["clean"] == 760
    assert counts["strict"] < 760 and 0 < counts["curated"] < 760


def test_busi_is_busi(datasets):
    """The real scans have the hashes that the product knows."""
    listing = list_source(str(datasets / "busi" / "Dataset_BUSI_with_GT"))
    sample = replace(listing, scans=listing.scans[::40])
    found = {(entry.sha256, entry.label) for entry in read_listing(sample, 32).entries}
    assert len(found) == 20 and found < set(cohort.busi_list())


def test_every_scan_is_in_one_fold_or_left_out_with_a_reason():
    seen = {"cut": 0, "refused": 0, "left out": 0}

    @settings(max_examples=200, deadline=None)
    @given(data_sets(), st.sampled_from(["raw", "clean"]), st.integers(2, 4), st.sampled_from([None, 0]))
    def check(entries, kind, k, inner):
        names = [scan.group for scan in entries]
        scans = cohort.build(entries, names, kind)
        try:
            scans = creation.cut(scans, [scan.fold for scan in entries], k, 0, inner)
        except BusError as error:
            assert ("Leave that class out" if "has 1 group" in str(error) else "--k") in str(error)
            seen["refused"] += 1
            return
        seen["cut"] += 1
        assert [scan.file for scan in scans] == [one.file for one in entries]
        for scan in scans:
            assert (scan.fold is None) == bool(scan.left_out)
            assert scan.fold is None or 0 <= scan.fold < k
        folds = {}
        for scan in scans:
            if scan.fold is not None:
                assert folds.setdefault(scan.group, scan.fold) == scan.fold
        if kind == "clean":
            mixed = {name for name, of in cohort.contradictions(entries, names).items() if len(of) > 1}
            seen["left out"] += bool(mixed)
            assert all(scan.left_out for scan in scans if scan.group in mixed)
            assert {scan.left_out.kind for scan in scans if scan.group in mixed} <= {"contradiction"}

    check()
    assert min(seen.values()) >= 10, seen


def test_cohorts_that_only_busi_has_are_refused_elsewhere():
    entries = [entry(number, "benign", str(number)) for number in range(4)]
    for kind in ("strict", "curated"):
        with pytest.raises(UsageError, match="none of these scans"):
            cohort.build(entries, [str(number) for number in range(4)], kind)
    with pytest.raises(UsageError, match="raw, clean, strict, curated"):
        cohort.build(entries, ["0"] * 4, "clear")


@pytest.mark.slow
def test_strict_and_curated_leave_out_what_their_lists_name(datasets, tmp_path):
    counts = {}
    for kind in ("raw", "clean", "strict", "curated"):
        made = study.open_or_create(
            tmp_path / kind, {"data": str(datasets / "busi"), "size": 32, "cohort": kind}
        )
        counts[kind] = len(made.used())
        assert all(scan.left_out for scan in made.scans if scan.fold is None)
    assert counts["raw"] == 780
    assert counts["clean"] == 760
    assert counts["strict"] < 760
    assert 0 < counts["curated"] < counts["clean"]


TEXT = st.text().map(printable)  # file names, groups and labels with control characters never get so far


@given(st.lists(st.tuples(TEXT, TEXT, TEXT, st.integers(0, 9) | st.none()), max_size=8), st.data())
def test_the_table_keeps_every_scan_as_it_is(tmp_path_factory, rows, data):
    folder = tmp_path_factory.mktemp("study")
    box = Box(0, 1, 30, 32)
    reasons = st.sampled_from(["contradiction", "objection", "not curated", "locked", "other"])
    scans = []
    for file, group, detail, fold in rows:
        kind = data.draw(reasons)
        why = LeftOut(kind, "" if kind == "not curated" else detail or "0") if fold is None else None
        scans.append(Scan(file, "ab" * 32, "benign", group, fold, why, 500, 470, box))
    cohort.write_cohort(folder, scans)
    again = cohort.read_cohort(folder)
    assert [cohort.cells(scan) for scan in again] == [cohort.cells(scan) for scan in scans]
    for scan, read in zip(scans, again, strict=True):
        assert read == scan or scan.left_out.kind == "other"  # other words may be those of a kind


def test_a_reason_names_the_group_and_is_counted_without_it():
    why = LeftOut("contradiction", "benign, malignant")
    assert (
        why.sentence("a in group b: c") == "contradicting labels in group a in group b: c: benign, malignant"
    )
    assert LeftOut.read(why.sentence("a in group b: c"), "a in group b: c") == why
    assert why.short == "contradicting labels"
    assert LeftOut.read("a reason of a later version", "g") == LeftOut("other", "a reason of a later version")
