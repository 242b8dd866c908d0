"""Groups: no copy of a scan in another group unsaid, whatever was given; names spelt differently are one."""

import csv
import unicodedata
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from bus.core.errors import UsageError
from bus.data import grouping, phantom, scans
from bus.data.check import check
from bus.data.copies import describe
from bus.data.grouping import Grouping, find_groups
from bus.data.phantom.simulation import simulate, specs
from bus.data.reading import Entry, look
from bus.data.scans import ScanFile
from bus.data.store import Box
from bus.data.study import Study, open_or_create
from bus.data.table import share_either
from hypothesis import given, settings
from hypothesis import strategies as st

SCENES, VERSIONS = 5, 4


@cache
def pictures() -> list[list[np.ndarray]]:
    """SCENES patients, each with VERSIONS of one scan: itself, darker, mirrored, as a JPEG."""
    drawn = specs(60, seed=5, size=128)
    firsts = [next(spec for spec in drawn if spec.patient == patient) for patient in range(SCENES)]
    found = []
    for grey in (simulate(spec).pixels for spec in firsts):
        written = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        versions = [grey, (grey * 0.8).astype(np.uint8), grey[:, ::-1].copy()]
        found.append([*versions, cv2.imdecode(written, cv2.IMREAD_GRAYSCALE)])
    return found


@cache
def descriptor(scene: int, version: int) -> np.ndarray:
    return describe(pictures()[scene][version])


def entry(scene: int, version: int, group: str | None, loop: str = "", number: int = 0) -> Entry:
    sha256 = f"{scene}{version}{number}".ljust(64, "0")
    file = f"scan {scene} {version} {number}.png"
    box = Box(0, 0, 64, 64)
    return Entry(file, "benign", sha256, (64, 64), box, 0, descriptor(scene, version), group, None, loop=loop)


SCANS = st.lists(
    st.tuples(
        st.integers(0, SCENES - 1),
        st.integers(0, VERSIONS - 1),
        st.sampled_from([None, None, "P1", "p1 ", "P2", "12", "0012"]),
    ),
    min_size=1,
    max_size=12,
)


def partition(grouping: Grouping, order: list[int]) -> set[frozenset[int]]:
    return {
        frozenset(order[row] for row, other in enumerate(grouping.names) if other == name)
        for name in grouping.names
    }


@pytest.mark.long
@settings(max_examples=30, deadline=None)
@given(SCANS, st.randoms(use_true_random=False))
def test_no_scan_of_a_scene_is_elsewhere_unsaid_and_order_changes_nothing(scans, random) -> None:
    entries = [entry(*scan, number=number) for number, scan in enumerate(scans)]
    found, merged = find_groups(entries), find_groups(entries, merge_alike=True)
    for first, one in enumerate(scans):
        for second, other in enumerate(scans[:first]):
            together = found.names[first] == found.names[second]
            said = any({first, second} <= set(rows) for rows in found.alike)
            assert one[0] != other[0] or together or said
            assert one[0] != other[0] or merged.names[first] == merged.names[second]
            if one[2] is None and other[2] is None and one[0] == other[0]:
                assert together, "scans without a group that show one scene are one group"
    assert merged.alike == [] and len(merged.merged) == len(found.alike)
    assert all(len({found.names[row] for row in rows}) > 1 for rows in found.alike)
    order = list(range(len(entries)))
    random.shuffle(order)
    for merge in (False, True):
        again = find_groups([entries[row] for row in order], merge_alike=merge)
        assert partition(again, order) == partition(merged if merge else found, sorted(order))


@given(st.text("aé12 Å가", min_size=1).filter(str.strip), st.sampled_from(["NFC", "NFD"]))
@settings(max_examples=50, deadline=None)
def test_one_patient_however_it_is_spelt(name: str, form: str) -> None:
    spelt = [name, unicodedata.normalize(form, f" {name} "), name.upper(), name.replace(" ", "\u00a0 ")]
    entries = [
        replace(entry(0, 0, group, number=number), descriptor=np.zeros(0, np.int8))
        for number, group in enumerate(spelt)
    ]
    grouping = find_groups(entries)
    assert len(set(grouping.names)) == 1 and set(grouping.sources) == {"given"}


def test_numbers_that_differ_in_zeros_stay_apart_and_are_named() -> None:
    given_names = ["12", "0012", "P7", "p07", "P70", "1 002", "1 2"]
    entries = [
        replace(entry(0, 0, group, number=number), descriptor=np.zeros(0, np.int8))
        for number, group in enumerate(given_names)
    ]
    grouping = find_groups(entries)
    assert len(set(grouping.names)) == len(given_names)
    assert grouping.spelt == [("0012", "12"), ("1 002", "1 2"), ("P7", "p07")]
    (said,) = grouping.cautions(entries)
    assert said.count == 3 and "0012 and 12" in said.sentence


