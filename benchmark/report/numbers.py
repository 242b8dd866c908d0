"""Numbers as text: shares in per cent, true minus signs, and no digit below a spread."""

from collections.abc import Sequence


def percent(value: float | None, digits: int = 1) -> str:
    """A share as percentage, or a dash where there is none."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with a true minus, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def probability(value: float | None) -> str:
    """A p value with three digits, or a dash where there is none."""
    return "< 0.001" if value is not None and value < 0.001 else decimal(value)


def span(shares: Sequence[float]) -> str:
    """The lowest and the highest of some shares in percentage points; one number where they are the same."""
    low, high = (f"{100 * share:.1f}" for share in (min(shares), max(shares)))
    return low if low == high else f"{low} to {high}"
