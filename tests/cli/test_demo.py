"""bus demo, as far as it differs from the commands that it calls."""

from typing import Any

from bus.benchmark import pipeline
from bus.gan import request, synth, train


def test_the_demo_goes_the_whole_way_on_few_phantoms(run_bus: Any, tmp_path: Any, monkeypatch: Any) -> None:
    """Its steps in their order; what each does is tested where it is."""
    told: list[str] = []
    monkeypatch.setattr(request, "plan_gan", lambda *a, **k: told.append("plan") or (None, None))
    monkeypatch.setattr(train, "train_gan", lambda *a, **k: told.append("train"))
    monkeypatch.setattr(synth, "make_scans", lambda *a, count, **k: told.append(f"synth {count}"))
    monkeypatch.setattr(pipeline, "benchmark", lambda study, asked: told.append(asked.preset))
    code, text = run_bus("demo", "--study", tmp_path / "demo", "--jobs", "1")
    assert code == 0, text
    assert told == ["plan", "train", "synth 60", "demo"]
    assert "phantom" in text and "Next: bus report" in text