@given(st.lists(st.integers(0, 2000), min_size=2, max_size=30, unique=True), st.sampled_from(["", "P", "a-"]))
@settings(max_examples=50, deadline=None)
def test_numbers_that_are_others_are_not_named(numbers: list[int], before: str) -> None:
    entries = [
        replace(entry(0, 0, f"{before}{number}", number=place), descriptor=np.zeros(0, np.int8))
        for place, number in enumerate(numbers)
    ]
    assert find_groups(entries).spelt == []
    padded = [replace(entries[0], group=f"{before}00{numbers[0]}"), *entries]
    assert find_groups(padded).spelt == [
        tuple(sorted(f"{before}{zeros}{numbers[0]}" for zeros in ("00", "")))
    ]


def test_scans_without_a_group_join_the_one_they_resemble() -> None:
    """A column patient, half of it empty: copies of known scans among the empty half."""
    known = [entry(scene, 0, f"P{scene}") for scene in range(SCENES)]
    unknown = [entry(scene, version, None) for scene in range(SCENES) for version in (1, 2, 3)]
    grouping = find_groups([*known, *unknown])
    assert grouping.names == [f"P{scene}" for scene in range(SCENES)] + [
        f"P{scene}" for scene in range(SCENES) for _ in range(3)
    ]
    assert grouping.sources == ["given"] * SCENES + ["detected"] * len(unknown)
    assert grouping.alike == []


def test_a_copy_under_another_given_name_is_named_and_merged_where_asked() -> None:
    entries = [entry(0, 0, "P1"), entry(0, 1, "P2"), entry(1, 0, "P1"), entry(2, 0, "P3"), entry(3, 0, None)]
    grouping = find_groups(entries)
    assert grouping.names[:4] == ["P1", "P2", "P1", "P3"]
    assert grouping.alike == [(0, 1)]
    (said,) = [item for item in grouping.cautions(entries) if item.kind == "alike"]
    assert (
        said.weight == "caution"
        and "scan 0 0 0.png and scan 0 1 0.png" in said.sentence
        and "--merge-alike" in said.sentence
    )
    merged = find_groups(entries, merge_alike=True)
    assert merged.names[:4] == ["P1 + P2"] * 3 + ["P3"]
    assert [item.kind for item in merged.cautions(entries)] == ["no group known", "groups merged"]


def test_frames_of_one_file_are_one_group_at_least() -> None:
    loops = [entry(scene, 0, None, f"loop {scene % 2}.dcm") for scene in range(4)]
    names = find_groups(loops).names
    assert names[0] == names[2] != names[1] == names[3]


@pytest.mark.parametrize("count", [2, 9])
def test_a_merged_group_has_a_name_of_its_own(count: int) -> None:
    entries = [
        entry(0, number % VERSIONS, f"patient number {number}", number=number) for number in range(count)
    ]
    names = set(find_groups(entries, merge_alike=True).names)
    assert len(names) == 1 and len(names.pop()) < 80


@given(
    st.lists(
        st.tuples(st.sampled_from([None, "a", "A ", "b", "c"]), st.sampled_from([None, "1", "2", "3", "a"])),
        min_size=1,
        max_size=8,
    )
)
def test_a_group_is_what_shares_either_name(rows: list[tuple[str | None, str | None]]) -> None:
    found = share_either([group for group, _ in rows], [patient for _, patient in rows])
    keys = [{(column, name.strip().lower()) for column, name in enumerate(row) if name} for row in rows]
    for first, one in enumerate(keys):
        assert (found[first] is None) == (not one)
        reached, grown = set(one), True
        while grown:
            more = set().union(*(other for other in keys if other & reached)) | reached
            reached, grown = more, more != reached
        for second, other in enumerate(keys):
            assert (found[first] == found[second]) == bool(other & reached) or not one


def test_a_frame_knows_its_file() -> None:
    frame = ScanFile("benign/loop.dcm#3", "benign", frame=3)
    assert look(frame, np.zeros((40, 50, 3), np.uint8), 32)[0].loop == "benign/loop.dcm"
    assert look(ScanFile("benign/a#3", "benign"), np.zeros((40, 50, 3), np.uint8), 32)[0].loop == ""


