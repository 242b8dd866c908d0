"""The data check: every planted flaw is named with what mends it, and sound data pass."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.benchmark.report.check_page import write_page
from bus.core.errors import BusError
from bus.data import phantom, shortcuts
from bus.data.check import Findings, check
from bus.data.check_text import as_json, lines
from bus.data.marks import Marks
from bus.data.reading import Entry
from bus.data.splits import assign_folds
from bus.data.store import Box
from bus.data.study import Study, open_or_create
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module", autouse=True)
def small_forests() -> Iterator[None]:
    """Ten trees instead of a hundred: no test here is about a figure that they would change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortcuts, "TREES", 10)
        yield


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 phantoms in BUSI's layout with labels.csv."""
    return phantom.write_cohort(tmp_path_factory.mktemp("sound") / "phantoms", 120, size=64)


@pytest.fixture
def flawed(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "flawed"))


@pytest.fixture(scope="module")
def findings(sound: Path) -> Findings:
    return check(sound)


def said(found: Findings) -> str:
    """All cautions in words."""
    return " ".join(item.sentence for item in found.cautions)


def in_rows(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Rewrite the rows of a labels.csv below its header."""
    table = folder / "labels.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([header, *change(rows)]) + "\n", encoding="utf-8")


def test_sound_data_pass_and_are_counted(findings: Findings) -> None:
    specs = phantom.specs(120, size=64)
    assert findings.unsound == []
    assert {one.label: one.scans for one in findings.classes} == {
        label: sum(spec.label == label for spec in specs) for label in ("benign", "malignant", "normal")
    }
    groups = [spec.group for spec in specs]
    assert findings.siblings == sum(groups.count(group) > 1 for group in groups)
    assert findings.sizes == 1
    assert {probe.name: probe.worst for probe in findings.probes}["size"] == 0.5  # all scans have one size


def test_the_same_data_give_the_same_findings(sound: Path, findings: Findings) -> None:
    assert check(sound) == findings


def test_unreadable_scans_are_named_and_the_rest_is_checked(flawed: Path) -> None:
    broken = flawed / "benign" / "benign (1).png"
    broken.write_bytes(broken.read_bytes()[:200])
    found = check(flawed)
    assert [file for file, _ in found.unreadable] == ["benign/benign (1).png"]
    assert found.scans == 119
    assert "benign (1).png" in found.unsound[0].sentence
    assert "Copy" in found.unsound[0].sentence


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"no picture")
    with pytest.raises(BusError, match="None of the 2 scans"):
        check(tmp_path)


@pytest.mark.long
def test_a_class_with_too_few_groups_names_the_option(findings: Findings, sound: Path) -> None:
    fewest = min(one.clean_groups for one in findings.classes)
    assert check(sound, k=fewest).unsound == []
    assert f"--k {fewest}" in check(sound, k=fewest + 1).verdict


def test_contradicting_groups_are_named_scan_by_scan_but_sound(flawed: Path) -> None:
    def relabel(rows: list[str]) -> list[str]:
        return [
            row.replace(",benign,", ",malignant,", 1) if row.startswith("benign/benign (1).png") else row
            for row in rows
        ]

    group = next(spec.group for spec in phantom.specs(120, size=64) if spec.file == "benign/benign (1).png")
    in_rows(flawed, relabel)
    in_rows(
        flawed,
        lambda rows: [*rows, *_copy(flawed, "benign/benign (1).png", "benign/again.png", f"benign,{group},")],
    )
    found = check(flawed)
    (one,) = found.contradictions
    assert one.name == group
    assert one.same_pixels
    assert {("benign/benign (1).png", "malignant"), ("benign/again.png", "benign")} <= set(one.scans)
    assert found.duplicates == (("benign/again.png", "benign/benign (1).png"),)
    assert found.unsound == []
    assert "--cohort raw" in said(found)


def _copy(folder: Path, file: str, to: str, rest: str) -> list[str]:
    shutil.copy(folder / file, folder / to)
    return [f"{to},{rest}"]


def test_copies_in_two_given_groups_are_unsound(flawed: Path) -> None:
    in_rows(
        flawed,
        lambda rows: [
            *rows,
            *_copy(flawed, "benign/benign (1).png", "benign/again.png", "benign,elsewhere,"),
        ],
    )
    (reason,) = check(flawed).unsound
    assert "again.png" in reason.sentence
    assert "one group" in reason.sentence


def test_own_folds_that_split_a_group_are_unsound(flawed: Path) -> None:
    table = flawed / "labels.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    text = [f"{header},fold", *(f"{row},{number % 2}" for number, row in enumerate(rows))]
    table.write_text("\n".join(text) + "\n", encoding="utf-8")
    (reason,) = check(flawed).unsound
    assert "both sides of a split" in reason.sentence


def test_size_alone_is_found_where_it_tells_a_class(flawed: Path) -> None:
    for file in (flawed / "malignant").glob("*.png"):
        wide = cv2.resize(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), (96, 64))
        cv2.imwrite(str(file), wide)
    found = check(flawed)
    areas = {probe.name: probe.auc["malignant"] for probe in found.probes}
    assert areas["size"] == areas["bars"] == 1
    assert "size" in {probe.name for probe in found.telling}


def test_the_screen_and_the_page_tell_what_was_found(flawed: Path, tmp_path: Path) -> None:
    (flawed / "benign" / "<b>notes.txt").write_text("none", encoding="utf-8")
    found = check(flawed, k=60)
    screen = list(lines(found))
    assert len(screen) < 45
    assert screen[-1].startswith("Unsound, for 1 reason: ")
    page = write_page(found, tmp_path / "check.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;notes.txt" in page
    assert "<b>notes" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)  # one file, no requests
    assert all(one.label in page for one in found.classes)


def test_the_folds_are_those_of_a_study_on_the_same_data(
    sound: Path, findings: Findings, tmp_path: Path
) -> None:
    study = open_or_create(tmp_path / "study", {"data": str(sound), "size": 32})
    for counts in findings.folds:
        for fold in study.folds:
            rows = study.rows_of(study.test(fold), [counts.label])
            assert counts.scans[fold] == len(rows)
            assert counts.groups[fold] == len({study.groups[row] for row in rows})


def test_the_last_line_counts_cautions_and_their_reasons_stand_before(findings: Findings) -> None:
    careful = [item for item in findings.cautions if item.weight == "caution"]
    screen = list(lines(findings))
    assert screen[-1] == findings.verdict
    assert findings.verdict.startswith(f"Sound, with {len(careful)} caution")
    assert {item.kind for item in careful} >= {"few groups"}
    for item in careful:
        assert item.short in screen[-1] and f"Caution     {item.sentence}" in screen[:-1]


def test_json_holds_all_that_the_page_tells(flawed: Path, tmp_path: Path) -> None:
    in_rows(
        flawed, lambda rows: [*rows, *_copy(flawed, "benign/benign (1).png", "benign/a.png", "benign,x,")]
    )
    (flawed / "benign" / "notes.txt").write_text("none", encoding="utf-8")
    found = check(flawed)
    told = json.loads(json.dumps(as_json(found)))
    assert told["sound"] is False and told["verdict"] == found.verdict
    assert [item["sentence"] for item in told["cautions"]] == [item.sentence for item in found.cautions]
    assert told["cautions"][0]["cases"] == [["benign/a.png", "benign/benign (1).png"]]
    assert ["benign/notes.txt", "not a picture"] in told["ignored"]
    assert len(told["folds"]) == len(found.folds) == 3
    assert told["largest"] and told["duplicates"]
    page = write_page(found, tmp_path / "check.html").read_text(encoding="utf-8")
    shown = {
        *found.marked[:20],
        *found.duplicates[0],
        *(file for group in found.largest for file, _ in group.scans),
    }
    assert shown <= set(found.pictures) and page.count("data:image/png") >= len(found.largest) + 2


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ghijk")), min_size=1, max_size=40),
    st.integers(0, 3),
)
def test_a_leak_is_a_share_and_needs_siblings(rows: list[tuple[str, str]], seed: int) -> None:
    labels, groups = [label for label, _ in rows], [group for _, group in rows]
    assert 0 <= shortcuts.leak(labels, groups, seed=seed) <= 1
    assert shortcuts.leak(labels, [str(row) for row in range(len(rows))], seed=seed) == 0


def test_a_leak_of_one_large_group_is_whole() -> None:
    assert shortcuts.leak(["a"] * 20, ["g"] * 20) == 1


def test_twins_inflate_a_neighbour_in_folds_per_image_only() -> None:
    """Noise whose label nothing shows: by group a neighbour guesses, per image it recognises the twin."""
    rng = np.random.default_rng(0)
    squares = np.repeat(rng.integers(0, 256, (100, 64, 64), np.uint8), 2, axis=0)
    labels = np.repeat(rng.permutation(["a", "b"] * 50), 2)
    groups = [str(row // 2) for row in range(200)]
    seen = [
        shortcuts.Seen(
            Entry(str(row), str(label), str(row), (64, 64), Box(0, 0, 64, 64), row, np.zeros(1), None, None),
            square,
            Marks(0, 0, 0),
            np.zeros(1),
        )
        for row, (square, label) in enumerate(zip(squares, labels, strict=True))
    ]
    folds = assign_folds([scan.entry.sha256 for scan in seen], list(labels), groups, k=5, seed=0)
    found = shortcuts.inflation(seen, folds, k=5)
    assert found.majority == 0.5
    assert 0.3 < found.grouped < 0.7
    assert found.random > found.grouped + 0.2


@pytest.mark.slow
def test_the_known_figures_of_busi(datasets: Path) -> None:
    found = check(datasets / "busi" / "Dataset_BUSI_with_GT")
    assert sum(one.clean_scans for one in found.classes) == 760
    assert sum(one.clean_groups for one in found.classes) == 567
    assert len(found.contradictions) == 8
    assert sum(len(one.scans) for one in found.contradictions) == 20
    assert found.siblings / found.scans == pytest.approx(0.46, abs=0.005)
    assert found.leak == pytest.approx(0.40, abs=0.02)
    assert found.unsound == []


def test_a_study_knows_its_shortcuts_and_keeps_them(
    tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shutil.copytree(tiny_study, tmp_path / "study")
    study = Study.open(path)
    pixels = np.array(study.pixels)
    pixels[study.rows_of(study.used(), ["normal"])] //= 4  # a class that grey levels alone give away
    np.save(path / "pixels.npy", pixels)
    counts = Counter(
        label for label, _ in {(study.scans[row].label, study.groups[row]) for row in study.used()}
    )
    monkeypatch.setattr(shortcuts, "FEWEST", min(counts.values()))
    found = {probe.name: probe.auc for probe in shortcuts.of_study(study)}
    assert set(found) == set(shortcuts.OF_STUDY) and all(
        set(auc) == set(study.classes) for auc in found.values()
    )
    assert found["histogram"]["normal"] > 0.95
    assert (
        found["size"] == found["bars"] == dict.fromkeys(study.classes, 0.5)
    )  # phantoms are all alike in these
    monkeypatch.setattr(shortcuts, "probe", lambda *given, **named: pytest.fail("measured twice"))
    assert {probe.name: probe.auc for probe in shortcuts.of_study(study)} == found
    monkeypatch.undo()
    monkeypatch.setattr(shortcuts, "FEWEST", min(counts.values()))
    text = (path / "shortcuts.json").read_text()
    for damaged in (text.replace("0.5", "0.9", 1), text[:-9], json.dumps({"cohort": "", "probes": 3})):
        (path / "shortcuts.json").write_text(damaged)
        assert set(shortcuts.of_study(study)[0].auc) == set(study.classes)
        assert "0.9" not in (path / "shortcuts.json").read_text().split('"border"')[0], "measured again"


def test_too_few_groups_are_not_probed(
    tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortcuts, "FEWEST", 10_000)
    assert shortcuts.of_study(Study.open(shutil.copytree(tiny_study, tmp_path / "study"))) == []
