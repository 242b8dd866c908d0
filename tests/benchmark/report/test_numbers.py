"""Numbers as text: they read back, with true minus signs and no digit below their spread."""

from bus.benchmark.report import numbers
from hypothesis import given
from hypothesis import strategies as st


@given(st.floats(-100, 100), st.integers(0, 3))
def test_signed_numbers_read_back(value: float, digits: int) -> None:
    text = numbers.signed(value, digits)
    assert float(text.replace("−", "-")) == float(f"{value:.{digits}f}")
    assert "-" not in text and (text[0] in "+−") == (float(f"{value:.{digits}f}") != 0)


@given(st.floats(-50, 50), st.floats(1e-4, 5))
def test_score_shows_no_digit_below_its_spread(mean: float, spread: float) -> None:
    left, _, right = numbers.mean_spread({"mean": mean, "spread": spread}).partition(" ± ")
    assert len(left.partition(".")[2]) == len(right.partition(".")[2])
    assert abs(float(left.replace("−", "-")) - mean) <= 0.06 * spread + 0.5 * (spread >= 10)
    assert numbers.mean_spread(None) == numbers.mean_spread({"mean": None}) == "–"
