"""Logs and losses of translators, as the report reads them."""

from bus.benchmark.report import translator


def test_distances_on_the_way_are_drawn_where_they_were_measured() -> None:
    plain = [{"pairs": 4.0 * step, "cycle": 1 / step, "adversarial": 1.0} for step in range(1, 5)]
    measured = [*plain[:3], {**plain[3], "kid": 1.25, "kid_spread": 0.2}]
    without, drawn = translator.losses_figure("0", plain), translator.losses_figure("0", measured)
    assert without is not None and drawn is not None
    assert (
        "Normalised KID (0 real, 1 did nothing): 1.25 ± 0.20 after 16 pairs." in drawn.alt
        and "KID" not in without.alt
    )
    for words in ("normalised KID", "did nothing", "real"):
        assert f">{words}</text>" in drawn.svg and f">{words}</text>" not in without.svg
    higher = translator.losses_figure("0", [*plain[:3], {**plain[3], "kid": 1.25, "kid_spread": 0.4}])
    assert higher is not None and higher.svg != drawn.svg, "the spread is drawn"
