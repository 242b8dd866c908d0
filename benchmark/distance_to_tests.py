"""How far synthetic scans are from the test scans, which neither translator nor scores saw.

For the report alone: what is chosen by such a number would have been chosen on test scans.
"""

from ..data.study import Study
from ..gan.manifest import SyntheticSet
from ..gan.reader import real_features
from ..gan.scores.model import HeldOutScores
from ..gan.scores.scans import JUDGED, some


def score(study: Study, fold: int, label: str, gan_seed: int, device: str) -> HeldOutScores:
    """The scores of docs/scores.md by EfficientNet-Lite0, the fold's test scans of class `label` as
    reference.

    Computed once for a set and kept. Too late to choose anything by: it comes when the set's classifiers are
    trained.
    """
    scans = SyntheticSet(study, fold, label, gan_seed)
    if kept := scans.test_scores:
        return kept
    from ..gan.scores.distances import against_reference  # late: torch-fidelity takes seconds to import
    from ..gan.scores.features import features, lite0

    rows, seen = scans.rows[:JUDGED], real_features(study, device)
    tests, sources = (
        [of_class[place] for place in some(len(of_class))]
        for of_class in (
            study.rows_of(study.test(fold), [label]),
            study.rows_of(study.train(fold), list(dict.fromkeys(row.source_label for row in rows))),
        )
    )
    made = features(scans.pixels(rows), lite0(device))
    reference = against_reference(
        made,
        [row.source_label for row in rows],
        seen[sources],
        [study.scans[row].label for row in sources],
        seen[tests],
        [study.groups[row] for row in tests],
    )
    scores = HeldOutScores(
        manifest=scans.sha256, tests=len(tests), half=reference.half, **vars(reference.distances)
    )
    with scans.held():  # whoever takes this lock sweeps up what is half-written
        scans.write_test_scores(scores)
    return scores
