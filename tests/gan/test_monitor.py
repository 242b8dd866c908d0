"""What is written down of a translator while it trains."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bus.core.compute import Compute
from bus.data.study import Study
from bus.gan.config import configure
from bus.gan.cyclegan import CycleGAN
from bus.gan.monitor import Judges, Log, spread
from bus.gan.scores import scans
from bus.gan.scores.model import Measured
from bus.gan.translator import Looks, Stretch


def test_a_line_holds_means_since_the_last_one() -> None:
    log = Log()
    for cycle in (1.0, 2.0):
        log.add({"cycle": cycle}, 0.5)
    assert log.close_line(2, 8, Looks()) == {"step": 2, "pairs": 8, "cycle": 1.5, "seconds": 1.0}
    log.add({"cycle": 4.0}, 0.25)
    looks = Looks(Measured(0.3, 0.1), Measured(0.4, 0.2), 0.7)
    line = log.close_line(3, 12, looks)
    said = {
        "kid": 0.3,
        "kid_spread": 0.1,
        "kid_handmade": 0.4,
        "kid_handmade_spread": 0.2,
        "auc_handmade": 0.7,
    }
    assert line == {"step": 3, "pairs": 12, "cycle": 4.0, **said, "seconds": 0.25}
    assert Stretch.read(line) == Stretch(12, {"cycle": 4.0}, 0.25, looks)
    assert len(log.lines) == 2 and not log.sums


@pytest.mark.parametrize("count", [1, 3, 10, 99])
def test_some_of_many_are_taken_evenly_and_none_twice(count: int) -> None:
    values = np.arange(10)
    some = spread(values, count)
    assert len(some) == min(count, 10) == len(set(some.tolist())) and some[0] == 0
    assert np.ptp(np.diff(some)) <= 1 if len(some) > 1 else True


def test_judges_see_the_bars_of_the_sources_as_synthetic_scans_have_them(barred: Study) -> None:
    cpu = Compute("cpu", "float32", 1)
    config = configure(barred, cpu, fold=0, target="malignant", seed=0, preset="demo")
    model = CycleGAN(replace(config, channels=4, blocks=1, discriminator="patch"), cpu)
    torch.nn.init.constant_(model.averaged.change[-1].bias, 0.5)  # so that it paints everywhere
    real, synthetic, _ = Judges(barred, model.config)._material(model)
    for scan, row in zip(synthetic.pixels, synthetic.source_rows, strict=True):
        top, left, height, width = real.boxes[row]
        inside = np.zeros(scan.shape, bool)
        inside[top : top + height, left : left + width] = True
        assert not scan[~inside].any() and not inside.all() and scan[inside].any()


def test_of_very_many_target_scans_some_are_looked_at(tiny_study, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study.open(tiny_study)
    asked = {"fold": 0, "target": "malignant", "seed": 0, "preset": "demo"}
    config = configure(study, Compute("cpu", "float32", 1), **asked)
    whole = Judges(study, config)
    assert whole.target == study.rows_of(study.train(0), ["malignant"])
    monkeypatch.setattr(scans, "JUDGED", 6)
    some = Judges(study, config)
    assert len(some.target) == 6 < len(whole.target) and set(some.target) < set(whole.target)
    assert len(some.sources) == 3