def cohort_with_copies(folder: Path, patient_of_copy: str) -> Path:
    """36 scans of as many patients as a labels.csv; of 12 a darker copy too, whose patient is as said."""
    phantom.write_cohort(folder, 60, size=96)
    rows = [
        row for row in csv.DictReader((folder / "labels.csv").open()) if not row["file"].startswith("normal")
    ]
    firsts = list({row["group"]: row for row in rows}.values())[:36]
    lines = ["file,label,patient"]
    for number, row in enumerate(firsts):
        lines.append(f"{row['file']},{row['label']},{row['group']}")
        if number % 3 == 0:
            grey = cv2.imread(str(folder / row["file"]), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(folder / f"copy-{number}.png"), (grey * 0.85).astype(np.uint8)[:, ::-1])
            lines.append(f"copy-{number}.png,{row['label']},{patient_of_copy.format(number)}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder / "labels.csv"


def torn(study: Study) -> list[str]:
    """Copies that lie in another fold than the scan they were made from."""
    scans = {scan.file: scan for scan in study.scans}
    names = [line.split(",")[0] for line in Path(study.settings.data.path).read_text().splitlines()[1:]]
    before = dict(zip(names[1:], names, strict=False))
    return [file for file in scans if "copy" in file and scans[file].fold != scans[before[file]].fold]


def test_copies_in_the_empty_half_of_a_column_stay_with_their_patient(tmp_path: Path) -> None:
    table = cohort_with_copies(tmp_path / "data", "")
    study = open_or_create(tmp_path / "study", {"data": str(table), "size": 32, "k": 3})
    assert len(study.scans) == 48 and torn(study) == []
    assert [item.kind for item in study.settings.cautions if "alike" in item.kind] == []


@pytest.mark.long
def test_copies_under_other_patients_are_named_and_merged_where_asked(tmp_path: Path) -> None:
    table = cohort_with_copies(tmp_path / "data", "another {}")
    asked = {"data": str(table), "size": 32, "k": 3}
    study = open_or_create(tmp_path / "study", asked)
    (said,) = [item for item in study.settings.cautions if item.kind == "alike"]
    assert said.count == 12 and all(any("copy" in file for file in files) for files in said.cases)
    assert torn(study) and said.sentence in study.settings.banners
    assert "alike" in [item.kind for item in check(table).cautions]
    merged = open_or_create(tmp_path / "merged", {**asked, "merge_alike": True})
    assert torn(merged) == [] and merged.settings.merge_alike
    with pytest.raises(UsageError, match="--merge-alike True"):
        open_or_create(tmp_path / "study", {"merge_alike": True})


def test_two_columns_of_names_are_united(tmp_path: Path) -> None:
    phantom.write_cohort(tmp_path / "data", 12, size=48)
    rows = list(csv.DictReader((tmp_path / "data" / "labels.csv").open()))
    lines = [f"{row['file']},{row['label']},lesion {n},p{n // 2}" for n, row in enumerate(rows)]
    (tmp_path / "data" / "labels.csv").write_text("\n".join(["file,label,group,patient", *lines]))
    listing = scans.list_scans(tmp_path / "data")
    assert sorted(Counter(scan.group for scan in listing.scans).values()) == [2] * 6


@pytest.mark.slow
def test_copies_of_busi_as_jpeg_join_the_groups_of_the_list(datasets: Path, tmp_path: Path) -> None:
    folder = datasets / "busi" / "Dataset_BUSI_with_GT"
    originals = [path for path in sorted(folder.glob("*/*.png")) if "_mask" not in path.name][::9]
    for path in originals:
        (tmp_path / "data" / path.parent.name).mkdir(parents=True, exist_ok=True)
        grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(tmp_path / "data" / path.parent.name / path.name), grey)
        jpeg = tmp_path / "data" / path.parent.name / f"copy of {path.stem}.jpg"
        cv2.imwrite(str(jpeg), grey, [cv2.IMWRITE_JPEG_QUALITY, 92])
    study = open_or_create(tmp_path / "study", {"data": str(tmp_path / "data"), "size": 32, "k": 3})
    group = {scan.file: scan.group for scan in study.scans}
    names = [f"{path.parent.name}/{path.stem}" for path in originals]
    assert all(group[f"{name}.png"] == group[name.replace("/", "/copy of ") + ".jpg"] for name in names)
    assert len(set(group.values())) >= 0.95 * len(originals) - 5


def test_a_scan_without_a_group_joins_that_of_its_siblings_in_the_list(monkeypatch) -> None:
    """A column filled in part must not tear a scene of the published list apart; filled whole it wins."""
    entries = [entry(scene, 0, None) for scene in range(4)]
    listed = {(one.sha256, "benign"): SimpleNamespace(group="busi-1") for one in entries[:3]}
    monkeypatch.setattr(grouping, "busi_list", lambda: listed)
    assert find_groups(entries).names[:3] == ["busi-1"] * 3
    part = [replace(one, group=group) for one, group in zip(entries, ("p1", None, None, "p2"), strict=True)]
    assert find_groups(part).names == ["p1", "p1", "p1", "p2"]
    whole = [replace(one, group=group) for one, group in zip(entries, ("p1", "p3", None, "p2"), strict=True)]
    assert find_groups(whole).names == ["p1", "p3", "p1", "p2"]
