"""Which items of the CLAIM 2024 checklist a report of this tool answers, and where.

Tejani AS et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update, Radiology:
Artificial Intelligence 6(4):e240300, doi 10.1148/ryai.240300; 44 items, the topics in our own words.
"""

from typing import NamedTuple


class Item(NamedTuple):
    """One item: its number, its topic, the report's section that answers it, and what remains to be said."""

    number: int
    topic: str
    section: str
    remark: str


EXTERNAL = Item(
    33, "testing on external data", "external", "one set, the target against the other classes it holds"
)
ITEMS = (
    Item(
        7,
        "sources of the data",
        "cohort",
        "name and content hash; origin, dates and licence are yours to add",
    ),
    Item(8, "who was included and excluded", "cohort", "every scan left out, with the reason"),
    Item(9, "preprocessing", "repeat", "letterboxed to grey squares; settings in the configurations"),
    Item(10, "selection of data subsets", "cohort", "the cohort, by its rule"),
    Item(19, "how data were assigned to partitions", "cohort", "stratified folds, fixed by seed and content"),
    Item(
        20,
        "level at which partitions are disjoint",
        "cohort",
        "groups; what a group is depends on its source",
    ),
    Item(
        21,
        "intended sample size",
        "limits",
        "none was planned; the smallest difference it could detect is given",
    ),
    Item(22, "the models", "repeat", "by name and configuration; the code is the full description"),
    Item(23, "software", "repeat", "versions of all packages that touch a number"),
    Item(24, "initial parameters", "repeat", "in the configurations"),
    Item(25, "training", "repeat", "equal steps, batch and schedule for all arms; in the configurations"),
    Item(
        26,
        "choice of the final model",
        "limits",
        "fixed schedule, last weights; nothing is chosen on test scans",
    ),
    Item(27, "ensembling", "results", "the average of the seeds, shown beside; it enters no difference"),
    Item(28, "performance metrics", "results", "macro-F1 first, named before the work"),
    Item(29, "significance and uncertainty", "effects", "bootstrap over groups, Holm over the models"),
    Item(30, "robustness", "effects", "control arms and seeds; no other sensitivity analysis"),
    Item(
        31,
        "explainability",
        "looks",
        "Grad-CAM or HiResCAM; checked against lesion masks where the data have them",
    ),
    Item(32, "evaluation on internal data", "results", "out-of-fold test scans"),
    Item(33, "testing on external data", "limits", "not done"),
    Item(
        35,
        "numbers included and excluded",
        "cohort",
        "scans and groups; patients only where groups are patients",
    ),
    Item(37, "performance with uncertainty", "results", "95 % intervals"),
    Item(38, "diagnostic performance and its precision", "curves", "ROC, calibration, recall per class"),
    Item(39, "analysis of errors", "confusion", "confusion matrices; single errors are in predictions.csv"),
    Item(40, "limitations", "limits", "those the tool can know"),
    Item(
        43,
        "availability of software, models and data",
        "repeat",
        "version of the software; the rest is yours to add",
    ),
)


def items(external: bool) -> tuple[Item, ...]:
    """The items of a report, with or without an external test."""
    return tuple(EXTERNAL if external and item.number == EXTERNAL.number else item for item in ITEMS)
