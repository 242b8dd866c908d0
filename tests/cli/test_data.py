"""bus data check and bus data phantom."""

import pytest


@pytest.mark.long
def test_a_data_set_is_checked_before_a_study(tmp_path, run_bus):
    code, text = run_bus("data", "phantom", tmp_path / "cohort", "--n", 60, "--size", 64)
    assert code == 0
    assert "60 phantoms" in text
    page = tmp_path / "page.html"
    code, text = run_bus("data", "check", tmp_path / "cohort", "--k", 3, "--page", page)
    assert code == 0, text
    assert "60 scans" in text
    assert "Content-Security-Policy" in page.read_text()
    (tmp_path / "cohort" / "benign" / "benign (1).png").write_bytes(b"no picture")
    code, text = run_bus("data", "check", tmp_path / "cohort", "--k", 3, "--page", page)
    assert code == 1
    assert "benign (1).png" in text


def test_a_folder_called_phantom_is_told_from_the_word(tmp_path, run_bus, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, text = run_bus("data", "phantom", "phantom", "--n", 24, "--size", 48)
    assert code == 0 and "--data ./phantom." in text and "Next: bus data check ./phantom" in text
    code, text = run_bus("data", "check", "phantom")
    assert code == 2 and "built-in simulated cohort" in text and "./phantom" in text
    code, text = run_bus("data", "check", "./phantom", "--k", 2)
    assert "24 scans" in text and "Next: bus gan train --data ./phantom" in text


def test_a_seed_below_zero_is_refused(tmp_path, run_bus):
    code, text = run_bus("data", "check", tmp_path, "--seed", -1)
    assert code == 2 and "--seed" in text


@pytest.mark.long
def test_what_the_folds_were_checked_with_makes_the_study(tmp_path, run_bus):
    run_bus("data", "phantom", tmp_path / "cohort", "--n", 60, "--size", 64)
    typed = ("--k", 3, "--seed", 2, "--frames", "all", "--page", tmp_path / "page.html")
    code, text = run_bus("data", "check", tmp_path / "cohort", *typed)
    assert code == 0, text
    assert text.endswith(f"Next: bus gan train --data {tmp_path}/cohort --k 3 --seed 2 --frames all"), text


@pytest.mark.parametrize("name", ["labels.csv", "benign/scan.png", ""])
def test_a_page_takes_no_other_files_place(tmp_path, run_bus, name):
    path = tmp_path / "cohort" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine") if name else path.mkdir()
    code, text = run_bus("data", "check", tmp_path / "cohort", "--page", path)
    assert code == 2 and "expected a name that ends in .html" in text, text
    assert not name or path.read_text() == "mine"
