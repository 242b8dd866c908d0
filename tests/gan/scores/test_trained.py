"""The judge trained here: who sees a scan saw nothing of its group, and it depends on the seed alone."""

import numpy as np
import pytest
import torch
from bus.gan.scores import trained
from bus.gan.scores.distances import TooFewGroups
from bus.gan.scores.trained import WIDTH, train_judge

COUNT = 36
SCANS = np.random.default_rng(0).integers(0, 255, (COUNT, 32, 32), dtype=np.uint8)
TRUTH = [row % 3 == 0 for row in range(COUNT)]
GROUPS = [f"g{row // 2}" for row in range(COUNT)]


@pytest.fixture(autouse=True)
def two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "EPOCHS", 2)


def test_nobody_sees_a_group_it_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []
    monkeypatch.setattr(trained, "_fit", lambda x, y, seed: shown.append(len(x)) or trained.SmallNetwork())
    judge = train_judge(SCANS, TRUTH, GROUPS)
    for part in range(3):
        mine = {GROUPS[row] for row in np.flatnonzero(judge.parts == part)}
        others = {GROUPS[row] for row in np.flatnonzero(judge.parts != part)}
        assert mine and not mine & others
        assert shown[part] == sum(judge.parts != part)


def test_each_network_has_its_own_features() -> None:
    judge = train_judge(SCANS, TRUTH, GROUPS)
    seen = judge.features(SCANS, judge.parts)
    assert seen.shape == (COUNT, 3 * WIDTH)
    for part in range(3):
        own = slice(part * WIDTH, (part + 1) * WIDTH)
        assert not seen[judge.parts != part, own].any() and seen[judge.parts == part, own].any()


def test_the_same_seed_gives_the_same_judge_whatever_torch_drew_before() -> None:
    first = train_judge(SCANS, TRUTH, GROUPS, 3)
    torch.rand(5)
    state = torch.get_rng_state()
    again, other = train_judge(SCANS, TRUTH, GROUPS, 3), train_judge(SCANS, TRUTH, GROUPS, 4)
    assert torch.equal(torch.get_rng_state(), state), "the chance of others is left alone"
    seen = [judge.features(SCANS, judge.parts) for judge in (first, again, other)]
    np.testing.assert_array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])


def test_one_group_is_too_few() -> None:
    with pytest.raises(TooFewGroups):
        train_judge(SCANS, TRUTH, ["g"] * COUNT)
