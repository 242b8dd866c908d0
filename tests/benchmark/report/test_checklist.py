"""The items of CLAIM that a report answers."""

from bus.benchmark.report.checklist import items


def test_claim_names_an_external_test_only_where_there_is_one() -> None:
    with_it, without = ({item.number: item.section for item in items(external)} for external in (True, False))
    assert (with_it[33], without[33]) == ("external", "limits")
    assert list(with_it) == list(without) == sorted(without)
