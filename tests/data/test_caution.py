"""Cautions: worded once, kept in a study as they are, short where there are many cases."""

import json
from dataclasses import asdict

import pytest
from bus.data.caution import KEPT, KINDS, NAMED, Caution, caution, from_json, of_weight
from hypothesis import given
from hypothesis import strategies as st

FILES = st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple)


@given(
    st.sampled_from([*KINDS, "of a later version"]), st.lists(FILES, min_size=1), st.integers(0, 9), st.text()
)
def test_a_caution_survives_json(kind: str, cases: list[tuple[str, ...]], total: int, detail: str) -> None:
    (item,) = caution(kind, cases, total=total, detail=detail)
    assert from_json(json.loads(json.dumps(asdict(item)))) == item
    assert len(item.brief().cases) == min(len(cases), KEPT)
    assert item.brief().count == item.count == len(cases)


def test_a_sentence_counts_names_a_few_and_says_what_mends_it() -> None:
    pairs = [(f"a/{number}.png", f"b/{number}.png") for number in range(9)]
    (item,) = caution("alike", pairs)
    assert "one scene: 9, such as a/0.png and b/0.png; a/1.png and b/1.png" in item.sentence
    assert item.sentence.count(" and ") == NAMED
    assert item.sentence.endswith(KINDS["alike"].advice)
    assert item.rest.startswith("Such as a/0.png and b/0.png; ") and item.rest in item.sentence.replace(
        ", such", " Such"
    )
    assert item.short == "sets of scans in different given groups that look like one scene (9)"
    (item,) = caution("unreadable", ["b.png", "a.png"], total=7, detail="cut short")
    assert item.sentence.startswith(
        "Scans that cannot be read: 2 of 7 (cut short), namely a.png; b.png. Copy"
    )


def test_nothing_to_say_is_no_caution() -> None:
    assert caution("alike", []) == ()
    assert Caution("said", detail="A whole sentence.").sentence == "A whole sentence."
    assert Caution("of a later version", 3).sentence == "Of a later version: 3."


def test_weights_sort_reasons_from_cautions_and_notes() -> None:
    both = [Caution("alike", 2), Caution("unreadable", 1), Caution("phantoms")]
    assert [item.kind for weight in ("wrong", "caution", "note") for item in of_weight(both, weight)] == [
        "unreadable",
        "alike",
        "phantoms",
    ]


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "alike", "count": -1, "cases": [], "total": 0, "detail": ""},
        {"kind": "alike", "count": 1, "cases": [[1]], "total": 0, "detail": ""},
        {"kind": 1, "count": 1, "cases": [], "total": 0, "detail": ""},
    ],
)
def test_what_no_caution_says_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a caution"):
        from_json(content)


def test_every_kind_says_what_mends_it_or_is_a_sentence() -> None:
    for name, kind in KINDS.items():
        assert bool(kind.what) == bool(kind.advice), name
        assert kind.advice in ("", kind.advice.strip()) and kind.advice[-1:] in ("", "."), name
        assert not kind.what or kind.what[0].islower(), name
        assert "{" not in kind.what + kind.advice, name


def test_a_case_of_many_files_is_named_by_its_first() -> None:
    (many,) = caution("alike", [tuple(f"{number}.png" for number in range(4_000))])
    assert "0.png, 1.png, 2.png and 3,997 more" in many.sentence
    assert len(many.sentence) < 500
