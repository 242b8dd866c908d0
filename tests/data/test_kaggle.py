"""`--data busi`: against stand-ins for kagglehub, and against the real one where it is installed."""

import time
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from bus.core.errors import BusError, UsageError
from bus.data import kaggle
from bus.data.scans import list_scans

COUNTS = {"benign": 2, "malignant": 1}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny data set in BUSI's layout, whose counts are the ones expected."""
    monkeypatch.setattr(kaggle, "COUNTS", COUNTS)
    root = tmp_path / "cache" / "versions" / "1"
    for label, count in COUNTS.items():
        (root / "Dataset_BUSI_with_GT" / label).mkdir(parents=True)
        for number in range(1, count + 1):
            scan = cv2.imencode(".png", np.full((20, 20), number, np.uint8))[1].tobytes()
            (root / "Dataset_BUSI_with_GT" / label / f"{label} ({number}).png").write_bytes(scan)
    return root


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a module named kagglehub before all others, here and in child processes."""
    place = tmp_path / "modules"
    place.mkdir()
    (place / "kagglehub.py").write_text(f"import sys, time\ndef dataset_download(handle):\n    {body}\n")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", str(place))


def test_found_and_counted(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"print('Downloading', handle, file=sys.stderr); return {str(folder)!r}"
    stand_in(tmp_path, monkeypatch, body)
    assert kaggle.fetch_busi() == folder
    assert len(list_scans(folder).scans) == 3


def test_other_counts_are_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, f"return {str(folder)!r}")
    (folder / "Dataset_BUSI_with_GT" / "benign" / "benign (1).png").unlink()
    with pytest.raises(BusError, match="hold BUSI's 2 benign, 1 malignant, but holds 1 benign, 1 malignant"):
        kaggle.fetch_busi()


def test_failures_say_what_to_download_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "raise ConnectionError('Name or service not known')")
    with pytest.raises(BusError, match=r"ConnectionError: Name or service.*By hand.*archive\.zip"):
        kaggle.fetch_busi()


@pytest.mark.parametrize("said", ["", "print('Downloading', flush=True); "])
def test_silence_is_bounded(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, f"{said}time.sleep(300)")
    start = time.monotonic()
    with pytest.raises(BusError, match=r"did not answer within 0\.3 seconds\. By hand"):
        kaggle.fetch_busi(connect=0.3, stall=0.3)
    assert time.monotonic() - start < 150  # it would be silent for 300 s


def test_a_slow_download_is_not_cut(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"[(print('.', end='', flush=True), time.sleep(0.1)) for _ in range(25)]; return {str(folder)!r}"
    stand_in(tmp_path, monkeypatch, body.replace("; return", "; print(); return"))
    assert kaggle.fetch_busi(connect=2, stall=2) == folder


def test_without_kagglehub_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install kagglehub\. By hand"):
        kaggle.fetch_busi()


@pytest.mark.skipif(find_spec("kagglehub") is None, reason="kagglehub is an extra")
def test_the_real_kagglehub_answers_from_its_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "kaggle" / "datasets" / kaggle.HANDLE
    (place / "versions").mkdir(parents=True)
    folder.rename(place / "versions" / "1")
    (place / "1.complete").touch()
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    assert kaggle.fetch_busi() == place / "versions" / "1"
