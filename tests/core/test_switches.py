"""One grammar for --set and plans: what a switch takes is read, all else is refused by name."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
from bus.classify.recipe import Recipe
from bus.core import switches
from bus.core.errors import UsageError
from bus.core.switches import Needs, Switch, switch
from bus.gan.config import METHODS, Switches
from hypothesis import given
from hypothesis import strategies as st


@dataclass(frozen=True)
class Work:
    """Something with switches, and a field that is none."""

    name: str
    count: int = switch("how many", 4, above=0)
    rate: float = switch("how fast", 0.5, below=1)
    share: float = switch(
        "how much", 0.25, at_most=1, off=0, needs=Needs("kind", "fast", "slow work shares nothing")
    )
    kind: str = switch("which", "slow", choices=("slow", "fast"))
    twice: bool = switch("again", False, needs=Needs("share", example=0.5))


KNOWN = switches.of(Work)
USUAL = switches.defaults(Work)


def test_texts_and_values_are_read_alike() -> None:
    values = {"count": 8, "rate": 0.25, "share": 1.0, "kind": "fast", "twice": True}
    assert switches.read(KNOWN, values) == values
    assert switches.read(KNOWN, {name: switches.text(value) for name, value in values.items()}) == values
    assert switches.read(KNOWN, {"rate": 0}) == {"rate": 0.0}, "a whole number will do where any number does"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("count", "0", "--set count=0: expected a whole number above 0, such as 4."),
        ("count", "2.5", "expected a whole number above 0"),
        ("count", 2.5, "expected a whole number above 0"),
        ("count", True, "expected a whole number above 0"),
        ("count", "9" * 401, "expected a whole number above 0"),
        ("count", "9" * 5_000, "expected a whole number above 0"),
        ("rate", "1", "expected a number of 0 or more and below 1, such as 0.5."),
        ("rate", "nan", "expected a number of 0 or more and below 1"),
        ("rate", -0.5, "expected a number of 0 or more and below 1"),
        ("rate", 10**400, "expected a number of 0 or more and below 1"),
        ("share", "1e999", "expected a number from 0 to 1"),
        ("kind", "fsat", "--set kind=fsat: expected slow or fast. Did you mean fast?"),
        ("kind", 3, "expected slow or fast"),
        ("twice", "perhaps", "--set twice=perhaps: expected true or false."),
        ("twice", 1, "expected true or false"),
        (
            "cuont",
            1,
            "--set cuont=1: cuont is unknown; known are count, rate, share, kind, twice. Did you mean count?",
        ),
        ("name", "a", "name is unknown"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(name: str, value: Any, words: str) -> None:
    with pytest.raises(UsageError) as error:
        switches.read(KNOWN, {name: value}, usual=USUAL)
    assert words in str(error.value)


def test_a_file_is_named_as_its_lines_are_written() -> None:
    with pytest.raises(UsageError, match=r"^--plan mine\.toml, run 2: count = 0: expected"):
        switches.read(KNOWN, {"count": 0}, "--plan mine.toml, run 2")


def test_a_value_that_would_do_nothing_is_refused_with_both_ways_out() -> None:
    def check(**found: Any) -> None:
        switches.check_idle(KNOWN, found, USUAL | found)

    check(share=0.0)  # asks for nothing
    check(share=0.5, kind="fast")
    check(twice=True)  # beside the usual share
    with pytest.raises(
        UsageError, match=r"share=0\.5 does nothing: slow work .*Add --set kind=fast, or leave it out"
    ):
        check(share=0.5)
    with pytest.raises(UsageError, match=r"twice=true does nothing beside share=0\. Add --set share=0\.5"):
        check(twice=True, share=0.0)


def test_what_is_typed_is_split_at_the_first_sign() -> None:
    assert switches.split(["a=1", "b=x=y", "c="], "a=1") == {"a": "1", "b": "x=y", "c": ""}
    with pytest.raises(UsageError, match="--set a: expected NAME=VALUE, such as --set count=3"):
        switches.split(["a"], "count=3")
    with pytest.raises(UsageError, match="--set a is given twice: 1 and 2"):
        switches.split(["a=1", "a=2"], "a=1")


@given(st.one_of(st.floats(), st.integers(), st.text(), st.booleans(), st.none(), st.lists(st.integers())))
def test_whatever_is_read_is_in_range_and_reads_the_same_again(value: Any) -> None:
    for one in KNOWN.values():
        try:
            found = one.read(value)
        except (ValueError, OverflowError):
            continue
        assert type(found) is one.kind and one.is_like(found)
        assert one.kind is str or 0 <= found < math.inf
        assert one.read(switches.text(found)) == found


@pytest.mark.parametrize(
    ("cls", "usual"),
    [(Recipe, switches.defaults(Recipe)), *((Switches, switches.values(own)) for own in METHODS.values())],
)
def test_what_is_usual_fits_and_is_not_idle(cls: type, usual: dict[str, Any]) -> None:
    known = switches.of(cls)
    assert set(known) == set(usual)
    assert switches.read(known, usual) == usual
    assert all(one.help and "\n" not in one.help for one in known.values())
    assert len(list(switches.lines(known, usual))) == len(known)


def test_a_range_is_said_in_words() -> None:
    assert Switch(float, "").expects == "a number of 0 or more"
    assert Switch(int, "", at_most=9).expects == "a whole number from 0 to 9"
    assert Switch(str, "").expects == "a text"
    assert Switch(str, "", choices=("a", "b", "c")).expects == "a, b or c"
