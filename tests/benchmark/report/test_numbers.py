"""Numbers as text: they read back, with true minus signs."""

from bus.benchmark.results import wording
from hypothesis import given
from hypothesis import strategies as st


@given(st.floats(-100, 100), st.integers(0, 3))
def test_signed_numbers_read_back(value: float, digits: int) -> None:
    text = wording.signed(value, digits)
    assert float(text.replace("−", "-")) == float(f"{value:.{digits}f}")
    assert "-" not in text and (text[0] in "+−") == (float(f"{value:.{digits}f}") != 0)
