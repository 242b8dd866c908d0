"""bus data check and bus data phantom."""


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
