"""Names: one form for all spellings of one name, and words that mean that there is none."""

import unicodedata

import pytest
from bus.data.names import clean, is_unknown, key, match, may_be_unknown
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(min_size=1) | st.text("가각힣악성양é Å한")


@given(TEXTS)
def test_composition_and_blanks_change_nothing(text: str) -> None:
    for form in ("NFC", "NFD"):
        spelt = f" {unicodedata.normalize(form, text)}\u00a0"
        assert clean(spelt) == clean(text)
        assert key(spelt) == key(text)
    assert clean(clean(text)) == clean(text)
    assert key(key(text)) == key(text) == key(clean(text))


def test_capitals_are_kept_and_do_not_count() -> None:
    assert clean(" P12  a ") == "P12 a"
    assert key("P12") == key("p12 ") == key("Ｐ１２")
    assert key("12") != key("0012")
    assert match("Benign ", ["benign", "malignant"]) == "benign"
    assert match("Benign", ["benign", "Benign"]) == "Benign"
    assert match("normal", ["benign", "malignant"]) is None


@pytest.mark.parametrize(
    "word",
    ["NA", "n/a", "N.A.", "#N/A", "none", "None", "unknown", "ANONYMOUS", "-", "--", "?", "", " ", "null",
     "not available", "NoID", "미상", "불명"],
)  # fmt: skip
def test_words_for_unknown(word: str) -> None:
    assert is_unknown(word)


@pytest.mark.parametrize("word", ["P12", "12", "Nana", "anonymous 1", "a", "김", "unknown-3", "NA12"])
def test_names_are_no_words_for_unknown(word: str) -> None:
    assert not is_unknown(word)


@pytest.mark.parametrize(
    ("number", "may"), [("0", True), ("000", True), ("-1", True), ("999", True), ("12", False), ("9", False)]
)
def test_numbers_that_may_mean_unknown(number: str, may: bool) -> None:
    assert not is_unknown(number)
    assert may_be_unknown(number) == may
