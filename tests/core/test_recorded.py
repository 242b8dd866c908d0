"""Recorded work, with a stand-in for the card: what it reads, leaves, and how often it is done."""

import torch
from bus.core.recorded import WARM, Recorded, set_rate


def test_recorded_work_reads_what_each_call_is_given(card_for):
    state = torch.zeros(2)

    def work(given):
        state.add_(given["more"])
        return [("sum", state.sum() + given["other"])]

    def restore(before):
        state.copy_(before)

    run = Recorded(work)
    card = card_for(run, state.clone, restore)
    found = [
        float(run({"more": torch.full((2,), float(call)), "other": torch.tensor(100.0 * call)})[0][1])
        for call in range(WARM + 3)
    ]
    assert found == [call * (call + 1) + 100.0 * call for call in range(WARM + 3)]
    assert card.replays == 3 and card.recordings == 1


def test_a_rate_is_written_where_recorded_work_reads_it():
    on_card, plain = {"lr": torch.tensor(1.0)}, {"lr": 1.0}
    kept = on_card["lr"]
    for group in (on_card, plain):
        set_rate(group, 0.5)
    assert on_card["lr"] is kept and float(kept) == 0.5 and plain["lr"] == 0.5
