"""bus gan and bus synth."""

import shutil
import sys

import pytest
from bus.data.study import Study
from bus.gan.manifest import SyntheticSet


def test_synth_without_a_study_says_what_to_run_first(tmp_path, run_bus):
    code, text = run_bus("synth", "--study", tmp_path / "none")
    assert code == 1
    assert "Run bus gan train first" in text


def test_two_folders_are_compared(finished, run_bus):
    folder = finished / "fold-0/synth/seed-0/malignant"
    code, text = run_bus("gan", "score", folder, folder, "--size", 32, "--extractor", "efficientnet-lite0")
    assert code == 0
    assert "30 against 30 scans, judged by efficientnet-lite0" in text
    assert "FD (EfficientNet-Lite0): 0.00" in text
    assert "precision: 1.000" in text
    code, text = run_bus(
        "gan", "score", folder, folder, "--study", finished, "--fold", 0, "--to", "benign", "--gan-seed", 1
    )
    assert code == 2 and "--study, --fold, --to, --gan-seed does not go with two folders" in text
    code, text = run_bus("gan", "score", "--study", finished, "--size", 32)
    assert code == 2 and "--size does not go with a study" in text
    empty = finished.parent / "empty"
    empty.mkdir()
    code, text = run_bus("gan", "score", empty, folder, "--extractor", "efficientnet-lite0")
    assert code == 1
    assert "holds no scans" in text


def test_synthetic_scans_come_with_a_datasheet(finished):

    study = Study.open(finished)
    scans = SyntheticSet(study, 0, "malignant", 0)
    rows, text = scans.rows, (scans.folder / "DATASHEET.md").read_text()
    assert text.startswith("# Datasheet: 30 synthetic malignant scans\n\n**SYNTHETIC.")
    assert rows[0].generator_sha256 in text
    assert study.settings.data.sha256 in text
    for label in ("benign", "normal"):
        own = [row for row in rows if row.source_label == label]
        assert (
            f"{len(own)} scans from {len({row.source_sha256 for row in own})} distinct {label} scans" in text
        )
    assert "never for a diagnosis" in text
    assert str(finished.parent) not in text  # it is made to be shared
    assert (
        "bus gan train --study study --size 32 --k 3 --fold 0 --gan-seed 0 --preset demo --pairs 8\n" in text
    )


@pytest.mark.long
def test_a_translator_of_all_scans_is_trained_read_again_and_used(tiny_study, tmp_path, run_bus):
    path = shutil.copytree(tiny_study, tmp_path / "study")
    there = ("--study", path, "--fold", "none")
    code, text = run_bus("gan", "train", *there, "--preset", "demo", "--pairs", 4)
    assert code == 0 and "malignant, all scans, 4 pairs" in text and "fold None" not in text, text
    assert f"Next: bus synth --study {path} --fold none" in text
    code, text = run_bus("gan", "train", *there)
    assert code == 0 and "Nothing to do: the translator in" in text, text
    code, text = run_bus("synth", *there, "--n", 2, "--extractor", "efficientnet-lite0")
    assert code == 0 and "fold None" not in text, text
    code, text = run_bus("translate", path / "fold-none" / "synth", *there, "--to", tmp_path / "translated")
    assert code == 0 and "synthetic malignant scans with their manifest" in text, text


def test_a_missing_package_is_told_before_a_study_is_made(tmp_path, run_bus, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    code, text = run_bus("gan", "train", "--study", tmp_path / "study", "--preset", "demo", "--tensorboard")
    assert code == 1 and "pip install tensorboard, or leave it out" in text, text
    assert not (tmp_path / "study").exists()
