"""Which arms are compared with which."""

from bus.benchmark.arms import Arm, parse
from bus.benchmark.results.contrasts import leading_arms, pairs


def test_doses_and_sources_are_compared_with_as_many_repeated_scans() -> None:
    names = ["original", "oversampled@0.5", "oversampled", "cyclegan@0.5", "cyclegan:normal", "cyclegan"]
    found = {kind: (str(a), str(b)) for kind, (a, b) in pairs([*map(parse, names)]).items()}
    assert found["gain"] == ("cyclegan", "original") and found["translator"] == ("cyclegan", "oversampled")
    assert found["cyclegan@0.5 − oversampled@0.5"] == ("cyclegan@0.5", "oversampled@0.5")
    assert found["cyclegan:normal − oversampled"] == ("cyclegan:normal", "oversampled")
    assert len(set(found.values())) == len(found) == 8
    twice = Arm("cyclegan", dose=2)
    assert pairs([Arm("original"), twice])["gain"] == (twice, Arm("original"))
    assert "gain" not in pairs([Arm("original"), Arm("cyclegan", "normal")])
    prior = pairs([Arm("original"), Arm("adjusted"), Arm("cyclegan")])
    assert prior["cyclegan − adjusted"] == (Arm("cyclegan"), Arm("adjusted"))
    assert prior["adjusted − original"] == (Arm("adjusted"), Arm("original"))


def test_a_claim_in_a_part_dose_rests_on_as_many_repeated_scans() -> None:
    full = [*map(parse, ("original", "oversampled", "cyclegan"))]
    assert leading_arms([*full, parse("cyclegan@0.5")]) == tuple(full)
    half = [*map(parse, ("original", "oversampled@0.5", "cyclegan@0.5"))]
    assert leading_arms([*half, parse("cyclegan@2"), parse("cyclegan:normal")]) == tuple(half)
