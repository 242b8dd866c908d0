"""The phantom cohort: speckle that is physics, seeds that are per scan, and BUSI's shares and layout."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.core.errors import UsageError
from bus.core.progress import Listener, listening
from bus.data import phantom
from bus.data.phantom.anatomy import GRID, Tissue
from bus.data.phantom.simulation import SCANNERS, Phantom, compress, envelope, simulate, specs, write_cohort
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, rayleigh


def homogeneous(seed: int) -> np.ndarray:
    """The envelope of uniform tissue from one look, no attenuation, no noise: mean-square amplitude 2."""
    level = np.zeros((GRID, GRID), np.float32)
    scanner = replace(SCANNERS["linear-10"], looks=1, tgc=0.0, noise_db=-200.0, spread=1.0, focus=0.5)
    return envelope(Tissue(level, level, level > 0), 38.0, scanner, np.random.default_rng(seed))


@cache
def cohort() -> list[Phantom]:
    """240 scans of 64 px without marks."""
    return [simulate(replace(spec, marked=False)) for spec in specs(240, size=64)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_speckle_is_rayleigh(seed: int) -> None:
    rows = np.r_[
        24:104:8, 152:232:8
    ]  # away from the rim and from half depth, far enough apart to be independent
    samples = homogeneous(seed)[np.ix_(rows, np.arange(24, 232, 12))].ravel()
    assert len(samples) > 300
    scale = np.sqrt((samples**2).mean() / 2)  # the maximum-likelihood scale
    assert kstest(samples, rayleigh(scale=scale).cdf).pvalue > 0.01


def test_speckle_has_the_signal_to_noise_ratio_of_full_development() -> None:
    inner = np.stack([homogeneous(seed)[16:-16, 16:-16] for seed in range(6)])
    assert inner.mean() / inner.std() == pytest.approx(1.91, rel=0.05)


def test_looks_reduce_speckle_by_their_root() -> None:
    level = np.zeros((GRID, GRID), np.float32)
    one = replace(SCANNERS["linear-10"], looks=1, tgc=0.0, noise_db=-200.0)
    ratios = []
    for looks in (1, 4):
        image = envelope(
            Tissue(level, level, level > 0), 38.0, replace(one, looks=looks), np.random.default_rng(3)
        )
        ratios.append(image[16:-16, 16:-16].mean() / image[16:-16, 16:-16].std())
    assert ratios[1] / ratios[0] == pytest.approx(2, rel=0.1)


def test_attenuation_darkens_as_much_as_the_physics_says() -> None:
    level = np.zeros((GRID, GRID), np.float32)
    scanner = replace(SCANNERS["linear-10"], looks=1, tgc=0.0, noise_db=-200.0, spread=1.0)
    image = envelope(Tissue(level, level + 0.5, level > 0), 40.0, scanner, np.random.default_rng(0))
    depths = np.arange(GRID) * 4.0 / GRID  # cm
    slope = np.polyfit(depths[16:-16], 20 * np.log10(np.sqrt((image**2).mean(1)))[16:-16], 1)[0]
    assert slope == pytest.approx(-2 * 10 * 0.5, rel=0.05)  # dB / cm: twice, 10 MHz, 0.5 dB / cm / MHz


def test_compression_maps_full_scale_to_white_and_the_range_to_black() -> None:
    grey = compress(np.array([1.0, 10 ** (-30 / 20), 10 ** (-60 / 20), 10.0, 0.0]), 0.0, 60.0)
    assert grey == pytest.approx([255, 127.5, 0, 255, 0], abs=1e-3)


@settings(max_examples=12)
@given(st.integers(0, 2**40), st.integers(1, 60), st.integers(0, 300))
def test_a_scan_depends_on_its_seed_and_number_alone(seed: int, n: int, more: int) -> None:
    small, large = specs(n, seed=seed, size=32), specs(n + more, seed=seed, size=32)
    assert large[:n] == small
    first, again = simulate(small[-1]), simulate(large[n - 1])
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.mask, again.mask)
    assert first.parameters == again.parameters


def test_scan_17_is_the_same_in_50_and_5000() -> None:
    assert specs(50)[17] == specs(5000)[17]
    assert not np.array_equal(simulate(specs(18)[17]).pixels, simulate(specs(18, seed=1)[17]).pixels)


@pytest.mark.parametrize("seed", [0, 5])
def test_class_shares_are_those_of_busi(seed: int) -> None:
    found = specs(1560, seed=seed)
    assert Counter(spec.label for spec in found[:780]) == {"benign": 437, "malignant": 210, "normal": 133}
    assert Counter(spec.label for spec in found) == {"benign": 874, "malignant": 420, "normal": 266}
    early = Counter(spec.label for spec in found[:60])
    assert all(abs(early[label] - 60 * count / 780) <= 4 for label, count in phantom.BLOCK.items())
    assert len({spec.file for spec in found}) == 1560


def test_patients_have_one_label_and_one_to_four_views() -> None:
    found = specs(3120, seed=2)
    labels: dict[str, set[str]] = {}
    for spec in found:
        labels.setdefault(spec.group, set()).add(spec.label)
    assert all(len(of_patient) == 1 for of_patient in labels.values())
    views = Counter(spec.group for spec in found)
    assert set(views.values()) == {1, 2, 3, 4}
    siblings = sum(count for count in views.values() if count > 1) / len(found)
    assert siblings == pytest.approx(0.46, abs=0.04)  # BUSI: 46 % of the scans


def test_views_of_a_patient_resemble_each_other_more_than_strangers() -> None:
    found = [spec for spec in specs(300, size=48) if spec.label == "benign"]
    pixels = [simulate(spec).pixels.astype(float).ravel() for spec in found[:60]]
    related = np.corrcoef(pixels)
    pairs = [(i, j) for i in range(60) for j in range(i)]
    same = [related[i, j] for i, j in pairs if found[i].group == found[j].group]
    other = [related[i, j] for i, j in pairs if found[i].group != found[j].group]
    assert len(same) >= 8
    assert np.median(same) > np.quantile(other, 0.9)
    assert max(same) < 0.999  # a view is not a copy


def test_marks_are_as_frequent_as_in_busi() -> None:
    found = specs(3120, seed=4)
    for label, percent in phantom.MARKED.items():
        marked = [spec.marked for spec in found if spec.label == label]
        assert 100 * np.mean(marked) == pytest.approx(percent, abs=2)


def test_marks_change_pixels_only_where_they_lie_and_never_darken() -> None:
    spec = next(spec for spec in specs(60, size=128) if spec.marked)
    marked, plain = simulate(spec), simulate(replace(spec, marked=False))
    changed = marked.pixels != plain.pixels
    assert 0 < changed.mean() < 0.1
    assert (marked.pixels >= plain.pixels).all()
    assert marked.parameters["marks"] != "none" == plain.parameters["marks"]


@pytest.mark.long
@pytest.mark.parametrize("scanner", SCANNERS)
def test_masks_lie_where_the_lesion_is(scanner: str) -> None:
    for spec in specs(40, size=96, scanner=scanner):
        made = simulate(spec)
        assert made.pixels.shape == made.mask.shape == (96, 96)
        assert set(np.unique(made.mask)) <= {0, 255}
        assert made.mask.any() == (spec.label != "normal")
        if spec.label != "normal":
            rows, columns = (
                np.nonzero(made.mask)[axis] * float(made.parameters["extent_mm"]) / 96 for axis in (0, 1)
            )
            assert np.ptp(columns) < 2.2 * float(made.parameters["lesion_width_mm"]) + 2
            assert abs(rows.mean() - float(made.parameters["lesion_depth_mm"])) < 0.3 * np.ptp(rows) + 3


@pytest.mark.long
def test_posterior_features_follow_the_descriptor() -> None:
    """Darker behind shadowing lesions than beside them, brighter behind enhancing ones, in the mean."""
    contrast: dict[str, list[float]] = {"shadowing": [], "enhancement": []}
    for made in cohort():
        if made.label == "normal":
            continue
        feature = str(made.parameters["lesion_posterior"])
        rows, columns = np.nonzero(made.mask)
        middle = slice(int(np.quantile(columns, 0.35)), int(np.quantile(columns, 0.65)) + 1)
        behind = slice(rows.max() + 2, rows.max() + 12)
        if feature in contrast and rows.max() < 54:
            beside = np.delete(made.pixels[behind], np.arange(columns.min(), columns.max() + 1), axis=1)
            contrast[feature].append(made.pixels[behind, middle].mean() - beside.mean())
    assert min(map(len, contrast.values())) >= 10
    assert np.mean(contrast["shadowing"]) < -10
    assert np.mean(contrast["enhancement"]) > 10


@pytest.mark.long
def test_malignant_lesions_are_more_often_irregular_and_taller_than_wide() -> None:
    made = [scan.parameters | {"label": scan.label} for scan in cohort()]
    share = {
        (label, name, value): np.mean(
            [row[f"lesion_{name}"] == value for row in made if row["label"] == label]
        )
        for label in ("benign", "malignant")
        for name, value in (
            ("shape", "irregular"),
            ("orientation", "not parallel"),
            ("margin", "circumscribed"),
        )
    }
    for name, value, sign in (
        ("shape", "irregular", 1),
        ("orientation", "not parallel", 1),
        ("margin", "circumscribed", -1),
    ):
        assert sign * (share["malignant", name, value] - share["benign", name, value]) > 0.2
        assert all(
            0 < share[label, name, value] < 1 for label in ("benign", "malignant")
        )  # the classes overlap
    taller = [
        float(row["lesion_height_mm"]) > float(row["lesion_width_mm"])
        for row in made
        if row["label"] != "normal"
    ]
    named = [row["lesion_orientation"] == "not parallel" for row in made if row["label"] != "normal"]
    assert np.mean(np.equal(taller, named)) > 0.9  # round ones may be either


def test_pairs_share_anatomy_place_and_speckle() -> None:
    found = specs(24, size=128, paired=True)
    assert not any(spec.marked for spec in found)
    compared = 0
    for benign, malignant in zip(found[::2], found[1::2], strict=True):
        assert (benign.label, malignant.label, benign.group) == ("benign", "malignant", malignant.group)
        one, two = simulate(benign), simulate(malignant)
        for name in ("extent_mm", "fat_mm", "gland_mm", "gain_db", "lesion_lateral_mm"):
            assert one.parameters[name] == two.parameters[name]
        columns = np.nonzero((one.mask | two.mask).any(0))[0]
        far = np.ones(128, bool)
        far[max(0, columns.min() - 25) : columns.max() + 26] = False
        difference = np.abs(one.pixels.astype(int) - two.pixels)
        compared += far.any()
        assert not far.any() or difference[:, far].mean() < 2
        assert difference[:, ~far].mean() > 1
    assert compared >= 6


def test_scanners_differ() -> None:
    spec = specs(3, size=128)[2]
    pictures = {
        name: simulate(replace(spec, scanner=name, marked=False)).pixels.astype(float) for name in SCANNERS
    }
    grain = {name: np.abs(np.diff(p, axis=1)).mean() / p.std() for name, p in pictures.items()}
    assert grain["linear-7"] > 1.2 * grain["linear-10"]  # fewer looks: coarser, noisier speckle


class Heard(Listener):
    """Counts what is done, and stops the work where it is told to."""

    def __init__(self, stop_at: int = 0) -> None:
        self.total, self.done, self.stop_at = 0, 0, stop_at

    @contextmanager
    def progress(self, text: str, total: int, done: int = 0) -> Iterator[Callable[..., None]]:
        self.total = total

        def advance() -> None:
            self.done += 1
            if self.done == self.stop_at:
                raise KeyboardInterrupt

        yield advance


def test_the_cohort_is_written_in_busis_layout(tmp_path: Path) -> None:
    heard = Heard()
    with listening(heard):
        out = write_cohort(tmp_path / "deep" / "cohort", 30, size=32)
    todo = specs(30, size=32)
    assert (heard.total, heard.done) == (30, 30)
    assert {str(p.relative_to(out)) for p in out.rglob("*.png")} == {
        name for spec in todo for name in (spec.file, spec.file.replace(".png", "_mask.png"))
    }
    assert "benign/benign (1).png" in {spec.file for spec in todo}
    labels = list(csv.DictReader((out / "labels.csv").open()))
    assert [(r["file"], r["label"], r["group"]) for r in labels] == [(s.file, s.label, s.group) for s in todo]
    parameters = list(csv.DictReader((out / "parameters.csv").open()))
    assert [row["file"] for row in parameters] == [spec.file for spec in todo]
    for row, spec in zip(labels, todo, strict=True):
        made = simulate(spec)
        assert np.array_equal(cv2.imread(str(out / row["file"]), cv2.IMREAD_UNCHANGED), made.pixels)
        assert np.array_equal(cv2.imread(str(out / row["mask"]), cv2.IMREAD_UNCHANGED), made.mask)


def test_processes_change_nothing(tmp_path: Path) -> None:
    one = write_cohort(tmp_path / "one", 12, size=32)
    two = write_cohort(tmp_path / "two", 12, size=32, jobs=2)
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(two) for p in two.rglob("*") if p.is_file())
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in files)


def test_a_cohort_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), listening(Heard(stop_at=5)):
        write_cohort(tmp_path / "cohort", 12, size=32)
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_that_one_stands_in_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_cohort(Path(), 4, size=32)
    assert {path.name for path in Path.cwd().iterdir()} >= {"labels.csv", "parameters.csv", "benign"}
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_full_folder_and_impossible_options_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="is there already and holds something"):
        write_cohort(tmp_path, 4, size=32)
    assert (tmp_path / "mine.txt").read_text() == "keep"
    with pytest.raises(UsageError, match="linear-10"):
        specs(4, scanner="convex")
    for n, size, seed in ((0, 64, 0), (4, 8, 0), (4, 64, -1)):
        with pytest.raises(UsageError):
            specs(n, size=size, seed=seed)
