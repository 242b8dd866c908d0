"""bus demo, as far as it differs from the commands that it calls."""

from dataclasses import replace
from typing import Any

import pytest
from bus.benchmark import pipeline
from bus.data.study import Study
from bus.gan import request, synth, train
from bus.gan.translator import Translator


@pytest.mark.long
def test_the_demo_goes_the_whole_way_on_few_phantoms(run_bus: Any, tmp_path: Any, monkeypatch: Any) -> None:
    """Its steps in their order; what each does is tested where it is. A translator goes on as begun."""
    told: list[str] = []
    plan, planned = request.plan_gan, []

    def keeping(*a: Any, **k: Any) -> Any:
        told.append("plan")
        planned.append(plan(*a, **k))
        return planned[-1]

    monkeypatch.setattr(request, "plan_gan", keeping)
    monkeypatch.setattr(train, "train_gan", lambda *a, **k: told.append("train"))
    monkeypatch.setattr(synth, "make_scans", lambda *a, count, **k: told.append(f"synth {count}"))
    monkeypatch.setattr(pipeline, "benchmark", lambda study, asked: told.append(asked.preset))
    code, text = run_bus("demo", "--study", tmp_path / "demo", "--jobs", "1")
    assert code == 0, text
    assert told == ["plan", "train", "synth 60", "demo"]
    assert "phantom" in text and "Next: bus report" in text
    config = planned[0][0]
    assert (config.init, config.size, config.pairs, config.preset) == ("phantoms-1", 64, 200, "demo")

    translator = Translator(Study.open(tmp_path / "demo"), 0, "malignant", 0)
    older = replace(config, init="none", channels=16, blocks=3, pairs=400)
    translator.write_config(older)
    code, text = run_bus("demo", "--study", tmp_path / "demo", "--jobs", "1")
    assert code == 0, text
    assert planned[1][0] == older
